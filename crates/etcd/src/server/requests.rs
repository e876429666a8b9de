//! What clients ask: from the request to the proposal or the read, and back to the answer.

use bytes::Bytes;
use prost::Message as _;
use raft::Role;

use super::proposals::Proposer;
use super::reads::Read;
use super::running::{Held, Running, unless_fatal};
use super::{Effects, Fatal, ServerEvent};
use crate::membership::{VERSION_PATH, attributes, attributes_path};
use crate::proto::etcdserverpb::{InternalRaftRequest, Request as V2Request, RequestHeader};
use crate::proto::rpc::{CompactionRequest, DeleteRangeRequest, PutRequest};
use crate::request::{
    Compact, DeleteRange, HashKvReply, MemberListReply, Put, Range, Reply, Request, RequestError,
    RequestId, ResponseHeader, StatusReply,
};

/// The largest request, encoded: `--max-request-bytes`.
const REQUEST_BYTES_MAX: usize = 3 * 1024 * 1024 / 2;
/// Entries that may be committed and not applied before new requests are refused.
const UNAPPLIED_MAX: u64 = 5000;

type Answer = Result<Reply, RequestError>;

impl Running {
    /// Takes a client's request. Before the server has published itself, nobody is served.
    pub(super) fn request(
        &mut self,
        now_ns: u64,
        id: RequestId,
        request: Request,
        effects: &mut Effects,
    ) {
        if self.is_serving {
            self.serve(now_ns, id, request, effects);
        } else {
            let deadline_ns = now_ns + self.config.request_timeout_ns();
            self.held.push_back(Held { id, request, deadline_ns });
        }
    }

    fn serve(&mut self, now_ns: u64, id: RequestId, request: Request, effects: &mut Effects) {
        let refused = match request {
            Request::Put(put) => self.propose(now_ns, id, encode_put(put)),
            Request::DeleteRange(delete) => self.propose(now_ns, id, encode_delete(delete)),
            Request::Compact(compact) => self.propose(now_ns, id, Ok(encode_compact(compact))),
            Request::Range(range) => self.serve_range(id, range, effects),
            Request::MemberList => {
                let members = self.applier.cluster().members().cloned().collect();
                let header = self.header(self.applier.store().revision());
                self.reply(id, Ok(Reply::MemberList(MemberListReply { header, members })), effects);
                Ok(())
            }
            Request::Status => {
                self.reply(id, Ok(Reply::Status(self.status())), effects);
                Ok(())
            }
            Request::HashKv { revision } => {
                let answer = self.hash_kv(revision);
                self.reply(id, answer, effects);
                Ok(())
            }
        };
        if let Err(error) = refused {
            effects.replies.push((id, Err(error)));
        }
    }

    fn serve_range(
        &mut self,
        id: RequestId,
        range: Range,
        effects: &mut Effects,
    ) -> Result<(), RequestError> {
        if range.key.is_empty() {
            return Err(RequestError::EmptyKey);
        }
        if range.serializable {
            let answer = self.applier.range(&range).map(Reply::Range);
            self.reply(id, answer, effects);
        } else {
            self.reads.push(Read { client: id, range });
        }
        Ok(())
    }

