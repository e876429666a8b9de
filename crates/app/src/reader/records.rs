//! Where the records of a log lie: found in one walk, 32 bytes a record, so that any window of a
//! long log is read where it is needed.
//!
//! The walk is that of `quorarium log`: behind a wrong checksum it goes on with the stored one,
//! behind a frame that cannot be read with the next segment. Such a frame is a record too.

use bytes::Bytes;
use etcd::datadir::{DataDir, DataFile, record_ranges};
use etcd::proto::{raftpb, walpb};
use etcd::wal::{FRAME_HEADER_BYTES, FrameError, RecordKind, Segment, frame_at};
use prost::Message as _;
use sim::view::{SegmentView, WalRow, wal_row_without_fields};

use super::pieces::field;
use super::protocol::{PIECE_BYTES, ROWS_MAX};

/// All records of a log.
#[derive(Debug, Default)]
pub struct RecordIndex {
    places: Vec<Place>,
    /// End of what was read, by segment.
    ends: Vec<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u32,
    /// The checksum over the records before it.
    chain: u32,
    offset: u64,
    length: u64,
    /// Why the frame cannot be read.
    torn: Option<FrameError>,
    /// Raft index of an entry or a snapshot mark.
    index: Option<u64>,
}

impl RecordIndex {
    /// Walks over all segments.
    pub fn of(directory: &DataDir) -> RecordIndex {
        let mut found = RecordIndex::default();
        let mut chain = 0;
        for (number, segment) in directory.segments().iter().enumerate() {
            let number =
                u32::try_from(number).expect("fewer segments than files, which are counted");
            let end = found.walk(number, segment, &mut chain);
            found.ends.push(end);
        }
        found
    }

    fn walk(&mut self, number: u32, segment: &Segment, chain: &mut u32) -> u64 {
        let mut offset = 0;
        loop {
            let place = Place {
                segment: number,
                chain: *chain,
                offset,
                length: 0,
                torn: None,
                index: None,
            };
            match frame_at(segment, offset) {
                Ok(None) => return offset,
                Ok(Some(frame)) => {
                    let record = walpb::Record::decode(frame.record.clone()).ok();
                    let index = record.as_ref().and_then(raft_index);
                    self.places.push(Place { length: frame.length(), index, ..place });
                    offset += frame.length();
                    let Some(record) = record else { return offset };
                    *chain = record.crc;
                }
                Err(error) => {
                    let length = segment.len - offset;
                    self.places.push(Place { length, torn: Some(error), ..place });
                    return offset;
                }
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The numbers of a window, cut to what is there.
    pub fn window(&self, first: u64, rows: u32) -> std::ops::Range<u64> {
        let first = first.min(self.len());
        first..first.saturating_add(u64::from(rows.min(ROWS_MAX))).min(self.len())
    }

    /// The record that holds a byte of a segment.
    pub fn at(&self, directory: &DataDir, file: &str, offset: u64) -> Option<u64> {
        let name = file.rsplit('/').next()?;
        let named = |segment: &Segment| segment.name.to_string() == name;
        let segment = u32::try_from(directory.segments().iter().position(named)?).ok()?;
        let before = |place: &Place| (place.segment, place.offset) <= (segment, offset);
        let number = self.places.partition_point(before).checked_sub(1)?;
        let place = self.places[number];
        let holds = place.segment == segment && offset < place.offset.saturating_add(place.length);
        holds.then_some(number as u64)
    }

    /// The first entry or snapshot mark at that raft index or above.
    pub fn with_index(&self, index: u64) -> Option<u64> {
        let is_it = |place: &Place| place.index.is_some_and(|found| found >= index);
        self.places.iter().position(is_it).map(|number| number as u64)
    }

    /// One record; `None` if there are not so many.
    pub fn row(&self, directory: &DataDir, number: u64) -> Option<WalRow> {
        let place = self.places.get(usize::try_from(number).ok()?)?;
        let segment = directory.segments().get(usize::try_from(place.segment).ok()?)?;
        if let Some(error) = place.torn {
            return Some(torn(segment, place, error));
        }
        let frame = piece(&segment.bytes, segment.len, place.offset, place.length);
        Some(wal_row_without_fields(segment.name.sequence, place.offset, &frame, place.chain))
    }

    /// The same with the fields of its bytes.
    pub fn row_with_fields(&self, directory: &DataDir, number: u64) -> Option<WalRow> {
        let row = self.row(directory, number)?;
        let place = self.places.get(usize::try_from(number).ok()?)?;
        let segment = directory.segments().get(usize::try_from(place.segment).ok()?)?;
        let Ok(Some(frame)) = frame_at(segment, place.offset) else { return Some(row) };
        let record = walpb::Record::decode(frame.record.clone()).ok();
        let kind = record.and_then(|record| RecordKind::from_number(record.r#type));
        let ranges = record_ranges(&frame, kind, Some(row.crc_ok));
        let fields = ranges.iter().map(|one| field(one, frame.offset, &row.bytes)).collect();
        Some(WalRow { fields, ..row })
    }

    /// A segment as the page shows it.
    pub fn segment(&self, directory: &DataDir, sequence: u64) -> Option<SegmentView> {
        let is_it = |segment: &Segment| segment.name.sequence == sequence;
        let at = directory.segments().iter().position(is_it)?;
        let segment = &directory.segments()[at];
        Some(SegmentView {
            name: segment.name.to_string(),
            seq: sequence,
            first_index: segment.name.first_index,
            bytes: segment.len,
            used_bytes: self.ends[at],
        })
    }
}

fn raft_index(record: &walpb::Record) -> Option<u64> {
    let data = record.data.clone()?;
    match RecordKind::from_number(record.r#type)? {
        RecordKind::Entry => raftpb::Entry::decode(data).ok().map(|entry| entry.index),
        RecordKind::Snapshot => walpb::Snapshot::decode(data).ok().map(|mark| mark.index),
        RecordKind::Metadata | RecordKind::State | RecordKind::Crc => None,
    }
}

/// A frame that cannot be read, with its first bytes.
fn torn(segment: &Segment, place: &Place, error: FrameError) -> WalRow {
    let bytes =
        piece(&segment.bytes, segment.len, place.offset, place.length.min(PIECE_BYTES.into()));
    let summary = match error {
        FrameError::UnexpectedEof => "the segment ends within this record".to_owned(),
        FrameError::TooLarge { length } => format!("this record would have {length} bytes"),
    };
    WalRow {
        segment: segment.name.sequence,
        offset: place.offset,
        length: place.length,
        kind: "damaged".to_owned(),
        index: None,
        term: None,
        crc: 0,
        crc_ok: false,
        synced: true,
        summary,
        bytes,
        fields: Vec::new(),
    }
}

/// Bytes of a file, with the zeros at its end that are not kept.
pub(super) fn piece(bytes: &Bytes, len: u64, offset: u64, wanted: u64) -> Vec<u8> {
    let wanted = wanted.min(len.saturating_sub(offset));
    let size = usize::try_from(wanted).expect("a frame or less");
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let mut piece = bytes[start..start.saturating_add(size).min(bytes.len())].to_vec();
    piece.resize(size, 0);
    piece
}

/// Bytes of any file.
pub(super) fn piece_of(file: &DataFile, offset: u64) -> Vec<u8> {
    let wanted = file.len().saturating_sub(offset).min(PIECE_BYTES.into());
    file.range(offset, wanted).unwrap_or_default().to_vec()
}

const _: () = assert!(FRAME_HEADER_BYTES == 8, "rows and frames agree on the header");
