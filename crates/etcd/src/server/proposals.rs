//! What was proposed and waits for its entry to be applied.
//!
//! A proposal made while no leader is known waits in a queue; it reaches raft when there is one,
//! or times out before. After it reached raft it may be lost and may be applied at any later time:
//! its proposer learns of it by the id in the entry, or gives up.

use ordered::Map;
use std::collections::VecDeque;

use bytes::Bytes;

use raft::ConfChange;

use super::ids::ProposalIds;
use crate::request::RequestId;

/// Who waits for a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proposer {
    /// A client.
    Client {
        /// The client's number for its request.
        request: RequestId,
        /// A compaction that answers when the history is gone.
        physical: bool,
    },
    /// The server itself, telling its name and client URLs.
    Publish,
    /// The leader, telling the cluster's version.
    ClusterVersion,
    /// The leader, ending a lease that has expired.
    Expiry,
    /// The leader, noting what is left of leases.
    Checkpoint,
    /// The server, raising an alarm of its own.
    Alarm,
}

impl Proposer {
    /// Whether the proposal counts only as the leader's own.
    pub(super) fn must_lead(self) -> bool {
        matches!(self, Self::Expiry | Self::Checkpoint)
    }

    /// The client's request.
    pub(super) fn client(self) -> Option<RequestId> {
        match self {
            Self::Client { request, .. } => Some(request),
            Self::Publish
            | Self::ClusterVersion
            | Self::Expiry
            | Self::Checkpoint
            | Self::Alarm => None,
        }
    }
}

/// What is proposed.
#[derive(Debug, Clone)]
pub(super) enum Proposal {
    /// An entry's data.
    Normal(Bytes),
    /// A change of the configuration.
    ConfChange(ConfChange),
}

impl Proposal {
    /// Bytes of the entry's data.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Normal(data) => data.len(),
            Self::ConfChange(change) => change.encode().len(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    proposer: Proposer,
    since_ns: u64,
}

/// A proposal that nothing came of in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expired {
    pub(super) proposer: Proposer,
    pub(super) since_ns: u64,
}

/// All proposals of one server.
#[derive(Debug, Clone)]
pub(super) struct Proposals {
    ids: ProposalIds,
    timeout_ns: u64,
    queued: VecDeque<(u64, Proposal)>,
    waiting: Map<u64, Waiting>,
    deadlines: VecDeque<(u64, u64)>,
}

impl Proposals {
    pub(super) fn new(ids: ProposalIds, timeout_ns: u64) -> Self {
        let (queued, waiting) = (VecDeque::new(), Map::new());
        Self { ids, timeout_ns, queued, waiting, deadlines: VecDeque::new() }
    }

    /// An id that nobody else uses, for a proposal or a read.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids.next()
    }

    /// Takes a proposal under an id from [`Self::next_id`].
    pub(super) fn push(&mut self, id: u64, data: Proposal, proposer: Proposer, now_ns: u64) {
        self.queued.push_back((id, data));
        self.waiting.insert(id, Waiting { proposer, since_ns: now_ns });
        self.deadlines.push_back((now_ns + self.timeout_ns, id));
    }

    /// The next proposal for raft, when there is a leader.
    pub(super) fn pop_queued(&mut self) -> Option<(u64, Proposal)> {
        self.queued.pop_front()
    }

    /// Who waits for a proposal.
    pub(super) fn proposer(&self, id: u64) -> Option<Proposer> {
        self.waiting.get(&id).map(|waiting| waiting.proposer)
    }

    /// The proposal's entry was applied, or raft refused it. `None` if nobody waits here.
    pub(super) fn take(&mut self, id: u64) -> Option<Proposer> {
        self.waiting.remove(&id).map(|waiting| waiting.proposer)
    }

    /// The next proposal whose time is over. It is not proposed any more if it never was.
    pub(super) fn pop_expired(&mut self, now_ns: u64) -> Option<Expired> {
        while let Some(&(deadline_ns, id)) = self.deadlines.front() {
            if deadline_ns > now_ns {
                return None;
            }
            self.deadlines.pop_front();
            if let Some(Waiting { proposer, since_ns }) = self.waiting.remove(&id) {
                self.queued.retain(|(queued, _)| *queued != id);
                return Some(Expired { proposer, since_ns });
            }
        }
        None
    }

    /// Whether this proposer waits for something.
    pub(super) fn has(&self, proposer: Proposer) -> bool {
        self.waiting.values().any(|waiting| waiting.proposer == proposer)
    }

    /// How many of this proposer's wait.
    pub(super) fn count(&self, proposer: Proposer) -> usize {
        self.waiting.values().filter(|waiting| waiting.proposer == proposer).count()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposals() -> Proposals {
        Proposals::new(ProposalIds::new(1, 0), 100)
    }

    #[test]
    fn a_proposal_is_answered_once() {
        let mut proposals = proposals();
        let id = proposals.next_id();
        proposals.push(id, Proposal::Normal(Bytes::new()), Proposer::Publish, 0);
        assert_eq!(proposals.pop_queued().map(|(id, _)| id), Some(id), "for raft");
        assert_eq!(proposals.take(id), Some(Proposer::Publish), "applied");
        assert_eq!(proposals.take(id), None, "the second time nobody waits");
        assert!(proposals.pop_expired(1000).is_none(), "nor does it expire");
    }

    #[test]
    fn what_expires_in_the_queue_is_never_proposed() {
        let mut proposals = proposals();
        let (early, late) = (proposals.next_id(), proposals.next_id());
        proposals.push(early, Proposal::Normal(Bytes::new()), Proposer::Publish, 0);
        proposals.push(late, Proposal::Normal(Bytes::new()), Proposer::ClusterVersion, 50);
        assert!(proposals.pop_expired(99).is_none(), "there is time");
        let expired = proposals.pop_expired(100).unwrap();
        assert_eq!((expired.proposer, expired.since_ns), (Proposer::Publish, 0), "the first");
        assert!(proposals.pop_expired(100).is_none(), "the second has time");
        assert_eq!(proposals.pop_queued().map(|(id, _)| id), Some(late), "only it is left");
    }
}
