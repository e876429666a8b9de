//! Claims of upstream's tests about the log.

use super::RaftLog;
use crate::entries::Entries;
use crate::error::{Error, Result};
use crate::logger::Silent;
use crate::memory::MemoryStorage;
use crate::storage::{StorageError, encoded_size};
use crate::types::{ConfState, Entry, EntryId, Snapshot, SnapshotMetadata};

type Log = RaftLog<MemoryStorage, Silent>;

fn entry(term: u64, index: u64) -> Entry {
    Entry { term, index, ..Entry::normal("x") }
}

fn id(term: u64, index: u64) -> EntryId {
    EntryId { term, index }
}

fn entries(terms: &[u64], first: u64) -> Entries {
    terms.iter().zip(first..).map(|(term, index)| entry(*term, index)).collect()
}

fn snapshot(term: u64, index: u64) -> Snapshot {
    let metadata = SnapshotMetadata { conf_state: ConfState::of_voters([1]), term, index };
    Snapshot { metadata, ..Snapshot::default() }
}

/// A log whose first entries are stored and the others not.
fn split(stored: &[u64], unstable: &[u64]) -> Log {
    let mut storage = MemoryStorage::new();
    storage.append(entries(stored, 1)).unwrap();
    let mut log = RaftLog::new(storage, Silent, u64::MAX).unwrap();
    log.append(entries(unstable, stored.len() as u64 + 1)).unwrap();
    log
}

/// A log behind a snapshot of term 1, with stored and unstable entries of term 1 behind it.
fn behind(index: u64, stored: u64, unstable: u64, max_applying_size: u64) -> Log {
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(snapshot(1, index)).unwrap();
    storage.append(entries(&vec![1; usize::try_from(stored).unwrap()], index + 1)).unwrap();
    let mut log = RaftLog::new(storage, Silent, max_applying_size).unwrap();
    let terms = vec![1; usize::try_from(unstable).unwrap()];
    log.append(entries(&terms, index + stored + 1)).unwrap();
    log
}

fn terms(log: &Log) -> Vec<u64> {
    let (first, last) = (log.first_index().unwrap(), log.last_index());
    (first..=last).map(|index| log.term(index).unwrap()).collect()
}

fn is_fatal<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Fatal(_)))
}

#[test]
fn find_conflict() {
    let log = split(&[], &[1, 2, 3]);
    let cases: [(u64, &[u64], Option<u64>); 8] = [
        (1, &[], None),
        (1, &[1, 2, 3], None),
        (2, &[2, 3], None),
        (3, &[3], None),
        (1, &[1, 2, 3, 4, 4], Some(4)),
        (4, &[4, 4], Some(4)),
        (1, &[4, 4], Some(1)),
        (3, &[4, 4], Some(3)),
    ];
    for (first, new, expected) in cases {
        let new = entries(new, first);
        let conflict = log.find_conflict(&new).unwrap().map(|position| new[position].index);
        assert_eq!(conflict, expected, "{new:?}");
    }
}

/// Terms of a log, index and term asked for, term and index found.
type ConflictCase<'a> = (&'a [u64], (u64, u64), (u64, u64));

#[test]
fn find_conflict_by_term() {
    // The log begins with a sentinel at 0 of term 0. Index and term asked for; the place found.
    let cases: [ConflictCase<'_>; 9] = [
        (&[2, 2, 4, 4, 4], (5, 4), (4, 5)),
        (&[2, 2, 4, 4, 4], (5, 3), (2, 2)),
        (&[2, 2, 4, 4, 4], (5, 2), (2, 2)),
        (&[2, 2, 4, 4, 4], (5, 1), (0, 0)),
        (&[2, 2, 4, 4, 4], (2, 3), (2, 2)),
        (&[2, 2, 4, 4, 4], (1, 2), (2, 1)),
        (&[2, 2, 4, 4, 4], (0, 9), (0, 0)),
        (&[2, 2, 4, 4, 4], (7, 5), (0, 7)),
        (&[3, 3], (2, 2), (0, 0)),
    ];
    for (log, (index, term), (found_term, found)) in cases {
        let actual = split(&[], log).find_conflict_by_term(index, term).unwrap();
        assert_eq!(actual, id(found_term, found), "{log:?} at {index} with term {term}");
    }
}

#[test]
fn is_up_to_date() {
    let log = split(&[], &[1, 2, 3]);
    let cases = [
        (4, 2, true),
        (4, 3, true),
        (4, 4, true),
        (2, 2, false),
        (2, 4, false),
        (3, 2, false),
        (3, 3, true),
        (3, 4, true),
    ];
    for (term, index, expected) in cases {
        let found = log.is_up_to_date(id(term, index));
        assert_eq!(found, expected, "({term}, {index}): term first");
    }
}

