//! Claims of upstream's tests about the log: appending, committing, proposals, old messages.

use crate::group::{
    self, Group, ack, entry, lead, leader, message, node, node_with_log, pump, step, to,
};
use raft::{
    Config, Entry, Error, HardState, MemoryStorage, Message, MessageType, NodeId, RawNode, Role,
};

fn append_message(
    from: NodeId,
    to: NodeId,
    term: u64,
    after: (u64, u64),
    terms: &[u64],
) -> Message {
    let (log_term, index) = after;
    let entries = terms.iter().zip(index + 1..).map(|(term, index)| entry(*term, index)).collect();
    Message { log_term, index, entries, ..message(MessageType::App, from, to, term) }
}

#[test]
fn log_replication() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.propose(1, "one");
    group.elect(2);
    group.propose(2, "two");
    for id in 1..=3 {
        assert_eq!(group.payloads(id), [&b"one"[..], b"two"], "{id} applied all in order");
        assert_eq!(group.committed(id), 4, "two proposals, two beginnings of a term");
    }
}

#[test]
fn single_node_commit() {
    let mut group = Group::new(1, |_| {});
    group.elect(1);
    group.propose(1, "x");
    group.propose(1, "y");
    assert_eq!(group.committed(1), 3, "alone a quorum");
}

/// Node 2 leads with entries that only it has until one of its own term follows.
fn cut_off_then_back(propose: bool) -> Group {
    let mut group = Group::new(5, |_| {});
    group.elect(1);
    group.cut_off.extend([3, 4, 5]);
    group.propose(1, "one");
    group.propose(1, "two");
    assert_eq!(group.committed(1), 1, "two of five are no quorum");
    group.cut_off.clear();
    group.cut_off.extend([1]);
    group.at(2).campaign().unwrap();
    if propose {
        group.settle();
    }
    group
}

#[test]
fn cannot_commit_without_new_term_entry() {
    // The leader of term 2 knows that a quorum has entry 2 of term 1, and not yet that it has 3.
    let mut one = node_with_log(Config::new(1), &[1, 2, 3], &[1, 1]);
    lead(&mut one);
    ack(&mut one, 2, 2);
    assert_eq!(one.log().committed(), 0, "an entry of an older term is not counted");
    ack(&mut one, 2, 3);
    assert_eq!(one.log().committed(), 3, "with one of its own everything before is committed");
}

#[test]
fn commit_without_new_term_entry() {
    let group = cut_off_then_back(true);
    assert_eq!(group.role(2), Role::Leader, "2 has the longest log");
    assert_eq!(group.committed(2), 4, "the entry that begins its term commits the two before");
}

#[test]
fn old_messages() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.elect(2);
    group.elect(1);
    let old = append_message(2, 1, 2, (2, 2), &[2]);
    group.at(1).step(old).unwrap();
    group.settle();
    group.propose(1, "x");
    for id in 1..=3 {
        let log = group.nodes[&id].log();
        let terms: Vec<_> = (1..=4).map(|index| log.term(index).unwrap()).collect();
        assert_eq!(terms, [1, 2, 3, 3], "{id} took nothing from the old leader");
    }
}

#[test]
fn proposal() {
    for (size, cut_off, succeeds) in [
        (3, &[][..], true),
        (3, &[3], true),
        (3, &[2, 3], false),
        (4, &[2, 3], false),
        (5, &[2, 3], true),
    ] {
        let mut group = Group::new(size, |_| {});
        group.cut_off.extend(cut_off);
        group.elect(1);
        let proposed = group.at(1).propose("x");
        group.settle();
        assert_eq!(proposed.is_ok(), succeeds, "{size} without {cut_off:?}: is there a leader?");
        assert_eq!(group.committed(1) == 2, succeeds, "{size} without {cut_off:?}");
    }
}

#[test]
fn proposal_by_proxy() {
    for cut_off in [&[][..], &[3]] {
        let mut group = Group::new(3, |_| {});
        group.cut_off.extend(cut_off);
        group.elect(1);
        group.propose(2, "through 2");
        assert_eq!(group.payloads(1), [b"through 2"], "a follower passes it on");
    }
}

