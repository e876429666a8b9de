//! Claims of upstream's tests about what a leader sends to whom, and when it holds back.

use crate::group::{self, Group, ack, leader, message, node, pump, refuse, step, to};
use raft::{
    ConfState, Config, Error, MemoryStorage, Message, MessageType, ProgressState, RawNode, Role,
    Snapshot, SnapshotMetadata, SnapshotStatus,
};

fn state(node: &group::Node, id: u64) -> ProgressState {
    node.progress(id).unwrap().state
}

/// A leader of 1 and 2 in term 1 whose log begins behind a snapshot at index 11.
fn leader_behind_snapshot() -> group::Node {
    let conf_state = ConfState::of_voters([1, 2]);
    let metadata = SnapshotMetadata { conf_state, index: 11, term: 11 };
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(Snapshot { metadata, ..Snapshot::default() }).unwrap();
    storage.set_hard_state(raft::HardState { term: 11, vote: 0, commit: 11 });
    let mut node = RawNode::new(Config::new(1), storage, group::Counting(1)).unwrap();
    group::lead(&mut node);
    node
}

/// As above, with node 2 so far behind that the snapshot is on its way to it.
fn leader_sending_snapshot() -> group::Node {
    let mut node = leader_behind_snapshot();
    node.step(message(MessageType::HeartbeatResp, 2, 1, 12)).unwrap();
    let sent = refuse(&mut node, 2, 11, 0);
    assert_eq!(to(&sent, 2, MessageType::Snap).len(), 1, "the log does not reach back to 1");
    node
}

#[test]
fn progress_leader() {
    let mut node = leader(Config::new(1), &[1, 2]);
    ack(&mut node, 2, 1);
    for _ in 0..5 {
        node.propose("x").unwrap();
        let ready = node.ready().unwrap();
        group::store(&mut node, &ready);
        let own = node.progress(1).unwrap();
        assert!(own.match_index < own.next_index, "its own write counts once it is durable");
        node.advance().unwrap();
    }
    pump(&mut node);
    let own = node.progress(1).unwrap();
    assert_eq!((own.match_index, own.state), (6, ProgressState::Replicate), "never probed");
}

#[test]
fn progress_resume_by_heartbeat_resp() {
    let mut node = leader(Config::new(1), &[1, 2]);
    assert!(node.progress(2).unwrap().flow_paused, "a probe is on its way");
    node.tick().unwrap();
    pump(&mut node);
    assert!(node.progress(2).unwrap().flow_paused, "a heartbeat changes nothing");
    let sent = step(&mut node, message(MessageType::HeartbeatResp, 2, 1, 1));
    assert_eq!(to(&sent, 2, MessageType::App).len(), 1, "its answer lets the next probe out");
}

#[test]
fn progress_paused() {
    let mut node = leader(Config::new(1), &[1, 2]);
    for _ in 0..3 {
        node.propose("x").unwrap();
    }
    assert_eq!(to(&pump(&mut node), 2, MessageType::App), [], "one probe at a time");
}

#[test]
fn progress_flow_control() {
    let mut config = Config::new(1);
    (config.max_inflight_msgs, config.max_size_per_msg) = (3, 2048);
    let mut node = leader(config, &[1, 2]);
    for _ in 0..10 {
        node.propose(vec![b'a'; 1000]).unwrap();
    }
    assert_eq!(to(&pump(&mut node), 2, MessageType::App), [], "still probing with entry 1");
    let sizes = |sent: &[Message]| -> Vec<_> {
        to(sent, 2, MessageType::App).iter().map(|append| append.entries.len()).collect()
    };
    let sent = ack(&mut node, 2, 1);
    let full: Vec<_> = sizes(&sent).into_iter().filter(|count| *count > 0).collect();
    assert_eq!(full, [2, 2, 2], "three messages of two entries fill the window");
    let sent = ack(&mut node, 2, 3);
    let more: Vec<_> = sizes(&sent).into_iter().filter(|count| *count > 0).collect();
    assert_eq!(more, [2], "one acknowledged, one sent");
    let sent = ack(&mut node, 2, 7);
    let rest: Vec<_> = sizes(&sent).into_iter().filter(|count| *count > 0).collect();
    assert_eq!(rest, [2], "what is left");
}

