//! Transactions: compares choose branches, then all chosen operations are one revision.
//!
//! All compares, those of nested transactions too, look at the state before anything is done; so
//! does the check whether each operation can be carried out. Then the operations follow in order,
//! each seeing those before it. Source: etcd release-3.4, `etcdserver/apply.go`.

use std::cmp::Ordering;

use super::lease;
use crate::mvcc::{Backend, KeyRange, RangeOptions, Store, WriteTxn};
use crate::proto::mvccpb::KeyValue;
use crate::proto::rpc::compare::TargetUnion;
use crate::proto::rpc::request_op::Request as Operation;
use crate::proto::rpc::{
    Compare, CompareResult, CompareTarget, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use crate::request::RequestError;

/// Carries a transaction out; `true` if the compares held.
pub(super) fn txn<B: Backend>(
    store: &mut Store<B>,
    request: TxnRequest,
) -> Result<bool, RequestError> {
    let mut chosen = Vec::new();
    let succeeded = choose(store, request, &mut chosen);
    for operation in &chosen {
        check(store, operation)?;
    }
    let mut txn = store.write();
    for operation in chosen {
        match operation {
            Operation::RequestPut(request) => put(&mut txn, request),
            Operation::RequestDeleteRange(delete) => {
                txn.delete_range(&KeyRange::new(&delete.key, &delete.range_end));
            }
            Operation::RequestRange(_) | Operation::RequestTxn(_) => {}
        }
    }
    txn.end();
    Ok(succeeded)
}

/// Whether a branch has a put of its own, which costs room.
pub(super) fn has_put(request: &TxnRequest) -> bool {
    let is_put =
        |operation: &RequestOp| matches!(operation.request, Some(Operation::RequestPut(_)));
    request.success.iter().chain(&request.failure).any(is_put)
}

/// Collects the operations of the branches taken, in order. The depth is bounded by the decoder,
/// which follows no more than a hundred messages inside each other.
fn choose<B: Backend>(store: &Store<B>, request: TxnRequest, chosen: &mut Vec<Operation>) -> bool {
    let succeeded = request.compare.iter().all(|compare| holds(store, compare));
    let branch = if succeeded { request.success } else { request.failure };
    for operation in branch.into_iter().filter_map(|operation| operation.request) {
        match operation {
            Operation::RequestTxn(inner) => _ = choose(store, inner, chosen),
            other @ (Operation::RequestRange(_)
            | Operation::RequestPut(_)
            | Operation::RequestDeleteRange(_)) => chosen.push(other),
        }
    }
    succeeded
}

/// Whether a compare holds for every key of its range. For a range without keys it is made with
/// a key that was never written, which has no value to compare.
fn holds<B: Backend>(store: &Store<B>, compare: &Compare) -> bool {
    let found = current(store, &KeyRange::new(&compare.key, &compare.range_end));
    if found.is_empty() {
        let absent = KeyValue::default();
        return compare.target() != CompareTarget::Value && holds_for(compare, &absent);
    }
    found.iter().all(|kv| holds_for(compare, kv))
}

fn holds_for(compare: &Compare, kv: &KeyValue) -> bool {
    let union = compare.target_union.as_ref();
    let order = match (compare.target(), union) {
        (CompareTarget::Value, Some(TargetUnion::Value(value))) => kv.value.cmp(value),
        (CompareTarget::Value, _) => kv.value[..].cmp(&[]),
        (CompareTarget::Version, Some(TargetUnion::Version(number))) => kv.version.cmp(number),
        (CompareTarget::Create, Some(TargetUnion::CreateRevision(number))) => {
            kv.create_revision.cmp(number)
        }
        (CompareTarget::Mod, Some(TargetUnion::ModRevision(number))) => kv.mod_revision.cmp(number),
        (CompareTarget::Lease, Some(TargetUnion::Lease(number))) => kv.lease.cmp(number),
        // A number that is not there is zero.
        (CompareTarget::Version, _) => kv.version.cmp(&0),
        (CompareTarget::Create, _) => kv.create_revision.cmp(&0),
        (CompareTarget::Mod, _) => kv.mod_revision.cmp(&0),
        (CompareTarget::Lease, _) => kv.lease.cmp(&0),
    };
    match compare.result() {
        CompareResult::Equal => order == Ordering::Equal,
        CompareResult::NotEqual => order != Ordering::Equal,
        CompareResult::Greater => order == Ordering::Greater,
        CompareResult::Less => order == Ordering::Less,
    }
}

/// Whether an operation can be carried out, by the state before the transaction.
fn check<B: Backend>(store: &Store<B>, operation: &Operation) -> Result<(), RequestError> {
    match operation {
        Operation::RequestPut(put) => check_put(store, put),
        Operation::RequestRange(range) => check_range(store, range),
        Operation::RequestDeleteRange(_) | Operation::RequestTxn(_) => Ok(()),
    }
}

fn check_put<B: Backend>(store: &Store<B>, put: &PutRequest) -> Result<(), RequestError> {
    let keeps = put.ignore_value || put.ignore_lease;
    if keeps && current(store, &KeyRange::One(put.key.clone())).is_empty() {
        return Err(RequestError::KeyNotFound);
    }
    if put.lease != 0 && !lease::exists(store, put.lease) {
        return Err(RequestError::LeaseNotFound);
    }
    Ok(())
}

fn check_range<B: Backend>(store: &Store<B>, range: &RangeRequest) -> Result<(), RequestError> {
    match range.revision {
        0 => Ok(()),
        future if future > store.revision() => Err(RequestError::FutureRevision),
        past if past < store.compact_revision() => Err(RequestError::Compacted),
        _ => Ok(()),
    }
}

/// Puts a key. One that keeps what a deletion in the same transaction took away keeps nothing:
/// etcd stops there, and no server lets such a request in.
fn put<B: Backend>(txn: &mut WriteTxn<'_, B>, put: PutRequest) {
    let mut before = None;
    if put.ignore_value || put.ignore_lease {
        let found = txn.range(&KeyRange::One(put.key.clone()), RangeOptions::default());
        before = found.ok().and_then(|mut found| found.kvs.pop());
    }
    let before = before.as_ref();
    let value = before.filter(|_| put.ignore_value).map_or(put.value, |kv| kv.value.clone());
    let lease = before.filter(|_| put.ignore_lease).map_or(put.lease, |kv| kv.lease);
    txn.put(put.key, value, lease);
}

fn current<B: Backend>(store: &Store<B>, range: &KeyRange) -> Vec<KeyValue> {
    store.range(range, RangeOptions::default()).map(|found| found.kvs).unwrap_or_default()
}
