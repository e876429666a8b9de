//! From records to what a server boots from.

use bytes::Bytes;
use prost::Message;

use super::{Decoder, Held, Position, Record, RecordKind, Segment, SegmentName, WalError};
use crate::proto::raftpb::{self, ConfState};
use crate::proto::{usual, walpb};

/// Which snapshot a log is read from, or that a snapshot was taken or received here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SnapshotMark {
    /// Last index that the snapshot includes, 0 for none.
    pub index: u64,
    /// Term of that index.
    pub term: u64,
    /// Members at that index; written since 3.5.
    pub conf_state: Option<ConfState>,
}

impl SnapshotMark {
    /// A mark without members, as 3.4 writes it.
    pub fn new(index: u64, term: u64) -> SnapshotMark {
        SnapshotMark { index, term, conf_state: None }
    }

    pub(crate) fn to_proto(&self) -> walpb::Snapshot {
        let conf_state = self.conf_state.clone();
        walpb::Snapshot { index: self.index, term: self.term, conf_state }
    }
}

/// How a torn end is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// Tools: a torn end ends the log; the mark of the snapshot must be there.
    Read,
    /// A server that goes on writing: a torn end is an error, to be repaired first.
    Write,
}

/// What a log holds from a snapshot on.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// Bytes of the `etcdserverpb.Metadata`, the same in all segments.
    pub metadata: Option<Bytes>,
    /// The last one written.
    pub hard_state: raft::HardState,
    /// The entries after the snapshot, without gaps, overwritten ones left out.
    pub entries: Vec<raft::Entry>,
    /// Where the log ends.
    pub end: Position,
    /// The checksum at the end, with which writing goes on.
    pub crc: u32,
    /// The torn record that ended reading.
    pub torn: Option<WalError>,
}

/// Reads a log from a snapshot on: etcd's `ReadAll`.
///
/// Unlike etcd up to 3.6 (issue 22442), an entry at or below the snapshot that overwrites older
/// entries takes those above it away too, and so does a snapshot that was received over a
/// conflicting log. Otherwise entries that were never committed would come back.
pub fn replay(
    segments: &[Segment],
    from: &SnapshotMark,
    mode: ReadMode,
) -> Result<Replay, WalError> {
    read(segments, mode, Reader::new(segments, from))
}

/// Reads a log as released servers do: entries at or below the snapshot are skipped together with
/// the truncation that they imply, and so are marks of received snapshots. Entries that raft took
/// back may return (issue 22442).
pub fn replay_as_released(
    segments: &[Segment],
    from: &SnapshotMark,
    mode: ReadMode,
) -> Result<Replay, WalError> {
    read(segments, mode, Reader { skips_overwrites: true, ..Reader::new(segments, from) })
}

fn read(segments: &[Segment], mode: ReadMode, mut reader: Reader<'_>) -> Result<Replay, WalError> {
    let mut decoder = Decoder::new(segments);
    let torn = loop {
        match decoder.next_record() {
            Ok(Some(record)) => reader.take(&record)?,
            Ok(None) => break None,
            Err(error) if error.is_torn() && mode == ReadMode::Read => break Some(error),
            Err(error) => return Err(error),
        }
    };
    if mode == ReadMode::Read && !reader.is_found {
        return Err(WalError::SnapshotNotFound { index: reader.from.index });
    }
    let (end, crc) = (decoder.end(), decoder.crc());
    let (metadata, hard_state) = (reader.metadata.take(), reader.hard_state);
    let entries = reader.entries_above_start();
    Ok(Replay { metadata, hard_state, entries, end, crc, torn })
}

struct Reader<'a> {
    segments: &'a [Segment],
    from: &'a SnapshotMark,
    is_found: bool,
    metadata: Option<Bytes>,
    hard_state: raft::HardState,
    held: Held,
    /// Only what lies above the start counts.
    skips_overwrites: bool,
}

