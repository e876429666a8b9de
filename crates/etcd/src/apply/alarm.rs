//! Alarms: raised and cleared through the log, and what the raised ones forbid.
//!
//! The `alarm` bucket has each raised alarm as a key, the bytes of an `AlarmMember`. While one of
//! kind NOSPACE stands, nothing is applied that takes room; while one of kind CORRUPT stands,
//! nothing at all. Source: etcd release-3.4, `etcdserver/{apply,api/v3alarm/alarms}.go`.

use std::ops::ControlFlow;

use bytes::Bytes;
use prost::Message as _;

use super::{Refusal, txn};
use crate::mvcc::{Backend, Bucket, Store};
use crate::proto::etcdserverpb::InternalRaftRequest;
use crate::proto::rpc::{AlarmAction, AlarmMember, AlarmRequest, AlarmType};

/// Raises or clears an alarm.
pub(super) fn alarm<B: Backend>(store: &mut Store<B>, request: AlarmRequest) {
    let member = AlarmMember { member_id: request.member_id, alarm: request.alarm };
    let key = member.encode_to_vec();
    match request.action() {
        AlarmAction::Get => {}
        AlarmAction::Activate => store.set(Bucket::Alarm, &key, Bytes::new()),
        AlarmAction::Deactivate => store.unset(Bucket::Alarm, &key),
    }
}

/// Whether an alarm forbids the request.
pub(super) fn permit<B: Backend>(
    store: &Store<B>,
    request: &InternalRaftRequest,
) -> Result<(), Refusal> {
    let (mut no_space, mut corrupt) = (false, false);
    store.backend().scan(Bucket::Alarm, &[], None, &mut |key, _| {
        let raised = AlarmMember::decode(key).map(|member| member.alarm());
        no_space |= raised == Ok(AlarmType::Nospace);
        corrupt |= raised == Ok(AlarmType::Corrupt);
        ControlFlow::Continue(())
    });
    let takes_room = request.put.is_some()
        || request.lease_grant.is_some()
        || request.txn.as_ref().is_some_and(txn::has_put);
    let is_of_store = takes_room
        || request.txn.is_some()
        || request.delete_range.is_some()
        || request.compaction.is_some()
        || request.lease_revoke.is_some();
    if corrupt && is_of_store {
        return Err(Refusal::Corrupt);
    }
    if no_space && takes_room { Err(Refusal::NoSpace) } else { Ok(()) }
}
