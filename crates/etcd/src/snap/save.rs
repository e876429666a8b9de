//! Writing a file so that it is there whole or not at all, on a disk where a sync takes time.
//!
//! ```text
//! .snap      bytes under the name ─ sync file ─► sync directory ─► done
//! .snap.db   bytes in tmp<n> ─ sync file ─► rename ─ sync directory ─► done
//! ```

use disk::{Disk, DiskError, FileId, Ticket};

use super::{DatabaseName, SnapName, encode};
use crate::bugs::{Bug, Bugs};

/// What a file waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Its bytes.
    Bytes(Ticket),
    /// Its name.
    Name(Ticket),
    /// It counts.
    Done,
}

/// A file on its way to the disk. The owner hands over completed tickets.
#[derive(Debug, Clone)]
pub struct SaveFile {
    directory: String,
    /// Where the bytes are until they are durable, unless they have their name at once.
    temporary: Option<String>,
    name: String,
    phase: Phase,
    bugs: Bugs,
}

impl SaveFile {
    /// Writes the `.snap` file of a snapshot. One that was left there without its record is
    /// written again.
    pub fn snap(
        disk: &mut Disk,
        directory: &str,
        snapshot: &raft::Snapshot,
    ) -> Result<SaveFile, DiskError> {
        let (term, index) = (snapshot.metadata.term, snapshot.metadata.index);
        let name = SnapName { term, index }.to_string();
        SaveFile::begin(disk, directory, None, name, &encode(snapshot))
    }

    /// Writes a backend that came with a snapshot of this index. `number` tells this transfer from
    /// others that are under way.
    pub fn database(
        disk: &mut Disk,
        directory: &str,
        number: u64,
        index: u64,
        bytes: &[u8],
    ) -> Result<SaveFile, DiskError> {
        let name = DatabaseName { index }.to_string();
        SaveFile::begin(disk, directory, Some(format!("tmp{number:09}")), name, bytes)
    }

    /// Writes a file of that name by way of another one.
    pub fn replace(
        disk: &mut Disk,
        directory: &str,
        temporary: &str,
        name: &str,
        bytes: &[u8],
    ) -> Result<SaveFile, DiskError> {
        SaveFile::begin(disk, directory, Some(temporary.to_owned()), name.to_owned(), bytes)
    }

    fn begin(
        disk: &mut Disk,
        directory: &str,
        temporary: Option<String>,
        name: String,
        bytes: &[u8],
    ) -> Result<SaveFile, DiskError> {
        let path = format!("{directory}/{}", temporary.as_ref().unwrap_or(&name));
        let file = empty_file(disk, &path)?;
        let written = disk.write(file, 0, bytes).and_then(|()| disk.sync_file(file));
        let ticket = match written {
            Ok(ticket) => ticket,
            Err(error) => {
                // What cannot be removed stays for the next boot to remove.
                let _left = disk.remove(&path);
                return Err(error);
            }
        };
        Ok(SaveFile {
            directory: directory.to_owned(),
            temporary,
            name,
            phase: Phase::Bytes(ticket),
            bugs: Bugs::NONE,
        })
    }

    /// Breaks these rules on the way; without the cargo feature `bugs` it has no effect.
    #[must_use]
    pub fn with_bugs(self, bugs: Bugs) -> SaveFile {
        SaveFile { bugs, ..self }
    }

    /// Takes a completed ticket. False when it belongs to somebody else.
    pub fn on_synced(&mut self, disk: &mut Disk, ticket: Ticket) -> Result<bool, DiskError> {
        match self.phase {
            Phase::Bytes(bytes) if bytes == ticket => {
                if let Some(temporary) = &self.temporary {
                    let from = format!("{}/{temporary}", self.directory);
                    disk.rename(&from, &format!("{}/{}", self.directory, self.name))?;
                }
                self.phase = if self.bugs.has(Bug::SnapshotNameNotSynced) {
                    Phase::Done
                } else {
                    Phase::Name(disk.sync_dir(&self.directory)?)
                };
                Ok(true)
            }
            Phase::Name(name) if name == ticket => {
                self.phase = Phase::Done;
                Ok(true)
            }
            Phase::Bytes(_) | Phase::Name(_) | Phase::Done => Ok(false),
        }
    }

    /// Whether the file is there for good.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Its final name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn empty_file(disk: &mut Disk, path: &str) -> Result<FileId, DiskError> {
    if !disk.exists(path) {
        return disk.create(path);
    }
    let file = disk.open(path)?;
    disk.set_len(file, 0)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(disk: &mut Disk, save: &mut SaveFile) -> Result<(), DiskError> {
        while !save.is_done() {
            for ticket in disk.take_issued() {
                disk.complete(ticket);
                save.on_synced(disk, ticket)?;
            }
            if disk.tripped() {
                return Err(DiskError::PowerLost);
            }
        }
        Ok(())
    }

    #[test]
    fn a_cut_at_any_operation_leaves_the_whole_file_or_none_under_its_name() {
        let (mut finished, mut cuts) = (false, 0);
        for operation in 1.. {
            for survives in [true, false] {
                let mut disk = Disk::new(1 << 20);
                disk.create_dir("/snap").unwrap();
                let ticket = disk.sync_dir("/").unwrap();
                disk.complete(ticket);
                disk.take_issued();
                disk.arm_crash(operation);
                let begun = SaveFile::database(&mut disk, "/snap", 1, 9, &[7; 5000]);
                let ended = begun.and_then(|mut save| drive(&mut disk, &mut save));
                let _report = disk.crash(&mut |_| survives);
                let path = "/snap/0000000000000009.snap.db";
                if let Ok(file) = disk.open(path) {
                    let bytes = disk.read_range(file, 0..disk.len(file)).unwrap();
                    assert_eq!(bytes, [7; 5000], "whole, cut at {operation}");
                }
                assert!(ended.is_err() || disk.exists(path), "done is durable");
                finished |= ended.is_ok();
                cuts += usize::from(ended.is_err());
            }
            if finished {
                break;
            }
        }
        assert!(cuts >= 8, "{cuts} cuts hit");
    }

    #[test]
    fn a_full_disk_leaves_nothing_behind() {
        let mut disk = Disk::new(4096);
        disk.create_dir("/snap").unwrap();
        let error = SaveFile::database(&mut disk, "/snap", 1, 9, &[7; 9000]).unwrap_err();
        assert_eq!(error, DiskError::NoSpace, "the bytes do not fit");
        assert_eq!(disk.list("/snap").unwrap(), [], "and the temporary file is gone");
    }
}
