//! Raft 6: changes of the configuration.

use crate::group::{Group, ack, entry, leader, message, node, pump};
use raft::{
    ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState,
    Config, Entry, EntryType, Error, Message, MessageType, Proposed, Role,
};

fn v1(change_type: ConfChangeType, node_id: u64) -> ConfChange {
    ConfChange { change_type, node_id, ..ConfChange::default() }
}

fn v2(transition: ConfChangeTransition, changes: &[(ConfChangeType, u64)]) -> ConfChangeV2 {
    let single = |&(change_type, node_id)| ConfChangeSingle { change_type, node_id };
    let changes = changes.iter().map(single).collect();
    ConfChangeV2 { transition, changes, ..ConfChangeV2::default() }
}

fn with_newcomers(size: u64, newcomers: &[u64]) -> Group {
    let mut group = Group::new(size, |_| {});
    let founders: Vec<_> = (1..=size).collect();
    for &id in newcomers {
        group.nodes.insert(id, node(Config::new(id), &founders));
    }
    group.elect(1);
    group
}

#[test]
fn an_added_voter_gets_the_log_and_counts() {
    let mut group = with_newcomers(1, &[2]);
    group.propose(1, "before");
    group.at(1).propose_conf_change(v1(ConfChangeType::AddNode, 2)).unwrap();
    group.settle();
    group.propose(1, "after");
    assert_eq!(group.payloads(2).last(), Some(&&b"after"[..]), "it has all");
    assert_eq!(group.at(2).conf_state(), ConfState::of_voters([1, 2]), "and knows the group");
    group.cut_off.insert(2);
    group.propose(1, "alone");
    assert!(group.committed(1) < group.last(1), "it takes two now");
}

#[test]
fn a_learner_replicates_but_never_counts_nor_campaigns() {
    let mut group = with_newcomers(1, &[2]);
    group.at(1).propose_conf_change(v1(ConfChangeType::AddLearnerNode, 2)).unwrap();
    group.settle();
    group.propose(1, "x");
    assert_eq!(group.payloads(2).last(), Some(&&b"x"[..]), "replicated");
    group.cut_off.insert(2);
    group.propose(1, "alone");
    assert_eq!(group.committed(1), group.last(1), "one voter is a quorum");
    group.tick(2, 60);
    assert_eq!((group.role(2), group.term(2)), (Role::Follower, 1), "it waits");
}

#[test]
fn a_removed_voter_no_longer_counts() {
    let mut group = with_newcomers(3, &[]);
    group.cut_off.insert(3);
    group.at(1).propose_conf_change(v1(ConfChangeType::RemoveNode, 3)).unwrap();
    group.settle();
    assert_eq!(group.at(2).conf_state(), ConfState::of_voters([1, 2]), "gone");
    assert_eq!(group.at(1).status().progress.len(), 2, "the leader forgot it");
}

#[test]
fn a_leader_removed_steps_down_when_asked_to() {
    let mut group = Group::new(3, |config| config.step_down_on_removal = true);
    group.elect(1);
    group.at(1).propose_conf_change(v1(ConfChangeType::RemoveNode, 1)).unwrap();
    group.settle();
    assert_eq!(group.role(1), Role::Follower, "it is no member");
    assert_eq!(group.at(2).propose("x"), Ok(()), "2 does not know yet");
}

#[test]
fn a_leader_demoted_steps_down_when_asked_to() {
    for asked in [true, false] {
        let mut group = Group::new(3, |config| config.step_down_on_removal = asked);
        group.elect(1);
        group.at(1).propose_conf_change(v1(ConfChangeType::AddLearnerNode, 1)).unwrap();
        group.settle();
        let expected = if asked { Role::Follower } else { Role::Leader };
        assert_eq!(group.role(1), expected, "it is a learner; asked: {asked}");
    }
}

#[test]
fn a_removed_leader_that_was_not_asked_to_step_down_takes_no_proposals() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.at(1).propose_conf_change(v1(ConfChangeType::RemoveNode, 1)).unwrap();
    group.settle();
    assert_eq!(group.role(1), Role::Leader, "it goes on, so that its removal gets around");
    assert_eq!(group.at(1).propose("x"), Err(raft::Error::ProposalDropped), "and nothing else");
}

#[test]
fn a_second_change_while_one_is_pending_becomes_empty() {
    let mut group = with_newcomers(3, &[]);
    group.at(1).propose_conf_change(v1(ConfChangeType::AddNode, 4)).unwrap();
    group.at(1).propose_conf_change(v1(ConfChangeType::AddNode, 5)).unwrap();
    group.settle();
    assert_eq!(group.at(1).conf_state(), ConfState::of_voters([1, 2, 3, 4]), "the first alone");
}

