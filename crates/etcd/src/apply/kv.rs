//! The requests on keys, as the state machine carries them out.

use std::cmp::Ordering;

use super::lease;
use crate::mvcc::{Backend, KeyRange, MvccError, RangeOptions, Store};
use crate::proto::mvccpb::KeyValue;
use crate::proto::rpc::{DeleteRangeRequest, PutRequest};
use crate::request::{
    CompactReply, DeleteRangeReply, PutReply, Range, RangeReply, RequestError, ResponseHeader,
    SortOrder, SortTarget,
};

/// Carries out a put.
pub(super) fn put<B: Backend>(
    store: &mut Store<B>,
    put: PutRequest,
) -> Result<PutReply, RequestError> {
    if put.lease != 0 && !lease::exists(store, put.lease) {
        return Err(RequestError::LeaseNotFound);
    }
    let keeps = put.ignore_value || put.ignore_lease;
    let mut before = None;
    if keeps || put.prev_kv {
        before = current(store, &KeyRange::One(put.key.clone())).pop();
    }
    if keeps && before.is_none() {
        return Err(RequestError::KeyNotFound);
    }
    let kept = before.as_ref();
    let value = kept.filter(|_| put.ignore_value).map_or(put.value, |kv| kv.value.clone());
    let lease = kept.filter(|_| put.ignore_lease).map_or(put.lease, |kv| kv.lease);
    let mut txn = store.write();
    txn.put(put.key, value, lease);
    let revision = txn.end().revision;
    let prev_kv = before.filter(|_| put.prev_kv).map(Into::into);
    Ok(PutReply { header: at(revision), prev_kv })
}

/// Deletes a range.
pub(super) fn delete_range<B: Backend>(
    store: &mut Store<B>,
    delete: &DeleteRangeRequest,
) -> DeleteRangeReply {
    let range = KeyRange::new(&delete.key, &delete.range_end);
    let before = if delete.prev_kv { current(store, &range) } else { Vec::new() };
    let mut txn = store.write();
    let deleted = count(txn.delete_range(&range));
    let revision = txn.end().revision;
    let prev_kvs = before.into_iter().map(Into::into).collect();
    DeleteRangeReply { header: at(revision), deleted, prev_kvs }
}

/// Moves the compact revision and queues the walk.
pub(super) fn compact<B: Backend>(
    store: &mut Store<B>,
    revision: i64,
) -> Result<CompactReply, RequestError> {
    store.compact(revision)?;
    Ok(CompactReply { header: at(store.revision()) })
}

/// Answers a range: sorts all of it before cutting it off, unless the stored order will do.
pub(super) fn range<B: Backend>(
    store: &Store<B>,
    range: &Range,
) -> Result<RangeReply, RequestError> {
    let limit = usize::try_from(range.limit).ok().filter(|&limit| limit > 0);
    let (order, target) = (effective_order(range), range.sort_target);
    let fetch = match (order, limit) {
        // One more than asked for tells whether there is more.
        (SortOrder::None, Some(limit)) => limit.saturating_add(1),
        (SortOrder::Ascend | SortOrder::Descend, Some(_)) | (_, None) => 0,
    };
    let options =
        RangeOptions { revision: range.revision, limit: fetch, count_only: range.count_only };
    let found = store.range(&KeyRange::new(&range.key, &range.range_end), options)?;
    let mut kvs = found.kvs;
    match order {
        SortOrder::None => {}
        SortOrder::Ascend => kvs.sort_by(|a, b| compare(target, a, b)),
        SortOrder::Descend => kvs.sort_by(|a, b| compare(target, b, a)),
    }
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

/// Keys are stored in ascending order; any other target needs sorting, ascending unless said.
fn effective_order(range: &Range) -> SortOrder {
    match (range.sort_order, range.sort_target) {
        (SortOrder::None | SortOrder::Ascend, SortTarget::Key) => SortOrder::None,
        (SortOrder::None, _) => SortOrder::Ascend,
        (order, _) => order,
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

fn current<B: Backend>(store: &Store<B>, range: &KeyRange) -> Vec<KeyValue> {
    let found: Result<_, MvccError> = store.range(range, RangeOptions::default());
    found.map(|found| found.kvs).unwrap_or_default()
}

fn at(revision: i64) -> ResponseHeader {
    ResponseHeader { revision, ..ResponseHeader::default() }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).expect("a count of keys in memory")
}
