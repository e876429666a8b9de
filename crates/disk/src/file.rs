//! One file: two images and the set of pages in which they may differ.

use ordered::Set;
use std::ops::Range;

use crate::page::{PAGE_BYTES, Page, Slot, ZERO, is_shared, page_of};
use crate::page_table::PageTable;
use crate::sync::FileSync;

/// No file is longer: page numbers stay far inside 32 bits.
pub const FILE_BYTES_MAX: u64 = 1 << 40;

const PAGE_BYTES_U64: u64 = PAGE_BYTES as u64;

/// Bytes and length. Invariant: every byte at or beyond `len` is zero, and pages wholly beyond it
/// are holes.
#[derive(Clone, Default)]
pub(crate) struct Image {
    pub(crate) len: u64,
    pub(crate) pages: PageTable,
}

impl Image {
    pub(crate) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let available = self.len.saturating_sub(offset);
        let wanted = usize::try_from(available).unwrap_or(usize::MAX).min(buf.len());
        for part in parts(offset, wanted) {
            let page = page_of(self.pages.get(part.page));
            buf[part.data].copy_from_slice(&page.bytes()[part.within]);
        }
        wanted
    }

    /// End of the last page that is no hole, at most the length.
    pub(crate) fn data_end(&self) -> u64 {
        self.pages.last().map_or(0, |page| self.len.min(page_end(page)))
    }

    /// Cuts what lies beyond `len` and returns the pages that changed.
    pub(crate) fn truncate(&mut self, len: u64) -> Vec<u32> {
        self.len = len;
        let first = page_number(len);
        let touched: Vec<u32> = self.pages.numbers_from(first).collect();
        for &page in &touched {
            let keep = within_page(len);
            if page == first && keep > 0 {
                self.pages.get_mut(page).bytes_mut()[keep..].fill(0);
            } else {
                self.pages.set(page, None);
            }
        }
        touched
    }
}

/// A file. Invariants: a page that is not in `unsynced` is the same in both images; `cleaned` is
/// part of `unsynced`.
#[derive(Clone, Default)]
pub(crate) struct File {
    pub(crate) live: Image,
    pub(crate) durable: Image,
    pub(crate) unsynced: Set<u32>,
    /// Pages that differ and that no sync writes any more, because one went wrong: until they are
    /// written to again.
    pub(crate) cleaned: Set<u32>,
}

impl File {
    /// Writes into the live image and returns the pages that it touched.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8]) -> Range<u32> {
        for part in parts(offset, data.len()) {
            let (page, bytes) = (part.page, &data[part.data]);
            if let Ok(whole) = <&[u8; PAGE_BYTES]>::try_from(bytes) {
                let is_zero = whole == ZERO.bytes();
                self.live.pages.set(page, (!is_zero).then(|| Page::whole(whole)));
            } else {
                self.live.pages.get_mut(page).bytes_mut()[part.within].copy_from_slice(bytes);
            }
            self.dirty(page);
        }
        let end = offset + data.len() as u64;
        self.live.len = self.live.len.max(end);
        if data.is_empty() { 0..0 } else { page_number(offset)..page_number(end - 1) + 1 }
    }

    /// Changes the live length and returns the pages that lost bytes. Growing makes a hole.
    pub(crate) fn set_len(&mut self, len: u64) -> Vec<u32> {
        if len >= self.live.len {
            self.live.len = len;
            return Vec::new();
        }
        let touched = self.live.truncate(len);
        for page in &touched {
            self.dirty(*page);
        }
        touched
    }

    fn dirty(&mut self, page: u32) {
        self.unsynced.insert(page);
        self.cleaned.remove(&page);
    }

    /// What a sync issued now covers.
    pub(crate) fn sync(&self) -> FileSync {
        let page = |page: &u32| (*page, self.live.pages.get(*page).cloned());
        let covered = self.unsynced.difference(&self.cleaned);
        FileSync { len: self.live.len, pages: covered.map(page).collect() }
    }

    /// Makes what a sync covered durable.
    pub(crate) fn complete(&mut self, sync: FileSync) {
        for (page, slot) in sync.pages {
            if is_shared(slot.as_ref(), self.live.pages.get(page)) {
                self.unsynced.remove(&page);
                self.cleaned.remove(&page);
            }
            self.durable.pages.set(page, slot);
        }
        self.durable.len = sync.len;
    }

    /// Whether bytes and length up to the range's end are the same in both images.
    pub(crate) fn is_durable(&self, range: Range<u64>) -> bool {
        let mut touched = self.unsynced.range(page_number(range.start)..).copied();
        let is_changed = |page: u32| {
            let (live, durable) =
                (page_of(self.live.pages.get(page)), page_of(self.durable.pages.get(page)));
            let start = range.start.max(u64::from(page) * PAGE_BYTES_U64);
            let end = range.end.min(page_end(page));
            let within = within_page(start)..within_page(end - 1) + 1;
            live.bytes()[within.clone()] != durable.bytes()[within]
        };
        range.is_empty()
            || range.end <= self.durable.len
                && !touched
                    .by_ref()
                    .take_while(|page| u64::from(*page) * PAGE_BYTES_U64 < range.end)
                    .any(is_changed)
    }

    /// After a power cut a process reads what survived.
    pub(crate) fn settle(&mut self) {
        let len = self.durable.len;
        self.durable.truncate(len);
        self.live = self.durable.clone();
        self.unsynced.clear();
        self.cleaned.clear();
    }

    /// Flips bits of one byte in both images, as far as they reach.
    pub(crate) fn corrupt(&mut self, offset: u64, xor: u8) {
        let (page, within) = (page_number(offset), within_page(offset));
        for image in [&mut self.live, &mut self.durable] {
            if offset < image.len {
                image.pages.get_mut(page).bytes_mut()[within] ^= xor;
            }
        }
        self.unsynced.insert(page);
    }

    /// How many live pages a write would turn from hole to data.
    pub(crate) fn pages_needed(&self, offset: u64, len: usize) -> u32 {
        let is_hole = |page: u32| u32::from(self.live.pages.get(page).is_none());
        parts(offset, len).map(|part| is_hole(part.page)).sum()
    }

    /// All pages that either image has.
    pub(crate) fn page_numbers(&self) -> Set<u32> {
        self.live.pages.numbers_from(0).chain(self.durable.pages.numbers_from(0)).collect()
    }

    pub(crate) fn slots(&self, page: u32) -> (Slot, Slot) {
        (self.live.pages.get(page).cloned(), self.durable.pages.get(page).cloned())
    }
}

/// The piece of a read or write that falls into one page.
pub(crate) struct Part {
    pub(crate) page: u32,
    pub(crate) within: Range<usize>,
    pub(crate) data: Range<usize>,
}

/// Splits `len` bytes at `offset` into pages. The caller has checked that they end within
/// [`FILE_BYTES_MAX`].
pub(crate) fn parts(offset: u64, len: usize) -> impl Iterator<Item = Part> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let start = within_page(at);
        let size = (PAGE_BYTES - start).min(len - done);
        let data = done..done + size;
        done += size;
        (size > 0).then(|| Part { page: page_number(at), within: start..start + size, data })
    })
}

pub(crate) fn page_number(offset: u64) -> u32 {
    u32::try_from(offset / PAGE_BYTES_U64).expect("offsets stay below FILE_BYTES_MAX")
}

fn page_end(page: u32) -> u64 {
    (u64::from(page) + 1) * PAGE_BYTES_U64
}

fn within_page(offset: u64) -> usize {
    usize::try_from(offset % PAGE_BYTES_U64).expect("a remainder below 4096")
}
