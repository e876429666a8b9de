//! Claims of upstream's tests about elections: votes, pre-votes, terms, check quorum.

use crate::group::{self, Group, ack, lead, leader, message, node, node_with_log, pump, step, to};
use raft::{
    AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState, Config,
    Error, MemoryStorage, Message, MessageType, NodeId, RawNode, Role,
};

fn role(node: &group::Node) -> Role {
    node.basic_status().soft_state.role
}

fn term(node: &group::Node) -> u64 {
    node.basic_status().hard_state.term
}

fn with_pre_vote(config: &mut Config) {
    config.pre_vote = true;
}

fn with_check_quorum(config: &mut Config) {
    config.check_quorum = true;
}

/// Node 1 in this role in term 1, among three.
fn in_role(role: Role) -> group::Node {
    let config = Config { pre_vote: role == Role::PreCandidate, ..Config::new(1) };
    let mut one = node(config, &[1, 2, 3]);
    step(&mut one, message(MessageType::Heartbeat, 2, 1, 1));
    match role {
        Role::Follower => {}
        Role::Candidate | Role::PreCandidate => {
            one.campaign().unwrap();
            pump(&mut one);
        }
        Role::Leader => lead(&mut one),
    }
    assert_eq!(one.basic_status().soft_state.role, role, "as asked");
    one
}

const ROLES: [Role; 4] = [Role::Follower, Role::Candidate, Role::PreCandidate, Role::Leader];

/// Members that hear no one, and who leads or asks when one campaigns.
fn elections(configure: impl Fn(&mut Config) + Copy, loser: Role, lost_term: u64) {
    let cases: [(u64, &[NodeId], Role); 5] = [
        (3, &[], Role::Leader),
        (3, &[2], Role::Leader),
        (3, &[2, 3], loser),
        (4, &[2, 3], loser),
        (5, &[2, 3], Role::Leader),
    ];
    for (size, cut_off, expected) in cases {
        let mut group = Group::new(size, configure);
        group.cut_off.extend(cut_off);
        group.elect(1);
        let wanted = if expected == Role::Leader { 1 } else { lost_term };
        assert_eq!(
            (group.role(1), group.term(1)),
            (expected, wanted),
            "{size} without {cut_off:?}"
        );
    }
}

#[test]
fn leader_election() {
    elections(|_| {}, Role::Candidate, 1);
}

#[test]
fn leader_election_pre_vote() {
    elections(with_pre_vote, Role::PreCandidate, 0);
}

/// Each node in turn takes over from the one before.
fn cycle(configure: impl Fn(&mut Config)) {
    let mut group = Group::new(3, configure);
    for campaigner in [1, 2, 3, 1] {
        group.elect(campaigner);
        for id in 1..=3 {
            let expected = if id == campaigner { Role::Leader } else { Role::Follower };
            assert_eq!(group.role(id), expected, "{id} when {campaigner} campaigned");
        }
    }
}

#[test]
fn leader_cycle() {
    cycle(|_| {});
}

#[test]
fn leader_cycle_pre_vote() {
    cycle(with_pre_vote);
}

/// Nodes 1 and 2 have entry 1 of term 1, node 3 another of term 2 that nobody else has, 4 and 5
/// voted for 3 and have nothing: 1 wins a later term, and 3's entry is overwritten.
fn overwrite_newer_logs(pre_vote: bool) {
    let mut group = Group::new(5, |config| config.pre_vote = pre_vote);
    let voters = [1, 2, 3, 4, 5];
    let logs: [(NodeId, &[u64]); 3] = [(1, &[1]), (2, &[1]), (3, &[2])];
    for (id, terms) in logs {
        let config = Config { pre_vote, ..Config::new(id) };
        group.nodes.insert(id, node_with_log(config, &voters, terms));
    }
    for id in [4, 5] {
        let mut storage = MemoryStorage::with_conf_state(ConfState::of_voters(voters));
        storage.set_hard_state(raft::HardState { term: 2, vote: 3, commit: 0 });
        let config = Config { pre_vote, ..Config::new(id) };
        group.nodes.insert(id, RawNode::new(config, storage, group::Counting(1)).unwrap());
    }
    group.elect(1);
    assert_eq!((group.role(1), group.term(1)), (Role::Follower, 2), "others know of term 2");
    group.elect(1);
    assert_eq!((group.role(1), group.term(1)), (Role::Leader, 3), "the second time it wins");
    for id in voters {
        let log = group.nodes[&id].log();
        let terms: Vec<_> = (1..=2).map(|index| log.term(index).unwrap()).collect();
        assert_eq!(terms, [1, 3], "{id} has the leader's log");
    }
}

