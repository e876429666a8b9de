//! Watches: what a client says on a watch stream, and what the server says.
//!
//! A stream is opened by its first request and carries any number of watches, each with an id that
//! is unique in the stream. Unlike other requests these are not answered once: responses leave a
//! step as [`Effects::watch`](crate::server::Effects::watch), in order, each with its stream. The
//! loss of the server ends all its streams without a word, as the loss of the connection does.
//!
//! The outside tells how many responses a client has taken ([`WatchRequest::Taken`]). Responses
//! with events that are under way and not taken are bounded
//! ([`WATCH_STREAM_CAPACITY`]); a stream that is full gets nothing but answers to its own requests
//! until the client takes some.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{KeyValue, ResponseHeader};

/// Responses with events or progress that may be under way to a client: the length of etcd's
/// channel behind a stream.
pub const WATCH_STREAM_CAPACITY: usize = 128;

/// The caller's number for a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WatchStreamId(pub u64);

/// What a client says on a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchRequest {
    /// Watch. Answered by a response with `created`, or with `created` and `canceled` if refused.
    Create(WatchCreate),
    /// Stop watching. Answered by a response with `canceled`; an id that is not there, by nothing.
    Cancel {
        /// The watch.
        watch_id: i64,
    },
    /// Say how far all watches of the stream have come: a response with id −1 and no events. If
    /// one of them lags there is no answer, as in etcd.
    Progress,
    /// The client has taken so many more responses.
    Taken {
        /// How many.
        responses: usize,
    },
    /// The client closes the stream.
    Close,
}

/// Watches a range of keys.
#[allow(clippy::struct_excessive_bools, reason = "the flags of etcd's WatchCreateRequest")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchCreate {
    /// The first key; empty means `"\0"`, the first of all.
    pub key: Bytes,
    /// As in [`Range`](super::Range).
    pub range_end: Bytes,
    /// The first revision to tell of, past or future; 0 for the next one.
    pub start_revision: i64,
    /// Tell of progress now and then when nothing happens.
    pub progress_notify: bool,
    /// Leave puts out.
    pub no_put: bool,
    /// Leave deletions out.
    pub no_delete: bool,
    /// Tell with each event what was there before.
    pub prev_kv: bool,
    /// The id; 0 lets the server choose.
    pub watch_id: i64,
    /// Cut responses that are too large for one message.
    pub fragment: bool,
}

/// What the server says on a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchResponse {
    /// Who says it. The revision is that of the store, or what the events end with.
    pub header: ResponseHeader,
    /// The watch; −1 for all of the stream.
    pub watch_id: i64,
    /// The watch is in place.
    pub created: bool,
    /// The watch has ended.
    pub canceled: bool,
    /// It ended since it is too far behind: the lowest revision that can be watched from. Else 0.
    pub compact_revision: i64,
    /// Why a watch was refused, in etcd's words.
    pub cancel_reason: String,
    /// More of the same revision follows.
    pub fragment: bool,
    /// What happened, in order of revisions.
    pub events: Vec<Event>,
}

/// A change of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What kind.
    pub kind: EventKind,
    /// The key after it; of a deletion key and mod revision alone.
    pub kv: KeyValue,
    /// The key before it, if that was asked for and is not compacted.
    pub prev_kv: Option<KeyValue>,
}

impl Event {
    /// Whether the key was not there before.
    pub fn is_create(&self) -> bool {
        self.kind == EventKind::Put && self.kv.create_revision == self.kv.mod_revision
    }
}

/// What kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A put.
    Put,
    /// A deletion.
    Delete,
}
