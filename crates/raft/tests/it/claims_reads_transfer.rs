//! Claims of upstream's tests about linearizable reads and the transfer of leadership.

use crate::group::{self, Group, ack, leader, message, node, pump, step, to};
use raft::{
    ConfChange, ConfChangeType, ConfState, Config, Entry, Error, MemoryStorage, Message,
    MessageType, NodeId, RawNode, ReadOnlyOption, ReadState, Role,
};

fn lease_based(config: &mut Config) {
    config.check_quorum = true;
    config.read_only_option = ReadOnlyOption::LeaseBased;
}

fn reads(group: &Group, id: NodeId) -> Vec<(u64, &[u8])> {
    let states = group.reads.get(&id).into_iter().flatten();
    states.map(|state| (state.index, &state.request_context[..])).collect()
}

/// Reads on every node, between proposals.
fn reads_everywhere(configure: impl Fn(&mut Config)) {
    let mut group = Group::new(3, configure);
    group.elect(1);
    let mut expected = 1;
    for (id, context) in [(1, "a"), (2, "b"), (3, "c")] {
        for _ in 0..10 {
            group.propose(1, "x");
        }
        expected += 10;
        group.at(id).read_index(context).unwrap();
        group.settle();
        assert_eq!(
            reads(&group, id),
            [(expected, context.as_bytes())],
            "node {id} reads its writes"
        );
    }
}

#[test]
fn read_only_option_safe() {
    reads_everywhere(|_| {});
}

#[test]
fn read_only_option_lease() {
    reads_everywhere(lease_based);
    let mut config = Config::new(1);
    lease_based(&mut config);
    let mut one = leader(config, &[1, 2, 3]);
    ack(&mut one, 2, 1);
    one.read_index("a").unwrap();
    let ready = one.ready().unwrap();
    assert_eq!((ready.read_states.len(), ready.messages.len()), (1, 0), "at once, by the clock");
}

#[test]
fn read_only_with_learner() {
    let mut group = Group::new(1, |_| {});
    for id in [1, 2] {
        let state = ConfState { learners: vec![2], ..ConfState::of_voters([1]) };
        let storage = MemoryStorage::with_conf_state(state);
        group.nodes.insert(id, RawNode::new(Config::new(id), storage, group::Counting(1)).unwrap());
    }
    group.elect(1);
    group.propose(1, "x");
    for (id, context) in [(1, "a"), (2, "b")] {
        group.at(id).read_index(context).unwrap();
        group.settle();
        assert_eq!(reads(&group, id), [(2, context.as_bytes())], "{id}: learners read too");
    }
}

#[test]
fn read_only_for_new_leader() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.propose(1, "x");
    group.win_unheard(2, &[3]);
    group.at(2).read_index("early").unwrap();
    group.drain(2);
    assert_eq!(reads(&group, 2), [], "it does not know what is committed");
    group.tick(2, 1);
    assert_eq!(reads(&group, 2), [(3, &b"early"[..])], "after the first commit of its own term");
}

#[test]
fn read_only_duplicate_request() {
    let mut one = leader(Config::new(1), &[1, 2, 3]);
    ack(&mut one, 2, 1);
    for _ in 0..2 {
        one.read_index("same").unwrap();
    }
    let ready = one.ready().unwrap();
    let beats = to(&ready.messages, 2, MessageType::Heartbeat);
    assert_eq!(beats[0].context(), beats[1].context(), "asked twice while it waits: one round");
    one.advance().unwrap();
    let round = beats[0].context().to_vec();
    let answer = message(MessageType::HeartbeatResp, 2, 1, 1).with_context(round.clone());
    one.step(answer.clone()).unwrap();
    let request_context = b"same".as_slice().into();
    assert_eq!(one.ready().unwrap().read_states, [ReadState { index: 1, request_context }], "once");
    one.advance().unwrap();
    one.read_index("same").unwrap();
    one.step(answer).unwrap();
    let ready = one.ready().unwrap();
    assert_eq!(ready.read_states, [], "etcd 20418: the old acknowledgement is not of this round");
    assert_ne!(to(&ready.messages, 2, MessageType::Heartbeat)[0].context(), round, "new");
}