#[test]
fn append() {
    let cases: [(u64, &[u64], &[u64], u64); 4] = [
        (3, &[], &[1, 2], 3),
        (3, &[2], &[1, 2, 2], 3),
        (1, &[2], &[2], 1),
        (2, &[3, 3], &[1, 3, 3], 2),
    ];
    for (first, new, expected, offset) in cases {
        let mut log = split(&[1, 2], &[]);
        let last = log.append(entries(new, first)).unwrap();
        assert_eq!((last, terms(&log)), (expected.len() as u64, expected.to_vec()), "{new:?}");
        assert_eq!(log.unstable.offset(), offset, "what is to be written begins at {offset}");
    }
}

#[test]
fn log_maybe_append() {
    // Before, entries, told commit; then the last new index, the log and its commit index, which
    // is 1 before.
    type Case<'a> = ((u64, u64), &'a [u64], u64, Option<u64>, &'a [u64], u64);
    let cases: [Case<'_>; 10] = [
        ((2, 3), &[4], 3, None, &[1, 2, 3], 1),
        ((3, 4), &[4], 3, None, &[1, 2, 3], 1),
        ((3, 3), &[], 3, Some(3), &[1, 2, 3], 3),
        ((3, 3), &[], 4, Some(3), &[1, 2, 3], 3),
        ((3, 3), &[], 0, Some(3), &[1, 2, 3], 1),
        ((0, 0), &[], 3, Some(0), &[1, 2, 3], 1),
        ((3, 3), &[4], 3, Some(4), &[1, 2, 3, 4], 3),
        ((3, 3), &[4, 4], 9, Some(5), &[1, 2, 3, 4, 4], 5),
        ((2, 2), &[4], 3, Some(3), &[1, 2, 4], 3),
        ((1, 1), &[2, 3], 2, Some(3), &[1, 2, 3], 2),
    ];
    for ((term, index), new, commit, last, expected, committed) in cases {
        let mut log = split(&[], &[1, 2, 3]);
        log.committed = 1;
        let actual = log.maybe_append(id(term, index), &mut entries(new, index + 1), commit);
        assert_eq!(actual, Ok(last), "{new:?} after ({term}, {index})");
        assert_eq!((&terms(&log)[..], log.committed), (expected, committed), "{new:?}");
    }
    let mut log = split(&[], &[1, 2, 3]);
    log.committed = 1;
    let overwrites = log.maybe_append(id(0, 0), &mut entries(&[4], 1), 1);
    assert!(is_fatal(&overwrites), "what is committed is not overwritten");
}

#[test]
fn compaction_side_effects() {
    let mut log = split(&[1; 750], &[1; 250]);
    log.commit_to(1000).unwrap();
    log.applied_to(1000, 0).unwrap();
    log.storage.compact(500).unwrap();
    assert_eq!(log.last_index(), 1000, "the end stays");
    assert!((500..=1000).all(|index| log.matches(id(1, index)) == Ok(true)), "so do the terms");
    let unstable = log.unstable.next_entries();
    assert_eq!((unstable.len(), unstable[0].index), (250, 751), "and what is to be written");
    log.append(entry(1, 1001).into()).unwrap();
    assert_eq!(log.entries(1001, u64::MAX).unwrap().len(), 1, "the log goes on");
}

/// Applied, applying, whether applying is paused by size, whether unstable entries may be applied,
/// whether a snapshot waits; then what comes next. Behind a snapshot at 3 there are a stored entry
/// 4 and unstable entries 5 and 6, of which 4 and 5 are committed.
type Next<'a> = (u64, bool, bool, &'a [u64]);

const NEXT: [Next<'_>; 6] = [
    (3, true, false, &[4, 5]),
    (4, true, false, &[5]),
    (5, true, false, &[]),
    (3, false, false, &[4]),
    (4, false, false, &[]),
    (3, true, true, &[]),
];

fn next_log(applying: u64, with_snapshot: bool) -> Log {
    let mut log = behind(3, 1, 2, u64::MAX);
    log.commit_to(5).unwrap();
    log.accept_applying(applying, 0, true);
    log.applying_paused = false;
    if with_snapshot {
        log.restore(snapshot(1, 9));
    }
    log
}

