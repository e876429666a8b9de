//! `MemoryStorage`: the sentinel, overlap, truncation, compaction, and the exact errors.

use raft::{ConfState, Entry, EntryId, MemoryStorage, NO_LIMIT, Snapshot, Storage, StorageError};

fn entry(index: u64, term: u64) -> Entry {
    Entry { index, term, ..Entry::default() }
}

fn entries(range: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    range.map(|index| entry(index, index)).collect()
}

/// Sentinel (3, 3) and entries 4, 5, 6, each of the term of its index.
fn three_to_six() -> MemoryStorage {
    let mut storage = MemoryStorage::new();
    storage.append(entries(1..=6)).unwrap();
    storage.compact(3).unwrap();
    storage
}

fn ids(storage: &MemoryStorage) -> Vec<(u64, u64)> {
    let (lo, hi) = (storage.first_index().unwrap(), storage.last_index().unwrap() + 1);
    let entries = storage.entries(lo, hi, NO_LIMIT).unwrap();
    entries.iter().map(|entry| (entry.index, entry.term)).collect()
}

fn snapshot(index: u64, term: u64) -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.metadata.index = index;
    snapshot.metadata.term = term;
    snapshot.metadata.conf_state = ConfState::of_voters([1, 2, 3]);
    snapshot
}

#[test]
fn a_new_log_is_empty_behind_the_zero_sentinel() {
    let storage = MemoryStorage::new();
    assert_eq!(storage.sentinel(), EntryId { term: 0, index: 0 }, "nothing before");
    assert_eq!((storage.first_index(), storage.last_index()), (Ok(1), Ok(0)), "nothing there");
    assert_eq!(storage.term(0), Ok(0), "the log matches at its beginning");
    assert_eq!(storage.entries(1, 1, NO_LIMIT), Err(StorageError::Unavailable), "only a sentinel");
}

#[test]
fn term_answers_from_the_sentinel_to_the_last_entry() {
    let storage = three_to_six();
    let terms: Vec<_> = (2..=7).map(|index| storage.term(index)).collect();
    let expected =
        [Err(StorageError::Compacted), Ok(3), Ok(4), Ok(5), Ok(6), Err(StorageError::Unavailable)];
    assert_eq!(terms, expected, "the sentinel's entry is gone, its term is not");
}

#[test]
fn entries_honours_bounds() {
    let storage = three_to_six();
    let get = |lo, hi| storage.entries(lo, hi, NO_LIMIT);
    assert_eq!(get(2, 6), Err(StorageError::Compacted), "before the sentinel");
    assert_eq!(get(3, 4), Err(StorageError::Compacted), "the sentinel is no entry");
    assert_eq!(get(4, 7), Ok(entries(4..=6).into()), "all");
    let words = "entries' hi(8) is out of bound lastindex(6)".to_owned();
    assert_eq!(get(4, 8), Err(StorageError::Broken(words)), "beyond the end");
}

#[test]
fn entries_stops_at_the_size_but_gives_at_least_one() {
    let storage = three_to_six();
    let one = entry(4, 4).encoded_size();
    let count = |max_size| storage.entries(4, 7, max_size).unwrap().len();
    assert_eq!(count(0), 1, "at least one");
    assert_eq!((count(2 * one - 1), count(2 * one), count(3 * one - 1)), (1, 2, 2), "as fit");
    assert_eq!(count(3 * one), 3, "all fit");
}

/// What is appended, and the (index, term) of all entries after that.
type Case<'a> = (&'a [Entry], &'a [(u64, u64)]);

#[test]
fn append_overwrites_from_the_first_new_index() {
    let cases: [Case<'_>; 7] = [
        (&[], &[(4, 4), (5, 5), (6, 6)]),
        (&[entry(1, 1), entry(2, 2)], &[(4, 4), (5, 5), (6, 6)]),
        (&[entry(4, 4), entry(5, 5), entry(6, 6)], &[(4, 4), (5, 5), (6, 6)]),
        (&[entry(4, 6), entry(5, 6)], &[(4, 6), (5, 6)]),
        (&[entry(2, 3), entry(3, 3), entry(4, 7)], &[(4, 7)]),
        (&[entry(5, 7)], &[(4, 4), (5, 7)]),
        (&[entry(7, 7)], &[(4, 4), (5, 5), (6, 6), (7, 7)]),
    ];
    for (new, expected) in cases {
        let mut storage = three_to_six();
        storage.append(new).unwrap();
        assert_eq!(ids(&storage), expected, "after {new:?}");
        assert_eq!(storage.sentinel(), EntryId { term: 3, index: 3 }, "the sentinel stays");
    }
}