#[test]
fn progress_flow_control_by_bytes() {
    let mut config = Config::new(1);
    (config.max_size_per_msg, config.max_inflight_bytes) = (1, 25);
    let mut node = leader(config, &[1, 2]);
    ack(&mut node, 2, 1);
    for _ in 0..5 {
        node.propose(vec![b'a'; 10]).unwrap();
    }
    let with_entries = |sent: &[Message]| {
        to(sent, 2, MessageType::App).iter().filter(|append| !append.entries.is_empty()).count()
    };
    assert_eq!(with_entries(&pump(&mut node)), 3, "the third overshoots 25 bytes, then it is full");
    assert_eq!(node.progress(2).unwrap().inflights.bytes(), 30, "three payloads of ten");
    assert_eq!(with_entries(&ack(&mut node, 2, 2)), 1, "ten bytes arrived, ten more may go");
    assert_eq!(with_entries(&ack(&mut node, 2, 3)), 1, "and again");
    ack(&mut node, 2, 6);
    assert_eq!(node.progress(2).unwrap().inflights.bytes(), 0, "all arrived");
}

#[test]
fn uncommitted_entry_limit() {
    let mut config = Config::new(1);
    config.max_uncommitted_entries_size = 40;
    let mut node = leader(config, &[1, 2, 3]);
    for _ in 0..4 {
        node.propose(vec![0; 10]).unwrap();
    }
    assert_eq!(node.propose(vec![0; 10]), Err(Error::ProposalDropped), "40 bytes are the limit");
    node.propose("").unwrap();
    pump(&mut node);
    ack(&mut node, 2, 1);
    ack(&mut node, 2, 6);
    node.propose(vec![0; 1000]).unwrap();
    assert_eq!(node.propose("x"), Err(Error::ProposalDropped), "the first goes, whatever its size");
}

#[test]
fn leader_increase_next() {
    let mut node = leader(Config::new(1), &[1, 2]);
    node.propose("probe").unwrap();
    pump(&mut node);
    assert_eq!(node.progress(2).unwrap().next_index, 1, "probing: only an answer moves it");
    ack(&mut node, 2, 2);
    node.propose("stream").unwrap();
    pump(&mut node);
    assert_eq!(node.progress(2).unwrap().next_index, 4, "streaming: what is sent counts as there");
}

#[test]
fn send_append_for_progress_probe() {
    let mut node = leader(Config::new(1), &[1, 2]);
    for round in 0..3 {
        node.propose("x").unwrap();
        let sent = pump(&mut node);
        assert_eq!(to(&sent, 2, MessageType::App), [], "round {round}: waits for an answer");
        node.tick().unwrap();
        assert_eq!(to(&pump(&mut node), 2, MessageType::Heartbeat).len(), 1, "heartbeats go on");
        let sent = step(&mut node, message(MessageType::HeartbeatResp, 2, 1, 1));
        let appends = to(&sent, 2, MessageType::App);
        assert_eq!(appends.len(), 1, "round {round}: one probe for each answer");
        assert_eq!(appends[0].index, 0, "from where the logs are known to agree");
    }
}

#[test]
fn send_append_for_progress_replicate() {
    let mut node = leader(Config::new(1), &[1, 2]);
    ack(&mut node, 2, 1);
    for index in 1..10 {
        node.propose("x").unwrap();
        let sent = to(&pump(&mut node), 2, MessageType::App);
        assert_eq!((sent.len(), sent[0].index), (1, index), "each at once, one behind the other");
    }
}

#[test]
fn send_append_for_progress_snapshot() {
    let mut node = leader_sending_snapshot();
    for _ in 0..10 {
        node.propose("x").unwrap();
        assert_eq!(to(&pump(&mut node), 2, MessageType::App), [], "nothing until it arrived");
    }
}

#[test]
fn recv_msg_unreachable() {
    let mut node = leader(Config::new(1), &[1, 2]);
    ack(&mut node, 2, 1);
    node.propose("lost").unwrap();
    pump(&mut node);
    node.report_unreachable(2).unwrap();
    let progress = node.progress(2).unwrap();
    assert_eq!((progress.state, progress.next_index), (ProgressState::Probe, 2), "match plus one");
}

#[test]
fn msg_app_resp_wait_reset() {
    let mut node = leader(Config::new(1), &[1, 2, 3]);
    ack(&mut node, 2, 1);
    node.propose("x").unwrap();
    let sent = pump(&mut node);
    assert_eq!(to(&sent, 2, MessageType::App).len(), 1, "2 has answered");
    assert_eq!(to(&sent, 3, MessageType::App), [], "3 has not");
    let sent = to(&ack(&mut node, 3, 1), 3, MessageType::App);
    assert!(sent.iter().any(|append| append.entries == [entry_x()]), "now it has: {sent:?}");
}

