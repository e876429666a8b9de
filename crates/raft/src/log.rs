//! The raft log: what storage has, with the unstable end behind it.
//!
//! ```text
//!  sentinel | first … applied … applying … committed … last |
//! ```

mod applying;
mod reading;

use std::fmt;
use std::mem::take;

use crate::entries::Entries;
use crate::error::{Error, Result, fatal};
use crate::logger::{Logger, log};
use crate::storage::{Storage, StorageError};
use crate::types::{Entry, EntryId, Snapshot};
use crate::unstable::Unstable;
use crate::validate::MAX_NUMBER;

/// The whole log of one node, and how far it is committed and applied.
///
/// Invariants: `applied <= applying <= committed <= last.index`; the log has no gap from
/// `first_index` to `last.index`; the term of the entry before the first one is known; all entries
/// from `last_run` on are of the last one's term.
#[derive(Clone, Debug)]
pub(crate) struct RaftLog<S, L> {
    pub(crate) storage: S,
    pub(crate) logger: L,
    pub(crate) unstable: Unstable,
    /// The last entry, stored or not. Storage holds what it was given, so it need not be asked.
    last: EntryId,
    /// From here on the terms are known: what a group works on is most often of one term.
    last_run: u64,
    pub(crate) committed: u64,
    pub(crate) applying: u64,
    pub(crate) applied: u64,
    /// Bytes of entries handed out for applying and not yet applied.
    applying_size: u64,
    max_applying_size: u64,
    applying_paused: bool,
}

impl<S, L> fmt::Display for RaftLog<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "committed={}, applied={}, applying={}, unstable.offset={}, \
             unstable.offsetInProgress={}, len(unstable.Entries)={}",
            self.committed,
            self.applied,
            self.applying,
            self.unstable.offset(),
            self.unstable.offset_in_progress(),
            self.unstable.len()
        )
    }
}

impl<S: Storage, L: Logger> RaftLog<S, L> {
    /// A log as storage has it; nothing beyond its beginning is known to be committed.
    pub(crate) fn new(storage: S, logger: L, max_applying_size: u64) -> Result<Self> {
        let first = storage.first_index()?;
        let last = storage.last_index()?;
        if first == 0 || last < first - 1 || last > MAX_NUMBER {
            fatal!("storage has entries [{first}, {last}], which is no log");
        }
        let term = match storage.term(last) {
            Ok(term) => term,
            Err(error) => fatal!("unexpected error when getting the last term at {last}: {error}"),
        };
        Ok(Self {
            storage,
            logger,
            unstable: Unstable::new(last + 1),
            last: EntryId { term, index: last },
            last_run: last,
            committed: first - 1,
            applying: first - 1,
            applied: first - 1,
            applying_size: 0,
            max_applying_size,
            applying_paused: false,
        })
    }

    pub(crate) fn first_index(&self) -> Result<u64> {
        match self.unstable.first_index() {
            Some(index) => Ok(index),
            None => self.storage.first_index().map_err(|error| fatal_storage(&error)),
        }
    }

    #[inline]
    pub(crate) fn last_index(&self) -> u64 {
        self.last.index
    }

    #[inline]
    pub(crate) fn last_id(&self) -> EntryId {
        self.last
    }

    /// The term at `index`, from the entry before the first one to the last one; outside of that,
    /// [`StorageError::Compacted`] or [`StorageError::Unavailable`].
    pub(crate) fn term(&self, index: u64) -> Result<u64> {
        // Storage may still have entries there that were replaced and not yet overwritten.
        if index > self.last.index {
            return Err(StorageError::Unavailable.into());
        }
        if index >= self.last_run
            && (index == self.last.index || index + 1 >= self.first_index()?)
        {
            return Ok(self.last.term);
        }
        self.earlier_term(index)
    }

    /// The term of an entry before the last run.
    fn earlier_term(&self, index: u64) -> Result<u64> {
        if let Some(term) = self.unstable.term(index) {
            return Ok(term);
        }
        if self.unstable.first_index().is_some_and(|first| index < first - 1) {
            return Err(StorageError::Compacted.into());
        }
        match self.storage.term(index) {
            Ok(term) => Ok(term),
            Err(error @ (StorageError::Compacted | StorageError::Unavailable)) => Err(error.into()),
            Err(error) => Err(fatal_storage(&error)),
        }
    }

    /// The term at `index`, or none where the log does not reach.
    #[inline]
    pub(crate) fn term_if_known(&self, index: u64) -> Result<Option<u64>> {
        if self.is_of_last_term(index) {
            return Ok((index <= self.last.index).then_some(self.last.term));
        }
        self.looked_up_term(index)
    }

    /// Whether the last term is that of `index`, if the log reaches there, without a look at
    /// storage: it is not compacted beyond what was applied.
    #[inline]
    fn is_of_last_term(&self, index: u64) -> bool {
        index >= self.last_run && index + 1 >= self.unstable.kept()
    }