#[test]
fn raft_frees_read_only_mem() {
    let mut one = leader(Config::new(1), &[1, 2]);
    ack(&mut one, 2, 1);
    one.read_index("a").unwrap();
    let round = to(&pump(&mut one), 2, MessageType::Heartbeat)[0].context().to_vec();
    assert!(!round.is_empty(), "the round is on its way");
    one.step(message(MessageType::HeartbeatResp, 2, 1, 1).with_context(round)).unwrap();
    pump(&mut one);
    one.tick().unwrap();
    let beat = to(&pump(&mut one), 2, MessageType::Heartbeat).remove(0);
    assert!(beat.context().is_empty(), "nothing waits any more");
}

#[test]
fn read_index_to_old_leader() {
    // Two followers believe in 1, which has become a follower of 2: the request goes one step on.
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.elect(2);
    let request =
        Message { entries: Entry::normal("r").into(), ..message(MessageType::ReadIndex, 3, 1, 0) };
    let sent = step(group.at(1), request);
    let forwarded = to(&sent, 2, MessageType::ReadIndex);
    assert_eq!((forwarded.len(), forwarded[0].from), (1, 3), "in the name of the one who asked");
    group.at(2).step(forwarded[0].clone()).unwrap();
    group.settle();
    assert_eq!(reads(&group, 3), [(2, &b"r"[..])], "who gets the answer");
}

#[test]
fn a_leader_without_a_quorum_serves_no_safe_read() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(1);
    group.elect(2);
    group.propose(2, "news");
    group.at(1).read_index("stale").unwrap();
    group.settle();
    group.tick(1, 3);
    assert_eq!(reads(&group, 1), [], "it cannot know of the news");
}

#[test]
fn a_lease_read_of_a_slow_old_leader_is_stale() {
    // What lease reads are documented to risk: a leader whose clock stands still.
    let mut group = Group::new(3, lease_based);
    group.elect(1);
    group.cut_off.insert(1);
    for id in [2, 3] {
        for _ in 0..40 {
            group.at(id).tick().unwrap();
        }
    }
    group.settle();
    let new = if group.role(2) == Role::Leader { 2 } else { 3 };
    for _ in 0..20 {
        if group.role(new) != Role::Leader {
            group.tick(new, 10);
        }
    }
    group.propose(new, "news");
    group.at(1).read_index("stale").unwrap();
    group.settle();
    assert_eq!(reads(&group, 1), [(1, &b"stale"[..])], "served although there is newer data");
}

fn transferred(group: &Group, from: NodeId, to: NodeId) {
    assert_eq!((group.role(from), group.role(to)), (Role::Follower, Role::Leader), "handed over");
    assert_eq!(group.lead(from), to, "and followed");
}

fn still_leads(group: &Group, id: NodeId) {
    let status = group.nodes[&id].basic_status();
    assert_eq!((status.soft_state.role, status.lead_transferee), (Role::Leader, 0), "as before");
}

#[test]
fn leader_transfer_to_up_to_date_node() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.at(1).transfer_leader(2).unwrap();
    group.settle();
    transferred(&group, 1, 2);
    group.propose(2, "x");
    group.at(2).transfer_leader(1).unwrap();
    group.settle();
    transferred(&group, 2, 1);
}

#[test]
fn leader_transfer_to_up_to_date_node_from_follower() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.at(2).transfer_leader(2).unwrap();
    group.settle();
    transferred(&group, 1, 2);
}

#[test]
fn leader_transfer_with_check_quorum() {
    let mut group = Group::new(3, |config| config.check_quorum = true);
    group.elect(1);
    group.at(1).transfer_leader(2).unwrap();
    group.settle();
    transferred(&group, 1, 2);
}

#[test]
fn leader_transfer_to_slow_follower() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    group.propose(1, "x");
    group.cut_off.clear();
    group.at(1).transfer_leader(3).unwrap();
    group.settle();
    transferred(&group, 1, 3);
    assert_eq!(group.payloads(3), [b"x"], "brought up to date before");
}

#[test]
fn leader_transfer_after_snapshot() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    group.propose(1, "x");
    let (applied, state) = (group.committed(1), group.nodes[&1].conf_state());
    let storage = group.at(1).storage_mut();
    storage.create_snapshot(applied, Some(state), "").unwrap();
    storage.compact(applied).unwrap();
    group.cut_off.clear();
    group.at(1).transfer_leader(3).unwrap();
    group.settle();
    group.tick(1, 1);
    transferred(&group, 1, 3);
}

