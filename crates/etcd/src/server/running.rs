//! A server that is up: what it holds, and what it does with each input.

use std::collections::VecDeque;
use std::sync::Arc;

use disk::{Disk, DiskError, Ticket};
use raft::{Entry, MemoryStorage, Message, RawNode, Role, Silent, SoftState};

use super::batches::Batches;
use super::compactions::Compactions;
use super::connections::Connections;
use super::corruption::Corruption;
use super::election::ElectionTimeouts;
use super::ids::ProposalIds;
use super::leases::LeaseWork;
use super::members::{Moving, REMOVED};
use super::proposals::{Proposals, Proposer};
use super::purge::Purge;
use super::reads::Reads;
use super::ready::Saving;
use super::snapshot::Snapshots;
use super::transfer::Transfers;
use super::{Effects, Fatal, Input, ServerConfig};
use crate::apply::Applier;
use crate::bugs::Bug;
use crate::mvcc::DiskBackend;
use crate::proto::etcdserverpb::Metadata;
use crate::request::{Request, RequestError, RequestId};
use crate::wal::Wal;

/// Consensus, with the log it reads in memory.
pub(super) type Node = RawNode<MemoryStorage, ElectionTimeouts, Silent>;

/// A server that is up.
///
/// * `saving` is the one `Ready` under way; no other is taken before its log write is durable.
/// * A client's request is in exactly one of `held`, `proposals`, `reads`, `compactions`, `lease_work` and
///   `moving`, until it
///   is answered.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) config: Arc<ServerConfig>,
    pub(super) member_id: u64,
    pub(super) cluster_id: u64,
    pub(super) node: Node,
    pub(super) wal: Wal,
    pub(super) applier: Applier<DiskBackend>,
    /// Committed, and waiting for the backend.
    pub(super) to_apply: VecDeque<Entry>,
    pub(super) batches: Batches,
    pub(super) saving: Option<Saving>,
    pub(super) owes_tick: bool,
    /// What was last told of role, leader, term and commit index.
    pub(super) told: Told,
    pub(super) proposals: Proposals,
    pub(super) reads: Reads,
    pub(super) connections: Connections,
    /// When this server last became leader.
    pub(super) leader_since_ns: u64,
    /// Whether it has published itself and serves clients.
    pub(super) is_serving: bool,
    pub(super) held: VecDeque<Held>,
    pub(super) compactions: Compactions,
    pub(super) lease_work: LeaseWork,
    pub(super) moving: Vec<Moving>,
    /// When the server stops, since it applied its own removal.
    pub(super) removed_at_ns: Option<u64>,
    pub(super) snapshots: Snapshots,
    pub(super) transfers: Transfers,
    pub(super) purge: Purge,
    pub(super) corruption: Corruption,
}

/// A request that came before the server serves clients.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: RequestId,
    pub(super) request: Request,
    pub(super) deadline_ns: u64,
}

/// What the outside was last told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    pub(super) soft: SoftState,
    pub(super) term: u64,
    pub(super) commit: u64,
}

impl Running {
    pub(super) fn new(
        config: &Arc<ServerConfig>,
        ids: Metadata,
        now_ns: u64,
        node: Node,
        wal: Wal,
        applier: Applier<DiskBackend>,
        snapshot: &raft::SnapshotMetadata,
    ) -> Self {
        let status = node.basic_status();
        let state = status.hard_state;
        let told = Told { soft: status.soft_state, term: state.term, commit: state.commit };
        let proposal_ids = ProposalIds::new(ids.node_id, now_ns);
        Self {
            config: Arc::clone(config),
            member_id: ids.node_id,
            cluster_id: ids.cluster_id,
            node,
            wal,
            applier,
            to_apply: VecDeque::new(),
            batches: Batches::default(),
            saving: None,
            owes_tick: false,
            told,
            proposals: Proposals::new(proposal_ids, config.request_timeout_ns()),
            reads: Reads::default(),
            connections: Connections::at_start(now_ns),
            leader_since_ns: 0,
            is_serving: false,
            held: VecDeque::new(),
            compactions: Compactions::default(),
            lease_work: LeaseWork::default(),
            moving: Vec::new(),
            removed_at_ns: None,
            snapshots: Snapshots::after(snapshot),
            transfers: Transfers::default(),
            purge: Purge::default(),
            corruption: Corruption::at_start(now_ns, config.corrupt_check_ns),
        }
    }