#[test]
fn leader_election_overwrite_newer_logs() {
    overwrite_newer_logs(false);
}

#[test]
fn leader_election_overwrite_newer_logs_pre_vote() {
    overwrite_newer_logs(true);
}

#[test]
fn vote_from_any_state() {
    for role_before in ROLES {
        let mut one = in_role(role_before);
        let new_term = term(&one) + 1;
        let vote =
            Message { log_term: new_term, index: 42, ..message(MessageType::Vote, 2, 1, new_term) };
        let sent = step(&mut one, vote);
        let answers = to(&sent, 2, MessageType::VoteResp);
        assert_eq!((answers.len(), answers[0].reject), (1, false), "{role_before} grants");
        let status = one.basic_status();
        assert_eq!(status.soft_state.role, Role::Follower, "{role_before} follows the term");
        assert_eq!((status.hard_state.term, status.hard_state.vote), (new_term, 2), "and notes it");
    }
}

#[test]
fn pre_vote_from_any_state() {
    for role_before in ROLES {
        let mut one = in_role(role_before);
        let before = one.basic_status();
        let new_term = term(&one) + 1;
        let ask = Message {
            log_term: new_term,
            index: 42,
            ..message(MessageType::PreVote, 2, 1, new_term)
        };
        let sent = step(&mut one, ask);
        let answers = to(&sent, 2, MessageType::PreVoteResp);
        assert_eq!((answers.len(), answers[0].reject), (1, false), "{role_before} would grant");
        assert_eq!(answers[0].term, new_term, "in the term that was asked about");
        assert_eq!(one.basic_status(), before, "{role_before} changed nothing");
    }
}

#[test]
fn learner_election_timeout() {
    let mut one = learner_two();
    for _ in 0..40 {
        one.tick().unwrap();
    }
    assert_eq!((role(&one), term(&one)), (Role::Follower, 0), "a learner never campaigns");
}

/// Node 2, a learner beside voter 1.
fn learner_two() -> group::Node {
    let conf_state = ConfState { learners: vec![2], ..ConfState::of_voters([1]) };
    let storage = MemoryStorage::with_conf_state(conf_state);
    RawNode::new(Config::new(2), storage, group::Counting(2)).unwrap()
}

#[test]
fn learner_promotion() {
    let mut group = Group::new(1, |_| {});
    group.nodes.insert(2, learner_two());
    group.nodes.insert(1, {
        let conf_state = ConfState { learners: vec![2], ..ConfState::of_voters([1]) };
        let storage = MemoryStorage::with_conf_state(conf_state);
        RawNode::new(Config::new(1), storage, group::Counting(1)).unwrap()
    });
    group.elect(1);
    let change = ConfChange { node_id: 2, ..ConfChange::default() };
    group.at(1).propose_conf_change(change).unwrap();
    group.settle();
    assert_eq!(group.nodes[&2].conf_state().voters, [1, 2], "promoted");
    group.elect(2);
    assert_eq!((group.role(2), group.role(1)), (Role::Leader, Role::Follower), "and may lead");
}

#[test]
fn learner_can_vote() {
    let mut one = learner_two();
    let vote = Message { log_term: 11, index: 11, ..message(MessageType::Vote, 3, 2, 2) };
    let sent = to(&step(&mut one, vote), 3, MessageType::VoteResp);
    assert!(!sent[0].reject, "it may have been promoted without knowing it yet");
}

#[test]
fn learner_campaign() {
    let mut one = learner_two();
    one.campaign().unwrap();
    assert_eq!((role(&one), pump(&mut one).len()), (Role::Follower, 0), "not when told to either");
    step(&mut one, message(MessageType::TimeoutNow, 1, 2, 1));
    assert_eq!(role(&one), Role::Follower, "nor when the leader hands over");
}

