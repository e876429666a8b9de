//! Messages in the form in which servers write them: fields in the order of their numbers, each at
//! most once. They are read in place, without a copy and without an allocation. Of bytes in any other
//! form, which protobuf may still allow, nothing is said: the general decoder is asked.

use std::ops::Range;

use bytes::Bytes;

/// A `walpb.Record`, by where its data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) kind: i64,
    pub(crate) crc: u32,
    pub(crate) data: Option<Range<usize>>,
}

/// Reads a record.
#[inline]
pub(crate) fn record(bytes: &[u8]) -> Option<Record> {
    let (kind, rest) = varint(bytes.strip_prefix(&[0x08])?)?;
    let (crc, rest) = varint(rest.strip_prefix(&[0x10])?)?;
    let (kind, crc) = (kind.cast_signed(), u32::try_from(crc).ok()?);
    let data = if rest.is_empty() { None } else { Some(last(bytes, rest, 0x1a)?) };
    Some(Record { kind, crc, data })
}

/// Reads a `raftpb.Entry`, whose data is shared.
#[inline]
pub(crate) fn entry(bytes: &Bytes) -> Option<raft::Entry> {
    let (entry_type, rest) = varint(bytes.strip_prefix(&[0x08])?)?;
    let (term, rest) = varint(rest.strip_prefix(&[0x10])?)?;
    let (index, rest) = varint(rest.strip_prefix(&[0x18])?)?;
    let entry_type = match entry_type {
        0 => raft::EntryType::Normal,
        1 => raft::EntryType::ConfChange,
        2 => raft::EntryType::ConfChangeV2,
        _ => return None,
    };
    let is_bare = rest.is_empty();
    let data = if is_bare { Bytes::new() } else { bytes.slice(last(bytes, rest, 0x22)?) };
    Some(raft::Entry { entry_type, term, index, data })
}

/// The field of bytes that ends a message, as a place in it; `rest` is the message's end.
#[inline]
fn last(message: &[u8], rest: &[u8], tag: u8) -> Option<Range<usize>> {
    let (len, data) = varint(rest.strip_prefix(&[tag])?)?;
    let is_all = usize::try_from(len).is_ok_and(|len| len == data.len());
    is_all.then(|| message.len() - data.len()..message.len())
}

/// A field of bytes with this tag, empty if it is not there, and what follows.
#[inline]
pub(crate) fn lent(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match bytes.split_first() {
        Some((&first, rest)) if first == tag => {
            let (len, rest) = varint(rest)?;
            rest.split_at_checked(usize::try_from(len).ok()?)
        }
        _ => Some((&[], bytes)),
    }
}

/// A number with this tag, 0 if it is not there, and what follows.
#[inline]
pub(crate) fn number(bytes: &[u8], tag: u8) -> Option<(i64, &[u8])> {
    match bytes.split_first() {
        Some((&first, rest)) if first == tag => {
            let (number, rest) = varint(rest)?;
            Some((number.cast_signed(), rest))
        }
        _ => Some((0, bytes)),
    }
}

#[inline]
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    match bytes {
        [first, rest @ ..] if *first < 0x80 => Some(((*first).into(), rest)),
        [first, second, rest @ ..] if *second < 0x80 => {
            Some((u64::from(first & 0x7f) | u64::from(*second) << 7, rest))
        }
        bytes => long_varint(bytes),
    }
}

fn long_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (position, &byte) in bytes.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * position);
        if byte < 0x80 {
            return Some((number, &bytes[position + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::proto::{raftpb, strict, walpb};

    /// Every bit flip and every truncation of bytes.
    fn damaged(bytes: &[u8]) -> Vec<Bytes> {
        let flipped = |at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at / 8] ^= 1 << (at % 8);
            Bytes::from(bytes)
        };
        let cut = (0..=bytes.len()).map(|len| Bytes::copy_from_slice(&bytes[..len]));
        (0..bytes.len() * 8).map(flipped).chain(cut).collect()
    }

    #[test]
    fn a_record_says_what_the_general_decoder_says_or_nothing() {
        for data in [None, Some(Bytes::new()), Some(Bytes::from(vec![7; 200]))] {
            let whole = walpb::Record { r#type: 2, crc: 0xfedc_ba98, data };
            assert!(record(&whole.encode_to_vec()).is_some(), "the usual form");
            for bytes in damaged(&whole.encode_to_vec()) {
                let Some(Record { kind, crc, data }) = record(&bytes) else { continue };
                let data = data.map(|place| bytes.slice(place));
                let read = walpb::Record { r#type: kind, crc, data };
                assert!(strict::check(&strict::RECORD, &bytes).is_ok(), "{bytes:?}");
                assert_eq!(Ok(read), walpb::Record::decode(bytes));
            }
        }
    }

    #[test]
    fn an_entry_says_what_the_general_decoder_says_or_nothing() {
        for data in [None, Some(Bytes::from(vec![7; 200]))] {
            let (term, index) = (300, u64::MAX >> 1);
            let whole = raftpb::Entry { r#type: 0, term, index, data };
            assert!(entry(&whole.encode_to_vec().into()).is_some(), "the usual form");
            for bytes in damaged(&whole.encode_to_vec()) {
                let Some(read) = entry(&bytes) else { continue };
                let general = raftpb::Entry::decode(bytes).unwrap();
                assert_eq!(Ok(read), raft::Entry::try_from(general));
            }
        }
    }
}
