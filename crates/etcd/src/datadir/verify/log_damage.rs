//! What is wrong with the log, whether or not a server minds: every segment is read to its end,
//! and behind damage reading goes on where records follow each other again.
//!
//! A record behind damage counts as good when the checksum of the one after it follows from its
//! own: two in a row by chance are one in four thousand million.

use bytes::Bytes;
use prost::Message as _;

use super::bit::flipped_bit;
use super::grammar::Grammar;
use super::model::{DamageAt, Follows};
use crate::datadir::kind::WAL_DIRECTORY;
use crate::proto::strict;
use crate::proto::{raftpb, walpb};
use crate::wal::{
    FRAME_HEADER_BYTES, Frame, RECORD_BYTES_MAX, RecordKind, RecordLimit, Segment, frame_within,
};

/// A good record.
#[derive(Debug, Clone)]
pub(in crate::datadir) struct Good {
    /// Number of its segment.
    pub(super) segment: usize,
    pub(super) offset: u64,
    /// Entries alone have one.
    pub(in crate::datadir) entry: Option<raftpb::Entry>,
}

/// What a scan found.
#[derive(Debug, Clone, Default)]
pub(in crate::datadir) struct Scan {
    pub(in crate::datadir) damage: Vec<DamageAt>,
    /// All good records in the order of the files.
    pub(in crate::datadir) records: Vec<Good>,
    /// The highest commit index of any hard state.
    pub(in crate::datadir) commit: u64,
}

/// Reads all segments.
pub(in crate::datadir) fn scan(segments: &[Segment]) -> Scan {
    let mut scanner = Scanner {
        found: Scan::default(),
        crc: None,
        places: Vec::new(),
        grammar: Grammar::default(),
    };
    for (number, segment) in segments.iter().enumerate() {
        scanner.segment(number, segment, number + 1 == segments.len());
    }
    scanner.finish()
}

struct Scanner {
    found: Scan,
    /// The running checksum; nothing where it is not known.
    crc: Option<u32>,
    /// How many records were good when each damage was met.
    places: Vec<usize>,
    grammar: Grammar,
}

/// A record at a place, its checksum not compared.
struct Candidate {
    end: u64,
    record: walpb::Record,
}

impl Scanner {
    fn segment(&mut self, number: usize, segment: &Segment, is_last: bool) {
        let (mut at, mut count) = (0, 0);
        self.grammar.begin();
        // Bytes that may be spent on looking for the next record.
        let mut budget = segment.bytes.len().saturating_mul(4) + (1 << 20);
        while let Some(frame) = frame_within(segment, at, LIMIT).transpose() {
            let next = match frame {
                Ok(frame) => self.frame(number, segment, &frame, count, is_last, &mut budget),
                Err(_) => self.no_frame(segment, at, count, &mut budget),
            };
            count += 1;
            let Some(next) = next else { return };
            assert!(next > at, "a scan goes forward");
            at = next;
        }
        self.rest(number, segment, at, count, &mut budget);
    }