#[test]
fn dueling_candidates() {
    let mut group = Group::new(3, |_| {});
    group.at(1).campaign().unwrap();
    group.at(3).campaign().unwrap();
    group.cut_off.insert(3);
    group.settle();
    assert_eq!((group.role(1), group.role(3)), (Role::Leader, Role::Candidate), "2 voted for 1");
    group.cut_off.clear();
    group.elect(3);
    assert_eq!((group.role(3), group.term(3)), (Role::Follower, 2), "its log is older: refused");
    assert_eq!((group.role(1), group.term(1)), (Role::Follower, 2), "but its term counts");
}

#[test]
fn dueling_pre_candidates() {
    let mut group = Group::new(3, with_pre_vote);
    group.cut_off.insert(3);
    group.at(3).campaign().unwrap();
    group.elect(1);
    assert_eq!((group.role(1), group.role(3)), (Role::Leader, Role::PreCandidate), "2 is with 1");
    group.cut_off.clear();
    group.elect(3);
    assert_eq!((group.role(3), group.term(3)), (Role::Follower, 1), "refused before it did harm");
    assert_eq!((group.role(1), group.term(1)), (Role::Leader, 1), "the leader stays");
}

#[test]
fn candidate_concede() {
    let mut group = Group::new(3, |_| {});
    group.cut_off.insert(1);
    group.at(1).campaign().unwrap();
    group.elect(3);
    group.cut_off.clear();
    group.tick(3, 1);
    group.propose(3, "force");
    assert_eq!((group.role(1), group.term(1)), (Role::Follower, 1), "another won the same term");
    assert_eq!(group.payloads(1), [b"force"], "and its log is taken");
}

#[test]
fn single_node_candidate() {
    let mut group = Group::new(1, |_| {});
    group.elect(1);
    assert_eq!((group.role(1), group.term(1)), (Role::Leader, 1), "its own vote is a quorum");
}

#[test]
fn single_node_pre_candidate() {
    let mut group = Group::new(1, with_pre_vote);
    group.elect(1);
    assert_eq!((group.role(1), group.term(1)), (Role::Leader, 1), "its own answers are quorums");
}

#[test]
fn past_election_timeout() {
    // Elapsed ticks, and how likely an election is by then, in hundredths.
    for (elapsed, likely) in [(5, 0), (10, 10), (13, 40), (15, 60), (18, 90), (20, 100)] {
        let mut count = 0;
        for seed in 0..1000_u32 {
            let storage = MemoryStorage::with_conf_state(ConfState::of_voters([1, 2, 3]));
            let mut random = group::Counting(seed.wrapping_mul(2_654_435_761));
            let _ = raft::Randomness::below(&mut random, 7);
            let mut one = RawNode::new(Config::new(1), storage, random).unwrap();
            for _ in 0..elapsed {
                one.tick().unwrap();
            }
            count += u32::from(role(&one) == Role::Candidate);
        }
        assert!(count.abs_diff(likely * 10) < 60, "{elapsed} ticks: {count} of 1000");
    }
}

#[test]
fn step_ignore_old_term_msg() {
    let mut one = node_with_log(Config::new(1), &[1, 2], &[2]);
    let old = Message { commit: 1, ..message(MessageType::App, 2, 1, 1) };
    assert_eq!(step(&mut one, old), [], "no answer");
    assert_eq!((one.log().committed(), one.basic_status().soft_state.lead), (0, 0), "no effect");
}

/// Last term and index of the candidate, whom the voter voted for, whether the answer is no. The
/// voter's log ends with entry 2 of term 2.
const VOTES: [((u64, u64), u64, bool); 12] = [
    ((0, 0), 0, true),
    ((1, 2), 0, true),
    ((1, 3), 0, true),
    ((2, 1), 0, true),
    ((2, 2), 0, false),
    ((2, 3), 0, false),
    ((3, 1), 0, false),
    ((3, 2), 0, false),
    ((3, 3), 2, false),
    ((3, 3), 3, true),
    ((1, 3), 2, true),
    ((2, 2), 3, true),
];

