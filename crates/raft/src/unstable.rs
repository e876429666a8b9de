//! The end of the log that is not yet known to be durable.
//!
//! ```text
//!  storage …            | offset … offset_in_progress … |
//!  durable                being written    not yet handed out
//! ```

use std::collections::VecDeque;

use crate::logger::{Logger, log};
use crate::storage::position;
use crate::types::{Entry, EntryId, Snapshot};

/// Entries, and perhaps a snapshot below them, that storage does not have yet.
///
/// Invariants: entry `k` has index `offset + k`; `offset <= offset_in_progress <= offset + len`;
/// with a snapshot, `offset` is one beyond it; a snapshot is in progress only if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unstable {
    snapshot: Option<Snapshot>,
    snapshot_in_progress: bool,
    entries: VecDeque<Entry>,
    offset: u64,
    offset_in_progress: u64,
}

impl Unstable {
    pub(crate) fn new(offset: u64) -> Self {
        Self { offset, offset_in_progress: offset, ..Self::default() }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn offset_in_progress(&self) -> u64 {
        self.offset_in_progress
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The first index, if a snapshot decides it.
    pub(crate) fn first_index(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.metadata.index + 1)
    }

    /// The last index, if it is not storage's.
    pub(crate) fn last_index(&self) -> Option<u64> {
        match self.entries.back() {
            Some(last) => Some(last.index),
            None => self.snapshot.as_ref().map(|snapshot| snapshot.metadata.index),
        }
    }

    /// The term at `index`, if it is not storage's.
    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        if let Some(distance) = index.checked_sub(self.offset) {
            let slot = usize::try_from(distance).ok()?;
            return self.entries.get(slot).map(|entry| entry.term);
        }
        let snapshot = self.snapshot.as_ref()?;
        (snapshot.metadata.index == index).then_some(snapshot.metadata.term)
    }

    pub(crate) fn entry(&self, index: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(index.checked_sub(self.offset)?).ok()?)
    }

    /// Entries that were not yet handed out for writing.
    pub(crate) fn next_entries(&self) -> Vec<Entry> {
        self.entries.range(self.in_progress()..).cloned().collect()
    }

    pub(crate) fn has_next_entries(&self) -> bool {
        self.in_progress() < self.entries.len()
    }

    pub(crate) fn has_entries(&self) -> bool {
        !self.entries.is_empty()
    }

    /// The snapshot, if it was not yet handed out for writing.
    pub(crate) fn next_snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref().filter(|_| !self.snapshot_in_progress)
    }

    pub(crate) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// Everything was handed out for writing.
    pub(crate) fn accept_in_progress(&mut self) {
        self.offset_in_progress = self.offset + self.entries.len() as u64;
        self.snapshot_in_progress = self.snapshot.is_some();
    }

    /// Entries up to `id` are durable, unless they were replaced since.
    pub(crate) fn stable_to(&mut self, id: EntryId, logger: &impl Logger) {
        let Some(term) = self.term(id.index) else {
            log!(*logger, Info, "entry at index {} missing from unstable log; ignoring", id.index);
            return;
        };
        if id.index < self.offset {
            log!(*logger, Info, "entry at index {} matched unstable snapshot; ignoring", id.index);
            return;
        }
        if term != id.term {
            log!(
                *logger,
                Info,
                "entry at (index,term)=({},{}) mismatched with entry at ({},{term}) in unstable \
                 log; ignoring",
                id.index,
                id.term,
                id.index
            );
            return;
        }
        self.entries.drain(..position(id.index + 1 - self.offset));
        self.offset = id.index + 1;
        self.offset_in_progress = self.offset_in_progress.max(self.offset);
        self.check();
    }

    /// The snapshot at `index` is durable.
    pub(crate) fn stable_snapshot_to(&mut self, index: u64) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.metadata.index == index) {
            self.snapshot = None;
            self.snapshot_in_progress = false;
        }
    }

    /// The log begins anew behind the snapshot.
    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        self.offset = snapshot.metadata.index + 1;
        self.offset_in_progress = self.offset;
        self.entries.clear();
        self.snapshot = Some(snapshot);
        self.snapshot_in_progress = false;
    }

    /// Puts the entries in place of whatever was there from the first one's index on.
    pub(crate) fn truncate_and_append(&mut self, entries: &[Entry], logger: &impl Logger) {
        let from = entries[0].index;
        if from <= self.offset && from != self.offset + self.entries.len() as u64 {
            log!(*logger, Info, "replace the unstable entries from index {from}");
            self.entries.clear();
            self.offset = from;
            self.offset_in_progress = from;
        } else if from < self.offset + self.entries.len() as u64 {
            log!(*logger, Info, "truncate the unstable entries before index {from}");
            self.entries.truncate(position(from - self.offset));
            self.offset_in_progress = self.offset_in_progress.min(from);
        }
        self.entries.extend(entries.iter().cloned());
        self.check();
    }

    /// Entries `lo..hi`, all of which must be here.
    pub(crate) fn range(&self, lo: u64, hi: u64) -> impl Iterator<Item = &Entry> + Clone {
        assert!(lo <= hi, "invalid unstable.slice {lo} > {hi}");
        let upper = self.offset + self.entries.len() as u64;
        assert!(
            self.offset <= lo && hi <= upper,
            "unstable.slice[{lo},{hi}) out of bound [{},{upper}]",
            self.offset
        );
        self.entries.range(position(lo - self.offset)..position(hi - self.offset))
    }

    fn in_progress(&self) -> usize {
        position(self.offset_in_progress - self.offset)
    }

    fn check(&self) {
        let upper = self.offset + self.entries.len() as u64;
        assert!(
            self.offset <= self.offset_in_progress && self.offset_in_progress <= upper,
            "writing is in progress only within the unstable log"
        );
        if let (Some(first), Some(last)) = (self.entries.front(), self.entries.back()) {
            assert_eq!(first.index, self.offset, "the first unstable entry is at the offset");
            assert_eq!(last.index + 1, upper, "the unstable log has no gap");
        }
    }
}

#[cfg(test)]
#[path = "unstable_tests.rs"]
mod tests;