    /// The first thing a server does when it is up: it tells the cluster its name, and takes what
    /// raft has to say.
    pub(super) fn start(
        &mut self,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        self.publish(now_ns);
        self.purge(now_ns, disk, effects)?;
        self.pump(now_ns, disk, effects)
    }

    pub(super) fn step(
        &mut self,
        now_ns: u64,
        input: Input,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        match input {
            Input::Boot => {}
            Input::Message(message) => self.receive(now_ns, *message, effects)?,
            Input::Tick => self.tick(now_ns, disk, effects)?,
            Input::Synced(ticket) => self.synced(now_ns, ticket, disk, effects)?,
            Input::SyncFailed(ticket, _) if self.config.bugs.has(Bug::SyncRetried) => {
                self.synced(now_ns, ticket, disk, effects)?;
            }
            Input::SyncFailed(ticket, error) => {
                self.sync_failed(ticket, error, disk, effects)?;
            }
            Input::Request { id, request } => {
                self.use_backend()?;
                self.request(now_ns, id, request, effects);
            }
            Input::Watch { stream, request } => self.watch(now_ns, stream, request, effects),
            Input::Removed => return Err(Fatal { reason: REMOVED.to_owned() }),
            Input::Unreachable(id) => {
                self.connections.lost(id, now_ns);
                self.node.report_unreachable(id).or_else(unless_fatal)?;
                self.snapshot_lost(id, effects)?;
                self.hash_lost(now_ns, id, effects);
            }
            Input::Snapshot(snapshot) => self.receive_snapshot(*snapshot, disk, effects),
            Input::SnapshotStatus(status) => self.snapshot_answered(now_ns, status, effects)?,
            Input::Hash(message) => self.hear_hash(now_ns, message, effects),
        }
        self.pump(now_ns, disk, effects)
    }

    /// Does all that can be done without another input.
    fn pump(&mut self, now_ns: u64, disk: &mut Disk, effects: &mut Effects) -> Result<(), Fatal> {
        loop {
            self.apply_queued(now_ns, disk, effects)?;
            self.finish_if_saved(now_ns, disk, effects)?;
            self.propose_queued(effects)?;
            self.ask_reads(now_ns)?;
            if self.saving.is_some() || !self.node.has_ready() {
                break;
            }
            self.take_ready(now_ns, disk, effects)?;
        }
        self.walk_compactions(now_ns, disk, effects)?;
        self.defragment_if_asked(disk, effects)?;
        self.give_snapshots(disk, effects)?;
        self.close_due_batch(now_ns, disk)?;
        self.answer_reads(now_ns, effects);
        self.answer_late(now_ns, effects);
        self.answer_moving(now_ns, effects);
        self.tell_watchers(effects);
        Ok(())
    }

    pub(super) fn is_leader(&self) -> bool {
        self.told.soft.role == Role::Leader
    }

    fn tick(&mut self, now_ns: u64, disk: &mut Disk, effects: &mut Effects) -> Result<(), Fatal> {
        if self.saving.is_some() {
            self.owes_tick = true;
        } else {
            self.node.tick()?;
        }
        self.stop_if_removed(now_ns)?;
        self.expire(now_ns, effects);
        self.check_leases(now_ns);
        self.applier.tick_watches(now_ns);
        self.expire_transfers(now_ns, effects)?;
        self.propose_cluster_version(now_ns);
        self.check_members(now_ns, effects);
        self.purge(now_ns, disk, effects)
    }