fn ask(msg_type: MessageType, answer: MessageType) {
    for ((log_term, index), vote, refused) in VOTES {
        let mut storage = MemoryStorage::with_conf_state(ConfState::of_voters([1, 2, 3]));
        storage.append([group::entry(2, 1), group::entry(2, 2)]).unwrap();
        storage.set_hard_state(raft::HardState { term: 3, vote, commit: 0 });
        let mut one = RawNode::new(Config::new(1), storage, group::Counting(1)).unwrap();
        let sent = step(&mut one, Message { log_term, index, ..message(msg_type, 2, 1, 3) });
        let answers = to(&sent, 2, answer);
        assert_eq!(answers.len(), 1, "always an answer");
        assert_eq!(answers[0].reject, refused, "({log_term}, {index}) with vote {vote}");
    }
}

#[test]
fn recv_msg_vote() {
    ask(MessageType::Vote, MessageType::VoteResp);
}

#[test]
fn recv_msg_pre_vote() {
    ask(MessageType::PreVote, MessageType::PreVoteResp);
}

#[test]
fn state_transition() {
    // From each role, by which input, to which role.
    let win = |one: &mut group::Node| lead(one);
    let mut one = in_role(Role::Follower);
    win(&mut one);
    assert_eq!(role(&one), Role::Leader, "follower, candidate, leader");
    one.campaign().unwrap();
    assert_eq!(role(&one), Role::Leader, "a leader never becomes a candidate");
    let higher = term(&one) + 1;
    step(&mut one, message(MessageType::Heartbeat, 2, 1, higher));
    assert_eq!(
        (role(&one), term(&one)),
        (Role::Follower, higher),
        "any role follows a higher term"
    );
    assert_eq!(one.basic_status().soft_state.lead, 2, "and its leader");
}

#[test]
fn all_server_stepdown() {
    for role_before in ROLES {
        for msg_type in [MessageType::Vote, MessageType::App] {
            let mut one = in_role(role_before);
            let log_term = 3;
            let last = one.log().last_index();
            step(&mut one, Message { log_term, index: last + 9, ..message(msg_type, 2, 1, 3) });
            let status = one.basic_status();
            assert_eq!(
                (status.soft_state.role, status.hard_state.term),
                (Role::Follower, 3),
                "{msg_type}"
            );
            let lead = if msg_type == MessageType::App { 2 } else { 0 };
            assert_eq!(
                status.soft_state.lead, lead,
                "{role_before}: only a leader sends {msg_type}"
            );
            assert_eq!(one.log().last_index(), last, "{role_before}: the log stays");
        }
    }
}

/// A candidate hears in its own term from the one who won it.
fn candidate_resets_on(msg_type: MessageType) {
    let mut group = Group::new(3, |_| {});
    group.cut_off.insert(3);
    group.elect(1);
    group.tick(3, 20);
    assert_eq!(group.role(3), Role::Candidate, "3 heard of nobody");
    let term = group.term(3);
    let late = message(msg_type, 1, 3, term);
    step(group.at(3), late);
    assert_eq!((group.role(3), group.lead(3), group.term(3)), (Role::Follower, 1, term), "follows");
}

#[test]
fn candidate_reset_term_msg_heartbeat() {
    candidate_resets_on(MessageType::Heartbeat);
}

#[test]
fn candidate_reset_term_msg_app() {
    candidate_resets_on(MessageType::App);
}

/// The node's own vote becomes durable only after it lost: it counts for nothing then.
fn self_vote_after_lost_election(pre_vote: bool) {
    let config = Config { pre_vote, async_storage_writes: true, ..Config::new(1) };
    let mut one = node(config, &[1, 2, 3]);
    one.campaign().unwrap();
    let ready = one.ready().unwrap();
    let write = ready.messages.iter().find(|m| m.msg_type == MessageType::StorageAppend).unwrap();
    let own_vote = write.responses().iter().find(|m| m.from == 1 && m.to == 1).unwrap().clone();
    one.step(message(MessageType::Heartbeat, 2, 1, term(&one).max(1))).unwrap();
    assert_eq!(role(&one), Role::Follower, "2 won");
    one.step(own_vote).unwrap();
    assert_eq!((role(&one), one.basic_status().soft_state.lead), (Role::Follower, 2), "too late");
}

#[test]
fn candidate_self_vote_after_lost_election() {
    self_vote_after_lost_election(false);
}

#[test]
fn candidate_self_vote_after_lost_election_pre_vote() {
    self_vote_after_lost_election(true);
}

