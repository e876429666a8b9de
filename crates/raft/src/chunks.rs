//! A row of entries that is small and cheap to clone: an entry costs its payload's place, since its
//! index follows from its position and its term from a run of equal ones; full chunks are shared
//! between a clone and its original, and the last one is copied.

use std::collections::VecDeque;
use std::mem::replace;
use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::config::NO_LIMIT;
use crate::entries::Entries;
use crate::payloads::Payloads;
use crate::types::{Entry, EntryType, encoded_size};

/// Entries in a full chunk: more than a clone copies.
const CHUNK: usize = 256;

/// Entries in a row.
///
/// Invariants: every chunk of `full` holds [`CHUNK`] entries and is closed, `last` fewer;
/// `skipped < CHUNK` entries of the first chunk do not count any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    full: VecDeque<Arc<Chunk>>,
    /// Not shared, so that an append need not ask whether it is.
    last: Chunk,
    skipped: usize,
    len: usize,
}

/// Invariants: the runs' starts increase from zero and are below the number of payloads.
#[derive(Clone, Debug, Default)]
struct Chunk {
    payloads: Payloads,
    runs: SmallVec<[Run; 1]>,
}

/// Entries of one term and type, from a position in the chunk to the next run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    start: usize,
    term: u64,
    entry_type: EntryType,
}

impl Chunk {
    fn len(&self) -> usize {
        self.payloads.len()
    }

    fn push(&mut self, entry: Entry) {
        self.goes_on_with(entry.term, entry.entry_type);
        self.payloads.push(entry.data);
    }

    fn extend(&mut self, entries: &[Entry]) {
        let alike = |a: &Entry, b: &Entry| (a.term, a.entry_type) == (b.term, b.entry_type);
        for row in entries.chunk_by(alike) {
            self.goes_on_with(row[0].term, row[0].entry_type);
            self.payloads.extend(row.iter().map(|entry| &entry.data));
        }
    }

    /// What comes next is of this term and type.
    #[inline]
    fn goes_on_with(&mut self, term: u64, entry_type: EntryType) {
        let continues = |last: &Run| last.term == term && last.entry_type == entry_type;
        if !self.runs.last().is_some_and(continues) {
            self.runs.push(Run { start: self.payloads.len(), term, entry_type });
        }
    }

    fn truncate(&mut self, len: usize) {
        self.payloads.truncate(len);
        self.runs.retain(|run| run.start < len);
    }

    fn run(&self, at: usize) -> Run {
        match self.runs[..] {
            [only] => only,
            _ => self.runs[self.runs.partition_point(|run| run.start <= at) - 1],
        }
    }

    /// The positions from one on that are of one term and type.
    fn row_from(&self, at: usize) -> (Run, Range<usize>) {
        let next = self.runs.partition_point(|run| run.start <= at);
        let end = self.runs.get(next).map_or(self.len(), |run| run.start);
        (self.runs[next - 1], at..end)
    }
}

impl Chunks {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn chunk(&self, number: usize) -> &Chunk {
        self.full.get(number).map_or(&self.last, AsRef::as_ref)
    }

    /// The term of the entry at this position, if it is there.
    pub(crate) fn term(&self, position: usize) -> Option<u64> {
        if position >= self.len {
            return None;
        }
        let at = self.skipped + position;
        Some(self.chunk(at / CHUNK).run(at % CHUNK).term)
    }

    /// As many of the entries at these positions, all of which must be there, as fit in `max_size`
    /// encoded bytes; at least one. The first has this index.
    pub(crate) fn fitting(&self, range: Range<usize>, index: u64, max_size: u64) -> Entries {
        assert!(range.end <= self.len, "entries are read where there are some");
        let count = self.count_fitting(range.clone(), index, max_size);
        let mut taken = Vec::with_capacity(count);
        for (run, payloads, places) in self.rows(range.start..range.start + count) {
            let Run { term, entry_type, .. } = run;
            payloads.for_each(places, |data| {
                let index = index + taken.len() as u64;
                taken.push(Entry { data, term, index, entry_type });
            });
        }
        Entries::from(taken)
    }

    fn count_fitting(&self, range: Range<usize>, index: u64, max_size: u64) -> usize {
        // One is given whatever its size.
        if max_size == NO_LIMIT || range.len() <= 1 {
            return range.len();
        }
        let (mut size, mut count) = (0_u64, 0);
        for (run, payloads, places) in self.rows(range) {
            for at in places {
                let entry = encoded_size(run.term, index + count as u64, payloads.size(at));
                size = size.saturating_add(entry);
                if count > 0 && size > max_size {
                    return count;
                }
                count += 1;
            }
        }
        count
    }

    /// Where the payloads of these positions are, those of one run and chunk together.
    fn rows(&self, range: Range<usize>) -> impl Iterator<Item = (Run, &Payloads, Range<usize>)> {
        let (mut at, end) = (self.skipped + range.start, self.skipped + range.end);
        std::iter::from_fn(move || {
            if at == end {
                return None;
            }
            let chunk = self.chunk(at / CHUNK);
            let (run, places) = chunk.row_from(at % CHUNK);
            let places = places.start..places.end.min(places.start + end - at);
            at += places.len();
            Some((run, &chunk.payloads, places))
        })
    }

