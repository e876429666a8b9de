//! Mending a torn end: the only damage that a server mends by itself.

use disk::{Disk, FileId, Ticket};

use crate::bugs::{Bug, Bugs};

use super::directory::{directory_names, read_segment};
use super::{Decoder, SegmentName, WalError};

/// What [`repair`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The segment in question, the last one.
    pub segment: SegmentName,
    /// Length of its good part.
    pub good_bytes: u64,
    /// Path of the copy made before it was cut off there; `None` when nothing was torn.
    pub broken: Option<String>,
    /// The sync of the shortened file, to be waited for.
    pub ticket: Option<Ticket>,
}

/// Whether a boot tries [`repair`] on this error.
pub(crate) fn is_mendable(error: &WalError, bugs: Bugs) -> bool {
    let is_damage = matches!(error, WalError::RecordCrc { .. } | WalError::Malformed { .. });
    error.is_torn() || is_damage && bugs.has(Bug::CutAtAnyDamage)
}

/// Reads the last segment alone. A torn record at its end is cut off, after the whole file was
/// copied to `<name>.broken`. Any other damage is returned as the error that it is, and nothing
/// changes.
///
/// As in etcd, nobody looks at what follows the torn record: a sector of zeros in the middle of
/// the last segment takes every later record with it.
pub fn repair(disk: &mut Disk, directory: &str, bugs: Bugs) -> Result<Repair, WalError> {
    let not_found = || WalError::FileNotFound { directory: directory.into() };
    let segment = directory_names(disk, directory)?.pop().ok_or_else(not_found)?;
    let path = format!("{directory}/{segment}");
    let file = disk.open(&path)?;
    let segments = [read_segment(disk, directory, segment)?];
    let mut decoder = Decoder::new(&segments);
    let error = loop {
        match decoder.next_record() {
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(error) if is_mendable(&error, bugs) => break Some(error),
            Err(error) => return Err(error),
        }
    };
    let good_bytes = decoder.end().offset;
    if error.is_none() {
        return Ok(Repair { segment, good_bytes, broken: None, ticket: None });
    }
    let broken = format!("{path}.broken");
    copy(disk, file, &broken)?;
    disk.set_len(file, good_bytes)?;
    let ticket = disk.sync_file(file)?;
    Ok(Repair { segment, good_bytes, broken: Some(broken), ticket: Some(ticket) })
}

fn copy(disk: &mut Disk, file: FileId, to: &str) -> Result<(), WalError> {
    let bytes = disk.read_range(file, 0..disk.data_end(file))?;
    let copy = if disk.exists(to) { disk.open(to)? } else { disk.create(to)? };
    disk.set_len(copy, 0)?;
    disk.write(copy, 0, &bytes)?;
    disk.set_len(copy, disk.len(file))?;
    Ok(())
}
