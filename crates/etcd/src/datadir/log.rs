//! Every record of a log, damage included.
//!
//! Unlike a server's reader this one goes on: behind a wrong checksum with the one that is
//! stored, behind a frame that cannot be read with the next segment.

use bytes::Bytes;
use prost::Message;
use serde::Serialize;

use super::fields::{FieldRange, record_ranges};
use super::request::{Request, request_of};
use crate::proto::raftpb::{self, EntryType};
use crate::proto::walpb;
use crate::wal::{Frame, FrameError, RecordKind, Segment, frame_at};

/// One record, or a frame that is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogRecord {
    /// The segment's name.
    pub file: String,
    /// Where the frame begins.
    pub offset: u64,
    /// The frame in bytes, padding included.
    pub length: u64,
    /// `metadata`, `entry`, `state`, `crc`, `snapshot`; `damaged` for what is none of these.
    pub kind: &'static str,
    /// Index of an entry or a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Term of an entry, a hard state or a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    /// Vote of a hard state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vote: Option<u64>,
    /// Commit index of a hard state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<u64>,
    /// The member of a metadata record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_id: Option<u64>,
    /// The cluster of a metadata record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<u64>,
    /// The checksum that the record carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc: Option<u32>,
    /// Whether that is the checksum of the data so far.
    pub crc_ok: bool,
    /// What an entry asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// What is wrong with this record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Every field's bytes; left out of JSON.
    #[serde(skip)]
    pub fields: Vec<FieldRange>,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The words of the real server.
    pub reason: String,
}

/// Walks over segments.
pub(super) struct Log<'a> {
    segments: &'a [Segment],
    segment: usize,
    offset: u64,
    crc: u32,
}

impl<'a> Log<'a> {
    pub(super) fn new(segments: &'a [Segment]) -> Log<'a> {
        Log { segments, segment: 0, offset: 0, crc: 0 }
    }

    fn next_segment(&mut self) {
        self.segment += 1;
        self.offset = 0;
    }

    fn record(&mut self, segment: &Segment, frame: &Frame) -> LogRecord {
        let mut record = blank(segment, frame.offset, frame.length());
        match walpb::Record::decode(frame.record.clone()) {
            Ok(decoded) => self.fill(&mut record, frame, &decoded),
            Err(error) => {
                record.damage = Some(Damage { reason: format!("proto: {error}") });
                record.fields = record_ranges(frame, None, None);
                self.next_segment();
            }
        }
        record
    }

    fn fill(&mut self, record: &mut LogRecord, frame: &Frame, decoded: &walpb::Record) {
        let kind = RecordKind::from_number(decoded.r#type);
        let data = decoded.data.clone().unwrap_or_default();
        record.crc = Some(decoded.crc);
        record.crc_ok = match kind {
            Some(RecordKind::Crc) => self.crc == 0 || self.crc == decoded.crc,
            _ => crc32c::crc32c_append(self.crc, &data) == decoded.crc,
        };
        record.fields = record_ranges(frame, kind, Some(record.crc_ok));
        self.crc = decoded.crc;
        self.offset += frame.length();
        if !record.crc_ok {
            let is_chain = kind == Some(RecordKind::Crc);
            let reason = if is_chain { "wal: crc mismatch" } else { "walpb: crc mismatch" };
            record.damage = Some(Damage { reason: reason.into() });
        }
        let filled = match kind {
            Some(kind) => fill_data(record, kind, &data).map_err(|error| format!("proto: {error}")),
            None => Err(format!("unexpected block type {}", decoded.r#type)),
        };
        if let Err(reason) = filled {
            record.damage.get_or_insert(Damage { reason });
        }
    }
}

impl Iterator for Log<'_> {
    type Item = LogRecord;

    fn next(&mut self) -> Option<LogRecord> {
        while let Some(segment) = self.segments.get(self.segment) {
            match frame_at(segment, self.offset) {
                Ok(Some(frame)) => return Some(self.record(segment, &frame)),
                Ok(None) => self.next_segment(),
                Err(error) => {
                    let left = segment.len - self.offset;
                    let mut record = blank(segment, self.offset, left);
                    record.damage = Some(Damage { reason: words(error).into() });
                    self.next_segment();
                    return Some(record);
                }
            }
        }
        None
    }
}

fn words(error: FrameError) -> &'static str {
    match error {
        FrameError::UnexpectedEof => "unexpected EOF",
        FrameError::TooLarge { .. } => "wal: max entry size limit exceeded",
    }
}

fn blank(segment: &Segment, offset: u64, length: u64) -> LogRecord {
    LogRecord {
        file: segment.name.to_string(),
        offset,
        length,
        kind: "damaged",
        index: None,
        term: None,
        vote: None,
        commit: None,
        member_id: None,
        cluster_id: None,
        crc: None,
        crc_ok: false,
        request: None,
        damage: None,
        fields: Vec::new(),
    }
}

fn fill_data(
    record: &mut LogRecord,
    kind: RecordKind,
    data: &Bytes,
) -> Result<(), prost::DecodeError> {
    record.kind = kind.as_str();
    match kind {
        RecordKind::Metadata => {
            let metadata = crate::proto::etcdserverpb::Metadata::decode(data.clone())?;
            record.member_id = Some(metadata.node_id);
            record.cluster_id = Some(metadata.cluster_id);
        }
        RecordKind::Entry => fill_entry(record, raftpb::Entry::decode(data.clone())?),
        RecordKind::State => {
            let state = raftpb::HardState::decode(data.clone())?;
            record.term = Some(state.term);
            record.vote = Some(state.vote);
            record.commit = Some(state.commit);
        }
        RecordKind::Snapshot => {
            let mark = walpb::Snapshot::decode(data.clone())?;
            record.index = Some(mark.index);
            record.term = Some(mark.term);
        }
        RecordKind::Crc => {}
    }
    Ok(())
}

fn fill_entry(record: &mut LogRecord, entry: raftpb::Entry) {
    record.term = Some(entry.term);
    record.index = Some(entry.index);
    let request = match EntryType::try_from(entry.r#type) {
        Ok(kind) => request_of(kind, &entry.data.unwrap_or_default()),
        Err(_) => Err(format!("unknown entry type {}", entry.r#type)),
    };
    match request {
        Ok(request) => record.request = Some(request),
        Err(reason) => record.damage = Some(Damage { reason }),
    }
}
