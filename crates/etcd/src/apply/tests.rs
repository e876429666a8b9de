//! Entries in, state and answers out.

use prost::Message as _;

use super::*;
use crate::membership::{Member, attributes, attributes_path, join_context};
use crate::mvcc::{MemoryBackend, Rules};
use crate::proto::etcdserverpb::RequestHeader;
use crate::proto::rpc::{
    AlarmAction, AlarmRequest, AlarmType, CompactionRequest, Compare, DeleteRangeRequest,
    LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RequestOp, TxnRequest, compare, request_op,
};
use crate::request::{KeyValue, SortOrder, SortTarget};

fn applier() -> Applier {
    Applier::new(Store::restore(MemoryBackend::default(), Rules::CURRENT).unwrap())
}

fn entry(index: u64, data: Vec<u8>) -> Entry {
    Entry { term: 1, index, ..Entry::normal(data) }
}

fn v3(index: u64, request: InternalRaftRequest) -> Entry {
    let header = Some(RequestHeader { id: index * 100, ..RequestHeader::default() });
    entry(index, InternalRaftRequest { header, ..request }.encode_to_vec())
}

fn put_request(index: u64, put: PutRequest) -> Entry {
    v3(index, InternalRaftRequest { put: Some(put), ..InternalRaftRequest::default() })
}

fn put(index: u64, key: &str, value: &str) -> Entry {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    put_request(index, PutRequest { key, value, ..PutRequest::default() })
}

fn delete(index: u64, key: &str) -> Entry {
    let delete =
        DeleteRangeRequest { key: key.to_owned().into(), prev_kv: true, ..Default::default() };
    v3(index, InternalRaftRequest { delete_range: Some(delete), ..Default::default() })
}

fn compact(index: u64, revision: i64) -> Entry {
    let compaction = Some(CompactionRequest { revision, physical: false });
    v3(index, InternalRaftRequest { compaction, ..InternalRaftRequest::default() })
}

fn conf_change(index: u64, change: &ConfChange) -> Entry {
    Entry { entry_type: EntryType::ConfChange, ..entry(index, change.encode().to_vec()) }
}

fn join(index: u64, id: u64) -> Entry {
    let member = Member { id, peer_urls: vec![format!("http://{id}")], ..Member::default() };
    let context = join_context(&member).into();
    conf_change(index, &ConfChange { node_id: id, context, ..ConfChange::default() })
}

fn result(applied: Applied) -> Result<Reply, RequestError> {
    let Applied::V3 { result, .. } = applied else { panic!("not a v3 request: {applied:?}") };
    result
}

fn keys(applier: &Applier, range: &Range) -> Vec<String> {
    let kvs = applier.range(range).unwrap().kvs;
    kvs.iter().map(|kv| String::from_utf8_lossy(&kv.key).into_owned()).collect()
}

fn all() -> Range {
    Range { key: "\0".into(), range_end: "\0".into(), ..Range::default() }
}

#[test]
fn a_put_answers_its_proposer_with_its_revision() {
    let mut applier = applier();
    let Applied::V3 { proposal_id, result } = applier.apply(&put(1, "a", "1")).unwrap() else {
        panic!("a put is a v3 request");
    };
    assert_eq!(proposal_id, 100, "the id in the header");
    assert_eq!(result.unwrap().header().revision, 2, "the first write");
    assert_eq!(applier.applied(), EntryId { term: 1, index: 1 }, "applied");
    assert_eq!(applier.store().consistent_index(), 1, "the store knows the entry");
}

#[test]
fn an_entry_that_the_backend_has_already_changes_membership_alone() {
    let mut first = applier();
    let entries = [join(1, 7), put(2, "a", "1"), put(3, "a", "2"), put(4, "b", "1")];
    for entry in &entries[..3] {
        first.apply(entry).unwrap();
    }
    let backend = first.store().backend().clone();

    let mut again = Applier::new(Store::restore(backend, Rules::CURRENT).unwrap());
    assert_eq!(again.store().consistent_index(), 3, "what the backend has");
    let effects: Vec<Applied> = entries.iter().map(|entry| again.apply(entry).unwrap()).collect();
    assert!(matches!(effects[0], Applied::ConfChange { .. }), "members come from the log");
    assert_eq!(effects[1..3], [Applied::Skipped, Applied::Skipped], "puts do not run twice");
    assert!(matches!(effects[3], Applied::V3 { .. }), "the first new one runs");
    assert!(again.cluster().member(7).is_some(), "the member is known");
    assert_eq!(again.store().revision(), 4, "one revision a put");
    let kv = again.range(&Range { key: "a".into(), ..Range::default() }).unwrap().kvs.remove(0);
    assert_eq!((kv.version, kv.mod_revision), (2, 3), "as before the restart");
}

