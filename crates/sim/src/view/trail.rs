//! How one request travelled: the causal chain from the console to the reply, as it happened.

use serde::{Deserialize, Serialize};

use super::cluster::Outcome;
use crate::scenario::Node;

/// The chain of one request, in the order of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Request id.
    pub request: u64,
    /// As a scenario command.
    pub command: String,
    /// The entry that it became.
    pub index: Option<u64>,
    /// That entry's term.
    pub term: Option<u64>,
    /// The revision that it became.
    pub revision: Option<i64>,
    /// What happened so far.
    pub steps: Vec<TrailStep>,
    /// Whether and how it ended.
    pub outcome: Option<Outcome>,
}

/// One step of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailStep {
    /// The event.
    pub event: u64,
    /// Its time.
    pub at_ns: u64,
    /// Where it happened; `None` for the client.
    pub node: Option<Node>,
    /// What happened.
    pub kind: TrailKind,
    /// The other server of a message.
    pub peer: Option<Node>,
    /// The record in the write-ahead log (appended, synced).
    pub record: Option<RecordPlace>,
}

/// What happened in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrailKind {
    /// The client sent it.
    Sent,
    /// A server received it.
    Received,
    /// The leader made it an entry.
    Proposed,
    /// A server wrote the entry to its log; a power cut could still lose it.
    Appended,
    /// The entry is safe on that server's disk.
    Synced,
    /// The leader sent the entry to a peer.
    Replicated,
    /// A peer's answer that it holds the entry arrived.
    Acked,
    /// A server learned that the entry is committed.
    Committed,
    /// A server applied it.
    Applied,
    /// The server replied.
    Replied,
    /// The reply reached the client.
    Ended,
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPlace {
    /// Sequence number of the segment.
    pub segment: u64,
    /// Offset in the segment.
    pub offset: u64,
    /// Length of the frame.
    pub length: u64,
}
