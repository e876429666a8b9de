//! `.snap` files, as far as telling whether one is whole.

use bytes::Bytes;
use prost::Message;

use super::DataFile;
use crate::proto::{raftpb, snappb};

/// Term and index in the name of a `.snap` file: sixteen hex digits each, term first.
pub(super) fn parse_name(name: &str) -> Option<(u64, u64)> {
    let (term, index) = name.strip_suffix(".snap")?.split_once('-')?;
    let hex = |digits: &str| (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?;
    Some((hex(term)?, hex(index)?))
}

/// The words with which etcd refuses this file, or nothing.
pub(super) fn damage(file: &DataFile) -> Option<String> {
    let wrapper = match snappb::Snapshot::decode(with_tail(file)) {
        Ok(wrapper) => wrapper,
        Err(error) => return Some(format!("proto: {error}")),
    };
    let data = wrapper.data.unwrap_or_default();
    if data.is_empty() || wrapper.crc == 0 {
        return Some("snap: empty snapshot".into());
    }
    if crc32c::crc32c(&data) != wrapper.crc {
        return Some("snap: crc mismatch".into());
    }
    raftpb::Snapshot::decode(data).err().map(|error| format!("proto: {error}"))
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
