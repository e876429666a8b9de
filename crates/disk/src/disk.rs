//! The disk: what a process may do with it, and what its machine decides.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::directory::{Change, ChangeKind, Directory, Journal};
use crate::feed::Feed;
use crate::file::{FILE_BYTES_MAX, File};
use crate::page::PAGE_BYTES;
use crate::sync::Sync;
use crate::{DiskError, Ticket};

/// An inode number: the identity of a file or directory whatever its name, never used twice on
/// one disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId(pub u32);

pub(crate) const ROOT: FileId = FileId(0);

/// Whether a name leads to a file or to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// Bytes.
    File,
    /// Names.
    Directory,
}

/// One row of [`Disk::list`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirEntry {
    /// The name within its directory.
    pub name: String,
    /// What it leads to.
    pub kind: EntryKind,
    /// The inode.
    pub file: FileId,
    /// Length in bytes; 0 for a directory.
    pub len: u64,
}

#[derive(Clone)]
pub(crate) enum Inode {
    File(File),
    Directory(Directory),
}

/// Counts down to a power cut in the middle of what a process does.
#[derive(Clone, Default)]
pub(crate) struct Power {
    operations_left: Option<u32>,
    lost: bool,
}

/// A disk with all its files. A clone shares every page.
///
/// Invariants: the root is a directory and has no name; every entry in either image names an
/// inode that is there; an inode that neither image nor the journal can reach is freed.
#[derive(Clone)]
pub struct Disk {
    pub(crate) capacity_bytes: u64,
    pub(crate) inodes: BTreeMap<FileId, Arc<Inode>>,
    pub(crate) next_file: u32,
    pub(crate) next_ticket: u64,
    pub(crate) journal: Journal,
    pub(crate) syncs: BTreeMap<Ticket, Sync>,
    pub(crate) issued: Vec<Ticket>,
    pub(crate) feed: Feed,
    pub(crate) power: Power,
}

impl Disk {
    /// An empty disk. Live pages that are no holes count against the capacity.
    pub fn new(capacity_bytes: u64) -> Disk {
        let root = Arc::new(Inode::Directory(Directory::default()));
        Disk {
            capacity_bytes,
            inodes: BTreeMap::from([(ROOT, root)]),
            next_file: ROOT.0 + 1,
            next_ticket: 1,
            journal: Journal::default(),
            syncs: BTreeMap::new(),
            issued: Vec::new(),
            feed: Feed { pages: BTreeSet::new(), metadata: true },
            power: Power::default(),
        }
    }

    // ---- names -------------------------------------------------------------------------------

    /// Makes a directory; its parent must be there.
    pub fn create_dir(&mut self, path: &str) -> Result<(), DiskError> {
        self.add(path, Inode::Directory(Directory::default())).map(|_| ())
    }

    /// Makes a directory and those above it that are missing.
    pub fn create_dir_all(&mut self, path: &str) -> Result<(), DiskError> {
        let names = components(path)?;
        let mut prefix = String::new();
        for name in names {
            prefix.push('/');
            prefix.push_str(name);
            match self.resolve(&prefix) {
                Ok(found) => self.directory(found, &prefix).map(|_| ())?,
                Err(_) => self.create_dir(&prefix)?,
            }
        }
        Ok(())
    }

    /// Makes an empty file; the name must be free.
    pub fn create(&mut self, path: &str) -> Result<FileId, DiskError> {
        self.add(path, Inode::File(File::default()))
    }

    /// The file at `path`.
    pub fn open(&self, path: &str) -> Result<FileId, DiskError> {
        let found = self.resolve(path)?;
        match *self.inodes[&found] {
            Inode::File(_) => Ok(found),
            Inode::Directory(_) => Err(DiskError::IsADirectory { path: path.into() }),
        }
    }

    /// Whether a file or directory has this name.
    pub fn exists(&self, path: &str) -> bool {
        self.resolve(path).is_ok()
    }

    /// What a directory holds, by name.
    pub fn list(&self, path: &str) -> Result<Vec<DirEntry>, DiskError> {
        let directory = self.directory(self.resolve(path)?, path)?;
        Ok(directory.live.iter().map(|(name, file)| self.entry(name, *file)).collect())
    }

