//! Names: directories in two images, and the journal of changes between them.
//!
//! Creating, renaming and removing are each one change that survives a power cut whole or not at
//! all, as on a journaling file system, but independent of its neighbours and of the file's
//! bytes. A file has one name: placing it somewhere takes it away from everywhere else.

use ordered::Map;

use serde::{Deserialize, Serialize};

use crate::FileId;

/// Name → inode, by name.
pub(crate) type Entries = Map<String, FileId>;

/// A directory.
#[derive(Clone, Default)]
pub(crate) struct Directory {
    pub(crate) live: Entries,
    pub(crate) durable: Entries,
}

/// One change that is live and not yet durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The file or directory that was placed or removed.
    pub(crate) file: FileId,
    pub(crate) directory: FileId,
    pub(crate) name: String,
    pub(crate) kind: ChangeKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChangeKind {
    /// Created, or moved here from a name in `from`. Replaces what had the name.
    Place {
        from: Option<FileId>,
    },
    Remove,
}

impl Change {
    /// Whether a sync of `directory` covers this change. A move between two directories is
    /// covered by a sync of either.
    pub(crate) fn touches(&self, directory: FileId) -> bool {
        let from = match self.kind {
            ChangeKind::Place { from } => from,
            ChangeKind::Remove => None,
        };
        self.directory == directory || from == Some(directory)
    }

    /// Whether this change, coming later, decides what `earlier` was about.
    fn supersedes(&self, earlier: &Change) -> bool {
        let same_name = self.directory == earlier.directory && self.name == earlier.name;
        same_name || self.file == earlier.file
    }
}

/// The changes that are not yet durable, by number, oldest first.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    pub(crate) next: u64,
    pub(crate) changes: Map<u64, Change>,
}

impl Journal {
    pub(crate) fn push(&mut self, change: Change) {
        self.changes.insert(self.next, change);
        self.next += 1;
    }

    /// Takes out the changes that a sync of `directory` covers. Older changes elsewhere about the
    /// same file or name are decided by them and go too.
    pub(crate) fn take_synced(&mut self, directory: FileId, before: u64) -> Vec<Change> {
        let covered = |(_, change): &(&u64, &Change)| change.touches(directory);
        let numbers: Vec<u64> =
            self.changes.range(..before).filter(covered).map(|(number, _)| *number).collect();
        let mut taken = Vec::with_capacity(numbers.len());
        for number in numbers {
            let change = self.changes.remove(&number).expect("the number was just listed");
            self.changes.retain(|other, earlier| *other > number || !change.supersedes(earlier));
            taken.push(change);
        }
        taken
    }
}
