//! The configuration in force, with what the leader knows of each member and who voted how.

use std::cmp::Ordering;
use std::fmt;

use crate::ids::{IdMap, IdSet};
use crate::inflights::Inflights;
use crate::progress::Progress;
use crate::quorum::{JointConfig, VoteResult, majority_of};
use crate::types::{ConfState, NodeId};

/// Who is in the group, as what.
///
/// Invariants: a learner is no voter; `learners_next` are voters of the outgoing configuration;
/// `learners_next` and `auto_leave` mean something only while joint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// Who votes.
    pub voters: JointConfig,
    /// Whether the leader leaves the joint configuration by itself.
    pub auto_leave: bool,
    /// Who replicates without voting.
    pub learners: IdSet,
    /// Outgoing voters that become learners when the joint configuration is left.
    pub learners_next: IdSet,
}

impl Config {
    /// The configuration as storage and snapshots carry it.
    pub fn conf_state(&self) -> ConfState {
        ConfState {
            voters: self.voters.incoming.to_vec(),
            voters_outgoing: self.voters.outgoing.to_vec(),
            learners: self.learners.to_vec(),
            learners_next: self.learners_next.to_vec(),
            auto_leave: self.auto_leave,
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "voters={}", self.voters)?;
        if !self.learners.is_empty() {
            write!(f, " learners={}", self.learners)?;
        }
        if !self.learners_next.is_empty() {
            write!(f, " learners_next={}", self.learners_next)?;
        }
        if self.auto_leave {
            f.write_str(" autoleave")?;
        }
        Ok(())
    }
}

/// The members of a group and what its leader knows of each.
#[derive(Clone, Debug, Default)]
pub struct Tracker {
    /// Who is in the group, as what.
    pub config: Config,
    /// Each member's progress.
    pub progress: IdMap<Progress>,
    votes: IdMap<bool>,
    pub(crate) max_inflight: usize,
    pub(crate) max_inflight_bytes: u64,
}

impl Tracker {
    /// Nobody yet; of each member, so many appends and payload bytes may be on their way.
    pub fn new(max_inflight: usize, max_inflight_bytes: u64) -> Self {
        Self { max_inflight, max_inflight_bytes, ..Self::default() }
    }

    pub(crate) fn inflights(&self) -> Inflights {
        Inflights::new(self.max_inflight, self.max_inflight_bytes)
    }

    /// Whether there is one voter alone.
    pub(crate) fn is_singleton(&self) -> bool {
        self.config.voters.incoming.len() == 1 && !self.config.voters.is_joint()
    }

    /// The largest index that a quorum has, if it is beyond `index`.
    #[inline]
    pub(crate) fn committed_beyond(&self, index: u64) -> Option<u64> {
        let (mut ahead, mut least) = (0, u64::MAX);
        for progress in self.progress.values() {
            if !progress.is_learner && progress.match_index > index {
                ahead += 1;
                least = least.min(progress.match_index);
            }
        }
        // Most often one look is enough: there is no quorum yet, or just one.
        match ahead.cmp(&(self.config.voters.incoming.len() / 2 + 1)) {
            Ordering::Less => None,
            Ordering::Equal if !self.config.voters.is_joint() => Some(least),
            Ordering::Equal | Ordering::Greater => {
                Some(self.committed()).filter(|committed| *committed > index)
            }
        }
    }

    /// The largest index that a quorum has.
    pub(crate) fn committed(&self) -> u64 {
        if self.config.voters.is_joint() {
            let acked = |id| self.progress.get(id).map(|progress| progress.match_index);
            return self.config.voters.committed_index(acked);
        }
        let voters = self.progress.iter().filter(|(_, progress)| !progress.is_learner);
        let acked = voters.map(|(_, progress)| progress.match_index);
        majority_of(self.config.voters.incoming.len(), acked)
    }

    /// Whether a quorum was heard of lately.
    pub(crate) fn is_quorum_active(&self) -> bool {
        let active = |id| {
            let progress = self.progress.get(id).filter(|progress| !progress.is_learner);
            progress.map(|progress| progress.recent_active)
        };
        self.config.voters.vote_result(active) == VoteResult::Won
    }

    pub(crate) fn reset_votes(&mut self) {
        self.votes.clear();
    }

    /// The first answer of a node counts.
    pub(crate) fn record_vote(&mut self, id: NodeId, granted: bool) {
        if !self.votes.contains(id) {
            self.votes.insert(id, granted);
        }
    }

    /// Granted and refused votes of voters, and what they come to.
    pub(crate) fn tally(&self) -> (usize, usize, VoteResult) {
        let of_voters = || {
            let voters = self.progress.iter().filter(|(_, progress)| !progress.is_learner);
            voters.filter_map(|(id, _)| self.votes.get(id))
        };
        let granted = of_voters().filter(|granted| **granted).count();
        let refused = of_voters().count() - granted;
        (granted, refused, self.config.voters.vote_result(|id| self.votes.get(id).copied()))
    }
}