#[test]
fn candidate_delivers_pre_candidate_self_vote_after_becoming_candidate() {
    let config = Config { pre_vote: true, async_storage_writes: true, ..Config::new(1) };
    let mut one = node(config, &[1, 2, 3]);
    one.campaign().unwrap();
    let ready = one.ready().unwrap();
    let write = ready.messages.iter().find(|m| m.msg_type == MessageType::StorageAppend).unwrap();
    let own =
        write.responses().iter().find(|m| m.msg_type == MessageType::PreVoteResp).unwrap().clone();
    one.step(message(MessageType::PreVoteResp, 2, 1, 1)).unwrap();
    one.step(message(MessageType::PreVoteResp, 3, 1, 1)).unwrap();
    assert_eq!((role(&one), term(&one)), (Role::Candidate, 1), "others sufficed");
    one.step(own).unwrap();
    assert_eq!(role(&one), Role::Candidate, "an answer to the question is no vote");
    one.step(message(MessageType::VoteResp, 2, 1, 1)).unwrap();
    assert_eq!(role(&one), Role::Candidate, "its own real vote is not durable yet");
    let ready = one.ready().unwrap();
    let write = ready.messages.iter().find(|m| m.msg_type == MessageType::StorageAppend).unwrap();
    for response in write.responses().to_vec() {
        one.step(response).unwrap();
    }
    assert_eq!(role(&one), Role::Leader, "now it is");
}

#[test]
fn leader_msg_app_self_ack_after_term_change() {
    let config = Config { async_storage_writes: true, ..Config::new(1) };
    let mut one = node(config, &[1, 2, 3]);
    one.campaign().unwrap();
    let ready = one.ready().unwrap();
    for own in ready.messages.iter().flat_map(|m| m.responses().to_vec()) {
        one.step(own).unwrap();
    }
    one.step(message(MessageType::VoteResp, 2, 1, 1)).unwrap();
    one.propose("x").unwrap();
    let ready = one.ready().unwrap();
    let write = ready.messages.iter().find(|m| m.msg_type == MessageType::StorageAppend).unwrap();
    let own_ack = write.responses().iter().find(|m| m.msg_type == MessageType::AppResp).unwrap();
    one.step(message(MessageType::Heartbeat, 3, 1, 2)).unwrap();
    one.step(own_ack.clone()).unwrap();
    let status = one.basic_status();
    assert_eq!((status.soft_state.role, status.soft_state.lead), (Role::Follower, 3), "ignored");
    assert_eq!(status.hard_state.commit, 0, "it proves nothing any more");
}

#[test]
fn leader_stepdown_when_quorum_active() {
    let mut one = leader(Config { check_quorum: true, ..Config::new(1) }, &[1, 2, 3]);
    for _ in 0..11 {
        step(&mut one, message(MessageType::HeartbeatResp, 2, 1, 1));
        one.tick().unwrap();
    }
    assert_eq!(role(&one), Role::Leader, "2 answers");
}

#[test]
fn leader_stepdown_when_quorum_lost() {
    let mut one = leader(Config { check_quorum: true, ..Config::new(1) }, &[1, 2, 3]);
    for _ in 0..21 {
        one.tick().unwrap();
        pump(&mut one);
    }
    assert_eq!(role(&one), Role::Follower, "nobody answers");
}

#[test]
fn leader_superseding_with_check_quorum() {
    let mut group = Group::new(3, with_check_quorum);
    group.elect(1);
    group.elect(3);
    assert_eq!((group.role(3), group.role(1)), (Role::Candidate, Role::Leader), "2 heard of 1");
    for _ in 0..10 {
        group.at(2).tick().unwrap();
    }
    group.cut_off.insert(1);
    group.elect(3);
    assert_eq!(group.role(3), Role::Leader, "2's lease for 1 is over");
}

#[test]
fn leader_election_with_check_quorum() {
    let mut group = Group::new(3, with_check_quorum);
    group.elect(1);
    assert_eq!((group.role(1), group.role(3)), (Role::Leader, Role::Follower), "no lease before");
    for id in [1, 2] {
        for _ in 0..9 {
            group.at(id).tick().unwrap();
        }
    }
    group.settle();
    group.cut_off.insert(1);
    for _ in 0..10 {
        group.at(2).set_randomized_election_timeout(100);
        group.at(2).tick().unwrap();
    }
    group.elect(3);
    assert_eq!(group.role(3), Role::Leader, "an election timeout without the old one");
}