impl<'a> Reader<'a> {
    fn new(segments: &'a [Segment], from: &'a SnapshotMark) -> Reader<'a> {
        let hard_state = raft::HardState::default();
        Reader {
            segments,
            from,
            is_found: false,
            metadata: None,
            hard_state,
            held: Held::default(),
            skips_overwrites: false,
        }
    }

    fn take(&mut self, record: &Record) -> Result<(), WalError> {
        match record.kind {
            RecordKind::Metadata => self.take_metadata(record),
            RecordKind::Entry => self.take_entry(record),
            RecordKind::State => {
                let state: raftpb::HardState = self.decode(record, "raftpb.HardState")?;
                self.hard_state = state.into();
                self.held.take_commit(self.hard_state.commit);
                Ok(())
            }
            RecordKind::Snapshot => self.take_snapshot(record),
            RecordKind::Crc => Ok(()),
        }
    }

    fn take_metadata(&mut self, record: &Record) -> Result<(), WalError> {
        let metadata = record.data.clone().unwrap_or_default();
        if let Some(known) = self.metadata.as_ref().filter(|known| **known != metadata) {
            return Err(WalError::conflicting(self.place(record), &metadata, known));
        }
        self.metadata = Some(metadata);
        Ok(())
    }

    fn take_entry(&mut self, record: &Record) -> Result<(), WalError> {
        let entry = match record.data.as_ref().and_then(usual::entry) {
            Some(entry) => entry,
            None => self.decode_entry(record)?,
        };
        if self.skips_overwrites && entry.index <= self.from.index {
            return Ok(());
        }
        let is_start = entry.index <= self.from.index.saturating_add(1);
        if !is_start && !self.held.reaches(entry.index) {
            return Err(self.hole(record, entry.index));
        }
        self.held.take_entry(entry);
        Ok(())
    }

    fn decode_entry(&self, record: &Record) -> Result<raft::Entry, WalError> {
        let entry: raftpb::Entry = self.decode(record, "raftpb.Entry")?;
        raft::Entry::try_from(entry).map_err(|detail| {
            let (file, offset) = self.place(record);
            WalError::Malformed { file, offset, what: "raftpb.Entry", detail }
        })
    }

    fn hole(&self, record: &Record, index: u64) -> WalError {
        let (file, offset) = self.place(record);
        let last = self.held.last_index().unwrap_or(self.from.index);
        WalError::Hole { file, offset, index, last }
    }

    fn take_snapshot(&mut self, record: &Record) -> Result<(), WalError> {
        let mark: walpb::Snapshot = self.decode(record, "walpb.Snapshot")?;
        if mark.index == self.from.index {
            if mark.term != self.from.term {
                let (file, offset) = self.place(record);
                let (found, expected) = (mark.term, self.from.term);
                return Err(WalError::SnapshotMismatch { file, offset, found, expected });
            }
            self.is_found = true;
        }
        if !self.skips_overwrites {
            self.held.take_snapshot(mark.index, mark.term);
        }
        Ok(())
    }

    fn entries_above_start(self) -> Vec<raft::Entry> {
        let (index, mut log) = (self.from.index, self.held.into_entries());
        let below = log.partition_point(|entry| entry.index <= index);
        log.drain(..below);
        log
    }

    fn decode<M: Message + Default>(
        &self,
        record: &Record,
        what: &'static str,
    ) -> Result<M, WalError> {
        M::decode(record.data.clone().unwrap_or_default()).map_err(|error| {
            let (file, offset) = self.place(record);
            WalError::Malformed { file, offset, what, detail: error.to_string() }
        })
    }

    fn place(&self, record: &Record) -> (String, u64) {
        let Position { segment, offset } = record.position;
        (self.segments[segment].name.to_string(), offset)
    }
}

/// The marks in the log that a boot may start from: those at or below the commit index. Reads all
/// segments, so that damage anywhere stops a boot: etcd's `ValidSnapshotEntries`.
pub fn valid_snapshots(segments: &[Segment]) -> Result<Vec<SnapshotMark>, WalError> {
    let mut decoder = Decoder::new(segments);
    let from = SnapshotMark::default();
    let mut reader = Reader::new(segments, &from);
    let mut marks: Vec<walpb::Snapshot> = Vec::new();
    loop {
        match decoder.next_record() {
            Ok(Some(record)) if record.kind == RecordKind::Snapshot => {
                marks.push(reader.decode(&record, "walpb.Snapshot")?);
            }
            Ok(Some(record)) if record.kind == RecordKind::State => reader.take(&record)?,
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) if error.is_torn() => break,
            Err(error) => return Err(error),
        }
    }
    marks.retain(|mark| mark.index <= reader.hard_state.commit);
    let mark = |mark: walpb::Snapshot| SnapshotMark {
        index: mark.index,
        term: mark.term,
        conf_state: mark.conf_state,
    };
    Ok(marks.into_iter().map(mark).collect())
}

/// Which of the sorted names a reader that starts at a snapshot needs: from the last one that
/// begins at or below it, and none may be missing from there on. As in etcd, a segment missing
/// right after number 0 goes unnoticed here; the checksum chain tells.
pub fn select<'a>(
    directory: &str,
    names: &'a [SegmentName],
    index: u64,
) -> Result<&'a [SegmentName], WalError> {
    let not_found = || WalError::FileNotFound { directory: directory.into() };
    let start = names.iter().rposition(|name| name.first_index <= index).ok_or_else(not_found)?;
    let selected = &names[start..];
    let follows = |pair: &[SegmentName]| {
        pair[0].sequence == 0 || pair[0].sequence.checked_add(1) == Some(pair[1].sequence)
    };
    if selected.windows(2).all(follows) { Ok(selected) } else { Err(not_found()) }
}