#[test]
fn previous_values_come_back_on_request() {
    let mut applier = applier();
    applier.apply(&put(1, "a", "1")).unwrap();
    let asked =
        PutRequest { key: "a".into(), value: "2".into(), prev_kv: true, ..Default::default() };
    let Ok(Reply::Put(reply)) = result(applier.apply(&put_request(2, asked)).unwrap()) else {
        panic!("a put is answered by a put");
    };
    assert_eq!(reply.prev_kv.unwrap().value, "1", "what the put replaced");
    let Ok(Reply::DeleteRange(reply)) = result(applier.apply(&delete(3, "a")).unwrap()) else {
        panic!("a delete is answered by a delete");
    };
    assert_eq!((reply.deleted, reply.header.revision), (1, 4), "one key");
    assert_eq!(reply.prev_kvs[0].value, "2", "what was deleted");
    let Ok(Reply::DeleteRange(reply)) = result(applier.apply(&delete(4, "a")).unwrap()) else {
        panic!("a delete is answered by a delete");
    };
    assert_eq!((reply.deleted, reply.header.revision), (0, 4), "nothing left, no revision taken");
}

#[test]
fn ignore_value_keeps_the_value_and_needs_the_key() {
    let mut applier = applier();
    let keep = |key: &str| PutRequest {
        key: key.to_owned().into(),
        ignore_value: true,
        ..PutRequest::default()
    };
    let missing = result(applier.apply(&put_request(1, keep("a"))).unwrap());
    assert_eq!(missing, Err(RequestError::KeyNotFound), "no such key");
    applier.apply(&put(2, "a", "1")).unwrap();
    result(applier.apply(&put_request(3, keep("a"))).unwrap()).unwrap();
    let kv: KeyValue = applier.range(&all()).unwrap().kvs.remove(0);
    assert_eq!((&kv.value[..], kv.version), (&b"1"[..], 2), "kept, and counted");
    let leased = PutRequest { key: "a".into(), lease: 5, ..PutRequest::default() };
    let refused = result(applier.apply(&put_request(4, leased)).unwrap());
    assert_eq!(refused, Err(RequestError::LeaseNotFound), "there are no leases");
    assert_eq!(applier.store().revision(), 3, "a refused put takes no revision");
}

#[test]
fn ranges_are_sorted_before_they_are_cut() {
    let mut applier = applier();
    for (index, key) in (1..).zip(["b", "a", "c", "a"]) {
        applier.apply(&put(index, key, &index.to_string())).unwrap();
    }
    assert_eq!(keys(&applier, &all()), ["a", "b", "c"], "by key");
    let by_mod =
        Range { sort_order: SortOrder::Descend, sort_target: SortTarget::Mod, limit: 2, ..all() };
    assert_eq!(keys(&applier, &by_mod), ["a", "c"], "newest first");
    let cut = applier.range(&Range { limit: 2, ..all() }).unwrap();
    assert_eq!((cut.more, cut.count, cut.kvs.len()), (true, 3, 2), "the limit leaves one out");
    let exact = applier.range(&Range { limit: 3, ..all() }).unwrap();
    assert!(!exact.more, "nothing left out");
    let names = applier.range(&Range { keys_only: true, ..all() }).unwrap();
    assert!(names.kvs.iter().all(|kv| kv.value.is_empty()), "keys only");
    let by_version = Range { sort_target: SortTarget::Version, ..all() };
    assert_eq!(keys(&applier, &by_version), ["b", "c", "a"], "ascending unless said");
}

