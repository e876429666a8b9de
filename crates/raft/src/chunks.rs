//! A row of entries that is cheap to clone: full chunks are shared between a clone and its
//! original, and the last one is copied when either appends.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::types::Entry;

/// Entries in a chunk: what an append copies at most after a clone.
const CHUNK: usize = 256;

/// Entries in a row.
///
/// Invariants: every part is a chunk, full unless it is the last one, and never empty;
/// `skipped < CHUNK` entries of the first part do not count any more.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunks {
    parts: VecDeque<Arc<Vec<Entry>>>,
    skipped: usize,
    len: usize,
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

    pub(crate) fn get(&self, position: usize) -> Option<&Entry> {
        if position >= self.len {
            return None;
        }
        let at = self.skipped + position;
        self.parts.get(at / CHUNK)?.get(at % CHUNK)
    }

    pub(crate) fn last(&self) -> Option<&Entry> {
        self.get(self.len.checked_sub(1)?)
    }

    /// The entries at these positions, as far as they are there.
    pub(crate) fn range(&self, range: Range<usize>) -> impl Iterator<Item = &Entry> {
        range.map_while(|position| self.get(position))
    }

    pub(crate) fn extend(&mut self, entries: &[Entry]) {
        for entry in entries {
            match self.parts.back_mut() {
                Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(entry.clone()),
                _ => self.parts.push_back(Arc::new(vec![entry.clone()])),
            }
        }
        self.len += entries.len();
    }

    /// Drops all but the first `len` entries.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        if len == 0 {
            return self.clear();
        }
        let end = self.skipped + len;
        self.parts.truncate(end.div_ceil(CHUNK));
        let in_last = end - (self.parts.len() - 1) * CHUNK;
        if let Some(last) = self.parts.back_mut()
            && last.len() > in_last
        {
            Arc::make_mut(last).truncate(in_last);
        }
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
            self.parts.pop_front();
            self.skipped -= CHUNK;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(range: Range<u64>) -> Vec<Entry> {
        range.map(|index| Entry { index, ..Entry::default() }).collect()
    }

    fn indexes(chunks: &Chunks) -> Vec<u64> {
        chunks.range(0..chunks.len()).map(|entry| entry.index).collect()
    }

    #[test]
    fn chunks_hold_what_a_plain_row_holds() {
        let mut chunks = Chunks::default();
        let mut row: VecDeque<u64> = VecDeque::new();
        let mut next = 1;
        for step in 0..200_u64 {
            let appended = step * 37 % 301;
            chunks.extend(&entries(next..next + appended));
            row.extend(next..next + appended);
            next += appended;
            let dropped = usize::try_from(step * 53 % 311).unwrap().min(row.len());
            chunks.drop_front(dropped);
            row.drain(..dropped);
            let kept = row.len() - row.len() / 5;
            chunks.truncate(kept);
            row.truncate(kept);
            assert!(indexes(&chunks).iter().eq(&row), "step {step}");
            assert_eq!(chunks.last().map(|entry| entry.index), row.back().copied(), "the last");
            assert!(chunks.get(row.len()).is_none(), "nothing behind the end");
        }
    }

    #[test]
    fn a_clone_is_not_touched_by_its_original() {
        let mut chunks = Chunks::default();
        chunks.extend(&entries(1..1000));
        let clone = chunks.clone();
        assert!(Arc::ptr_eq(&chunks.parts[0], &clone.parts[0]), "full chunks are shared");
        chunks.truncate(600);
        chunks.extend(&entries(5000..5100));
        assert!(indexes(&clone).into_iter().eq(1..1000), "what it was");
        assert!(indexes(&chunks).into_iter().eq((1..601).chain(5000..5100)), "what it is");
    }
}
