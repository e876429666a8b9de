//! Claims of upstream's tests that follow the sections of the Raft paper.

use std::collections::BTreeSet;

use crate::group::{self, Group, Node, leader, message, node, pump, step, to};
use raft::{ConfState, Config, MemoryStorage, Message, MessageType, NodeId, RawNode, Role};

fn role(node: &Node) -> Role {
    node.basic_status().soft_state.role
}

fn seeded(seed: u32) -> Node {
    let storage = MemoryStorage::with_conf_state(ConfState::of_voters([1, 2, 3]));
    // Neighbouring seeds must not draw alike.
    let mixed = (seed ^ seed >> 16).wrapping_mul(0x45d9_f3b3);
    let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x2c1b_3c6d);
    let random = group::Counting(mixed ^ mixed >> 16);
    RawNode::new(Config::new(1), storage, random).unwrap()
}

fn candidate() -> Node {
    let mut one = node(Config::new(1), &[1, 2, 3]);
    one.campaign().unwrap();
    pump(&mut one);
    one
}

/// 5.1: who sees a higher term takes it over and follows.
fn updates_term(mut one: Node) {
    step(&mut one, message(MessageType::App, 2, 1, 2));
    assert_eq!((one.basic_status().hard_state.term, role(&one)), (2, Role::Follower), "5.1");
}

#[test]
fn follower_update_term_from_message() {
    updates_term(node(Config::new(1), &[1, 2, 3]));
}

#[test]
fn candidate_update_term_from_message() {
    updates_term(candidate());
}

#[test]
fn leader_update_term_from_message() {
    updates_term(leader(Config::new(1), &[1, 2, 3]));
}

#[test]
fn reject_stale_term_message() {
    let mut one = node(Config::new(1), &[1, 2, 3]);
    step(&mut one, message(MessageType::Heartbeat, 2, 1, 2));
    let before = one.basic_status();
    for msg_type in [MessageType::App, MessageType::Vote, MessageType::Heartbeat, MessageType::Snap]
    {
        assert_eq!(step(&mut one, message(msg_type, 3, 1, 1)), [], "{msg_type} of term 1");
        assert_eq!(one.basic_status(), before, "{msg_type} of term 1");
    }
}

#[test]
fn start_as_follower() {
    assert_eq!(role(&node(Config::new(1), &[1, 2, 3])), Role::Follower, "5.2");
}

#[test]
fn leader_bcast_beat() {
    let mut one = leader(Config { heartbeat_tick: 2, ..Config::new(1) }, &[1, 2, 3]);
    one.tick().unwrap();
    assert_eq!(pump(&mut one), [], "not yet");
    one.tick().unwrap();
    let sent = pump(&mut one);
    let receivers: Vec<_> = sent.iter().map(|beat| (beat.msg_type, beat.to)).collect();
    let beat = MessageType::Heartbeat;
    assert_eq!(receivers, [(beat, 2), (beat, 3)], "to everyone else, each heartbeat interval");
}

/// 5.2: a new term, its own vote, and a question to all others.
fn starts_election(mut one: Node, term: u64) {
    for _ in 0..20 {
        one.tick().unwrap();
        if one.basic_status().hard_state.term == term {
            break;
        }
    }
    let status = one.basic_status();
    assert_eq!((role(&one), status.hard_state.term), (Role::Candidate, term), "a new term");
    assert_eq!(status.hard_state.vote, 1, "for itself");
    let sent = pump(&mut one);
    let asked: Vec<_> = sent.iter().map(|vote| (vote.msg_type, vote.to, vote.term)).collect();
    let vote = MessageType::Vote;
    assert_eq!(asked, [(vote, 2, term), (vote, 3, term)], "and all others are asked");
}

#[test]
fn follower_start_election() {
    let mut one = node(Config::new(1), &[1, 2, 3]);
    step(&mut one, message(MessageType::Heartbeat, 2, 1, 1));
    starts_election(one, 2);
}

#[test]
fn candidate_start_new_election() {
    starts_election(candidate(), 2);
}