#[test]
fn compact_refuses_what_is_gone_or_not_there_yet() {
    let mut applier = applier();
    for index in 1..=4 {
        applier.apply(&put(index, "a", "v")).unwrap();
    }
    let reply = result(applier.apply(&compact(5, 4)).unwrap()).unwrap();
    assert_eq!(reply.header().revision, 5, "the current revision, not the compact one");
    let again = result(applier.apply(&compact(6, 4)).unwrap());
    assert_eq!(again, Err(RequestError::Compacted), "a second time");
    let future = result(applier.apply(&compact(7, 99)).unwrap());
    assert_eq!(future, Err(RequestError::FutureRevision), "beyond the end");
    let old = applier.range(&Range { revision: 3, ..all() });
    assert_eq!(old, Err(RequestError::Compacted), "gone for readers at once");
}

#[test]
fn v2_requests_publish_members_and_version() {
    let mut applier = applier();
    applier.apply(&join(1, 0xa)).unwrap();
    let put = |id, path: String, val: String| V2Request {
        id,
        method: "PUT".into(),
        path: path.into(),
        val: val.into(),
        ..V2Request::default()
    };
    let publish = put(9, attributes_path(0xa), attributes("n1", &["http://n1:2379".to_owned()]));
    let published = applier.apply(&entry(2, publish.encode_to_vec())).unwrap();
    assert_eq!(published, Applied::V2 { proposal_id: 9 }, "told to its proposer");
    let version = put(10, "/0/version".to_owned(), "3.4.0".to_owned());
    applier.apply(&entry(3, version.encode_to_vec())).unwrap();
    assert_eq!(applier.cluster().member(0xa).unwrap().name, "n1", "the name is published");
    assert_eq!(applier.cluster().version(), Some("3.4.0"), "and the version agreed");
    assert_eq!(applier.store().revision(), 1, "the v3 store is untouched");
}

#[test]
fn a_change_that_the_cluster_refuses_changes_nothing_in_raft() {
    let mut applier = applier();
    applier.apply(&join(1, 7)).unwrap();
    let remove =
        ConfChange { change_type: ConfChangeType::RemoveNode, node_id: 7, ..ConfChange::default() };
    applier.apply(&conf_change(2, &remove)).unwrap();
    assert!(applier.cluster().is_removed(7), "removed for good");
    let Applied::ConfChange { change, refused } = applier.apply(&join(3, 7)).unwrap() else {
        panic!("a change of the configuration");
    };
    assert_eq!(change.node_id, raft::NONE, "it may not come back");
    assert_eq!(refused, Some(RequestError::MemberNotFound), "as etcd says it");
}

#[test]
fn entries_that_no_server_would_write_stop_the_server_with_a_reason() {
    let stop = |entry: Entry| applier().apply(&entry).unwrap_err().to_string();
    let garbage = stop(entry(1, vec![0xff, 0xff, 0xff]));
    assert!(garbage.starts_with("entry 1: unmarshal should never fail ("), "{garbage}");
    let v2 = stop(Entry { entry_type: EntryType::ConfChangeV2, ..entry(1, Vec::new()) });
    assert!(v2.ends_with("entry type should be either EntryNormal or EntryConfChange"), "{v2}");
}

fn unasked(applier: &mut Applier, index: u64, request: InternalRaftRequest) -> Result<(), String> {
    let Applied::V3 { result, .. } = applier.apply(&v3(index, request)).unwrap() else {
        panic!("a v3 request");
    };
    result.map(|_| ()).map_err(|refusal| refusal.to_string())
}

fn grant(applier: &mut Applier, index: u64, id: i64) -> Result<(), String> {
    let lease_grant = Some(LeaseGrantRequest { ttl: 60, id });
    unasked(applier, index, InternalRaftRequest { lease_grant, ..Default::default() })
}

