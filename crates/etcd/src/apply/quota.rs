//! Room in the backend: what a request may cost, and whether that is left.
//!
//! A server asks before it proposes, and raises its NOSPACE alarm when there is no room. When an
//! entry that was let in finds none, it takes effect all the same, since the other members may
//! have room, and its proposer is told that there was none.
//! Source: etcd release-3.4, `etcdserver/{quota,apply}.go`.

use crate::proto::etcdserverpb::InternalRaftRequest;
use crate::proto::rpc::request_op::Request as Operation;
use crate::proto::rpc::{PutRequest, RequestOp, TxnRequest};

/// What a key costs besides its bytes.
const KEY_OVERHEAD: usize = 256;
/// What a lease costs.
const LEASE_OVERHEAD: usize = 64;

/// Bytes that a request may add to the backend; `None` if it is not asked about room, as what adds
/// nothing is since 3.4.20.
pub(super) fn cost(request: &InternalRaftRequest) -> Option<usize> {
    if let Some(put) = &request.put {
        return Some(cost_of_put(put));
    }
    if let Some(txn) = &request.txn {
        return Some(cost_of_txn(txn)).filter(|cost| *cost > 0);
    }
    request.lease_grant.is_some().then_some(LEASE_OVERHEAD)
}

fn cost_of_put(put: &PutRequest) -> usize {
    KEY_OVERHEAD + put.key.len() + put.value.len()
}

/// The dearer of both branches; what nested transactions put is not counted.
fn cost_of_txn(txn: &TxnRequest) -> usize {
    let cost = |operations: &[RequestOp]| -> usize {
        let cost_of = |operation: &RequestOp| match &operation.request {
            Some(Operation::RequestPut(put)) => cost_of_put(put),
            _ => 0,
        };
        operations.iter().map(cost_of).sum()
    };
    cost(&txn.success).max(cost(&txn.failure))
}
