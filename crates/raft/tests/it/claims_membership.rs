//! Claims of upstream's tests about members: learners, changes of the configuration, snapshots.

use crate::group::{self, Group, ack, lead, leader, message, node, pump, step, to};
use raft::{
    ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
    Config, EntryType, Error, MemoryStorage, Message, MessageType, NodeId, ProgressState, Proposed,
    RawNode, Role, Snapshot, SnapshotMetadata,
};

fn change(change_type: ConfChangeType, node_id: NodeId) -> ConfChange {
    ConfChange { change_type, node_id, ..ConfChange::default() }
}

fn node_of(id: NodeId, conf_state: ConfState) -> group::Node {
    let storage = MemoryStorage::with_conf_state(conf_state);
    RawNode::new(Config::new(id), storage, group::Counting(1)).unwrap()
}

fn with_learners(voters: &[NodeId], learners: &[NodeId]) -> ConfState {
    ConfState { learners: learners.to_vec(), ..ConfState::of_voters(voters) }
}

fn snapshot(conf_state: ConfState) -> Snapshot {
    let metadata = SnapshotMetadata { conf_state, index: 11, term: 11 };
    Snapshot { metadata, ..Snapshot::default() }
}

/// The node takes a snapshot from node 2 in term 11; gives what it answers.
fn take(node: &mut group::Node, snapshot: Snapshot) -> Vec<Message> {
    let to = node.basic_status().id;
    step(node, message(MessageType::Snap, 2, to, 11).with_snapshot(snapshot))
}

#[test]
fn learner_log_replication() {
    let mut group = Group::new(1, |_| {});
    for id in [1, 2] {
        group.nodes.insert(id, node_of(id, with_learners(&[1], &[2])));
    }
    group.elect(1);
    group.propose(1, "x");
    assert_eq!(group.payloads(2), [b"x"], "a learner gets everything");
    let progress = group.nodes[&1].progress(2).unwrap();
    assert!(progress.is_learner && progress.match_index == group.committed(1), "and answers");
    group.cut_off.insert(2);
    group.propose(1, "y");
    assert_eq!(group.committed(1), 3, "but is not waited for");
}

#[test]
fn restore() {
    let mut one = node(Config::new(1), &[1, 2]);
    let state = ConfState::of_voters([1, 2, 3]);
    let sent = to(&take(&mut one, snapshot(state.clone())), 2, MessageType::AppResp);
    assert_eq!((sent[0].index, sent[0].reject), (11, false), "acknowledged");
    assert_eq!((one.log().last_index(), one.log().term(11)), (11, Ok(11)), "in place of the log");
    assert_eq!(one.conf_state(), state, "with its configuration");
    let again = to(&take(&mut one, snapshot(state)), 2, MessageType::AppResp);
    assert_eq!(again[0].index, 11, "a second time it only says what it has");
    one.set_randomized_election_timeout(100);
    for _ in 0..50 {
        one.tick().unwrap();
    }
    assert_eq!(one.basic_status().soft_state.role, Role::Follower, "and does not campaign before");
}

#[test]
fn restore_with_learner() {
    let mut three = node_of(3, with_learners(&[1, 2], &[3]));
    take(&mut three, snapshot(with_learners(&[1, 2], &[3])));
    assert_eq!(three.conf_state(), with_learners(&[1, 2], &[3]), "a learner restores as one");
    three.campaign().unwrap();
    assert_eq!(three.basic_status().soft_state.role, Role::Follower, "and stays one");
}

#[test]
fn restore_with_voters_outgoing() {
    let state = ConfState { voters_outgoing: vec![1, 2, 3], ..ConfState::of_voters([2, 3, 4]) };
    let mut one = node(Config::new(1), &[1, 2]);
    take(&mut one, snapshot(state.clone()));
    assert!(one.conf_state().is_equivalent(&state), "outgoing voters come with the snapshot");
    lead(&mut one);
    let sent = one.status().progress.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!(sent, [1, 2, 3, 4], "all of both are led");
}

#[test]
fn restore_voter_to_learner() {
    let mut three = node(Config::new(3), &[1, 2, 3]);
    take(&mut three, snapshot(with_learners(&[1, 2], &[3])));
    assert_eq!(three.conf_state().learners, [3], "demoted while it was away");
}

#[test]
fn restore_learner_promotion() {
    let mut three = node_of(3, with_learners(&[1, 2], &[3]));
    take(&mut three, snapshot(ConfState::of_voters([1, 2, 3])));
    three.campaign().unwrap();
    assert_eq!(three.basic_status().soft_state.role, Role::Candidate, "promoted by the snapshot");
}

