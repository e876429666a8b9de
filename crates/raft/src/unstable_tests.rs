//! Claims of upstream's tests about the unstable end of the log.

use super::Unstable;
use crate::entries::Entries;
use crate::logger::Silent;
use crate::types::{Entry, EntryId, Snapshot, SnapshotMetadata};

fn entry(term: u64, index: u64) -> Entry {
    Entry { term, index, ..Entry::default() }
}

fn snapshot(term: u64, index: u64) -> Snapshot {
    let metadata = SnapshotMetadata { index, term, ..SnapshotMetadata::default() };
    Snapshot { metadata, ..Snapshot::default() }
}

/// Entries from index 5 on, of these terms.
fn of(terms: &[u64]) -> Unstable {
    let mut unstable = Unstable::new(5);
    let entries: Entries = terms.iter().zip(5..).map(|(term, index)| entry(*term, index)).collect();
    if !entries.is_empty() {
        unstable.truncate_and_append(entries, &Silent);
    }
    unstable
}

/// A snapshot at 4 of term 1, and entries from 5 on.
fn behind_snapshot(terms: &[u64]) -> Unstable {
    Unstable { snapshot: Some(snapshot(1, 4)), ..of(terms) }
}

fn ids(entries: &[Entry]) -> Vec<(u64, u64)> {
    entries.iter().map(|entry| (entry.term, entry.index)).collect()
}

fn all(unstable: &Unstable) -> Vec<(u64, u64)> {
    unstable.range(unstable.kept, unstable.end).map(|entry| (entry.term, entry.index)).collect()
}

#[test]
fn unstable_maybe_first_index() {
    assert_eq!((of(&[1]).first_index(), of(&[]).first_index()), (None, None), "storage knows");
    assert_eq!(behind_snapshot(&[]).first_index(), Some(5), "the snapshot decides");
    assert_eq!(behind_snapshot(&[1]).first_index(), Some(5), "with entries too");
}

#[test]
fn maybe_last_index() {
    let last = |unstable: Unstable| unstable.end - 1;
    assert_eq!(last(of(&[1])), 5, "of the last entry");
    assert_eq!(last(behind_snapshot(&[1])), 5, "of the last entry");
    assert_eq!(last(behind_snapshot(&[])), 4, "of the snapshot");
    assert_eq!(last(of(&[])), 4, "storage's");
}

#[test]
fn unstable_maybe_term() {
    let terms = |unstable: Unstable| (3..=6).map(|index| unstable.term(index)).collect::<Vec<_>>();
    assert_eq!(terms(of(&[2])), [None, None, Some(2), None], "entries");
    assert_eq!(terms(behind_snapshot(&[2])), [None, Some(1), Some(2), None], "and the snapshot");
    assert_eq!(terms(behind_snapshot(&[])), [None, Some(1), None, None], "the snapshot alone");
    assert_eq!(terms(of(&[])), [None; 4], "nothing");
}

#[test]
fn unstable_restore() {
    let mut unstable = behind_snapshot(&[1]);
    unstable.accept_in_progress();
    unstable.restore(snapshot(2, 6));
    assert_eq!((unstable.offset(), unstable.offset_in_progress()), (7, 7), "begins behind it");
    assert_eq!((unstable.len(), unstable.has_next_entries()), (0, false), "without entries");
    assert_eq!(unstable.next_snapshot(), Some(&snapshot(2, 6)), "which is to be written");
}

#[test]
fn unstable_next_entries() {
    let mut unstable = of(&[1, 1]);
    assert_eq!(ids(&unstable.next_entries()), [(1, 5), (1, 6)], "none is being written");
    unstable.accept_in_progress();
    assert_eq!(unstable.next_entries(), [], "all are");
    unstable.truncate_and_append(entry(1, 7).into(), &Silent);
    assert_eq!(ids(&unstable.next_entries()), [(1, 7)], "the rest");
}

#[test]
fn unstable_next_snapshot() {
    assert_eq!(of(&[1]).next_snapshot(), None, "there is none");
    let mut unstable = behind_snapshot(&[]);
    assert_eq!(unstable.next_snapshot(), Some(&snapshot(1, 4)), "to be written");
    unstable.accept_in_progress();
    assert_eq!(unstable.next_snapshot(), None, "being written");
    assert!(unstable.snapshot().is_some(), "but not written yet");
}

#[test]
fn unstable_accept_in_progress() {
    for (unstable, expected) in [
        (of(&[]), (5, false)),
        (of(&[1]), (6, false)),
        (of(&[1, 1]), (7, false)),
        (behind_snapshot(&[]), (5, true)),
        (behind_snapshot(&[1, 1]), (7, true)),
    ] {
        let mut accepted = unstable.clone();
        accepted.accept_in_progress();
        let actual = (accepted.offset_in_progress(), accepted.snapshot_in_progress);
        assert_eq!(actual, expected, "{unstable:?}");
        accepted.accept_in_progress();
        assert_eq!(accepted.offset_in_progress(), expected.0, "a second time changes nothing");
    }
}

/// The entries' terms, what is acknowledged; then the offset and how many are left; why.
type StableCase<'a> = (&'a [u64], (u64, u64), (u64, usize), &'a str);

