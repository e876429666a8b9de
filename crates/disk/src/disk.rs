//! The disk: what a process may do with it, and what its machine decides.

use ordered::{Map, Set};
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::crash::{Operation, Power, Subject};
use crate::directory::{Directory, Journal};
use crate::fault::Faults;
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

/// A disk with all its files. A clone shares every page.
///
/// Invariants: the root is a directory and has no name; every entry in either image names an
/// inode that is there; an inode that neither image nor the journal can reach is freed.
#[derive(Clone)]
pub struct Disk {
    pub(crate) capacity_bytes: u64,
    pub(crate) inodes: Map<FileId, Arc<Inode>>,
    pub(crate) next_file: u32,
    pub(crate) next_ticket: u64,
    pub(crate) journal: Journal,
    pub(crate) syncs: Map<Ticket, Sync>,
    pub(crate) issued: Vec<Ticket>,
    pub(crate) feed: Feed,
    pub(crate) power: Power,
    pub(crate) faults: Faults,
}

impl Disk {
    /// An empty disk. Live pages that are no holes count against the capacity.
    pub fn new(capacity_bytes: u64) -> Disk {
        let root = Arc::new(Inode::Directory(Directory::default()));
        Disk {
            capacity_bytes,
            inodes: Map::from([(ROOT, root)]),
            next_file: ROOT.0 + 1,
            next_ticket: 1,
            journal: Journal::default(),
            syncs: Map::new(),
            issued: Vec::new(),
            feed: Feed { pages: Set::new(), metadata: true },
            power: Power::default(),
            faults: Faults::default(),
        }
    }

    /// Length in bytes, 0 for what is no file.
    pub fn len(&self, file: FileId) -> u64 {
        self.file(file).map_or(0, |file| file.live.len)
    }

    /// Fills `buf` from `offset` on as far as the file reaches, and says how far.
    pub fn read(&self, file: FileId, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let image = &self.file(file)?.live;
        let end = image.len.min(offset.saturating_add(buf.len() as u64));
        self.check_readable(file, offset..end)?;
        Ok(image.read(offset, buf))
    }

    /// The bytes of `range` as far as the file reaches. The caller bounds the range: see
    /// [`Disk::data_end`] for files that are mostly a hole.
    pub fn read_range(&self, file: FileId, range: Range<u64>) -> Result<Vec<u8>, DiskError> {
        let image = &self.file(file)?.live;
        let end = range.end.min(image.len);
        self.check_readable(file, range.start..end)?;
        let len = end.saturating_sub(range.start);
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
        self.operate(Operation::Write, &Subject::File(file))?;
        let end = offset.checked_add(data.len() as u64);
        if end.is_none_or(|end| end > FILE_BYTES_MAX) {
            return Err(DiskError::NoSpace);
        }
        let needed = self.file(file)?.pages_needed(offset, data.len());
        if needed > 0 && self.used_bytes() + bytes_of_pages(needed) > self.capacity_bytes {
            return Err(DiskError::NoSpace);
        }
        if needed > 0 && end.is_some_and(|end| end > self.len(file)) {
            self.check_room()?;
        }
        self.wrote(file, offset, data.len());
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
        self.operate(Operation::SetLen, &Subject::File(file))?;
        if len > FILE_BYTES_MAX {
            return Err(DiskError::NoSpace);
        }
        if len > self.file(file)?.live.len {
            self.check_room()?;
        }
        let touched = self.file_mut(file)?.set_len(len);
        self.feed.touch(file, touched);
        self.feed.metadata = true;
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
}

fn bytes_of_pages(pages: u32) -> u64 {
    u64::from(pages) * PAGE_BYTES as u64
}
