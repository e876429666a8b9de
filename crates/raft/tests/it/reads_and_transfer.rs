//! Thesis 6.4 and 3.10: linearizable reads, and handing leadership over.

use crate::group::Group;
use raft::{Error, ReadOnlyOption, ReadState, Role};

fn reads(group: &Group, id: u64) -> Vec<(u64, &[u8])> {
    let states = group.reads.get(&id).into_iter().flatten();
    states.map(|ReadState { index, request_context }| (*index, &request_context[..])).collect()
}

#[test]
fn a_safe_read_waits_for_a_quorum() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.extend([2, 3]);
    group.at(1).read_index("a").unwrap();
    group.settle();
    assert_eq!(reads(&group, 1), [], "bug 13: it may no longer be the leader");
    group.cut_off.clear();
    group.tick(1, 1);
    assert_eq!(reads(&group, 1), [(1, &b"a"[..])], "the next heartbeat asks again");
}

#[test]
fn a_followers_read_is_answered_by_the_leader() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.propose(1, "x");
    group.at(3).read_index("b").unwrap();
    group.settle();
    assert_eq!(reads(&group, 3), [(2, &b"b"[..])], "with the leader's commit index");
}

#[test]
fn a_read_before_the_first_commit_of_the_term_waits_for_it() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.propose(1, "x");
    group.win_unheard(2, &[3]);
    group.at(2).read_index("c").unwrap();
    group.drain(2);
    assert_eq!(reads(&group, 2), [], "bug 10: what is committed is not known yet");
    group.settle();
    group.tick(2, 1);
    assert_eq!(reads(&group, 2), [(3, &b"c"[..])], "at the entry of its own term");
}

#[test]
fn a_lease_read_asks_nobody() {
    let mut group = Group::new(3, |config| {
        config.check_quorum = true;
        config.read_only_option = ReadOnlyOption::LeaseBased;
    });
    group.elect(1);
    group.cut_off.extend([2, 3]);
    group.at(1).read_index("d").unwrap();
    group.settle();
    assert_eq!(reads(&group, 1), [(1, &b"d"[..])], "by the clock");
}

#[test]
fn leadership_goes_to_a_successor_that_is_up_to_date() {
    let mut group = Group::new(3, |config| config.check_quorum = true);
    group.elect(1);
    group.at(1).transfer_leader(3).unwrap();
    group.settle();
    assert_eq!((group.role(3), group.lead(1), group.term(3)), (Role::Leader, 3, 2), "at once");
}

#[test]
fn a_slow_successor_is_brought_up_to_date_first() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    group.propose(1, "x");
    group.cut_off.clear();
    group.at(1).transfer_leader(3).unwrap();
    group.settle();
    assert_eq!(group.role(3), Role::Leader, "after it caught up");
    assert_eq!(group.payloads(3), [b"x"], "with everything");
}

#[test]
fn proposals_are_dropped_during_a_transfer_and_taken_after_its_timeout() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    group.at(1).transfer_leader(3).unwrap();
    assert_eq!(group.at(1).propose("x"), Err(Error::ProposalDropped), "leadership is moving");
    group.tick(1, 10);
    assert_eq!(group.at(1).propose("x"), Ok(()), "it did not move");
    assert_eq!(group.role(1), Role::Leader, "1 goes on");
}

#[test]
fn leadership_does_not_go_to_self_nor_to_a_stranger() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.at(1).transfer_leader(1).unwrap();
    group.at(1).transfer_leader(9).unwrap();
    group.settle();
    assert_eq!((group.role(1), group.term(1)), (Role::Leader, 1), "nothing happened");
    assert_eq!(group.at(1).basic_status().lead_transferee, 0, "nothing pends");
}
