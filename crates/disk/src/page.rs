//! One page of bytes. No page and a page of zeros mean the same: a hole.

use std::sync::Arc;

/// The unit that survives a power cut or does not.
pub const SECTOR_BYTES: usize = 512;
/// The unit of sharing, of copying on write, and of the backing store.
pub const PAGE_BYTES: usize = 4096;
/// How many sectors make a page.
pub(crate) const SECTORS_PER_PAGE: usize = PAGE_BYTES / SECTOR_BYTES;

pub(crate) static ZERO: Page = Page([0; PAGE_BYTES]);

/// The bytes of one page.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Page([u8; PAGE_BYTES]);

impl Page {
    /// A page that begins with `head`, at most a page long, and goes on with zeros.
    pub(crate) fn starting_with(head: &[u8]) -> Page {
        let mut page = ZERO.clone();
        page.0[..head.len()].copy_from_slice(head);
        page
    }

    /// A page of just these bytes.
    pub(crate) fn whole(bytes: &[u8; PAGE_BYTES]) -> Arc<Page> {
        Arc::new(Page(*bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; PAGE_BYTES] {
        &self.0
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; PAGE_BYTES] {
        &mut self.0
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0 == ZERO.0
    }

    pub(crate) fn sector(&self, sector: usize) -> &[u8] {
        &self.0[sector * SECTOR_BYTES..][..SECTOR_BYTES]
    }

    pub(crate) fn sector_mut(&mut self, sector: usize) -> &mut [u8] {
        &mut self.0[sector * SECTOR_BYTES..][..SECTOR_BYTES]
    }
}

/// A page that may be a hole.
pub(crate) type Slot = Option<Arc<Page>>;

/// The page's bytes, holes being zeros.
pub(crate) fn page_of(slot: Option<&Arc<Page>>) -> &Page {
    slot.map_or(&ZERO, Arc::as_ref)
}

/// Whether both are the same shared page, which needs no look at the bytes.
pub(crate) fn is_shared(a: Option<&Arc<Page>>, b: Option<&Arc<Page>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
