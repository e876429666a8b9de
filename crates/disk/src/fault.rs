//! What a device does wrong: standing faults that a process meets when it reads, writes or syncs.
//!
//! | fault | what the process sees | what is on the platter |
//! |---|---|---|
//! | full | no space, for whatever needs more than is reserved | nothing new |
//! | unreadable sector | an I/O error when it reads there | lost, until written over whole |
//! | failing sync | an I/O error from the sync | the old bytes; the cached pages count as clean, as on Linux, and no later sync writes them |
//! | lying sync | success | the old bytes, as above |
//! | misdirected write | success | one sector's bytes stand somewhere else in the file |
//!
//! Space is reserved by [`Disk::set_len`], as `fallocate` does: on a full disk, writing inside a
//! file's length goes on. Faults survive a power cut; they end with [`Disk::mend`].

use ordered::Set;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::disk::{Inode, ROOT};
use crate::page::{PAGE_BYTES, SECTOR_BYTES, SECTORS_PER_PAGE, page_of};
use crate::sync::FileSync;
use crate::{Disk, DiskError, FileId};

/// The standing faults of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// Nothing more can be reserved.
    pub is_full: bool,
    /// So many of the next syncs fail.
    pub failing_syncs: u32,
    /// So many of the next syncs of a file succeed and write nothing.
    pub lying_syncs: u32,
    /// The first sector that the next sync of a file writes stands so many sectors further on.
    pub misdirect_by: Option<u32>,
    /// Sectors that cannot be read: file, and offset divided by [`SECTOR_BYTES`].
    pub unreadable: Set<(FileId, u64)>,
    /// What of it a process met so far.
    pub met: Met,
}

/// How often a fault did something. Reading errors are not counted here: who reads is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// Operations refused because the disk is full.
    pub full: u32,
    /// Syncs that failed.
    pub failed_syncs: u32,
    /// Syncs that lied.
    pub lying_syncs: u32,
    /// Writes that went elsewhere.
    pub misdirected: u32,
}

/// What a completed sync does to the platter.
enum Writing {
    All,
    Nothing,
    Misdirected { by_sectors: u32 },
}

impl Disk {
    /// The standing faults.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Sets the standing faults; who keeps a disk elsewhere keeps them beside it.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Ends all standing faults; what they did stays.
    pub fn mend(&mut self) {
        let met = self.faults.met;
        self.faults = Faults { met, ..Faults::default() };
    }

    /// Makes a sector unreadable. Says whether the file reaches so far.
    pub fn spoil(&mut self, path: &str, sector: u64) -> Result<bool, DiskError> {
        let file = self.open(path)?;
        let reaches = sector.checked_mul(SECTOR_BYTES as u64).is_some_and(|at| at < self.len(file));
        if reaches {
            self.faults.unreadable.insert((file, sector));
        }
        Ok(reaches)
    }

    /// An un-synced page reaches the platter before anybody asks for it. Says whether there was
    /// something to write.
    pub fn flush_page(&mut self, path: &str, page: u32) -> Result<bool, DiskError> {
        let file = self.open(path)?;
        let flushed = self.file_mut(file)?.flush_page(page);
        if flushed {
            self.feed.touch(file, [page]);
            self.feed.metadata = true;
        }
        Ok(flushed)
    }

    /// An un-synced page counts as clean: nothing writes it, unless it is written to again. Says
    /// whether it was un-synced.
    pub fn forget_page(&mut self, path: &str, page: u32) -> Result<bool, DiskError> {
        let file = self.open(path)?;
        Ok(self.file_mut(file)?.clean_page(page))
    }

    /// A new disk in the old one's place: no file is left, nothing is under way, the faults are
    /// gone with the device.
    pub fn wipe(&mut self) {
        self.crash(&mut |_| false);
        let root = self.directory_mut(ROOT);
        root.live.clear();
        root.durable.clear();
        self.free_unreachable();
        self.mend();
    }

    /// Where a file stands in the live tree.
    pub fn path_of(&self, file: FileId) -> Option<String> {
        let mut path = String::new();
        let mut at = file;
        while at != ROOT {
            let (parent, name) =
                self.inodes.iter().find_map(|(id, inode)| match inode.as_ref() {
                    Inode::Directory(directory) => directory
                        .live
                        .iter()
                        .find(|(_, entry)| **entry == at)
                        .map(|(name, _)| (*id, name.clone())),
                    Inode::File(_) => None,
                })?;
            path = format!("/{name}{path}");
            at = parent;
        }
        Some(path)
    }

    pub(crate) fn check_readable(&self, file: FileId, range: Range<u64>) -> Result<(), DiskError> {
        if self.faults.unreadable.is_empty() || range.is_empty() {
            return Ok(());
        }
        let sectors = range.start / SECTOR_BYTES as u64..=(range.end - 1) / SECTOR_BYTES as u64;
        let first = (file, *sectors.start());
        match self.faults.unreadable.range(first..=(file, *sectors.end())).next() {
            None => Ok(()),
            Some(_) => Err(self.io_error("read", file)),
        }
    }

