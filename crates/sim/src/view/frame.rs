//! What the bytes of a log frame mean: names and values for byte ranges.
//!
//! A walk over protobuf's wire format with a table of names a message, so that damaged frames are
//! named as far as they can be read.

use bytes::Bytes;
use etcd::proto::LoggedRequest;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::server::FieldView;
use super::text::excerpt;

/// Names of a message's fields, with the message inside where there is one.
struct Names(&'static [(u32, &'static str, Inside)]);

#[derive(Clone, Copy)]
enum Inside {
    Plain,
    Message(&'static Names),
    /// The record's data: which message depends on the record's type.
    Data,
    /// The entry's data: which message depends on the entry's type, and on itself.
    Request,
}

use Inside::{Data, Message, Plain, Request};

const RECORD: Names = Names(&[(1, "type", Plain), (2, "crc", Plain), (3, "data", Data)]);
const METADATA: Names = Names(&[(1, "node id", Plain), (2, "cluster id", Plain)]);
const ENTRY: Names = Names(&[
    (1, "entry type", Plain),
    (2, "term", Plain),
    (3, "index", Plain),
    (4, "request", Request),
]);
const STATE: Names = Names(&[(1, "term", Plain), (2, "vote", Plain), (3, "commit", Plain)]);
const SNAPSHOT: Names = Names(&[(1, "index", Plain), (2, "term", Plain), (3, "members", Plain)]);
const REQUEST: Names = Names(&[
    (2, "v2", Plain),
    (3, "range", Message(&RANGE)),
    (4, "put", Message(&PUT)),
    (5, "delete range", Message(&RANGE)),
    (6, "txn", Plain),
    (7, "compaction", Message(&COMPACTION)),
    (100, "header", Message(&HEADER)),
]);
/// The v2 API, which servers still use to publish themselves.
const REQUEST_V2: Names = Names(&[
    (1, "request id", Plain),
    (2, "method", Plain),
    (3, "path", Plain),
    (4, "value", Plain),
]);
const CONF_CHANGE: Names =
    Names(&[(1, "id", Plain), (2, "change", Plain), (3, "node id", Plain), (4, "member", Plain)]);
const HEADER: Names = Names(&[(1, "request id", Plain), (2, "user", Plain)]);
const PUT: Names = Names(&[(1, "key", Plain), (2, "value", Plain), (3, "lease", Plain)]);
const RANGE: Names = Names(&[(1, "key", Plain), (2, "range end", Plain)]);
const COMPACTION: Names = Names(&[(1, "revision", Plain), (2, "physical", Plain)]);
const NOTHING: Names = Names(&[]);

const HEADER_BYTES: usize = 8;

/// Names the parts of a whole frame: `length`, the record's fields, `padding`.
pub(super) fn fields(frame: &[u8], record_bytes: usize) -> Vec<FieldView> {
    let padding = frame.len().saturating_sub(HEADER_BYTES + record_bytes);
    let mut walk = Walk { frame, fields: Vec::new(), record_type: 0, entry_type: 0 };
    walk.add("length", 0, HEADER_BYTES, format!("{record_bytes} bytes, {padding} of padding"));
    let end = (HEADER_BYTES + record_bytes).min(frame.len());
    walk.message("", &RECORD, HEADER_BYTES, end);
    if padding > 0 {
        walk.add("padding", end, frame.len(), format!("{padding} zeros"));
    }
    walk.fields
}

struct Walk<'a> {
    frame: &'a [u8],
    fields: Vec<FieldView>,
    record_type: u64,
    entry_type: u64,
}

impl Walk<'_> {
    fn add(&mut self, name: &str, start: usize, end: usize, value: String) {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let (start, end) = (place(start), place(end));
        self.fields.push(FieldView { name: name.to_owned(), start, end, value });
    }

    /// Names fields one after the other as far as the bytes make sense.
    fn message(&mut self, prefix: &str, names: &Names, start: usize, end: usize) {
        let mut at = start;
        while at < end {
            let Some(next) = self.field(prefix, names, at, end) else { return };
            at = next;
        }
    }

    /// Names one field; gives where the next one begins.
    fn field(&mut self, prefix: &str, names: &Names, start: usize, end: usize) -> Option<usize> {
        let mut rest = self.frame.get(start..end)?;
        let before = rest.len();
        let (number, wire) = decode_key(&mut rest).ok()?;
        let known = names.0.iter().find(|(known, ..)| *known == number);
        let name = known.map_or_else(|| format!("field {number}"), |(_, name, _)| (*name).into());
        let name = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match wire {
            WireType::Varint => {
                let value = decode_varint(&mut rest).ok()?;
                match name.as_str() {
                    "type" => self.record_type = value,
                    "data.entry type" => self.entry_type = value,
                    _ => {}
                }
                let next = start + before - rest.len();
                self.add(&name, start, next, value.to_string());
                Some(next)
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let inside = start + before - rest.len();
                let next = inside.checked_add(length).filter(|next| *next <= end)?;
                let inside_names = match known.map_or(Plain, |(.., inside)| *inside) {
                    Plain => None,
                    Message(names) => Some(names),
                    Data => Some(self.data_names()),
                    Request => Some(self.request_names(&self.frame[inside..next])),
                };
                let value = match inside_names {
                    None => excerpt(&self.frame[inside..next]),
                    Some(_) => format!("{length} bytes"),
                };
                self.add(&name, start, next, value);
                if let Some(names) = inside_names {
                    let short = name.rsplit('.').next().unwrap_or_default();
                    self.message(if short == "data" { "data" } else { short }, names, inside, next);
                }
                Some(next)
            }
            WireType::SixtyFourBit
            | WireType::ThirtyTwoBit
            | WireType::StartGroup
            | WireType::EndGroup => None,
        }
    }

    fn request_names(&self, data: &[u8]) -> &'static Names {
        if self.entry_type != 0 {
            return &CONF_CHANGE;
        }
        match LoggedRequest::decode(&Bytes::copy_from_slice(data)) {
            Ok(LoggedRequest::V3(_)) => &REQUEST,
            Ok(LoggedRequest::V2(_)) => &REQUEST_V2,
            Ok(LoggedRequest::Empty) | Err(_) => &NOTHING,
        }
    }

    fn data_names(&self) -> &'static Names {
        match self.record_type {
            1 => &METADATA,
            2 => &ENTRY,
            3 => &STATE,
            5 => &SNAPSHOT,
            _ => &NOTHING,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hard state (term 3, vote 1, commit 2) as a record, framed: 08 03, 10 crc, 1a 06 data.
    const FRAME: [u8; 24] = [
        0x0f, 0, 0, 0, 0, 0, 0, 0x81, 0x08, 0x03, 0x10, 0xff, 0x7f, 0x1a, 0x06, 0x08, 0x03, 0x10,
        0x01, 0x18, 0x02, 0, 0, 0,
    ];

    #[test]
    fn every_byte_of_a_record_has_a_name() {
        let fields = fields(&FRAME, 13);
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let expected =
            ["length", "type", "crc", "data", "data.term", "data.vote", "data.commit", "padding"];
        assert_eq!(names, expected);
        let commit = &fields[6];
        assert_eq!((commit.start, commit.end, commit.value.as_str()), (19, 21, "2"));
    }

    #[test]
    fn a_cut_frame_is_named_as_far_as_it_goes() {
        for end in 0..FRAME.len() {
            let named = fields(&FRAME[..end], 13);
            assert!(!named.is_empty(), "the length at least");
        }
    }
}
