//! Leases on a running server: whose clock counts, keep-alives, expiry and checkpoints.
//!
//! Keep-alives and questions about time wait for a round of reads first, so that a leader that was
//! replaced and does not know it answers nothing, and so that everything earlier leaders proposed
//! is applied: a keep-alive that succeeded means that the lease is there.
//! Source: etcd release-3.4, `etcdserver/{server,v3_server}.go`.

use super::Effects;
use super::proposals::Proposer;
use super::reads::{Ask, Read};
use super::running::Running;
use crate::bugs::Bug;
use crate::lease::NANOS_PER_SECOND;
use crate::proto::etcdserverpb::InternalRaftRequest;
use crate::proto::rpc::{LeaseCheckpoint, LeaseCheckpointRequest, LeaseRevokeRequest};
use crate::request::{
    LeaseKeepAliveReply, LeaseTimeToLive, LeaseTimeToLiveReply, Reply, RequestError, RequestId,
};

/// How often the leader looks for expired leases.
const CHECK_NS: u64 = NANOS_PER_SECOND / 2;
/// Leases that one look names, checkpoints that it takes: half of what a second allows.
const PER_CHECK: usize = 500;
/// Revocations that may be under way at a time.
const PENDING_REVOKES_MAX: usize = 16;

/// What the server itself knows of leases.
#[derive(Debug, Clone, Default)]
pub(super) struct LeaseWork {
    next_check_ns: u64,
    /// Leases that have expired and are not proposed for revocation yet.
    expired: std::collections::VecDeque<i64>,
    /// Keep-alives that came for leases that have expired and are not revoked yet.
    late: Vec<Late>,
}

#[derive(Debug, Clone, Copy)]
struct Late {
    client: RequestId,
    lease: i64,
    deadline_ns: u64,
}

impl Running {
    /// Takes a request that only a leader answers, after it has made sure that it is one.
    pub(super) fn ask_leader(
        &mut self,
        id: RequestId,
        ask: Ask,
    ) -> Result<Option<Reply>, RequestError> {
        if !self.is_leader() {
            return Err(RequestError::NotLeader);
        }
        self.reads.push(Read { client: id, ask });
        Ok(None)
    }

    /// Keeps a lease alive. One that has expired cannot be saved: its client is told when it is
    /// revoked.
    pub(super) fn keep_alive(
        &mut self,
        now_ns: u64,
        client: RequestId,
        lease: i64,
        effects: &mut Effects,
    ) {
        let lessor = self.applier.lessor_mut();
        if !lessor.is_primary() {
            self.reply(client, Err(RequestError::NotLeader), effects);
            return;
        }
        if lessor.expires_ns(lease).is_some_and(|expires_ns| expires_ns <= now_ns) {
            let deadline_ns = now_ns + self.config.request_timeout_ns();
            self.lease_work.late.push(Late { client, lease, deadline_ns });
            return;
        }
        let renewed = lessor.renew(lease, now_ns);
        if let Some((_, true)) = renewed {
            self.propose_checkpoints(now_ns, vec![LeaseCheckpoint { id: lease, remaining_ttl: 0 }]);
        }
        let ttl = renewed.map_or(0, |(ttl, _)| ttl);
        let header = self.header_now();
        let reply = Reply::LeaseKeepAlive(LeaseKeepAliveReply { header, id: lease, ttl });
        self.reply(client, Ok(reply), effects);
    }

    /// How long a lease has.
    pub(super) fn time_to_live(
        &self,
        now_ns: u64,
        asked: &LeaseTimeToLive,
    ) -> Result<Reply, RequestError> {
        let LeaseTimeToLive { id, keys } = *asked;
        let lessor = self.applier.lessor();
        if !lessor.is_primary() {
            return Err(RequestError::NotLeader);
        }
        let mut reply =
            LeaseTimeToLiveReply { header: self.header_now(), id, ttl: -1, ..Default::default() };
        if let (Some(lease), Some(expires_ns)) = (lessor.lease(id), lessor.expires_ns(id)) {
            let left = expires_ns.saturating_sub(now_ns) / NANOS_PER_SECOND;
            reply.ttl = i64::try_from(left).unwrap_or(i64::MAX);
            reply.granted_ttl = lease.ttl;
            if keys {
                reply.keys = lease.keys.iter().cloned().collect();
            }
        }
        Ok(Reply::LeaseTimeToLive(reply))
    }

    /// The first entry of this leader's term is applied: its clock counts from now on.
    pub(super) fn promote_lessor(&mut self, now_ns: u64) {
        let extension_ns = self.config.election_timeout_ns();
        self.applier.lessor_mut().promote(now_ns, extension_ns);
    }

    /// This server leads no more.
    pub(super) fn demote_lessor(&mut self) {
        if !self.config.bugs.has(Bug::FormerLeaderRevokes) {
            self.applier.lessor_mut().demote();
            self.lease_work.expired.clear();
        }
    }

    /// Looks for leases that have expired and for checkpoints that are due.
    pub(super) fn check_leases(&mut self, now_ns: u64) {
        if now_ns >= self.lease_work.next_check_ns {
            self.lease_work.next_check_ns = now_ns + CHECK_NS;
            let lessor = self.applier.lessor_mut();
            for lease in lessor.take_expired(now_ns, PER_CHECK) {
                if !self.lease_work.expired.contains(&lease) {
                    self.lease_work.expired.push_back(lease);
                }
            }
            let checkpoints = lessor.take_checkpoints(now_ns, PER_CHECK);
            if !checkpoints.is_empty() {
                self.propose_checkpoints(now_ns, checkpoints);
            }
        }
        self.propose_revocations(now_ns);
    }

    fn propose_revocations(&mut self, now_ns: u64) {
        if self.lease_work.expired.is_empty() {
            return;
        }
        let mut pending = self.proposals.count(Proposer::Expiry);
        while pending < PENDING_REVOKES_MAX {
            let Some(id) = self.lease_work.expired.pop_front() else { break };
            let lease_revoke = Some(LeaseRevokeRequest { id });
            let request = InternalRaftRequest { lease_revoke, ..InternalRaftRequest::default() };
            // What is refused now is named again in three seconds.
            let _refused = self.propose_v3(now_ns, request, Proposer::Expiry);
            pending += 1;
        }
    }

    fn propose_checkpoints(&mut self, now_ns: u64, checkpoints: Vec<LeaseCheckpoint>) {
        let lease_checkpoint = Some(LeaseCheckpointRequest { checkpoints });
        let request = InternalRaftRequest { lease_checkpoint, ..InternalRaftRequest::default() };
        // A checkpoint that is lost costs precision alone; the next one is planned when it is due.
        let _refused = self.propose_v3(now_ns, request, Proposer::Checkpoint);
    }

    /// Answers keep-alives that came too late, when their lease is revoked.
    pub(super) fn answer_late(&mut self, now_ns: u64, effects: &mut Effects) {
        if self.lease_work.late.is_empty() {
            return;
        }
        for late in std::mem::take(&mut self.lease_work.late) {
            let lessor = self.applier.lessor();
            let answer = if !lessor.exists(late.lease) {
                let header = self.header_now();
                let reply = LeaseKeepAliveReply { header, id: late.lease, ttl: 0 };
                Ok(Reply::LeaseKeepAlive(reply))
            } else if !lessor.is_primary() {
                Err(RequestError::NotLeader)
            } else if late.deadline_ns <= now_ns {
                Err(RequestError::Timeout)
            } else {
                self.lease_work.late.push(late);
                continue;
            };
            self.reply(late.client, answer, effects);
        }
    }
}
