//! Majorities, and the joint ones that a change of configuration passes through.
//!
//! Raft 6: in a joint configuration both majorities must agree.

use std::fmt;

use crate::ids::IdSet;
use crate::types::NodeId;

/// How an election stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteResult {
    /// Neither won nor lost yet.
    Pending,
    /// A quorum said no, or can no longer say yes.
    Lost,
    /// A quorum said yes.
    Won,
}

/// The voters of the group, incoming and (while joint) outgoing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JointConfig {
    /// The configuration that is or will be in force.
    pub incoming: IdSet,
    /// The configuration that is being left; empty unless joint.
    pub outgoing: IdSet,
}

impl JointConfig {
    /// Whether two configurations are in force.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether the node votes in either configuration.
    pub fn contains(&self, id: NodeId) -> bool {
        self.incoming.contains(id) || self.outgoing.contains(id)
    }

    /// Everyone who votes in either configuration.
    pub fn ids(&self) -> IdSet {
        self.incoming.iter().chain(self.outgoing.iter()).collect()
    }

    /// The largest index that a quorum of both configurations has acknowledged.
    pub fn committed_index(&self, acked: impl Fn(NodeId) -> Option<u64>) -> u64 {
        majority_index(&self.incoming, &acked).min(majority_index(&self.outgoing, &acked))
    }

    /// How an election stands in both configurations together.
    pub fn vote_result(&self, vote: impl Fn(NodeId) -> Option<bool>) -> VoteResult {
        match (majority_vote(&self.incoming, &vote), majority_vote(&self.outgoing, &vote)) {
            (VoteResult::Lost, _) | (_, VoteResult::Lost) => VoteResult::Lost,
            (VoteResult::Won, VoteResult::Won) => VoteResult::Won,
            (VoteResult::Pending, _) | (_, VoteResult::Pending) => VoteResult::Pending,
        }
    }
}

impl fmt::Display for JointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.incoming)?;
        if self.is_joint() {
            write!(f, "&&{}", self.outgoing)?;
        }
        Ok(())
    }
}

/// The largest index that a majority has acknowledged; a majority of nobody has everything.
pub(crate) fn majority_index(voters: &IdSet, acked: impl Fn(NodeId) -> Option<u64>) -> u64 {
    majority_of(voters.len(), voters.iter().map(|id| acked(id).unwrap_or(0)))
}

/// The same of so many voters' indexes.
#[inline]
pub(crate) fn majority_of(voters: usize, acked: impl Iterator<Item = u64>) -> u64 {
    if voters == 0 {
        return u64::MAX;
    }
    let (mut few, mut many) = ([0; 7], Vec::new());
    let sorted = if let Some(few) = few.get_mut(..voters) {
        few
    } else {
        many.resize(voters, 0);
        &mut many[..]
    };
    for (count, index) in acked.enumerate() {
        let mut at = count;
        while at > 0 && sorted[at - 1] > index {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = index;
    }
    sorted[voters - (voters / 2 + 1)]
}

/// How an election stands; a majority of nobody agrees to everything.
pub(crate) fn majority_vote(voters: &IdSet, vote: impl Fn(NodeId) -> Option<bool>) -> VoteResult {
    let quorum = voters.len() / 2 + 1;
    let (mut yes, mut missing) = (0, 0);
    for id in voters.iter() {
        match vote(id) {
            Some(true) => yes += 1,
            Some(false) => {}
            None => missing += 1,
        }
    }
    if voters.is_empty() || yes >= quorum {
        VoteResult::Won
    } else if yes + missing >= quorum {
        VoteResult::Pending
    } else {
        VoteResult::Lost
    }
}