    pub(crate) fn extend(&mut self, entries: Entries) {
        self.len += entries.len();
        match entries.into_only() {
            Ok(entry) => self.last.push(entry),
            Err(entries) => self.extend_last(&entries),
        }
        if self.last.len() == CHUNK {
            self.close_last();
        }
    }

    /// Leaves the last chunk perhaps full.
    fn extend_last(&mut self, mut entries: &[Entry]) {
        while self.last.len() + entries.len() > CHUNK {
            let (now, later) = entries.split_at(CHUNK - self.last.len());
            self.last.extend(now);
            self.close_last();
            entries = later;
        }
        self.last.extend(entries);
    }

    #[cold]
    fn close_last(&mut self) {
        // A log that fills one chunk will fill the next.
        let payloads = self.last.payloads.with_room_like(CHUNK);
        let mut full = replace(&mut self.last, Chunk { payloads, ..Chunk::default() });
        full.payloads.close();
        self.full.push_back(Arc::new(full));
    }

    /// Drops all but the first `len` entries.
    #[inline]
    pub(crate) fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        if len == 0 {
            return self.clear();
        }
        let end = self.skipped + len;
        if end / CHUNK < self.full.len() {
            self.full.truncate(end / CHUNK + 1);
            let cut = self.full.pop_back().expect("the end lies in it");
            self.last = Arc::unwrap_or_clone(cut);
        }
        self.last.truncate(end % CHUNK);
        self.len = len;
    }

    /// Drops the first `count` entries.
    pub(crate) fn drop_front(&mut self, count: usize) {
        if count >= self.len {
            return self.clear();
        }
        self.len -= count;
        self.skipped += count;
        while self.skipped >= CHUNK {
            self.full.pop_front();
            self.skipped -= CHUNK;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number is in the payload, which is large here and there; the term and type change now
    /// and then, as they do in a log.
    fn entries(range: Range<u64>) -> Vec<Entry> {
        let entry = |number: u64| {
            let mut payload = number.to_be_bytes().to_vec();
            payload.resize(if (number / 1000).is_multiple_of(2) { 8 } else { 400 }, 0);
            let is_change = number.is_multiple_of(17);
            let entry_type = if is_change { EntryType::ConfChange } else { EntryType::Normal };
            Entry { term: number / 100, entry_type, ..Entry::normal(payload) }
        };
        range.map(entry).collect()
    }

    /// The numbers, after everything else was found to belong to them.
    fn numbers(chunks: &Chunks) -> Vec<u64> {
        let read = |(position, found): (usize, Entry)| {
            let number = u64::from_be_bytes(found.data[..8].try_into().unwrap());
            let index = 1000 + position as u64;
            let expected = Entry { index, ..entries(number..number + 1).remove(0) };
            assert_eq!(found, expected, "at position {position}");
            assert_eq!(chunks.term(position), Some(found.term), "at position {position}");
            number
        };
        let all = chunks.fitting(0..chunks.len(), 1000, u64::MAX);
        all.into_iter().enumerate().map(read).collect()
    }

    #[test]
    fn chunks_hold_what_a_plain_row_holds() {
        let mut chunks = Chunks::default();
        let mut row: VecDeque<u64> = VecDeque::new();
        let (mut next, mut packed) = (1, 0);
        for step in 0..200_u64 {
            let appended = step * 37 % 301;
            chunks.extend(entries(next..next + appended).into());
            row.extend(next..next + appended);
            next += appended;
            let dropped = usize::try_from(step * 53 % 311).unwrap().min(row.len());
            chunks.drop_front(dropped);
            row.drain(..dropped);
            let kept = row.len() - row.len() / 5;
            chunks.truncate(kept);
            row.truncate(kept);
            assert!(numbers(&chunks).iter().eq(&row), "step {step}");
            assert_eq!(chunks.term(row.len()), None, "nothing behind the end");
            packed += chunks
                .full
                .iter()
                .filter(|chunk| matches!(chunk.payloads, Payloads::Packed { .. }))
                .count();
        }
        assert!(packed > 0, "some chunks were packed");
    }

    #[test]
    fn as_many_entries_are_read_as_fit() {
        for size in [8, 400] {
            let mut chunks = Chunks::default();
            chunks.extend((0..CHUNK + 9).map(|_| Entry::normal(vec![7; size])).collect());
            let limit = 10 * encoded_size(0, 1000, size);
            for (max_size, count) in [(0, 1), (limit - 1, 9), (limit, 10), (limit + 1, 10)] {
                let first = CHUNK - 5;
                let entries = chunks.fitting(first..CHUNK + 9, 1000, max_size);
                assert_eq!(entries.len(), count, "in {max_size} bytes, of {size} each");
            }
        }
    }

    #[test]
    fn a_clone_is_not_touched_by_its_original() {
        let mut chunks = Chunks::default();
        chunks.extend(entries(1..1000).into());
        let clone = chunks.clone();
        assert!(Arc::ptr_eq(&chunks.full[0], &clone.full[0]), "full chunks are shared");
        chunks.truncate(600);
        chunks.extend(entries(5000..5100).into());
        assert!(numbers(&clone).into_iter().eq(1..1000), "what it was");
        assert!(numbers(&chunks).into_iter().eq((1..601).chain(5000..5100)), "what it is");
    }
}
