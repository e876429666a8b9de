//! Frames into records, as strict as etcd's own reader.

use bytes::Bytes;
use prost::Message;

use super::frame::{self, frame_within};
use super::{FRAME_HEADER_BYTES, Frame, FrameError, RecordLimit, Segment, WalError};
use crate::proto::strict::{self, Refused};
use crate::proto::{usual, walpb};

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// `etcdserverpb.Metadata`.
    Metadata,
    /// `raftpb.Entry`.
    Entry,
    /// `raftpb.HardState`.
    State,
    /// The checksum carried over from the segment before.
    Crc,
    /// `walpb.Snapshot`.
    Snapshot,
}

impl RecordKind {
    /// The number in the record.
    pub fn number(self) -> u8 {
        match self {
            RecordKind::Metadata => 1,
            RecordKind::Entry => 2,
            RecordKind::State => 3,
            RecordKind::Crc => 4,
            RecordKind::Snapshot => 5,
        }
    }

    /// The kind of that number.
    pub fn from_number(number: i64) -> Option<RecordKind> {
        let all = [
            RecordKind::Metadata,
            RecordKind::Entry,
            RecordKind::State,
            RecordKind::Crc,
            RecordKind::Snapshot,
        ];
        all.into_iter().find(|kind| i64::from(kind.number()) == number)
    }

    /// `metadata`, `entry`, `state`, `crc` or `snapshot`.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordKind::Metadata => "metadata",
            RecordKind::Entry => "entry",
            RecordKind::State => "state",
            RecordKind::Crc => "crc",
            RecordKind::Snapshot => "snapshot",
        }
    }
}

/// A place in a log: which of the decoder's segments, and the offset in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Index into the segments.
    pub segment: usize,
    /// Byte offset in the segment.
    pub offset: u64,
}

/// A record whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where its frame begins.
    pub position: Position,
    /// The frame in bytes.
    pub length: u64,
    /// What it is.
    pub kind: RecordKind,
    /// The checksum that it carries.
    pub crc: u32,
    /// Its data.
    pub data: Option<Bytes>,
}

