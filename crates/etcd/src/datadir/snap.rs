//! `.snap` files: whether one is whole, and the v2 store in it.

use bytes::Bytes;
use prost::Message;

use super::DataFile;
use super::kind::SNAP_DIRECTORY;
use crate::proto::{raftpb, snappb};

/// Term and index of a `.snap` file by its path.
pub(super) fn id(file: &DataFile) -> Option<(u64, u64)> {
    parse_name(file.path.strip_prefix(SNAP_DIRECTORY)?)
}

/// Term and index in the name of a `.snap` file: sixteen hex digits each, term first.
pub(super) fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (term, index) = name.strip_suffix(".snap")?.split_once('-')?;
    let hex = |digits: &str| (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?;
    Some((hex(term)?, hex(index)?))
}

/// The data of the snapshot, or the words with which etcd refuses the file.
pub(super) fn data(file: &DataFile) -> Result<Bytes, String> {
    let proto = |error: prost::DecodeError| format!("proto: {error}");
    let wrapper = snappb::Snapshot::decode(with_tail(file)).map_err(proto)?;
    let data = wrapper.data.unwrap_or_default();
    if data.is_empty() || wrapper.crc == 0 {
        return Err("snap: empty snapshot".into());
    }
    if crc32c::crc32c(&data) != wrapper.crc {
        return Err("snap: crc mismatch".into());
    }
    let snapshot = raftpb::Snapshot::decode(data).map_err(proto)?;
    Ok(snapshot.data.unwrap_or_default())
}

/// The bytes with the zeros at the end that a reader may have left out, unless they are more than
/// the end of any message: then the file is damaged anyhow.
fn with_tail(file: &DataFile) -> Bytes {
    const TAIL_BYTES_MAX: u64 = 64 * 1024;
    let missing = file.len.saturating_sub(file.bytes.len() as u64).min(TAIL_BYTES_MAX);
    let mut bytes = file.bytes.to_vec();
    bytes.resize(bytes.len() + usize::try_from(missing).expect("at most 64 KiB"), 0);
    bytes.into()
}
