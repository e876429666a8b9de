//! The fields of a frame of the log.

use super::FieldRange;
use super::message::{ENTRY, HARD_STATE, METADATA, Message, Messages, RECORD, SNAPSHOT_MARK};
use crate::wal::{FRAME_HEADER_BYTES, Frame, RecordKind};

/// Every field of a frame, in the order of its bytes; `crc_ok` is told of its checksum.
pub fn record_ranges(
    frame: &Frame,
    kind: Option<RecordKind>,
    crc_ok: Option<bool>,
) -> Vec<FieldRange> {
    let start = frame.offset + FRAME_HEADER_BYTES;
    let length = Some(frame.record.len() as u64);
    let mut fields = vec![FieldRange::new("header", frame.offset..start, length)];
    let data = |number: u32| if number == 3 { data_of(kind) } else { None };
    Messages::new(&mut fields).message_with("", &RECORD, &frame.record, start, &data);
    for crc in fields.iter_mut().filter(|field| field.name == "crc") {
        crc.ok = crc_ok;
    }
    let end = start + frame.record.len() as u64;
    if frame.body.len() > frame.record.len() {
        fields.push(FieldRange::new("padding", end..start + frame.body.len() as u64, None));
    }
    fields
}

fn data_of(kind: Option<RecordKind>) -> Option<&'static Message> {
    match kind? {
        RecordKind::Metadata => Some(&METADATA),
        RecordKind::Entry => Some(&ENTRY),
        RecordKind::State => Some(&HARD_STATE),
        RecordKind::Snapshot => Some(&SNAPSHOT_MARK),
        RecordKind::Crc => None,
    }
}