#[test]
fn commit() {
    // Acknowledged by 1, 2, ...; terms of the log; the leader's term; what is committed.
    let cases: [(&[u64], &[u64], u64, u64); 9] = [
        (&[1], &[1], 1, 1),
        (&[2], &[1, 2], 2, 2),
        (&[2, 1, 1], &[1, 2], 1, 1),
        (&[2, 1, 1], &[1, 1], 2, 0),
        (&[2, 1, 2], &[1, 2], 2, 2),
        (&[2, 1, 2], &[1, 1], 2, 0),
        (&[2, 1, 1, 1], &[1, 2], 1, 1),
        (&[2, 1, 1, 2], &[1, 2], 2, 0),
        (&[2, 1, 2, 2], &[1, 2], 2, 2),
    ];
    for (acked, terms, term, expected) in cases {
        // What a leader would commit depends on indexes and on the term at the one in the middle.
        let voters: raft::IdSet = (1..=acked.len() as u64).collect();
        let quorum = raft::JointConfig { incoming: voters, ..raft::JointConfig::default() };
        let slot = |id: NodeId| acked.get(usize::try_from(id).unwrap() - 1).copied();
        let index = quorum.committed_index(slot);
        let of_term = terms[usize::try_from(index).unwrap() - 1] == term;
        let committed = if of_term { index } else { 0 };
        assert_eq!(committed, expected, "{acked:?} of {terms:?} in term {term}");
    }
    // And a leader does so: five voters, the third acknowledgement counts.
    let mut one = leader(Config::new(1), &[1, 2, 3, 4, 5]);
    one.propose("x").unwrap();
    pump(&mut one);
    ack(&mut one, 2, 2);
    assert_eq!(one.log().committed(), 0, "two of five");
    ack(&mut one, 3, 1);
    assert_eq!(one.log().committed(), 1, "three have entry 1");
    ack(&mut one, 4, 2);
    assert_eq!(one.log().committed(), 2, "three have entry 2");
}

/// Before, terms, commit; then the last index, the commit index, and whether it is refused.
type AppendCase<'a> = ((u64, u64), &'a [u64], u64, (u64, u64, bool));

#[test]
fn handle_msg_app() {
    // The follower has entries of terms 1 and 2. Message: after, terms, commit; then the last
    // index, the commit index, and whether it is refused.
    let cases: [AppendCase<'_>; 11] = [
        ((3, 2), &[], 3, (2, 0, true)),
        ((3, 3), &[], 3, (2, 0, true)),
        ((1, 1), &[], 1, (2, 1, false)),
        ((0, 0), &[2], 1, (1, 1, false)),
        ((2, 2), &[2, 2], 3, (4, 3, false)),
        ((2, 2), &[2], 4, (3, 3, false)),
        ((1, 1), &[2], 4, (2, 2, false)),
        ((1, 1), &[], 3, (2, 1, false)),
        ((1, 1), &[2], 3, (2, 2, false)),
        ((2, 2), &[], 3, (2, 2, false)),
        ((2, 2), &[], 4, (2, 2, false)),
    ];
    for (after, terms, commit, expected) in cases {
        let mut one = node_with_log(Config::new(1), &[1, 2], &[1, 2]);
        let term = 2.max(after.0);
        let append = Message { commit, ..append_message(2, 1, term, after, terms) };
        let sent = to(&step(&mut one, append), 2, MessageType::AppResp);
        let log = one.log();
        let actual = (log.last_index(), log.committed(), sent[0].reject);
        assert_eq!(
            (sent.len(), actual),
            (1, expected),
            "{terms:?} after {after:?}, commit {commit}"
        );
    }
}

#[test]
fn handle_heartbeat() {
    for (commit, expected) in [(3, 3), (1, 2)] {
        let mut one = node_with_log(Config::new(1), &[1, 2], &[1, 2, 3]);
        step(&mut one, Message { commit: 2, ..message(MessageType::Heartbeat, 2, 1, 3) });
        let beat = Message { commit, ..message(MessageType::Heartbeat, 2, 1, 3) };
        let sent = to(&step(&mut one, beat), 2, MessageType::HeartbeatResp);
        assert_eq!(sent.len(), 1, "answered");
        assert_eq!(one.log().committed(), expected, "commit {commit} never goes back");
    }
}

#[test]
fn follower_check_msg_app() {
    // The follower has terms 1, 2 and committed 1. What stands before the entries; then index and
    // refusal of the answer, and where it says that the logs may agree.
    let cases = [
        ((0, 0), (1, false, (0, 0))),
        ((1, 1), (1, false, (0, 0))),
        ((2, 2), (2, false, (0, 0))),
        ((1, 2), (2, true, (1, 1))),
        ((3, 3), (3, true, (2, 2))),
    ];
    for (after, (index, reject, hint)) in cases {
        let mut one = node_with_log(Config::new(1), &[1, 2, 3], &[1, 2]);
        step(&mut one, Message { commit: 1, ..message(MessageType::Heartbeat, 2, 1, 3) });
        let sent =
            to(&step(&mut one, append_message(2, 1, 3, after, &[])), 2, MessageType::AppResp);
        assert_eq!((sent[0].index, sent[0].reject), (index, reject), "after {after:?}");
        assert_eq!((sent[0].log_term, sent[0].reject_hint), hint, "after {after:?}");
    }
}