#[test]
fn learner_receive_snapshot() {
    let mut group = Group::new(1, |_| {});
    let storage_of = |id: NodeId| {
        let mut storage = MemoryStorage::new();
        storage.apply_snapshot(snapshot(with_learners(&[1], &[2]))).unwrap();
        storage.set_hard_state(raft::HardState { term: 11, vote: 0, commit: 11 });
        RawNode::new(Config::new(id), storage, group::Counting(1)).unwrap()
    };
    group.nodes.insert(1, storage_of(1));
    group.nodes.insert(2, node_of(2, with_learners(&[1], &[2])));
    group.elect(1);
    group.tick(1, 2);
    assert_eq!(group.committed(2), group.committed(1), "the learner caught up by a snapshot");
}

#[test]
fn restore_ignore_snapshot() {
    let mut one = group::node_with_log(Config::new(1), &[1, 2], &[1, 1, 1]);
    step(&mut one, Message { commit: 1, ..message(MessageType::Heartbeat, 2, 1, 1) });
    let old = |index| {
        let metadata =
            SnapshotMetadata { conf_state: ConfState::of_voters([1, 2]), index, term: 1 };
        Snapshot { metadata, ..Snapshot::default() }
    };
    let answer_at = |one: &mut group::Node, index| {
        let sent = step(one, message(MessageType::Snap, 2, 1, 1).with_snapshot(old(index)));
        to(&sent, 2, MessageType::AppResp)[0].index
    };
    assert_eq!((answer_at(&mut one, 1), one.log().committed()), (1, 1), "it has that already");
    assert_eq!(
        (answer_at(&mut one, 2), one.log().committed()),
        (2, 2),
        "it has that too: committed"
    );
    assert_eq!(one.log().last_index(), 3, "the log stays");
}

#[test]
fn restore_from_snap_msg() {
    let mut one = node(Config::new(1), &[1, 2]);
    take(&mut one, snapshot(ConfState::of_voters([1, 2])));
    assert_eq!(one.basic_status().soft_state.lead, 2, "only a leader sends one");
}

#[test]
fn step_config() {
    let mut one = leader(Config::new(1), &[1, 2]);
    let before = one.log().last_index();
    let proposed = one.propose_conf_change(change(ConfChangeType::AddNode, 3));
    assert_eq!(proposed, Ok(Proposed::Appended), "nothing is pending");
    let entry = one.log().entry(before + 1).unwrap();
    assert_eq!(entry.entry_type, EntryType::ConfChange, "in the log");
    let second = one.propose_conf_change(change(ConfChangeType::AddNode, 4)).unwrap();
    assert!(matches!(second, Proposed::NoOp(_)), "now one is pending");
}

#[test]
fn step_ignore_config() {
    let mut one = leader(Config::new(1), &[1, 2]);
    ack(&mut one, 2, 1);
    one.propose_conf_change(change(ConfChangeType::AddNode, 3)).unwrap();
    let second = one.propose_conf_change(change(ConfChangeType::AddNode, 4)).unwrap();
    let expected = "possible unapplied conf change at index 2 (applied to 1)";
    assert_eq!(second, Proposed::NoOp(expected.to_owned()), "one at a time, and it says so");
    let entry = one.log().entry(3).unwrap();
    assert_eq!((entry.entry_type, entry.data.len()), (EntryType::Normal, 0), "an empty entry");
}

#[test]
fn without_validation_every_change_is_taken_as_it_is_proposed() {
    let config = Config { disable_conf_change_validation: true, ..Config::new(1) };
    let mut one = leader(config, &[1, 2]);
    for id in 3..6 {
        let proposed = one.propose_conf_change(change(ConfChangeType::AddNode, id));
        assert_eq!(proposed, Ok(Proposed::Appended), "however many are pending");
        let last = one.log().last_index();
        let entry = one.log().entry(last).unwrap();
        assert_eq!(entry.entry_type, EntryType::ConfChange, "not made an empty one");
    }
}

#[test]
fn new_leader_pending_config() {
    for terms in [&[][..], &[1]] {
        let mut one = group::node_with_log(Config::new(1), &[1, 2], terms);
        lead(&mut one);
        let first = one.propose_conf_change(change(ConfChangeType::AddNode, 3)).unwrap();
        let waits = matches!(first, Proposed::NoOp(_));
        assert_eq!(waits, !terms.is_empty(), "an inherited entry may be a change: {terms:?}");
    }
}

#[test]
fn add_node() {
    let mut one = node(Config::new(1), &[1]);
    let state = one.apply_conf_change(change(ConfChangeType::AddNode, 2)).unwrap();
    assert_eq!(state.voters, [1, 2], "a voter more");
}

