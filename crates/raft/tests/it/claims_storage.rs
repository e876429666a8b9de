//! Claims of upstream's tests about the log in memory.

use crate::group::entry;
use raft::{ConfState, Entry, MemoryStorage, Snapshot, SnapshotMetadata, Storage, StorageError};

/// A sentinel at 3 of term 3, then entries 4 and 5 of terms 4 and 5.
fn storage() -> MemoryStorage {
    let metadata =
        SnapshotMetadata { conf_state: ConfState::of_voters([1, 2, 3]), index: 3, term: 3 };
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(Snapshot { metadata, ..Snapshot::default() }).unwrap();
    storage.append([entry(4, 4), entry(5, 5)]).unwrap();
    storage
}

fn ids(entries: &[Entry]) -> Vec<(u64, u64)> {
    entries.iter().map(|entry| (entry.term, entry.index)).collect()
}

fn all(storage: &MemoryStorage) -> Vec<(u64, u64)> {
    let (first, last) = (storage.first_index().unwrap(), storage.last_index().unwrap());
    if first > last {
        Vec::new()
    } else {
        ids(&storage.entries(first, last + 1, u64::MAX).unwrap())
    }
}

#[test]
fn storage_term() {
    let terms: Vec<_> = (2..=6).map(|index| storage().term(index)).collect();
    let (below, beyond) = (Err(StorageError::Compacted), Err(StorageError::Unavailable));
    assert_eq!(terms, [below, Ok(3), Ok(4), Ok(5), beyond], "from the sentinel to the end");
}

/// From, to, limit in bytes; then terms and indexes of what comes.
type RangeCase<'a> = ((u64, u64, u64), &'a [(u64, u64)]);

#[test]
fn storage_entries() {
    let mut storage = storage();
    storage.append([entry(6, 6)]).unwrap();
    let one = entry(4, 4).encoded_size();
    let cases: [RangeCase<'_>; 7] = [
        ((4, 5, u64::MAX), &[(4, 4)]),
        ((4, 6, u64::MAX), &[(4, 4), (5, 5)]),
        ((4, 7, u64::MAX), &[(4, 4), (5, 5), (6, 6)]),
        ((4, 7, 0), &[(4, 4)]),
        ((4, 7, 2 * one), &[(4, 4), (5, 5)]),
        ((4, 7, 3 * one - 1), &[(4, 4), (5, 5)]),
        ((4, 7, 3 * one), &[(4, 4), (5, 5), (6, 6)]),
    ];
    for ((lo, hi, max_size), expected) in cases {
        let entries = storage.entries(lo, hi, max_size).unwrap();
        assert_eq!(ids(&entries), expected, "[{lo}, {hi}) within {max_size}: at least one");
    }
    for lo in [2, 3] {
        assert_eq!(storage.entries(lo, 5, u64::MAX), Err(StorageError::Compacted), "from {lo}");
    }
    assert!(storage.entries(4, 8, u64::MAX).is_err(), "beyond the end");
}

#[test]
fn storage_last_index() {
    let mut storage = storage();
    assert_eq!(storage.last_index(), Ok(5), "of the last entry");
    storage.append([entry(5, 6)]).unwrap();
    assert_eq!(storage.last_index(), Ok(6), "grows with it");
    assert_eq!(MemoryStorage::new().last_index(), Ok(0), "empty");
}

#[test]
fn storage_first_index() {
    let mut storage = storage();
    assert_eq!(storage.first_index(), Ok(4), "behind the sentinel");
    storage.compact(4).unwrap();
    assert_eq!(storage.first_index(), Ok(5), "moves with it");
}

#[test]
fn storage_compact() {
    for (index, expected, rest) in [
        (2, Err(StorageError::Compacted), vec![(4, 4), (5, 5)]),
        (3, Err(StorageError::Compacted), vec![(4, 4), (5, 5)]),
        (4, Ok(()), vec![(5, 5)]),
        (5, Ok(()), vec![]),
    ] {
        let mut storage = storage();
        assert_eq!(storage.compact(index), expected, "to {index}");
        assert_eq!(all(&storage), rest, "to {index}");
        let sentinel = index.max(3);
        assert_eq!(storage.term(sentinel), Ok(sentinel), "the sentinel's term stays known");
    }
    assert!(matches!(storage().compact(6), Err(StorageError::Broken(_))), "beyond the end");
}

#[test]
fn storage_create_snapshot() {
    let state = ConfState::of_voters([1, 2]);
    for index in [4, 5] {
        let mut storage = storage();
        let snapshot = storage.create_snapshot(index, Some(state.clone()), "data").unwrap().clone();
        let metadata = SnapshotMetadata { conf_state: state.clone(), index, term: index };
        assert_eq!(snapshot, Snapshot { data: "data".into(), metadata }, "at {index}");
        assert_eq!(storage.create_snapshot(3, None, ""), Err(StorageError::SnapOutOfDate), "older");
    }
}

/// Terms and indexes of what comes, and of the log then; why.
type AppendCase<'a> = (&'a [(u64, u64)], &'a [(u64, u64)], &'a str);

#[test]
fn storage_append() {
    let cases: [AppendCase<'_>; 6] = [
        (&[(1, 1), (2, 2)], &[(4, 4), (5, 5)], "all of it is compacted"),
        (&[(4, 4), (5, 5)], &[(4, 4), (5, 5)], "the same again"),
        (&[(6, 4), (6, 5)], &[(6, 4), (6, 5)], "overwrites"),
        (&[(4, 4), (5, 5), (5, 6)], &[(4, 4), (5, 5), (5, 6)], "goes on"),
        (&[(3, 2), (3, 3), (5, 4)], &[(5, 4)], "compacted part left out, tail cut"),
        (&[(5, 6)], &[(4, 4), (5, 5), (5, 6)], "at the end"),
    ];
    for (new, expected, why) in cases {
        let mut storage = storage();
        let entries: Vec<_> = new.iter().map(|(term, index)| entry(*term, *index)).collect();
        storage.append(&entries[..]).unwrap();
        assert_eq!(all(&storage), expected, "{why}");
    }
    assert!(matches!(storage().append([entry(5, 7)]), Err(StorageError::Broken(_))), "a gap");
}

#[test]
fn storage_apply_snapshot() {
    let at = |index| {
        let metadata =
            SnapshotMetadata { conf_state: ConfState::of_voters([1]), index, term: index };
        Snapshot { data: "data".into(), metadata }
    };
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(at(4)).unwrap();
    assert_eq!(storage.snapshot(), Ok(at(4)), "kept");
    assert_eq!((storage.first_index(), storage.last_index()), (Ok(5), Ok(4)), "the log is empty");
    assert_eq!(storage.apply_snapshot(at(3)), Err(StorageError::SnapOutOfDate), "never back");
}