/// Before, the terms that are sent; then the terms of the log and those that are written.
type WriteCase<'a> = ((u64, u64), &'a [u64], &'a [u64], &'a [u64]);

#[test]
fn follower_append_entries() {
    // The follower has terms 1, 2. What is sent; then the terms of its log and what it writes.
    let cases: [WriteCase<'_>; 4] = [
        ((2, 2), &[3], &[1, 2, 3], &[3]),
        ((1, 1), &[3, 4], &[1, 3, 4], &[3, 4]),
        ((0, 0), &[1], &[1, 2], &[]),
        ((0, 0), &[3], &[3], &[3]),
    ];
    for (after, sent, log, written) in cases {
        let mut one = node_with_log(Config::new(1), &[1, 2, 3], &[1, 2]);
        one.step(append_message(2, 1, 4, after, sent)).unwrap();
        let ready = one.ready().unwrap();
        let terms = |entries: &[Entry]| entries.iter().map(|e| e.term).collect::<Vec<_>>();
        assert_eq!(terms(&ready.entries), written, "{sent:?} after {after:?}: only what is new");
        let all = one.log().entries(1, one.log().last_index() + 1, raft::NO_LIMIT).unwrap();
        assert_eq!(terms(&all), log, "{sent:?} after {after:?}");
    }
}

#[test]
fn follower_commit_entry() {
    for (count, commit) in [(1, 1), (2, 2), (2, 1)] {
        let mut one = node(Config::new(1), &[1, 2, 3]);
        let terms = vec![1; count];
        one.step(Message { commit, ..append_message(2, 1, 1, (0, 0), &terms) }).unwrap();
        let ready = one.ready().unwrap();
        let applied = ready.committed_entries.len() as u64;
        assert_eq!(applied, commit, "{count} entries, {commit} committed, in order");
    }
}

