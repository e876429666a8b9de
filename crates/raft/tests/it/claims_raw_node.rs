//! Claims of upstream's tests about the interface of a node. Those that are about channels and
//! goroutines do not apply, see docs/raft-claims.md.

use crate::group::{self, Node, ack, leader, message, node, pump, step, to};
use raft::{
    AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType,
    ConfChangeV2, ConfState, Config, Entries, Entry, EntryType, Error, HardState, MemoryStorage,
    Message, MessageType, Peer, RawNode, ReadState, Ready, Role, Snapshot, SnapshotMetadata,
    SoftState,
};

const ALL: [MessageType; 24] = [
    MessageType::Hup,
    MessageType::Beat,
    MessageType::Prop,
    MessageType::App,
    MessageType::AppResp,
    MessageType::Vote,
    MessageType::VoteResp,
    MessageType::Snap,
    MessageType::Heartbeat,
    MessageType::HeartbeatResp,
    MessageType::Unreachable,
    MessageType::SnapStatus,
    MessageType::CheckQuorum,
    MessageType::TransferLeader,
    MessageType::TimeoutNow,
    MessageType::ReadIndex,
    MessageType::ReadIndexResp,
    MessageType::PreVote,
    MessageType::PreVoteResp,
    MessageType::StorageAppend,
    MessageType::StorageAppendResp,
    MessageType::StorageApply,
    MessageType::StorageApplyResp,
    MessageType::ForgetLeader,
];

#[test]
fn raw_node_step() {
    for msg_type in ALL {
        let mut one = node(Config::new(1), &[1]);
        let before = one.basic_status();
        let result = one.step(message(msg_type, 9, 1, 1));
        if msg_type.is_local() {
            assert_eq!(result, Err(Error::StepLocalMsg), "{msg_type} does not come from others");
            assert_eq!(one.basic_status(), before, "{msg_type} changed nothing");
        } else if msg_type.is_response() {
            assert_eq!(result, Err(Error::StepPeerNotFound), "{msg_type} of a stranger");
        } else {
            assert!(!matches!(result, Err(Error::StepLocalMsg)), "{msg_type} may come");
        }
    }
}

#[test]
fn node_step() {
    let mut one = node(Config::new(1), &[1, 2]);
    step(&mut one, message(MessageType::Heartbeat, 2, 1, 1));
    let proposal =
        Message { entries: Entry::normal("x").into(), ..message(MessageType::Prop, 1, 1, 0) };
    let sent = step(&mut one, proposal);
    assert_eq!(to(&sent, 2, MessageType::Prop).len(), 1, "proposals and messages go the same way");
}

fn single(change_type: ConfChangeType, node_id: u64) -> ConfChangeSingle {
    ConfChangeSingle { change_type, node_id }
}

/// Carries a change through on a single voter; gives the state after it, and after it was left.
fn carry_through(change: impl Into<AnyConfChange>) -> (ConfState, ConfState) {
    let mut one = leader(Config::new(1), &[1]);
    one.propose("before").unwrap();
    one.propose_conf_change(change).unwrap();
    pump(&mut one);
    let first = one.conf_state();
    let last = one.log().last_index();
    ack_all(&mut one, last);
    if one.conf_state().voters_outgoing.is_empty() {
        return (first.clone(), first);
    }
    one.propose_conf_change(ConfChangeV2::default()).unwrap();
    ack_all(&mut one, last + 1);
    (first, one.conf_state())
}

fn ack_all(one: &mut Node, index: u64) {
    for id in one.status().config.voters.ids().iter().filter(|id| *id != 1) {
        ack(one, id, index);
    }
}

