//! The feed of a backing store: which pages changed, one page as a record, all else as metadata,
//! and back.
//!
//! A page's record, at most 8,195 bytes:
//!
//! ```text
//! u16 LE  n          live bytes, zeros at the end left out
//! n bytes            live image
//! u8      mask       bit s: the durable image of sector s differs
//! 512 bytes each     the durable image of those sectors, lowest first
//! ```
//!
//! Metadata is a postcard of directories, lengths, un-synced changes of names and next numbers.
//! Syncs under way and an armed crash are not part of it: who imports a disk lets it crash before
//! a server boots from it.

use ordered::{Map, Set};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::crash::Power;
use crate::directory::{Change, Directory, Entries, Journal};
use crate::disk::{Inode, ROOT};
use crate::file::{FILE_BYTES_MAX, File, page_number};
use crate::page::{PAGE_BYTES, Page, SECTOR_BYTES, SECTORS_PER_PAGE, Slot, page_of};
use crate::{Disk, FileId, ImportError};

/// One page of one file, both images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageKey {
    /// The file's inode.
    pub file: FileId,
    /// Offset in the file divided by [`PAGE_BYTES`].
    pub page: u32,
}

/// What changed since the last call of [`Disk::take_dirty`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Pages of which either image changed, ascending.
    pub pages: Vec<PageKey>,
    /// Whether [`Disk::export_metadata`] gives something new.
    pub metadata: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Feed {
    pub(crate) pages: Set<PageKey>,
    pub(crate) metadata: bool,
}

impl Feed {
    pub(crate) fn touch(&mut self, file: FileId, pages: impl IntoIterator<Item = u32>) {
        self.pages.extend(pages.into_iter().map(|page| PageKey { file, page }));
    }
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    capacity_bytes: u64,
    next_file: u32,
    next_ticket: u64,
    next_change: u64,
    changes: Map<u64, Change>,
    inodes: Map<FileId, InodeMetadata>,
}

#[derive(Serialize, Deserialize)]
enum InodeMetadata {
    File { live_len: u64, durable_len: u64 },
    Directory { live: Entries, durable: Entries },
}

impl Disk {
    /// What changed since the last call.
    pub fn take_dirty(&mut self) -> Dirty {
        let feed = std::mem::take(&mut self.feed);
        Dirty { pages: feed.pages.into_iter().collect(), metadata: feed.metadata }
    }

    /// One page as a record, or `None` when both images have a hole there.
    pub fn export_page(&self, key: PageKey) -> Option<Vec<u8>> {
        let (live, durable) = self.file(key.file).ok()?.slots(key.page);
        let (live, durable) = (page_of(live.as_ref()), page_of(durable.as_ref()));
        (!live.is_zero() || !durable.is_zero()).then(|| encode_page(live, durable))
    }

    /// Everything but the pages.
    pub fn export_metadata(&self) -> Vec<u8> {
        let metadata = Metadata {
            capacity_bytes: self.capacity_bytes,
            next_file: self.next_file,
            next_ticket: self.next_ticket,
            next_change: self.journal.next,
            changes: self.journal.changes.clone(),
            inodes: self.inodes.iter().map(|(id, inode)| (*id, describe(inode))).collect(),
        };
        postcard::to_allocvec(&metadata).expect("plain data encodes")
    }

    /// A disk from what was exported. Bytes come from outside: whatever they hold, this returns.
    pub fn import(
        metadata: &[u8],
        pages: impl IntoIterator<Item = (PageKey, Vec<u8>)>,
    ) -> Result<Disk, ImportError> {
        let metadata = decode_metadata(metadata)?;
        check_inodes(&metadata)?;
        check_numbers(&metadata)?;
        let mut disk = restore(metadata);
        for (key, record) in pages {
            disk.import_page(key, &record)?;
        }
        disk.free_unreachable();
        disk.feed = Feed::default();
        Ok(disk)
    }

    fn import_page(&mut self, key: PageKey, record: &[u8]) -> Result<(), ImportError> {
        let bad = |detail: &str| ImportError::Page { key, detail: detail.into() };
        let (live, durable) = decode_page(record).ok_or_else(|| bad("record cannot be decoded"))?;
        let file = self.file_mut(key.file).map_err(|_| bad("no such file"))?;
        let (live_len, durable_len) = (file.live.len, file.durable.len);
        let len = live_len.max(durable_len);
        if len == 0 || key.page > page_number(len - 1) {
            return Err(bad("beyond the end of the file"));
        }
        let live = fitted(live, key.page, live_len);
        let durable = fitted(durable, key.page, durable_len);
        let is_synced = page_of(live.as_ref()) == page_of(durable.as_ref());
        file.durable.pages.set(key.page, if is_synced { live.clone() } else { durable });
        file.live.pages.set(key.page, live);
        if !is_synced {
            file.unsynced.insert(key.page);
        }
        Ok(())
    }
}

/// A record may hold bytes beyond the length; an image never does.
fn fitted(mut page: Page, number: u32, len: u64) -> Slot {
    let within = len.saturating_sub(u64::from(number) * PAGE_BYTES as u64);
    let keep = usize::try_from(within).map_or(PAGE_BYTES, |within| within.min(PAGE_BYTES));
    page.bytes_mut()[keep..].fill(0);
    (!page.is_zero()).then(|| Arc::new(page))
}

