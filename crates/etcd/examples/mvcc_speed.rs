//! How fast the store is, on this machine: `cargo run --release --example mvcc_speed`.
//!
//! Each number is the best of several rounds, in nanoseconds an operation. The backend is in
//! memory, so that what is measured is index and store, without the share of a batch commit.

#![allow(
    clippy::disallowed_types,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it measures, and says what it found"
)]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use etcd::mvcc::index::Index;
use etcd::mvcc::{KeyRange, MemoryBackend, RangeOptions, Revision, Rules, Store};

const KEYS: i64 = 10_000;

fn key(number: i64) -> Bytes {
    // Spread over the key space, as random keys are.
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed());
    Bytes::from(format!("user/{mixed:016x}/{number:032}"))
}

fn best(rounds: u32, operations: i64, mut round: impl FnMut() -> u128) -> f64 {
    let best = (0..rounds).map(|_| round()).min().unwrap();
    best as f64 / operations as f64
}

fn timed<T>(work: impl FnOnce() -> T) -> u128 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_nanos()
}

fn filled(keys: i64, times: i64) -> Store {
    let mut store = Store::restore(MemoryBackend::default(), Rules::CURRENT).unwrap();
    for _ in 0..times {
        for number in 0..keys {
            let mut txn = store.write();
            txn.put(key(number), Bytes::from_static(&[b'v'; 100]), 0);
            txn.end();
        }
    }
    store
}

fn index(keys: i64, times: i64) -> Index {
    let mut index = Index::default();
    for time in 0..times {
        for number in 0..keys {
            index.put(&key(number), Revision::new(2 + time * keys + number, 0));
        }
    }
    index
}

fn compact(index: &Index, at: i64) -> u128 {
    let mut index = index.clone();
    timed(|| {
        let mut kept = Vec::new();
        let mut from = Some(std::ops::Bound::Unbounded);
        while let Some(bound) = from {
            from = index.compact(&bound, 100_000, at, Rules::CURRENT, &mut kept);
        }
        kept
    })
}

fn main() {
    let keys: Vec<Bytes> = (0..KEYS).map(key).collect();
    let value = Bytes::from_static(&[b'v'; 100]);
    let put_all = |store: &mut Store| {
        for key in &keys {
            let mut txn = store.write();
            txn.put(key.clone(), value.clone(), 0);
            txn.end();
        }
    };
    let empty = || Store::restore(MemoryBackend::default(), Rules::CURRENT).unwrap();
    let put = best(5, KEYS, || {
        let mut store = empty();
        timed(|| put_all(&mut store))
    });
    let store = filled(KEYS, 1);
    let update = best(5, KEYS, || {
        let mut store = store.clone();
        timed(|| put_all(&mut store))
    });
    let one = best(5, KEYS, || {
        timed(|| {
            for key in &keys {
                let range = KeyRange::One(key.clone());
                black_box(store.range(&range, RangeOptions::default()).unwrap());
            }
        })
    });
    let hundred = best(20, 1, || {
        let options = RangeOptions { limit: 0, ..RangeOptions::default() };
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        let range = KeyRange::Until(sorted[4000].clone(), sorted[4100].clone());
        timed(|| store.range(&range, options).unwrap())
    });
    let large = filled(KEYS, 10);
    let restore = best(3, KEYS * 10, || {
        let backend = large.backend().clone();
        timed(|| Store::restore(backend, Rules::CURRENT).unwrap())
    });
    let (single, tenfold) = (index(KEYS, 1), index(KEYS, 10));
    println!("put                          {put:8.0} ns");
    println!("put-update                   {update:8.0} ns");
    println!("range, one key               {one:8.0} ns");
    println!("range, 100 keys              {hundred:8.0} ns");
    println!("restore, a revision          {restore:8.0} ns");
    for (what, index, at) in [
        ("10,000 keys, one revision each, at the first", &single, 2),
        ("10,000 keys, one revision each, at the last", &single, KEYS + 2),
        ("10,000 keys, ten revisions each, at the first", &tenfold, 2),
        ("10,000 keys, ten revisions each, at the last", &tenfold, KEYS * 10 + 2),
    ] {
        let walk = best(20, 1, || compact(index, at)) / 1000.0;
        println!("index compaction, {what}: {walk:.0} us");
    }
}
