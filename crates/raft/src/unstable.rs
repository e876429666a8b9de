//! The end of the log that is not yet known to be durable, behind what is durable and not yet handed
//! out for applying: entries on their way are not read back.
//!
//! ```text
//!  storage …  | kept … offset … offset_in_progress … |
//!  applying     durable  being written    not yet handed out
//! ```

use std::mem::swap;

use crate::entries::Entries;
use crate::logger::{Logger, log};
use crate::storage::{fitting, position};
use crate::types::{Entry, EntryId, Snapshot};

/// Entries, and perhaps a snapshot below them, that storage does not have yet; behind entries that
/// it has and that were not yet handed out for applying.
///
/// Entries stay in pieces as they came, and what was handed out is never moved, so that a piece
/// goes on to storage and to every member without being copied. What comes before the last piece
/// was handed out becomes part of it.
///
/// Invariants: the pieces are not empty and follow one another from `kept` to just before `end`;
/// `kept <= offset <= offset_in_progress <= end`; with a snapshot, `offset` is one beyond it; a snapshot
/// is in progress only if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unstable {
    snapshot: Option<Snapshot>,
    snapshot_in_progress: bool,
    pieces: Vec<Entries>,
    kept: u64,
    offset: u64,
    end: u64,
    offset_in_progress: u64,
}

impl Unstable {
    pub(crate) fn new(offset: u64) -> Self {
        Self { kept: offset, offset, end: offset, offset_in_progress: offset, ..Self::default() }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The first index that need not be read from storage.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    pub(crate) fn offset_in_progress(&self) -> u64 {
        self.offset_in_progress
    }

    pub(crate) fn len(&self) -> usize {
        position(self.end - self.offset)
    }

    /// The first index, if a snapshot decides it.
    pub(crate) fn first_index(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|snapshot| snapshot.metadata.index + 1)
    }

