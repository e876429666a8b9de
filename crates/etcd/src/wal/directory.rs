//! The directory of a log on a disk.

use disk::{Disk, FileId};

use super::{Segment, SegmentName, SnapshotMark, WalError, valid_snapshots};

/// The segments in a directory, in order. Other files are ignored.
pub(super) fn directory_names(disk: &Disk, directory: &str) -> Result<Vec<SegmentName>, WalError> {
    let entries = disk.list(directory)?;
    Ok(entries.iter().filter_map(|entry| SegmentName::parse(&entry.name)).collect())
}

/// One segment as far as it holds data.
pub(super) fn read_segment(
    disk: &Disk,
    directory: &str,
    name: SegmentName,
) -> Result<Segment, WalError> {
    let file = disk.open(&format!("{directory}/{name}"))?;
    let bytes = disk.read_range(file, 0..disk.data_end(file))?;
    Ok(Segment::new(name, &bytes.into(), disk.len(file)))
}

/// The marks of all segments in a directory that a boot may start from: [`valid_snapshots`].
pub(crate) fn valid_snapshots_on(
    disk: &Disk,
    directory: &str,
) -> Result<Vec<SnapshotMark>, WalError> {
    let names = directory_names(disk, directory)?;
    let segments: Result<Vec<Segment>, WalError> =
        names.into_iter().map(|name| read_segment(disk, directory, name)).collect();
    valid_snapshots(&segments?)
}

/// Zeros from `end` to the end of the file, which keeps its length.
pub(super) fn zero_tail(disk: &mut Disk, file: FileId, end: u64) -> Result<(), WalError> {
    let len = disk.len(file);
    let data_end = disk.data_end(file);
    let rest = disk.read_range(file, end..data_end)?;
    if rest.iter().any(|byte| *byte != 0) {
        disk.set_len(file, end)?;
        disk.set_len(file, len)?;
    }
    Ok(())
}

pub(super) fn remove_all(disk: &mut Disk, directory: &str) -> Result<(), WalError> {
    if disk.exists(directory) {
        for entry in disk.list(directory)? {
            disk.remove(&format!("{directory}/{}", entry.name))?;
        }
        disk.remove(directory)?;
    }
    Ok(())
}

/// The directories above, from the nearest to the root.
pub(super) fn ancestors(directory: &str) -> Vec<&str> {
    let slashes = directory.match_indices('/').map(|(at, _)| at);
    slashes.map(|at| if at == 0 { "/" } else { &directory[..at] }).rev().collect()
}
