//! Rows of the write-ahead log, read from the disk as it stands.
//!
//! Where records lie is found once and kept; only what was appended since the last picture is
//! looked at. The rows that are shown are decoded anew for every picture, so a byte that was
//! flipped shows at once.

use ordered::Map;
use std::ops::Range;

use bytes::Bytes;
use disk::{Disk, FileId};
use etcd::proto::{raftpb, walpb};
use etcd::wal::{FrameError, RecordKind, Segment, SegmentName, frame_at};
use prost::Message as _;

use super::Window;
use super::frame::fields;
use super::server::{SegmentView, WalRow, WalView};
use crate::machine::LOG_DIR;
use crate::scenario::Node;

/// Longest part of a frame that a row shows.
const ROW_BYTES_MAX: u64 = 4_096;

/// Where records lie, by server.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    logs: Map<Node, Log>,
}

#[derive(Clone, Debug, Default)]
struct Log {
    segments: Vec<Found>,
    places: Vec<Place>,
    /// The checksum chain after the last place.
    crc: u32,
    damage: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    name: SegmentName,
    file: FileId,
    /// Where its next record would begin.
    end: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    segment: usize,
    offset: u64,
    length: u64,
    /// The checksum chain before the record.
    chain: u32,
    /// The checksum that the record carries.
    crc: u32,
}

/// The log of a server's disk.
pub(super) fn view(cache: &mut Cache, node: Node, disk: &Disk, window: Window) -> WalView {
    let log = cache.logs.get_or_default(node);
    log.follow(disk);
    let rows = log.window(window).filter_map(|place| log.row(disk, place)).collect();
    WalView {
        segments: log.segments.iter().map(|segment| segment.view(disk)).collect(),
        rows,
        total: log.places.len() as u64,
        damage: log.damage.clone(),
    }
}

/// The segments on a disk, in order.
fn segments(disk: &Disk) -> Vec<Found> {
    let entries = disk.list(LOG_DIR).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            let name = SegmentName::parse(&entry.name)?;
            let file = disk.open(&format!("{LOG_DIR}/{}", entry.name)).ok()?;
            Some(Found { name, file, end: 0 })
        })
        .collect()
}

impl Found {
    fn view(&self, disk: &Disk) -> SegmentView {
        SegmentView {
            name: self.name.to_string(),
            seq: self.name.sequence,
            first_index: self.name.first_index,
            bytes: disk.len(self.file),
            used_bytes: self.end,
        }
    }

    /// The bytes from `offset` on as a segment of their own; offsets stay multiples of 8.
    fn tail(&self, disk: &Disk, offset: u64) -> Segment {
        let end = disk.data_end(self.file).max(offset);
        let bytes = disk.read_range(self.file, offset..end).unwrap_or_default();
        Segment::new(self.name, &Bytes::from(bytes), disk.len(self.file).saturating_sub(offset))
    }
}

impl Log {
    /// Goes on where it stopped, or from the start when the disk does not hold that any more.
    fn follow(&mut self, disk: &Disk) {
        let found = segments(disk);
        if !self.is_still_there(disk, &found) {
            *self = Log::default();
        }
        self.damage = None;
        for (index, segment) in found.into_iter().enumerate() {
            if index >= self.segments.len() {
                self.segments.push(segment);
            }
            if index + 1 >= self.segments.len() && self.damage.is_none() {
                self.read_on(disk, index);
            }
        }
    }

    /// Whether the segments are the same files and the last record known is where it was: its
    /// checksum covers all before it.
    fn is_still_there(&self, disk: &Disk, found: &[Found]) -> bool {
        let same = self.segments.len() <= found.len()
            && self
                .segments
                .iter()
                .zip(found)
                .all(|(known, found)| (known.name, known.file) == (found.name, found.file));
        let last = self.places.last();
        same && last.is_none_or(|place| {
            self.record(disk, place).is_some_and(|record| record.crc == place.crc)
        })
    }

    fn read_on(&mut self, disk: &Disk, index: usize) {
        let start = self.segments[index].end;
        let tail = self.segments[index].tail(disk, start);
        let mut at = 0;
        loop {
            let frame = match frame_at(&tail, at) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    self.damage = Some(damage(&tail, start + at, error));
                    break;
                }
            };
            let record = walpb::Record::decode(frame.record.clone()).unwrap_or_default();
            let (offset, length) = (start + at, frame.length());
            let crc = record.crc;
            self.places.push(Place { segment: index, offset, length, chain: self.crc, crc });
            self.crc = crc;
            at += length;
        }
        self.segments[index].end = start + at;
    }

    /// The places of a window that is counted back from the newest.
    fn window(&self, window: Window) -> impl Iterator<Item = &Place> {
        let end = self.places.len().saturating_sub(window.first as usize);
        let start = end.saturating_sub(window.rows as usize);
        self.places[start..end].iter()
    }

    fn frame(&self, disk: &Disk, place: &Place) -> Option<Bytes> {
        let file = self.segments.get(place.segment)?.file;
        let range = place.range();
        disk.read_range(file, range).ok().map(Bytes::from)
    }

    fn record(&self, disk: &Disk, place: &Place) -> Option<walpb::Record> {
        let frame = self.frame(disk, place)?;
        decode(&frame)
    }

    fn row(&self, disk: &Disk, place: &Place) -> Option<WalRow> {
        let segment = &self.segments[place.segment];
        let frame = self.frame(disk, place)?;
        let synced = disk.is_durable(segment.file, place.range());
        Some(WalRow { synced, ..wal_row(segment.name.sequence, place.offset, &frame, place.chain) })
    }
}

