//! The log of a node, for those who look at it.

use crate::config::NO_LIMIT;
use crate::error::Result;
use crate::log::RaftLog;
use crate::logger::Logger;
use crate::storage::Storage;
use crate::types::{Entry, EntryId};

/// The log of a node as a viewer sees it.
#[derive(Debug)]
pub struct LogView<'a, S, L> {
    pub(crate) log: &'a RaftLog<S, L>,
}

impl<S: Storage, L: Logger> LogView<'_, S, L> {
    /// The first index that is there.
    pub fn first_index(&self) -> Result<u64> {
        self.log.first_index()
    }

    /// The last index, unstable entries included.
    pub fn last_index(&self) -> u64 {
        self.log.last_index()
    }

    /// The last entry's term and index.
    pub fn last_id(&self) -> EntryId {
        self.log.last_id()
    }

    /// Term and index before the first entry.
    pub fn sentinel(&self) -> Result<EntryId> {
        let index = self.log.first_index()? - 1;
        Ok(EntryId { term: self.log.term(index)?, index })
    }

    /// The highest index known to be committed.
    pub fn committed(&self) -> u64 {
        self.log.committed
    }

    /// The highest index handed out for applying.
    pub fn applying(&self) -> u64 {
        self.log.applying
    }

    /// The highest index that was applied.
    pub fn applied(&self) -> u64 {
        self.log.applied
    }

    /// Entries from this index on are not known to be durable.
    pub fn unstable_offset(&self) -> u64 {
        self.log.unstable.offset()
    }

    /// Unstable entries from this index on were not handed out for writing yet.
    pub fn unstable_offset_in_progress(&self) -> u64 {
        self.log.unstable.offset_in_progress()
    }

    /// The term at an index, sentinel included.
    pub fn term(&self, index: u64) -> Result<u64> {
        self.log.term(index)
    }

    /// The entry at an index, if it is there.
    pub fn entry(&self, index: u64) -> Option<Entry> {
        if let Some(entry) = self.log.unstable.entry(index) {
            return Some(entry.clone());
        }
        self.log.slice(index, index.checked_add(1)?, NO_LIMIT).ok()?.first().cloned()
    }

    /// Entries `lo..hi`, as far as they fit in `max_size` encoded bytes, at least one.
    pub fn entries(&self, lo: u64, hi: u64, max_size: u64) -> Result<Vec<Entry>> {
        Ok(self.log.slice(lo, hi, max_size)?.to_vec())
    }
}