#[test]
fn leader_election_in_one_round_rpc() {
    // Size, who grants, who refuses; then the role of the candidate.
    let cases: [(u64, &[NodeId], &[NodeId], Role); 9] = [
        (1, &[], &[], Role::Leader),
        (3, &[2, 3], &[], Role::Leader),
        (3, &[2], &[], Role::Leader),
        (5, &[2, 3], &[], Role::Leader),
        (3, &[], &[2, 3], Role::Follower),
        (5, &[], &[2, 3, 4, 5], Role::Follower),
        (5, &[2], &[3, 4, 5], Role::Follower),
        (3, &[], &[], Role::Candidate),
        (5, &[2], &[], Role::Candidate),
    ];
    for (size, granted, refused, expected) in cases {
        let voters: Vec<_> = (1..=size).collect();
        let mut one = node(Config::new(1), &voters);
        one.campaign().unwrap();
        pump(&mut one);
        for (from, reject) in
            granted.iter().map(|id| (id, false)).chain(refused.iter().map(|id| (id, true)))
        {
            step(&mut one, Message { reject, ..message(MessageType::VoteResp, *from, 1, 1) });
        }
        assert_eq!(role(&one), expected, "{size}: {granted:?} yes, {refused:?} no");
        assert_eq!(one.basic_status().hard_state.term, 1, "in one round");
    }
}

#[test]
fn follower_vote() {
    for (voted_for, asking, refused) in
        [(0, 2, false), (0, 3, false), (2, 2, false), (3, 3, false), (2, 3, true), (3, 2, true)]
    {
        let mut storage = MemoryStorage::with_conf_state(ConfState::of_voters([1, 2, 3]));
        storage.set_hard_state(raft::HardState { term: 1, vote: voted_for, commit: 0 });
        let mut one = RawNode::new(Config::new(1), storage, group::Counting(1)).unwrap();
        let sent = to(
            &step(&mut one, message(MessageType::Vote, asking, 1, 1)),
            asking,
            MessageType::VoteResp,
        );
        assert_eq!(sent[0].reject, refused, "voted for {voted_for}, asked by {asking}");
    }
}

#[test]
fn candidate_fallback() {
    for term in [1, 2] {
        let mut one = candidate();
        step(&mut one, message(MessageType::App, 2, 1, term));
        let status = one.basic_status();
        assert_eq!(
            (role(&one), status.hard_state.term),
            (Role::Follower, term),
            "2 leads term {term}"
        );
    }
}

/// Ticks until the node campaigns anew, over many seeds.
fn timeouts(prepare: impl Fn(&mut Node)) -> BTreeSet<u32> {
    let ticks = |seed| {
        let mut one = seeded(seed);
        prepare(&mut one);
        let before = one.basic_status().hard_state.term;
        let mut ticks = 0;
        while one.basic_status().hard_state.term == before {
            one.tick().unwrap();
            ticks += 1;
        }
        ticks
    };
    (0..500).map(ticks).collect()
}

fn campaign(one: &mut Node) {
    one.campaign().unwrap();
    pump(one);
}

#[test]
fn follower_election_timeout_randomized() {
    assert_eq!(timeouts(|_| {}), (10..20).collect(), "each from one timeout to below its double");
}

#[test]
fn candidate_election_timeout_randomized() {
    assert_eq!(timeouts(campaign), (10..20).collect(), "each from one timeout to below its double");
}

/// How many hundredths of elections have more than one node that would begin at the same tick.
fn conflicts(prepare: impl Fn(&mut Node)) -> u32 {
    let mut conflicts = 0;
    for round in 0..1000_u32 {
        let draws = (0..5).map(|id| {
            let mut one = seeded(round * 5 + id);
            prepare(&mut one);
            one.basic_status().randomized_election_timeout
        });
        let draws: Vec<_> = draws.collect();
        let least = draws.iter().min();
        conflicts += u32::from(draws.iter().filter(|draw| Some(*draw) == least).count() > 1);
    }
    conflicts / 10
}

#[test]
fn followers_election_timeout_nonconflict() {
    let share = conflicts(|_| {});
    assert!(share < 40, "5.2: split votes are rare even with ten ticks of spread: {share} %");
}

#[test]
fn candidates_election_timeout_nonconflict() {
    let share = conflicts(campaign);
    assert!(share < 40, "5.2: and resolved as quickly: {share} %");
}

#[test]
fn vote_request() {
    for terms in [&[1][..], &[1, 2]] {
        let mut one = group::node_with_log(Config::new(1), &[1, 2, 3], terms);
        one.campaign().unwrap();
        let sent = pump(&mut one);
        let last = (terms[terms.len() - 1], terms.len() as u64);
        for id in [2, 3] {
            let vote = to(&sent, id, MessageType::Vote).remove(0);
            assert_eq!((vote.log_term, vote.index), last, "5.4.1: with its last entry");
            assert_eq!(vote.term, last.0 + 1, "in the new term");
        }
    }
}

