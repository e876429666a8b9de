//! One record: a checksum before the bytes.
//!
//! ```text
//! u8      schema
//! u64 LE  xxh3 of the payload
//! …       payload
//! ```

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use super::layout::{Key, SCHEMA};

const HEADER_BYTES: usize = 9;

/// What may stand in one record.
pub const PAYLOAD_BYTES_MAX: usize = super::layout::RECORD_BYTES_MAX - HEADER_BYTES;

/// A record that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key}: {what}")]
pub struct Damage {
    /// Store and key, as people read them.
    pub key: String,
    /// In words.
    pub what: String,
}

impl Damage {
    /// Damage of the record at `key`.
    pub fn at(key: Key, what: impl Into<String>) -> Self {
        Self { key: key.to_string(), what: what.into() }
    }
}

/// A payload as it is stored.
pub fn seal(payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a record of {} bytes", payload.len());
    let mut record = Vec::with_capacity(HEADER_BYTES + payload.len());
    record.push(SCHEMA);
    record.extend(xxh3_64(payload).to_le_bytes());
    record.extend(payload);
    record
}

/// The payload of a record, checked.
pub fn open(key: Key, record: &[u8]) -> Result<&[u8], Damage> {
    match inspect(record) {
        (payload, None) => Ok(payload),
        (_, Some(what)) => Err(Damage::at(key, what)),
    }
}

/// The payload of a record whatever its state, and what is wrong with it.
pub fn inspect(record: &[u8]) -> (&[u8], Option<String>) {
    let Some((header, payload)) = record.split_first_chunk::<HEADER_BYTES>() else {
        return (&[], Some(format!("{} bytes are no record", record.len())));
    };
    let [schema, sum @ ..] = *header;
    let what = if schema != SCHEMA {
        Some(format!("schema {schema}, this build reads {SCHEMA}"))
    } else if u64::from_le_bytes(sum) != xxh3_64(payload) {
        Some("checksum mismatch".to_string())
    } else {
        None
    };
    (payload, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_seen() {
        let record = seal(b"what was acknowledged");
        assert_eq!(open(Key::Writer, &record), Ok(&b"what was acknowledged"[..]));
        for bit in 0..record.len() * 8 {
            let mut damaged = record.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let damage = open(Key::Actions(3), &damaged).expect_err("a flipped bit");
            assert_eq!(damage.key, "actions [3]");
        }
    }

    #[test]
    fn a_cut_record_is_seen() {
        let record = seal(b"whole");
        for len in 0..record.len() {
            assert!(open(Key::Writer, &record[..len]).is_err(), "{len} bytes pass");
        }
    }
}