#[test]
fn add_learner() {
    let mut one = node(Config::new(1), &[1]);
    let state = one.apply_conf_change(change(ConfChangeType::AddLearnerNode, 2)).unwrap();
    assert_eq!((state.voters, state.learners), (vec![1], vec![2]), "a learner more");
    let state = one.apply_conf_change(change(ConfChangeType::AddNode, 2)).unwrap();
    assert_eq!((state.voters, state.learners), (vec![1, 2], vec![]), "promoted");
    let state = one.apply_conf_change(change(ConfChangeType::AddLearnerNode, 1)).unwrap();
    assert_eq!((state.voters, state.learners), (vec![2], vec![1]), "itself demoted");
    one.campaign().unwrap();
    assert_eq!(one.basic_status().soft_state.role, Role::Follower, "and so it cannot campaign");
}

#[test]
fn add_node_check_quorum() {
    let mut one = leader(Config { check_quorum: true, ..Config::new(1) }, &[1]);
    for _ in 0..9 {
        one.tick().unwrap();
    }
    one.apply_conf_change(change(ConfChangeType::AddNode, 2)).unwrap();
    one.tick().unwrap();
    assert_eq!(
        one.basic_status().soft_state.role,
        Role::Leader,
        "a new node counts as active once"
    );
    for _ in 0..10 {
        one.tick().unwrap();
    }
    assert_eq!(one.basic_status().soft_state.role, Role::Follower, "then it must answer");
}

#[test]
fn remove_node() {
    let mut one = node(Config::new(1), &[1, 2]);
    let state = one.apply_conf_change(change(ConfChangeType::RemoveNode, 2)).unwrap();
    assert_eq!(state.voters, [1], "a voter less");
    let refused = one.apply_conf_change(change(ConfChangeType::RemoveNode, 1));
    assert_eq!(refused, Err(Error::Fatal("removed all voters".to_owned())), "not the last one");
}

#[test]
fn remove_learner() {
    let mut one = node_of(1, with_learners(&[1], &[2]));
    let state = one.apply_conf_change(change(ConfChangeType::RemoveNode, 2)).unwrap();
    assert_eq!((state.voters, state.learners), (vec![1], vec![]), "a learner less");
}

#[test]
fn raft_nodes() {
    for voters in [[1, 2, 3], [3, 2, 1]] {
        let one = node(Config::new(1), &voters);
        assert_eq!(one.conf_state().voters, [1, 2, 3], "members are told in order");
    }
}

#[test]
fn commit_after_remove_node() {
    let mut one = leader(Config::new(1), &[1, 2]);
    ack(&mut one, 2, 1);
    one.propose_conf_change(change(ConfChangeType::RemoveNode, 2)).unwrap();
    one.propose("after it").unwrap();
    pump(&mut one);
    assert_eq!(one.log().committed(), 1, "2 is still needed");
    one.step(Message { index: 2, ..message(MessageType::AppResp, 2, 1, 1) }).unwrap();
    let ready = one.ready().unwrap();
    group::store(&mut one, &ready);
    assert_eq!(ready.committed_entries.len(), 1, "the change itself");
    one.apply_conf_change(change(ConfChangeType::RemoveNode, 2)).unwrap();
    one.advance().unwrap();
    let applied: Vec<_> =
        one.ready().unwrap().committed_entries.into_iter().map(|e| e.data).collect();
    assert_eq!(applied, [&b"after it"[..]], "the smaller quorum has it already");
}

#[test]
fn raw_node_joint_auto_leave() {
    let mut one = leader(Config::new(1), &[1]);
    let changes =
        vec![ConfChangeSingle { change_type: ConfChangeType::AddLearnerNode, node_id: 2 }];
    let transition = ConfChangeTransition::JointImplicit;
    let proposal = ConfChangeV2 { transition, changes, ..ConfChangeV2::default() };
    one.propose_conf_change(proposal).unwrap();
    pump(&mut one);
    let state = one.conf_state();
    assert_eq!((state.voters_outgoing, state.learners), (vec![], vec![2]), "in, and out by itself");
    let last = one.log().last_index();
    let leave = one.log().entry(last).unwrap();
    assert_eq!(
        (leave.entry_type, leave.data.len()),
        (EntryType::ConfChangeV2, 0),
        "by an empty change"
    );
}

