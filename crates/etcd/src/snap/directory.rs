//! The directory of snapshots on a disk.

use bytes::Bytes;
use disk::{Disk, DiskError, EntryKind};

use super::{DatabaseName, SnapError, decode};
use crate::wal::SnapshotMark;

/// What a boot found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Loaded {
    /// The newest snapshot that the log knows of, with the name of its file.
    pub snapshot: Option<(String, raft::Snapshot)>,
    /// Newer files that could not be read and are called `.broken` now.
    pub broken: Vec<SnapError>,
}

/// Reads `.snap` files from the newest name on until one is a snapshot that the log has marked.
/// Files that are no snapshot are renamed to `<name>.broken`; one without a mark is passed over: a
/// crash left it before its record was written. etcd's `LoadNewestAvailable`.
pub fn load_newest(
    disk: &mut Disk,
    directory: &str,
    marks: &[SnapshotMark],
) -> Result<Loaded, DiskError> {
    let mut loaded = Loaded::default();
    for name in
        names(disk, directory, |name| name.strip_suffix(".snap").is_some())?.into_iter().rev()
    {
        let path = format!("{directory}/{name}");
        match decode(&name, &read(disk, &path)?) {
            Ok(snapshot) if is_marked(&snapshot, marks) => {
                loaded.snapshot = Some((name, snapshot));
                break;
            }
            Ok(_) => {}
            Err(error) => {
                disk.rename(&path, &format!("{path}.broken"))?;
                loaded.broken.push(error);
            }
        }
    }
    Ok(loaded)
}

/// Removes what a crash left of backends under way: `tmp*` of a transfer, `db.tmp*` of a
/// defragmentation. Gives the names.
pub fn remove_orphans(disk: &mut Disk, directory: &str) -> Result<Vec<String>, DiskError> {
    let is_orphan = |name: &str| name.starts_with("tmp") || name.starts_with("db.tmp");
    remove(disk, directory, is_orphan)
}

/// Removes received backends of snapshots older than this one: etcd's `ReleaseSnapDBs`.
pub fn release_databases(
    disk: &mut Disk,
    directory: &str,
    index: u64,
) -> Result<Vec<String>, DiskError> {
    let is_older = |name: &str| DatabaseName::parse(name).is_some_and(|name| name.index < index);
    remove(disk, directory, is_older)
}

fn is_marked(snapshot: &raft::Snapshot, marks: &[SnapshotMark]) -> bool {
    let metadata = &snapshot.metadata;
    marks.iter().any(|mark| (mark.index, mark.term) == (metadata.index, metadata.term))
}

fn remove(
    disk: &mut Disk,
    directory: &str,
    which: impl Fn(&str) -> bool,
) -> Result<Vec<String>, DiskError> {
    let names = names(disk, directory, which)?;
    for name in &names {
        disk.remove(&format!("{directory}/{name}"))?;
    }
    Ok(names)
}

fn names(
    disk: &Disk,
    directory: &str,
    which: impl Fn(&str) -> bool,
) -> Result<Vec<String>, DiskError> {
    let files = disk.list(directory)?.into_iter().filter(|entry| entry.kind == EntryKind::File);
    Ok(files.map(|entry| entry.name).filter(|name| which(name)).collect())
}

/// A file's bytes, of a hole at its end not more than may be the end of a message.
fn read(disk: &Disk, path: &str) -> Result<Bytes, DiskError> {
    const TAIL_BYTES_MAX: u64 = 64 * 1024;
    let file = disk.open(path)?;
    let end = disk.data_end(file).saturating_add(TAIL_BYTES_MAX);
    Ok(disk.read_range(file, 0..disk.len(file).min(end))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snap::SaveFile;

    fn disk_with(snapshots: &[(u64, u64)]) -> Disk {
        let mut disk = Disk::new(1 << 20);
        disk.create_dir("/snap").unwrap();
        for (term, index) in snapshots {
            let metadata =
                raft::SnapshotMetadata { index: *index, term: *term, ..Default::default() };
            let snapshot = raft::Snapshot { data: Bytes::from_static(b"{}"), metadata };
            let _save = SaveFile::snap(&mut disk, "/snap", &snapshot).unwrap();
        }
        disk
    }

    fn index_of(loaded: &Loaded) -> Option<u64> {
        Some(loaded.snapshot.as_ref()?.1.metadata.index)
    }

    #[test]
    fn the_newest_snapshot_that_the_log_marks_is_taken() {
        let mut disk = disk_with(&[(1, 5), (1, 10), (2, 7)]);
        let marks = [SnapshotMark::new(5, 1), SnapshotMark::new(10, 1), SnapshotMark::new(7, 1)];
        let loaded = load_newest(&mut disk, "/snap", &marks).unwrap();
        assert_eq!(index_of(&loaded), Some(10), "2-7 is newer and of another term than its mark");
        assert_eq!(loaded.broken, [], "nothing wrong with it");
        let loaded = load_newest(&mut disk, "/snap", &marks[..1]).unwrap();
        assert_eq!(index_of(&loaded), Some(5), "the only one with a mark");
        assert_eq!(load_newest(&mut disk, "/snap", &[]).unwrap(), Loaded::default(), "none");
    }

    #[test]
    fn what_cannot_be_read_is_put_aside() {
        let mut disk = disk_with(&[(1, 5), (1, 10), (1, 15)]);
        disk.corrupt("/snap/0000000000000001-000000000000000f.snap", 9, 1).unwrap();
        let empty = disk.open("/snap/0000000000000001-000000000000000a.snap").unwrap();
        disk.set_len(empty, 0).unwrap();
        let marks = [5, 10, 15].map(|index| SnapshotMark::new(index, 1));
        let loaded = load_newest(&mut disk, "/snap", &marks).unwrap();
        assert_eq!(index_of(&loaded), Some(5), "the oldest is whole");
        let reasons: Vec<String> = loaded.broken.iter().map(SnapError::reason).collect();
        assert_eq!(reasons, ["snap: crc mismatch", "snap: empty snapshot"], "newest first");
        assert!(disk.exists("/snap/0000000000000001-000000000000000f.snap.broken"), "kept aside");
        let again = load_newest(&mut disk, "/snap", &marks).unwrap();
        assert_eq!((index_of(&again), again.broken.len()), (Some(5), 0), "the second time too");
    }

    #[test]
    fn orphans_and_old_backends_are_removed() {
        let mut disk = disk_with(&[(1, 5)]);
        let files = ["db", "db.tmp.123", "tmp000000001", "0000000000000005.snap.db"];
        for name in files {
            disk.create(&format!("/snap/{name}")).unwrap();
        }
        assert_eq!(remove_orphans(&mut disk, "/snap").unwrap(), ["db.tmp.123", "tmp000000001"]);
        assert_eq!(release_databases(&mut disk, "/snap", 5).unwrap(), [""; 0], "still needed");
        assert_eq!(release_databases(&mut disk, "/snap", 6).unwrap(), ["0000000000000005.snap.db"]);
        assert!(disk.exists("/snap/db"), "the backend stays");
    }
}
