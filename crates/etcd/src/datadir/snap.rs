//! `.snap` files among the files of a directory.

use bytes::Bytes;

use super::kind::SNAP_DIRECTORY;
use super::{DataDir, DataFile};
use crate::snap::{SnapError, SnapName, decode};

/// The files that a server takes for snapshots, by name.
pub(super) fn files(directory: &DataDir) -> impl DoubleEndedIterator<Item = &DataFile> {
    let is_snap = |file: &&DataFile| {
        let name = file.path.strip_prefix(SNAP_DIRECTORY);
        let stem = name.and_then(|name| name.strip_suffix(".snap"));
        stem.is_some_and(|stem| !stem.contains('/'))
    };
    directory.files().iter().filter(is_snap)
}

/// Term and index of a `.snap` file by its path.
pub(super) fn name(file: &DataFile) -> Option<SnapName> {
    SnapName::parse(file.path.strip_prefix(SNAP_DIRECTORY)?)
}

/// The snapshot in a file.
pub(super) fn read(file: &DataFile) -> Result<raft::Snapshot, SnapError> {
    decode(&file.path, &with_tail(file))
}

/// The bytes with the zeros at the end that a reader may have left out, unless they are more than
/// the end of any message: then the file is damaged anyhow.
fn with_tail(file: &DataFile) -> Bytes {
    const TAIL_BYTES_MAX: u64 = 64 * 1024;
    let kept = file.kept().cloned().unwrap_or_default();
    let missing = file.len().saturating_sub(kept.len() as u64).min(TAIL_BYTES_MAX);
    if missing == 0 {
        return kept;
    }
    let mut bytes = kept.to_vec();
    bytes.resize(bytes.len() + usize::try_from(missing).expect("at most 64 KiB"), 0);
    bytes.into()
}