fn entry_x() -> raft::Entry {
    raft::Entry { term: 1, index: 2, ..raft::Entry::normal("x") }
}

#[test]
fn leader_app_resp() {
    // The leader has entries 1 and 2 of term 1 and 3 of its own term 2, which 2 was probed with.
    // Index and refusal of the answer; then match and next of 2, and how many appends go to it.
    let cases = [
        ((3, true), (0, 3), 0, "the answer to something that was not sent is old"),
        ((2, true), (0, 2), 1, "refused: one entry back"),
        ((2, false), (2, 4), 1, "the logs agree: entry 3 follows; entry 2 is of an older term"),
        ((0, false), (0, 4), 1, "a probe at the very beginning: everything follows"),
    ];
    for ((index, reject), expected, count, why) in cases {
        let mut node = group::node_with_log(Config::new(1), &[1, 2, 3], &[1, 1]);
        group::lead(&mut node);
        let sent =
            if reject { refuse(&mut node, 2, index, index) } else { ack(&mut node, 2, index) };
        let progress = node.progress(2).unwrap();
        assert_eq!((progress.match_index, progress.next_index), expected, "{why}");
        assert_eq!(to(&sent, 2, MessageType::App).len(), count, "{why}");
        assert_eq!(node.log().committed(), 0, "{why}");
    }
}

#[test]
fn bcast_beat() {
    let mut node = leader(Config::new(1), &[1, 2, 3]);
    for _ in 0..9 {
        node.propose("x").unwrap();
    }
    pump(&mut node);
    ack(&mut node, 2, 5);
    ack(&mut node, 3, 10);
    node.tick().unwrap();
    let sent = pump(&mut node);
    let commit = |id| to(&sent, id, MessageType::Heartbeat)[0].commit;
    assert_eq!((commit(2), commit(3)), (5, 10), "never beyond what is known to match");
    let empty = |beat: &Message| beat.entries.is_empty() && beat.index == 0 && beat.log_term == 0;
    assert!(sent.iter().all(empty), "a heartbeat carries no log");
}

#[test]
fn recv_msg_beat() {
    let mut node = leader(Config::new(1), &[1, 2, 3]);
    node.tick().unwrap();
    let sent = pump(&mut node);
    assert_eq!(sent.len(), 2, "a leader's time makes heartbeats");
    let mut follower = group::node(Config::new(1), &[1, 2, 3]);
    follower.tick().unwrap();
    assert_eq!(pump(&mut follower), [], "another's does not");
}

#[test]
fn handle_heartbeat_resp() {
    let mut node = leader(Config::new(1), &[1, 2]);
    node.propose("x").unwrap();
    pump(&mut node);
    let beat = || message(MessageType::HeartbeatResp, 2, 1, 1);
    assert_eq!(to(&step(&mut node, beat()), 2, MessageType::App).len(), 1, "it may be behind");
    assert_eq!(to(&step(&mut node, beat()), 2, MessageType::App).len(), 1, "still");
    ack(&mut node, 2, 2);
    assert_eq!(step(&mut node, beat()), [], "it has everything");
}

#[test]
fn sending_snapshot_set_pending_snapshot() {
    let node = leader_sending_snapshot();
    let progress = node.progress(2).unwrap();
    assert_eq!((progress.state, progress.pending_snapshot), (ProgressState::Snapshot, 11), "11");
    assert_eq!(progress.next_index, 12, "what follows on it comes next");
}

#[test]
fn pending_snapshot_pause_replication() {
    let mut node = leader_sending_snapshot();
    node.propose("x").unwrap();
    assert_eq!(pump(&mut node), [], "2 gets nothing meanwhile");
}

#[test]
fn snapshot_failure() {
    let mut node = leader_sending_snapshot();
    node.report_snapshot(2, SnapshotStatus::Failure).unwrap();
    let progress = node.progress(2).unwrap();
    assert_eq!((progress.pending_snapshot, progress.next_index), (0, 1), "from the beginning");
    assert!(progress.flow_paused, "with the next answer");
    assert_eq!(progress.state, ProgressState::Probe, "by probing");
}

