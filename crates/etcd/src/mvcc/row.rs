//! A stored `mvccpb.KeyValue` read in place.
//!
//! Servers write its fields in the order of their numbers, each at most once. Bytes of that form
//! are read here without a copy and without an allocation; for anything else, which protobuf may
//! still allow, the general decoder is asked.

use std::ops::Range;

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
        KeyValue { value: Bytes::copy_from_slice(self.value), ..self.without_value(key) }
    }

    fn without_value(self, key: Bytes) -> KeyValue {
        KeyValue {
            key,
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
            version: self.version,
            value: Bytes::new(),
            lease: self.lease,
        }
    }
}

/// Room that is made before the values are known.
const RESERVED_BYTES_MAX: usize = 64 << 10;

/// Rows whose values are cut from one piece of memory: one allocation for all of them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Without values.
    kvs: Vec<KeyValue>,
    /// Where each value lies, in the order of `kvs`.
    places: Vec<Range<usize>>,
    values: Vec<u8>,
}

impl Rows {
    /// Makes room for `count` rows that are set in any order.
    pub(super) fn of(count: usize) -> Self {
        let (kvs, places) = (vec![KeyValue::default(); count], vec![0..0; count]);
        Self { kvs, places, values: Vec::new() }
    }

    /// Reads a row in any form, as [`key_value`] does.
    pub(super) fn set(&mut self, at: usize, bytes: &[u8], key: &Bytes) -> Result<(), DecodeError> {
        let start = self.values.len();
        match Row::read(bytes) {
            Some(row) if row.key == key => {
                if self.values.capacity() == 0 {
                    // Values are mostly of one size.
                    let room = row.value.len().saturating_mul(self.kvs.len());
                    self.values.reserve(room.min(RESERVED_BYTES_MAX));
                }
                self.values.extend_from_slice(row.value);
                self.kvs[at] = row.without_value(key.clone());
            }
            Some(_) | None => {
                let kv = KeyValue::decode(bytes)?;
                self.values.extend_from_slice(&kv.value);
                self.kvs[at] = KeyValue { value: Bytes::new(), ..kv };
            }
        }
        self.places[at] = start..self.values.len();
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<KeyValue> {
        let (mut kvs, values) = (self.kvs, Bytes::from(self.values));
        for (kv, place) in kvs.iter_mut().zip(self.places) {
            kv.value = values.slice(place);
        }
        kvs
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
}