#[test]
fn leader_sync_follower_log() {
    // Figure 7 of the paper: the leader of term 8 and followers a to f.
    let ours: &[u64] = &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let followers: [&[u64]; 6] = [
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    for theirs in followers {
        let mut group = Group::new(3, |_| {});
        group.nodes.insert(1, node_with_log(Config::new(1), &[1, 2, 3], ours));
        group.nodes.insert(2, node_with_log(Config::new(2), &[1, 2, 3], theirs));
        group.elect(1);
        group.elect(1);
        assert_eq!(group.role(1), Role::Leader, "3 votes for it, whatever 2 does");
        group.tick(1, 2);
        group.propose(1, "x");
        let log = |id: NodeId| {
            let log = group.nodes[&id].log();
            let last = log.last_index();
            (1..=last).map(|index| log.term(index).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(log(2), log(1), "{theirs:?} becomes the leader's");
    }
}

#[test]
fn leader_start_replication() {
    let mut one = leader(Config::new(1), &[1, 2, 3]);
    for from in [2, 3] {
        ack(&mut one, from, 1);
    }
    one.propose("some data").unwrap();
    let ready = one.ready().unwrap();
    for id in [2, 3] {
        let sent = to(&ready.messages, id, MessageType::App);
        let expected = Message { commit: 1, ..append_message(1, id, 1, (1, 1), &[1]) };
        assert_eq!(sent, [expected], "behind entry 1, in parallel to its own write");
    }
    assert_eq!(ready.entries, [entry(1, 2)], "which is in the same Ready");
}

#[test]
fn leader_commit_entry() {
    let mut one = leader(Config::new(1), &[1, 2, 3]);
    ack(&mut one, 2, 1);
    ack(&mut one, 3, 1);
    one.propose("some data").unwrap();
    pump(&mut one);
    one.step(Message { index: 2, ..message(MessageType::AppResp, 2, 1, 1) }).unwrap();
    let ready = one.ready().unwrap();
    assert_eq!(ready.committed_entries, [entry(1, 2)], "a quorum has it");
    for id in [2, 3] {
        let sent = to(&ready.messages, id, MessageType::App);
        assert_eq!(sent.last().map(|append| append.commit), Some(2), "{id} is told");
    }
}

#[test]
fn leader_acknowledge_commit() {
    // Size of the group, who acknowledges besides the leader, and whether that commits.
    let cases: [(u64, &[NodeId], bool); 10] = [
        (1, &[], true),
        (3, &[], false),
        (3, &[2], true),
        (3, &[2, 3], true),
        (5, &[], false),
        (5, &[2], false),
        (5, &[2, 3], true),
        (5, &[2, 3, 4], true),
        (5, &[2, 3, 4, 5], true),
        (7, &[2, 3], false),
    ];
    for (size, acknowledging, expected) in cases {
        let voters: Vec<_> = (1..=size).collect();
        let mut one = leader(Config::new(1), &voters);
        one.propose("some data").unwrap();
        pump(&mut one);
        for from in acknowledging {
            ack(&mut one, *from, 2);
        }
        assert_eq!(one.log().committed() == 2, expected, "{size} with {acknowledging:?}");
    }
}

#[test]
fn leader_commit_preceding_entries() {
    for terms in [&[][..], &[2], &[1, 2], &[1]] {
        let mut one = node_with_log(Config::new(1), &[1, 2, 3], terms);
        lead(&mut one);
        one.propose("some data").unwrap();
        pump(&mut one);
        let last = terms.len() as u64 + 2;
        one.step(Message {
            index: last,
            ..message(MessageType::AppResp, 2, 1, one.basic_status().hard_state.term)
        })
        .unwrap();
        let applied: Vec<_> =
            one.ready().unwrap().committed_entries.iter().map(|e| e.index).collect();
        assert_eq!(applied, (1..=last).collect::<Vec<_>>(), "all before it, from older terms too");
    }
}

#[test]
fn leader_only_commits_log_from_current_term() {
    // The log has terms 1, 2; the leader of term 3 adds entry 3.
    for (index, expected) in [(1, 0), (2, 0), (3, 3)] {
        let mut one = node_with_log(Config::new(1), &[1, 2], &[1, 2]);
        lead(&mut one);
        one.propose("some data").unwrap();
        pump(&mut one);
        ack(&mut one, 2, index);
        assert_eq!(one.log().committed(), expected, "2 has up to {index}");
    }
}

#[test]
fn node_that_rejoins_in_the_same_term_is_not_told_to_commit_what_it_lost() {
    // 2 acknowledged entries 1 to 4, lost its disk, and comes back empty in the same term.
    let mut one = leader(Config::new(1), &[1, 2, 3]);
    for _ in 0..3 {
        one.propose("x").unwrap();
    }
    pump(&mut one);
    for from in [2, 3] {
        ack(&mut one, from, 4);
    }
    let mut two = node(Config::new(2), &[1, 2, 3]);
    one.propose("y").unwrap();
    let append = to(&pump(&mut one), 2, MessageType::App).remove(0);
    let answer = to(&step(&mut two, append), 1, MessageType::AppResp).remove(0);
    assert!(answer.reject, "2 has nothing before entry 5");
    step(&mut one, answer);
    assert_eq!(one.progress(2).unwrap().match_index, 4, "what was acknowledged stays so here");
    let beat = Message { commit: 4, ..message(MessageType::Heartbeat, 1, 2, 1) };
    let Err(Error::Fatal(text)) = two.step(beat) else { panic!("a lost log is fatal") };
    assert!(text.starts_with("tocommit(4) is out of range [lastIndex(0)]"), "and says so: {text}");
}

#[test]
fn delayed_append_response_after_a_rejoin_in_the_same_term_is_refused() {
    // 2 left the group and joined again in the same term: an answer from before is on its way.
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    let change =
        |change_type| raft::ConfChange { change_type, node_id: 2, ..raft::ConfChange::default() };
    group.at(1).propose_conf_change(change(raft::ConfChangeType::RemoveNode)).unwrap();
    group.settle();
    group.at(1).propose_conf_change(change(raft::ConfChangeType::AddNode)).unwrap();
    group.cut_off.insert(2);
    group.settle();
    let last = group.last(1);
    let beyond = Message { index: last + 5, ..message(MessageType::AppResp, 2, 1, 1) };
    let refused = group.at(1).step(beyond);
    assert!(matches!(refused, Err(Error::InvalidMessage(_))), "beyond the log: {refused:?}");
    assert_eq!(group.nodes[&1].progress(2).unwrap().match_index, 0, "2 is probed from new");
}

#[test]
fn commit_index_is_not_taken_from_storage_that_has_less() {
    let mut storage = MemoryStorage::with_conf_state(raft::ConfState::of_voters([1]));
    storage.set_hard_state(HardState { term: 1, vote: 1, commit: 7 });
    let refused = RawNode::new(Config::new(1), storage, group::Counting(1));
    assert!(matches!(refused, Err(Error::Fatal(_))), "a log that lost its end is not used");
}

#[test]
fn a_late_answer_to_a_leader_that_restarted_is_ignored() {
    // It sent entry 2 before it wrote it, crashed, and is a follower of the same term without it.
    let mut one = leader(Config::new(1), &[1, 2, 3]);
    let storage = one.storage().clone();
    one.propose("sent, not written").unwrap();
    let mut one = RawNode::new(Config::new(1), storage, group::Counting(1)).unwrap();
    let late = Message { index: 2, ..message(MessageType::AppResp, 2, 1, 1) };
    assert_eq!(one.step(late), Ok(()), "within the protocol, and of no use any more");
    assert!(!one.has_ready(), "nothing comes of it");
}
