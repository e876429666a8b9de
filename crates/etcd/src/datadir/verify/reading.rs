//! The log as a real server reads it at a boot, the known mistake included.
//!
//! Unlike [`crate::wal::replay`] this follows the releases up to 3.6 where they are wrong: entries
//! at or below the snapshot are skipped together with the truncation that they imply (issue
//! 22442), and a mark that is missing is no error. Source: `wal/wal.go` and `wal/repair.go` of
//! 3.4.23 and 3.5.12, `etcdserver/storage.go`.

use crate::proto::strict::{self, Shape};
use crate::proto::{raftpb, walpb};
use crate::wal::{
    Decoder, Position, Record, RecordKind, RecordLimit, Segment, SnapshotMark, WalError,
};

/// What a boot has of the log.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    pub(super) metadata: Option<bytes::Bytes>,
    pub(super) hard_state: raft::HardState,
    pub(super) entries: Vec<raft::Entry>,
    /// Where the log ends.
    pub(super) end: Position,
}

/// Why reading stops.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// An error that etcd returns.
    Error(WalError),
    /// `pbutil.MustUnmarshal`: a panic.
    Panic { words: String, position: Position },
}

impl From<WalError> for Stop {
    fn from(error: WalError) -> Stop {
        Stop::Error(error)
    }
}

/// The marks of snapshots at or below the commit index: `ValidSnapshotEntries`.
pub(super) fn marks(segments: &[Segment], limit: RecordLimit) -> Result<Vec<SnapshotMark>, Stop> {
    let mut decoder = Decoder::with_limit(segments, limit);
    let (mut marks, mut commit) = (Vec::new(), 0);
    loop {
        match decoder.next_record() {
            Ok(Some(record)) => match record.kind {
                RecordKind::Snapshot => {
                    let mark: walpb::Snapshot = must(&strict::SNAPSHOT_MARK, &record)?;
                    marks.push(SnapshotMark {
                        conf_state: mark.conf_state,
                        ..SnapshotMark::new(mark.index, mark.term)
                    });
                }
                RecordKind::State => {
                    let state: raftpb::HardState = must(&strict::HARD_STATE, &record)?;
                    commit = state.commit;
                }
                RecordKind::Metadata | RecordKind::Entry | RecordKind::Crc => {}
            },
            Ok(None) => break,
            Err(WalError::UnexpectedBlockType { .. }) => {}
            Err(error) if error.is_torn() => break,
            Err(error) => return Err(error.into()),
        }
    }
    marks.retain(|mark| mark.index <= commit);
    Ok(marks)
}

/// `ReadAll` of a log that is written to.
pub(super) fn read_all(
    segments: &[Segment],
    from: &SnapshotMark,
    limit: RecordLimit,
) -> Result<Read, Stop> {
    let mut decoder = Decoder::with_limit(segments, limit);
    let mut read = Read::default();
    while let Some(record) = decoder.next_record()? {
        take(&mut read, segments, from, &record)?;
    }
    read.end = decoder.end();
    Ok(read)
}

fn take(
    read: &mut Read,
    segments: &[Segment],
    from: &SnapshotMark,
    record: &Record,
) -> Result<(), Stop> {
    let place = || {
        let Position { segment, offset } = record.position;
        (segments[segment].name.to_string(), offset)
    };
    match record.kind {
        RecordKind::Entry => {
            let entry: raftpb::Entry = must(&strict::ENTRY, record)?;
            let index = entry.index;
            let Some(above) = index.checked_sub(from.index.saturating_add(1)) else {
                return Ok(());
            };
            let above = usize::try_from(above).ok().filter(|at| *at <= read.entries.len());
            let Some(above) = above else {
                let (file, offset) = place();
                let last = read.entries.last().map_or(from.index, |entry| entry.index);
                return Err(WalError::Hole { file, offset, index, last }.into());
            };
            read.entries.truncate(above);
            let entry = raft::Entry::try_from(entry)
                .map_err(|words| Stop::Panic { words, position: record.position })?;
            read.entries.push(entry);
        }
        RecordKind::State => {
            let state: raftpb::HardState = must(&strict::HARD_STATE, record)?;
            read.hard_state = state.into();
        }
        RecordKind::Metadata => {
            let metadata = record.data.clone().unwrap_or_default();
            if let Some(known) = read.metadata.as_ref().filter(|known| **known != metadata) {
                return Err(WalError::conflicting(place(), &metadata, known).into());
            }
            read.metadata = Some(metadata);
        }
        RecordKind::Snapshot => {
            let mark: walpb::Snapshot = must(&strict::SNAPSHOT_MARK, record)?;
            if mark.index == from.index && mark.term != from.term {
                let (file, offset) = place();
                let (found, expected) = (mark.term, from.term);
                return Err(WalError::SnapshotMismatch { file, offset, found, expected }.into());
            }
        }
        RecordKind::Crc => {}
    }
    Ok(())
}

/// `pbutil.MustUnmarshal`.
fn must<M: prost::Message + Default>(shape: &Shape, record: &Record) -> Result<M, Stop> {
    let data = record.data.clone().unwrap_or_default();
    let panic = |words: &str| Stop::Panic {
        words: format!("unmarshal should never fail ({words})"),
        position: record.position,
    };
    strict::check(shape, &data).map_err(|refused| panic(refused.words()))?;
    M::decode(data).map_err(|error| panic(&error.to_string()))
}

/// What `Repair` does to the last segment: its good length, or nothing when it gives up.
pub(super) fn repaired_len(segments: &[Segment], limit: RecordLimit) -> Option<u64> {
    let last = segments.last()?;
    let mut decoder = Decoder::with_limit(std::slice::from_ref(last), limit);
    loop {
        match decoder.next_record() {
            Ok(Some(_)) | Err(WalError::UnexpectedBlockType { .. }) => {}
            Ok(None) => return Some(last.len),
            Err(error) if error.is_torn() => return Some(decoder.end().offset),
            Err(_) => return None,
        }
    }
}