/// A record as a row, from the bytes of its frame. `chain` is the checksum over the records before
/// it, 0 for the first. Any bytes make a row: what cannot be read says so.
pub fn wal_row(segment: u64, offset: u64, frame: &[u8], chain: u32) -> WalRow {
    let fields = fields(frame, record_bytes(frame));
    WalRow { fields, ..wal_row_without_fields(segment, offset, frame, chain) }
}

/// The same for whoever names the bytes himself.
pub fn wal_row_without_fields(segment: u64, offset: u64, frame: &[u8], chain: u32) -> WalRow {
    let record = decode(frame);
    let said = record.as_ref().map_or_else(Said::unreadable, Said::of);
    let shown = usize::try_from(ROW_BYTES_MAX).unwrap_or(usize::MAX).min(frame.len());
    WalRow {
        segment,
        offset,
        length: frame.len() as u64,
        kind: said.kind,
        index: said.index,
        term: said.term,
        crc: record.as_ref().map_or(0, |record| record.crc),
        crc_ok: record.is_some_and(|record| is_chained(&record, chain)),
        synced: true,
        summary: said.summary,
        fields: Vec::new(),
        bytes: frame[..shown].to_vec(),
    }
}

const FRAME_HEADER: usize = 8;

impl Place {
    fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.length
    }
}

/// The length that a frame's header tells, as far as the frame reaches.
fn record_bytes(frame: &[u8]) -> usize {
    let Some(header) = frame.first_chunk::<FRAME_HEADER>() else { return 0 };
    let told = u64::from_le_bytes(*header) & ((1 << 56) - 1);
    usize::try_from(told).unwrap_or(usize::MAX).min(frame.len() - FRAME_HEADER)
}

fn decode(frame: &[u8]) -> Option<walpb::Record> {
    let record = frame.get(FRAME_HEADER..FRAME_HEADER + record_bytes(frame))?;
    walpb::Record::decode(record).ok()
}

fn is_chained(record: &walpb::Record, chain: u32) -> bool {
    if record.r#type == i64::from(RecordKind::Crc.number()) {
        return chain == 0 || record.crc == chain;
    }
    crc32c::crc32c_append(chain, record.data.as_deref().unwrap_or_default()) == record.crc
}

fn damage(segment: &Segment, offset: u64, error: FrameError) -> String {
    let name = segment.name;
    match error {
        FrameError::UnexpectedEof => format!("{name} ends within the record at {offset:#x}"),
        FrameError::TooLarge { length } => {
            format!("{name}: the record at {offset:#x} would have {length} bytes")
        }
    }
}

/// What a record says.
struct Said {
    kind: String,
    index: Option<u64>,
    term: Option<u64>,
    summary: String,
}

impl Said {
    fn unreadable() -> Said {
        Said { kind: "?".into(), index: None, term: None, summary: "not readable".into() }
    }

    fn of(record: &walpb::Record) -> Said {
        let data = record.data.clone().unwrap_or_default();
        let kind = RecordKind::from_number(record.r#type);
        let said = match kind {
            Some(RecordKind::Entry) => Said::of_entry(data),
            Some(RecordKind::State) => Said::of_state(data),
            Some(RecordKind::Snapshot) => Said::of_snapshot(data),
            Some(RecordKind::Metadata) => Said::of_metadata(data),
            Some(RecordKind::Crc) => Some(Said::new(None, None, "the checksum so far".into())),
            None => None,
        };
        let kind =
            kind.map_or_else(|| format!("type {}", record.r#type), |kind| kind.as_str().into());
        Said { kind, ..said.unwrap_or_else(Said::unreadable) }
    }

    fn new(index: Option<u64>, term: Option<u64>, summary: String) -> Said {
        Said { kind: String::new(), index, term, summary }
    }

    fn of_entry(data: Bytes) -> Option<Said> {
        let entry = raftpb::Entry::decode(data).ok()?;
        let (index, term) = (entry.index, entry.term);
        let summary = super::text::logged(entry.r#type, entry.data.as_ref()).1;
        Some(Said::new(Some(index), Some(term), summary))
    }

    fn of_state(data: Bytes) -> Option<Said> {
        let raftpb::HardState { term, vote, commit } = raftpb::HardState::decode(data).ok()?;
        let voted = if vote == 0 { "no vote".to_owned() } else { format!("vote {vote:x}") };
        Some(Said::new(None, Some(term), format!("term {term}, {voted}, commit {commit}")))
    }

    fn of_snapshot(data: Bytes) -> Option<Said> {
        let mark = walpb::Snapshot::decode(data).ok()?;
        let summary = format!("snapshot at {}/{}", mark.term, mark.index);
        Some(Said::new(Some(mark.index), Some(mark.term), summary))
    }

    fn of_metadata(data: Bytes) -> Option<Said> {
        let metadata = etcd::proto::etcdserverpb::Metadata::decode(data).ok()?;
        let summary = format!("member {:x} of {:x}", metadata.node_id, metadata.cluster_id);
        Some(Said::new(None, None, summary))
    }
}