    /// The term at `index`, if it is not storage's.
    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        if index >= self.kept {
            return self.entry(index).map(|entry| entry.term);
        }
        let snapshot = self.snapshot.as_ref()?;
        (snapshot.metadata.index == index).then_some(snapshot.metadata.term)
    }

    pub(crate) fn entry(&self, index: u64) -> Option<&Entry> {
        if index < self.kept || index >= self.end {
            return None;
        }
        let (piece, at) = self.locate(index);
        self.pieces[piece].get(at)
    }

    /// The piece that holds the entry at `index`, which must be here, and where in it.
    #[inline]
    fn locate(&self, index: u64) -> (usize, usize) {
        // Most often everything is in one piece.
        let at = position(index - self.kept);
        if self.pieces.len() == 1 || at < self.pieces[0].len() {
            return (0, at);
        }
        let piece = self.pieces.partition_point(|piece| piece[0].index <= index) - 1;
        (piece, position(index - self.pieces[piece][0].index))
    }

    /// Entries that were not yet handed out for writing.
    #[inline]
    pub(crate) fn next_entries(&self) -> Entries {
        self.slice(self.offset_in_progress, self.end, u64::MAX)
    }

    /// The entry at `index`, if it is the last one and in a piece of its own.
    #[inline]
    pub(crate) fn only_from(&self, index: u64) -> Option<&Entry> {
        self.pieces.last()?.only().filter(|entry| entry.index == index)
    }

    pub(crate) fn has_next_entries(&self) -> bool {
        self.offset_in_progress < self.end
    }

    pub(crate) fn has_entries(&self) -> bool {
        self.offset < self.end
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
        self.offset_in_progress = self.end;
        self.snapshot_in_progress = self.snapshot.is_some();
    }

    /// All entries are durable.
    #[inline]
    pub(crate) fn all_stable(&mut self) {
        self.offset = self.end;
        self.offset_in_progress = self.end;
    }

    /// Entries up to `id` are durable, unless they were replaced since.
    pub(crate) fn stable_to(&mut self, id: EntryId, logger: &impl Logger) {
        if id.index < self.offset {
            self.log_stable_already(id.index, logger);
            return;
        }
        let Some(term) = self.term(id.index) else {
            log!(*logger, Info, "entry at index {} missing from unstable log; ignoring", id.index);
            return;
        };
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
        self.offset = id.index + 1;
        self.offset_in_progress = self.offset_in_progress.max(self.offset);
        self.check();
    }

    fn log_stable_already(&self, index: u64, logger: &impl Logger) {
        if self.snapshot.as_ref().is_some_and(|snapshot| snapshot.metadata.index == index) {
            log!(*logger, Info, "entry at index {index} matched unstable snapshot; ignoring");
        } else {
            log!(*logger, Info, "entry at index {index} missing from unstable log; ignoring");
        }
    }

    /// Gives away the entry at `lo`, to be applied, if it is durable and nothing else is here or
    /// wanted.
    #[inline]
    pub(crate) fn give_only(&mut self, lo: u64, hi: u64, to: &mut Entries) -> bool {
        let is_only = lo == self.kept && hi == lo + 1 && hi == self.end && hi <= self.offset;
        if is_only {
            self.kept = hi;
            swap(&mut self.pieces[0], to);
            self.pieces.clear();
        }
        is_only
    }

    /// Entries up to `index` were handed out for applying.
    #[inline]
    pub(crate) fn handed_out(&mut self, index: u64) {
        let kept = self.offset.min(index + 1);
        if kept > self.kept {
            self.drop_front(kept);
            self.check();
        }
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
        self.kept = self.offset;
        self.end = self.offset;
        self.offset_in_progress = self.offset;
        self.pieces.clear();
        self.snapshot = Some(snapshot);
        self.snapshot_in_progress = false;
    }

    /// Puts the entries in place of whatever was there from the first one's index on.
    pub(crate) fn truncate_and_append(&mut self, entries: Entries, logger: &impl Logger) {
        let from = entries[0].index;
        if from != self.end {
            self.truncate(from, logger);
        }
        self.end = from + entries.len() as u64;
        match self.pieces.last_mut() {
            None => self.pieces.push(entries),
            Some(last) => {
                let apart = last.try_append(entries).err();
                self.pieces.extend(apart);
            }
        }
        self.check();
    }

    fn truncate(&mut self, from: u64, logger: &impl Logger) {
        if from <= self.offset {
            log!(*logger, Info, "replace the unstable entries from index {from}");
            self.kept = self.kept.min(from);
            self.offset = from;
            self.offset_in_progress = from;
        } else {
            log!(*logger, Info, "truncate the unstable entries before index {from}");
            self.offset_in_progress = self.offset_in_progress.min(from);
        }
        self.drop_back(from);
    }

    /// Drops entries before `kept`, which is within the log or at its end.
    fn drop_front(&mut self, kept: u64) {
        self.kept = kept;
        if kept == self.end {
            self.pieces.clear();
            return;
        }
        let dropped = self.pieces.partition_point(|piece| piece[piece.len() - 1].index < kept);
        self.pieces.drain(..dropped);
        let piece = &mut self.pieces[0];
        let first = piece[0].index;
        if first < kept {
            *piece = piece.part(position(kept - first)..piece.len());
        }
    }

    /// Drops entries from `end` on.
    fn drop_back(&mut self, end: u64) {
        self.end = end;
        while let Some(piece) = self.pieces.last_mut() {
            let kept = position(end.saturating_sub(piece[0].index));
            if kept >= piece.len() {
                break;
            }
            if kept > 0 {
                *piece = piece.part(0..kept);
                break;
            }
            self.pieces.pop();
        }
    }

    /// Entries `lo..hi`, all of which must be here, as far as they fit in `max_size`, at least one.
    pub(crate) fn slice(&self, lo: u64, hi: u64, max_size: u64) -> Entries {
        if lo == hi {
            return Entries::default();
        }
        assert!(
            self.kept <= lo && lo < hi && hi <= self.end,
            "unstable.slice[{lo},{hi}) out of bound [{},{}]",
            self.kept,
            self.end
        );
        let (piece, start) = self.locate(lo);
        let piece = &self.pieces[piece];
        let end = start + position(hi - lo);
        if piece.len() == 1 && end == 1 {
            return piece.clone();
        }
        if end <= piece.len() {
            return piece.part(start..start + fitting(piece[start..end].iter(), max_size));
        }
        let range = self.range(lo, hi);
        range.clone().take(fitting(range, max_size)).cloned().collect()
    }

    /// Entries `lo..hi`, all of which must be here.
    pub(crate) fn range(&self, lo: u64, hi: u64) -> impl Iterator<Item = &Entry> + Clone {
        assert!(lo <= hi, "invalid unstable.slice {lo} > {hi}");
        let (kept, upper) = (self.kept, self.end);
        assert!(
            kept <= lo && hi <= upper,
            "unstable.slice[{lo},{hi}) out of bound [{kept},{upper}]"
        );
        let (first, skipped) = if lo < upper { self.locate(lo) } else { (self.pieces.len(), 0) };
        let pieces = self.pieces[first..].iter();
        pieces.flat_map(|piece| piece.iter()).skip(skipped).take(position(hi - lo))
    }

    fn check(&self) {
        debug_assert!(
            self.kept <= self.offset
                && self.offset <= self.offset_in_progress
                && self.offset_in_progress <= self.end,
            "writing is in progress only within the unstable log"
        );
        if let (Some(first), Some(last)) = (self.pieces.first(), self.pieces.last()) {
            debug_assert_eq!(first[0].index, self.kept, "the first entry is the first one kept");
            debug_assert_eq!(last[last.len() - 1].index + 1, self.end, "the log has no gap");
        }
    }
}

#[cfg(test)]
#[path = "unstable_tests.rs"]
mod tests;
