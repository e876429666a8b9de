//! Logs of real servers, applied from the first entry on: every range, hash and member is what
//! the real server answered.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod corpus;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use etcd::apply::Applier;
use etcd::mvcc::{MemoryBackend, Store};
use etcd::request::{KeyValue, Range};
use etcd::server::Version;
use etcd::wal::{ReadMode, SnapshotMark, replay};
use serde_json::Value;

/// Cases whose whole log is there, and their server's release.
const CASES: [&str; 9] = [
    "A1_single",
    "A2_multiseg64m",
    "A3_smallseg",
    "A4_nospace",
    "A5_v2store",
    "A7_compact_on_tombstone",
    "A8_compact_head_delete",
    "B1_lowsnap",
    "B2_kill9",
];
const RELEASE: &str = "3.4.23";

fn applied(folder: &Path, case: &str) -> Applier {
    let directory = corpus::open(folder, case);
    let log = replay(directory.segments(), &SnapshotMark::default(), ReadMode::Read).unwrap();
    let rules = RELEASE.parse::<Version>().unwrap().rules();
    let store = Store::restore(MemoryBackend::default(), rules).unwrap();
    let mut applier = Applier::new(store);
    for entry in &log.entries {
        applier.apply(entry).unwrap_or_else(|error| panic!("{case}: {error}"));
        while applier.step_compaction(1000).is_some() {}
    }
    applier
}

fn everything(applier: &Applier, revision: i64) -> Vec<KeyValue> {
    let (key, range_end) = (Bytes::from_static(b"\0"), Bytes::from_static(b"\0"));
    applier.range(&Range { key, range_end, revision, ..Range::default() }).unwrap().kvs
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

fn check_key(kv: &KeyValue, truth: &Value) {
    assert_eq!(STANDARD.encode(&kv.key), truth["k"].as_str().unwrap());
    let numbers = [kv.create_revision, kv.mod_revision, kv.version, kv.lease];
    assert_eq!(numbers, ["cr", "mr", "ver", "lease"].map(|name| number(&truth[name])));
    let value = truth["v"].as_str().unwrap();
    // Long values are in the truth as digests; the hash of the history covers them.
    assert!(value.starts_with("sha256:") || value == STANDARD.encode(&kv.value));
}

fn check_hash(applier: &Applier, revision: i64, truth: &Value) {
    match (applier.store().hash_kv(revision), truth.get(0)) {
        (Ok(ours), Some(theirs)) => assert_eq!(u64::from(ours.hash), theirs["HashKV"]["hash"]),
        (Err(ours), None) => assert!(truth.as_str().unwrap().contains(&ours.to_string())),
        (ours, _) => panic!("revision {revision}: {ours:?}, etcd says {truth}"),
    }
}

#[test]
fn what_real_servers_applied_is_what_we_apply() {
    let Some(folder) = corpus::folder() else { return };
    for case in CASES {
        let truth = corpus::truth(&folder, case);
        let applier = applied(&folder, case);
        assert_eq!(applier.store().revision(), number(&truth["revision"]), "{case}");
        assert_eq!(number(&truth["compact_revision"]), applier.store().compact_revision().max(0));
        for (revision, keys) in truth["range_at_rev"].as_object().unwrap() {
            let ours = everything(&applier, revision.parse().unwrap());
            let theirs = keys.as_array().unwrap();
            assert_eq!(ours.len(), theirs.len(), "{case} at {revision}");
            ours.iter().zip(theirs).for_each(|(kv, truth)| check_key(kv, truth));
        }
        check_hash(&applier, 0, &truth["hashkv"]);
        for (revision, hash) in truth["hashkv_at"].as_object().unwrap() {
            check_hash(&applier, revision.parse().unwrap(), hash);
        }
    }
}

#[test]
fn members_and_their_names_come_from_the_log() {
    let Some(folder) = corpus::folder() else { return };
    for case in CASES {
        let truth = corpus::truth(&folder, case);
        let applier = applied(&folder, case);
        let theirs = truth["member_list"]["members"].as_array().unwrap();
        let ours: Vec<_> = applier.cluster().members().collect();
        assert_eq!(ours.len(), theirs.len(), "{case}");
        for (member, truth) in ours.iter().zip(theirs) {
            assert_eq!(truth["ID"], member.id);
            assert_eq!(truth["name"], *member.name);
            assert_eq!(truth["peerURLs"], Value::from(member.peer_urls.clone()));
            assert_eq!(truth["clientURLs"], Value::from(member.client_urls.clone()));
        }
    }
}