#[test]
fn free_stuck_candidate_with_check_quorum() {
    let mut group = Group::new(3, with_check_quorum);
    group.elect(1);
    group.cut_off.insert(1);
    group.at(3).campaign().unwrap();
    group.settle();
    group.at(3).campaign().unwrap();
    group.settle();
    assert_eq!((group.role(3), group.term(3)), (Role::Candidate, 3), "2 refuses by its lease");
    group.cut_off.clear();
    group.tick(1, 1);
    assert_eq!(group.role(1), Role::Follower, "3's answer to the heartbeat frees the group");
    assert_eq!(group.term(1), group.term(3), "the terms are one again");
    group.elect(3);
    assert_eq!(group.role(3), Role::Leader, "and 3 can win");
}

#[test]
fn non_promotable_voter_with_check_quorum() {
    let mut group = Group::new(2, with_check_quorum);
    group.nodes.insert(2, {
        let config = Config { check_quorum: true, ..Config::new(2) };
        node(config, &[1])
    });
    for _ in 0..40 {
        group.at(2).tick().unwrap();
    }
    assert_eq!(group.role(2), Role::Follower, "not in its own configuration: never campaigns");
    group.elect(1);
    let status = group.nodes[&2].basic_status();
    assert_eq!((status.soft_state.lead, status.hard_state.vote), (1, 1), "but votes and follows");
}

#[test]
fn disruptive_follower() {
    let mut group = Group::new(3, with_check_quorum);
    group.elect(1);
    group.cut_off.insert(3);
    group.tick(3, 40);
    assert_eq!(group.role(3), Role::Candidate, "3 lost the leader");
    let new_term = group.term(3);
    group.cut_off.clear();
    group.tick(1, 1);
    assert_eq!((group.role(1), group.term(1)), (Role::Follower, new_term), "its term disrupts");
}

#[test]
fn disruptive_follower_pre_vote() {
    let mut group = Group::new(3, |config| {
        config.check_quorum = true;
        config.pre_vote = true;
    });
    group.elect(1);
    group.cut_off.insert(3);
    group.propose(1, "3 has not this");
    group.tick(3, 40);
    group.cut_off.clear();
    group.tick(3, 40);
    assert_eq!((group.role(1), group.term(1)), (Role::Leader, 1), "asking first disrupts nobody");
}

/// A leader that campaigns stays what it is.
fn campaigns_while_leader(pre_vote: bool) {
    let mut group = Group::new(3, |config| config.pre_vote = pre_vote);
    group.elect(1);
    let before = group.nodes[&1].basic_status();
    group.at(1).campaign().unwrap();
    assert!(!group.at(1).has_ready(), "nothing is asked");
    assert_eq!(
        (before.soft_state.role, group.nodes[&1].basic_status()),
        (Role::Leader, before),
        "same"
    );
}

#[test]
fn campaign_while_leader() {
    campaigns_while_leader(false);
}

#[test]
fn pre_campaign_while_leader() {
    campaigns_while_leader(true);
}

#[test]
fn promotable() {
    let cases: [(&[NodeId], bool); 4] =
        [(&[1], true), (&[1, 2, 3], true), (&[], false), (&[2, 3], false)];
    for (voters, expected) in cases {
        let mut one = node(Config::new(1), voters);
        one.campaign().unwrap();
        assert_eq!(role(&one) == Role::Candidate, expected, "voters {voters:?}");
    }
}

#[test]
fn node_with_smaller_term_can_complete_election() {
    let mut group = Group::new(3, with_pre_vote);
    group.cut_off.insert(3);
    group.elect(1);
    group.elect(2);
    group.elect(1);
    group.cut_off.clear();
    group.cut_off.insert(1);
    assert!(group.term(3) < group.term(2), "3 was away");
    group.elect(3);
    group.elect(2);
    assert!([2, 3].iter().any(|id| group.role(*id) == Role::Leader), "the two elect one of them");
}

#[test]
fn pre_vote_with_split_vote() {
    let mut group = Group::new(3, with_pre_vote);
    group.elect(1);
    group.cut_off.insert(1);
    group.at(2).campaign().unwrap();
    group.at(3).campaign().unwrap();
    group.settle();
    assert_eq!(
        (group.role(2), group.role(3)),
        (Role::Candidate, Role::Candidate),
        "each for itself"
    );
    assert_eq!((group.term(2), group.term(3)), (2, 2), "in the same term");
    group.elect(2);
    assert_eq!((group.role(2), group.term(2)), (Role::Leader, 3), "the next term decides");
}

