//! What the core asks of durable storage.

use thiserror::Error;

use crate::config::NO_LIMIT;
use crate::entries::Entries;
use crate::types::{
    ConfState, Entry, HardState, MAX_ENCODED_OVERHEAD, Snapshot, encoded_head, encoded_payload,
    varint_size,
};

/// Why storage did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StorageError {
    /// The index is at or below the last compaction.
    #[error("requested index is unavailable due to compaction")]
    Compacted,
    /// The index is beyond the end of the log.
    #[error("requested entry at index is unavailable")]
    Unavailable,
    /// There is a newer snapshot.
    #[error("requested index is older than the existing snapshot")]
    SnapOutOfDate,
    /// The snapshot is being made; ask again.
    #[error("snapshot is temporarily unavailable")]
    SnapshotTemporarilyUnavailable,
    /// The request makes no sense for this log; etcd's storage panics with this message.
    #[error("{0}")]
    Broken(String),
}

/// The durable part of the log, read only.
///
/// Entries run from `first_index` to `last_index` without a gap. The term of the entry before the
/// first one is known too (the *sentinel*), so that `term` answers from `first_index - 1` on.
///
/// A node asks how far the log goes once, when it starts: from then on it is what the node handed out
/// and heard to be written. Only the front may be compacted, up to what was applied. Entries that
/// are on their way to be applied are not read back.
pub trait Storage {
    /// What was saved last: hard state and the configuration at the newest snapshot.
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError>;

    /// Entries `lo..hi`, as many as fit in `max_size` bytes of their encoded form, at least one.
    fn entries(&self, lo: u64, hi: u64, max_size: u64) -> Result<Entries, StorageError>;

    /// The term of the entry at `index`, from the sentinel on.
    fn term(&self, index: u64) -> Result<u64, StorageError>;

    /// The last index of the log; the sentinel's when the log is empty.
    fn last_index(&self) -> Result<u64, StorageError>;

    /// The first index that `entries` can give: one after the sentinel.
    fn first_index(&self) -> Result<u64, StorageError>;

    /// The newest snapshot.
    fn snapshot(&self) -> Result<Snapshot, StorageError>;
}

/// How many of the entries fit in `max_size` bytes; at least one.
pub(crate) fn fitting<'a>(
    entries: impl Iterator<Item = &'a Entry> + Clone,
    max_size: u64,
) -> usize {
    // Most often all do, as a rough look tells; it ends where they might not.
    let mut rough = 0_u64;
    let surely_fits = |entry: &Entry| {
        rough = rough.saturating_add(entry.payload_size() + MAX_ENCODED_OVERHEAD);
        rough <= max_size
    };
    if max_size == NO_LIMIT || entries.clone().all(surely_fits) {
        return entries.count();
    }
    let mut size = 0_u64;
    let mut count = 0;
    for entry in entries {
        size = size.saturating_add(entry.encoded_size());
        if count > 0 && size > max_size {
            break;
        }
        count += 1;
    }
    count
}

/// Bytes of all entries, which follow one another, in their encoded form.
#[inline]
pub(crate) fn encoded_size(entries: &[Entry]) -> u64 {
    match entries {
        [only] => only.encoded_size(),
        _ => encoded_size_of_several(entries),
    }
}

#[inline(never)]
fn encoded_size_of_several(entries: &[Entry]) -> u64 {
    let [first, .., last] = entries else { return 0 };
    // Most often they are alike but for their payloads.
    if first.term != last.term || varint_size(first.index) != varint_size(last.index) {
        return entries.iter().map(Entry::encoded_size).sum();
    }
    let payloads: u64 = entries.iter().map(|entry| encoded_payload(entry.data.len())).sum();
    entries.len() as u64 * encoded_head(first.term, first.index) + payloads
}

/// Bytes of all entries' payloads.
#[inline]
pub(crate) fn payload_size(entries: &[Entry]) -> u64 {
    match entries {
        [only] => only.payload_size(),
        _ => entries.iter().map(Entry::payload_size).sum(),
    }
}

/// A position in a slice from a distance in the log.
pub(crate) fn position(distance: u64) -> usize {
    usize::try_from(distance).expect("a log in memory is shorter than the address space")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(term: u64, index: u64, payload: usize) -> Entry {
        Entry { term, index, data: vec![7; payload].into(), ..Entry::default() }
    }

    /// Rows whose numbers take as many bytes, and rows whose numbers do not.
    fn rows() -> Vec<Vec<Entry>> {
        let row = |terms: [u64; 4], first: u64, payload| {
            (first..).zip(terms).map(|(index, term)| entry(term, index, payload)).collect()
        };
        vec![
            row([1; 4], 1, 3),
            row([1, 1, 300, 300], 5, 0),
            row([1, 127, 128, 128], 125, 200),
            row([9; 4], 126, 1),
            row([u64::MAX - 1; 4], u64::MAX - 9, 40),
        ]
    }

    #[test]
    fn the_size_of_a_row_is_that_of_its_entries() {
        for row in rows() {
            let one_by_one: u64 = row.iter().map(Entry::encoded_size).sum();
            assert_eq!(encoded_size(&row), one_by_one, "{row:?}");
        }
    }

    #[test]
    fn as_many_entries_fit_as_their_sizes_say_and_at_least_one() {
        for row in rows() {
            for max_size in 0..=encoded_size(&row) + 40 {
                let fits = |count: &usize| encoded_size(&row[..*count]) <= max_size;
                let expected = (1..=row.len()).rev().find(fits).unwrap_or(1);
                assert_eq!(fitting(row.iter(), max_size), expected, "{max_size} for {row:?}");
            }
        }
    }
}
