//! Revisions that the backend has compacted away: a log that goes back to the first entry makes them
//! again.
//!
//! Its entries are carried out without the compactions among them. That is believed if it comes to
//! the keys that the backend has too, at its compact revision and now: a backend that was restored
//! from a snapshot is older than its log, which then tells of something else.

use bytes::Bytes;

use super::inspect::whole_log;
use super::state::{Source, State, until};
use super::{DataDir, Kind};
use crate::mvcc::{FileBackend, Rules, Store};
use crate::proto::LoggedRequest;
use crate::request::Range;

/// The history of the keys of a range from the first revision on, in memory; nothing if the log does
/// not have it. `state` is what the directory holds of these keys.
pub(super) fn history(directory: &DataDir, state: &State, keys: &Range) -> Option<State> {
    if directory.kind() != Kind::Etcd {
        return None;
    }
    let mut entries = whole_log(directory);
    let committed = until(&entries, Source::of(directory).ok()?.end()).len();
    entries.truncate(committed);
    if entries.first()?.index != 1 {
        return None;
    }
    for entry in entries.iter_mut().filter(|entry| is_compaction(entry)) {
        entry.data = Bytes::new();
    }
    let store = Store::restore(FileBackend::default(), Rules::CURRENT).ok()?;
    let made = State::uncompacted(store, false, &entries).ok()?;
    let is_same = made.store().revision() == state.store().revision()
        && [0, state.store().compact_revision()].into_iter().all(|revision| {
            let keys = Range { revision, limit: 0, ..keys.clone() };
            made.range(&keys).ok().is_some_and(|made| Ok(made) == state.range(&keys))
        });
    is_same.then_some(made)
}

fn is_compaction(entry: &raft::Entry) -> bool {
    let request = LoggedRequest::decode(&entry.data);
    let is_normal = entry.entry_type == raft::EntryType::Normal;
    is_normal && matches!(request, Ok(LoggedRequest::V3(request)) if request.compaction.is_some())
}
