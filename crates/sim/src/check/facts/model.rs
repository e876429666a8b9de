//! The store as it should be: etcd's semantics in the plainest form, with its whole history.
//!
//! Entries are applied once, in the order of the committed log; every server's answers and every
//! server's store are compared with what comes out. It shares no code with the servers' stores.
//! History is never compacted here, since a server that lags may still read below.
//!
//! After a request that it does not know (authentication, alarms) it says so and knows nothing.
//! Source: etcd release-3.4, `etcdserver/apply.go`, `mvcc/kvstore_txn.go`.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use bytes::Bytes;
use etcd::proto::LoggedRequest;
use etcd::proto::rpc::compare::TargetUnion;
use etcd::proto::rpc::request_op::Request as Operation;
use etcd::proto::rpc::{
    Compare, CompareResult, CompareTarget, DeleteRangeRequest, PutRequest, TxnRequest,
};
use etcd::request::KeyValue;
use ordered::{SharedList, SharedMap, SharedSet};

use super::told::{self, Told};

/// The longest lease, seconds.
const TTL_MAX: i64 = 9_000_000_000;

/// A key's state from one revision on; without a value it was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    at: i64,
    value: Option<KeyValue>,
}

/// What checkpoints said of the time that a lease has left, in seconds; 0 for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) struct Checkpoints {
    /// How many there were.
    pub(in crate::check) count: u64,
    /// The last one.
    pub(in crate::check) last_s: i64,
    /// The least of them.
    pub(in crate::check) least_s: i64,
}

impl Checkpoints {
    fn after(before: Option<Checkpoints>, left_s: i64) -> Checkpoints {
        let at_most = if left_s > 0 { left_s } else { i64::MAX };
        let (count, least_s) = before.map_or((0, i64::MAX), |one| (one.count, one.least_s));
        Checkpoints { count: count + 1, last_s: left_s, least_s: least_s.min(at_most) }
    }
}

/// What an entry did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// The id of the proposal that it came from.
    pub(crate) proposal: u64,
    /// The revision after it.
    pub(crate) revision: i64,
    /// Whether it made that revision.
    pub(crate) modified: bool,
    /// Keys deleted, by a deletion that is no part of a transaction.
    pub(crate) deleted: i64,
    /// Whether a transaction's compares held.
    pub(crate) succeeded: Option<bool>,
    /// What its answer tells of keys.
    pub(in crate::check) told: Told,
    /// A lease that was made, and its seconds.
    pub(crate) granted: Option<(i64, i64)>,
    /// A lease that was ended.
    pub(crate) revoked: Option<i64>,
}

/// See the module's head.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    keys: SharedMap<Bytes, SharedList<Version>>,
    revision: i64,
    /// The revision of the last change, which may still be under way.
    last_written: i64,
    compact_revision: i64,
    /// Keys by the revisions that changed them.
    changes: SharedSet<(i64, Bytes)>,
    /// Leases that are there.
    leases: SharedSet<i64>,
    checkpoints: SharedMap<i64, Checkpoints>,
    lost: Option<String>,
}