#[test]
fn raw_node_propose_and_conf_change() {
    let add = ConfChange { node_id: 2, ..ConfChange::default() };
    assert_eq!(carry_through(add.clone()).0, ConfState::of_voters([1, 2]), "as v1");
    let v2 = |transition, changes| ConfChangeV2 { transition, changes, ..ConfChangeV2::default() };
    let auto = ConfChangeTransition::Auto;
    let one_change = v2(auto, vec![single(ConfChangeType::AddNode, 2)]);
    assert_eq!(carry_through(one_change).0, ConfState::of_voters([1, 2]), "simple");
    let learner = v2(auto, vec![single(ConfChangeType::AddLearnerNode, 2)]);
    let expected = ConfState { learners: vec![2], ..ConfState::of_voters([1]) };
    assert_eq!(carry_through(learner).0, expected, "simple");
    let explicit = ConfChangeTransition::JointExplicit;
    let two = v2(
        explicit,
        vec![
            single(ConfChangeType::AddNode, 2),
            single(ConfChangeType::AddLearnerNode, 1),
            single(ConfChangeType::AddLearnerNode, 3),
        ],
    );
    let (joint, left) = carry_through(two);
    let expected = ConfState {
        voters: vec![2],
        voters_outgoing: vec![1],
        learners: vec![3],
        learners_next: vec![1],
        auto_leave: false,
    };
    assert_eq!(joint, expected, "explicit: until it is told to leave");
    let expected = ConfState { learners: vec![1, 3], ..ConfState::of_voters([2]) };
    assert_eq!(left, expected, "left by a second change");
    let auto_leave = v2(
        auto,
        vec![single(ConfChangeType::AddLearnerNode, 2), single(ConfChangeType::AddLearnerNode, 3)],
    );
    let expected = ConfState { learners: vec![2, 3], ..ConfState::of_voters([1]) };
    assert_eq!(carry_through(auto_leave).0, expected, "two at a time: joint, and left by itself");
}

#[test]
fn raw_node_propose_add_duplicate_node() {
    let mut one = leader(Config::new(1), &[1]);
    let mut applied = Vec::new();
    for id in [1, 1, 2] {
        one.propose_conf_change(ConfChange { node_id: id, ..ConfChange::default() }).unwrap();
        while one.has_ready() {
            let ready = one.ready().unwrap();
            group::store(&mut one, &ready);
            for entry in &ready.committed_entries {
                if let Ok(change) = AnyConfChange::of_entry(entry)
                    && entry.entry_type != EntryType::Normal
                {
                    one.apply_conf_change(change).unwrap();
                    applied.push(entry.clone());
                }
            }
            one.advance().unwrap();
        }
    }
    assert_eq!(applied.len(), 3, "a duplicate is in the log like any other");
    assert_eq!(one.conf_state().voters, [1, 2], "and the next change is not blocked by it");
}

#[test]
fn node_propose_config() {
    let mut one = leader(Config::new(1), &[1]);
    let change = ConfChange { id: 7, node_id: 1, ..ConfChange::default() };
    one.propose_conf_change(change.clone()).unwrap();
    let entry = one.log().entry(2).unwrap();
    assert_eq!(AnyConfChange::of_entry(&entry), Ok(AnyConfChange::V1(change)), "in its wire form");
}

#[test]
fn node_propose_add_duplicate_node() {
    raw_node_propose_add_duplicate_node();
}

#[test]
fn node_propose_add_learner_node() {
    let mut one = leader(Config::new(1), &[1]);
    let change = ConfChange {
        change_type: ConfChangeType::AddLearnerNode,
        node_id: 2,
        ..ConfChange::default()
    };
    one.propose_conf_change(change).unwrap();
    pump(&mut one);
    let state = one.conf_state();
    assert_eq!((state.voters, state.learners), (vec![1], vec![2]), "no voter");
}

#[test]
fn raw_node_read_index() {
    let mut one = leader(Config::new(1), &[1]);
    one.read_index("context").unwrap();
    let ready = one.ready().unwrap();
    let expected = ReadState { index: 1, request_context: "context".into() };
    assert_eq!(ready.read_states, [expected], "given once");
    one.advance().unwrap();
    assert!(!one.has_ready(), "and taken");
}

/// A node that begins a group of its own.
fn started() -> Node {
    let mut one = RawNode::new(Config::new(1), MemoryStorage::new(), group::Counting(1)).unwrap();
    one.bootstrap(&[Peer { id: 1, context: "info".into() }]).unwrap();
    one
}

