//! From committed entries to the state of the server: store and membership.
//!
//! Entries come in order, each exactly once per life of the server. What the backend already has
//! from an earlier life is told by its consistent index: an entry at or below it may change
//! membership, never the store. Every member applies the same entries and comes to the same state,
//! so nothing here may depend on who applies.
//!
//! A normal entry holds nothing (a leader's first entry of its term), a v3 request, or a v2 request
//! (of which only those about members and the cluster's version count here). Requests about users
//! and roles are passed over, and nobody is asked for a password.
//! Source: etcd release-3.4, `etcdserver/{server,apply}.go`.

pub(crate) mod alarm;
mod kv;
mod quota;
mod rows;
mod txn;

use bytes::Bytes;
use raft::{ConfChange, ConfChangeType, Entry, EntryId, EntryType};

use crate::lease::{LeaseRules, Lessor};
use crate::membership::{Cluster, MembershipError};
use crate::mvcc::{Backend, Committed, Compaction, MemoryBackend, Step, Store};
use crate::proto::LoggedRequest;
use crate::proto::etcdserverpb::{InternalRaftRequest, Request as V2Request};
use crate::proto::rpc;
use crate::request::{
    LeaseGrantReply, LeaseRevokeReply, Range, RangeReply, Reply, RequestError, Txn, TxnReply,
    WatchRequest, WatchStreamId,
};
use crate::watch::Watches;

/// Store, leases and membership, as far as entries were applied.
#[derive(Debug, Clone)]
pub struct Applier<B = MemoryBackend> {
    store: Store<B>,
    lessor: Lessor,
    watches: Watches,
    cluster: Cluster,
    applied: EntryId,
    /// The server's clock: only for leases, and only what a primary lessor makes of it.
    now_ns: u64,
    /// `--quota-backend-bytes`.
    quota_bytes: Option<u64>,
}

/// What an entry did.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// A leader's first entry.
    Empty,
    /// An entry whose effect on the store the backend already has, or that has none.
    Skipped,
    /// A v3 request. The reply's header has the revision alone.
    V3 {
        /// The id that its proposer knows it by.
        proposal_id: u64,
        /// What the proposer is to be told.
        result: Result<Reply, RequestError>,
    },
    /// A v2 request.
    V2 {
        /// The id that its proposer knows it by.
        proposal_id: u64,
    },
    /// A change of the configuration.
    ConfChange {
        /// To be handed to raft. A change that the cluster does not accept has node id 0 and
        /// changes nothing there either.
        change: ConfChange,
        /// Why the cluster does not accept it.
        refused: Option<RequestError>,
    },
}

/// Why an entry cannot be applied. Every member that has the entry stops at it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The entry's data is no request and no configuration change.
    #[error("entry {index}: unmarshal should never fail ({detail})")]
    Malformed {
        /// The entry.
        index: u64,
        /// What the decoder says.
        detail: String,
    },
    /// Members are not what the entry says.
    #[error("entry {index}: {source}")]
    Membership {
        /// The entry.
        index: u64,
        /// What is wrong.
        source: MembershipError,
    },
    /// etcd's servers never propose such an entry and stop when they see one.
    #[error("entry {index}: entry type should be either EntryNormal or EntryConfChange")]
    ConfChangeV2 {
        /// The entry.
        index: u64,
    },
    /// A put keeps what a deletion in the same transaction took away. etcd's check of overlaps does
    /// not see a deletion of all keys from one on, lets the request in, and every server stops.
    #[error("entry {index}: unexpected error during txn: etcdserver: key not found")]
    KeptKeyDeleted {
        /// The entry.
        index: u64,
    },
}

impl<B: Backend> Applier<B> {
    /// A state machine over a restored store, to which nothing was applied in this life.
    pub fn new(mut store: Store<B>) -> Self {
        let attached = store.take_attached();
        let lessor = Lessor::restore(&store, attached);
        Self {
            store,
            lessor,
            watches: Watches::default(),
            cluster: Cluster::default(),
            applied: EntryId::default(),
            now_ns: 0,
            quota_bytes: None,
        }
    }

    /// Sets how leases are treated.
    pub fn set_lease_rules(&mut self, rules: LeaseRules) {
        self.lessor.set_rules(rules);
    }

    /// Sets how large the backend may become.
    pub fn set_quota(&mut self, quota_bytes: u64) {
        self.quota_bytes = Some(quota_bytes);
    }

    /// Whether the backend has room for what a request may add; `true` for requests that are not
    /// asked.
    pub fn has_room(&self, request: &InternalRaftRequest) -> bool {
        let Some((quota, cost)) = self.quota_bytes.zip(quota::cost(request)) else { return true };
        self.store.size_bytes().saturating_add(u64::try_from(cost).unwrap_or(u64::MAX)) < quota
    }