#[test]
fn snapshot_succeed() {
    let mut node = leader_sending_snapshot();
    node.report_snapshot(2, SnapshotStatus::Finish).unwrap();
    let progress = node.progress(2).unwrap();
    assert_eq!((progress.pending_snapshot, progress.next_index), (0, 12), "behind the snapshot");
    assert!(progress.flow_paused, "with the next answer");
}

#[test]
fn snapshot_abort() {
    let mut node = leader_sending_snapshot();
    ack(&mut node, 2, 11);
    let progress = node.progress(2).unwrap();
    assert_eq!(progress.pending_snapshot, 0, "an answer at its index ends the snapshot");
    assert_eq!((progress.state, progress.next_index), (ProgressState::Replicate, 13), "streams 12");
}

#[test]
fn provide_snap() {
    let mut node = leader_behind_snapshot();
    let sent = refuse(&mut node, 2, 11, 0);
    assert_eq!(to(&sent, 2, MessageType::Snap).len(), 1, "the log begins at 12, 2 needs 1");
}

#[test]
fn ignore_providing_snap() {
    let mut config = Config::new(1);
    config.check_quorum = true;
    let conf_state = ConfState::of_voters([1, 2, 3]);
    let metadata = SnapshotMetadata { conf_state, index: 11, term: 11 };
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(Snapshot { metadata, ..Snapshot::default() }).unwrap();
    let mut node = RawNode::new(config, storage, group::Counting(1)).unwrap();
    group::lead(&mut node);
    node.propose("x").unwrap();
    let sent = pump(&mut node);
    assert_eq!(to(&sent, 2, MessageType::Snap), [], "never heard of 2: it may not be there");
    assert!(!node.progress(2).unwrap().recent_active, "so nothing big is sent to it");
}

#[test]
fn slow_node_restore() {
    let mut group = Group::new(3, |_| {});
    group.elect(1);
    group.cut_off.insert(3);
    for _ in 0..100 {
        group.propose(1, "x");
    }
    let applied = group.nodes[&1].basic_status().applied;
    let conf_state = group.nodes[&1].conf_state();
    let storage = group.at(1).storage_mut();
    storage.create_snapshot(applied, Some(conf_state), "state").unwrap();
    storage.compact(applied).unwrap();
    group.cut_off.clear();
    group.tick(1, 2);
    group.propose(1, "after");
    assert_eq!(group.committed(3), group.committed(1), "a snapshot, then the log");
    assert_eq!(group.payloads(3), [b"after"], "3 applied only what came after the snapshot");
}

#[test]
fn msg_app_flow_control_full() {
    let mut config = Config::new(1);
    config.max_inflight_msgs = 4;
    let mut node = leader(config, &[1, 2]);
    ack(&mut node, 2, 1);
    for _ in 0..4 {
        node.propose("x").unwrap();
        assert_eq!(to(&pump(&mut node), 2, MessageType::App).len(), 1, "there is room");
    }
    assert!(node.progress(2).unwrap().inflights.is_full(), "four are on their way");
    node.propose("x").unwrap();
    assert_eq!(pump(&mut node), [], "no fifth");
}

#[test]
fn msg_app_flow_control_move_forward() {
    let mut config = Config::new(1);
    config.max_inflight_msgs = 4;
    let mut node = leader(config, &[1, 2]);
    ack(&mut node, 2, 1);
    for _ in 0..4 {
        node.propose("x").unwrap();
    }
    pump(&mut node);
    for index in 2..5 {
        ack(&mut node, 2, index);
        node.propose("x").unwrap();
        let sent = to(&pump(&mut node), 2, MessageType::App);
        assert_eq!(sent.len(), 1, "one acknowledged, one more may go");
        assert!(node.progress(2).unwrap().inflights.is_full(), "full again");
        let before = node.progress(2).unwrap().inflights.count();
        ack(&mut node, 2, index - 1);
        assert_eq!(node.progress(2).unwrap().inflights.count(), before, "old answers free nothing");
    }
}

#[test]
fn msg_app_flow_control_recv_heartbeat() {
    let mut config = Config::new(1);
    config.max_inflight_msgs = 4;
    let mut node = leader(config, &[1, 2]);
    ack(&mut node, 2, 1);
    for _ in 0..4 {
        node.propose("x").unwrap();
    }
    pump(&mut node);
    for _ in 0..3 {
        let sent = step(&mut node, message(MessageType::HeartbeatResp, 2, 1, 1));
        let sent = to(&sent, 2, MessageType::App);
        assert_eq!((sent.len(), sent[0].entries.len()), (1, 0), "one empty append, to hear more");
        node.propose("x").unwrap();
        assert_eq!(to(&pump(&mut node), 2, MessageType::App), [], "the window stays full");
    }
}