#[test]
fn raw_node_start() {
    let mut one = started();
    let ready = one.ready().unwrap();
    assert_eq!(ready.hard_state, Some(HardState { term: 1, vote: 0, commit: 1 }), "in term 1");
    assert_eq!((&ready.entries, ready.must_sync), (&ready.committed_entries, true), "committed");
    group::store(&mut one, &ready);
    let change = AnyConfChange::of_entry(&ready.entries[0]).unwrap();
    one.apply_conf_change(change).unwrap();
    one.advance().unwrap();
    one.campaign().unwrap();
    pump(&mut one);
    one.propose("foo").unwrap();
    pump(&mut one);
    assert_eq!(one.log().committed(), 3, "member, beginning of the term, proposal");
    assert!(!one.has_ready(), "nothing is left");
    let again = one.bootstrap(&[Peer { id: 1, context: "".into() }]);
    assert_eq!(again, Err(Error::Config("can't bootstrap a nonempty Storage".to_owned())), "once");
}

#[test]
fn node_start() {
    raw_node_start();
}

fn restarted(commit: u64) -> Node {
    let mut storage = MemoryStorage::with_conf_state(ConfState::of_voters([1, 2]));
    storage.append([group::entry(1, 1), group::entry(1, 2)]).unwrap();
    storage.set_hard_state(HardState { term: 1, vote: 0, commit });
    RawNode::new(Config::new(1), storage, group::Counting(1)).unwrap()
}

#[test]
fn raw_node_restart() {
    let mut one = restarted(1);
    let ready = one.ready().unwrap();
    let expected = Ready { committed_entries: group::entry(1, 1).into(), ..Ready::default() };
    assert_eq!(ready, expected, "nothing to write, only what is committed to apply");
    one.advance().unwrap();
    assert!(!one.has_ready(), "that is all");
}

#[test]
fn node_restart() {
    raw_node_restart();
}

#[test]
fn raw_node_restart_from_snapshot() {
    let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1, 2]), index: 2, term: 1 };
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(Snapshot { metadata, ..Snapshot::default() }).unwrap();
    storage.append([group::entry(1, 3)]).unwrap();
    storage.set_hard_state(HardState { term: 1, vote: 0, commit: 3 });
    let mut one = RawNode::new(Config::new(1), storage, group::Counting(1)).unwrap();
    let ready = one.ready().unwrap();
    assert_eq!(ready.committed_entries, [group::entry(1, 3)], "only what is behind the snapshot");
    one.advance().unwrap();
    assert!(!one.has_ready(), "that is all");
}

#[test]
fn node_restart_from_snapshot() {
    raw_node_restart_from_snapshot();
}

#[test]
fn raw_node_status() {
    let mut one = node(Config::new(1), &[1]);
    assert_eq!(one.status().progress, [], "only a leader has progress");
    group::lead(&mut one);
    let status = one.status();
    assert_eq!((status.basic.soft_state.lead, status.progress.len()), (1, 1), "itself");
    assert_eq!(status.progress[0].1.match_index, 1, "with what it wrote");
    assert_eq!(status.config.to_string(), "voters=(1)", "and the configuration");
}

/// What is committed but not applied after a restart comes in pages, without gaps.
fn pages_after_restart() {
    let mut storage = MemoryStorage::with_conf_state(ConfState::of_voters([1]));
    let entries: Vec<_> =
        (1..=10).map(|index| Entry { term: 1, index, ..Entry::normal("aaaa") }).collect();
    storage.append(&entries[..]).unwrap();
    storage.set_hard_state(HardState { term: 1, vote: 1, commit: 10 });
    let size = entries.iter().map(Entry::encoded_size).sum::<u64>() - 1;
    let config = Config { max_size_per_msg: size, ..Config::new(1) };
    let mut one = RawNode::new(config, storage, group::Counting(1)).unwrap();
    let mut pages = Vec::new();
    while one.has_ready() {
        let ready = one.ready().unwrap();
        pages.push(ready.committed_entries.iter().map(|entry| entry.index).collect::<Vec<_>>());
        one.advance().unwrap();
    }
    assert_eq!(pages, [(1..=9).collect::<Vec<_>>(), vec![10]], "nine fit, the tenth follows");
}