    fn propose(
        &mut self,
        now_ns: u64,
        id: RequestId,
        request: Result<InternalRaftRequest, RequestError>,
    ) -> Result<(), RequestError> {
        let mut request = request?;
        if self.told.commit > self.applier.applied().index + UNAPPLIED_MAX {
            return Err(RequestError::TooManyRequests);
        }
        let physical = request.compaction.as_ref().is_some_and(|compaction| compaction.physical);
        let proposal_id = self.proposals.next_id();
        request.header = Some(RequestHeader { id: proposal_id, ..RequestHeader::default() });
        let data = Bytes::from(request.encode_to_vec());
        if data.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge);
        }
        let proposer = Proposer::Client { request: id, physical };
        self.proposals.push(proposal_id, data, proposer, now_ns);
        Ok(())
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
        self.proposals.push(id, request.encode_to_vec().into(), proposer, now_ns);
    }

    /// Hands what is queued to raft, if there is a leader to take it.
    pub(super) fn propose_queued(&mut self, effects: &mut Effects) -> Result<(), Fatal> {
        while self.node.basic_status().soft_state.lead != raft::NONE {
            let Some((proposal_id, data)) = self.proposals.pop_queued() else { break };
            let bytes = u64::try_from(data.len()).expect("a length fits 64 bits");
            let request = match self.proposals.proposer(proposal_id) {
                Some(Proposer::Client { request, .. }) => Some(request),
                Some(Proposer::Publish | Proposer::ClusterVersion) | None => None,
            };
            match self.node.propose(data) {
                Ok(()) => {
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

    /// Asks the leader for an index that the waiting reads must see.
    pub(super) fn ask_reads(&mut self, now_ns: u64) -> Result<(), Fatal> {
        if self.reads.must_ask(now_ns) {
            let context = Bytes::copy_from_slice(&self.proposals.next_id().to_be_bytes());
            self.reads.asked(context.clone(), now_ns, self.config.request_timeout_ns());
            self.node.read_index(context).or_else(unless_fatal)?;
        }
        Ok(())
    }

    /// Answers reads whose index is applied.
    pub(super) fn answer_reads(&mut self, effects: &mut Effects) {
        for read in self.reads.take_answerable(self.applier.applied().index) {
            let answer = self.applier.range(&read.range).map(Reply::Range);
            self.reply(read.client, answer, effects);
        }
    }

    /// A v3 request was applied; if it came in here, its client is told.
    pub(super) fn applied_v3(&mut self, proposal_id: u64, answer: Answer, effects: &mut Effects) {
        let Some(Proposer::Client { request, physical }) = self.proposals.take(proposal_id) else {
            return;
        };
        match answer {
            Ok(Reply::Compact(reply)) if physical => self.physical.push((request, reply)),
            answer => self.reply(request, answer, effects),
        }
    }

    /// A v2 request was applied; the server's own name is what it waits for to serve clients.
    pub(super) fn applied_v2(&mut self, now_ns: u64, proposal_id: u64, effects: &mut Effects) {
        if self.proposals.take(proposal_id) == Some(Proposer::Publish) && !self.is_serving {
            self.is_serving = true;
            effects.trace.push(ServerEvent::Ready);
            for Held { id, request, .. } in std::mem::take(&mut self.held) {
                self.serve(now_ns, id, request, effects);
            }
        }
    }

    /// Answers a client, with who it is that answers.
    pub(super) fn reply(&self, client: RequestId, mut answer: Answer, effects: &mut Effects) {
        if let Ok(reply) = &mut answer {
            let header = reply.header_mut();
            *header = self.header(header.revision);
        }
        effects.replies.push((client, answer));
    }

    fn header(&self, revision: i64) -> ResponseHeader {
        ResponseHeader {
            cluster_id: self.cluster_id,
            member_id: self.member_id,
            revision,
            raft_term: self.told.term,
        }
    }

    fn status(&self) -> StatusReply {
        let store = self.applier.store();
        let leader = self.told.soft.lead;
        let own = self.applier.cluster().member(self.member_id);
        let no_leader = (leader == raft::NONE).then(|| RequestError::NoLeader.to_string());
        StatusReply {
            header: self.header(store.revision()),
            version: self.config.version.to_string(),
            db_size_bytes: store.size_bytes(),
            db_size_in_use_bytes: store.size_bytes(),
            leader,
            raft_index: self.told.commit,
            raft_term: self.told.term,
            raft_applied_index: self.applier.applied().index,
            is_learner: own.is_some_and(|member| member.is_learner),
            errors: no_leader.into_iter().collect(),
        }
    }

    fn hash_kv(&self, revision: i64) -> Answer {
        let hash_kv = self.applier.store().hash_kv(revision)?;
        let header = self.header(hash_kv.revision);
        Ok(Reply::HashKv(HashKvReply { header, hash_kv }))
    }
}

fn encode_put(put: Put) -> Result<InternalRaftRequest, RequestError> {
    let Put { key, value, lease, prev_kv, ignore_value, ignore_lease } = put;
    if key.is_empty() {
        return Err(RequestError::EmptyKey);
    }
    if ignore_value && !value.is_empty() {
        return Err(RequestError::ValueProvided);
    }
    if ignore_lease && lease != 0 {
        return Err(RequestError::LeaseProvided);
    }
    let put = PutRequest { key, value, lease, prev_kv, ignore_value, ignore_lease };
    Ok(InternalRaftRequest { put: Some(put), ..InternalRaftRequest::default() })
}

fn encode_delete(delete: DeleteRange) -> Result<InternalRaftRequest, RequestError> {
    let DeleteRange { key, range_end, prev_kv } = delete;
    if key.is_empty() {
        return Err(RequestError::EmptyKey);
    }
    let delete_range = Some(DeleteRangeRequest { key, range_end, prev_kv });
    Ok(InternalRaftRequest { delete_range, ..InternalRaftRequest::default() })
}

fn encode_compact(compact: Compact) -> InternalRaftRequest {
    let Compact { revision, physical } = compact;
    let compaction = Some(CompactionRequest { revision, physical });
    InternalRaftRequest { compaction, ..InternalRaftRequest::default() }
}