#[test]
fn has_next_committed_ents() {
    for (applying, allow_unstable, with_snapshot, expected) in NEXT {
        let mut log = next_log(applying, with_snapshot);
        assert_eq!(log.has_next_committed(allow_unstable), !expected.is_empty(), "from {applying}");
        log.applying_paused = true;
        assert!(!log.has_next_committed(allow_unstable), "not while it is paused");
    }
}

#[test]
fn next_committed_ents() {
    for (applying, allow_unstable, with_snapshot, expected) in NEXT {
        let mut log = next_log(applying, with_snapshot);
        let mut next = Entries::default();
        log.take_committed(allow_unstable, &mut next).unwrap();
        let indexes: Vec<_> = next.iter().map(|entry| entry.index).collect();
        assert_eq!(indexes, expected, "from {applying}, unstable: {allow_unstable}");
    }
}

#[test]
fn accept_applying() {
    // The limit is 100 bytes. Index and size handed out; whether applying pauses then.
    for (index, size, allow_unstable, paused) in [
        (3, 100, true, true),
        (5, 100, true, true),
        (4, 99, true, true),
        (5, 99, true, false),
        (4, 99, false, false),
        (5, 101, true, true),
    ] {
        let mut log = behind(3, 1, 2, 100);
        log.commit_to(5).unwrap();
        log.accept_applying(index, size, allow_unstable);
        assert_eq!(log.applying_paused, paused, "up to {index} with {size} bytes");
    }
}

#[test]
fn applied_to() {
    // 105 bytes up to index 5 are being applied, of at most 100.
    for (index, size, left, paused) in
        [(4, 4, 101, true), (4, 5, 100, true), (4, 6, 99, false), (5, 105, 0, false)]
    {
        let mut log = behind(3, 1, 2, 100);
        log.commit_to(5).unwrap();
        log.accept_applying(5, 105, true);
        log.applied_to(index, size).unwrap();
        assert_eq!((log.applied, log.applying), (index, 5), "{index} is applied");
        assert_eq!((log.applying_size, log.applying_paused), (left, paused), "{size} bytes less");
    }
    let mut log = behind(3, 1, 2, 100);
    assert!(is_fatal(&log.applied_to(4, 0)), "nothing that is not committed is applied");
}

#[test]
fn next_unstable_ents() {
    let mut log = split(&[1], &[2, 3]);
    let next = log.unstable.next_entries();
    assert_eq!(next, entries(&[2, 3], 2), "what storage has not");
    log.stable_to(id(3, 3));
    assert_eq!(
        (log.unstable.next_entries(), log.unstable.offset()),
        (Entries::default(), 4),
        "written"
    );
    assert_eq!(split(&[1, 2], &[]).unstable.next_entries(), [], "nothing to write");
}

#[test]
fn commit_to() {
    for (index, expected) in [(3, Ok(3)), (1, Ok(2)), (4, Err(()))] {
        let mut log = split(&[], &[1, 2, 3]);
        log.committed = 2;
        match (log.commit_to(index), expected) {
            (Ok(()), Ok(committed)) => assert_eq!(log.committed, committed, "never back"),
            (result, Err(())) => assert!(is_fatal(&result), "{index} is beyond the log"),
            (Err(error), Ok(_)) => panic!("{index}: {error}"),
        }
    }
}

#[test]
fn stable_to() {
    for ((term, index), offset) in [((1, 1), 2), ((2, 2), 3), ((1, 2), 1), ((1, 3), 1)] {
        let mut log = split(&[], &[1, 2]);
        log.stable_to(id(term, index));
        assert_eq!(log.unstable.offset(), offset, "({term}, {index}) is written");
    }
}

#[test]
fn stable_to_with_snap() {
    // A snapshot at 5 of term 2 is stored; entry 6 is not.
    for (new, (term, index), offset) in [
        (&[][..], (2, 6), 6),
        (&[], (2, 5), 6),
        (&[], (2, 4), 6),
        (&[2], (2, 6), 7),
        (&[2], (2, 5), 6),
        (&[2], (3, 6), 6),
        (&[2], (3, 4), 6),
    ] {
        let mut storage = MemoryStorage::new();
        storage.apply_snapshot(snapshot(2, 5)).unwrap();
        let mut log = RaftLog::new(storage, Silent, u64::MAX).unwrap();
        log.append(entries(new, 6)).unwrap();
        log.stable_to(id(term, index));
        assert_eq!(log.unstable.offset(), offset, "({term}, {index}) with {new:?}");
    }
}

