//! Bugs that real systems had, and small damages, each re-enacted around the core: what the
//! promises are there to catch.
#![allow(clippy::wildcard_enum_match_arm, reason = "a bug changes one thing and nothing else")]

use raft::{ConfChangeSingle, ConfChangeType, Config};

use super::promises::Promise;

/// What is wrong in a schedule. Numbers are those of the project's list of bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// 1: followers are told that a majority's entry is committed, whatever its term.
    CommitByCounting,
    /// 2: the vote is not written.
    VoteNotPersisted,
    /// 3: voters believe that every candidate's log is newer.
    NoUpToDateCheck,
    /// 4: messages leave before the disk is synced.
    AcknowledgeBeforeSync,
    /// 5: a change is proposed whatever is pending, and in force once written (raft-dev 2015).
    ChangeBeforeCommit,
    /// 7: no member protects its leader against one that was removed and campaigns.
    RemovedCampaigns,
    /// 16: a snapshot carries the configuration of the beginning.
    SnapshotWithoutConfiguration,
    /// A heartbeat tells the leader's commit index, whether or not the follower's log matches it.
    /// (Where that log does not reach, the follower dies: no promise is broken.)
    HeartbeatCommit,
    /// The log on disk loses its last entry under a running node.
    TailLost,
    /// The last entry on disk changes its payload under a running node.
    TailRots,
    /// The node is told that entries are applied which still wait for it.
    AppliedTooEarly,
    /// Several changes are made at once, without the joint configuration between.
    JointSkipped,
    /// Whoever is added as a learner votes.
    LearnersVote,
}

impl Bug {
    pub(crate) const ALL: [Self; 13] = [
        Self::CommitByCounting,
        Self::VoteNotPersisted,
        Self::NoUpToDateCheck,
        Self::AcknowledgeBeforeSync,
        Self::ChangeBeforeCommit,
        Self::RemovedCampaigns,
        Self::SnapshotWithoutConfiguration,
        Self::HeartbeatCommit,
        Self::TailLost,
        Self::TailRots,
        Self::AppliedTooEarly,
        Self::JointSkipped,
        Self::LearnersVote,
    ];

    /// The promises that some schedule must see broken.
    pub(crate) fn trips(self) -> &'static [Promise] {
        use Promise::{C1, C2, C3, C4, C5, C6, R1, R2, R3, R4, R5, R6, R7, R8, R9, R10, R11};
        match self {
            Self::CommitByCounting => &[R5, R10],
            Self::VoteNotPersisted => &[R1, R8],
            Self::NoUpToDateCheck => &[R4, R11],
            Self::AcknowledgeBeforeSync => &[R6, R7, R9],
            Self::ChangeBeforeCommit => &[C1, C2],
            Self::RemovedCampaigns => &[C6],
            Self::SnapshotWithoutConfiguration => &[C5],
            Self::HeartbeatCommit => &[R5],
            Self::TailLost => &[R2],
            Self::TailRots => &[R3],
            Self::AppliedTooEarly => &[C3],
            Self::JointSkipped => &[C1],
            Self::LearnersVote => &[C4],
        }
    }

    /// What only a crash brings to light must not take as many schedules.
    pub(crate) fn needs_crashes(self) -> bool {
        matches!(self, Self::VoteNotPersisted | Self::AcknowledgeBeforeSync)
    }

    /// The same for what only many leaders in a row bring to light.
    pub(crate) fn needs_elections(self) -> bool {
        matches!(self, Self::CommitByCounting | Self::VoteNotPersisted | Self::HeartbeatCommit)
    }

    /// The same for what only changes of the members bring to light.
    pub(crate) fn needs_changes(self) -> bool {
        matches!(
            self,
            Self::ChangeBeforeCommit
                | Self::RemovedCampaigns
                | Self::AppliedTooEarly
                | Self::JointSkipped
                | Self::LearnersVote
        )
    }

    /// What the bug makes of a node's options.
    pub(crate) fn configure(self, config: &mut Config) {
        config.async_storage_writes = false;
        match self {
            // Figure 8 needs entries that arrive one by one, and nothing that keeps a leader.
            Self::CommitByCounting => {
                (config.max_size_per_msg, config.check_quorum, config.pre_vote) = (0, false, false);
            }
            Self::RemovedCampaigns => (config.check_quorum, config.pre_vote) = (false, false),
            Self::ChangeBeforeCommit => config.disable_conf_change_validation = true,
            _ => {}
        }
    }

    /// What the bug makes of one change that a node is told to make.
    pub(crate) fn distort(self, change: ConfChangeSingle) -> ConfChangeSingle {
        if self == Self::LearnersVote && change.change_type == ConfChangeType::AddLearnerNode {
            ConfChangeSingle { change_type: ConfChangeType::AddNode, ..change }
        } else {
            change
        }
    }
}
