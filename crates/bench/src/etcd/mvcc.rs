//! The store: puts, ranges, restores and the walk of a compaction over the index.

use std::hint::black_box;
use std::ops::Bound;

use bytes::Bytes;
use disk::Disk;
use etcd::mvcc::backend::{BackendOptions, Opened, Opening};
use etcd::mvcc::index::Index;
use etcd::mvcc::{
    Backend, DiskBackend, KeyRange, MemoryBackend, RangeOptions, Revision, Rules, Store,
};

use super::Asked;
use crate::Listener;
use crate::shared::measure::{Effort, blocks};

const KEYS: u64 = 10_000;

pub(super) fn run(filter: &str, effort: Effort, report: Listener<'_>) {
    let mut asked = Asked { filter, effort, report };
    if asked.is_for("mvcc/put") || asked.is_for("mvcc/update") {
        for (case, is_update) in [("mvcc/put", false), ("mvcc/update", true)] {
            put(&mut asked, case, is_update, "memory", &Memory);
            put(&mut asked, case, is_update, "disk", &OnDisk);
        }
    }
    if asked.is_for("mvcc/range") {
        ranges(&mut asked, "memory", &Memory);
        ranges(&mut asked, "disk", &OnDisk);
    }
    if asked.is_for("mvcc/restore") {
        restore(&mut asked, "memory", &Memory);
        restore(&mut asked, "disk", &OnDisk);
    }
    if asked.is_for("mvcc/compact-index") {
        compact_index(&mut asked);
    }
}

/// Where a store lies.
trait Place {
    type Backend: Backend + Clone;
    type Host;

    fn open(&self) -> (Store<Self::Backend>, Self::Host);

    /// Closes the batch, with all of its syncs.
    fn commit(store: &mut Store<Self::Backend>, host: &mut Self::Host);
}

struct Memory;

impl Place for Memory {
    type Backend = MemoryBackend;
    type Host = ();

    fn open(&self) -> (Store, ()) {
        let store = Store::restore(MemoryBackend::default(), Rules::CURRENT);
        (store.expect("an empty backend"), ())
    }

    fn commit(store: &mut Store, (): &mut ()) {
        store.commit();
    }
}

/// The simulator's disk.
struct OnDisk;

impl Place for OnDisk {
    type Backend = DiskBackend;
    type Host = Disk;

    fn open(&self) -> (Store<DiskBackend>, Disk) {
        let mut disk = Disk::new(1 << 34);
        let opened = Opening::begin(&mut disk, "/db", BackendOptions::default());
        let mut opened = opened.expect("an empty disk");
        for ticket in disk.take_issued() {
            disk.complete(ticket);
            if let Opened::Waiting(opening) = opened {
                opened = opening.on_synced(ticket);
            }
        }
        let Opened::Ready(backend) = opened else { unreachable!("all syncs are done") };
        let store = Store::restore(*backend, Rules::CURRENT).expect("an empty backend");
        (store, disk)
    }

    fn commit(store: &mut Store<DiskBackend>, disk: &mut Disk) {
        let backend = store.backend_mut();
        backend.begin_commit(disk).expect("a sound disk");
        while let Some(ticket) = backend.waits_for() {
            disk.complete(ticket);
            backend.on_synced(ticket, disk).expect("a sound disk");
        }
    }
}

/// Keys spread over the key space, as random keys are.
fn keys(count: u64) -> Vec<Bytes> {
    let mixed = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let key = |number| format!("user/{:016x}/{number:032}", mixed(number)).into();
    (0..count).map(key).collect()
}

fn put_all<B: Backend>(store: &mut Store<B>, keys: &[Bytes]) {
    for key in keys {
        let mut txn = store.write();
        txn.put(key.clone(), Bytes::from_static(&[b'v'; 100]), 0);
        txn.end();
    }
}

/// A block is 1,000 puts; on the disk the commit of their batch with them.
const BATCH: usize = 1000;

