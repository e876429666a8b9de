//! A stored `mvccpb.KeyValue` read in place.
//!
//! Servers write its fields in the order of their numbers, each at most once. Bytes of that form
//! are read here without a copy and without an allocation; for anything else, which protobuf may
//! still allow, the general decoder is asked.

use bytes::Bytes;
use prost::{DecodeError, Message as _};

use crate::proto::mvccpb::KeyValue;
use crate::proto::usual::{lent, number};

/// The fields, lent by the bytes that they stand in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub(super) key: &'a [u8],
    pub(super) create_revision: i64,
    pub(super) mod_revision: i64,
    pub(super) version: i64,
    pub(super) value: &'a [u8],
    pub(super) lease: i64,
}

impl<'a> Row<'a> {
    /// Reads the usual form; `None` of any other bytes.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (key, rest) = lent(bytes, 0x0a)?;
        let (create_revision, rest) = number(rest, 0x10)?;
        let (mod_revision, rest) = number(rest, 0x18)?;
        let (version, rest) = number(rest, 0x20)?;
        let (value, rest) = lent(rest, 0x2a)?;
        let (lease, rest) = number(rest, 0x30)?;
        let row = Self { key, create_revision, mod_revision, version, value, lease };
        rest.is_empty().then_some(row)
    }

    /// Lends out the fields of a decoded one.
    pub(super) fn of(kv: &'a KeyValue) -> Self {
        Self {
            key: &kv.key,
            create_revision: kv.create_revision,
            mod_revision: kv.mod_revision,
            version: kv.version,
            value: &kv.value,
            lease: kv.lease,
        }
    }

    /// The same with bytes of its own; `key` is the row's, from where it can be shared.
    pub(super) fn to_key_value(self, key: Bytes) -> KeyValue {
        KeyValue {
            key,
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
            value: Bytes::copy_from_slice(self.value),
            lease: self.lease,
        }
    }
}

/// Room that is made before all rows are known.
const RESERVED_BYTES_MAX: usize = 64 << 10;

/// Rows whose keys and values are cut from one piece of memory: one allocation for all of them, and
/// one counter of handles.
#[derive(Debug, Default)]
pub(super) struct Rows {
    placed: Vec<Placed>,
    bytes: Vec<u8>,
    /// Those in an unusual form, with their places.
    others: Vec<(usize, KeyValue)>,
}

/// A row, and where its key and, right behind, its value lie.
#[derive(Debug, Clone, Copy, Default)]
struct Placed {
    create_revision: i64,
    mod_revision: i64,
    version: i64,
    lease: i64,
    start: usize,
    key_bytes: usize,
    value_bytes: usize,
}

impl Rows {
    /// Makes room for `count` rows that are set in any order.
    pub(super) fn of(count: usize) -> Self {
        Self { placed: vec![Placed::default(); count], ..Self::default() }
    }

    /// Reads a row in any form, as [`key_value`] does.
    pub(super) fn set(&mut self, at: usize, bytes: &[u8]) -> Result<(), DecodeError> {
        let Some(Row { key, create_revision, mod_revision, version, value, lease }) =
            Row::read(bytes)
        else {
            self.others.push((at, KeyValue::decode(bytes)?));
            return Ok(());
        };
        let (start, key_bytes, value_bytes) = (self.bytes.len(), key.len(), value.len());
        if self.bytes.capacity() == 0 {
            // Rows are mostly of one size.
            let room = (key_bytes + value_bytes).saturating_mul(self.placed.len());
            self.bytes.reserve(room.min(RESERVED_BYTES_MAX));
        }
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.placed[at] =
            Placed { create_revision, mod_revision, version, lease, start, key_bytes, value_bytes };
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<KeyValue> {
        let bytes = Bytes::from(self.bytes);
        let mut kvs: Vec<KeyValue> =
            self.placed.iter().map(|placed| placed.to_key_value(&bytes)).collect();
        for (at, kv) in self.others {
            kvs[at] = kv;
        }
        kvs
    }
}

impl Placed {
    fn to_key_value(self, bytes: &Bytes) -> KeyValue {
        let Self { create_revision, mod_revision, version, lease, start, .. } = self;
        let middle = start + self.key_bytes;
        let (key, value) =
            (bytes.slice(start..middle), bytes.slice(middle..middle + self.value_bytes));
        KeyValue { key, create_revision, mod_revision, version, value, lease }
    }
}

/// Reads a key and its value in any form; `key` is shared if it is the row's.
pub(super) fn key_value(bytes: &[u8], key: &Bytes) -> Result<KeyValue, DecodeError> {
    match Row::read(bytes) {
        Some(row) if row.key == key => Ok(row.to_key_value(key.clone())),
        Some(_) | None => KeyValue::decode(Bytes::copy_from_slice(bytes)),
    }
}

/// Whether bytes are a `mvccpb.KeyValue` of any form.
pub(super) fn is_key_value(bytes: &[u8]) -> bool {
    Row::read(bytes).is_some() || KeyValue::decode(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> KeyValue {
        KeyValue {
            key: Bytes::from_static(b"key"),
            create_revision: 300,
            mod_revision: i64::MAX,
            version: 1,
            value: Bytes::from(vec![7; 200]),
            lease: 5,
        }
    }

    #[test]
    fn a_row_says_what_the_general_decoder_says_or_nothing() {
        let bytes = sample().encode_to_vec();
        let row = Row::read(&bytes).unwrap();
        assert_eq!(row.to_key_value(Bytes::copy_from_slice(row.key)), sample());
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            let Some(row) = Row::read(&flipped) else { continue };
            let general = KeyValue::decode(&flipped[..]).unwrap();
            assert_eq!(row.to_key_value(Bytes::copy_from_slice(row.key)), general, "bit {at}");
        }
        for len in 0..bytes.len() {
            if let Some(row) = Row::read(&bytes[..len]) {
                let general = KeyValue::decode(&bytes[..len]).unwrap();
                assert_eq!(row.to_key_value(Bytes::copy_from_slice(row.key)), general, "{len}");
            }
        }
    }

    #[test]
    fn what_is_not_in_the_usual_form_is_left_to_the_general_decoder() {
        // A lease in front of the key, and a negative number, which takes ten bytes.
        let mut bytes = b"\x30\x05".to_vec();
        bytes.extend_from_slice(&KeyValue { lease: 0, ..sample() }.encode_to_vec());
        assert_eq!(Row::read(&bytes), None);
        assert_eq!(key_value(&bytes, &sample().key), Ok(sample()));
        let negative = KeyValue { lease: -1, ..sample() };
        assert_eq!(Row::read(&negative.encode_to_vec()), None);
        assert_eq!(key_value(&negative.encode_to_vec(), &sample().key), Ok(negative));
    }

    #[test]
    fn rows_that_are_set_in_any_order_and_form_come_out_in_theirs() {
        let kv = |number: i64| KeyValue {
            key: Bytes::from(format!("key{number}")),
            mod_revision: number,
            // Every third has no usual form.
            lease: if number % 3 == 0 { -1 } else { 0 },
            ..sample()
        };
        let mut rows = Rows::of(10);
        for at in (0..10_usize).map(|at| at * 7 % 10) {
            rows.set(at, &kv(at.try_into().unwrap()).encode_to_vec()).unwrap();
        }
        assert_eq!(rows.finish(), (0..10).map(kv).collect::<Vec<_>>());
        assert!(Rows::of(1).set(0, b"\x0a\x09").is_err(), "what cannot be decoded");
        assert_eq!(Rows::of(0).finish(), [], "nothing");
    }
}
