//! Raft 5.2, 5.4.1 and thesis 9.6: who becomes leader, and who must not disturb.

use crate::group::Group;
use raft::{Message, MessageType, Role};

#[test]
fn three_nodes_elect_the_one_that_campaigns() {
    let mut group = Group::new(3, |_| {});
    group.elect(2);
    let roles: Vec<_> = (1..=3).map(|id| group.role(id)).collect();
    assert_eq!(roles, [Role::Follower, Role::Leader, Role::Follower], "one leader");
    assert!((1..=3).all(|id| group.lead(id) == 2 && group.term(id) == 1), "all know it");
    assert!((1..=3).all(|id| group.committed(id) == 1), "its first entry is committed everywhere");
}

#[test]
fn a_node_that_hears_of_no_leader_campaigns_within_twice_the_timeout() {
    let mut group = Group::new(3, |_| {});
    group.tick(1, 9);
    assert_eq!(group.role(1), Role::Follower, "not before the election timeout");
    group.tick(1, 10);
    assert_eq!(group.role(1), Role::Leader, "before its double");
}

#[test]
fn a_single_voter_elects_itself_when_its_vote_is_stored() {
    let mut group = Group::new(1, |_| {});
    group.at(1).campaign().unwrap();
    assert_eq!(group.role(1), Role::Candidate, "its own vote is not durable yet");
    group.settle();
    assert_eq!(group.role(1), Role::Leader, "now it is");
    group.propose(1, "alone");
    assert_eq!(group.payloads(1), [b"alone"], "its own write is a quorum");
}

#[test]
fn a_node_votes_once_a_term() {
    let mut group = Group::new(3, |_| {});
    let vote = |from| Message { to: 1, from, term: 1, ..Message::new(MessageType::Vote) };
    group.at(1).step(vote(2)).unwrap();
    group.at(1).step(vote(3)).unwrap();
    group.at(1).step(vote(2)).unwrap();
    let ready = group.at(1).ready().unwrap();
    let answers: Vec<_> = ready.messages.iter().map(|m| (m.to, m.reject)).collect();
    assert_eq!(answers, [(2, false), (3, true), (2, false)], "a repeated request is granted again");
    assert!(ready.must_sync, "the vote is durable before the answer leaves");
    assert_eq!(ready.hard_state.map(|state| state.vote), Some(2), "the first one has it");
}

#[test]
fn a_candidate_with_an_older_log_loses() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    group.propose(1, "three has not this");
    group.cut_off.clear();
    group.elect(3);
    assert_eq!(group.role(3), Role::Follower, "nobody votes for it");
    group.elect(2);
    assert_eq!(group.role(2), Role::Leader, "a node with the entry wins");
    assert_eq!(group.payloads(3), [b"three has not this"], "and brings it along");
}

#[test]
fn prevote_does_not_disturb_a_leader() {
    let mut group = Group::new(3, |config| {
        config.pre_vote = true;
        config.check_quorum = true;
    });
    group.elect(1);
    group.cut_off.insert(3);
    group.tick(3, 60);
    assert_eq!((group.role(3), group.term(3)), (Role::PreCandidate, 1), "it only asks");
    group.cut_off.clear();
    group.tick(3, 20);
    assert_eq!((group.role(1), group.term(1)), (Role::Leader, 1), "the leader stays");
    group.tick(1, 1);
    assert_eq!((group.role(3), group.lead(3)), (Role::Follower, 1), "and is followed again");
}

#[test]
fn without_prevote_a_returning_node_deposes_the_leader() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    group.tick(3, 60);
    assert!(group.term(3) > 1, "each campaign raised its term");
    group.cut_off.clear();
    group.tick(1, 1);
    group.tick(3, 20);
    assert!(group.term(1) > 1, "the others had to follow");
}

#[test]
fn checkquorum_makes_a_cut_off_leader_step_down() {
    let mut group = Group::new(3, |config| config.check_quorum = true);
    group.elect(1);
    group.tick(1, 10);
    assert_eq!(group.role(1), Role::Leader, "the others answered");
    group.cut_off.insert(1);
    group.tick(1, 20);
    assert_eq!((group.role(1), group.lead(1)), (Role::Follower, 0), "nobody answered");
    assert_eq!(group.term(1), 1, "in the same term");
}

#[test]
fn checkquorum_protects_the_leader_from_a_candidate() {
    let mut group = Group::new(3, |config| config.check_quorum = true);
    group.elect(1);
    group.elect(2);
    assert_eq!((group.role(2), group.term(3)), (Role::Candidate, 1), "3 hears of a leader");
}

#[test]
fn a_forgotten_leader_has_no_lease() {
    let mut group = Group::new(3, |config| config.check_quorum = true);
    group.elect(1);
    group.at(3).forget_leader().unwrap();
    group.elect(2);
    assert_eq!(group.role(2), Role::Leader, "3 may vote at once");
}

#[test]
fn a_higher_term_makes_a_leader_follow() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.elect(2);
    assert_eq!((group.role(1), group.lead(1), group.term(1)), (Role::Follower, 2, 2), "it follows");
}

#[test]
fn a_message_of_a_lower_term_is_ignored() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.elect(2);
    let old =
        Message { to: 3, from: 1, term: 1, commit: 9, ..Message::new(MessageType::Heartbeat) };
    group.at(3).step(old).unwrap();
    assert!(!group.at(3).has_ready(), "no answer, no change");
}