#[test]
fn append_refuses_a_gap() {
    let mut storage = three_to_six();
    let words = "missing log entry [last: 6, append at: 8]".to_owned();
    assert_eq!(storage.append([entry(8, 8)]), Err(StorageError::Broken(words)), "7 is missing");
    assert_eq!(ids(&storage).len(), 3, "nothing changed");
}

#[test]
#[should_panic(expected = "the log has no gap")]
fn entries_with_a_gap_between_them_are_a_broken_contract() {
    let _ = three_to_six().append([entry(7, 7), entry(9, 9)]);
}

#[test]
fn compact_moves_the_sentinel() {
    let mut storage = three_to_six();
    assert_eq!(storage.compact(3), Err(StorageError::Compacted), "already there");
    storage.compact(5).unwrap();
    assert_eq!(storage.sentinel(), EntryId { term: 5, index: 5 }, "the last one dropped");
    assert_eq!(ids(&storage), [(6, 6)], "the rest");
    storage.compact(6).unwrap();
    assert_eq!(storage.sentinel(), EntryId { term: 6, index: 6 }, "nothing but the sentinel");
    assert_eq!((storage.first_index(), storage.last_index()), (Ok(7), Ok(6)), "empty");
    let words = "compact 9 is out of bound lastindex(6)".to_owned();
    assert_eq!(storage.compact(9), Err(StorageError::Broken(words)), "beyond the end");
}

#[test]
fn slices_handed_out_earlier_survive_append_and_compact() {
    let mut storage = three_to_six();
    let before = storage.entries(4, 7, NO_LIMIT).unwrap();
    storage.append([entry(5, 9), entry(6, 9)]).unwrap();
    storage.compact(5).unwrap();
    assert_eq!(before, entries(4..=6), "as it was when it was given");
    assert_eq!(ids(&storage), [(6, 9)], "as it is now");
}

#[test]
fn clones_do_not_share_changes() {
    let original = three_to_six();
    let mut copy = original.clone();
    copy.append([entry(4, 9)]).unwrap();
    assert_eq!(ids(&original), [(4, 4), (5, 5), (6, 6)], "untouched");
}

#[test]
fn create_snapshot_takes_term_and_configuration() {
    let mut storage = three_to_six();
    let state = ConfState::of_voters([1, 2]);
    let made = storage.create_snapshot(4, Some(state.clone()), "data").unwrap().clone();
    assert_eq!((made.metadata.index, made.metadata.term), (4, 4), "the entry's");
    assert_eq!(made.metadata.conf_state, state, "as given");
    let made = storage.create_snapshot(5, None, "data").unwrap().clone();
    assert_eq!(made.metadata.conf_state, state, "as before when none is given");
    let again = storage.create_snapshot(5, None, "data").cloned();
    assert_eq!(again, Err(StorageError::SnapOutOfDate), "no newer than the last");
    let words = "snapshot 7 is out of bound lastindex(6)".to_owned();
    let beyond = storage.create_snapshot(7, None, "data").cloned();
    assert_eq!(beyond, Err(StorageError::Broken(words)), "beyond the end");
}

#[test]
fn apply_snapshot_replaces_the_log_and_refuses_an_older_one() {
    let mut storage = three_to_six();
    storage.apply_snapshot(snapshot(9, 7)).unwrap();
    assert_eq!(storage.sentinel(), EntryId { term: 7, index: 9 }, "the snapshot's");
    assert_eq!((storage.first_index(), storage.last_index()), (Ok(10), Ok(9)), "empty behind it");
    assert_eq!(storage.term(9), Ok(7), "the log matches at the snapshot");
    assert_eq!(storage.initial_state().unwrap().1.voters, [1, 2, 3], "its configuration");
    let older = storage.apply_snapshot(snapshot(8, 7));
    assert_eq!(older, Err(StorageError::SnapOutOfDate), "older");
    let same = storage.apply_snapshot(snapshot(9, 7));
    assert_eq!(same, Err(StorageError::SnapOutOfDate), "the same again");
}

#[test]
fn apply_snapshot_refuses_one_that_no_entry_could_follow() {
    let mut storage = three_to_six();
    let words = |index| StorageError::Broken(format!("snapshot {index} is out of range"));
    for index in [u64::MAX, u64::MAX / 2 + 1] {
        assert_eq!(storage.apply_snapshot(snapshot(index, 7)), Err(words(index)), "{index}");
    }
    assert_eq!(storage.last_index(), Ok(6), "nothing changed");
    assert_eq!(storage.apply_snapshot(snapshot(u64::MAX / 2, 7)), Ok(()), "the largest");
}