#[test]
fn leader_transfer_to_self() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.at(1).transfer_leader(1).unwrap();
    group.settle();
    still_leads(&group, 1);
}

#[test]
fn leader_transfer_to_non_existing_node() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.at(1).transfer_leader(4).unwrap();
    group.settle();
    still_leads(&group, 1);
}

#[test]
fn leader_transfer_to_learner() {
    let state = ConfState { learners: vec![2], ..ConfState::of_voters([1]) };
    let storage = MemoryStorage::with_conf_state(state);
    let mut one = RawNode::new(Config::new(1), storage, group::Counting(1)).unwrap();
    group::lead(&mut one);
    one.transfer_leader(2).unwrap();
    assert_eq!((pump(&mut one), one.basic_status().lead_transferee), (vec![], 0), "no voter");
}

/// A group whose leader 1 is handing over to 3, which hears nothing.
fn transferring() -> Group {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    group.at(1).transfer_leader(3).unwrap();
    group.settle();
    assert_eq!(group.nodes[&1].basic_status().lead_transferee, 3, "waits for 3");
    group
}

#[test]
fn leader_transfer_timeout() {
    let mut group = transferring();
    group.tick(1, 9);
    assert_eq!(group.nodes[&1].basic_status().lead_transferee, 3, "not before a timeout");
    group.tick(1, 1);
    still_leads(&group, 1);
}

#[test]
fn leader_transfer_ignore_proposal() {
    let mut group = transferring();
    assert_eq!(group.at(1).propose("x"), Err(Error::ProposalDropped), "nothing new meanwhile");
    assert_eq!(group.last(1), 1, "the log stays");
}

#[test]
fn leader_transfer_receive_higher_term_vote() {
    let mut group = transferring();
    group.elect(2);
    assert_eq!((group.role(2), group.role(1)), (Role::Leader, Role::Follower), "2 was faster");
    assert_eq!(group.nodes[&1].basic_status().lead_transferee, 0, "nothing is handed over now");
}

fn transfer_ends_with(change_type: ConfChangeType) {
    let mut group = transferring();
    let change = ConfChange { change_type, node_id: 3, ..ConfChange::default() };
    group.at(1).apply_conf_change(change).unwrap();
    still_leads(&group, 1);
}

#[test]
fn leader_transfer_remove_node() {
    transfer_ends_with(ConfChangeType::RemoveNode);
}

#[test]
fn leader_transfer_demote_node() {
    transfer_ends_with(ConfChangeType::AddLearnerNode);
}

#[test]
fn leader_transfer_back() {
    let mut group = transferring();
    group.at(1).transfer_leader(1).unwrap();
    group.settle();
    still_leads(&group, 1);
    group.propose(1, "x");
    assert_eq!(group.committed(1), 2, "it takes proposals again");
}

#[test]
fn leader_transfer_second_transfer_to_another_node() {
    let mut group = transferring();
    group.at(1).transfer_leader(2).unwrap();
    group.settle();
    transferred(&group, 1, 2);
}

#[test]
fn leader_transfer_second_transfer_to_same_node() {
    let mut group = transferring();
    group.tick(1, 5);
    group.at(1).transfer_leader(3).unwrap();
    group.settle();
    group.tick(1, 5);
    still_leads(&group, 1);
}

#[test]
fn transfer_non_member() {
    let mut one = node(Config::new(1), &[2, 3, 4]);
    step(&mut one, message(MessageType::TimeoutNow, 2, 1, 1));
    let vote = message(MessageType::VoteResp, 2, 1, 1);
    assert_eq!(one.step(vote), Ok(()), "2 is a member of what it knows");
    assert_eq!(one.basic_status().soft_state.role, Role::Follower, "it itself is not");
}

#[test]
fn forget_leader_keeps_term_and_vote() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    let before = group.nodes[&2].basic_status().hard_state;
    group.at(2).forget_leader().unwrap();
    assert_eq!(group.lead(2), 0, "forgotten");
    assert_eq!(group.nodes[&2].basic_status().hard_state, before, "that is all");
    group.tick(1, 1);
    assert_eq!(group.lead(2), 1, "until it is heard of again");
}