    fn looked_up_term(&self, index: u64) -> Result<Option<u64>> {
        match self.term(index) {
            Ok(term) => Ok(Some(term)),
            Err(Error::Storage(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    #[inline]
    pub(crate) fn matches(&self, id: EntryId) -> Result<bool> {
        if self.is_of_last_term(id.index) {
            return Ok(id.index <= self.last.index && id.term == self.last.term);
        }
        Ok(self.term_if_known(id.index)? == Some(id.term))
    }

    /// Raft 5.4.1: whether a log that ends with `last` is at least as new as this one.
    pub(crate) fn is_up_to_date(&self, last: EntryId) -> bool {
        (last.term, last.index) >= (self.last.term, self.last.index)
    }

    /// Raft 5.3: takes the entries, which follow `previous`, if the log has that one; gives the index of
    /// the last new entry. Entries that are there already are not touched, so that a late message
    /// does not cut the log.
    #[inline]
    pub(crate) fn maybe_append(
        &mut self,
        previous: EntryId,
        entries: &mut Entries,
        committed: u64,
    ) -> Result<Option<u64>> {
        if !self.matches(previous)? {
            return Ok(None);
        }
        let last_new = previous.index + entries.len() as u64;
        // Most often they come next.
        if previous.index != self.last.index {
            self.append_unknown(take(entries))?;
        } else if !entries.is_empty() {
            self.append(take(entries))?;
        }
        self.commit_to(committed.min(last_new))?;
        Ok(Some(last_new))
    }

    /// Appends what is not there yet, in place of what contradicts it.
    fn append_unknown(&mut self, entries: Entries) -> Result<()> {
        let Some(conflict) = self.find_conflict(&entries)? else { return Ok(()) };
        let index = entries[conflict].index;
        if index <= self.committed {
            let committed = self.committed;
            fatal!("entry {index} conflict with committed entry [committed({committed})]");
        }
        self.append(if conflict == 0 { entries } else { entries.after(conflict) })?;
        Ok(())
    }

    /// Appends behind the committed part; gives the last index.
    #[inline]
    pub(crate) fn append(&mut self, entries: Entries) -> Result<u64> {
        let [first, ..] = &entries[..] else { return Ok(self.last.index) };
        if first.index <= self.committed {
            let (after, committed) = (first.index.saturating_sub(1), self.committed);
            fatal!("after({after}) is out of range [committed({committed})]");
        }
        self.ends_with(&entries);
        self.unstable.truncate_and_append(entries, &self.logger);
        Ok(self.last.index)
    }

    /// Notes what the log's end will be.
    fn ends_with(&mut self, entries: &[Entry]) {
        let (first, last) = (&entries[0], &entries[entries.len() - 1]);
        let continues = first.index == self.last.index + 1 && first.term == self.last.term;
        if first.term != last.term {
            let earlier = entries.partition_point(|entry| entry.term < last.term);
            self.last_run = entries[earlier].index;
        } else if !continues {
            self.last_run = first.index;
        }
        self.last = last.id();
    }

    /// The first of the entries that this log does not have.
    fn find_conflict(&self, entries: &[Entry]) -> Result<Option<usize>> {
        for (position, entry) in entries.iter().enumerate() {
            if self.matches(entry.id())? {
                continue;
            }
            if entry.index <= self.last.index {
                log!(
                    self.logger,
                    Info,
                    "found conflict at index {} [existing term: {}, conflicting term: {}]",
                    entry.index,
                    self.term_if_known(entry.index)?.unwrap_or(0),
                    entry.term
                );
            }
            return Ok(Some(position));
        }
        Ok(None)
    }

    /// The largest index up to `index` whose term is at most `term`, with its term: the most that
    /// a log can agree with one whose entry at `index` is of `term`. A term of zero means that the
    /// index is beyond what this log knows.
    pub(crate) fn find_conflict_by_term(&self, index: u64, term: u64) -> Result<EntryId> {
        for index in (1..=index).rev() {
            match self.term_if_known(index)? {
                None => return Ok(EntryId { term: 0, index }),
                Some(ours) if ours <= term => return Ok(EntryId { term: ours, index }),
                Some(_) => {}
            }
        }
        Ok(EntryId::default())
    }

    pub(crate) fn commit_to(&mut self, index: u64) -> Result<()> {
        if index <= self.committed {
            return Ok(());
        }
        let last = self.last.index;
        if last < index {
            fatal!(
                "tocommit({index}) is out of range [lastIndex({last})]. Was the raft log \
                 corrupted, truncated, or lost?"
            );
        }
        self.committed = index;
        Ok(())
    }

    /// Raft 5.4.2: commits up to `at` if that entry is of the given term.
    pub(crate) fn maybe_commit(&mut self, at: EntryId) -> Result<bool> {
        if at.term == 0 || at.index <= self.committed || !self.matches(at)? {
            return Ok(false);
        }
        self.commit_to(at.index)?;
        Ok(true)
    }

    pub(crate) fn restore(&mut self, snapshot: Snapshot) {
        log!(
            self.logger,
            Info,
            "log [{self}] starts to restore snapshot [index: {}, term: {}]",
            snapshot.metadata.index,
            snapshot.metadata.term
        );
        self.committed = snapshot.metadata.index;
        self.last = snapshot.id();
        self.last_run = self.last.index;
        self.unstable.restore(snapshot);
    }

    pub(crate) fn stable_to(&mut self, id: EntryId) {
        if id == self.last && id.index >= self.unstable.offset() {
            self.unstable.all_stable();
        } else {
            self.unstable.stable_to(id, &self.logger);
        }
        self.unstable.handed_out(self.applying);
    }

    pub(crate) fn has_snapshot(&self) -> bool {
        self.unstable.snapshot().is_some()
    }

    pub(crate) fn snapshot(&self) -> std::result::Result<Snapshot, StorageError> {
        match self.unstable.snapshot() {
            Some(snapshot) => Ok(snapshot.clone()),
            None => self.storage.snapshot(),
        }
    }
}

/// Storage failed where it must not.
fn fatal_storage(error: &StorageError) -> Error {
    Error::Fatal(error.to_string())
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