#[test]
fn raw_node_commit_pagination_after_restart() {
    pages_after_restart();
}

#[test]
fn node_commit_pagination_after_restart() {
    pages_after_restart();
}

#[test]
fn raw_node_bounded_log_growth_with_partition() {
    let mut config = Config::new(1);
    config.max_uncommitted_entries_size = 16 * 10;
    let mut one = leader(config, &[1, 2]);
    ack(&mut one, 2, 1);
    let accepted = (0..1000).filter(|_| one.propose("testdata: 16 by.").is_ok()).count();
    assert_eq!(accepted, 10, "bounded while 2 does not answer");
    pump(&mut one);
    ack(&mut one, 2, 11);
    assert_eq!(one.propose("more"), Ok(()), "what is committed is not counted any more");
}

#[test]
fn raw_node_consume_ready() {
    let mut one = leader(Config::new(1), &[1, 2]);
    one.tick().unwrap();
    let ready = one.ready().unwrap();
    assert_eq!(ready.messages.len(), 1, "a heartbeat");
    one.tick().unwrap();
    one.advance().unwrap();
    assert_eq!(one.ready().unwrap().messages.len(), 1, "what came in between is not lost");
}

#[test]
fn node_advance() {
    let mut one = leader(Config::new(1), &[1]);
    one.propose("foo").unwrap();
    let first = one.ready().unwrap();
    group::store(&mut one, &first);
    assert_eq!(first.committed_entries, [], "not before it is written");
    one.advance().unwrap();
    assert_eq!(one.ready().unwrap().committed_entries.len(), 1, "advance says that it was");
}

#[test]
#[should_panic(expected = "two accepted Ready structs without call to Advance")]
fn node_advance_is_not_forgotten() {
    let mut one = leader(Config::new(1), &[1]);
    one.propose("foo").unwrap();
    let _ = one.ready().unwrap();
    let _ = one.ready();
}

#[test]
fn node_propose() {
    let mut one = leader(Config::new(1), &[1]);
    one.propose("somedata").unwrap();
    assert_eq!(one.log().entry(2).unwrap().data, "somedata", "as it was given");
}

#[test]
fn disable_proposal_forwarding() {
    for disabled in [false, true] {
        let config = Config { disable_proposal_forwarding: disabled, ..Config::new(1) };
        let mut one = node(config, &[1, 2, 3]);
        step(&mut one, message(MessageType::Heartbeat, 2, 1, 1));
        let proposed = one.propose("x");
        let forwarded = to(&pump(&mut one), 2, MessageType::Prop).len();
        let expected = if disabled { (Err(Error::ProposalDropped), 0) } else { (Ok(()), 1) };
        assert_eq!((proposed, forwarded), expected, "disabled: {disabled}");
    }
}

#[test]
fn node_propose_wait_dropped() {
    let mut one = leader(Config { max_uncommitted_entries_size: 1, ..Config::new(1) }, &[1, 2]);
    one.propose("first").unwrap();
    assert_eq!(one.propose("second"), Err(Error::ProposalDropped), "the proposer learns of it");
}

#[test]
fn block_proposal() {
    let mut one = node(Config::new(1), &[1]);
    assert_eq!(
        one.propose("x"),
        Err(Error::ProposalDropped),
        "no leader: told so, not kept waiting"
    );
    group::lead(&mut one);
    assert_eq!(one.propose("x"), Ok(()), "with one it goes");
}