#[test]
fn fast_log_rejection() {
    // Terms of the leader's and the follower's log, and how many refusals it takes to agree.
    let cases: [(&[u64], &[u64], usize); 5] = [
        (&[1, 2, 2, 4, 4, 4, 4], &[1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3], 1),
        (&[1, 1, 1, 5, 5, 5, 5], &[1, 1, 1, 4, 4, 4, 4, 4], 1),
        (&[1, 2, 2, 2, 2, 4, 4], &[1, 1, 1, 1, 3, 3, 3, 3], 2),
        (&[1, 1, 1, 3], &[1, 1, 1], 1),
        (&[1, 3, 3, 3], &[1, 2, 2, 2], 1),
    ];
    for (ours, theirs, most) in cases {
        let mut leader = group::node_with_log(Config::new(1), &[1, 2, 3], ours);
        let mut follower = group::node_with_log(Config::new(2), &[1, 2, 3], theirs);
        group::lead(&mut leader);
        let probe = |leader: &mut group::Node| {
            to(
                &step(
                    leader,
                    message(MessageType::HeartbeatResp, 2, 1, group::status_of(leader).term),
                ),
                2,
                MessageType::App,
            )
        };
        let mut on_way = probe(&mut leader);
        let mut refused = 0;
        while let Some(append) = on_way.pop() {
            let answers = to(&step(&mut follower, append), 1, MessageType::AppResp);
            refused += answers.iter().filter(|answer| answer.reject).count();
            if !answers[0].reject {
                break;
            }
            on_way = to(&step(&mut leader, answers[0].clone()), 2, MessageType::App);
        }
        assert!(refused <= most, "{ours:?} to {theirs:?}: {refused} refusals, not {most}");
        assert_eq!(follower.log().last_id(), leader.log().last_id(), "{ours:?} to {theirs:?}");
    }
}

#[test]
fn log_replication_with_reordered_message() {
    let mut node = leader(Config::new(1), &[1, 2]);
    ack(&mut node, 2, 1);
    for _ in 0..2 {
        node.propose("x").unwrap();
        pump(&mut node);
    }
    assert_eq!(ack(&mut node, 2, 3).iter().filter(|one| one.reject).count(), 0, "both arrived");
    refuse(&mut node, 2, 2, 1);
    let progress = node.progress(2).unwrap();
    assert_eq!(progress.state, ProgressState::Replicate, "a refusal that comes late is old news");
    assert_eq!((progress.match_index, progress.next_index), (3, 4), "nothing goes back");
}

#[test]
fn a_probe_that_was_lost_recovers() {
    let mut node = leader(Config::new(1), &[1, 2]);
    ack(&mut node, 2, 1);
    node.propose("lost").unwrap();
    pump(&mut node);
    node.report_unreachable(2).unwrap();
    node.propose("probe, lost too").unwrap();
    pump(&mut node);
    let sent = step(&mut node, message(MessageType::HeartbeatResp, 2, 1, 1));
    let sent = to(&sent, 2, MessageType::App);
    assert_eq!(sent.iter().map(|append| append.entries.len()).sum::<usize>(), 2, "both again");
    ack(&mut node, 2, 3);
    assert_eq!(state(&node, 2), ProgressState::Replicate, "it streams again");
}

#[test]
fn a_heartbeat_tells_no_commit_beyond_what_matches() {
    let mut follower = node(Config::new(2), &[1, 2, 3]);
    let beat = Message { commit: 7, ..message(MessageType::Heartbeat, 1, 2, 1) };
    assert!(matches!(follower.step(beat), Err(Error::Fatal(_))), "a follower would have to stop");
    let mut leader = leader(Config::new(1), &[1, 2, 3]);
    ack(&mut leader, 3, 1);
    leader.tick().unwrap();
    let sent = pump(&mut leader);
    assert_eq!(to(&sent, 2, MessageType::Heartbeat)[0].commit, 0, "2 has acknowledged nothing");
    assert_eq!(leader.basic_status().soft_state.role, Role::Leader, "so nobody has to");
}
