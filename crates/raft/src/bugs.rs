//! Mistakes that a raft core has made, to be made again on purpose.
//!
//! A laboratory switches them on, one or several, to show that its checks notice. Each is one
//! condition at the one place of the rule that it breaks. Without the cargo feature `bugs` the set
//! is always empty to the core, and the compiler removes the conditions.

use serde::{Deserialize, Serialize};

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A leader commits what a quorum has, of whatever term (Raft paper, figure 8).
    CommitPriorTerm,
    /// The vote is left out of the hard state that is to be made durable.
    VoteNotPersisted,
    /// Votes are granted without a look at the candidate's log (Raft 5.4.1 left out).
    VoteWithoutLogCheck,
    /// A new leader takes changes of the configuration at once (raft-dev, 2015).
    ChangeBeforeCommit,
    /// A node that hears of a leader votes nevertheless (thesis 4.2.3 left out).
    VoteInLease,
    /// A pre-vote of a lower term is not answered (etcd 8243, 8501).
    PreVoteUnanswered,
    /// A new leader serves reads before it has committed in its term (etcd 7331).
    ReadBeforeCommit,
    /// A leader serves reads without asking anybody.
    ReadWithoutQuorum,
    /// A snapshot's configuration is not taken over.
    SnapshotWithoutConfiguration,
    /// A leader counts its own entries before they are durable (etcd 14370).
    OwnAppendNotAwaited,
}

/// A set of [`Bug`]s, empty unless told otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bugs(u32);

impl Bugs {
    /// Nothing is broken.
    pub const NONE: Bugs = Bugs(0);

    /// The set with this one in it.
    #[must_use]
    pub const fn with(self, bug: Bug) -> Self {
        Self(self.0 | 1 << bug as u32)
    }

    /// Whether the rule is to be broken.
    pub(crate) const fn has(self, bug: Bug) -> bool {
        cfg!(feature = "bugs") && self.0 & 1 << bug as u32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_broken_only_by_its_own_bug_and_only_with_the_feature() {
        let bugs = Bugs::default().with(Bug::VoteInLease);
        assert_eq!(bugs.has(Bug::VoteInLease), cfg!(feature = "bugs"), "it was put in");
        assert!(!bugs.has(Bug::CommitPriorTerm), "another one was not");
        assert!(!Bugs::default().has(Bug::VoteInLease), "nothing is broken unasked");
    }
}