    /// Moves a file or directory, replacing a file or an empty directory of the new name.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.operate()?;
        let (from_directory, from_name) = self.parent(from)?;
        let (to_directory, to_name) = self.parent(to)?;
        let file = self.resolve(from)?;
        if self.is_within(to, file) {
            return Err(DiskError::InvalidPath { path: to.into() });
        }
        if let Ok(replaced) = self.resolve(to) {
            if replaced == file {
                return Ok(());
            }
            self.check_replaceable(file, replaced, to)?;
        }
        self.directory_mut(from_directory).live.remove(&from_name);
        self.directory_mut(to_directory).live.insert(to_name.clone(), file);
        let kind = ChangeKind::Place { from: Some(from_directory) };
        self.changed_names(Change { file, directory: to_directory, name: to_name, kind });
        Ok(())
    }

    /// Takes away the name of a file or of an empty directory.
    pub fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        self.operate()?;
        let (directory, name) = self.parent(path)?;
        let file = self.resolve(path)?;
        if self.has_entries(file) {
            return Err(DiskError::NotEmpty { path: path.into() });
        }
        self.directory_mut(directory).live.remove(&name);
        self.changed_names(Change { file, directory, name, kind: ChangeKind::Remove });
        Ok(())
    }

    // ---- bytes -------------------------------------------------------------------------------

    /// Length in bytes, 0 for what is no file.
    pub fn len(&self, file: FileId) -> u64 {
        self.file(file).map_or(0, |file| file.live.len)
    }

    /// Fills `buf` from `offset` on as far as the file reaches, and says how far.
    pub fn read(&self, file: FileId, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        Ok(self.file(file)?.live.read(offset, buf))
    }

    /// The bytes of `range` as far as the file reaches. The caller bounds the range: see
    /// [`Disk::data_end`] for files that are mostly a hole.
    pub fn read_range(&self, file: FileId, range: Range<u64>) -> Result<Vec<u8>, DiskError> {
        let image = &self.file(file)?.live;
        let len = range.end.min(image.len).saturating_sub(range.start);
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| DiskError::NoSpace)?];
        image.read(range.start, &mut bytes);
        Ok(bytes)
    }

    /// Where the last page with data ends; from there to the file's length all bytes are zero.
    pub fn data_end(&self, file: FileId) -> u64 {
        self.file(file).map_or(0, |file| file.live.data_end())
    }

    /// Whether these bytes of a file would survive a power cut now, if its name does.
    pub fn is_durable(&self, file: FileId, range: Range<u64>) -> bool {
        self.file(file).is_ok_and(|file| file.is_durable(range))
    }

    /// Writes at `offset`; beyond the end, the gap becomes a hole.
    pub fn write(&mut self, file: FileId, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        self.operate()?;
        let end = offset.checked_add(data.len() as u64);
        if end.is_none_or(|end| end > FILE_BYTES_MAX) {
            return Err(DiskError::NoSpace);
        }
        let needed = self.file(file)?.pages_needed(offset, data.len());
        if needed > 0 && self.used_bytes() + bytes_of_pages(needed) > self.capacity_bytes {
            return Err(DiskError::NoSpace);
        }
        let target = self.file_mut(file)?;
        let len = target.live.len;
        let touched = target.write(offset, data);
        let grew = target.live.len != len;
        self.feed.touch(file, touched);
        self.feed.metadata |= grew;
        Ok(())
    }

    /// Cuts the file, or lets it grow by a hole.
    pub fn set_len(&mut self, file: FileId, len: u64) -> Result<(), DiskError> {
        self.operate()?;
        if len > FILE_BYTES_MAX {
            return Err(DiskError::NoSpace);
        }
        let touched = self.file_mut(file)?.set_len(len);
        self.feed.touch(file, touched);
        self.feed.metadata = true;
        Ok(())
    }

    // ---- syncs -------------------------------------------------------------------------------

    /// Asks for the file's bytes and length, as they are now, to become durable.
    pub fn sync_file(&mut self, file: FileId) -> Result<Ticket, DiskError> {
        self.operate()?;
        let covers = self.file(file)?.sync();
        Ok(self.issue(Sync::File { file, covers }))
    }

    /// Asks for the names in a directory, as they are now, to become durable.
    pub fn sync_dir(&mut self, path: &str) -> Result<Ticket, DiskError> {
        self.operate()?;
        let directory = self.resolve(path)?;
        self.directory(directory, path)?;
        Ok(self.issue(Sync::Directory { directory, before: self.journal.next }))
    }

    fn issue(&mut self, sync: Sync) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.feed.metadata = true;
        self.syncs.insert(ticket, sync);
        self.issued.push(ticket);
        ticket
    }

    /// The tickets issued since the last call: the machine schedules their completion.
    pub fn take_issued(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.issued)
    }

    /// Makes durable what the ticket covered. A ticket that a crash swept away is ignored.
    pub fn complete(&mut self, ticket: Ticket) {
        match self.syncs.remove(&ticket) {
            Some(Sync::File { file, covers }) => self.complete_file(ticket, file, covers),
            Some(Sync::Directory { directory, before }) => {
                for change in self.journal.take_synced(directory, before) {
                    self.make_durable(&change);
                }
                self.feed.metadata = true;
                self.free_unreachable();
            }
            Some(Sync::Covered) | None => {}
        }
    }

    fn complete_file(&mut self, ticket: Ticket, file: FileId, covers: crate::sync::FileSync) {
        for (_, earlier) in self.syncs.range_mut(..ticket) {
            if matches!(earlier, Sync::File { file: other, .. } if *other == file) {
                *earlier = Sync::Covered;
            }
        }
        let touched: Vec<u32> = covers.pages.iter().map(|(page, _)| *page).collect();
        let Ok(target) = self.file_mut(file) else { return };
        let len = target.durable.len;
        target.complete(covers);
        let grew = target.durable.len != len;
        self.feed.touch(file, touched);
        self.feed.metadata |= grew;
    }

    /// Applies one change of a name to the durable image.
    pub(crate) fn make_durable(&mut self, change: &Change) {
        let at_name = |disk: &Disk| disk.durable_entry(change) == Some(change.file);
        match change.kind {
            ChangeKind::Place { .. } => {
                self.take_durable_name(change.file);
                if self.inodes.contains_key(&change.directory) {
                    let directory = self.directory_mut(change.directory);
                    directory.durable.insert(change.name.clone(), change.file);
                }
            }
            ChangeKind::Remove if at_name(self) => {
                self.directory_mut(change.directory).durable.remove(&change.name);
            }
            ChangeKind::Remove => {}
        }
    }

    fn durable_entry(&self, change: &Change) -> Option<FileId> {
        match self.inodes.get(&change.directory).map(Arc::as_ref) {
            Some(Inode::Directory(directory)) => directory.durable.get(&change.name).copied(),
            Some(Inode::File(_)) | None => None,
        }
    }

    fn take_durable_name(&mut self, file: FileId) {
        let named = |inode: &Inode| match inode {
            Inode::Directory(directory) => directory.durable.values().any(|entry| *entry == file),
            Inode::File(_) => false,
        };
        let holders: Vec<FileId> =
            self.inodes.iter().filter(|(_, inode)| named(inode)).map(|(id, _)| *id).collect();
        for holder in holders {
            self.directory_mut(holder).durable.retain(|_, entry| *entry != file);
        }
    }

    // ---- faults ------------------------------------------------------------------------------

    /// Lets the `operations`-th next mutating operation, and every later one, fail with
    /// [`DiskError::PowerLost`] and do nothing; 0 and 1 both mean the next one. Reading goes on.
    pub fn arm_crash(&mut self, operations: u32) {
        self.power = Power { operations_left: Some(operations.max(1) - 1), lost: false };
    }

    /// Whether the armed crash has hit.
    pub fn tripped(&self) -> bool {
        self.power.lost
    }

    fn operate(&mut self) -> Result<(), DiskError> {
        match &mut self.power.operations_left {
            None => Ok(()),
            Some(0) => {
                self.power.lost = true;
                Err(DiskError::PowerLost)
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Flips bits of one byte in both images: bit rot. Beyond the end nothing happens.
    pub fn corrupt(&mut self, path: &str, offset: u64, xor: u8) -> Result<(), DiskError> {
        let file = self.open(path)?;
        let target = self.file_mut(file)?;
        if offset < target.live.len.max(target.durable.len) {
            target.corrupt(offset, xor);
            self.feed.touch(file, [crate::file::page_number(offset)]);
        }
        Ok(())
    }

    /// Bytes of live pages that are no holes.
    pub fn used_bytes(&self) -> u64 {
        let pages = |inode: &Arc<Inode>| match inode.as_ref() {
            Inode::File(file) => bytes_of_pages(file.live.pages.count()),
            Inode::Directory(_) => 0,
        };
        self.inodes.values().map(pages).sum()
    }

    // ---- inside ------------------------------------------------------------------------------

    fn add(&mut self, path: &str, inode: Inode) -> Result<FileId, DiskError> {
        self.operate()?;
        let (directory, name) = self.parent(path)?;
        if self.resolve(path).is_ok() {
            return Err(DiskError::Exists { path: path.into() });
        }
        let file = FileId(self.next_file);
        self.next_file = self.next_file.checked_add(1).ok_or(DiskError::NoSpace)?;
        self.inodes.insert(file, Arc::new(inode));
        self.directory_mut(directory).live.insert(name.clone(), file);
        self.changed_names(Change {
            file,
            directory,
            name,
            kind: ChangeKind::Place { from: None },
        });
        Ok(file)
    }

    fn changed_names(&mut self, change: Change) {
        self.journal.push(change);
        self.feed.metadata = true;
    }

    /// Frees what neither image nor a change that may still become durable can reach.
    pub(crate) fn free_unreachable(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut to_visit = vec![ROOT];
        let journaled = self.journal.changes.values();
        to_visit.extend(journaled.flat_map(|change| [change.file, change.directory]));
        while let Some(id) = to_visit.pop() {
            reached.insert(id);
            if let Some(Inode::Directory(directory)) = self.inodes.get(&id).map(Arc::as_ref) {
                let entries = directory.live.values().chain(directory.durable.values());
                to_visit.extend(entries.filter(|entry| !reached.contains(entry)));
            }
        }
        let freed: Vec<FileId> =
            self.inodes.keys().copied().filter(|id| !reached.contains(id)).collect();
        for id in freed {
            self.free(id);
        }
    }

    fn free(&mut self, id: FileId) {
        if let Some(Inode::File(file)) = self.inodes.remove(&id).as_deref() {
            self.feed.touch(id, file.page_numbers());
        }
        self.feed.metadata = true;
    }

    fn entry(&self, name: &str, file: FileId) -> DirEntry {
        let kind = match *self.inodes[&file] {
            Inode::File(_) => EntryKind::File,
            Inode::Directory(_) => EntryKind::Directory,
        };
        DirEntry { name: name.into(), kind, file, len: self.len(file) }
    }

    pub(crate) fn file(&self, file: FileId) -> Result<&File, DiskError> {
        match self.inodes.get(&file).map(Arc::as_ref) {
            Some(Inode::File(file)) => Ok(file),
            Some(Inode::Directory(_)) | None => Err(DiskError::Removed { file }),
        }
    }

    pub(crate) fn file_mut(&mut self, file: FileId) -> Result<&mut File, DiskError> {
        match self.inodes.get_mut(&file).map(Arc::make_mut) {
            Some(Inode::File(file)) => Ok(file),
            Some(Inode::Directory(_)) | None => Err(DiskError::Removed { file }),
        }
    }

    fn directory(&self, file: FileId, path: &str) -> Result<&Directory, DiskError> {
        match self.inodes[&file].as_ref() {
            Inode::Directory(directory) => Ok(directory),
            Inode::File(_) => Err(DiskError::NotADirectory { path: path.into() }),
        }
    }

    pub(crate) fn directory_mut(&mut self, file: FileId) -> &mut Directory {
        match self.inodes.get_mut(&file).map(Arc::make_mut) {
            Some(Inode::Directory(directory)) => directory,
            Some(Inode::File(_)) | None => panic!("inode {} is no directory", file.0),
        }
    }

    fn has_entries(&self, file: FileId) -> bool {
        match self.inodes[&file].as_ref() {
            Inode::Directory(directory) => !directory.live.is_empty(),
            Inode::File(_) => false,
        }
    }

    fn check_replaceable(&self, file: FileId, old: FileId, path: &str) -> Result<(), DiskError> {
        match (self.inodes[&file].as_ref(), self.inodes[&old].as_ref()) {
            (Inode::File(_), Inode::Directory(_)) => {
                Err(DiskError::IsADirectory { path: path.into() })
            }
            (Inode::Directory(_), Inode::File(_)) => {
                Err(DiskError::NotADirectory { path: path.into() })
            }
            (Inode::Directory(_), Inode::Directory(_)) if self.has_entries(old) => {
                Err(DiskError::NotEmpty { path: path.into() })
            }
            (Inode::File(_), Inode::File(_)) | (Inode::Directory(_), Inode::Directory(_)) => Ok(()),
        }
    }

    /// Whether `path` leads through (not to) the inode.
    fn is_within(&self, path: &str, inode: FileId) -> bool {
        let parents = path.char_indices().filter(|(at, c)| *c == '/' && *at > 0);
        parents.into_iter().any(|(at, _)| self.resolve(&path[..at]) == Ok(inode))
    }

    fn resolve(&self, path: &str) -> Result<FileId, DiskError> {
        let mut at = ROOT;
        for name in components(path)? {
            let directory = self.directory(at, path)?;
            let found = directory.live.get(name);
            at = *found.ok_or_else(|| DiskError::NotFound { path: path.into() })?;
        }
        Ok(at)
    }

    fn parent(&self, path: &str) -> Result<(FileId, String), DiskError> {
        let mut names = components(path)?;
        let name = names.pop().ok_or_else(|| DiskError::InvalidPath { path: path.into() })?;
        let end = path.trim_end_matches('/').len() - name.len();
        let parent = self.resolve(&path[..end])?;
        self.directory(parent, path)?;
        Ok((parent, name.into()))
    }
}

/// The names of an absolute path; `/` has none. No `.` and no `..`.
fn components(path: &str) -> Result<Vec<&str>, DiskError> {
    let invalid = || DiskError::InvalidPath { path: path.into() };
    let rest = path.strip_prefix('/').ok_or_else(invalid)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = rest.split('/').collect();
    let is_plain = |name: &&str| !matches!(*name, "" | "." | "..");
    if names.iter().all(is_plain) { Ok(names) } else { Err(invalid()) }
}

fn bytes_of_pages(pages: u32) -> u64 {
    u64::from(pages) * PAGE_BYTES as u64
}