#[test]
fn unstable_stable_to() {
    let cases: [StableCase<'_>; 8] = [
        (&[], (1, 5), (5, 0), "nothing there"),
        (&[1], (1, 5), (6, 0), "the only one"),
        (&[1, 1], (1, 5), (6, 1), "the first one"),
        (&[2], (1, 5), (5, 1), "it was replaced: of another term"),
        (&[1], (1, 4), (5, 1), "it is stable already"),
        (&[3], (2, 4), (5, 1), "stable already, of an older term"),
        (&[1, 2], (2, 6), (7, 0), "with all before it"),
        (&[1], (1, 6), (5, 1), "not there yet"),
    ];
    for (terms, (term, index), expected, why) in cases {
        for in_progress in [false, true] {
            let mut unstable = of(terms);
            if in_progress {
                unstable.accept_in_progress();
            }
            unstable.stable_to(EntryId { term, index }, &Silent);
            assert_eq!((unstable.offset(), unstable.len()), expected, "{why}");
            assert!(unstable.offset_in_progress() >= unstable.offset(), "{why}");
        }
    }
    let mut unstable = behind_snapshot(&[1]);
    unstable.stable_to(EntryId { term: 1, index: 4 }, &Silent);
    assert_eq!((unstable.offset(), unstable.len()), (5, 1), "the snapshot's own index is not ours");
}

type Ids<'a> = &'a [(u64, u64)];

/// Terms, whether they are being written, what comes; then offset, what is being written, all.
type AppendCase<'a> = (&'a [u64], bool, Ids<'a>, (u64, u64), Ids<'a>);

#[test]
fn unstable_truncate_and_append() {
    let cases: [AppendCase<'_>; 7] = [
        (&[1], false, &[(1, 6), (1, 7)], (5, 5), &[(1, 5), (1, 6), (1, 7)]),
        (&[1], true, &[(1, 6)], (5, 6), &[(1, 5), (1, 6)]),
        (&[1], false, &[(2, 5), (2, 6)], (5, 5), &[(2, 5), (2, 6)]),
        (&[1], false, &[(2, 4), (2, 5)], (4, 4), &[(2, 4), (2, 5)]),
        (&[1], true, &[(2, 4)], (4, 4), &[(2, 4)]),
        (&[1, 1, 1], false, &[(2, 6)], (5, 5), &[(1, 5), (2, 6)]),
        (&[1, 1, 1], true, &[(2, 7), (2, 8)], (5, 7), &[(1, 5), (1, 6), (2, 7), (2, 8)]),
    ];
    for (terms, in_progress, new, offsets, expected) in cases {
        let mut unstable = of(terms);
        if in_progress {
            unstable.accept_in_progress();
        }
        let entries: Entries = new.iter().map(|(term, index)| entry(*term, *index)).collect();
        unstable.truncate_and_append(entries, &Silent);
        let actual = (unstable.offset(), unstable.offset_in_progress());
        assert_eq!(actual, offsets, "{terms:?}, then {new:?}");
        assert_eq!(all(&unstable), expected, "{terms:?}, then {new:?}");
    }
}

/// Whatever is shared, handed out, cut and appended: entries are read as from a plain row.
#[test]
fn unstable_entries_are_those_of_a_plain_row() {
    let mut state = 7_u64;
    let mut below = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % bound
    };
    let (mut unstable, mut row) = (Unstable::new(1), Vec::new());
    let mut largest = 0;
    for step in 1..=1500 {
        let (kept, end) = (unstable.kept, unstable.end);
        match below(8) {
            0..=2 => {
                // Behind the last one, or in place of some.
                let lowest = unstable.offset.max(end.saturating_sub(3));
                let first = if below(4) == 0 { lowest + below(end - lowest + 1) } else { end };
                let count = if below(2) == 0 { 1 } else { 1 + below(5) };
                let new: Vec<_> = (first..first + count).map(|index| entry(step, index)).collect();
                row.retain(|entry: &Entry| entry.index < first);
                row.extend(new.iter().cloned());
                unstable.truncate_and_append(new.into(), &Silent);
            }
            3 => unstable.share(),
            4 => {
                let from = unstable.offset_in_progress;
                let next: Vec<_> =
                    row.iter().filter(|entry| entry.index >= from).cloned().collect();
                assert_eq!(unstable.next_entries(), next, "step {step}: to be written");
                unstable.accept_in_progress();
            }
            5 if unstable.offset < unstable.offset_in_progress => {
                let index = unstable.offset + below(unstable.offset_in_progress - unstable.offset);
                let term = unstable.entry(index).unwrap().term;
                unstable.stable_to(EntryId { term, index }, &Silent);
            }
            6 => {
                let index = kept + below(end - kept + 1);
                unstable.handed_out(index);
            }
            _ => {
                if let Some(only) = unstable.give_only(kept, kept + 1) {
                    assert_eq!((&only, end), (&row[0], kept + 1), "step {step}: the only one");
                }
            }
        }
        row.retain(|entry| entry.index >= unstable.kept);
        largest = largest.max(row.len());
        assert_eq!(all(&unstable), ids(&row), "step {step}");
        for (at, expected) in row.iter().enumerate() {
            assert_eq!(unstable.entry(expected.index), Some(expected), "step {step}");
            let rest = unstable.slice(expected.index, unstable.end, u64::MAX);
            assert_eq!(rest[..], row[at..], "step {step}: from {} on", expected.index);
        }
        let last = row.last().filter(|_| !unstable.row.is_empty());
        assert_eq!(unstable.last_at(unstable.end - 1), last, "step {step}: the last one");
    }
    assert!(largest > 10, "there were many at a time: {largest}");
}

#[test]
fn unstable_entries_that_were_handed_out_are_not_copied() {
    let mut unstable = of(&[1, 1, 1]);
    let written = unstable.next_entries();
    unstable.accept_in_progress();
    unstable.truncate_and_append(entry(1, 8).into(), &Silent);
    let sent = unstable.slice(5, 8, u64::MAX);
    assert_eq!(written.as_ptr(), sent.as_ptr(), "the same memory");
}
