//! The requests on keys, as the state machine carries them out.
//!
//! Each works on an open write transaction, so that a request alone and one inside a `Txn` are the
//! same thing. Headers have the revision alone.

use std::cmp::Ordering;

use crate::lease::Lessor;
use crate::mvcc::{Backend, KeyRange, MvccError, RangeOptions, RangeResult, Store, WriteTxn};
use crate::proto::mvccpb::KeyValue;
use crate::proto::rpc::{DeleteRangeRequest, PutRequest};
use crate::request::{
    CompactReply, DeleteRangeReply, PutReply, Range, RangeReply, RequestError, ResponseHeader,
    SortOrder, SortTarget,
};

/// Whether a put alone can be carried out, by the state before it: etcd asks for the lease first.
pub(super) fn check_put<B: Backend>(
    store: &Store<B>,
    lessor: &Lessor,
    put: &PutRequest,
) -> Result<(), RequestError> {
    check_lease(lessor, put)?;
    check_kept(store, put)
}

/// The same of a put in a transaction: there etcd asks for the lease last.
pub(super) fn check_put_in_txn<B: Backend>(
    store: &Store<B>,
    lessor: &Lessor,
    put: &PutRequest,
) -> Result<(), RequestError> {
    check_kept(store, put)?;
    check_lease(lessor, put)
}

fn check_lease(lessor: &Lessor, put: &PutRequest) -> Result<(), RequestError> {
    let is_missing = put.lease != 0 && !lessor.exists(put.lease);
    if is_missing { Err(RequestError::LeaseNotFound) } else { Ok(()) }
}

fn check_kept<B: Backend>(store: &Store<B>, put: &PutRequest) -> Result<(), RequestError> {
    let keeps = put.ignore_value || put.ignore_lease;
    let is_missing = keeps && store.index().get(&put.key, store.revision()).is_none();
    if is_missing { Err(RequestError::KeyNotFound) } else { Ok(()) }
}

/// Carries out a put that was checked: what it keeps is there.
pub(super) fn put<B: Backend>(txn: &mut WriteTxn<'_, B>, put: PutRequest) -> PutReply {
    let mut before = None;
    if put.ignore_value || put.ignore_lease || put.prev_kv {
        let found = txn.range(&KeyRange::One(put.key.clone()), RangeOptions::default());
        before = found.ok().and_then(|mut found| found.kvs.pop());
    }
    let kept = before.as_ref();
    let value = kept.filter(|_| put.ignore_value).map_or(put.value, |kv| kv.value.clone());
    let lease = kept.filter(|_| put.ignore_lease).map_or(put.lease, |kv| kv.lease);
    let revision = txn.put(put.key, value, lease);
    let prev_kv = before.filter(|_| put.prev_kv).map(Into::into);
    PutReply { header: at(revision), prev_kv }
}

/// Deletes a range.
pub(super) fn delete_range<B: Backend>(
    txn: &mut WriteTxn<'_, B>,
    delete: &DeleteRangeRequest,
) -> DeleteRangeReply {
    let range = KeyRange::new(&delete.key, &delete.range_end);
    let mut before = Vec::new();
    if delete.prev_kv {
        before = txn.range(&range, RangeOptions::default()).map_or(before, |found| found.kvs);
    }
    let deleted = count(txn.delete_range(&range));
    let prev_kvs = before.into_iter().map(Into::into).collect();
    DeleteRangeReply { header: at(txn.revision()), deleted, prev_kvs }
}

/// Moves the compact revision and queues the walk.
pub(super) fn compact<B: Backend>(
    store: &mut Store<B>,
    revision: i64,
) -> Result<CompactReply, RequestError> {
    store.compact(revision)?;
    Ok(CompactReply { header: at(store.revision()) })
}

/// Answers a range that `read` reads.
///
/// As etcd does it, a limit is passed on unless an order is named or bounds on revisions are; so a
/// target other than the key, without an order, sorts only what the limit let through.
pub(super) fn range(
    range: &Range,
    read: impl FnOnce(&KeyRange, RangeOptions) -> Result<RangeResult, MvccError>,
) -> Result<RangeReply, RequestError> {
    let limit = usize::try_from(range.limit).ok().filter(|&limit| limit > 0);
    let needs_all = range.sort_order != SortOrder::None || has_bounds(range);
    // One more than asked for tells whether there is more.
    let fetch = limit.filter(|_| !needs_all).map_or(0, |limit| limit.saturating_add(1));
    let options =
        RangeOptions { revision: range.revision, limit: fetch, count_only: range.count_only };
    let found = read(&KeyRange::new(&range.key, &range.range_end), options)?;
    let mut kvs = found.kvs;
    if has_bounds(range) {
        kvs.retain(|kv| is_within(range, kv));
    }
    sort(range, &mut kvs);
    let more = limit.is_some_and(|limit| kvs.len() > limit);
    kvs.truncate(limit.unwrap_or(usize::MAX));
    if range.keys_only {
        for kv in &mut kvs {
            kv.value.clear();
        }
    }
    let kvs = kvs.into_iter().map(Into::into).collect();
    Ok(RangeReply { header: at(found.revision), kvs, more, count: count(found.count) })
}

/// Reads a range from the store as it is.
pub(super) fn read<B: Backend>(
    store: &Store<B>,
    request: &Range,
) -> Result<RangeReply, RequestError> {
    range(request, |keys, options| store.range(keys, options))
}

fn has_bounds(range: &Range) -> bool {
    let bounds = [
        range.min_mod_revision,
        range.max_mod_revision,
        range.min_create_revision,
        range.max_create_revision,
    ];
    bounds.iter().any(|&bound| bound != 0)
}

fn is_within(range: &Range, kv: &KeyValue) -> bool {
    let within = |value, min, max| (min == 0 || value >= min) && (max == 0 || value <= max);
    within(kv.mod_revision, range.min_mod_revision, range.max_mod_revision)
        && within(kv.create_revision, range.min_create_revision, range.max_create_revision)
}

/// Keys come in ascending order; any other target is sorted, ascending unless said.
fn sort(range: &Range, kvs: &mut [KeyValue]) {
    let target = range.sort_target;
    match (range.sort_order, target) {
        (SortOrder::None | SortOrder::Ascend, SortTarget::Key) => {}
        (SortOrder::None | SortOrder::Ascend, _) => {
            ordered::sort_by(kvs, |a, b| compare(target, a, b));
        }
        (SortOrder::Descend, _) => ordered::sort_by(kvs, |a, b| compare(target, b, a)),
    }
}

fn compare(target: SortTarget, a: &KeyValue, b: &KeyValue) -> Ordering {
    match target {
        SortTarget::Key => a.key.cmp(&b.key),
        SortTarget::Version => a.version.cmp(&b.version),
        SortTarget::Create => a.create_revision.cmp(&b.create_revision),
        SortTarget::Mod => a.mod_revision.cmp(&b.mod_revision),
        SortTarget::Value => a.value.cmp(&b.value),
    }
}

/// The keys of a range as they are now.
pub(super) fn current<B: Backend>(store: &Store<B>, range: &KeyRange) -> Vec<KeyValue> {
    store.range(range, RangeOptions::default()).map(|found| found.kvs).unwrap_or_default()
}

pub(super) fn at(revision: i64) -> ResponseHeader {
    ResponseHeader { revision, ..ResponseHeader::default() }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).expect("a count of keys in memory")
}
