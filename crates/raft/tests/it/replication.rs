//! Raft 5.3, 5.4.2 and 7: entries reach everyone, and commit only when they are safe.

use crate::group::{self, Group, ack, leader, pump, store, to};
use raft::{Config, Error, HardState, MemoryStorage, Message, MessageType, Snapshot, Storage};

#[test]
fn a_proposal_reaches_and_is_applied_by_every_node() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.propose(1, "a");
    group.propose(1, "b");
    for id in 1..=3 {
        assert_eq!(group.payloads(id), [b"a", b"b"], "in order, on node {id}");
    }
}

#[test]
fn a_follower_forwards_a_proposal_unless_forbidden() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.propose(2, "forwarded");
    assert_eq!(group.payloads(2), [b"forwarded"], "through the leader");
    let mut group = Group::new(3, |config| config.disable_proposal_forwarding = true);
    group.elect(1);
    assert_eq!(group.at(2).propose("x"), Err(Error::ProposalDropped), "said to the proposer");
}

#[test]
fn a_proposal_is_dropped_before_the_first_election() {
    let mut group = Group::new(3, |_| {});
    assert_eq!(group.at(1).propose("x"), Err(Error::ProposalDropped), "nobody to take it");
}

#[test]
fn nothing_commits_without_a_quorum() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.extend([2, 3]);
    group.propose(1, "lonely");
    assert_eq!((group.last(1), group.committed(1)), (2, 1), "appended, not committed");
    group.cut_off.remove(&2);
    group.tick(1, 1);
    assert_eq!(group.payloads(1), [b"lonely"], "a heartbeat's answer got it going again");
}

#[test]
fn a_leader_counts_itself_only_when_its_own_write_is_done() {
    let mut group = Group::new(1, |_| {});
    group.elect(1);
    group.at(1).propose("x").unwrap();
    let ready = group.at(1).ready().unwrap();
    assert_eq!(group.committed(1), 1, "bug 17: not committed before it is stored");
    store(group.at(1), &ready);
    group.at(1).advance().unwrap();
    assert_eq!(group.committed(1), 2, "stored and committed");
}

/// Node 1 leads in term 6 with an entry of term 1 that it kept to itself, heard of by nobody yet:
/// leaders in between raised the term.
fn leader_with_an_old_entry() -> Group {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(1);
    group.propose(1, "of term one");
    group.cut_off.clear();
    group.at(1).step(heartbeat(3, 1, 5)).unwrap();
    group.settle();
    group.win_unheard(1, &[2]);
    group.drain(1);
    group
}

#[test]
fn an_entry_of_an_older_term_is_not_committed_by_counting() {
    let mut group = leader_with_an_old_entry();
    ack(group.at(1), 2, 2);
    assert_eq!(group.committed(1), 1, "two of three have it, yet it is of term 1");
    ack(group.at(1), 2, 3);
    assert_eq!(group.committed(1), 3, "with an entry of its own term, all before it");
}

#[test]
fn what_every_member_has_of_an_older_term_does_not_hide_that_a_quorum_has_more() {
    let mut group = leader_with_an_old_entry();
    ack(group.at(1), 2, 2);
    ack(group.at(1), 3, 2);
    assert_eq!(group.committed(1), 1, "all three have it, yet it is of term 1");
    ack(group.at(1), 3, 3);
    assert_eq!(group.committed(1), 3, "two of three have the entry of the new term");
}

fn heartbeat(from: u64, to: u64, term: u64) -> Message {
    Message { to, from, term, ..Message::new(MessageType::Heartbeat) }
}

#[test]
fn uncommitted_entries_of_a_deposed_leader_are_replaced() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(1);
    group.propose(1, "lost one");
    group.propose(1, "lost two");
    group.elect(2);
    group.propose(2, "kept");
    group.cut_off.clear();
    group.tick(2, 1);
    for id in 1..=3 {
        assert_eq!(group.payloads(id), [b"kept"], "node {id}");
        assert_eq!(group.last(id), 3, "node {id} has the same log");
    }
}

#[test]
fn a_heartbeat_beyond_the_log_is_fatal_with_etcds_words() {
    let mut group = Group::new(3, |_| {});
    let beyond = Message { commit: 7, ..heartbeat(2, 1, 1) };
    let error = group.at(1).step(beyond).unwrap_err();
    let words = "tocommit(7) is out of range [lastIndex(0)]. Was the raft log corrupted, \
                 truncated, or lost?";
    assert_eq!(error, Error::Fatal(words.to_owned()), "what etcd dies of");
}

