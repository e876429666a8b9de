//! Entries of the log, from storage and from the unstable end.

use super::{RaftLog, fatal_storage};
use crate::entries::Entries;
use crate::error::{Result, fatal};
use crate::logger::Logger;
use crate::storage::{Storage, StorageError, encoded_size};
use crate::types::Entry;

impl<S: Storage, L: Logger> RaftLog<S, L> {
    /// Puts entries that were not yet handed out for writing into `entries`.
    #[inline]
    pub(crate) fn next_entries_into(&mut self, entries: &mut Entries) {
        // Most often it is one.
        if let Some(entry) = self.unstable.last_at(self.unstable.offset_in_progress()) {
            *entries = entry.clone().into();
        } else {
            *entries = self.unstable.next_entries();
        }
    }

    /// Puts entries from `index` to the end, as far as they fit in `max_size`, into `entries`.
    #[inline]
    pub(crate) fn entries_into(
        &mut self,
        index: u64,
        max_size: u64,
        entries: &mut Entries,
    ) -> Result<()> {
        if let Some(entry) = self.unstable.last_at(index) {
            *entries = entry.clone().into();
        } else {
            if index >= self.unstable.kept() {
                self.unstable.share();
            }
            *entries = self.entries(index, max_size)?;
        }
        Ok(())
    }

    /// Entries from `index` to the end, as far as they fit in `max_size`.
    #[inline]
    pub(crate) fn entries(&self, index: u64, max_size: u64) -> Result<Entries> {
        if index > self.last.index {
            return Ok(Entries::default());
        }
        self.slice(index, self.last.index + 1, max_size)
    }

    /// Entries `lo..hi`, as far as they fit in `max_size`, at least one.
    #[inline]
    pub(crate) fn slice(&self, lo: u64, hi: u64, max_size: u64) -> Result<Entries> {
        match self.recent(lo, hi, max_size) {
            Some(entries) => Ok(entries),
            None => self.slice_stored(lo, hi, max_size),
        }
    }

    /// Entries `lo..hi` as [`slice`](Self::slice) gives them, if storage need not be asked.
    #[inline]
    fn recent(&self, lo: u64, hi: u64, max_size: u64) -> Option<Entries> {
        let is_here = lo >= self.unstable.kept() && lo < hi && hi <= self.last.index + 1;
        is_here.then(|| self.unstable.slice(lo, hi, max_size))
    }

    #[cold]
    pub(super) fn slice_stored(&self, lo: u64, hi: u64, max_size: u64) -> Result<Entries> {
        self.check_bounds(lo, hi)?;
        if lo == hi {
            return Ok(Entries::default());
        }
        let offset = self.unstable.kept();
        let entries = self.stored(lo, hi.min(offset), max_size)?;
        if hi > offset && entries.len() as u64 == offset - lo {
            return Ok(self.with_unstable(&entries, hi, max_size));
        }
        Ok(entries)
    }

    fn stored(&self, lo: u64, hi: u64, max_size: u64) -> Result<Entries> {
        match self.storage.entries(lo, hi, max_size) {
            Ok(entries) if entries.is_empty() => {
                fatal!("entries[{lo}:{hi}) is unavailable from storage")
            }
            Ok(entries) => check_stored(entries, lo, hi),
            Err(StorageError::Compacted) => Err(StorageError::Compacted.into()),
            Err(StorageError::Unavailable) => {
                fatal!("entries[{lo}:{hi}) is unavailable from storage")
            }
            Err(error) => Err(fatal_storage(&error)),
        }
    }

    /// Stored entries, and as many of the unstable ones behind them as still fit.
    fn with_unstable(&self, stored: &Entries, hi: u64, max_size: u64) -> Entries {
        let mut size = encoded_size(stored);
        let fits = |entry: &&Entry| {
            size = size.saturating_add(entry.encoded_size());
            size <= max_size
        };
        let unstable = self.unstable.range(self.unstable.kept(), hi).take_while(fits);
        stored.iter().chain(unstable).cloned().collect()
    }

    pub(super) fn check_bounds(&self, lo: u64, hi: u64) -> Result<()> {
        if lo > hi {
            fatal!("invalid slice {lo} > {hi}");
        }
        let first = self.first_index()?;
        if lo < first {
            return Err(StorageError::Compacted.into());
        }
        let last = self.last.index;
        if hi > last + 1 {
            fatal!("slice[{lo},{hi}) out of bound [{first},{last}]");
        }
        Ok(())
    }

    /// Whether an entry in `lo..hi` satisfies the predicate; reads page by page.
    pub(crate) fn any(
        &self,
        mut lo: u64,
        hi: u64,
        predicate: impl Fn(&Entry) -> bool,
    ) -> Result<bool> {
        while lo < hi {
            let page = self.slice(lo, hi, self.max_applying_size)?;
            if page.iter().any(&predicate) {
                return Ok(true);
            }
            assert!(!page.is_empty(), "a page of a non-empty range holds at least one entry");
            lo += page.len() as u64;
        }
        Ok(false)
    }
}

/// What storage gave must be what was asked for, or the beginning of it.
#[inline]
fn check_stored(entries: Entries, lo: u64, hi: u64) -> Result<Entries> {
    let follow = entries.iter().zip(lo..).all(|(entry, index)| entry.index == index);
    if entries.len() as u64 > hi - lo || !follow {
        fatal!("storage gave other entries than [{lo}:{hi})");
    }
    Ok(entries)
}
