//! A log kept in memory, behind a sentinel.
//!
//! ```text
//! sentinel  first                last
//!  (5, t2)  | 6 | 7 | 8 | 9 | 10 |      compact(7) moves the sentinel to (7, t)
//! ```
//!
//! The sentinel is the (term, index) of the entry before the first one: of the last compacted
//! entry, of the snapshot, or (0, 0). The log can be matched at it, though its entry is gone.

use bytes::Bytes;

use crate::chunks::Chunks;
use crate::entries::Entries;
use crate::storage::{Storage, StorageError, position};
use crate::types::{ConfState, EntryId, HardState, Snapshot};
use crate::validate::MAX_NUMBER;

/// [`Storage`] in memory; what etcd's servers read their log from. A clone shares the entries.
///
/// Invariants: entry `k` has index `sentinel.index + 1 + k`; terms never decrease along the log,
/// beginning with the sentinel's; the snapshot's index is never beyond the last index unless
/// `set_snapshot_metadata` said so.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    hard_state: HardState,
    snapshot: Snapshot,
    sentinel: EntryId,
    entries: Chunks,
}

impl MemoryStorage {
    /// An empty log that begins at index 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// A log in which this configuration was there before the first entry.
    pub fn with_conf_state(conf_state: ConfState) -> Self {
        let mut storage = Self::default();
        storage.snapshot.metadata.conf_state = conf_state;
        storage
    }

    /// The (term, index) before the first entry.
    pub fn sentinel(&self) -> EntryId {
        self.sentinel
    }

    /// The hard state saved last.
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// Saves the hard state.
    pub fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    /// Replaces everything by the snapshot; refuses one that is not newer, and one that no entry
    /// could follow.
    pub fn apply_snapshot(&mut self, snapshot: Snapshot) -> Result<(), StorageError> {
        if snapshot.metadata.index > MAX_NUMBER {
            return Err(broken(format!("snapshot {} is out of range", snapshot.metadata.index)));
        }
        if self.snapshot.metadata.index >= snapshot.metadata.index {
            return Err(StorageError::SnapOutOfDate);
        }
        self.sentinel = snapshot.id();
        self.entries.clear();
        self.snapshot = snapshot;
        Ok(())
    }

    /// Makes a snapshot at `index`, which must be in the log and beyond the last snapshot. The
    /// configuration stays the one of the last snapshot when none is given.
    pub fn create_snapshot(
        &mut self,
        index: u64,
        conf_state: Option<ConfState>,
        data: impl Into<Bytes>,
    ) -> Result<&Snapshot, StorageError> {
        if index <= self.snapshot.metadata.index {
            return Err(StorageError::SnapOutOfDate);
        }
        if index > self.last() {
            return Err(broken(format!(
                "snapshot {index} is out of bound lastindex({})",
                self.last()
            )));
        }
        self.snapshot.metadata.term = self.term(index)?;
        self.snapshot.metadata.index = index;
        if let Some(conf_state) = conf_state {
            self.snapshot.metadata.conf_state = conf_state;
        }
        self.snapshot.data = data.into();
        Ok(&self.snapshot)
    }

    /// Drops all entries up to and with `index`, which becomes the sentinel.
    ///
    /// It is the caller's to see that `index` was applied.
    pub fn compact(&mut self, index: u64) -> Result<(), StorageError> {
        if index <= self.sentinel.index {
            return Err(StorageError::Compacted);
        }
        if index > self.last() {
            return Err(broken(format!(
                "compact {index} is out of bound lastindex({})",
                self.last()
            )));
        }
        let term = self.term(index)?;
        self.entries.drop_front(position(index - self.sentinel.index));
        self.sentinel = EntryId { term, index };
        Ok(())
    }

    /// Appends, first dropping what the new entries overwrite. Those at or below the sentinel are
    /// left out; a gap is an error.
    #[inline]
    pub fn append(&mut self, entries: impl Into<Entries>) -> Result<(), StorageError> {
        let entries = entries.into();
        match entries.first() {
            None => Ok(()),
            Some(first) if first.index == self.last() + 1 => {
                self.push(entries);
                Ok(())
            }
            Some(_) => self.overwrite(&entries),
        }
    }

    fn push(&mut self, entries: Entries) {
        let last = entries[entries.len() - 1].index;
        self.entries.extend(entries);
        assert_eq!(last, self.last(), "the log has no gap");
    }

    #[cold]
    fn overwrite(&mut self, entries: &Entries) -> Result<(), StorageError> {
        let (first, last) = (entries[0].index, self.last());
        if first > last + 1 {
            return Err(broken(format!("missing log entry [last: {last}, append at: {first}]")));
        }
        let skip = usize::try_from((self.sentinel.index + 1).saturating_sub(first));
        let new = skip.map_or_else(|_| Entries::default(), |skip| entries.after(skip));
        if let Some(first) = new.first() {
            self.entries.truncate(position(first.index - self.sentinel.index - 1));
            self.push(new);
        }
        Ok(())
    }

    fn last(&self) -> u64 {
        self.sentinel.index + self.entries.len() as u64
    }
}

fn broken(message: String) -> StorageError {
    StorageError::Broken(message)
}

impl Storage for MemoryStorage {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        Ok((self.hard_state, self.snapshot.metadata.conf_state.clone()))
    }

    fn entries(&self, lo: u64, hi: u64, max_size: u64) -> Result<Entries, StorageError> {
        if lo <= self.sentinel.index {
            return Err(StorageError::Compacted);
        }
        if hi > self.last() + 1 {
            return Err(broken(format!(
                "entries' hi({hi}) is out of bound lastindex({})",
                self.last()
            )));
        }
        if lo > hi {
            return Err(broken(format!("entries' lo({lo}) is greater than hi({hi})")));
        }
        if self.entries.is_empty() {
            return Err(StorageError::Unavailable);
        }
        let offset = self.sentinel.index + 1;
        let range = position(lo - offset)..position(hi - offset);
        Ok(self.entries.fitting(range, lo, max_size))
    }

    fn term(&self, index: u64) -> Result<u64, StorageError> {
        match index.checked_sub(self.sentinel.index) {
            None => Err(StorageError::Compacted),
            Some(0) => Ok(self.sentinel.term),
            Some(distance) => {
                let position = usize::try_from(distance - 1).unwrap_or(usize::MAX);
                self.entries.term(position).ok_or(StorageError::Unavailable)
            }
        }
    }

    fn last_index(&self) -> Result<u64, StorageError> {
        Ok(self.last())
    }

    fn first_index(&self) -> Result<u64, StorageError> {
        Ok(self.sentinel.index + 1)
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        Ok(self.snapshot.clone())
    }
}
