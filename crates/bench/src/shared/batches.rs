//! Batches of sorted keys into an ordered store: the cases, once for every contender.

use super::measure::{Effort, Measurement, blocks};

/// An ordered store that takes batches.
pub trait Batches {
    /// An empty store.
    fn new() -> Self;

    /// Makes all of these durable together, as far as its storage in memory is durable.
    fn commit(&mut self, batch: &[(Vec<u8>, Vec<u8>)]);
}

/// A batch of so many keys as etcd's `key` bucket gets them: 17 bytes that ascend, values of 100.
pub fn batch(first: u64, count: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
    let key = |number: u64| {
        let mut key = number.to_be_bytes().to_vec();
        key.extend_from_slice(b"_\0\0\0\0\0\0\0\0");
        key
    };
    (first..first + count).map(|number| (key(number), vec![b'v'; 100])).collect()
}

/// Batches that an empty store takes before a new one is begun.
const BATCHES: u64 = 20;

/// Commits of 1,000 and 10,000 keys into a store of up to twenty such batches; an operation is one
/// key.
pub fn run<B: Batches>(filter: &str, effort: Effort, report: &mut dyn FnMut(&Measurement)) {
    for (case, count) in [("bolt/commit/1000-keys", 1000), ("bolt/commit/10000-keys", 10_000)] {
        if !case.contains(filter) {
            continue;
        }
        let mut state = (B::new(), batch(0, 0), 0);
        report(&blocks(
            case,
            count,
            effort,
            &mut state,
            |(store, next, done)| {
                if *done % BATCHES == 0 {
                    *store = B::new();
                }
                *next = batch(*done * count, count);
                *done += 1;
            },
            |(store, next, _)| store.commit(next),
        ));
    }
}
