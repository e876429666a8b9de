//! Alarms: raised and cleared through the log, and what the raised ones forbid.
//!
//! The `alarm` bucket has each raised alarm as a key, the bytes of an `AlarmMember`. While one of
//! kind NOSPACE stands, nothing is applied that takes room; while one of kind CORRUPT stands,
//! nothing at all. Source: etcd release-3.4, `etcdserver/{apply,api/v3alarm/alarms}.go`.

use std::ops::ControlFlow;

use bytes::Bytes;
use prost::Message as _;

use super::{kv, txn};
use crate::mvcc::{Backend, Bucket, Store};
use crate::proto::etcdserverpb::InternalRaftRequest;
use crate::proto::rpc::{AlarmAction, AlarmMember, AlarmRequest, AlarmType};
use crate::request::{Alarm, AlarmReply, RequestError};

/// Shows, raises or clears alarms. One that did not stand is not in the answer to its clearing.
pub(super) fn alarm<B: Backend>(store: &mut Store<B>, request: AlarmRequest) -> AlarmReply {
    let member = AlarmMember { member_id: request.member_id, alarm: request.alarm };
    let key = member.encode_to_vec();
    let own = Alarm { member_id: member.member_id, kind: member.alarm().into() };
    let stands = raised(store).contains(&own);
    let alarms = match request.action() {
        AlarmAction::Get => {
            let mut alarms = raised(store);
            alarms.retain(|alarm| request.alarm() == AlarmType::None || alarm.kind == own.kind);
            alarms
        }
        AlarmAction::Activate => {
            if !stands {
                store.set(Bucket::Alarm, &key, Bytes::new());
            }
            vec![own]
        }
        AlarmAction::Deactivate if stands => {
            store.unset(Bucket::Alarm, &key);
            vec![own]
        }
        AlarmAction::Deactivate => Vec::new(),
    };
    AlarmReply { header: kv::at(store.revision()), alarms }
}

/// All alarms that stand, by kind and member.
pub(crate) fn raised<B: Backend>(store: &Store<B>) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    store.backend().scan(Bucket::Alarm, &[], None, &mut |key, _| {
        if let Ok(member) = AlarmMember::decode(key) {
            alarms.push(Alarm { member_id: member.member_id, kind: member.alarm().into() });
        }
        ControlFlow::Continue(())
    });
    ordered::sort_by_key(&mut alarms, |alarm| (alarm.kind, alarm.member_id));
    alarms
}

/// Whether an alarm forbids the request.
pub(super) fn permit<B: Backend>(
    store: &Store<B>,
    request: &InternalRaftRequest,
) -> Result<(), RequestError> {
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
        return Err(RequestError::Corrupt);
    }
    if no_space && takes_room { Err(RequestError::NoSpace) } else { Ok(()) }
}
