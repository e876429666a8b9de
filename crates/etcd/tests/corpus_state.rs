//! Directories of real servers, backend and log together: keys and hashes are what the server
//! answered, and after a crash what it answered once it was up again.

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
use etcd::datadir::{DataDir, State};
use etcd::request::{KeyValue, Range};
use serde_json::Value;

/// Directories that hold all that their truth tells of.
const CASES: [(&str, &str); 18] = [
    ("A1_single", "A1_single"),
    ("A2_multiseg64m", "A2_multiseg64m"),
    ("A3_smallseg", "A3_smallseg"),
    ("A4_nospace", "A4_nospace"),
    ("A5_v2store", "A5_v2store"),
    ("A6_purged", "A6_purged"),
    ("A7_compact_on_tombstone", "A7_compact_on_tombstone"),
    ("A8_compact_head_delete", "A8_compact_head_delete"),
    ("B1_lowsnap", "B1_lowsnap"),
    ("B2_kill9", "B2_kill9"),
    ("B3_torn", "B3_torn"),
    ("C_alpha", "C_cluster"),
    ("C_beta", "C_cluster"),
    ("C_gamma", "C_cluster"),
    ("G1_v351_single", "G1_v351_single"),
    ("G2_v351_alpha", "G2_v351_learner"),
    ("G2_v351_beta", "G2_v351_learner"),
    ("G2_v351_gamma", "G2_v351_learner"),
];

fn state(folder: &Path, case: &str) -> State {
    corpus::open(folder, case).state().unwrap_or_else(|error| panic!("{case}: {error}"))
}

fn everything(state: &State, revision: i64) -> Vec<KeyValue> {
    let (key, range_end) = (Bytes::new(), Bytes::from_static(b"\0"));
    state.range(&Range { key, range_end, revision, ..Range::default() }).unwrap().kvs
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| value.as_str().map_or(0, |text| text.parse().unwrap()))
}

fn check_key(case: &str, kv: &KeyValue, truth: &Value, names: [&str; 6]) {
    let [key, value, numbers @ ..] = names;
    assert_eq!(STANDARD.encode(&kv.key), truth[key].as_str().unwrap(), "{case}");
    let ours = [kv.create_revision, kv.mod_revision, kv.version, kv.lease];
    assert_eq!(ours, numbers.map(|name| number(&truth[name])), "{case}");
    let value = truth[value].as_str().unwrap_or_default();
    // Long values are in the truth as digests; the hash of the history covers them.
    assert!(value.starts_with("sha256:") || value == STANDARD.encode(&kv.value), "{case}");
}

/// Of the torn log's keys the truth has the lengths of values.
fn check_outline(case: &str, kvs: &[KeyValue], truth: &Value) {
    let theirs = truth.as_array().unwrap();
    assert_eq!(kvs.len(), theirs.len(), "{case}");
    for (kv, truth) in kvs.iter().zip(theirs) {
        assert_eq!(STANDARD.encode(&kv.key), truth["k"].as_str().unwrap(), "{case}");
        assert_eq!(kv.mod_revision, number(&truth["mr"]), "{case}");
        assert_eq!(kv.value.len() as u64, truth["vlen"], "{case}");
    }
}

#[test]
fn the_keys_are_those_that_the_server_answered() {
    let Some(folder) = corpus::folder() else { return };
    for (case, name) in CASES {
        let (truth, ours) = (corpus::truth(&folder, name), state(&folder, case));
        assert_eq!(ours.store().revision(), number(&truth["revision"]), "{case}");
        let kvs = everything(&ours, 0);
        let Some(get_all) = truth.get("get_all") else {
            check_outline(case, &kvs, &truth["kvs"]);
            continue;
        };
        let theirs = get_all["kvs"].as_array().cloned().unwrap_or_default();
        assert_eq!(kvs.len(), theirs.len(), "{case}");
        let names = ["key", "value", "create_revision", "mod_revision", "version", "lease"];
        for (kv, truth) in kvs.iter().zip(&theirs) {
            check_key(case, kv, truth, names);
        }
        for (revision, theirs) in truth["range_at_rev"].as_object().into_iter().flatten() {
            let kvs = everything(&ours, revision.parse().unwrap());
            let theirs = theirs.as_array().unwrap();
            assert_eq!(kvs.len(), theirs.len(), "{case} at {revision}");
            for (kv, truth) in kvs.iter().zip(theirs) {
                check_key(case, kv, truth, ["k", "v", "cr", "mr", "ver", "lease"]);
            }
        }
    }
}

