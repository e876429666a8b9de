//! A file as a whole: its meta pages, and its pages by number.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use disk::{Disk, DiskError, FileId, Mapping};

use super::bucket::Tree;
use super::freelist;
use super::image::Image;
use super::meta::META_END;
use super::page::{HEADER_BYTES, Header, Page};
use super::{
    Bucket, Check, Fault, Meta, MetaFault, OpenError, Owner, PAGE_BYTES_MAX, PAGE_BYTES_MIN, Paged,
    Problem, ReadError, check, owners,
};

/// An open file.
///
/// * `meta` is whole, and of the later of the transactions whose meta page is.
/// * Pages are only given out if they lie in the file and below the high water mark.
#[derive(Debug, Clone)]
pub struct File {
    image: Image,
    meta: Meta,
    /// What is wrong with meta pages 0 and 1.
    faults: [Option<MetaFault>; 2],
}

impl File {
    /// Opens a file of `len` bytes; zeros at the end of `bytes` may have been left out. One meta
    /// page may be damaged: then the other one's transaction is the state.
    pub fn open(bytes: Bytes, len: u64) -> Result<File, OpenError> {
        File::from_image(Image::new(bytes, len))
    }

    /// Opens a file of a disk as it is at this moment; changes that come later are not seen.
    pub fn open_mapped(mapping: Mapping) -> Result<File, OpenError> {
        File::from_image(Image::mapped(mapping))
    }

    /// Opens a file that is read piece by piece.
    pub fn open_paged(paged: Paged) -> Result<File, OpenError> {
        File::from_image(Image::paged(paged))
    }

    /// Moves on to the state of a transaction that has written these ranges of the file.
    pub(super) fn refresh(
        &mut self,
        disk: &Disk,
        file: FileId,
        ranges: Vec<Range<u64>>,
        meta: Meta,
    ) -> Result<(), DiskError> {
        self.image.refresh(disk, file, ranges)?;
        (self.meta, self.faults) = (meta, [None, None]);
        Ok(())
    }

    /// Bytes as they are; zeros where the file ends before the high water mark.
    pub(super) fn raw(&self, offset: u64, len: u64) -> Bytes {
        let there = self.len().saturating_sub(offset).min(len);
        let bytes = self.image.range(offset, there).unwrap_or_default();
        if there == len {
            return bytes;
        }
        let mut filled = bytes.to_vec();
        filled.resize(usize::try_from(len).expect("a piece fits memory"), 0);
        filled.into()
    }

    fn from_image(image: Image) -> Result<File, OpenError> {
        let first = meta_at(&image, 0);
        let second = match first {
            Ok(meta) => meta_at(&image, u64::from(meta.page_bytes)),
            Err(_) => second_meta(&image),
        };
        let faults = [first.err(), second.err()];
        let meta = match (first, second) {
            (Ok(first), Ok(second)) if second.transaction > first.transaction => second,
            (Ok(meta), _) | (Err(_), Ok(meta)) => meta,
            (Err(first), Err(second)) => return Err(OpenError { first, second }),
        };
        Ok(File { image, meta, faults })
    }

    /// The root of the state that is read.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// What is wrong with the meta pages that are not whole, by page number.
    pub fn meta_faults(&self) -> impl Iterator<Item = (u64, MetaFault)> {
        (0..).zip(self.faults).filter_map(|(page, fault)| Some((page, fault?)))
    }

    /// Length of the file.
    pub fn len(&self) -> u64 {
        self.image.len()
    }

    /// Whether the file has no bytes, which no open file is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the pages below the high water mark: what etcd calls the size of the database.
    pub fn size_bytes(&self) -> u64 {
        self.meta.high_water.saturating_mul(self.page_bytes())
    }

    /// The bucket of all buckets.
    pub fn root(&self) -> Bucket<'_> {
        Bucket::root_of(self)
    }

    /// A bucket by the place of its keys; the tree must be of this state.
    pub fn bucket_at(&self, tree: &Tree) -> Bucket<'_> {
        Bucket::of_tree(self, tree)
    }

    /// The numbers of the free pages, if the file has a freelist.
    pub fn freelist(&self) -> Result<Option<Vec<u64>>, Problem> {
        let Some(id) = self.meta.freelist else { return Ok(None) };
        freelist::read(&self.page(id)?).map(Some)
    }

    /// Which bucket each page belongs to, by the first page of each; free pages belong to none.
    pub fn owners(&self) -> BTreeMap<u64, Owner> {
        owners::owners(self)
    }

    /// Walks all pages and says what is wrong, and what the file is made of.
    pub fn check(&self) -> Check {
        check::check(self)
    }

    /// Where a page begins.
    pub(super) fn offset(&self, id: u64) -> u64 {
        id.saturating_mul(self.page_bytes())
    }

    pub(super) fn page_bytes(&self) -> u64 {
        u64::from(self.meta.page_bytes)
    }

    /// How many whole or begun pages the file has room for.
    pub(super) fn pages_in_file(&self) -> u64 {
        self.meta.high_water.min(self.len().div_ceil(self.page_bytes()))
    }

    /// The bytes of a page without overflow, if they can be lent.
    pub(super) fn lent(&self, id: u64) -> Option<&[u8]> {
        let is_page = id < self.meta.high_water;
        if is_page { self.image.lent(self.offset(id), self.page_bytes()) } else { None }
    }

    /// A page with its overflow.
    pub(super) fn page(&self, id: u64) -> Result<Page, Problem> {
        let offset = self.offset(id);
        let problem = |fault| Problem { page: id, offset, fault };
        let high_water = self.meta.high_water;
        if id >= high_water {
            return Err(problem(Fault::OutOfBounds { high_water }));
        }
        let unread = |error| {
            problem(match error {
                ReadError::PastEnd => Fault::PastEnd { len: self.len() },
                ReadError::Unreadable(detail) => Fault::Unreadable { detail },
            })
        };
        let header = self.image.head::<HEADER_BYTES>(offset).map_err(unread)?;
        let header = Header::parse(&header);
        let pages = u64::from(header.overflow) + 1;
        if pages > high_water - id {
            return Err(problem(Fault::OutOfBounds { high_water }));
        }
        let bytes = self.image.range(offset, pages * self.page_bytes()).map_err(unread)?;
        let page = Page::new(id, offset, bytes)?;
        if header.id != id {
            return Err(problem(Fault::WrongId { found: header.id }));
        }
        Ok(page)
    }
}

fn meta_at(image: &Image, offset: u64) -> Result<Meta, MetaFault> {
    let page = image.head::<META_END>(offset).map_err(|error| match error {
        ReadError::PastEnd => MetaFault::Missing,
        ReadError::Unreadable(_) => MetaFault::Unreadable,
    })?;
    let meta = Meta::parse(&page)?;
    let is_second = offset > 0;
    if is_second && u64::from(meta.page_bytes) != offset {
        return Err(MetaFault::PageSize { found: meta.page_bytes });
    }
    Ok(meta)
}

/// Meta page 1 when meta page 0 does not say where: at the place of the page size it states.
fn second_meta(image: &Image) -> Result<Meta, MetaFault> {
    let sizes = (0..).map(|shift| u64::from(PAGE_BYTES_MIN) << shift);
    let sizes = sizes.take_while(|size| *size <= u64::from(PAGE_BYTES_MAX));
    let mut fault = MetaFault::Missing;
    for size in sizes {
        match meta_at(image, size) {
            Ok(meta) => return Ok(meta),
            Err(MetaFault::Missing | MetaFault::Magic) => {}
            Err(closer) => fault = closer,
        }
    }
    Err(fault)
}
