//! Transactions: compares choose branches, then all chosen operations are one revision.
//!
//! All compares, those of nested transactions too, look at the state before anything is done; so
//! does the check whether each operation can be carried out. Then the operations follow in order,
//! each seeing those before it. Source: etcd release-3.4, `etcdserver/apply.go`.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::VecDeque;

use super::kv;
use crate::lease::Lessor;
use crate::mvcc::{Backend, Committed, KeyRange, Store, WriteTxn};
use crate::proto::mvccpb::KeyValue;
use crate::proto::rpc::compare::TargetUnion;
use crate::proto::rpc::request_op::Request as Operation;
use crate::proto::rpc::{
    Compare, CompareResult, CompareTarget, RangeRequest, RequestOp, TxnRequest,
};
use crate::request::{OperationReply, RequestError, TxnReply};

/// Carries a transaction out; gives the answer and what changed.
pub(super) fn txn<B: Backend>(
    store: &mut Store<B>,
    lessor: &Lessor,
    request: TxnRequest,
) -> Result<(TxnReply, Committed), RequestError> {
    let mut path = VecDeque::new();
    choose(store, &request, &mut path);
    check_all(store, lessor, &request, &path)?;
    let mut txn = store.write();
    let mut reply = carry_out(&mut txn, request, &mut path);
    let committed = txn.end();
    reply.header = kv::at(committed.revision);
    Ok((reply, committed))
}

/// Whether a put would find that a deletion before it has taken away what it is to keep.
pub(super) fn keeps_what_it_deletes<B: Backend>(
    store: &Store<B>,
    lessor: &Lessor,
    request: &TxnRequest,
) -> bool {
    let mut path = VecDeque::new();
    choose(store, request, &mut path);
    let deleted = RefCell::new(Vec::new());
    let walked = check(request, &mut path.iter(), &|operation| {
        if let Operation::RequestDeleteRange(delete) = operation {
            deleted.borrow_mut().push(KeyRange::new(&delete.key, &delete.range_end));
        }
        if let Operation::RequestPut(put) = operation
            && (put.ignore_value || put.ignore_lease)
            && deleted.borrow().iter().any(|range| range.contains(&put.key))
        {
            return Err(RequestError::KeyNotFound);
        }
        Ok(())
    });
    walked.is_err() && check_all(store, lessor, request, &path).is_ok()
}

/// Answers a transaction that only reads.
pub(super) fn read<B: Backend>(
    store: &Store<B>,
    request: &TxnRequest,
) -> Result<TxnReply, RequestError> {
    let succeeded = request.compare.iter().all(|compare| holds(store, compare));
    let mut responses = Vec::new();
    for operation in branch(request, succeeded) {
        if let Some(Operation::RequestRange(range)) = &operation.request {
            check_range(store, range)?;
            responses.push(OperationReply::Range(kv::read(store, &range.clone().into())?));
        }
    }
    Ok(TxnReply { header: kv::at(store.revision()), succeeded, responses })
}

/// Whether a branch has a put of its own, which costs room.
pub(super) fn has_put(request: &TxnRequest) -> bool {
    let is_put =
        |operation: &RequestOp| matches!(operation.request, Some(Operation::RequestPut(_)));
    request.success.iter().chain(&request.failure).any(is_put)
}

fn branch(request: &TxnRequest, succeeded: bool) -> &[RequestOp] {
    if succeeded { &request.success } else { &request.failure }
}

/// Makes all compares, those of nested transactions on the way too, in the order in which they are
/// carried out. The depth is bounded by the decoder, which follows no more than a hundred messages
/// inside each other.
fn choose<B: Backend>(store: &Store<B>, request: &TxnRequest, path: &mut VecDeque<bool>) {
    let succeeded = request.compare.iter().all(|compare| holds(store, compare));
    path.push_back(succeeded);
    for operation in branch(request, succeeded) {
        if let Some(Operation::RequestTxn(inner)) = &operation.request {
            choose(store, inner, path);
        }
    }
}

/// Makes a check on all chosen operations, in the order in which they are carried out.
fn check<'a>(
    request: &TxnRequest,
    path: &mut impl Iterator<Item = &'a bool>,
    one: &impl Fn(&Operation) -> Result<(), RequestError>,
) -> Result<(), RequestError> {
    let succeeded = *path.next().expect("a choice for each transaction on the way");
    let chosen =
        branch(request, succeeded).iter().filter_map(|operation| operation.request.as_ref());
    for operation in chosen {
        match operation {
            Operation::RequestTxn(inner) => check(inner, path, one)?,
            Operation::RequestPut(_)
            | Operation::RequestRange(_)
            | Operation::RequestDeleteRange(_) => one(operation)?,
        }
    }
    Ok(())
}

/// Whether all chosen operations can be carried out, by the state before the transaction. As etcd
/// does it, all puts are looked at before the first range.
fn check_all<B: Backend>(
    store: &Store<B>,
    lessor: &Lessor,
    request: &TxnRequest,
    path: &VecDeque<bool>,
) -> Result<(), RequestError> {
    check(request, &mut path.iter(), &|operation| {
        if let Operation::RequestPut(put) = operation {
            return kv::check_put_in_txn(store, lessor, put);
        }
        Ok(())
    })?;
    check(request, &mut path.iter(), &|operation| {
        if let Operation::RequestRange(range) = operation {
            return check_range(store, range);
        }
        Ok(())
    })
}

/// Carries out the chosen operations in order. An operation of no kind, which no server lets in,
/// has no answer.
fn carry_out<B: Backend>(
    txn: &mut WriteTxn<'_, B>,
    request: TxnRequest,
    path: &mut VecDeque<bool>,
) -> TxnReply {
    let succeeded = path.pop_front().expect("a choice for each transaction on the way");
    let chosen = if succeeded { request.success } else { request.failure };
    let mut reply = TxnReply { succeeded, ..TxnReply::default() };
    for operation in chosen.into_iter().filter_map(|operation| operation.request) {
        reply.responses.push(match operation {
            Operation::RequestPut(put) => OperationReply::Put(kv::put(txn, put)),
            Operation::RequestDeleteRange(delete) => {
                OperationReply::DeleteRange(kv::delete_range(txn, &delete))
            }
            Operation::RequestRange(range) => {
                let found = kv::range(&range.into(), |keys, options| txn.range(keys, options));
                OperationReply::Range(found.unwrap_or_default())
            }
            Operation::RequestTxn(inner) => OperationReply::Txn(carry_out(txn, inner, path)),
        });
    }
    reply
}

/// Whether a compare holds for every key of its range. For a range without keys it is made with
/// a key that was never written, which has no value to compare.
fn holds<B: Backend>(store: &Store<B>, compare: &Compare) -> bool {
    let found = kv::current(store, &KeyRange::new(&compare.key, &compare.range_end));
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

fn check_range<B: Backend>(store: &Store<B>, range: &RangeRequest) -> Result<(), RequestError> {
    match range.revision {
        0 => Ok(()),
        future if future > store.revision() => Err(RequestError::FutureRevision),
        past if past < store.compact_revision() => Err(RequestError::Compacted),
        _ => Ok(()),
    }
}
