//! Linearizable reads: which index a read must wait for.
//!
//! Raft thesis 6.4. *Safe* reads ask a quorum, with a heartbeat, whether this is still the leader;
//! *lease* reads trust the clock instead, and are right only as far as clocks are.
//!
//! The heartbeats of each read carry a round of their own, counted up within the leader's term, and
//! not the reader's context as upstream's do: a reader that asks again with the same context would
//! else be answered on an acknowledgement of its first attempt, which proves nothing about now
//! (etcd 20418). A follower gives back whatever it got, so both kinds work with both.

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
    round: u64,
    acks: IdSet,
}

/// Reads that wait for their quorum, oldest first.
///
/// Invariants: rounds increase, and none is used twice in the leader's term.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadOnly {
    pub(crate) option: ReadOnlyOption,
    queue: VecDeque<Pending>,
    last_round: u64,
}

impl ReadOnly {
    pub(crate) fn new(option: ReadOnlyOption) -> Self {
        Self { option, ..Self::default() }
    }

    /// A read came in at this commit index; gives the context of its round. Asked again while it
    /// waits, the same reader waits for the round that is on its way.
    pub(crate) fn add_request(&mut self, index: u64, request: Message) -> Bytes {
        let context = &request.entries[0].data;
        let is_same = |pending: &&Pending| {
            pending.request.from == request.from && pending.request.entries[0].data == *context
        };
        if let Some(pending) = self.queue.iter().find(is_same) {
            return wire(pending.round);
        }
        self.last_round += 1;
        let round = self.last_round;
        self.queue.push_back(Pending { request, index, round, acks: IdSet::default() });
        wire(round)
    }

    /// A node acknowledged the heartbeat with this context; gives everyone who did.
    pub(crate) fn receive_ack(&mut self, id: NodeId, context: &[u8]) -> Option<&IdSet> {
        let slot = self.find(context)?;
        let pending = &mut self.queue[slot];
        pending.acks.insert(id);
        Some(&pending.acks)
    }

    /// The read with this context has its quorum, and so have all before it.
    pub(crate) fn advance(&mut self, context: &[u8]) -> Vec<(Message, u64)> {
        let Some(slot) = self.find(context) else { return Vec::new() };
        self.queue.drain(..=slot).map(|pending| (pending.request, pending.index)).collect()
    }

    /// The context of the newest read that waits: its quorum serves all.
    pub(crate) fn last_context(&self) -> Bytes {
        self.queue.back().map_or_else(Bytes::new, |pending| wire(pending.round))
    }

    fn find(&self, context: &[u8]) -> Option<usize> {
        let round = u64::from_be_bytes(context.try_into().ok()?);
        self.queue.binary_search_by_key(&round, |pending| pending.round).ok()
    }
}

/// A round as heartbeats carry it.
fn wire(round: u64) -> Bytes {
    Bytes::copy_from_slice(&round.to_be_bytes())
}
