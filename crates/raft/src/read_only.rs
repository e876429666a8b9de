//! Linearizable reads: which index a read must wait for.
//!
//! Raft thesis 6.4. *Safe* reads ask a quorum, with a heartbeat, whether this is still the leader;
//! *lease* reads trust the clock instead, and are right only as far as clocks are.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::ids::IdSet;
use crate::message::Message;
use crate::types::NodeId;

/// How the leader makes sure that it still is one before it serves a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadOnlyOption {
    /// By a round of heartbeats.
    #[default]
    Safe,
    /// By its lease; needs `check_quorum`.
    LeaseBased,
}

/// A read may be served once everything up to `index` is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// The commit index when the read came in.
    pub index: u64,
    /// What the reader gave to [`read_index`](crate::RawNode::read_index).
    pub request_context: Bytes,
}

/// A read that waits for a quorum.
#[derive(Clone, Debug)]
struct Pending {
    request: Message,
    index: u64,
    acks: IdSet,
}

impl Pending {
    fn context(&self) -> &Bytes {
        &self.request.entries[0].data
    }
}

/// Reads that wait for their quorum, oldest first; contexts are unique.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadOnly {
    pub(crate) option: ReadOnlyOption,
    queue: VecDeque<Pending>,
}

impl ReadOnly {
    pub(crate) fn new(option: ReadOnlyOption) -> Self {
        Self { option, ..Self::default() }
    }

    /// A read came in at this commit index; one with the same context waits already.
    pub(crate) fn add_request(&mut self, index: u64, request: Message) {
        let context = &request.entries[0].data;
        if self.find(context).is_none() {
            self.queue.push_back(Pending { request, index, acks: IdSet::default() });
        }
    }

    /// A node acknowledged the heartbeat with this context; gives everyone who did.
    pub(crate) fn receive_ack(&mut self, id: NodeId, context: &Bytes) -> Option<&IdSet> {
        let slot = self.find(context)?;
        let pending = &mut self.queue[slot];
        pending.acks.insert(id);
        Some(&pending.acks)
    }

    /// The read with this context has its quorum, and so have all before it.
    pub(crate) fn advance(&mut self, context: &Bytes) -> Vec<(Message, u64)> {
        let Some(slot) = self.find(context) else { return Vec::new() };
        self.queue.drain(..=slot).map(|pending| (pending.request, pending.index)).collect()
    }

    /// The context of the newest read that waits: its quorum serves all.
    pub(crate) fn last_context(&self) -> Bytes {
        self.queue.back().map_or_else(Bytes::new, |pending| pending.context().clone())
    }

    fn find(&self, context: &Bytes) -> Option<usize> {
        self.queue.iter().position(|pending| pending.context() == context)
    }
}
