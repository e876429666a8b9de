//! Watches over the stores of real servers: from the first revision that is left on, the events are
//! those that the server told.

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
use etcd::mvcc::{FileBackend, Store};
use etcd::request::{Event, EventKind, WatchCreate, WatchRequest, WatchStreamId};
use etcd::watch::Watches;
use serde_json::Value;

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
const STREAM: WatchStreamId = WatchStreamId(1);
const TICK_NS: u64 = 100_000_000;

/// Everything that a watch on all keys from `start_revision` on is told.
fn told(store: &Store<FileBackend>, start_revision: i64) -> Vec<Event> {
    let range_end = Bytes::from_static(b"\0");
    let create = WatchCreate { range_end, start_revision, ..WatchCreate::default() };
    let mut watches = Watches::default();
    watches.request(store, 0, STREAM, WatchRequest::Create(create));
    let mut events = Vec::new();
    for tick in 1.. {
        let responses = watches.take_responses();
        let taken = WatchRequest::Taken { responses: responses.len() };
        let compacted = responses.iter().any(|(_, response)| response.compact_revision != 0);
        assert!(!compacted, "nothing is missing");
        events.extend(responses.into_iter().flat_map(|(_, response)| response.events));
        let (synced, unsynced, victims) = watches.counts();
        if synced == 1 {
            assert_eq!((unsynced, victims), (0, 0));
            return events;
        }
        watches.request(store, tick * TICK_NS, STREAM, taken);
        watches.tick(store, tick * TICK_NS);
    }
    unreachable!("the loop ends when the watch is up to date");
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| value.as_str().map_or(0, |text| text.parse().unwrap()))
}

fn check(ours: &Event, truth: &Value) {
    let is_delete = truth["type"] == "DELETE";
    assert_eq!(ours.kind == EventKind::Delete, is_delete);
    let (kv, truth) = (&ours.kv, &truth["kv"]);
    assert_eq!(STANDARD.encode(&kv.key), truth["key"].as_str().unwrap());
    let numbers = [kv.create_revision, kv.mod_revision, kv.version, kv.lease];
    let names = ["create_revision", "mod_revision", "version", "lease"];
    assert_eq!(numbers, names.map(|name| number(&truth[name])));
    let value = truth["value"].as_str().unwrap_or_default();
    assert!(value.starts_with("sha256:") || value == STANDARD.encode(&kv.value));
}

fn compare(folder: &Path, case: &str) -> usize {
    let truth = corpus::truth(folder, case);
    let Some(theirs) = truth["events"].as_array() else { return 0 };
    let state = corpus::open(folder, case).state().unwrap();
    let start = state.store().compact_revision().max(0) + 1;
    let ours = told(state.store(), start);
    assert_eq!(ours.len(), theirs.len(), "{case} from {start}");
    ours.iter().zip(theirs).for_each(|(event, truth)| check(event, truth));
    ours.len()
}

#[test]
fn a_watch_over_a_restored_store_tells_what_the_real_one_told() {
    let Some(folder) = corpus::folder() else { return };
    let compared: usize = CASES.iter().map(|case| compare(&folder, case)).sum();
    assert!(compared > 200, "{compared} events compared");
}