impl Model {
    pub(crate) fn new() -> Model {
        Model {
            keys: SharedMap::new(),
            revision: 1,
            last_written: 1,
            compact_revision: -1,
            changes: SharedSet::new(),
            leases: SharedSet::new(),
            checkpoints: SharedMap::new(),
            lost: None,
        }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    pub(crate) fn compact_revision(&self) -> i64 {
        self.compact_revision
    }

    /// Why it knows nothing any more.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Applies a normal entry's data; `None` for one that is no request of the v3 API.
    pub(crate) fn apply(&mut self, data: &Bytes) -> Option<Effect> {
        let Ok(LoggedRequest::V3(request)) = LoggedRequest::decode(data) else { return None };
        if request.v2.is_some() {
            return None;
        }
        let proposal = match request.id {
            0 => request.header.as_ref().map_or(0, |header| header.id),
            id => id,
        };
        let before = self.revision;
        let mut told = Told::nothing();
        let (mut deleted, mut succeeded) = (0, None);
        let (mut granted, mut revoked) = (None, None);
        if let Some(put) = request.put {
            if self.may_put(&put) {
                self.write(|model, at| model.put(&put, at, &mut told));
            }
        } else if let Some(delete) = request.delete_range {
            self.write(|model, at| deleted = model.delete(&delete, at, &mut told));
        } else if let Some(txn) = request.txn {
            succeeded = self.txn(txn, &mut told);
        } else if let Some(compaction) = request.compaction {
            if compaction.revision > self.compact_revision && compaction.revision <= self.revision {
                self.compact_revision = compaction.revision;
            }
        } else if let Some(grant) = request.lease_grant {
            if grant.id != 0 && !self.leases.contains(&grant.id) && grant.ttl <= TTL_MAX {
                self.leases.insert(grant.id);
                granted = Some((grant.id, grant.ttl));
            }
        } else if let Some(revoke) = request.lease_revoke {
            if self.leases.remove(&revoke.id) {
                self.write(|model, at| model.delete_lease(revoke.id, at));
                revoked = Some(revoke.id);
            }
        } else if let Some(request) = request.lease_checkpoint {
            for one in request.checkpoints {
                let before = self.checkpoints.get(&one.id).copied();
                self.checkpoints.insert(one.id, Checkpoints::after(before, one.remaining_ttl));
            }
        } else if request.range.is_none() {
            self.lost.get_or_insert_with(|| "a request that the model does not know".to_owned());
        }
        let modified = self.revision > before;
        let revision = self.revision;
        Some(Effect { proposal, revision, modified, deleted, succeeded, told, granted, revoked })
    }

    /// One revision for all that is done in it, if anything is.
    fn write(&mut self, change: impl FnOnce(&mut Model, i64)) {
        let at = self.revision + 1;
        change(self, at);
        if self.last_written == at {
            self.revision = at;
        }
    }

    fn may_put(&self, put: &PutRequest) -> bool {
        let keeps = put.ignore_value || put.ignore_lease;
        let has_lease = put.lease == 0 || self.leases.contains(&put.lease);
        has_lease && (!keeps || self.latest(&put.key).is_some())
    }

    fn put(&mut self, put: &PutRequest, at: i64, told: &mut Told) {
        let before = self.latest(&put.key).cloned();
        if put.prev_kv {
            told.see_all(&before);
        }
        let kept = before.as_ref();
        let value = KeyValue {
            key: put.key.clone(),
            create_revision: kept.map_or(at, |kv| kv.create_revision),
            mod_revision: at,
            version: kept.map_or(0, |kv| kv.version) + 1,
            value: match kept {
                Some(kv) if put.ignore_value => kv.value.clone(),
                _ => put.value.clone(),
            },
            lease: match kept {
                Some(kv) if put.ignore_lease => kv.lease,
                _ => put.lease,
            },
        };
        self.set(put.key.clone(), Version { at, value: Some(value) });
    }

    fn set(&mut self, key: Bytes, version: Version) {
        self.last_written = version.at;
        self.changes.insert((version.at, key.clone()));
        let history = self.keys.get_or_default(key);
        if history.back().is_some_and(|last| last.at == version.at) {
            history.pop_back();
        }
        history.push_back(version);
    }

    fn delete(&mut self, delete: &DeleteRangeRequest, at: i64, told: &mut Told) -> i64 {
        let now = i64::MAX;
        if delete.prev_kv {
            told.see_all(self.range(&delete.key, &delete.range_end, now));
        }
        let keys: Vec<Bytes> =
            self.range(&delete.key, &delete.range_end, now).map(|kv| kv.key.clone()).collect();
        let count = keys.len();
        for key in keys {
            self.set(key, Version { at, value: None });
        }
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    fn delete_lease(&mut self, lease: i64, at: i64) {
        let hangs = |kv: &&KeyValue| kv.lease == lease;
        let keys: Vec<Bytes> = self.all(i64::MAX).filter(hangs).map(|kv| kv.key.clone()).collect();
        for key in keys {
            self.set(key, Version { at, value: None });
        }
    }

    fn txn(&mut self, txn: TxnRequest, told: &mut Told) -> Option<bool> {
        let mut chosen = Vec::new();
        let succeeded = self.choose(txn, &mut chosen);
        let is_possible = |operation: &Operation| match operation {
            Operation::RequestPut(put) => self.may_put(put),
            Operation::RequestRange(range) => {
                range.revision == 0
                    || (self.compact_revision..=self.revision).contains(&range.revision)
            }
            Operation::RequestDeleteRange(_) | Operation::RequestTxn(_) => true,
        };
        if !chosen.iter().all(is_possible) {
            return None;
        }
        self.write(|model, at| {
            for operation in chosen {
                match operation {
                    Operation::RequestPut(put) => model.put(&put, at, told),
                    Operation::RequestDeleteRange(delete) => _ = model.delete(&delete, at, told),
                    Operation::RequestRange(range) if told::is_plain(&range) => {
                        told.see_all(model.range(&range.key, &range.range_end, i64::MAX));
                    }
                    Operation::RequestRange(_) => told.give_up(),
                    Operation::RequestTxn(_) => {}
                }
            }
        });
        Some(succeeded)
    }

    /// The depth is bounded by the decoder.
    fn choose(&self, txn: TxnRequest, chosen: &mut Vec<Operation>) -> bool {
        let succeeded = txn.compare.iter().all(|compare| self.compares(compare));
        let branch = if succeeded { txn.success } else { txn.failure };
        for operation in branch.into_iter().filter_map(|operation| operation.request) {
            if let Operation::RequestTxn(inner) = operation {
                self.choose(inner, chosen);
            } else {
                chosen.push(operation);
            }
        }
        succeeded
    }

    fn compares(&self, compare: &Compare) -> bool {
        let found: Vec<&KeyValue> =
            self.range(&compare.key, &compare.range_end, i64::MAX).collect();
        if found.is_empty() {
            let absent = KeyValue::default();
            return compare.target() != CompareTarget::Value && compare_one(compare, &absent);
        }
        found.iter().all(|kv| compare_one(compare, kv))
    }

    fn latest(&self, key: &Bytes) -> Option<&KeyValue> {
        self.keys.get(key)?.back()?.value.as_ref()
    }

    /// Revisions and the keys that they changed, in order.
    pub(crate) fn changed(
        &self,
        revisions: RangeInclusive<i64>,
    ) -> impl Iterator<Item = (i64, &Bytes)> {
        let (from, to) = revisions.into_inner();
        let bounds = (from, Bytes::new())..(to.saturating_add(1), Bytes::new());
        self.changes.range(bounds).map(|(at, key)| (*at, key))
    }

    /// A key as of a revision.
    pub(crate) fn value(&self, key: &Bytes, at: i64) -> Option<&KeyValue> {
        value_at(self.keys.get(key)?, at)
    }

    /// What checkpoints said, by lease, also of those that ended.
    pub(in crate::check) fn checkpoints(&self) -> &SharedMap<i64, Checkpoints> {
        &self.checkpoints
    }

    /// Keys of a range as of a revision, in order.
    pub(crate) fn range(
        &self,
        key: &Bytes,
        range_end: &Bytes,
        at: i64,
    ) -> impl Iterator<Item = &KeyValue> {
        let (key, end) = (key.clone(), range_end.clone());
        let from = self.keys.range(key.clone()..);
        let is_in = move |found: &Bytes| match &end[..] {
            b"" => *found == key,
            b"\0" => true,
            end => found[..] < *end,
        };
        from.take_while(move |(found, _)| is_in(found))
            .filter_map(move |(_, history)| value_at(history, at))
    }

    /// All keys as of a revision, in order.
    pub(crate) fn all(&self, at: i64) -> impl Iterator<Item = &KeyValue> {
        self.keys.values().filter_map(move |history| value_at(history, at))
    }

    /// Revisions from this one on at which keys were deleted, with the keys.
    pub(crate) fn deleted_at(&self, at: i64) -> impl Iterator<Item = &Bytes> {
        let is = move |history: &SharedList<Version>| {
            history.iter().any(|version| version.at == at && version.value.is_none())
        };
        self.keys.iter().filter(move |(_, history)| is(history)).map(|(key, _)| key)
    }
}

fn value_at(history: &SharedList<Version>, at: i64) -> Option<&KeyValue> {
    history.iter().rev().find(|version| version.at <= at)?.value.as_ref()
}

fn compare_one(compare: &Compare, kv: &KeyValue) -> bool {
    let number = |number: i64, against: i64| number.cmp(&against);
    let order = match (compare.target(), compare.target_union.as_ref()) {
        (CompareTarget::Value, Some(TargetUnion::Value(value))) => kv.value.cmp(value),
        (CompareTarget::Value, _) => kv.value[..].cmp(&[]),
        (CompareTarget::Version, Some(TargetUnion::Version(to))) => number(kv.version, *to),
        (CompareTarget::Create, Some(TargetUnion::CreateRevision(to))) => {
            number(kv.create_revision, *to)
        }
        (CompareTarget::Mod, Some(TargetUnion::ModRevision(to))) => number(kv.mod_revision, *to),
        (CompareTarget::Lease, Some(TargetUnion::Lease(to))) => number(kv.lease, *to),
        (CompareTarget::Version, _) => number(kv.version, 0),
        (CompareTarget::Create, _) => number(kv.create_revision, 0),
        (CompareTarget::Mod, _) => number(kv.mod_revision, 0),
        (CompareTarget::Lease, _) => number(kv.lease, 0),
    };
    match compare.result() {
        CompareResult::Equal => order == Ordering::Equal,
        CompareResult::NotEqual => order != Ordering::Equal,
        CompareResult::Greater => order == Ordering::Greater,
        CompareResult::Less => order == Ordering::Less,
    }
}