fn encode_page(live: &Page, durable: &Page) -> Vec<u8> {
    let used = live.bytes().iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let differing: Vec<usize> =
        (0..SECTORS_PER_PAGE).filter(|s| live.sector(*s) != durable.sector(*s)).collect();
    let mut record = Vec::with_capacity(3 + used + differing.len() * SECTOR_BYTES);
    record.extend(u16::try_from(used).expect("a page has 4096 bytes").to_le_bytes());
    record.extend(&live.bytes()[..used]);
    record.push(differing.iter().fold(0, |mask, sector| mask | 1 << sector));
    for sector in differing {
        record.extend(durable.sector(sector));
    }
    record
}

fn decode_page(record: &[u8]) -> Option<(Page, Page)> {
    let (used, rest) = record.split_first_chunk::<2>()?;
    let used = usize::from(u16::from_le_bytes(*used));
    let (head, rest) = rest.split_at_checked(used).filter(|_| used <= PAGE_BYTES)?;
    let (mask, mut rest) = rest.split_first()?;
    let live = Page::starting_with(head);
    let mut durable = live.clone();
    for sector in (0..SECTORS_PER_PAGE).filter(|sector| mask >> sector & 1 == 1) {
        let (bytes, after) = rest.split_at_checked(SECTOR_BYTES)?;
        durable.sector_mut(sector).copy_from_slice(bytes);
        rest = after;
    }
    rest.is_empty().then_some((live, durable))
}

fn describe(inode: &Inode) -> InodeMetadata {
    match inode {
        Inode::File(file) => {
            InodeMetadata::File { live_len: file.live.len, durable_len: file.durable.len }
        }
        Inode::Directory(directory) => InodeMetadata::Directory {
            live: directory.live.clone(),
            durable: directory.durable.clone(),
        },
    }
}

fn decode_metadata(bytes: &[u8]) -> Result<Metadata, ImportError> {
    let (metadata, rest) = postcard::take_from_bytes(bytes)
        .map_err(|error| ImportError::Metadata { detail: error.to_string() })?;
    if rest.is_empty() {
        Ok(metadata)
    } else {
        Err(ImportError::Metadata { detail: format!("{} bytes too many", rest.len()) })
    }
}

fn check_inodes(metadata: &Metadata) -> Result<(), ImportError> {
    if !matches!(metadata.inodes.get(&ROOT), Some(InodeMetadata::Directory { .. })) {
        return Err(ImportError::Inode { file: ROOT, detail: "no root directory".into() });
    }
    let (mut live_names, mut durable_names) = (Set::new(), Set::new());
    for (id, inode) in &metadata.inodes {
        let bad = |detail: &str| ImportError::Inode { file: *id, detail: detail.into() };
        match inode {
            InodeMetadata::File { live_len, durable_len } => {
                if *live_len.max(durable_len) > FILE_BYTES_MAX {
                    return Err(bad("file is too long"));
                }
            }
            InodeMetadata::Directory { live, durable } => {
                check_entries(metadata, live, &mut live_names).map_err(bad)?;
                check_entries(metadata, durable, &mut durable_names).map_err(bad)?;
            }
        }
        if id.0 >= metadata.next_file {
            return Err(bad("number was not given out yet"));
        }
    }
    Ok(())
}

/// Every entry names an inode that is there and is not the root, and no inode has two names.
fn check_entries(
    metadata: &Metadata,
    entries: &Entries,
    named: &mut Set<FileId>,
) -> Result<(), &'static str> {
    for (name, file) in entries {
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err("entry has no proper name");
        }
        if !metadata.inodes.contains_key(file) || *file == ROOT {
            return Err("entry leads nowhere");
        }
        if !named.insert(*file) {
            return Err("entry names what has a name already");
        }
    }
    Ok(())
}

fn check_numbers(metadata: &Metadata) -> Result<(), ImportError> {
    let bad = |detail: &str| ImportError::Metadata { detail: detail.into() };
    let is_directory =
        |id: &FileId| matches!(metadata.inodes.get(id), Some(InodeMetadata::Directory { .. }));
    for (number, change) in &metadata.changes {
        let is_known = metadata.inodes.contains_key(&change.file) && change.file != ROOT;
        if !is_known || !is_directory(&change.directory) || *number >= metadata.next_change {
            return Err(bad("un-synced change of a name contradicts the inodes"));
        }
        if change.name.is_empty() || change.name.contains('/') {
            return Err(bad("un-synced change has no proper name"));
        }
    }
    // Far from the ends, so that counting on never overflows.
    if metadata.next_ticket > u64::MAX / 2 || metadata.next_change > u64::MAX / 2 {
        return Err(bad("a next number is out of range"));
    }
    Ok(())
}

fn restore(metadata: Metadata) -> Disk {
    let mut disk = Disk::new(metadata.capacity_bytes);
    disk.next_file = metadata.next_file;
    disk.next_ticket = metadata.next_ticket;
    disk.journal = Journal { next: metadata.next_change, changes: metadata.changes };
    disk.power = Power::default();
    let inode = |metadata: InodeMetadata| Arc::new(restore_inode(metadata));
    disk.inodes = metadata.inodes.into_iter().map(|(id, data)| (id, inode(data))).collect();
    disk
}

fn restore_inode(metadata: InodeMetadata) -> Inode {
    match metadata {
        InodeMetadata::File { live_len, durable_len } => {
            let mut file = File::default();
            file.live.len = live_len;
            file.durable.len = durable_len;
            Inode::File(file)
        }
        InodeMetadata::Directory { live, durable } => Inode::Directory(Directory { live, durable }),
    }
}