#[test]
fn a_heartbeat_tells_each_follower_what_it_has_of_what_is_committed() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    group.propose(1, "x");
    group.at(1).tick().unwrap();
    let ready = group.at(1).ready().unwrap();
    let commits: Vec<_> = ready.messages.iter().map(|m| (m.to, m.commit)).collect();
    assert_eq!(commits, [(2, 2), (3, 1)], "3 may not have entry 2");
}

#[test]
fn damaged_messages_are_errors_and_change_nothing() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    let term = group.term(2);
    let base = Message { to: 2, from: 1, term, ..Message::new(MessageType::App) };
    let entry = |index, term| raft::Entry { index, term, ..raft::Entry::normal("x") };
    let damaged = [
        Message { index: u64::MAX, ..base.clone() },
        Message { term: u64::MAX, ..base.clone() },
        Message { term: 0, ..base.clone() },
        Message { index: 1, log_term: 1, entries: entry(5, 1).into(), ..base.clone() },
        Message { index: 1, log_term: 1, entries: entry(2, 9).into(), ..base.clone() },
        Message { msg_type: MessageType::Prop, ..base.clone() },
        Message { msg_type: MessageType::ReadIndex, ..base.clone() },
        Message { msg_type: MessageType::Vote, term: 0, ..base.clone() },
    ];
    for message in damaged {
        let result = group.at(2).step(message.clone());
        assert!(matches!(result, Err(Error::InvalidMessage(_))), "{message:?}: {result:?}");
        assert!(!group.at(2).has_ready(), "nothing came of {message:?}");
    }
    let hup = Message { msg_type: MessageType::Hup, ..base.clone() };
    assert_eq!(group.at(2).step(hup), Err(Error::StepLocalMsg), "local");
    let stranger = Message { from: 9, msg_type: MessageType::AppResp, ..base.clone() };
    assert_eq!(group.at(2).step(stranger), Err(Error::StepPeerNotFound), "unknown");
    let too_much = Message { to: 1, from: 2, index: 99, msg_type: MessageType::AppResp, ..base };
    let result = group.at(1).step(too_much);
    assert!(matches!(result, Err(Error::InvalidMessage(_))), "more than there is: {result:?}");
}

#[test]
fn a_restarted_node_remembers_term_vote_and_log() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.propose(1, "x");
    group.restart(Config::new(2), 0);
    let status = group.at(2).basic_status();
    assert_eq!(status.hard_state, HardState { term: 1, vote: 1, commit: 2 }, "as stored");
    group.applied.clear();
    group.settle();
    assert_eq!(group.payloads(2), [b"x"], "what is committed is applied again");
    group.propose(1, "y");
    assert_eq!(group.payloads(2), [b"x", b"y"], "and it goes on");
}

#[test]
fn a_hard_state_that_commits_beyond_the_log_is_fatal() {
    let mut storage = MemoryStorage::new();
    storage.set_hard_state(HardState { term: 1, vote: 0, commit: 3 });
    let error = raft::RawNode::new(Config::new(1), storage, group::Counting(1)).unwrap_err();
    let words = "1 state.commit 3 is out of range [0, 0]";
    assert_eq!(error, Error::Fatal(words.to_owned()), "what etcd dies of");
}

#[test]
fn a_follower_behind_the_compaction_gets_a_snapshot() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    for _ in 0..5 {
        group.propose(1, "x");
    }
    let state = group.at(1).conf_state();
    let storage = group.at(1).storage_mut();
    storage.create_snapshot(6, Some(state), "state").unwrap();
    storage.compact(6).unwrap();
    group.cut_off.clear();
    group.tick(1, 1);
    group.propose(1, "after");
    let snapshot: Snapshot = group.at(3).storage().snapshot().unwrap();
    assert_eq!((snapshot.metadata.index, &snapshot.data[..]), (6, &b"state"[..]), "it arrived");
    let sentinel = group.at(3).log().sentinel().unwrap();
    assert_eq!((sentinel.term, sentinel.index), (1, 6), "the log begins behind it");
    assert_eq!(group.payloads(3), [b"after"], "and goes on");
}