    /// Tells the time, before entries are applied.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// The leases.
    pub fn lessor(&self) -> &Lessor {
        &self.lessor
    }

    pub(crate) fn lessor_mut(&mut self) -> &mut Lessor {
        &mut self.lessor
    }

    /// A state machine that goes on from a snapshot: what the log said up to `applied` is in
    /// `cluster`, and in the store as far as its consistent index tells.
    pub fn restored(store: Store<B>, cluster: Cluster, applied: EntryId) -> Self {
        Self { cluster, applied, ..Self::new(store) }
    }

    /// Goes on from another store, as after a snapshot was received. Those who watch go on too.
    pub fn replace(&mut self, mut store: Store<B>, cluster: Cluster, applied: EntryId) {
        let attached = store.take_attached();
        self.lessor.replace(Lessor::restore(&store, attached));
        let before = std::mem::replace(&mut self.store, store);
        self.cluster = cluster;
        self.applied = applied;
        self.watches.store_replaced(before.revision());
    }

    /// Who watches what.
    pub fn watches(&self) -> &Watches {
        &self.watches
    }

    pub(crate) fn watches_mut(&mut self) -> &mut Watches {
        &mut self.watches
    }

    /// Takes what a client says on a watch stream.
    pub fn watch(&mut self, now_ns: u64, stream: WatchStreamId, request: WatchRequest) {
        self.watches.request(&self.store, now_ns, stream, request);
    }

    /// Brings watches forward that are behind.
    pub fn tick_watches(&mut self, now_ns: u64) {
        self.watches.tick(&self.store, now_ns);
    }

    /// The backend, to close its batches.
    pub(crate) fn backend_mut(&mut self) -> &mut B {
        self.store.backend_mut()
    }

    /// The store.
    pub fn store(&self) -> &Store<B> {
        &self.store
    }

    /// The members.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The last entry that was applied.
    pub fn applied(&self) -> EntryId {
        self.applied
    }

    /// Saves the consistent index and closes the open batch, before the backend is read as a file.
    pub fn flush(&mut self) {
        self.store.flush();
    }

    /// Closes the backend's open batch.
    pub fn commit(&mut self) {
        self.store.commit();
    }

    /// The revision of the compaction that is under way, if any.
    pub fn compaction(&self) -> Option<i64> {
        self.store.compactions().next().map(Compaction::revision)
    }

    /// Goes on with the oldest compaction, as [`Store::step_compaction`].
    pub fn step_compaction(&mut self, batch: usize) -> Option<Step> {
        self.store.step_compaction(batch)
    }

    /// Answers a range from the store as it is. The header has the revision alone.
    pub fn range(&self, range: &Range) -> Result<RangeReply, RequestError> {
        kv::read(&self.store, range)
    }

    /// Answers a transaction that only reads from the store as it is.
    pub fn read_txn(&self, txn: Txn) -> Result<TxnReply, RequestError> {
        txn::read(&self.store, &txn.into())
    }

    /// Applies the next entry.
    pub fn apply(&mut self, entry: &Entry) -> Result<Applied, ApplyError> {
        assert!(
            entry.index == self.applied.index + 1 || self.applied.index == 0,
            "entry {} after {}",
            entry.index,
            self.applied.index
        );
        let is_new = entry.index > self.store.consistent_index();
        if is_new {
            self.store.set_consistent_index(entry.index);
        }
        let applied = match entry.entry_type {
            EntryType::Normal => self.apply_normal(entry, is_new),
            EntryType::ConfChange => self.apply_conf_change(entry),
            EntryType::ConfChangeV2 => Err(ApplyError::ConfChangeV2 { index: entry.index }),
        }?;
        self.applied = entry.id();
        Ok(applied)
    }

    fn apply_normal(&mut self, entry: &Entry, is_new: bool) -> Result<Applied, ApplyError> {
        let index = entry.index;
        let request = LoggedRequest::decode(&entry.data)
            .map_err(|error| ApplyError::Malformed { index, detail: error.to_string() })?;
        match request {
            LoggedRequest::Empty => Ok(Applied::Empty),
            LoggedRequest::V2(request) => self.apply_v2(index, &request),
            LoggedRequest::V3(request) => match request.v2 {
                Some(request) => self.apply_v2(index, &request),
                None if is_new && self.dies_of(&request) => {
                    Err(ApplyError::KeptKeyDeleted { index })
                }
                None if is_new => Ok(self.apply_v3(*request)),
                None => Ok(Applied::Skipped),
            },
        }
    }

    fn apply_v2(&mut self, index: u64, request: &V2Request) -> Result<Applied, ApplyError> {
        let before = self.cluster.clone();
        self.cluster
            .apply_v2(&request.method, &text(&request.path), &text(&request.val))
            .map_err(|source| ApplyError::Membership { index, source })?;
        rows::save(&mut self.store, &before, &self.cluster);
        Ok(Applied::V2 { proposal_id: request.id })
    }