/// 10,000 keys in batches of a thousand; then all of them again, or a new store.
fn put<P: Place>(asked: &mut Asked<'_, '_>, case: &str, is_update: bool, name: &str, place: &P) {
    let case = format!("{case}/{name}");
    if !case.contains(asked.filter) {
        return;
    }
    let keys = keys(KEYS);
    let filled = || {
        let (mut store, mut host) = place.open();
        if is_update {
            put_all(&mut store, &keys);
            P::commit(&mut store, &mut host);
        }
        (store, host)
    };
    let mut state = (filled(), 0);
    let found = blocks(
        &case,
        BATCH as u64,
        asked.effort,
        &mut state,
        |(at, done)| {
            if *done == keys.len() {
                (*at, *done) = (filled(), 0);
            }
        },
        |((store, host), done)| {
            put_all(store, &keys[*done..*done + BATCH]);
            P::commit(store, host);
            *done += BATCH;
        },
    );
    (asked.report)(&found);
}

fn ranges<P: Place>(asked: &mut Asked<'_, '_>, name: &str, place: &P) {
    let mut keys = keys(KEYS);
    let (mut store, mut host) = place.open();
    put_all(&mut store, &keys);
    P::commit(&mut store, &mut host);
    keys.sort_unstable();
    let some: Vec<KeyRange> =
        keys.iter().step_by(37).map(|key| KeyRange::One(key.clone())).collect();
    let wide: Vec<KeyRange> = (0..keys.len() - 100)
        .step_by(997)
        .map(|from| KeyRange::Until(keys[from].clone(), keys[from + 100].clone()))
        .collect();
    for (what, ranges) in [("one-key", some), ("100-keys", wide)] {
        let case = format!("mvcc/range/{what}/{name}");
        if case.contains(asked.filter) {
            let count = ranges.len() as u64;
            let read = |store: &mut Store<P::Backend>| {
                for range in &ranges {
                    let found = store.range(range, RangeOptions::default());
                    black_box(found.expect("it can be read"));
                }
            };
            (asked.report)(&blocks(&case, count, asked.effort, &mut store, |_| (), read));
        }
    }
}

/// 10,000 keys with ten revisions each; an operation is one revision.
fn restore<P: Place>(asked: &mut Asked<'_, '_>, name: &str, place: &P) {
    let case = format!("mvcc/restore/{name}");
    if !case.contains(asked.filter) {
        return;
    }
    let (mut store, mut host) = place.open();
    for _ in 0..10 {
        put_all(&mut store, &keys(KEYS));
        P::commit(&mut store, &mut host);
    }
    let mut state = (store.backend().clone(), None);
    let found = blocks(
        &case,
        KEYS * 10,
        asked.effort,
        &mut state,
        |(_, restored)| *restored = None,
        |(backend, restored)| {
            let store = Store::restore(backend.clone(), Rules::CURRENT);
            *restored = Some(store.expect("what a store wrote"));
        },
    );
    (asked.report)(&found);
}

/// One compaction at the last revision over 10,000 keys, each with one revision; over a clone, as
/// it is done. `ten-each`: keys with ten revisions, of which nine go.
fn compact_index(asked: &mut Asked<'_, '_>) {
    for (case, times) in
        [("mvcc/compact-index/10000-keys", 1), ("mvcc/compact-index/10000-keys-ten-each", 10)]
    {
        if !case.contains(asked.filter) {
            continue;
        }
        let (keys, mut index, mut at) = (keys(KEYS), Index::default(), 1);
        for key in keys.iter().cycle().take(keys.len() * times) {
            at += 1;
            index.put(key, Revision::new(at, 0));
        }
        let mut state = (index.clone(), Vec::new());
        let found = blocks(
            case,
            1,
            asked.effort,
            &mut state,
            |(copy, kept)| {
                *copy = index.clone();
                kept.clear();
            },
            |(copy, kept)| {
                let mut from = Some(Bound::Unbounded);
                while let Some(bound) = from {
                    from = copy.compact(&bound, 100_000, at, Rules::CURRENT, kept);
                }
            },
        );
        (asked.report)(&found);
    }
}