#[test]
fn voter() {
    // The voter's log; last term and index of the candidate; whether it is refused.
    let cases: [(&[u64], (u64, u64), bool); 9] = [
        (&[1], (1, 1), false),
        (&[1], (1, 2), false),
        (&[1, 1], (1, 1), true),
        (&[1], (2, 1), false),
        (&[1], (2, 2), false),
        (&[1, 1], (2, 1), false),
        (&[2], (1, 1), true),
        (&[2], (1, 2), true),
        (&[2, 2], (1, 1), true),
    ];
    for (terms, (log_term, index), refused) in cases {
        let mut one = group::node_with_log(Config::new(1), &[1, 2], terms);
        let vote = Message { log_term, index, ..message(MessageType::Vote, 2, 1, 3) };
        let sent = to(&step(&mut one, vote), 2, MessageType::VoteResp);
        assert_eq!(sent[0].reject, refused, "5.4.1: {terms:?} against ({log_term}, {index})");
    }
}

#[test]
fn figure_8_an_old_entry_on_a_majority_is_not_committed() {
    // 5.4.2: entry 2 of term 2 reaches three of five in term 4, and can still be overwritten.
    let mut group = Group::new(5, |_| {});
    let voters = [1, 2, 3, 4, 5];
    let logs: [(NodeId, &[u64]); 5] =
        [(1, &[1, 2]), (2, &[1, 2]), (3, &[1]), (4, &[1]), (5, &[1, 3])];
    for (id, terms) in logs {
        let mut config = Config::new(id);
        config.max_size_per_msg = 0;
        group.nodes.insert(id, group::node_with_log(config, &voters, terms));
    }
    step(group.at(1), message(MessageType::Heartbeat, 5, 1, 3));
    group::lead(group.at(1));
    for id in [2, 3] {
        let one = group.at(1);
        group::ack(one, id, 2);
    }
    assert_eq!(group.committed(1), 0, "three of five have entry 2, which is of an older term");
    group.elect(5);
    group.elect(5);
    assert_eq!(group.role(5), Role::Leader, "5 wins: its entry 2 is of a later term");
    assert_eq!(group.nodes[&2].log().term(2), Ok(3), "and overwrites it, which breaks no promise");
}

#[test]
fn a_vote_is_not_repeated_for_another_after_a_crash() {
    let mut two = node(Config::new(2), &[1, 2, 3]);
    two.step(message(MessageType::Vote, 1, 2, 1)).unwrap();
    let ready = two.ready().unwrap();
    assert!(ready.must_sync, "R8: durable before the answer leaves");
    group::store(&mut two, &ready);
    let storage = two.storage().clone();
    let mut two = RawNode::new(Config::new(2), storage, group::Counting(2)).unwrap();
    let sent = to(&step(&mut two, message(MessageType::Vote, 3, 2, 1)), 3, MessageType::VoteResp);
    assert!(sent[0].reject, "it remembers");
}

#[test]
fn an_acknowledgement_leaves_only_with_its_write() {
    let mut two = node(Config { async_storage_writes: true, ..Config::new(2) }, &[1, 2, 3]);
    let entries = group::entry(1, 1).into();
    two.step(Message { entries, ..message(MessageType::App, 1, 2, 1) }).unwrap();
    let ready = two.ready().unwrap();
    assert_eq!(to(&ready.messages, 1, MessageType::AppResp), [], "R7: not by itself");
    let write = &to(&ready.messages, raft::APPEND_THREAD, MessageType::StorageAppend)[0];
    assert_eq!(
        to(write.responses(), 1, MessageType::AppResp).len(),
        1,
        "but when the write is done"
    );
}

#[test]
fn a_single_node_commits_only_what_is_durable() {
    // etcd 14370: the application must not see an entry that a crash could take away.
    let mut one = leader(Config { async_storage_writes: false, ..Config::new(1) }, &[1]);
    one.propose("x").unwrap();
    let ready = one.ready().unwrap();
    assert_eq!((ready.entries.len(), ready.committed_entries.len()), (1, 0), "first the write");
    group::store(&mut one, &ready);
    one.advance().unwrap();
    assert_eq!(one.ready().unwrap().committed_entries.len(), 1, "then the commit");
}