    fn dies_of(&self, request: &InternalRaftRequest) -> bool {
        let txn = request.txn.as_ref();
        txn.is_some_and(|txn| txn::keeps_what_it_deletes(&self.store, &self.lessor, txn))
            && alarm::permit(&self.store, request).is_ok()
    }

    fn apply_v3(&mut self, request: InternalRaftRequest) -> Applied {
        let header_id = request.header.as_ref().map_or(0, |header| header.id);
        let proposal_id = if request.id == 0 { header_id } else { request.id };
        let has_room = self.has_room(&request);
        match alarm::permit(&self.store, &request).and_then(|()| self.carry_out(request)) {
            Ok(Some(_)) if !has_room => {
                Applied::V3 { proposal_id, result: Err(RequestError::NoSpace) }
            }
            Ok(None) => Applied::Skipped,
            Ok(Some(reply)) => Applied::V3 { proposal_id, result: Ok(reply) },
            Err(error) => Applied::V3 { proposal_id, result: Err(error) },
        }
    }

    /// Carries a request out. `None` for one about users and roles, or of no kind.
    fn carry_out(&mut self, request: InternalRaftRequest) -> Result<Option<Reply>, RequestError> {
        let reply = if let Some(put) = request.put {
            kv::check_put(&self.store, &self.lessor, &put)?;
            let mut txn = self.store.write();
            let reply = kv::put(&mut txn, put);
            let committed = txn.end();
            self.committed(&committed);
            Reply::Put(reply)
        } else if let Some(delete) = request.delete_range {
            let mut txn = self.store.write();
            let reply = kv::delete_range(&mut txn, &delete);
            let committed = txn.end();
            self.committed(&committed);
            Reply::DeleteRange(reply)
        } else if let Some(request) = request.txn {
            let (reply, committed) = txn::txn(&mut self.store, &self.lessor, request)?;
            self.committed(&committed);
            Reply::Txn(reply)
        } else if let Some(compaction) = request.compaction {
            Reply::Compact(kv::compact(&mut self.store, compaction.revision)?)
        } else if let Some(request) = request.alarm {
            Reply::Alarm(alarm::alarm(&mut self.store, request))
        } else {
            return self.carry_out_lease(&request);
        };
        Ok(Some(reply))
    }

    fn carry_out_lease(
        &mut self,
        request: &InternalRaftRequest,
    ) -> Result<Option<Reply>, RequestError> {
        let reply = if let Some(rpc::LeaseGrantRequest { id, ttl }) = request.lease_grant {
            let ttl = self.lessor.grant(&mut self.store, id, ttl, self.now_ns)?;
            Reply::LeaseGrant(LeaseGrantReply { header: kv::at(self.store.revision()), id, ttl })
        } else if let Some(rpc::LeaseRevokeRequest { id }) = request.lease_revoke {
            let committed = self.lessor.revoke(&mut self.store, id)?;
            let header = kv::at(committed.revision);
            self.committed(&committed);
            Reply::LeaseRevoke(LeaseRevokeReply { header })
        } else if let Some(request) = &request.lease_checkpoint {
            self.lessor.checkpoint(&mut self.store, &request.checkpoints, self.now_ns);
            return Ok(None);
        } else {
            return Ok(None);
        };
        Ok(Some(reply))
    }

    fn committed(&mut self, committed: &Committed) {
        if !committed.changes.is_empty() {
            self.lessor.follow(committed);
            self.watches.notify(&self.store, committed);
        }
    }

    fn apply_conf_change(&mut self, entry: &Entry) -> Result<Applied, ApplyError> {
        let index = entry.index;
        let mut change = ConfChange::decode(&entry.data)
            .map_err(|error| ApplyError::Malformed { index, detail: error.to_string() })?;
        let (id, context) = (change.node_id, &change.context);
        let verdict = self.cluster.judge(&change);
        if let Some(refused) = verdict.map_err(|source| ApplyError::Membership { index, source })? {
            change.node_id = raft::NONE;
            return Ok(Applied::ConfChange { change, refused: Some(refused) });
        }
        let before = self.cluster.clone();
        let done = match change.change_type {
            ConfChangeType::AddNode | ConfChangeType::AddLearnerNode => {
                self.cluster.add(id, context)
            }
            ConfChangeType::UpdateNode => self.cluster.update(id, context),
            ConfChangeType::RemoveNode => {
                self.cluster.remove(id);
                Ok(())
            }
        };
        done.map_err(|source| ApplyError::Membership { index, source })?;
        rows::save(&mut self.store, &before, &self.cluster);
        Ok(Applied::ConfChange { change, refused: None })
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