#[test]
fn node_read_index_to_old_leader() {
    let mut one = node(Config::new(1), &[1, 2, 3]);
    step(&mut one, message(MessageType::Heartbeat, 3, 1, 2));
    let entries = Entries::from(Entry::normal("context"));
    let asked = Message { entries: entries.clone(), ..message(MessageType::ReadIndex, 2, 1, 0) };
    let sent = to(&step(&mut one, asked), 3, MessageType::ReadIndex);
    assert_eq!((sent[0].from, &sent[0].entries), (2, &entries), "passed on to the new leader");
}

#[test]
fn node_tick() {
    let mut one = node(Config::new(1), &[1]);
    one.tick().unwrap();
    assert_eq!(one.basic_status().election_elapsed, 1, "one tick is one tick");
}

#[test]
fn soft_state_equal() {
    let state = SoftState { lead: 1, role: Role::Leader };
    assert_eq!(state, SoftState { lead: 1, role: Role::Leader }, "all alike");
    assert_ne!(state, SoftState { lead: 2, role: Role::Leader }, "another leader");
    assert_ne!(state, SoftState { lead: 1, role: Role::Follower }, "another role");
}

#[test]
fn is_hard_state_equal() {
    let state = HardState { term: 1, vote: 2, commit: 3 };
    assert!(HardState::default().is_empty() && !state.is_empty(), "nothing is empty");
    for other in [
        HardState { term: 2, ..state },
        HardState { vote: 1, ..state },
        HardState { commit: 4, ..state },
    ] {
        assert_ne!(state, other, "one field differs");
    }
}

#[test]
fn append_pagination() {
    let mut one = leader(Config { max_size_per_msg: 2048, ..Config::new(1) }, &[1, 2]);
    for _ in 0..10 {
        one.propose(vec![b'a'; 1000]).unwrap();
    }
    pump(&mut one);
    let sent = to(&ack(&mut one, 2, 1), 2, MessageType::App);
    let sizes: Vec<_> =
        sent.iter().map(|m| m.entries.iter().map(Entry::encoded_size).sum::<u64>()).collect();
    assert!(
        sizes.iter().all(|size| *size <= 2048),
        "no message is larger than the limit: {sizes:?}"
    );
    assert!(sizes.iter().any(|size| *size > 1024), "and they are filled: {sizes:?}");
}

#[test]
fn commit_pagination() {
    let mut one = leader(Config { max_committed_size_per_ready: 2048, ..Config::new(1) }, &[1]);
    for _ in 0..3 {
        one.propose(vec![b'a'; 1000]).unwrap();
    }
    let ready = one.ready().unwrap();
    group::store(&mut one, &ready);
    one.advance().unwrap();
    let mut pages = Vec::new();
    while one.has_ready() {
        pages.push(one.ready().unwrap().committed_entries.len());
        one.advance().unwrap();
    }
    assert_eq!(pages, [2, 1], "two fit in 2048 bytes");
}

#[test]
fn commit_pagination_with_async_storage_writes() {
    let config =
        Config { max_committed_size_per_ready: 2048, async_storage_writes: true, ..Config::new(1) };
    let mut one = node(config, &[1]);
    one.campaign().unwrap();
    let mut applying = Vec::new();
    let mut round = |one: &mut Node, answer: bool| {
        let mut pages = Vec::new();
        while one.has_ready() {
            let ready = one.ready().unwrap();
            group::store(one, &ready);
            for message in ready.messages {
                if message.to == raft::APPLY_THREAD {
                    pages.push(message.entries.len());
                    applying.push(message);
                } else {
                    message
                        .responses()
                        .iter()
                        .for_each(|response| one.step(response.clone()).unwrap());
                }
            }
        }
        if answer {
            for response in applying.drain(..).flat_map(|mut message| message.take_responses()) {
                one.step(response).unwrap();
            }
        }
        pages
    };
    round(&mut one, true);
    for _ in 0..3 {
        one.propose(vec![b'a'; 1000]).unwrap();
    }
    assert_eq!(round(&mut one, false), [2], "two fit; the third waits until they are applied");
    assert_eq!(round(&mut one, true), Vec::<usize>::new(), "still");
    assert_eq!(round(&mut one, true), [1], "then it follows");
}