#[test]
fn the_hashes_are_those_of_endpoint_hashkv() {
    let Some(folder) = corpus::folder() else { return };
    let mut compared = 0;
    for (case, name) in CASES {
        let (truth, state) = (corpus::truth(&folder, name), state(&folder, case));
        let now = (String::from("0"), truth["hashkv"].clone());
        let past = truth["hashkv_at"].as_object().cloned().unwrap_or_default();
        for (revision, theirs) in past.into_iter().chain([now]) {
            match (state.hash_kv(revision.parse().unwrap()), theirs.get(0)) {
                (Ok(ours), Some(theirs)) => {
                    let theirs = &theirs["HashKV"];
                    assert_eq!(theirs["hash"], ours.hash, "{case} at {revision}");
                    assert_eq!(theirs["compact_revision"], ours.compact_revision, "{case}");
                    compared += 1;
                }
                (Err(ours), None) => {
                    assert!(theirs.as_str().unwrap().contains(&ours.to_string()), "{case}");
                }
                (ours, _) => panic!("{case} at {revision}: {ours:?}, etcd says {theirs}"),
            }
        }
    }
    assert!(compared > 40, "{compared} hashes compared");
}

#[test]
fn damaged_directories_that_a_server_boots_hold_what_it_then_served() {
    let Some(folder) = corpus::folder() else { return };
    let verdicts = corpus::json(&folder, "E_verdicts.json");
    let mut compared = 0;
    for (case, verdict) in verdicts.as_object().unwrap() {
        // A server does not see broken key order; it is damage here.
        if verdict["serves"] != true || case == "E32_db_key_order" {
            continue;
        }
        let state = corpus::open(&folder, case).state();
        let Ok(state) = state else { panic!("{case}: {}", state.unwrap_err()) };
        assert_eq!(state.store().revision(), number(&verdict["revision_after"]), "{case}");
        assert_eq!(verdict["hashkv_after"], state.hash_kv(0).unwrap().hash, "{case}");
        compared += 1;
    }
    assert!(compared > 10, "{compared} directories compared");
}

#[test]
fn a_backend_that_cannot_be_read_is_an_error_with_its_place() {
    let Some(folder) = corpus::folder() else { return };
    for (case, place) in [
        ("E13_db_both_meta", "member/snap/db: failed to open database: meta page 0"),
        ("E15_db_leaf_flag", "member/snap/db: page 2 at offset 8192: invalid type"),
        ("E17_db_root_zeroed", "member/snap/db: page 10 at offset 40960: invalid type"),
        ("E18_db_truncated_half", "member/snap/db: page "),
        ("E32_db_key_order", "member/snap/db: offset 21064: bucket key: ff00"),
    ] {
        let error = corpus::open(&folder, case).state().unwrap_err().to_string();
        assert!(error.starts_with(place), "{case}: {error}");
    }
}

#[test]
fn what_the_log_adds_is_counted() {
    let Some(folder) = corpus::folder() else { return };
    let killed = state(&folder, "B2_kill9");
    assert!(killed.applied_index() > killed.backend_index(), "the log has later writes");
    let backend_alone: DataDir = {
        let files = corpus::files(&folder, "B2_kill9").into_iter();
        DataDir::from_files(files.filter(|file| file.path.ends_with("snap/db"))).unwrap()
    };
    let alone = backend_alone.state().unwrap();
    assert!(alone.store().revision() < killed.store().revision(), "which the backend lacks");
}

#[test]
fn entries_that_raft_took_back_do_not_return() {
    let Some(folder) = corpus::folder() else { return };
    // Real servers up to 3.6 serve `ghost/*` from it: issue 22442.
    let kvs = everything(&state(&folder, "J_22442_resurrected"), 0);
    let keys: Vec<&[u8]> = kvs.iter().map(|kv| &kv.key[..]).collect();
    assert_eq!(keys, [b"good/02", b"good/03", b"good/04", b"good/05"]);
}