#[test]
fn compaction() {
    let mut log = split(&[1; 1000], &[]);
    for (index, left) in [(300, 700), (500, 500), (800, 200), (900, 100)] {
        log.storage.compact(index).unwrap();
        assert_eq!(log.entries(index + 1, u64::MAX).unwrap().len(), left, "behind {index}");
    }
    assert_eq!(log.storage.compact(300), Err(StorageError::Compacted), "that is gone already");
    assert!(log.storage.compact(1001).is_err(), "that is not there");
}

#[test]
fn log_restore() {
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(snapshot(1000, 1000)).unwrap();
    let log = RaftLog::new(storage, Silent, u64::MAX).unwrap();
    assert_eq!(
        (log.entries(1001, u64::MAX), log.first_index()),
        (Ok(Entries::default()), Ok(1001)),
        "empty"
    );
    assert_eq!((log.committed, log.unstable.offset()), (1000, 1001), "committed up to it");
    assert_eq!(log.term(1000), Ok(1000), "with its term");
}

#[test]
fn is_out_of_bounds() {
    let log = behind(100, 50, 50, u64::MAX);
    for (lo, hi, expected) in [
        (99, 102, Some(StorageError::Compacted)),
        (100, 102, Some(StorageError::Compacted)),
        (101, 101, None),
        (150, 151, None),
        (200, 201, None),
        (201, 201, None),
    ] {
        let result = log.check_bounds(lo, hi);
        assert_eq!(result.err(), expected.map(Error::Storage), "[{lo}, {hi})");
    }
    assert!(is_fatal(&log.check_bounds(201, 202)), "beyond the end");
    assert!(is_fatal(&log.check_bounds(150, 149)), "backwards");
}

#[test]
fn term() {
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(snapshot(1, 100)).unwrap();
    let mut log = RaftLog::new(storage, Silent, u64::MAX).unwrap();
    log.append(entries(&[5, 6, 7], 101)).unwrap();
    let found: Vec<_> = (99..=104).map(|index| log.term_if_known(index).unwrap()).collect();
    assert_eq!(found, [None, Some(1), Some(5), Some(6), Some(7), None], "from the sentinel on");
    assert_eq!(log.term(99), Err(StorageError::Compacted.into()), "below");
    assert_eq!(log.term(104), Err(StorageError::Unavailable.into()), "beyond");
}

#[test]
fn term_with_unstable_snapshot() {
    let mut storage = MemoryStorage::new();
    storage.apply_snapshot(snapshot(1, 100)).unwrap();
    let mut log = RaftLog::new(storage, Silent, u64::MAX).unwrap();
    log.restore(snapshot(1, 105));
    let found: Vec<_> = [100, 104, 105, 106].map(|index| log.term_if_known(index).unwrap()).into();
    assert_eq!(found, [None, None, Some(1), None], "what is stored is void, the snapshot counts");
}

#[test]
fn slice() {
    // A snapshot at 100, stored entries 101 to 150, unstable ones 151 to 200.
    let log = behind(100, 50, 50, u64::MAX);
    let one = entry(1, 150).encoded_size();
    for (lo, hi, max_size, expected) in [
        (101, 102, u64::MAX, 1),
        (149, 151, u64::MAX, 2),
        (149, 153, u64::MAX, 4),
        (151, 153, u64::MAX, 2),
        (101, 201, u64::MAX, 100),
        (149, 153, 0, 1),
        (149, 153, one, 1),
        (149, 153, 2 * one, 2),
        (149, 153, 3 * one - 1, 2),
        (149, 153, 3 * one, 3),
        (151, 155, 2 * one, 2),
        (150, 150, u64::MAX, 0),
    ] {
        let found = log.slice(lo, hi, max_size).unwrap();
        let expected: Vec<_> = (lo..lo + expected).collect();
        let indexes: Vec<_> = found.iter().map(|entry| entry.index).collect();
        assert_eq!(indexes, expected, "[{lo}, {hi}) within {max_size}");
    }
    assert_eq!(log.slice(100, 102, 0), Err(StorageError::Compacted.into()), "compacted");
}

#[test]
fn scan() {
    let log = behind(47, 20, 20, 3 * entry(1, 50).encoded_size());
    let seen = std::cell::RefCell::new(Vec::new());
    let any = log.any(50, 80, |entry| {
        seen.borrow_mut().push(entry.index);
        entry.index == 75
    });
    assert_eq!(any, Ok(true), "found");
    assert_eq!(seen.borrow()[..24], (50..74).collect::<Vec<_>>(), "page by page, each once");
    assert_eq!(log.any(50, 80, |_| false), Ok(false), "to the end");
    let all = log.slice(48, 88, u64::MAX).unwrap();
    assert_eq!(encoded_size(&all), 40 * entry(1, 50).encoded_size(), "nothing is missing");
}