    /// A sector that is written whole is readable again: the device puts it elsewhere.
    pub(crate) fn wrote(&mut self, file: FileId, offset: u64, len: usize) {
        if self.faults.unreadable.is_empty() {
            return;
        }
        let sector = SECTOR_BYTES as u64;
        let whole = offset.div_ceil(sector)..(offset + len as u64) / sector;
        self.faults.unreadable.retain(|(of, at)| *of != file || !whole.contains(at));
    }

    /// Refuses what a full disk has no room for.
    pub(crate) fn check_room(&mut self) -> Result<(), DiskError> {
        if self.faults.is_full {
            self.faults.met.full += 1;
            return Err(DiskError::NoSpace);
        }
        Ok(())
    }

    pub(crate) fn io_error(&self, doing: &str, file: FileId) -> DiskError {
        let path = self.path_of(file).unwrap_or_else(|| format!("file {}", file.0));
        DiskError::Io { detail: format!("{doing} {path}") }
    }

    /// Whether the sync of a directory that completes now fails.
    pub(crate) fn fails_sync(&mut self) -> bool {
        let fails = self.faults.failing_syncs > 0;
        if fails {
            self.faults.failing_syncs -= 1;
            self.faults.met.failed_syncs += 1;
        }
        fails
    }

    /// Completes the sync of a file as the device's faults have it.
    pub(crate) fn write_through(
        &mut self,
        file: FileId,
        covers: FileSync,
    ) -> Result<(), DiskError> {
        let fails = self.fails_sync();
        let writing = if fails { Writing::Nothing } else { self.writing(&covers) };
        let target = self.file_mut(file)?;
        match writing {
            Writing::All => target.complete(covers),
            Writing::Nothing => target.complete_nothing(covers),
            Writing::Misdirected { by_sectors } => {
                let extra = target.complete_misdirected(covers, by_sectors);
                self.feed.touch(file, extra);
            }
        }
        if fails { Err(DiskError::Io { detail: String::new() }) } else { Ok(()) }
    }

    fn writing(&mut self, covers: &FileSync) -> Writing {
        let faults = &mut self.faults;
        if covers.pages.is_empty() {
            return Writing::All;
        }
        if faults.lying_syncs > 0 {
            faults.lying_syncs -= 1;
            faults.met.lying_syncs += 1;
            return Writing::Nothing;
        }
        match faults.misdirect_by.take() {
            Some(by_sectors) => {
                faults.met.misdirected += 1;
                Writing::Misdirected { by_sectors }
            }
            None => Writing::All,
        }
    }
}

impl crate::file::File {
    /// Writes one un-synced page as it is now, and as much of the length as it needs.
    pub(crate) fn flush_page(&mut self, page: u32) -> bool {
        if !self.unsynced.remove(&page) {
            return false;
        }
        self.cleaned.remove(&page);
        self.durable.pages.set(page, self.live.pages.get(page).cloned());
        let end = (u64::from(page) + 1) * PAGE_BYTES as u64;
        self.durable.len = self.durable.len.max(end.min(self.live.len));
        true
    }

    /// Takes an un-synced page for clean.
    pub(crate) fn clean_page(&mut self, page: u32) -> bool {
        self.unsynced.contains(&page) && self.cleaned.insert(page)
    }

    /// What a sync covered is taken for clean, and the platter stays as it was.
    pub(crate) fn complete_nothing(&mut self, covers: FileSync) {
        for (page, slot) in covers.pages {
            if crate::page::is_shared(slot.as_ref(), self.live.pages.get(page)) {
                self.clean_page(page);
            }
        }
    }

    /// As a sync completes, but the first sector that changes lands further on. Gives the pages
    /// that it touched beyond those that it covered.
    pub(crate) fn complete_misdirected(&mut self, covers: FileSync, by_sectors: u32) -> Vec<u32> {
        let astray = covers.pages.iter().find_map(|(page, slot)| {
            let (new, old) = (page_of(slot.as_ref()), page_of(self.durable.pages.get(*page)));
            let sector = (0..SECTORS_PER_PAGE).find(|s| new.sector(*s) != old.sector(*s))?;
            Some((*page, sector, old.sector(sector).to_vec(), new.sector(sector).to_vec()))
        });
        self.complete(covers);
        let Some((page, sector, old, new)) = astray else { return Vec::new() };
        let to = u64::from(page) * SECTORS_PER_PAGE as u64 + sector as u64 + u64::from(by_sectors);
        self.place_sector(page, sector, &old);
        let (Ok(to_page), Ok(to_sector)) = (
            u32::try_from(to / SECTORS_PER_PAGE as u64),
            usize::try_from(to % SECTORS_PER_PAGE as u64),
        ) else {
            return Vec::new();
        };
        if to * (SECTOR_BYTES as u64) < self.durable.len {
            self.place_sector(to_page, to_sector, &new);
        }
        vec![to_page]
    }

    /// Puts bytes on the platter behind the cache's back.
    fn place_sector(&mut self, page: u32, sector: usize, bytes: &[u8]) {
        self.durable.pages.get_mut(page).sector_mut(sector).copy_from_slice(bytes);
        let len = self.durable.len;
        self.durable.truncate(len);
        self.unsynced.insert(page);
        self.cleaned.insert(page);
    }
}
