//! Entries as raft holds them while a log is read in order: consecutive, each one taking away those
//! from its index on. Entries at or below the reader's start are held too: they decide what they
//! overwrite.
//!
//! The mark of a snapshot that a leader sent over a conflicting log takes all entries away, if the
//! server took the snapshot in. The mark is durable before the hard state that says so: when the
//! power went between the two, the server starts from before the snapshot, with the entries that
//! it had. What comes after the mark tells: a commit index that reaches it, or an entry above it, of
//! a server that took it in; an entry at or below it, of one that did not.

/// See the module's head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    entries: Vec<raft::Entry>,
    replaced: Option<Replaced>,
}

/// What a received snapshot took away, as long as it may not have been taken in.
#[derive(Debug, Clone)]
struct Replaced {
    by_index: u64,
    entries: Vec<raft::Entry>,
}

impl Held {
    /// Takes an entry. When it does not follow what is held, all of that goes.
    pub(crate) fn take_entry(&mut self, entry: raft::Entry) {
        self.learn_from_entry(entry.index);
        match self.position(entry.index).filter(|at| *at <= self.entries.len()) {
            Some(at) => self.entries.truncate(at),
            None => self.entries.clear(),
        }
        self.entries.push(entry);
    }

    /// Takes the mark of a snapshot. One taken from the log itself, or that the log already covers,
    /// is of an entry that is held with the same term; any other came from a leader. A mark below
    /// all that is held tells nothing.
    pub(crate) fn take_snapshot(&mut self, index: u64, term: u64) {
        let Some(at) = self.position(index) else { return };
        if self.entries.get(at).is_none_or(|entry| entry.term != term) {
            let entries = std::mem::take(&mut self.entries);
            self.replaced = Some(Replaced { by_index: index, entries });
        }
    }

    /// Takes the commit index of a hard state.
    pub(crate) fn take_commit(&mut self, commit: u64) {
        self.replaced.take_if(|replaced| replaced.by_index <= commit);
    }

    /// Whether an entry of this index overwrites or follows what is held.
    pub(crate) fn reaches(&mut self, index: u64) -> bool {
        self.learn_from_entry(index);
        self.position(index).is_some_and(|at| at <= self.entries.len())
    }

    /// The index of the last one.
    pub(crate) fn last_index(&self) -> Option<u64> {
        self.entries.last().map(|entry| entry.index)
    }

    /// All of them, at the log's end.
    pub(crate) fn into_entries(mut self) -> Vec<raft::Entry> {
        self.restore();
        self.entries
    }

    fn learn_from_entry(&mut self, index: u64) {
        match &self.replaced {
            Some(replaced) if index <= replaced.by_index => self.restore(),
            _ => self.replaced = None,
        }
    }

    fn restore(&mut self) {
        if let Some(replaced) = self.replaced.take() {
            self.entries = replaced.entries;
        }
    }

    fn position(&self, index: u64) -> Option<usize> {
        let first = self.entries.first()?.index;
        usize::try_from(index.checked_sub(first)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64) -> raft::Entry {
        raft::Entry { index, term, ..raft::Entry::default() }
    }

    /// Entries 4 to 6 of term 1, and then the mark of a snapshot of index 9 from another leader.
    fn received() -> Held {
        let mut held = Held::default();
        (4..7).for_each(|index| held.take_entry(entry(index, 1)));
        held.take_snapshot(9, 2);
        held
    }

    fn indexes(held: Held) -> Vec<u64> {
        held.into_entries().iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn a_received_snapshot_takes_entries_away_once_the_commit_index_reaches_it() {
        let mut held = received();
        held.take_commit(9);
        assert_eq!(indexes(held), [0; 0]);
    }

    #[test]
    fn a_received_snapshot_that_was_not_taken_in_leaves_the_entries() {
        let mut held = received();
        held.take_commit(6);
        assert_eq!(indexes(held), [4, 5, 6]);
    }

    #[test]
    fn an_entry_above_the_mark_follows_the_snapshot_and_one_at_or_below_it_the_log() {
        let mut taken_in = received();
        taken_in.take_entry(entry(10, 2));
        assert_eq!(indexes(taken_in), [10]);
        let mut passed_over = received();
        assert!(passed_over.reaches(7));
        passed_over.take_entry(entry(7, 2));
        passed_over.take_commit(9);
        assert_eq!(indexes(passed_over), [4, 5, 6, 7]);
    }

    #[test]
    fn a_snapshot_of_the_log_itself_takes_nothing_away() {
        let mut held = Held::default();
        (4..7).for_each(|index| held.take_entry(entry(index, 1)));
        held.take_snapshot(5, 1);
        held.take_commit(6);
        assert_eq!(indexes(held), [4, 5, 6]);
    }
}