    /// A frame whose bytes are there. Gives where to read on.
    fn frame(
        &mut self,
        number: usize,
        segment: &Segment,
        frame: &Frame,
        count: u64,
        is_last: bool,
        budget: &mut usize,
    ) -> Option<u64> {
        let end = frame.offset + frame.length();
        let record = strict::check(&strict::RECORD, &frame.record)
            .map_err(|refused| refused.words().to_string())
            .and_then(|()| walpb::Record::decode(frame.record.clone()).map_err(|e| e.to_string()));
        let record = match record {
            Ok(record) => record,
            Err(words) => {
                let (kind, detail) = if frame.body.iter().all(|byte| *byte == 0) {
                    ("torn", "the length is there, the record is zeros".to_string())
                } else {
                    ("record", format!("no walpb.Record: {words}"))
                };
                return self.damaged(segment, frame, count, (kind, detail), is_last, budget);
            }
        };
        let Some(kind) = RecordKind::from_number(record.r#type) else {
            let detail = format!("unexpected block type {}", record.r#type);
            self.report(segment, (frame.offset, frame.length()), count, ("type", detail), frame);
            self.crc = Some(record.crc);
            return Some(end);
        };
        let data = record.data.clone().unwrap_or_default();
        let computed = match (kind, self.crc) {
            (_, None) | (RecordKind::Crc, Some(0)) => record.crc,
            (RecordKind::Crc, Some(crc)) => crc,
            (_, Some(crc)) => crc32c::crc32c_append(crc, &data),
        };
        if computed == record.crc {
            self.crc = Some(record.crc);
            if let Some(detail) = self.grammar.take(kind, &data) {
                let at = (frame.offset, frame.length());
                self.report(segment, at, count, ("order", detail), frame);
            } else {
                self.good(number, frame.offset, kind, &data);
            }
            return Some(end);
        }
        if kind == RecordKind::Crc {
            let detail = format!(
                "the segment begins with checksum {:08x}, the one before it ended with \
                 {computed:08x}",
                record.crc
            );
            self.report(segment, (frame.offset, frame.length()), count, ("chain", detail), frame);
            self.crc = None;
            return Some(end);
        }
        let what = mismatch(segment, frame, &record, computed, is_last);
        self.damaged(segment, frame, count, what, is_last, budget)
    }

    /// Reports a damaged frame and finds where records go on.
    fn damaged(
        &mut self,
        segment: &Segment,
        frame: &Frame,
        count: u64,
        (kind, detail): (&'static str, String),
        is_last: bool,
        budget: &mut usize,
    ) -> Option<u64> {
        let end = frame.offset + frame.length();
        let next = candidate(segment, end);
        let goes_on = next.is_some_and(|next| {
            let after = candidate(segment, next.end);
            next.is_chained(after.as_ref()) || is_rest_zero(segment, next.end)
        });
        let resumes = if goes_on { Some(end) } else { resync(segment, frame.offset, budget) };
        let is_hole = kind == "torn" && resumes.is_some();
        let kind = if is_hole { "zero_hole" } else { kind };
        let length = resumes.map_or(frame.length(), |next| next - frame.offset);
        let length = if goes_on { frame.length() } else { length };
        self.report(segment, (frame.offset, length), count, (kind, detail), frame);
        self.crc = None;
        if resumes.is_none() && !is_last {
            return Some(segment.len.max(frame.offset + 8)).filter(|end| *end > frame.offset);
        }
        resumes.or(Some(segment.len)).filter(|next| *next > frame.offset)
    }

    /// A place where no frame can be: too long, or cut off.
    fn no_frame(
        &mut self,
        segment: &Segment,
        at: u64,
        count: u64,
        budget: &mut usize,
    ) -> Option<u64> {
        let header = segment.range(at, 8.min(usize::try_from(segment.len - at).unwrap_or(8)));
        let next = resync(segment, at, budget);
        let left = segment.len - at;
        let (kind, length, detail) = if left < FRAME_HEADER_BYTES {
            ("truncated", left, format!("the file ends {left} bytes into a header"))
        } else {
            let asked = length_of(&header);
            match next {
                Some(next) => (
                    "length",
                    next - at,
                    format!("the header asks for {asked} bytes, {left} are left"),
                ),
                None if asked < RECORD_BYTES_MAX => {
                    ("truncated", left, format!("the file ends in a record of {asked} bytes"))
                }
                None => {
                    let used = segment.bytes.len() as u64;
                    ("garbage", used.max(at + 8) - at, "no record begins here".to_string())
                }
            }
        };
        self.push(segment, (at, length), count, (kind, detail), head(segment, at));
        self.crc = None;
        next
    }

    /// What lies behind the end of a segment: zeros, or what should not be there.
    fn rest(&mut self, number: usize, segment: &Segment, at: u64, count: u64, budget: &mut usize) {
        if is_rest_zero(segment, at) {
            return;
        }
        if let Some(next) = resync(segment, at, budget) {
            let zeros = leading_zeros(segment, at);
            let what = if zeros <= FRAME_HEADER_BYTES { "length_zeroed" } else { "zero_hole" };
            let detail = format!(
                "{zeros} bytes of zeros where a length belongs end the log for a server, and \
                 records follow"
            );
            self.push(segment, (at, next - at), count, (what, detail), head(segment, at));
            self.crc = None;
            self.behind(number, segment, next, count + 1, budget);
        } else {
            let from = (at + leading_zeros(segment, at)) / 8 * 8;
            let used = segment.bytes.len() as u64;
            let detail = "behind the end of the log, where zeros belong; a server overwrites it";
            let what = ("garbage", detail.to_string());
            self.push(segment, (from, used - from), count, what, None);
        }
    }

    /// Goes on behind an end that was none.
    fn behind(
        &mut self,
        number: usize,
        segment: &Segment,
        from: u64,
        from_count: u64,
        budget: &mut usize,
    ) {
        let (mut at, mut count) = (from, from_count);
        while let Ok(Some(frame)) = frame_within(segment, at, LIMIT) {
            let Some(next) = self.frame(number, segment, &frame, count, true, budget) else {
                return;
            };
            (at, count) = (next, count + 1);
        }
    }

    fn good(&mut self, segment: usize, offset: u64, kind: RecordKind, data: &Bytes) {
        let entry = match kind {
            RecordKind::Entry => raftpb::Entry::decode(data.clone()).ok(),
            RecordKind::Metadata | RecordKind::State | RecordKind::Crc | RecordKind::Snapshot => {
                None
            }
        };
        self.found.records.push(Good { segment, offset, entry });
    }

    fn report(
        &mut self,
        segment: &Segment,
        at: (u64, u64),
        count: u64,
        what: (&'static str, String),
        frame: &Frame,
    ) {
        self.push(segment, at, count, what, describe(&frame.record));
    }

    fn push(
        &mut self,
        segment: &Segment,
        (offset, length): (u64, u64),
        count: u64,
        (kind, detail): (&'static str, String),
        record: Option<String>,
    ) {
        let record = record.map_or(format!("#{count}"), |record| format!("#{count} {record}"));
        let file = format!("{WAL_DIRECTORY}{}", segment.name);
        if kind != "order" {
            self.grammar.skip();
        }
        self.places.push(self.found.records.len());
        self.found.damage.push(DamageAt {
            file,
            offset,
            length,
            kind,
            record,
            detail,
            follows: None,
        });
    }

    /// Says of each damage what good records follow it.
    fn finish(mut self) -> Scan {
        self.found.commit = self.grammar.commit();
        let Scan { damage, records, .. } = &mut self.found;
        for (damage, place) in damage.iter_mut().zip(&self.places) {
            let Some(first) = records.get(*place) else { continue };
            let beyond = &records[*place..];
            let mut indices = beyond.iter().filter_map(|good| Some(good.entry.as_ref()?.index));
            let first_index = indices.next();
            damage.follows = Some(Follows {
                records: beyond.len() as u64,
                offset: first.offset,
                first_index,
                last_index: indices.last().or(first_index),
            });
        }
        self.found
    }
}

/// Words for a checksum that is not right.
fn mismatch(
    segment: &Segment,
    frame: &Frame,
    record: &walpb::Record,
    computed: u32,
    is_last: bool,
) -> (&'static str, String) {
    let (stored, end) = (record.crc, frame.offset + frame.length());
    let zeros = zero_sectors(frame);
    if is_last && let Some((from, to)) = zeros {
        let detail = format!(
            "bytes {from} to {to} are zeros: for a server the record is torn; checksum \
             {stored:08x} stored, {computed:08x} computed"
        );
        return ("torn", detail);
    }
    let sums = format!("checksum {stored:08x} stored, {computed:08x} computed");
    let next = candidate(segment, end);
    let follows = |crc: u32| next.as_ref().is_some_and(|next| next.is_after(crc));
    let data_start = end
        - (frame.body.len() - frame.record.len()) as u64
        - record.data.as_ref().map_or(0, |data| data.len() as u64);
    let detail = if follows(computed) {
        format!(
            "{sums}; the next record goes on from the computed one: the data are whole, \
                 the stored checksum is damaged"
        )
    } else if let Some((byte, bit)) =
        record.data.as_ref().and_then(|data| flipped_bit(data, stored ^ computed))
    {
        let at = data_start + byte;
        format!("{sums}; flipping bit {bit} of byte {at} would make it right")
    } else if (stored ^ computed).is_power_of_two() {
        format!("{sums}: one bit apart, so the stored checksum may be what is damaged")
    } else if follows(stored) {
        format!("{sums}; the next record goes on from the stored one: the data are damaged")
    } else {
        sums
    };
    ("crc", detail)
}

const LIMIT: RecordLimit = RecordLimit::TenMebibytes;

impl Candidate {
    fn is_after(&self, crc: u32) -> bool {
        let data = self.record.data.as_deref().unwrap_or_default();
        crc32c::crc32c_append(crc, data) == self.record.crc
    }

    fn is_chained(&self, next: Option<&Candidate>) -> bool {
        next.is_some_and(|next| next.is_after(self.record.crc))
    }
}

/// A record in the form in which etcd writes it, or none.
fn candidate(segment: &Segment, at: u64) -> Option<Candidate> {
    let start = segment.range(at, 11.min(usize::try_from(segment.len.checked_sub(at)?).ok()?));
    let is_record = start.len() == 11
        && start[8] == 8
        && (1..=5).contains(&start[9])
        && start[10] == 0x10
        && length_of(&start) < RECORD_BYTES_MAX;
    if !is_record {
        return None;
    }
    let frame = frame_within(segment, at, LIMIT).ok()??;
    strict::check(&strict::RECORD, &frame.record).ok()?;
    let record = walpb::Record::decode(frame.record.clone()).ok()?;
    Some(Candidate { end: at + frame.length(), record })
}

/// The first place behind `from` where records follow each other.
fn resync(segment: &Segment, from: u64, budget: &mut usize) -> Option<u64> {
    let used = segment.bytes.len() as u64;
    let mut at = from.checked_add(8)? / 8 * 8;
    while at + 8 < used {
        if let Some(first) = candidate(segment, at) {
            let next = candidate(segment, first.end);
            let bytes = next.as_ref().and_then(|next| Some(next.record.data.as_ref()?.len()));
            *budget = budget.checked_sub(bytes.unwrap_or(0) + 16)?;
            let is_sound = first.is_chained(next.as_ref())
                || (next.is_none() && is_rest_zero(segment, first.end) && is_payload(&first));
            if is_sound {
                return Some(at);
            }
        }
        at += 8;
    }
    None
}

/// Whether the data of the last record are what its type says.
fn is_payload(last: &Candidate) -> bool {
    let Some(data) = last.record.data.as_deref() else { return false };
    match RecordKind::from_number(last.record.r#type) {
        Some(RecordKind::Entry) => strict::check(&strict::ENTRY, data).is_ok(),
        Some(RecordKind::State) => strict::check(&strict::HARD_STATE, data).is_ok(),
        Some(RecordKind::Metadata | RecordKind::Crc | RecordKind::Snapshot) | None => false,
    }
}

fn is_rest_zero(segment: &Segment, from: u64) -> bool {
    from >= segment.bytes.len() as u64
}

fn leading_zeros(segment: &Segment, from: u64) -> u64 {
    let start = usize::try_from(from).map_or(segment.bytes.len(), |from| from);
    let rest = segment.bytes.get(start..).unwrap_or_default();
    rest.iter().take_while(|byte| **byte == 0).count() as u64
}

fn length_of(header: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let given = header.len().min(7);
    bytes[..given].copy_from_slice(&header[..given]);
    u64::from_le_bytes(bytes)
}

/// The run of zeros that fills a sector's part of a record.
fn zero_sectors(frame: &Frame) -> Option<(u64, u64)> {
    let start = frame.offset + FRAME_HEADER_BYTES;
    let (mut from, mut found) = (0, None);
    while from < frame.body.len() {
        let at = start + from as u64;
        let room = usize::try_from(512 - at % 512).expect("at most 512");
        let to = from.saturating_add(room).min(frame.body.len());
        if frame.body[from..to].iter().all(|byte| *byte == 0) {
            let first = found.map_or(at, |(first, _)| first);
            found = Some((first, start + to as u64));
        } else if found.is_some() {
            break;
        }
        from = to;
    }
    found
}

/// What a record says that it is, as far as its first bytes can be read.
fn describe(record: &[u8]) -> Option<String> {
    let numbers = leading_numbers(record);
    let kind = RecordKind::from_number(i64::try_from(numbers.first()?.1).ok()?)?;
    let name = kind.as_str();
    if kind != RecordKind::Entry {
        return Some(name.into());
    }
    let data = data_of(record)?;
    let numbers = leading_numbers(data);
    let field = |number| numbers.iter().find(|field| field.0 == number).map(|field| field.1);
    let (term, index) = (field(2)?, field(3)?);
    Some(format!("{name}, index {index}, term {term}"))
}

fn head(segment: &Segment, at: u64) -> Option<String> {
    let start = at.checked_add(FRAME_HEADER_BYTES)?;
    let left = usize::try_from(segment.len.checked_sub(start)?).ok()?;
    describe(&segment.range(start, left.min(256)))
}

/// The numbers that a message begins with.
fn leading_numbers(message: &[u8]) -> Vec<(u32, u64)> {
    use prost::encoding::{WireType, decode_key, decode_varint};
    let (mut rest, mut numbers) = (message, Vec::new());
    while numbers.len() < 4 {
        let Ok((number, WireType::Varint)) = decode_key(&mut rest) else { break };
        let Ok(value) = decode_varint(&mut rest) else { break };
        numbers.push((number, value));
    }
    numbers
}

/// The data of a record, even if cut off: what follows its third field's length.
fn data_of(record: &[u8]) -> Option<&[u8]> {
    use prost::encoding::{WireType, decode_key, decode_varint};
    let mut rest = record;
    loop {
        let (number, wire) = decode_key(&mut rest).ok()?;
        let value = decode_varint(&mut rest).ok()?;
        if number == 3 && wire == WireType::LengthDelimited {
            return Some(rest);
        }
        if value == 0 && rest.is_empty() {
            return None;
        }
    }
}
