//! Events on their way to one watcher.

use crate::mvcc::revision::StoredRevision;
use crate::proto::mvccpb;
use crate::request::{Event, EventKind, KeyValue, ResponseHeader, WatchResponse};

use super::REVISIONS_PER_BATCH;

/// A response larger than this is cut, if the watch allows it: the largest request and half a
/// mebibyte.
const FRAGMENT_BYTES: usize = crate::server::REQUEST_BYTES_MAX + 512 * 1024;
/// What an event takes besides keys and values, at most.
const EVENT_OVERHEAD: usize = 96;

/// Events of whole revisions, in order.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    revisions: usize,
    /// The first revision that found no place.
    pub(super) more_from: Option<i64>,
    /// The store's revision when they were collected.
    pub(super) revision: i64,
}

impl Batch {
    pub(super) fn new(revision: i64) -> Self {
        Self { events: Vec::new(), revisions: 0, more_from: None, revision }
    }

    /// Takes the next event, unless the batch is full.
    pub(super) fn add(&mut self, event: &Event) {
        if self.more_from.is_some() {
            return;
        }
        let revision = event.kv.mod_revision;
        if self.events.last().is_none_or(|last| last.kv.mod_revision < revision) {
            if self.revisions == REVISIONS_PER_BATCH {
                self.more_from = Some(revision);
                return;
            }
            self.revisions += 1;
        }
        self.events.push(event.clone());
    }
}

/// The event of a change at `revision`.
pub(super) fn event_of_change(kv: &mvccpb::KeyValue, revision: i64) -> Event {
    let kind = if kv.create_revision == 0 { EventKind::Delete } else { EventKind::Put };
    let mut kv = KeyValue::from(kv.clone());
    kv.mod_revision = revision;
    Event { kind, kv, prev_kv: None }
}

/// The event of a stored revision.
pub(super) fn event_of_stored(at: StoredRevision, kv: mvccpb::KeyValue) -> Event {
    let kind = if at.tombstone { EventKind::Delete } else { EventKind::Put };
    let mut kv = KeyValue::from(kv);
    kv.mod_revision = at.revision.main;
    Event { kind, kv, prev_kv: None }
}

pub(super) fn at(revision: i64) -> ResponseHeader {
    ResponseHeader { revision, ..ResponseHeader::default() }
}

/// Cuts a response that is too large for one message, between events.
pub(super) fn fragments(mut whole: WatchResponse) -> Vec<WatchResponse> {
    let events = std::mem::take(&mut whole.events);
    let mut fragments = Vec::new();
    let (mut current, mut bytes) = (whole.clone(), 0);
    for event in events {
        let weight = weight(&event);
        if !current.events.is_empty() && bytes + weight >= FRAGMENT_BYTES {
            let full = std::mem::replace(&mut current, whole.clone());
            fragments.push(WatchResponse { fragment: true, ..full });
            bytes = 0;
        }
        bytes += weight;
        current.events.push(event);
    }
    fragments.push(current);
    fragments
}

fn weight(event: &Event) -> usize {
    let of = |kv: &KeyValue| kv.key.len() + kv.value.len() + EVENT_OVERHEAD;
    of(&event.kv) + event.prev_kv.as_ref().map_or(0, of)
}