#[test]
fn a_change_that_was_not_appended_is_not_pending() {
    let change = v1(ConfChangeType::AddNode, 4);
    let first = Entry { entry_type: EntryType::ConfChange, data: change.encode(), ..entry(0, 0) };
    let second = Entry { data: vec![0xff].into(), ..first.clone() };
    let mut one = leader(Config::new(1), &[1, 2, 3]);
    ack(&mut one, 2, 1);
    let proposal =
        Message { entries: [first, second].into(), ..message(MessageType::Prop, 2, 1, 0) };
    assert!(matches!(one.step(proposal), Err(Error::InvalidMessage(_))), "the second is none");
    assert_eq!(
        one.propose_conf_change(change.clone()),
        Ok(Proposed::Appended),
        "nothing is pending"
    );

    let limited = Config { max_uncommitted_entries_size: 8, ..Config::new(1) };
    let mut one = leader(limited, &[1, 2, 3]);
    ack(&mut one, 2, 1);
    one.propose("12345678").unwrap();
    assert_eq!(one.propose_conf_change(change.clone()), Err(Error::ProposalDropped), "no room");
    pump(&mut one);
    ack(&mut one, 2, 2);
    assert_eq!(one.propose_conf_change(change), Ok(Proposed::Appended), "there is room again");
}

#[test]
fn a_new_leader_refuses_changes_until_it_applied_what_it_inherited() {
    let mut group = with_newcomers(5, &[]);
    group.cut_off.extend([3, 4, 5]);
    group.at(1).propose_conf_change(v1(ConfChangeType::RemoveNode, 5)).unwrap();
    group.settle();
    group.win_unheard(2, &[3, 4]);
    group.at(2).propose_conf_change(v1(ConfChangeType::RemoveNode, 4)).unwrap();
    let entries = group.at(2).log().entries(2, 5, raft::NO_LIMIT).unwrap();
    let types: Vec<_> = entries.iter().map(|entry| entry.entry_type).collect();
    let expected = [EntryType::ConfChange, EntryType::Normal, EntryType::Normal];
    assert_eq!(types, expected, "inherited, the term's first, and the refused one");
}

#[test]
fn two_voters_change_through_a_joint_configuration_left_by_itself() {
    let mut group = with_newcomers(3, &[4, 5]);
    let change = v2(
        ConfChangeTransition::Auto,
        &[
            (ConfChangeType::AddNode, 4),
            (ConfChangeType::AddNode, 5),
            (ConfChangeType::RemoveNode, 2),
        ],
    );
    group.at(1).propose_conf_change(change).unwrap();
    group.settle();
    for id in [1, 3, 4, 5] {
        let state = group.at(id).conf_state();
        assert_eq!(state, ConfState::of_voters([1, 3, 4, 5]), "node {id} left the joint one");
    }
}

#[test]
fn an_explicit_joint_configuration_needs_both_majorities_until_left() {
    let mut group = with_newcomers(3, &[4, 5]);
    let change = v2(
        ConfChangeTransition::JointExplicit,
        &[(ConfChangeType::AddNode, 4), (ConfChangeType::RemoveNode, 3)],
    );
    group.at(1).propose_conf_change(change).unwrap();
    group.settle();
    assert_eq!(group.at(1).status().config.to_string(), "voters=(1 2 4)&&(1 2 3)", "joint");
    let other = v1(ConfChangeType::AddNode, 5);
    group.at(1).propose_conf_change(other).unwrap();
    group.settle();
    assert!(!group.at(1).conf_state().voters.contains(&5), "must be left first");
    group.cut_off.extend([2, 4]);
    group.propose(1, "x");
    assert!(group.committed(1) < group.last(1), "1 and 3 are no majority of 1, 2, 4");
    group.cut_off.clear();
    group.tick(1, 1);
    group.at(1).propose_conf_change(ConfChangeV2::default()).unwrap();
    group.settle();
    assert_eq!(group.at(4).conf_state(), ConfState::of_voters([1, 2, 4]), "left");
}

#[test]
fn a_voter_demoted_through_a_joint_configuration_becomes_a_learner_at_its_end() {
    let mut group = with_newcomers(3, &[]);
    let demote = (ConfChangeType::AddLearnerNode, 3);
    group.at(1).propose_conf_change(v2(ConfChangeTransition::JointExplicit, &[demote])).unwrap();
    group.settle();
    let state = group.at(1).conf_state();
    assert_eq!((state.learners, state.learners_next), (vec![], vec![3]), "not yet");
    group.at(1).propose_conf_change(ConfChangeV2::default()).unwrap();
    group.settle();
    let state = group.at(1).conf_state();
    assert_eq!((state.voters, state.learners), (vec![1, 2], vec![3]), "now");
}

#[test]
fn a_change_that_cannot_be_made_is_fatal() {
    let mut group = with_newcomers(1, &[]);
    let error = group.at(1).apply_conf_change(v1(ConfChangeType::RemoveNode, 1)).unwrap_err();
    assert_eq!(error, Error::Fatal("removed all voters".to_owned()), "nobody would be left");
}

#[test]
fn a_node_with_an_unapplied_change_does_not_campaign() {
    let mut group = with_newcomers(3, &[]);
    group.at(1).propose_conf_change(v1(ConfChangeType::AddNode, 4)).unwrap();
    group.settle();
    let applied = group.last(2) - 1;
    group.restart(Config::new(2), applied);
    group.at(2).campaign().unwrap();
    assert_eq!(group.role(2), Role::Follower, "it does not know its voters yet");
    group.settle();
    group.elect(2);
    assert_eq!(group.role(2), Role::Leader, "it does now");
}
