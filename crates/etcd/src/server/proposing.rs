//! From a request to a proposal in raft, for clients and for the server itself.

use bytes::Bytes;
use prost::Message as _;
use raft::{ConfChange, Role};

use super::proposals::{Proposal, Proposer};
use super::running::Running;
use super::{Effects, Fatal, ServerEvent};
use crate::bugs::Bug;
use crate::membership::{VERSION_PATH, attributes, attributes_path};
use crate::proto::etcdserverpb::{InternalRaftRequest, Request as V2Request, RequestHeader};
use crate::request::{RequestError, RequestId};

/// The largest request, encoded: `--max-request-bytes`.
pub(crate) const REQUEST_BYTES_MAX: usize = 3 * 1024 * 1024 / 2;
/// Entries that may be committed and not applied before new requests are refused.
const UNAPPLIED_MAX: u64 = 5000;

impl Running {
    /// Proposes a client's request.
    pub(super) fn propose(
        &mut self,
        now_ns: u64,
        id: RequestId,
        request: InternalRaftRequest,
    ) -> Result<(), RequestError> {
        let physical = request.compaction.as_ref().is_some_and(|compaction| compaction.physical);
        self.propose_v3(now_ns, request, Proposer::Client { request: id, physical })
    }

    /// Proposes a v3 request of a client or of the server's own.
    pub(super) fn propose_v3(
        &mut self,
        now_ns: u64,
        mut request: InternalRaftRequest,
        proposer: Proposer,
    ) -> Result<(), RequestError> {
        if self.told.commit > self.applier.applied().index + UNAPPLIED_MAX {
            return Err(RequestError::TooManyRequests);
        }
        let proposal_id = self.proposals.next_id();
        request.header = Some(RequestHeader { id: proposal_id, ..RequestHeader::default() });
        let data = Bytes::from(request.encode_to_vec());
        if data.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge);
        }
        self.proposals.push(proposal_id, Proposal::Normal(data), proposer, now_ns);
        Ok(())
    }

    /// Proposes a client's change of the configuration.
    pub(super) fn propose_change(&mut self, now_ns: u64, id: RequestId, change: ConfChange) {
        let proposal_id = self.proposals.next_id();
        let change = ConfChange { id: proposal_id, ..change };
        let proposer = Proposer::Client { request: id, physical: false };
        self.proposals.push(proposal_id, Proposal::ConfChange(change), proposer, now_ns);
    }

    /// Proposes the server's own name and client URLs, as it does in every life.
    pub(super) fn publish(&mut self, now_ns: u64) {
        let path = attributes_path(self.member_id);
        let val = attributes(&self.config.name, std::slice::from_ref(&self.config.client_url));
        self.propose_v2(now_ns, path, val, Proposer::Publish);
    }

    /// As a leader whose term has begun, proposes the cluster's version if there is none.
    pub(super) fn propose_cluster_version(&mut self, now_ns: u64) {
        let has_begun = self.applier.applied().term == self.told.term;
        let is_leader = self.told.soft.role == Role::Leader && has_begun;
        let is_known = self.applier.cluster().version().is_some();
        if is_leader && !is_known && !self.proposals.has(Proposer::ClusterVersion) {
            let version = self.config.version.of_cluster().to_string();
            self.propose_v2(now_ns, VERSION_PATH.to_owned(), version, Proposer::ClusterVersion);
        }
    }

    fn propose_v2(&mut self, now_ns: u64, path: String, val: String, proposer: Proposer) {
        let id = self.proposals.next_id();
        let request = V2Request {
            id,
            method: Bytes::from_static(b"PUT"),
            path: path.into(),
            val: val.into(),
            ..V2Request::default()
        };
        let data = Proposal::Normal(request.encode_to_vec().into());
        self.proposals.push(id, data, proposer, now_ns);
    }

    /// Hands what is queued to raft, if there is a leader to take it.
    ///
    /// What only a leader may propose goes into this leader's own log or nowhere: a follower would
    /// pass it on to the leader that replaced it.
    pub(super) fn propose_queued(&mut self, effects: &mut Effects) -> Result<(), Fatal> {
        while self.node.basic_status().soft_state.lead != raft::NONE {
            let Some((proposal_id, proposal)) = self.proposals.pop_queued() else { break };
            let proposer = self.proposals.proposer(proposal_id);
            let is_leader = self.node.basic_status().soft_state.role == Role::Leader;
            let is_for_leaders = proposer.is_some_and(Proposer::must_lead)
                && !self.config.bugs.has(Bug::FormerLeaderRevokes);
            if is_for_leaders && !is_leader {
                self.proposals.take(proposal_id);
                continue;
            }
            let bytes = u64::try_from(proposal.len()).expect("a length fits 64 bits");
            let taken = match proposal {
                Proposal::Normal(data) => self.node.propose(data),
                Proposal::ConfChange(change) => self.node.propose_conf_change(change).map(|_| ()),
            };
            match taken {
                Ok(()) => {
                    let request = proposer.and_then(Proposer::client);
                    effects.trace.push(ServerEvent::Proposed { proposal_id, request, bytes });
                }
                Err(raft::Error::ProposalDropped) => self.dropped(proposal_id, effects),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Raft did not take the proposal and never will. A client is told; the server's own proposals
    /// stay until their time is over, and are made again then.
    fn dropped(&mut self, proposal_id: u64, effects: &mut Effects) {
        if let Some(Proposer::Client { request, .. }) = self.proposals.proposer(proposal_id) {
            self.proposals.take(proposal_id);
            effects.replies.push((request, Err(RequestError::ProposalDropped)));
        }
    }
}
