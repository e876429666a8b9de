//! Page number → page, in shared chunks: the first write to a file after a clone copies one chunk
//! and the list of chunks, not one reference a page.

use ordered::Map;
use std::sync::Arc;

use crate::page::{Page, Slot};

const CHUNK_PAGES: u32 = 64;

#[derive(Clone)]
struct Chunk {
    slots: Vec<Slot>,
    used: u32,
}

impl Chunk {
    fn new() -> Chunk {
        Chunk { slots: vec![None; CHUNK_PAGES as usize], used: 0 }
    }
}

/// The pages of one image of one file. Invariants: no chunk is empty, `pages` counts the slots
/// that are no holes.
#[derive(Clone, Default)]
pub(crate) struct PageTable {
    chunks: Map<u32, Arc<Chunk>>,
    pages: u32,
}

impl PageTable {
    /// How many pages are no holes.
    pub(crate) fn count(&self) -> u32 {
        self.pages
    }

    pub(crate) fn get(&self, page: u32) -> Option<&Arc<Page>> {
        self.chunks.get(&(page / CHUNK_PAGES))?.slots[slot_of(page)].as_ref()
    }

    /// The page for writing, made of zeros when it was a hole, copied when it is shared.
    pub(crate) fn get_mut(&mut self, page: u32) -> &mut Page {
        if self.get(page).is_none() {
            self.set(page, Some(Arc::new(Page::starting_with(&[]))));
        }
        let chunk = self.chunks.get_mut(&(page / CHUNK_PAGES));
        let chunk = Arc::make_mut(chunk.expect("a page that is there has its chunk"));
        let slot = chunk.slots[slot_of(page)].as_mut();
        Arc::make_mut(slot.expect("the page was just put there"))
    }

    /// Puts a page or a hole.
    pub(crate) fn set(&mut self, page: u32, slot: Slot) {
        let number = page / CHUNK_PAGES;
        if slot.is_none() && !self.chunks.contains_key(&number) {
            return;
        }
        let chunk = self.chunks.get_or_insert_with(number, || Arc::new(Chunk::new()));
        let chunk = Arc::make_mut(chunk);
        let (before, after) = (chunk.slots[slot_of(page)].is_some(), slot.is_some());
        chunk.slots[slot_of(page)] = slot;
        chunk.used = chunk.used + u32::from(after) - u32::from(before);
        self.pages = self.pages + u32::from(after) - u32::from(before);
        if chunk.used == 0 {
            self.chunks.remove(&number);
        }
    }

    /// The numbers of the pages that are no holes, from `first` on, ascending.
    pub(crate) fn numbers_from(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        self.chunks.range(first / CHUNK_PAGES..).flat_map(move |(number, chunk)| {
            (0..CHUNK_PAGES)
                .filter(|slot| chunk.slots[*slot as usize].is_some())
                .map(move |slot| number * CHUNK_PAGES + slot)
                .filter(move |page| *page >= first)
        })
    }

    /// The last page that is no hole.
    pub(crate) fn last(&self) -> Option<u32> {
        let (number, chunk) = self.chunks.last_key_value()?;
        let slot = (0..CHUNK_PAGES).rev().find(|slot| chunk.slots[*slot as usize].is_some());
        slot.map(|slot| number * CHUNK_PAGES + slot)
    }
}

fn slot_of(page: u32) -> usize {
    (page % CHUNK_PAGES) as usize
}
