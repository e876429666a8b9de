//! What clients ask: from the request to the proposal, the read or the answer at once, and back.

use bytes::Bytes;

use super::proposals::Proposer;
use super::reads::{Ask, Read};
use super::running::{Held, Running, unless_fatal};
use super::{Effects, Fatal, ServerEvent};
use crate::apply::alarm;
use crate::mvcc::Backend as _;
use crate::proto::etcdserverpb::InternalRaftRequest;
use crate::proto::rpc;
use crate::request::{
    AlarmAction, AlarmChange, AlarmKind, HashKvReply, HashReply, LeaseGrant, LeasesReply,
    MemberListReply, Range, Reply, Request, RequestError, RequestId, ResponseHeader, StatusReply,
    Txn, WatchRequest, WatchStreamId,
};

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
        let served = request.check().and_then(|()| {
            if self.is_learner() && !request.is_for_learners() {
                return Err(RequestError::NotSupportedForLearner);
            }
            self.serve_sound(now_ns, id, request)
        });
        match served {
            Ok(None) => {}
            Ok(Some(reply)) => self.reply(id, Ok(reply), effects),
            Err(error) => effects.replies.push((id, Err(error))),
        }
    }

    /// Serves a request that has nothing wrong in itself. `None`: the answer comes later.
    fn serve_sound(
        &mut self,
        now_ns: u64,
        id: RequestId,
        request: Request,
    ) -> Result<Option<Reply>, RequestError> {
        let none = InternalRaftRequest::default();
        let proposal = match request {
            Request::Range(range) => return self.serve_range(id, range),
            Request::Txn(txn) if txn.is_read_only() => return self.serve_read_txn(id, txn),
            Request::MemberList => return Ok(Some(self.member_list())),
            Request::Status => return Ok(Some(Reply::Status(self.status()))),
            Request::HashKv { revision } => return self.hash_kv(revision).map(Some),
            Request::Hash => return Ok(Some(self.hash())),
            Request::Defragment => {
                self.defragment(id);
                return Ok(None);
            }
            Request::Snapshot => {
                self.ask_snapshot(id);
                return Ok(None);
            }
            Request::Leases => return Ok(Some(self.leases())),
            Request::LeaseKeepAlive { id: lease } => {
                return self.ask_leader(id, Ask::KeepAlive { lease });
            }
            Request::LeaseTimeToLive(asked) => return self.ask_leader(id, Ask::TimeToLive(asked)),
            Request::MemberAdd(add) => return self.member_add(now_ns, id, add),
            Request::MemberRemove { id: member } => return self.member_remove(now_ns, id, member),
            Request::MemberUpdate(update) => {
                self.member_update(now_ns, id, update);
                return Ok(None);
            }
            Request::MemberPromote { id: member } => {
                return self.member_promote(now_ns, id, member);
            }
            Request::MoveLeader { target } => return self.move_leader(now_ns, id, target),
            Request::Put(put) => InternalRaftRequest { put: Some(put.into()), ..none },
            Request::DeleteRange(delete) => {
                InternalRaftRequest { delete_range: Some(delete.into()), ..none }
            }
            Request::Txn(txn) => InternalRaftRequest { txn: Some(txn.into()), ..none },
            Request::Compact(compact) => {
                InternalRaftRequest { compaction: Some(compact.into()), ..none }
            }
            Request::LeaseGrant(grant) => {
                let lease_grant = Some(self.with_lease_id(grant).into());
                InternalRaftRequest { lease_grant, ..none }
            }
            Request::LeaseRevoke { id } => {
                let lease_revoke = Some(rpc::LeaseRevokeRequest { id });
                InternalRaftRequest { lease_revoke, ..none }
            }
            Request::Alarm(change) => InternalRaftRequest { alarm: Some(change.into()), ..none },
        };
        self.check_quota(now_ns, &proposal)?;
        self.propose(now_ns, id, proposal)?;
        Ok(None)
    }

    /// Takes what a client says on a watch stream.
    pub(super) fn watch(
        &mut self,
        now_ns: u64,
        stream: WatchStreamId,
        request: WatchRequest,
        effects: &mut Effects,
    ) {
        let refused = if !self.is_serving {
            Some(RequestError::ConnectionRefused)
        } else if self.is_learner() {
            Some(RequestError::NotSupportedForLearner)
        } else {
            None
        };
        match refused {
            Some(error) if request != WatchRequest::Close => {
                effects.watch_ended.push((stream, error));
            }
            _ => self.applier.watch(now_ns, stream, request),
        }
    }

    /// Sends what watchers are to be told.
    pub(super) fn tell_watchers(&mut self, effects: &mut Effects) {
        for (stream, mut response) in self.applier.watches_mut().take_responses() {
            response.header = self.header(response.header.revision);
            effects.watch.push((stream, response));
        }
    }

    /// Refuses what there is no room for, and raises the alarm.
    fn check_quota(
        &mut self,
        now_ns: u64,
        request: &InternalRaftRequest,
    ) -> Result<(), RequestError> {
        if self.applier.has_room(request) {
            return Ok(());
        }
        self.raise_no_space(now_ns)?;
        Err(RequestError::NoSpace)
    }

    /// Proposes this member's alarm, unless that waits already.
    fn raise_no_space(&mut self, now_ns: u64) -> Result<(), RequestError> {
        if self.proposals.has(Proposer::Alarm) {
            return Ok(());
        }
        let member_id = self.member_id;
        let (action, alarm) = (AlarmAction::Activate, AlarmKind::NoSpace);
        let alarm = Some(AlarmChange { action, member_id, alarm }.into());
        let request = InternalRaftRequest { alarm, ..InternalRaftRequest::default() };
        self.propose_v3(now_ns, request, Proposer::Alarm)
    }

    /// Whether some member has raised its alarm for want of room.
    fn is_known_to_be_full(&self) -> bool {
        let raised = alarm::raised(self.applier.store());
        raised.iter().any(|alarm| alarm.kind == AlarmKind::NoSpace)
    }

    fn serve_range(&mut self, id: RequestId, range: Range) -> Result<Option<Reply>, RequestError> {
        if range.serializable {
            return self.applier.range(&range).map(|reply| Some(Reply::Range(reply)));
        }
        self.reads.push(Read { client: id, ask: Ask::Range(range) });
        Ok(None)
    }

    fn serve_read_txn(&mut self, id: RequestId, txn: Txn) -> Result<Option<Reply>, RequestError> {
        if txn.is_serializable() {
            return self.applier.read_txn(txn).map(|reply| Some(Reply::Txn(reply)));
        }
        self.reads.push(Read { client: id, ask: Ask::Txn(txn) });
        Ok(None)
    }

    /// Only positive ids are chosen.
    fn with_lease_id(&mut self, mut grant: LeaseGrant) -> LeaseGrant {
        while grant.id == 0 {
            let bits = self.proposals.next_id() & (u64::MAX >> 1);
            grant.id = i64::try_from(bits).expect("the sign bit is clear");
        }
        grant
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

    /// Tells those who wait for reads that there will be no answer.
    pub(super) fn fail_reads(
        &mut self,
        now_ns: u64,
        reads: Vec<Read>,
        error: &RequestError,
        effects: &mut Effects,
    ) {
        for Read { client, ask } in reads {
            match ask {
                Ask::Corruption => self.check_failed(now_ns),
                Ask::Range(_) | Ask::Txn(_) | Ask::KeepAlive { .. } | Ask::TimeToLive(_) => {
                    effects.replies.push((client, Err(error.clone())));
                }
            }
        }
    }

    /// Answers reads whose index is applied.
    pub(super) fn answer_reads(&mut self, now_ns: u64, effects: &mut Effects) {
        for Read { client, ask } in self.reads.take_answerable(self.applier.applied().index) {
            let answer = match ask {
                Ask::Range(range) => self.applier.range(&range).map(Reply::Range),
                Ask::Txn(txn) => self.applier.read_txn(txn).map(Reply::Txn),
                Ask::KeepAlive { lease } => {
                    self.keep_alive(now_ns, client, lease, effects);
                    continue;
                }
                Ask::TimeToLive(asked) => self.time_to_live(now_ns, &asked),
                Ask::Corruption => {
                    self.judge(now_ns, effects);
                    continue;
                }
            };
            self.reply(client, answer, effects);
        }
    }

    /// A v3 request was applied; if it came in here, its client is told. One that was let in and
    /// found no room raises the alarm: each member its own, since each has a file of its own.
    pub(super) fn applied_v3(
        &mut self,
        now_ns: u64,
        proposal_id: u64,
        answer: Answer,
        effects: &mut Effects,
    ) {
        if answer == Err(RequestError::NoSpace) && !self.is_known_to_be_full() {
            // Proposals that raft cannot take now are lost: the next such entry raises it.
            let _ = self.raise_no_space(now_ns);
        }
        let Some(Proposer::Client { request, physical }) = self.proposals.take(proposal_id) else {
            return;
        };
        match answer {
            Ok(Reply::Compact(reply)) if physical => self.wait_for_walk(request, reply),
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

    /// Whether this member has no vote.
    fn is_learner(&self) -> bool {
        let own = self.applier.cluster().member(self.member_id);
        own.is_some_and(|member| member.is_learner)
    }

    fn member_list(&self) -> Reply {
        let members = self.applier.cluster().members().cloned().collect();
        Reply::MemberList(MemberListReply { header: self.header_now(), members })
    }

    fn leases(&self) -> Reply {
        let leases = self.applier.lessor().ids();
        Reply::Leases(LeasesReply { header: self.header_now(), leases })
    }

    fn hash(&self) -> Reply {
        let hash = self.applier.store().hash();
        Reply::Hash(HashReply { header: self.header_now(), hash })
    }

    pub(super) fn header_now(&self) -> ResponseHeader {
        self.header(self.applier.store().revision())
    }

    pub(super) fn header(&self, revision: i64) -> ResponseHeader {
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
        let alarms =
            alarm::raised(store).into_iter().map(|alarm| alarm_text(alarm.kind, alarm.member_id));
        let no_leader = (leader == raft::NONE).then(|| RequestError::NoLeader.to_string());
        StatusReply {
            header: self.header(store.revision()),
            version: self.config.version.to_string(),
            db_size_bytes: store.size_bytes(),
            db_size_in_use_bytes: store.backend().in_use_bytes(),
            leader,
            raft_index: self.told.commit,
            raft_term: self.told.term,
            raft_applied_index: self.applier.applied().index,
            is_learner: self.is_learner(),
            errors: no_leader.into_iter().chain(alarms).collect(),
        }
    }

    fn hash_kv(&self, revision: i64) -> Answer {
        let hash_kv = self.applier.store().hash_kv(revision)?;
        let header = self.header(hash_kv.revision);
        Ok(Reply::HashKv(HashKvReply { header, hash_kv }))
    }
}

/// An alarm as `endpoint status` lists it.
fn alarm_text(kind: AlarmKind, member_id: u64) -> String {
    let name = match kind {
        AlarmKind::None => "NONE",
        AlarmKind::NoSpace => "NOSPACE",
        AlarmKind::Corrupt => "CORRUPT",
    };
    format!("memberID:{member_id} alarm:{name} ")
}
