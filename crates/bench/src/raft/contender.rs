//! Our core as a contender: a group of [`RawNode`]s that passes messages on in memory.

use std::mem::{swap, take};

use bytes::{Bytes, BytesMut};
use raft::{
    ConfState, Config, Entries, Entry, MemoryStorage, Message, MessageType, Randomness, RawNode,
    Ready, Role,
};

use crate::shared::cluster::{Cluster, Log, Setup};

/// No spread of timeouts: nothing is left to chance here.
#[derive(Clone, Copy, Debug)]
pub struct Fixed;

impl Randomness for Fixed {
    fn below(&mut self, _bound: u32) -> u32 {
        0
    }
}

type Node = RawNode<MemoryStorage, Fixed>;

/// Bytes of memory from which payloads are cut.
const CHUNK: usize = 64 << 10;

/// Where payloads come from.
#[derive(Debug, Default)]
struct Payloads {
    shared: bool,
    chunk: BytesMut,
}

impl Payloads {
    fn copy(&mut self, payload: &[u8]) -> Bytes {
        if !self.shared {
            return Bytes::copy_from_slice(payload);
        }
        if self.chunk.capacity() < payload.len() {
            self.chunk = BytesMut::with_capacity(CHUNK);
        }
        self.chunk.extend_from_slice(payload);
        self.chunk.split().freeze()
    }
}

/// One of our nodes.
struct Member {
    node: Node,
    applied: u64,
    /// Whether it has heard anything since it last had no work.
    is_awake: bool,
}

/// A group of our nodes.
pub struct Group {
    members: Vec<Member>,
    cut: Option<u64>,
    wire: Vec<Message>,
    arriving: Vec<Message>,
    ready: Ready,
    payloads: Payloads,
}

/// The slot of a node in the group.
fn slot(id: u64) -> usize {
    usize::try_from(id - 1).expect("a group is small")
}

impl Member {
    /// Carries out all that the node wants done: write, send, apply, in the documented order.
    fn work(&mut self, ready: &mut Ready, wire: &mut Vec<Message>) {
        let node = &mut self.node;
        while node.ready_into(ready).expect("the storage answers") {
            let storage = node.storage_mut();
            if !ready.entries.is_empty() {
                storage.append(take(&mut ready.entries)).expect("entries follow one another");
            }
            if let Some(state) = ready.hard_state {
                storage.set_hard_state(state);
            }
            if wire.is_empty() {
                swap(wire, &mut ready.messages);
            } else {
                wire.append(&mut ready.messages);
            }
            self.applied += ready.committed_entries.len() as u64;
            node.advance().expect("nothing is wrong");
        }
    }
}

impl Group {
    /// The node, which has work from now on.
    fn wake(&mut self, id: u64) -> &mut Node {
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
                election_tick: 1 << 30,
                pre_vote: setup.pre_vote,
                max_size_per_msg: setup.max_message_bytes,
                coalesce_appends: setup.may_batch,
                ..Config::new(id)
            };
            let storage = MemoryStorage::with_conf_state(ConfState::of_voters(voters.clone()));
            let node = RawNode::new(config, storage, Fixed);
            let node = node.expect("the configuration makes sense");
            Member { node, applied: 0, is_awake: true }
        };
        Self {
            members: (1..=setup.nodes).map(member).collect(),
            cut: None,
            wire: Vec::new(),
            arriving: Vec::new(),
            ready: Ready::default(),
            payloads: Payloads { shared: setup.shared_chunks, ..Payloads::default() },
        }
    }

    fn campaign(&mut self, node: u64) {
        self.wake(node).campaign().expect("the node may campaign");
    }

    fn propose(&mut self, payload: &[u8]) {
        let payload = self.payloads.copy(payload);
        self.wake(1).propose(payload).expect("the leader takes proposals");
    }

    fn propose_together(&mut self, payload: &[u8], count: usize) {
        let entries = (0..count).map(|_| Entry::normal(self.payloads.copy(payload))).collect();
        let message = Message { entries, from: 1, ..Message::new(MessageType::Prop) };
        self.wake(1).step(message).expect("the leader takes proposals");
    }

    fn tick(&mut self) {
        self.wake(1).tick().expect("time may pass");
    }

    fn settle(&mut self) {
        loop {
            for member in &mut self.members {
                if take(&mut member.is_awake) {
                    member.work(&mut self.ready, &mut self.wire);
                }
            }
            if self.wire.is_empty() {
                return;
            }
            swap(&mut self.arriving, &mut self.wire);
            let is_cut = |message: &Message| {
                self.cut.is_some_and(|node| message.from == node || message.to == node)
            };
            for message in self.arriving.iter_mut().filter(|message| !is_cut(message)) {
                let to = &mut self.members[slot(message.to)];
                to.is_awake = true;
                to.node.step(message).expect("messages make sense");
            }
            self.arriving.clear();
        }
    }

    fn cut(&mut self, node: Option<u64>) {
        self.cut = node;
    }

    fn applied(&self, node: u64) -> u64 {
        self.members[slot(node)].applied
    }

    fn is_leader(&self, node: u64) -> bool {
        self.members[slot(node)].node.basic_status().soft_state.role == Role::Leader
    }

    fn compact(&mut self) {
        for Member { node, .. } in &mut self.members {
            let applied = node.basic_status().applied;
            let storage = node.storage_mut();
            if applied > storage.sentinel().index + 16 {
                storage.compact(applied - 8).expect("what was applied is in the log");
            }
        }
    }
}

impl Log for MemoryStorage {
    type Batch = Entries;

    fn new() -> Self {
        Self::new()
    }

    fn batch(first: u64, count: u64, payload: &[u8], shared_chunks: bool) -> Self::Batch {
        let bytes = payload.len() * usize::try_from(count).expect("a batch is small");
        let chunk = BytesMut::with_capacity(if shared_chunks { bytes } else { 0 });
        let mut payloads = Payloads { shared: shared_chunks, chunk };
        let entry = |index| Entry { index, term: 1, ..Entry::normal(payloads.copy(payload)) };
        (first..first + count).map(entry).collect()
    }

    fn append(&mut self, batch: &Self::Batch) {
        self.append(batch).expect("entries follow one another");
    }

    fn compact(&mut self, index: u64) {
        self.compact(index).expect("the index is in the log");
    }

    fn last(&self) -> u64 {
        raft::Storage::last_index(self).expect("a log in memory answers")
    }
}