#[test]
fn uncommitted_bytes_are_limited_on_a_leader() {
    let mut group = Group::new(3, |config| config.max_uncommitted_entries_size = 8);
    group.elect(1);
    group.cut_off.insert(1);
    group.propose(1, "more than eight bytes");
    assert_eq!(group.at(1).propose("x"), Err(Error::ProposalDropped), "the limit is reached");
    assert_eq!(group.at(1).propose(""), Ok(()), "an empty one always passes");
    group.cut_off.clear();
    group.tick(1, 1);
    group.propose(1, "now");
    assert_eq!(group.payloads(1).len(), 2, "committed bytes no longer count");
}

#[test]
fn appends_in_flight_are_limited_by_count() {
    let mut group = Group::new(3, |config| {
        config.max_inflight_msgs = 2;
        config.max_size_per_msg = 0;
    });
    group.elect(1);
    for _ in 0..5 {
        group.at(1).propose("x").unwrap();
    }
    let ready = group.at(1).ready().unwrap();
    let to_two = ready.messages.iter().filter(|message| message.to == 2).count();
    assert_eq!(to_two, 2, "the window is full");
    store(group.at(1), &ready);
    group.at(1).advance().unwrap();
    group.tick(1, 1);
    assert_eq!(group.committed(2), 6, "what was lost is sent again");
}

#[test]
fn applying_is_limited_in_bytes_at_a_time() {
    let mut group = Group::new(1, |config| config.max_committed_size_per_ready = 1);
    group.elect(1);
    group.at(1).propose("a").unwrap();
    group.at(1).propose("b").unwrap();
    let mut sizes = Vec::new();
    while group.at(1).has_ready() {
        let ready = group.at(1).ready().unwrap();
        store(group.at(1), &ready);
        sizes.push(ready.committed_entries.len());
        group.at(1).advance().unwrap();
    }
    assert_eq!(sizes, [0, 1, 1], "one at a time");
}

#[test]
fn coalesced_appends_go_out_with_the_next_ready_as_one_message_to_each() {
    let mut one = leader(Config { coalesce_appends: true, ..Config::new(1) }, &[1, 2, 3]);
    for from in [2, 3] {
        ack(&mut one, from, 1);
    }
    for data in ["a", "b", "c"] {
        one.propose(data).unwrap();
    }
    let sent = pump(&mut one);
    for member in [2, 3] {
        let [append] = &to(&sent, member, MessageType::App)[..] else { panic!("one: {sent:?}") };
        assert_eq!((append.entries.len(), append.commit), (3, 1), "all that came in between");
    }
    let sent = ack(&mut one, 2, 4);
    for member in [2, 3] {
        let [append] = &to(&sent, member, MessageType::App)[..] else { panic!("one: {sent:?}") };
        assert_eq!((append.entries.len(), append.commit), (0, 4), "what is committed now");
    }
    assert_eq!(ack(&mut one, 3, 4), [], "both have heard it");
}

#[test]
fn coalesced_appends_keep_to_the_limit_of_a_message() {
    let config = Config { coalesce_appends: true, max_size_per_msg: 0, ..Config::new(1) };
    let mut one = leader(config, &[1, 2]);
    ack(&mut one, 2, 1);
    for data in ["a", "b"] {
        one.propose(data).unwrap();
    }
    let sent = to(&pump(&mut one), 2, MessageType::App);
    let entries: Vec<_> = sent.iter().map(|append| append.entries.len()).collect();
    assert_eq!(entries, [1, 1], "one entry a message, and all of them");
}

#[test]
fn a_leader_that_steps_down_sends_no_appends_that_waited() {
    let mut one = leader(Config { coalesce_appends: true, ..Config::new(1) }, &[1, 2]);
    ack(&mut one, 2, 1);
    one.propose("a").unwrap();
    let sent = group::step(&mut one, group::message(MessageType::Heartbeat, 2, 1, 9));
    assert_eq!(to(&sent, 2, MessageType::App), [], "it leads no more");
}

#[test]
fn groups_that_coalesce_appends_come_to_the_same_log() {
    let mut group = Group::new(3, |config| config.coalesce_appends = true);
    group.elect(1);
    for _ in 0..3 {
        for data in ["a", "b", "c"] {
            group.at(1).propose(data).unwrap();
        }
        group.settle();
    }
    for id in 1..=3 {
        assert_eq!(group.payloads(id).concat(), b"abcabcabc", "on node {id}");
    }
}
