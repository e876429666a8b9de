//! How far the log is applied, and what is to be applied next.

use super::RaftLog;
use crate::entries::Entries;
use crate::error::{Error, Result, fatal};
use crate::logger::Logger;
use crate::storage::Storage;

impl<S: Storage, L: Logger> RaftLog<S, L> {
    /// How far entries may be applied: not beyond what is durable, unless `allow_unstable`.
    fn max_appliable(&self, allow_unstable: bool) -> u64 {
        if allow_unstable { self.committed } else { self.committed.min(self.unstable.offset() - 1) }
    }

    pub(crate) fn has_next_committed(&self, allow_unstable: bool) -> bool {
        !self.applying_paused
            && !self.has_snapshot()
            && self.applying < self.max_appliable(allow_unstable)
    }

    /// Puts entries to apply next, as far as the limit allows, into `entries`, which are none.
    #[inline]
    pub(crate) fn take_committed(
        &mut self,
        allow_unstable: bool,
        entries: &mut Entries,
    ) -> Result<()> {
        if !self.has_next_committed(allow_unstable) {
            return Ok(());
        }
        assert!(
            self.applying_size < self.max_applying_size,
            "applying entry size is below its limit unless applying is paused"
        );
        let max_size = self.max_applying_size - self.applying_size;
        let (lo, hi) = (self.applying + 1, self.max_appliable(allow_unstable) + 1);
        if let Some(entry) = self.unstable.give_only(lo, hi) {
            *entries = entry.into();
            return Ok(());
        }
        *entries = if lo >= self.unstable.kept() {
            if hi - lo > 1 {
                self.unstable.share();
            }
            self.unstable.slice(lo, hi, max_size)
        } else {
            self.stored_committed(lo, hi, max_size)?
        };
        Ok(())
    }

    #[cold]
    fn stored_committed(&self, lo: u64, hi: u64, max_size: u64) -> Result<Entries> {
        match self.slice_stored(lo, hi, max_size) {
            Err(Error::Storage(error)) => {
                fatal!("unexpected error when getting unapplied entries ({error})")
            }
            result => result,
        }
    }

    /// Entries up to `index` were handed out for applying. Applying pauses when the limit is
    /// reached, or when the limit is why they were not more.
    pub(crate) fn accept_applying(&mut self, index: u64, size: u64, allow_unstable: bool) {
        assert!(
            index <= self.committed,
            "applying({index}) is out of range [prevApplying({}), committed({})]",
            self.applying,
            self.committed
        );
        self.applying = index;
        self.unstable.handed_out(index);
        self.applying_size += size;
        self.applying_paused = self.applying_size >= self.max_applying_size
            || index < self.max_appliable(allow_unstable);
    }

    #[inline]
    pub(crate) fn applied_to(&mut self, index: u64, size: u64) -> Result<()> {
        let (applied, committed) = (self.applied, self.committed);
        if committed < index || index < applied {
            fatal!(
                "applied({index}) is out of range [prevApplied({applied}), committed({committed})]"
            );
        }
        self.applied = index;
        self.applying = self.applying.max(index);
        self.applying_size = self.applying_size.saturating_sub(size);
        self.applying_paused = self.applying_size >= self.max_applying_size;
        Ok(())
    }
}