fn operation(request: request_op::Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn put_operation(key: &str, value: &str) -> RequestOp {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    operation(request_op::Request::RequestPut(PutRequest { key, value, ..Default::default() }))
}

/// `if version(key) == version`.
fn version_is(key: &str, version: i64) -> Compare {
    let target_union = Some(compare::TargetUnion::Version(version));
    Compare { key: key.to_owned().into(), target_union, ..Default::default() }
}

#[test]
fn a_transaction_looks_first_and_then_writes_one_revision() {
    let mut applier = applier();
    applier.apply(&put(1, "a", "1")).unwrap();
    // The inner compare sees `b` as it was: not yet there.
    let inner = TxnRequest {
        compare: vec![version_is("b", 0)],
        success: vec![put_operation("c", "inner")],
        failure: vec![put_operation("d", "never")],
    };
    let outer = TxnRequest {
        compare: vec![version_is("a", 1)],
        success: vec![
            put_operation("b", "outer"),
            operation(request_op::Request::RequestTxn(inner)),
        ],
        failure: vec![put_operation("e", "never")],
    };
    let request = InternalRaftRequest { txn: Some(outer), ..Default::default() };
    assert_eq!(unasked(&mut applier, 2, request), Ok(()), "it is carried out");
    let everything =
        Range { key: "a".into(), range_end: Bytes::from_static(b"\0"), ..Range::default() };
    assert_eq!(keys(&applier, &everything), ["a", "b", "c"], "both branches taken");
    assert_eq!(applier.store().revision(), 3, "as one revision");
}

#[test]
fn a_revoked_lease_takes_its_keys_along() {
    let mut applier = applier();
    assert_eq!(grant(&mut applier, 1, 5), Ok(()), "granted");
    assert_eq!(grant(&mut applier, 2, 5).unwrap_err(), "etcdserver: lease already exists");
    for (index, key) in [(3, "b"), (4, "a")] {
        let put = PutRequest { key: key.into(), lease: 5, ..PutRequest::default() };
        result(applier.apply(&put_request(index, put)).unwrap()).unwrap();
    }
    applier.apply(&put(5, "free", "1")).unwrap();
    let lease_revoke = Some(LeaseRevokeRequest { id: 5 });
    let revoke = InternalRaftRequest { lease_revoke, ..Default::default() };
    assert_eq!(unasked(&mut applier, 6, revoke.clone()), Ok(()), "revoked");
    let everything =
        Range { key: "a".into(), range_end: Bytes::from_static(b"\0"), ..Range::default() };
    assert_eq!(keys(&applier, &everything), ["free"], "its keys are gone");
    assert_eq!(applier.store().revision(), 5, "in one revision");
    let again = unasked(&mut applier, 7, revoke).unwrap_err();
    assert_eq!(again, "etcdserver: requested lease not found", "and so is the lease");
}

#[test]
fn an_alarm_for_space_forbids_what_takes_room_until_it_is_cleared() {
    let mut applier = applier();
    applier.apply(&put(1, "a", "1")).unwrap();
    let alarm = |action: AlarmAction| {
        let (action, alarm) = (action.into(), AlarmType::Nospace.into());
        let alarm = Some(AlarmRequest { action, member_id: 1, alarm });
        InternalRaftRequest { alarm, ..InternalRaftRequest::default() }
    };
    unasked(&mut applier, 2, alarm(AlarmAction::Activate)).unwrap();
    let refused = result(applier.apply(&put(3, "b", "1")).unwrap());
    assert_eq!(refused, Err(RequestError::NoSpace), "no room for a put");
    applier.apply(&delete(4, "a")).unwrap();
    assert_eq!(applier.store().revision(), 3, "but for a deletion");
    unasked(&mut applier, 5, alarm(AlarmAction::Deactivate)).unwrap();
    applier.apply(&put(6, "b", "1")).unwrap();
    assert_eq!(applier.store().revision(), 4, "room again");
}

#[test]
fn a_put_that_keeps_what_its_transaction_deleted_stops_the_server_as_it_does_etcd() {
    let mut applier = applier();
    applier.apply(&put(1, "k", "v")).unwrap();
    let all = DeleteRangeRequest {
        key: "a".into(),
        range_end: Bytes::from_static(b"\0"),
        ..DeleteRangeRequest::default()
    };
    let keeps = PutRequest { key: "k".into(), ignore_value: true, ..PutRequest::default() };
    let txn = TxnRequest {
        success: vec![
            operation(request_op::Request::RequestDeleteRange(all)),
            operation(request_op::Request::RequestPut(keeps)),
        ],
        ..TxnRequest::default()
    };
    let request = InternalRaftRequest { txn: Some(txn), ..InternalRaftRequest::default() };
    let died = applier.apply(&v3(2, request)).unwrap_err();
    assert_eq!(
        died.to_string(),
        "entry 2: unexpected error during txn: etcdserver: key not found",
        "the last word of a real 3.4.23"
    );
}