    fn receive(
        &mut self,
        now_ns: u64,
        message: Message,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        if message.msg_type.is_local() {
            return Ok(());
        }
        let is_removed = self.applier.cluster().is_removed(message.from);
        if is_removed && !self.config.bugs.has(Bug::RemovedHeard) {
            effects.removed.push(message.from);
            return Ok(());
        }
        self.connections.heard(message.from, now_ns);
        self.node.step(message).or_else(unless_fatal)
    }

    /// Takes a completed sync to whom it belongs; one of nobody is of something given up.
    fn synced(
        &mut self,
        now_ns: u64,
        ticket: Ticket,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        let is_taken = self.wal.on_synced(disk, ticket).map_err(|error| save_failed(&error))?
            || self.received_synced(ticket, disk)?
            || self.snapshot_synced(disk, ticket)?
            || self.transfer_synced(now_ns, ticket, disk, effects)?
            || self.purge_synced(ticket, disk, effects)?
            || self.backend_synced(now_ns, ticket, disk, effects)?;
        if is_taken {
            self.tell_wal(effects);
            self.finish_if_saved(now_ns, disk, effects)?;
            self.finish_snapshot(disk, effects)?;
        }
        Ok(())
    }

    /// Gives up on what nothing came of in time.
    fn expire(&mut self, now_ns: u64, effects: &mut Effects) {
        while let Some(expired) = self.proposals.pop_expired(now_ns) {
            match expired.proposer {
                Proposer::Client { request, .. } => {
                    let error = self.timeout(expired.since_ns, now_ns);
                    effects.replies.push((request, Err(error)));
                }
                Proposer::Publish => self.publish(now_ns),
                Proposer::ClusterVersion
                | Proposer::Expiry
                | Proposer::Checkpoint
                | Proposer::Alarm => {}
            }
        }
        let expired = self.reads.take_expired(now_ns);
        self.fail_reads(now_ns, expired, &RequestError::Timeout, effects);
        while self.held.front().is_some_and(|held| held.deadline_ns <= now_ns) {
            let Some(held) = self.held.pop_front() else { break };
            effects.replies.push((held.id, Err(RequestError::Timeout)));
        }
    }

    /// Why nothing came of a proposal, as far as this server can tell.
    fn timeout(&self, since_ns: u64, now_ns: u64) -> RequestError {
        let elected_ns = self.leader_since_ns;
        let lost_ns = elected_ns.saturating_sub(2 * self.config.election_timeout_ns());
        let leader = self.told.soft.lead;
        let lasted = |id| self.connections.lasted_since(id, since_ns, now_ns);
        if since_ns > lost_ns && since_ns < elected_ns {
            return RequestError::TimeoutLeaderFailure;
        }
        let connected = match leader {
            raft::NONE => true,
            own if own == self.member_id => {
                let members: Vec<u64> =
                    self.applier.cluster().members().map(|member| member.id).collect();
                let alive = members.iter().filter(|&&id| id == own || lasted(id)).count();
                alive > members.len() / 2
            }
            leader => lasted(leader),
        };
        if connected { RequestError::Timeout } else { RequestError::TimeoutConnectionLost }
    }
}

/// A message that makes no sense now is dropped; what breaks consensus is deadly.
pub(super) fn unless_fatal(error: raft::Error) -> Result<(), Fatal> {
    if matches!(error, raft::Error::Fatal(_)) { Err(error.into()) } else { Ok(()) }
}

impl Running {
    /// Dies of a sync that failed, unless it was that of a copy: what is durable is not known any
    /// more, so nothing may be said.
    fn sync_failed(
        &mut self,
        ticket: Ticket,
        error: DiskError,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        if self.backend().waits_for() != Some(ticket) {
            return Err(not_saved(&error));
        }
        let failed = self.applier.backend_mut().sync_failed(error, disk);
        self.backend_failed(&failed, effects)
    }
}

fn not_saved(error: &DiskError) -> Fatal {
    Fatal { reason: format!("failed to save Raft hard state and entries: {error}") }
}

/// Dies of a log that cannot be written.
pub(super) fn save_failed(error: &crate::wal::WalError) -> Fatal {
    Fatal { reason: format!("failed to save Raft hard state and entries: {}", error.reason()) }
}
