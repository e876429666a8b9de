//! Leases as the log tells of them: granted, and revoked with the keys that hang on them.
//!
//! The `lease` bucket has each lease under its id, eight bytes big endian; a key tells its lease
//! itself. Nothing expires here: a leader whose clock says so revokes through the log. Checkpoints
//! change the remaining time of a running leader and, by default, nothing that is stored.
//! Source: etcd release-3.4, `lease/lessor.go`.

use bytes::Bytes;
use prost::Message as _;

use super::Refusal;
use crate::mvcc::{Backend, Bucket, KeyRange, RangeOptions, Store};
use crate::proto::leasepb::Lease;
use crate::proto::rpc::{LeaseGrantRequest, LeaseRevokeRequest};
use crate::request::RequestError;

/// The shortest lease: election timeouts of a second, and half of that, in whole seconds.
const TTL_MIN: i64 = 2;
const TTL_MAX: i64 = 9_000_000_000;

/// Whether there is such a lease.
pub(super) fn exists<B: Backend>(store: &Store<B>, id: i64) -> bool {
    store.backend().get(Bucket::Lease, &id.to_be_bytes()).is_some()
}

/// Makes a lease.
pub(super) fn grant<B: Backend>(
    store: &mut Store<B>,
    grant: LeaseGrantRequest,
) -> Result<(), Refusal> {
    if grant.id == 0 {
        return Err(RequestError::LeaseNotFound.into());
    }
    if grant.ttl > TTL_MAX {
        return Err(Refusal::LeaseTtlTooLarge);
    }
    if exists(store, grant.id) {
        return Err(Refusal::LeaseExists);
    }
    let lease = Lease { id: grant.id, ttl: grant.ttl.max(TTL_MIN), remaining_ttl: 0 };
    store.set(Bucket::Lease, &grant.id.to_be_bytes(), Bytes::from(lease.encode_to_vec()));
    Ok(())
}

/// Deletes the keys of a lease, in order and as one revision, and then the lease.
pub(super) fn revoke<B: Backend>(
    store: &mut Store<B>,
    revoke: LeaseRevokeRequest,
) -> Result<(), Refusal> {
    if !exists(store, revoke.id) {
        return Err(RequestError::LeaseNotFound.into());
    }
    let found = store.range(&KeyRange::all(), RangeOptions::default());
    let keys = found.map(|found| found.kvs).unwrap_or_default();
    let mut txn = store.write();
    for kv in keys.into_iter().filter(|kv| kv.lease == revoke.id) {
        txn.delete_range(&KeyRange::One(kv.key));
    }
    txn.end();
    store.unset(Bucket::Lease, &revoke.id.to_be_bytes());
    Ok(())
}
