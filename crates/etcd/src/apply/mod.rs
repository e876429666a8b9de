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

mod alarm;
mod kv;
mod lease;
mod txn;

use bytes::Bytes;
use raft::{ConfChange, ConfChangeType, Entry, EntryId, EntryType};

use crate::membership::{Cluster, MembershipError};
use crate::mvcc::{Backend, Compaction, MemoryBackend, Store};
use crate::proto::LoggedRequest;
use crate::proto::etcdserverpb::{InternalRaftRequest, Request as V2Request};
use crate::request::{Range, RangeReply, Reply, RequestError};

/// Store and membership, as far as entries were applied.
#[derive(Debug, Clone)]
pub struct Applier<B = MemoryBackend> {
    store: Store<B>,
    cluster: Cluster,
    applied: EntryId,
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
    /// A v3 request of a kind that no client here can make yet: a transaction, a lease, an
    /// alarm; or one that an alarm forbids.
    Unasked {
        /// The id that its proposer knows it by.
        proposal_id: u64,
        /// Whether it took effect.
        result: Result<(), Refusal>,
    },
    /// A v2 request.
    V2 {
        /// The id that its proposer knows it by.
        proposal_id: u64,
    },
    /// A change of the configuration, to be handed to raft. A change that the cluster does not
    /// accept has node id 0 and changes nothing there either.
    ConfChange(ConfChange),
}

/// Why a request of the log has no effect, in etcd's words. Every member refuses it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The database is full.
    #[error("etcdserver: mvcc: database space exceeded")]
    NoSpace,
    /// Members disagree on what is stored.
    #[error("etcdserver: corrupt cluster")]
    Corrupt,
    /// There is such a lease already.
    #[error("etcdserver: lease already exists")]
    LeaseExists,
    /// The lease would be too long.
    #[error("etcdserver: too large lease TTL")]
    LeaseTtlTooLarge,
    /// Any other.
    #[error(transparent)]
    Request(#[from] RequestError),
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
}

impl<B: Backend> Applier<B> {
    /// A state machine over a restored store, to which nothing was applied in this life.
    pub fn new(store: Store<B>) -> Self {
        Self { store, cluster: Cluster::default(), applied: EntryId::default() }
    }

    /// A state machine that goes on from a snapshot: what the log said up to `applied` is in
    /// `cluster`, and in the store as far as its consistent index tells.
    pub fn restored(store: Store<B>, cluster: Cluster, applied: EntryId) -> Self {
        Self { store, cluster, applied }
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

    /// Closes the backend's open batch.
    pub fn commit(&mut self) {
        self.store.commit();
    }

    /// The revision of the compaction that is under way, if any.
    pub fn compaction(&self) -> Option<i64> {
        self.store.compactions().next().map(Compaction::revision)
    }

    /// Does the next `batch` of the oldest compaction. `false` if none is left.
    pub fn step_compaction(&mut self, batch: usize) -> bool {
        self.store.step_compaction(batch)
    }

    /// Answers a range from the store as it is. The header has the revision alone.
    pub fn range(&self, range: &Range) -> Result<RangeReply, RequestError> {
        kv::range(&self.store, range)
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
                None if is_new => Ok(self.apply_v3(*request)),
                None => Ok(Applied::Skipped),
            },
        }
    }

    fn apply_v2(&mut self, index: u64, request: &V2Request) -> Result<Applied, ApplyError> {
        self.cluster
            .apply_v2(&request.method, &text(&request.path), &text(&request.val))
            .map_err(|source| ApplyError::Membership { index, source })?;
        Ok(Applied::V2 { proposal_id: request.id })
    }

    fn apply_v3(&mut self, request: InternalRaftRequest) -> Applied {
        let header_id = request.header.as_ref().map_or(0, |header| header.id);
        let proposal_id = if request.id == 0 { header_id } else { request.id };
        let store = &mut self.store;
        if let Err(refusal) = alarm::permit(store, &request) {
            return Applied::Unasked { proposal_id, result: Err(refusal) };
        }
        let result = if let Some(put) = request.put {
            kv::put(store, put).map(Reply::Put)
        } else if let Some(delete) = request.delete_range {
            Ok(Reply::DeleteRange(kv::delete_range(store, &delete)))
        } else if let Some(compaction) = request.compaction {
            kv::compact(store, compaction.revision).map(Reply::Compact)
        } else {
            return self.apply_unasked(proposal_id, request);
        };
        Applied::V3 { proposal_id, result }
    }

    fn apply_unasked(&mut self, proposal_id: u64, request: InternalRaftRequest) -> Applied {
        let store = &mut self.store;
        let result = if let Some(request) = request.txn {
            txn::txn(store, request).map(|_| ()).map_err(Refusal::from)
        } else if let Some(grant) = request.lease_grant {
            lease::grant(store, grant)
        } else if let Some(revoke) = request.lease_revoke {
            lease::revoke(store, revoke)
        } else if let Some(request) = request.alarm {
            alarm::alarm(store, request);
            Ok(())
        } else {
            return Applied::Skipped;
        };
        Applied::Unasked { proposal_id, result }
    }

    fn apply_conf_change(&mut self, entry: &Entry) -> Result<Applied, ApplyError> {
        let index = entry.index;
        let mut change = ConfChange::decode(&entry.data)
            .map_err(|error| ApplyError::Malformed { index, detail: error.to_string() })?;
        let (id, context) = (change.node_id, &change.context);
        if !self.is_acceptable(&change) {
            change.node_id = raft::NONE;
            return Ok(Applied::ConfChange(change));
        }
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
        Ok(Applied::ConfChange(change))
    }

    /// Removed ids never come back; only members can be changed or removed.
    fn is_acceptable(&self, change: &ConfChange) -> bool {
        let known = self.cluster.member(change.node_id).is_some();
        match change.change_type {
            ConfChangeType::AddNode | ConfChangeType::AddLearnerNode => {
                !self.cluster.is_removed(change.node_id)
            }
            ConfChangeType::UpdateNode | ConfChangeType::RemoveNode => known,
        }
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
