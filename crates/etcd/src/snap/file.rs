//! The bytes of a `.snap` file.

use bytes::Bytes;
use prost::Message;

use crate::proto::{raftpb, snappb};

/// Why a `.snap` file is no snapshot. The words of the real server are in [`SnapError::reason`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapError {
    /// The file has no data, or says that its checksum is zero.
    #[error("{file}: snap: empty snapshot")]
    Empty {
        /// The file.
        file: String,
    },
    /// The data is not what was written.
    #[error(
        "{file}: offset {offset}: snap: crc mismatch ({stored:08x} stored, {computed:08x} computed)"
    )]
    Crc {
        /// The file.
        file: String,
        /// Where the data begins.
        offset: u64,
        /// What the file says.
        stored: u32,
        /// What the data gives.
        computed: u32,
    },
    /// A message cannot be decoded.
    #[error("{file}: offset {offset}: {what}: {detail}")]
    Malformed {
        /// The file.
        file: String,
        /// Where the message begins.
        offset: u64,
        /// Which message.
        what: &'static str,
        /// What the decoder said.
        detail: String,
    },
}

impl SnapError {
    /// The words that the real server logs, without place and numbers.
    pub fn reason(&self) -> String {
        match self {
            SnapError::Empty { .. } => "snap: empty snapshot".into(),
            SnapError::Crc { .. } => "snap: crc mismatch".into(),
            SnapError::Malformed { detail, .. } => format!("proto: {detail}"),
        }
    }

    /// Which file.
    pub fn file(&self) -> &str {
        match self {
            SnapError::Empty { file }
            | SnapError::Crc { file, .. }
            | SnapError::Malformed { file, .. } => file,
        }
    }

    /// Where in the file.
    pub fn offset(&self) -> Option<u64> {
        match self {
            SnapError::Empty { .. } => None,
            SnapError::Crc { offset, .. } | SnapError::Malformed { offset, .. } => Some(*offset),
        }
    }
}

/// The bytes of the file of a snapshot.
pub fn encode(snapshot: &raft::Snapshot) -> Vec<u8> {
    let data = Bytes::from(raftpb::Snapshot::from(snapshot).encode_to_vec());
    snappb::Snapshot { crc: crc32c::crc32c(&data), data: Some(data) }.encode_to_vec()
}

/// Reads the bytes of a file of this path. What is not right with them is an error; so is an empty
/// file. Nothing is copied.
pub fn decode(path: &str, bytes: &Bytes) -> Result<raft::Snapshot, SnapError> {
    let malformed = |offset, what| {
        move |error: prost::DecodeError| {
            let detail = error.to_string();
            SnapError::Malformed { file: path.into(), offset, what, detail }
        }
    };
    let wrapper =
        snappb::Snapshot::decode(bytes.clone()).map_err(malformed(0, "snappb.snapshot"))?;
    let data = wrapper.data.unwrap_or_default();
    if data.is_empty() || wrapper.crc == 0 {
        return Err(SnapError::Empty { file: path.into() });
    }
    let (offset, computed) = (offset_of(&data, bytes), crc32c::crc32c(&data));
    if computed != wrapper.crc {
        let (file, stored) = (path.into(), wrapper.crc);
        return Err(SnapError::Crc { file, offset, stored, computed });
    }
    let snapshot = raftpb::Snapshot::decode(data).map_err(malformed(offset, "raftpb.Snapshot"))?;
    Ok(snapshot.into())
}

/// Where a part begins that shares the bytes of the whole.
fn offset_of(part: &Bytes, whole: &Bytes) -> u64 {
    let distance = part.as_ptr().addr().checked_sub(whole.as_ptr().addr());
    let within = distance.filter(|distance| *distance <= whole.len());
    within.map_or(0, |distance| distance as u64)
}

#[cfg(test)]
mod tests {
    use raft::{ConfState, Snapshot, SnapshotMetadata};

    use super::*;

    fn snapshot() -> Snapshot {
        let conf_state = ConfState::of_voters([0x0d16_db4c_b96b_4372]);
        let metadata = SnapshotMetadata { conf_state, index: 0x66, term: 2 };
        Snapshot { data: Bytes::from_static(b"{}"), metadata }
    }

    #[test]
    fn a_snapshot_is_read_as_it_is_written() {
        let bytes = Bytes::from(encode(&snapshot()));
        let tail = [0x12, 0x12, 0x0a, 0x0c, 0x08, 0xf2, 0x86, 0xad, 0xcb, 0xcb, 0xe9, 0xb6, 0x8b];
        let tail: Vec<u8> = tail.into_iter().chain([0x0d, 0x28, 0, 0x10, 0x66, 0x18, 2]).collect();
        assert!(bytes.ends_with(&tail), "the metadata of a real file: {bytes:x?}");
        assert_eq!(decode("x", &bytes), Ok(snapshot()), "all of it");
    }

    #[test]
    fn every_damaged_byte_is_an_error_with_its_file() {
        let bytes = encode(&snapshot());
        for cut in 0..bytes.len() {
            let error = decode("x.snap", &bytes[..cut].to_vec().into()).unwrap_err().to_string();
            assert!(error.starts_with("x.snap: "), "cut at {cut}: {error}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = decode("x.snap", &bytes.into());
            assert!(read.is_err() || read == Ok(snapshot()), "bit {bit}: {read:?}");
        }
    }

    #[test]
    fn a_wrong_checksum_names_where_the_data_begins() {
        let mut bytes = encode(&snapshot());
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let error = decode("x", &bytes.into()).unwrap_err();
        assert_eq!((error.reason().as_str(), error.offset()), ("snap: crc mismatch", Some(8)));
    }
}