#[test]
fn auto_leave_goes_on_after_a_leader_lost_its_place() {
    // The leader that entered the joint configuration steps down before it could leave it.
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    let changes =
        vec![ConfChangeSingle { change_type: ConfChangeType::AddLearnerNode, node_id: 4 }];
    let transition = ConfChangeTransition::JointImplicit;
    group
        .at(1)
        .propose_conf_change(ConfChangeV2 { transition, changes, ..ConfChangeV2::default() })
        .unwrap();
    for _ in 0..40 {
        if group.nodes[&2].conf_state().auto_leave {
            break;
        }
        for id in 1..=3 {
            while group.at(id).has_ready() {
                group.carry_out(id);
            }
        }
        if let Some(next) = group.wires.pop_front() {
            let forgets = next.entries.iter().any(|e| e.data.is_empty() && e.index > 2);
            if !forgets {
                group.deliver(next);
            }
        }
    }
    assert!(group.nodes[&2].conf_state().auto_leave, "2 is in the joint configuration");
    group.cut_off.insert(1);
    group.wires.clear();
    group.elect(2);
    assert_eq!(group.role(2), Role::Leader, "with a quorum of both halves");
    assert!(!group.nodes[&2].conf_state().auto_leave, "the new leader leaves it");
    assert_eq!(group.nodes[&3].conf_state().learners, [4], "for all");
    let leaves = |id| {
        group.applied[&id]
            .iter()
            .filter(|e| e.entry_type == EntryType::ConfChangeV2 && e.data.is_empty())
            .count()
    };
    assert_eq!(leaves(2), 1, "once only");
}

#[test]
fn add_duplicate_node_is_harmless() {
    let mut one = leader(Config::new(1), &[1]);
    for id in [1, 1] {
        one.propose_conf_change(change(ConfChangeType::AddNode, id)).unwrap();
        pump(&mut one);
    }
    assert_eq!(one.conf_state().voters, [1], "once");
}

#[test]
fn snapshot_carries_outgoing_voters() {
    let mut one = node(Config::new(1), &[1, 2, 3]);
    let change = |change_type, node_id| ConfChangeSingle { change_type, node_id };
    let changes = vec![change(ConfChangeType::RemoveNode, 1), change(ConfChangeType::AddNode, 4)];
    let transition = ConfChangeTransition::JointExplicit;
    let state = one
        .apply_conf_change(ConfChangeV2 { transition, changes, ..ConfChangeV2::default() })
        .unwrap();
    let mut four = node_of(4, ConfState::default());
    take(&mut four, snapshot(state.clone()));
    assert!(four.conf_state().is_equivalent(&state), "both halves");
    four.campaign().unwrap();
    pump(&mut four);
    four.step(message(MessageType::VoteResp, 2, 4, 12)).unwrap();
    assert_eq!(
        four.basic_status().soft_state.role,
        Role::Candidate,
        "one of 1, 2, 3 is no quorum of the old half"
    );
    four.step(message(MessageType::VoteResp, 3, 4, 12)).unwrap();
    assert_eq!(four.basic_status().soft_state.role, Role::Leader, "two are");
}

#[test]
fn a_new_leader_changes_members_only_after_it_applied_what_it_inherited() {
    // raft-dev 2015: two leaders change the configuration by one server each. Here a change is in
    // force from where it is applied, so that what was inherited must be applied before the next.
    let mut one = group::node_with_log(Config::new(1), &[1, 2], &[1]);
    lead(&mut one);
    let refused = one.propose_conf_change(change(ConfChangeType::AddNode, 5)).unwrap();
    let expected = "possible unapplied conf change at index 1 (applied to 0)";
    assert_eq!(refused, Proposed::NoOp(expected.to_owned()), "it may be a change");
    pump(&mut one);
    ack(&mut one, 2, 3);
    let accepted = one.propose_conf_change(change(ConfChangeType::AddNode, 5)).unwrap();
    assert_eq!(accepted, Proposed::Appended, "all inherited entries are applied");
}

#[test]
fn removed_server_cannot_depose_a_live_leader() {
    let mut group = Group::new(3, |config| config.check_quorum = true);
    group.elect(1);
    group.cut_off.insert(3);
    group.at(1).propose_conf_change(change(ConfChangeType::RemoveNode, 3)).unwrap();
    group.settle();
    group.cut_off.clear();
    for _ in 0..60 {
        group.tick(3, 1);
        group.tick(1, 1);
    }
    assert_eq!((group.role(1), group.term(1)), (Role::Leader, 1), "C6: 3 campaigns for nothing");
}

#[test]
fn an_unapplied_probe_state_does_not_survive_its_member() {
    let mut one = leader(Config::new(1), &[1, 2, 3]);
    ack(&mut one, 2, 1);
    assert_eq!(one.progress(2).unwrap().state, ProgressState::Replicate, "streams to 2");
    one.apply_conf_change(change(ConfChangeType::RemoveNode, 2)).unwrap();
    let late = Message { index: 1, ..message(MessageType::AppResp, 2, 1, 1) };
    assert_eq!(one.step(late), Err(Error::StepPeerNotFound), "an answer of nobody");
}

#[test]
fn forwarded_change_is_the_leaders_to_judge() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    let proposed = group.at(2).propose_conf_change(change(ConfChangeType::AddLearnerNode, 4));
    assert_eq!(proposed, Ok(Proposed::Forwarded), "a follower cannot know");
    group.settle();
    assert_eq!(group.nodes[&1].conf_state().learners, [4], "the leader took it");
}
