//! Mistakes that etcd, or a server like it, has made, to be made again on purpose.
//!
//! As [`raft::Bugs`] are to the core, these are to the server around it: one condition each, at the
//! one place of the rule; without the cargo feature `bugs` nothing is ever broken.

use serde::{Deserialize, Serialize};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A follower answers an append before its own log is durable.
    AcknowledgeBeforeSync,
    /// A leader serves reads by its lease, which is as good as the clocks are.
    ReadByLease,
    /// The log is cut at any record that does not check, not only at a torn end.
    CutAtAnyDamage,
    /// A new segment is written to before its name is durable (etcd 6368).
    SegmentNameNotSynced,
    /// A failed fsync is called again, finds its pages clean and succeeds.
    SyncRetried,
    /// A scheduled compaction is forgotten in a crash, and its revision with it (etcd 17780): in the
    /// releases that did so, a compaction at a tombstone also removed that.
    ScheduledRevisionForgotten,
    /// A tombstone at the compact revision is removed (etcd 18089).
    TombstoneRemoved,
    /// The consistent index is committed apart from the data that it counts (etcd 13766).
    IndexApartFromData,
    /// The directory of snapshots is not synced (etcd 22340).
    SnapshotNameNotSynced,
    /// A watcher that fell behind goes on at the present, whatever was compacted (etcd 17529).
    SlowWatcherSkips,
    /// A leader that was replaced goes on to revoke leases (etcd 15247).
    FormerLeaderRevokes,
    /// A boot skips entries at or below the snapshot without what they overwrite (etcd 22442).
    OverwriteSkipped,
    /// A server listens to members that were removed.
    RemovedHeard,
}

/// A set of mistakes, empty unless told otherwise: the server's own and those of its core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bugs {
    /// Those of the consensus core.
    pub core: raft::Bugs,
    own: u32,
}

impl Bugs {
    /// Nothing is broken.
    pub const NONE: Bugs = Bugs { core: raft::Bugs::NONE, own: 0 };

    /// The set with this one in it.
    #[must_use]
    pub const fn with(self, bug: Bug) -> Self {
        Self { own: self.own | 1 << bug as u32, ..self }
    }

    /// The set with this one of the core in it.
    #[must_use]
    pub const fn with_core(self, bug: raft::Bug) -> Self {
        Self { core: self.core.with(bug), ..self }
    }

    /// Whether the rule is to be broken.
    pub(crate) const fn has(self, bug: Bug) -> bool {
        cfg!(feature = "bugs") && self.own & 1 << bug as u32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_broken_only_by_its_own_bug_and_only_with_the_feature() {
        let bugs = Bugs::default().with(Bug::SyncRetried);
        assert_eq!(bugs.has(Bug::SyncRetried), cfg!(feature = "bugs"), "it was put in");
        assert!(!bugs.has(Bug::AcknowledgeBeforeSync), "another one was not");
        assert!(!Bugs::default().has(Bug::SyncRetried), "nothing is broken unasked");
    }
}
