//! Which bytes of a frame are what: the byte range of every field.

use std::ops::Range;

use prost::encoding::{WireType, decode_key, decode_varint};
use serde::Serialize;

use crate::wal::{FRAME_HEADER_BYTES, Frame, RecordKind};

/// A named run of bytes in a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldRange {
    /// `header`, `type`, `crc`, `data`, `padding`, and inside data `data.term` and the like.
    pub name: String,
    /// Offset of the first byte in the file.
    pub start: u64,
    /// Offset behind the last byte.
    pub end: u64,
    /// Numbers as they decode; nothing for bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
}

/// Every field of a frame, in the order of its bytes. What cannot be decoded is left out.
pub fn record_ranges(frame: &Frame, kind: Option<RecordKind>) -> Vec<FieldRange> {
    let start = frame.offset + FRAME_HEADER_BYTES;
    let mut ranges = vec![range("header", frame.offset..start, Some(frame.record.len() as u64))];
    for field in wire_fields(&frame.record) {
        let name = record_field(field.number);
        let at = shift(&field.bytes, start);
        ranges.push(range(&name, at, field.value));
        if field.number == 3 {
            let data = &frame.record[field.content.clone()];
            let data_start = start + field.content.start as u64;
            ranges.extend(data_ranges(data, data_start, kind));
        }
    }
    let end = start + frame.record.len() as u64;
    if frame.body.len() > frame.record.len() {
        ranges.push(range("padding", end..start + frame.body.len() as u64, None));
    }
    ranges
}

fn data_ranges(data: &[u8], start: u64, kind: Option<RecordKind>) -> Vec<FieldRange> {
    let to_range = |field: WireField| {
        let name = format!("data.{}", data_field(kind, field.number));
        range(&name, shift(&field.bytes, start), field.value)
    };
    wire_fields(data).into_iter().map(to_range).collect()
}

fn record_field(number: u32) -> String {
    match number {
        1 => "type".into(),
        2 => "crc".into(),
        3 => "data".into(),
        other => format!("field {other}"),
    }
}

fn data_field(kind: Option<RecordKind>, number: u32) -> String {
    let names: &[&str] = match kind {
        Some(RecordKind::Metadata) => &["node_id", "cluster_id"],
        Some(RecordKind::Entry) => &["type", "term", "index", "data"],
        Some(RecordKind::State) => &["term", "vote", "commit"],
        Some(RecordKind::Snapshot) => &["index", "term", "conf_state"],
        Some(RecordKind::Crc) | None => &[],
    };
    let name = usize::try_from(number).ok().and_then(|number| names.get(number.wrapping_sub(1)));
    name.map_or_else(|| format!("field {number}"), ToString::to_string)
}

fn range(name: &str, bytes: Range<u64>, value: Option<u64>) -> FieldRange {
    FieldRange { name: name.into(), start: bytes.start, end: bytes.end, value }
}

fn shift(bytes: &Range<usize>, start: u64) -> Range<u64> {
    start + bytes.start as u64..start + bytes.end as u64
}

/// One field on the wire.
struct WireField {
    number: u32,
    /// Key and value.
    bytes: Range<usize>,
    /// The value alone, without the length of bytes.
    content: Range<usize>,
    value: Option<u64>,
}

/// The fields of a message up to the first that cannot be decoded.
fn wire_fields(message: &[u8]) -> Vec<WireField> {
    let mut fields = Vec::new();
    let mut at = 0;
    while let Some(field) = wire_field(message, at) {
        at = field.bytes.end;
        fields.push(field);
    }
    fields
}

fn wire_field(message: &[u8], start: usize) -> Option<WireField> {
    let mut rest = message.get(start..).filter(|rest| !rest.is_empty())?;
    let (number, wire_type) = decode_key(&mut rest).ok()?;
    let (value, size) = match wire_type {
        WireType::Varint => (Some(decode_varint(&mut rest).ok()?), 0),
        WireType::LengthDelimited => (None, usize::try_from(decode_varint(&mut rest).ok()?).ok()?),
        WireType::SixtyFourBit => (None, 8),
        WireType::ThirtyTwoBit => (None, 4),
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let content = message.len() - rest.len();
    let end = content.checked_add(size).filter(|end| *end <= message.len())?;
    Some(WireField { number, bytes: start..end, content: content..end, value })
}
