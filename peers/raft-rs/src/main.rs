//! raft-rs 0.7 as a contender of `cargo xtask bench raft`, driven as its documentation and its
//! example `five_mem_node` drive it: storage in memory, persist, send, `advance`, apply.
//!
//! ```text
//! quorarium-peer-raft-rs [--batch] [--filter WORD] [--budget-ms N]
//! ```
//!
//! `--batch` switches on what raft-rs has for sending fewer messages than etcd would and still
//! committing in the same round: `batch_append`.

#[path = "../../../crates/bench/src/shared/mod.rs"]
mod shared;

use raft_rs::eraftpb::{ConfState, Entry, Message, MessageType};
use raft_rs::storage::MemStorage;
use raft_rs::{Config, RawNode, StateRole, Storage};
use shared::cluster::{Cluster, Log, Setup};
use shared::consensus::{self, Options};
use shared::measure::Effort;
use slog::{Discard, Logger, o};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).cloned()
    };
    let filter = value("--filter").unwrap_or_default();
    let budget_ms = value("--budget-ms").map_or(60.0, |ms| ms.parse().expect("milliseconds"));
    let options = Options { may_batch: words.iter().any(|word| word == "--batch") };
    let effort = Effort { budget_ms, blocks: None };
    let report = |measurement: &shared::measure::Measurement| println!("{}", measurement.line());
    consensus::run::<Group, MemoryLog>(&filter, options, effort, report);
}

/// One raft-rs node.
struct Member {
    node: RawNode<MemStorage>,
    applied: u64,
    /// Whether it has heard anything since it last had no work.
    is_awake: bool,
}

/// A group of raft-rs nodes.
struct Group {
    members: Vec<Member>,
    cut: Option<u64>,
    wire: Vec<Message>,
}

fn slot(id: u64) -> usize {
    usize::try_from(id - 1).expect("a group is small")
}

fn entry(payload: &[u8]) -> Entry {
    Entry { data: payload.to_vec().into(), ..Entry::default() }
}

impl Member {
    /// Carries out all that the node wants done.
    fn work(&mut self, wire: &mut Vec<Message>) {
        let node = &mut self.node;
        while node.has_ready() {
            let store = node.store().clone();
            let mut ready = node.ready();
            wire.extend(ready.take_messages());
            self.applied += ready.take_committed_entries().len() as u64;
            if !ready.entries().is_empty() {
                store.wl().append(ready.entries()).expect("entries follow one another");
            }
            if let Some(state) = ready.hs() {
                store.wl().set_hardstate(state.clone());
            }
            wire.extend(ready.take_persisted_messages());
            let mut light = node.advance(ready);
            if let Some(commit) = light.commit_index() {
                store.wl().mut_hard_state().set_commit(commit);
            }
            wire.extend(light.take_messages());
            self.applied += light.take_committed_entries().len() as u64;
            node.advance_apply();
        }
    }
}

impl Group {
    /// The node, which has work from now on.
    fn wake(&mut self, id: u64) -> &mut RawNode<MemStorage> {
        let member = &mut self.members[slot(id)];
        member.is_awake = true;
        &mut member.node
    }
}

impl Cluster for Group {
    fn start(setup: Setup) -> Self {
        let voters: Vec<u64> = (1..=setup.nodes).collect();
        let member = |id| {
            let config = Config {
                id,
                election_tick: 1 << 30,
                heartbeat_tick: 1,
                pre_vote: setup.pre_vote,
                max_size_per_msg: setup.max_message_bytes,
                max_inflight_msgs: 256,
                batch_append: setup.may_batch,
                ..Config::default()
            };
            let state = ConfState { voters: voters.clone(), ..ConfState::default() };
            let storage = MemStorage::new_with_conf_state(state);
            let logger = Logger::root(Discard, o!());
            let node = RawNode::new(&config, storage, &logger);
            let node = node.expect("the configuration makes sense");
            Member { node, applied: 0, is_awake: true }
        };
        Self { members: (1..=setup.nodes).map(member).collect(), cut: None, wire: Vec::new() }
    }

    fn campaign(&mut self, node: u64) {
        self.wake(node).campaign().expect("the node may campaign");
    }

    fn propose(&mut self, payload: &[u8]) {
        let payload = payload.to_vec();
        self.wake(1).propose(Vec::new(), payload).expect("the leader takes proposals");
    }

    fn propose_together(&mut self, payload: &[u8], count: usize) {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = 1;
        message.set_entries((0..count).map(|_| entry(payload)).collect::<Vec<_>>().into());
        self.wake(1).step(message).expect("the leader takes proposals");
    }

    fn tick(&mut self) {
        self.wake(1).tick();
    }

    fn settle(&mut self) {
        loop {
            for member in &mut self.members {
                if std::mem::take(&mut member.is_awake) {
                    member.work(&mut self.wire);
                }
            }
            if self.wire.is_empty() {
                return;
            }
            for message in std::mem::take(&mut self.wire) {
                let is_cut =
                    self.cut.is_some_and(|node| message.from == node || message.to == node);
                if !is_cut {
                    let to = &mut self.members[slot(message.to)];
                    to.is_awake = true;
                    to.node.step(message).expect("messages make sense");
                }
            }
        }
    }

    fn cut(&mut self, node: Option<u64>) {
        self.cut = node;
    }

    fn applied(&self, node: u64) -> u64 {
        self.members[slot(node)].applied
    }

    fn is_leader(&self, node: u64) -> bool {
        self.members[slot(node)].node.raft.state == StateRole::Leader
    }

    fn compact(&mut self) {
        for Member { node, applied, .. } in &self.members {
            let store = node.store();
            if *applied > store.first_index().expect("a log in memory answers") + 16 {
                store.wl().compact(applied - 8).expect("what was applied is in the log");
            }
        }
    }
}

/// raft-rs's storage in memory.
struct MemoryLog(MemStorage);

impl Log for MemoryLog {
    type Batch = Vec<Entry>;

    fn new() -> Self {
        Self(MemStorage::new())
    }

    fn batch(first: u64, count: u64, payload: &[u8], _shared_chunks: bool) -> Self::Batch {
        (first..first + count).map(|index| Entry { index, term: 1, ..entry(payload) }).collect()
    }

    fn append(&mut self, batch: &Self::Batch) {
        self.0.wl().append(batch).expect("entries follow one another");
    }

    fn compact(&mut self, index: u64) {
        self.0.wl().compact(index).expect("the index is in the log");
    }

    fn last(&self) -> u64 {
        self.0.last_index().expect("a log in memory answers")
    }
}