/// Reads records in order over all segments and follows the checksum chain.
///
/// An error is final: a decoder that failed stays where it failed. The exception is a record of a
/// type that is not known: whoever has no use for it may read on.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    segments: &'a [Segment],
    /// Where the last good record ended.
    end: Position,
    crc: u32,
    limit: RecordLimit,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of the first segment; it takes over whatever checksum that one
    /// begins with, so reading may start in the middle of a log.
    pub fn new(segments: &'a [Segment]) -> Decoder<'a> {
        Decoder::with_limit(segments, RecordLimit::default())
    }

    /// The same under a release's limit for records.
    pub fn with_limit(segments: &'a [Segment], limit: RecordLimit) -> Decoder<'a> {
        Decoder { segments, end: Position::default(), crc: 0, limit }
    }

    /// Where the last good record ended: in the last segment once all are read.
    pub fn end(&self) -> Position {
        self.end
    }

    /// The running checksum.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The next record, or `None` at the end of the last segment.
    pub fn next_record(&mut self) -> Result<Option<Record>, WalError> {
        while let Some(segment) = self.segments.get(self.end.segment) {
            if let Some(record) = self.usual(segment) {
                return Ok(Some(record));
            }
            if let Some(frame) = self.check_frame(segment)? {
                return self.decode(&frame).map(Some);
            }
            if self.end.segment + 1 == self.segments.len() {
                return Ok(None);
            }
            self.end = Position { segment: self.end.segment + 1, offset: 0 };
        }
        Ok(None)
    }

    /// The next record if it is whole and of the form that servers write: nearly all are. What is
    /// wrong with any other is found out by taking the frame apart.
    fn usual(&mut self, segment: &Segment) -> Option<Record> {
        let (record, pad) = frame::sizes(segment, self.end.offset, self.limit).ok()??;
        let start = usize::try_from(self.end.offset + FRAME_HEADER_BYTES).ok()?;
        let bytes = segment.bytes.get(start..start.checked_add(usize::try_from(record).ok()?)?)?;
        let usual::Record { kind, crc, data } = usual::record(bytes)?;
        let kind = RecordKind::from_number(kind).filter(|kind| *kind != RecordKind::Crc)?;
        let data = data.map(|data| start + data.start..start + data.end);
        let lent = data.clone().map_or(&[][..], |data| &segment.bytes[data]);
        if crc32c::crc32c_append(self.crc, lent) != crc {
            return None;
        }
        let data = data.map(|data| segment.bytes.slice(data));
        let (position, length) = (self.end, FRAME_HEADER_BYTES + record + pad);
        self.end.offset += length;
        self.crc = crc;
        Some(Record { position, length, kind, crc, data })
    }

    fn check_frame(&self, segment: &Segment) -> Result<Option<Frame>, WalError> {
        frame_within(segment, self.end.offset, self.limit).map_err(|error| {
            let (file, offset) = self.place();
            match error {
                FrameError::UnexpectedEof => WalError::UnexpectedEof { file, offset },
                FrameError::TooLarge { length } => {
                    WalError::RecordTooLarge { file, offset, length }
                }
            }
        })
    }

    fn decode(&mut self, frame: &Frame) -> Result<Record, WalError> {
        strict::check(&strict::RECORD, &frame.record)
            .map_err(|refused| self.torn_or(frame, self.malformed(&refused)))?;
        let record = walpb::Record::decode(frame.record.clone()).map_err(|error| {
            self.torn_or(frame, self.malformed(&Refused::Other(error.to_string())))
        })?;
        let kind = RecordKind::from_number(record.r#type);
        if kind == Some(RecordKind::Crc) {
            self.take_over(record.crc)?;
        } else {
            self.check_data(frame, &record)?;
        }
        let (position, length) = (self.end, frame.length());
        let Some(kind) = kind else {
            let unexpected = self.unexpected(record.r#type);
            self.end.offset += length;
            return Err(unexpected);
        };
        self.end.offset += length;
        Ok(Record { position, length, kind, crc: record.crc, data: record.data })
    }

    /// A crc record must continue the chain; a fresh decoder (chain at 0) takes any value.
    fn take_over(&mut self, stored: u32) -> Result<(), WalError> {
        let computed = self.crc;
        if computed != 0 && computed != stored {
            let (file, offset) = self.place();
            return Err(WalError::ChainCrc { file, offset, stored, computed });
        }
        self.crc = stored;
        Ok(())
    }

    fn check_data(&mut self, frame: &Frame, record: &walpb::Record) -> Result<(), WalError> {
        let data = record.data.as_deref().unwrap_or_default();
        let computed = crc32c::crc32c_append(self.crc, data);
        if computed != record.crc {
            let ((file, offset), stored) = (self.place(), record.crc);
            let error = WalError::RecordCrc { file, offset, stored, computed };
            return Err(self.torn_or(frame, error));
        }
        self.crc = computed;
        Ok(())
    }

    /// A damaged record of the last segment counts as torn when one of the sectors that it
    /// touches holds nothing of it but zeros.
    fn torn_or(&self, frame: &Frame, error: WalError) -> WalError {
        let (file, offset) = self.place();
        let is_last = self.end.segment + 1 == self.segments.len();
        if is_last && frame.has_zero_sector() {
            WalError::UnexpectedEof { file, offset }
        } else {
            error
        }
    }

    /// A record that ends too early is a torn one for etcd, wherever it lies.
    fn malformed(&self, refused: &Refused) -> WalError {
        let (file, offset) = self.place();
        match refused {
            Refused::UnexpectedEof => WalError::UnexpectedEof { file, offset },
            Refused::Other(words) => {
                let detail = words.clone();
                WalError::Malformed { file, offset, what: "walpb.Record", detail }
            }
        }
    }

    fn unexpected(&self, kind: i64) -> WalError {
        let (file, offset) = self.place();
        WalError::UnexpectedBlockType { file, offset, kind }
    }

    fn place(&self) -> (String, u64) {
        (self.segments[self.end.segment].name.to_string(), self.end.offset)
    }
}