#[test]
fn pre_vote_with_check_quorum() {
    let mut group = Group::new(3, |config| {
        config.check_quorum = true;
        config.pre_vote = true;
    });
    group.elect(1);
    group.cut_off.insert(1);
    group.tick(2, 10);
    group.tick(3, 40);
    let leads = |group: &Group, id| group.role(id) == Role::Leader;
    for _ in 0..40 {
        for id in [2, 3] {
            group.at(id).tick().unwrap();
        }
        group.settle();
    }
    assert!(
        leads(&group, 2) || leads(&group, 3),
        "a rejected pre-candidate does not block the rest"
    );
}

#[test]
fn pre_vote_migration_can_complete_election() {
    let mut group = migrating();
    group.cut_off.insert(1);
    group.elect(3);
    group.elect(2);
    group.elect(3);
    group.elect(2);
    assert!([2, 3].iter().any(|id| group.role(*id) == Role::Leader), "old and new ways mix");
}

/// Nodes 1 and 2 ask first, 3 does not yet, and 3 was away and raised its term.
fn migrating() -> Group {
    let mut group = Group::new(3, |config| config.pre_vote = config.id != 3);
    group.elect(1);
    group.cut_off.insert(3);
    group.propose(1, "3 has not this");
    group.elect(3);
    group.elect(3);
    group.restart(Config { pre_vote: true, ..Config::new(3) }, 0);
    group.cut_off.clear();
    assert!(group.term(3) > group.term(1), "3 is ahead in terms and behind in its log");
    group
}

#[test]
fn pre_vote_migration_with_free_stuck_pre_candidate() {
    let mut group = migrating();
    group.elect(3);
    assert_eq!(group.role(3), Role::PreCandidate, "answers of a lower term are not counted");
    group.elect(3);
    assert_eq!(group.role(1), Role::Leader, "1 was only asked");
    group.tick(1, 1);
    assert_eq!(group.term(1), group.term(3), "3 told the leader of its term, and it stepped down");
    assert_eq!(group.role(1), Role::Follower, "so that an election can follow");
}

/// A committed change of the configuration stands before a campaign until it is applied.
fn change_before_campaign(change: impl Into<AnyConfChange>) {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.at(1).propose_conf_change(change).unwrap();
    while group.at(1).has_ready() {
        group.carry_out(1);
    }
    // 2 gets the change and learns that it is committed, but applies nothing of it.
    let append = group.wires.pop_front().filter(|m| m.to == 2).unwrap();
    let commit = append.entries.last().unwrap().index;
    group.at(2).step(Message { commit, ..append }).unwrap();
    group.at(2).step(message(MessageType::TimeoutNow, 1, 2, 1)).unwrap();
    assert_eq!(group.role(2), Role::Follower, "it does not know its voters yet");
    group.wires.clear();
    while group.at(2).has_ready() {
        group.carry_out(2);
    }
    group.at(2).campaign().unwrap();
    assert_eq!(group.role(2), Role::Candidate, "applied, it may");
}

#[test]
fn conf_change_check_before_campaign() {
    let change_type = ConfChangeType::RemoveNode;
    change_before_campaign(ConfChange { change_type, node_id: 3, ..ConfChange::default() });
}

#[test]
fn conf_change_v2_check_before_campaign() {
    let single = ConfChangeSingle { change_type: ConfChangeType::RemoveNode, node_id: 3 };
    change_before_campaign(ConfChangeV2 { changes: vec![single], ..ConfChangeV2::default() });
}

#[test]
fn a_proposal_without_a_leader_is_dropped() {
    let mut one = node(Config::new(1), &[1, 2]);
    assert_eq!(one.propose("x"), Err(Error::ProposalDropped), "nobody to send it to");
    one.campaign().unwrap();
    assert_eq!(one.propose("x"), Err(Error::ProposalDropped), "nor for a candidate");
    let mut two = leader(Config::new(1), &[1, 2]);
    ack(&mut two, 2, 1);
    assert_eq!(two.propose("x"), Ok(()), "a leader takes it");
}
