//! The end of the log that is not yet known to be durable, behind what is durable and not yet handed
//! out for applying: entries on their way are not read back.
//!
//! ```text
//!  storage …  | kept … offset … offset_in_progress … |
//!  applying     durable  being written    not yet handed out
//! ```

use std::mem::replace;

use crate::config::NO_LIMIT;
use crate::entries::Entries;
use crate::logger::{Logger, log};
use crate::storage::{fitting, position};
use crate::types::{Entry, EntryId, Snapshot};

/// Entries, and perhaps a snapshot below them, that storage does not have yet; behind entries that
/// it has and that were not yet handed out for applying.
///
/// Entries come into a row. One that is handed out alone is cloned; once several are handed out
/// together, to storage, to members or to be applied, the row becomes a piece, which is shared from
/// then on and never moved or copied.
///
/// Invariants: the pieces are not empty; they, and the row behind them, follow one another from `kept`
/// to just before `end`; `kept <= offset <= offset_in_progress <= end`; with a snapshot, `offset` is
/// one beyond it; a snapshot is in progress only if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unstable {
    snapshot: Option<Snapshot>,
    snapshot_in_progress: bool,
    pieces: Vec<Entries>,
    row: Vec<Entry>,
    kept: u64,
    offset: u64,
    end: u64,
    offset_in_progress: u64,
}

/// Entries for which there is room in a new row, if the one before had so many.
const ROOM: usize = 64;

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
        if let Some(at) = index.checked_sub(self.row_start()) {
            return self.row.get(position(at));
        }
        let (piece, at) = self.locate(index);
        piece.get(at)
    }

    fn row_start(&self) -> u64 {
        self.end - self.row.len() as u64
    }

    /// The piece that holds the entry at `index`, which must be in one, and where in it.
    fn locate(&self, index: u64) -> (&Entries, usize) {
        let number = self.pieces.partition_point(|piece| piece[0].index <= index) - 1;
        let piece = &self.pieces[number];
        (piece, position(index - piece[0].index))
    }

    /// The entry at `index`, if it is the last one and not shared.
    #[inline]
    pub(crate) fn last_at(&self, index: u64) -> Option<&Entry> {
        self.row.last().filter(|entry| entry.index == index)
    }

    /// Entries that were not yet handed out for writing.
    pub(crate) fn next_entries(&mut self) -> Entries {
        self.share();
        self.slice(self.offset_in_progress, self.end, NO_LIMIT)
    }

    /// Several entries are handed out: what is in the row is shared from now on.
    pub(crate) fn share(&mut self) {
        if self.row.is_empty() {
            return;
        }
        let room = Vec::with_capacity(self.row.len().min(ROOM));
        self.pieces.push(Entries::from(replace(&mut self.row, room)));
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
    pub(crate) fn give_only(&mut self, lo: u64, hi: u64) -> Option<Entry> {
        let is_only = lo == self.kept && hi == lo + 1 && hi == self.end && hi <= self.offset;
        let entry = self.row.pop_if(|_| is_only)?;
        self.kept = hi;
        Some(entry)
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
        self.row.clear();
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
        self.push(entries);
        self.check();
    }

    #[inline]
    fn push(&mut self, entries: Entries) {
        if self.row.is_empty() && !self.pieces.is_empty() {
            self.reopen();
        }
        let several = entries.move_only_into(&mut self.row);
        if let Err(entries) = several {
            self.push_several(entries);
        }
    }

    #[inline(never)]
    fn push_several(&mut self, entries: Entries) {
        if self.row.is_empty() {
            self.pieces.push(entries);
        } else {
            entries.move_into(&mut self.row);
        }
    }

    /// Makes the last piece the row again, so that more becomes part of it, if it was not yet handed
    /// out to anyone.
    #[inline(never)]
    fn reopen(&mut self) {
        let next = self.offset_in_progress;
        let Some(last) = self.pieces.pop_if(|piece| piece[0].index >= next) else { return };
        match last.into_vec() {
            Ok(row) => self.row = row,
            Err(piece) => self.pieces.push(piece),
        }
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
        let in_row = kept.saturating_sub(self.row_start());
        self.row.drain(..position(in_row));
        let dropped = self.pieces.partition_point(|piece| piece[piece.len() - 1].index < kept);
        self.pieces.drain(..dropped);
        self.kept = kept;
        if let Some(piece) = self.pieces.first_mut()
            && let Some(count @ 1..) = kept.checked_sub(piece[0].index)
        {
            *piece = piece.after(position(count));
        }
    }

    /// Drops entries from `end` on.
    fn drop_back(&mut self, end: u64) {
        let in_row = end.saturating_sub(self.row_start());
        self.row.truncate(position(in_row));
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

    /// Entries `lo..hi`, all of which must be here, as far as they fit in `max_size`, at least one:
    /// shared if all are in one piece.
    pub(crate) fn slice(&self, lo: u64, hi: u64, max_size: u64) -> Entries {
        let range = self.range(lo, hi);
        if lo < self.row_start() {
            let (piece, start) = self.locate(lo);
            let end = start + position(hi - lo);
            if end <= piece.len() {
                return piece.part(start..start + fitting(piece[start..end].iter(), max_size));
            }
        }
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
        (lo..hi).map(|index| self.entry(index).expect("the log has no gap"))
    }

    fn check(&self) {
        debug_assert!(
            self.kept <= self.offset
                && self.offset <= self.offset_in_progress
                && self.offset_in_progress <= self.end,
            "writing is in progress only within the unstable log"
        );
        let ends = self.pieces.iter().map(|piece| (&piece[0], &piece[piece.len() - 1]));
        let ends = ends.chain(self.row.first().zip(self.row.last()));
        let next = ends.fold(self.kept, |next, (first, last)| {
            debug_assert_eq!(first.index, next, "pieces and row follow one another");
            last.index + 1
        });
        debug_assert_eq!(next, self.end, "up to the end");
    }
}

#[cfg(test)]
#[path = "unstable_tests.rs"]
mod tests;
