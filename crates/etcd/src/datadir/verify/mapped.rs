//! The backend as bbolt sees it: a file mapped into memory that is believed.
//!
//! bbolt reads numbers of pages, positions and sizes and follows them. What lies behind the end
//! of the file kills the server (a bus error); a wrong position inside it is read as if it were
//! right. This module does the same, on bytes, so that its answers are those of the server and not
//! those of [`crate::bolt`], which knows better. Every read is bounded, every walk is counted.
//! Source: bbolt 1.3.6 and 1.3.10, `db.go`, `tx.go`, `tx_check.go`, `cursor.go`.

use bytes::Bytes;

use super::{Dies, Release};
use crate::bolt::{Meta, MetaFault, OpenError};
use crate::datadir::DataFile;

/// Pages of the operating system on which servers mostly run: what is mapped ends at one.
const OS_PAGE_BYTES: u64 = 4096;
const HEADER_BYTES: u64 = 16;
const ELEMENT_BYTES: u64 = 16;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
/// No key or value of a sound file comes near.
const PIECE_BYTES_MAX: u64 = 64 << 20;

/// A mapped file.
#[derive(Debug, Clone)]
pub(super) struct Mapped {
    file: DataFile,
    len: u64,
    meta: Meta,
    is_strict: bool,
}

/// A page's header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) id: u64,
    pub(super) flags: u16,
    pub(super) count: u16,
    pub(super) overflow: u32,
}

/// A page, or the one inside an inline bucket, by where its header begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageAt {
    pub(super) offset: u64,
    pub(super) header: Header,
}

/// A key with its value, and where the element is.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    pub(super) is_bucket: bool,
    /// Where the value begins.
    pub(super) value_offset: u64,
    /// Where the element begins.
    pub(super) offset: u64,
    /// Number in its page.
    pub(super) index: u16,
}

/// Where a bucket's tree begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Root {
    Page(u64),
    Inline(u64),
}

impl Pair {
    /// The same with bytes of its own: those of a file that is read by pieces keep a whole piece.
    pub(super) fn detached(&self) -> Pair {
        let key = Bytes::copy_from_slice(&self.key);
        Pair { key, value: Bytes::copy_from_slice(&self.value), ..*self }
    }
}

impl Mapped {
    /// Opens the file as `bolt.Open` does. Nothing if it is empty: bbolt makes a new one of it.
    pub(super) fn open(data: &DataFile, release: Release) -> Result<Option<Mapped>, Dies> {
        let len = data.len();
        if len == 0 {
            return Ok(None);
        }
        let is_strict = release.has_strict_bbolt();
        let fails = |words: &str| Dies::new(format!("failed to open database: {words}"));
        let file = data.open().map_err(|error| fails(words(&error, is_strict)))?;
        let meta = *file.meta();
        let first_fault = file.meta_faults().find(|(page, _)| *page == 0);
        if let Some((_, fault)) = first_fault
            && !is_strict
            && u64::from(meta.page_bytes) != OS_PAGE_BYTES
        {
            // The second page is looked for at the distance of the machine's own page size.
            return Err(fails(meta_words(fault)));
        }
        if len < 2 * u64::from(meta.page_bytes) {
            return Err(fails("file size too small"));
        }
        Ok(Some(Mapped { file: data.clone(), len, meta, is_strict }))
    }

    /// The whole file.
    pub(super) fn file(&self) -> &DataFile {
        &self.file
    }

    pub(super) fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(super) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Pages that the file has room for.
    pub(super) fn pages(&self) -> u64 {
        self.len / u64::from(self.meta.page_bytes)
    }

    /// More elements than the file has room for lie over each other.
    pub(super) fn elements_max(&self) -> u64 {
        self.len / ELEMENT_BYTES * 4 + 1024
    }

    fn read(&self, offset: u64, len: u64) -> Result<Bytes, Dies> {
        let mapped = self.len.next_multiple_of(OS_PAGE_BYTES);
        let end = offset.checked_add(len).filter(|end| *end <= mapped && len <= PIECE_BYTES_MAX);
        end.ok_or_else(|| Dies::bus_error(offset))?;
        // A page that cannot be read kills the server as one that is not there.
        let there = self.len.saturating_sub(offset).min(len);
        let piece = self.file.range(offset.min(self.len), there);
        let piece = piece.map_err(|_| Dies::bus_error(offset))?;
        if there == len {
            return Ok(piece);
        }
        let mut filled = piece.to_vec();
        filled.resize(usize::try_from(len).map_err(|_| Dies::bus_error(offset))?, 0);
        Ok(filled.into())
    }

    fn u64_at(&self, offset: u64) -> Result<u64, Dies> {
        Ok(u64::from_le_bytes(self.read(offset, 8)?[..].try_into().expect("eight bytes")))
    }

    fn header(&self, offset: u64) -> Result<Header, Dies> {
        let bytes = self.read(offset, HEADER_BYTES)?;
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Ok(Header {
            id: u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")),
            flags: number(8),
            count: number(10),
            overflow: u32::from(number(12)) | u32::from(number(14)) << 16,
        })
    }

    /// A page by its number. Newer releases mind its header.
    pub(super) fn page(&self, id: u64) -> Result<PageAt, Dies> {
        let offset = id.checked_mul(u64::from(self.meta.page_bytes));
        let offset = offset.ok_or_else(|| Dies::bus_error(u64::MAX))?;
        let header = self.header(offset)?;
        if self.is_strict && header.id != id {
            return Err(Dies::at(
                format!(
                    "assertion failed: Page expected to be: {id}, but self identifies as {}",
                    header.id
                ),
                offset,
            ));
        }
        if self.is_strict && !matches!(header.flags, 1 | 2 | 4 | 16) {
            let flags = header.flags;
            let words =
                format!("assertion failed: page {id}: has unexpected type/flags: {flags:x}");
            return Err(Dies::at(words, offset));
        }
        Ok(PageAt { offset, header })
    }

    /// The page that a bucket begins with.
    pub(super) fn root_page(&self, root: Root) -> Result<PageAt, Dies> {
        match root {
            Root::Page(id) => self.page(id),
            Root::Inline(offset) => {
                let header = self.header(offset)?;
                if !header.is_branch() && !header.is_leaf() {
                    let words = format!("invalid page type: {}: {:x}", header.id, header.flags);
                    return Err(Dies::at(words, offset));
                }
                Ok(PageAt { offset, header })
            }
        }
    }

    /// Key and page of an element of a branch.
    pub(super) fn child(&self, page: &PageAt, index: u16) -> Result<u64, Dies> {
        self.u64_at(element(page, index) + 8)
    }

    /// The key of an element.
    pub(super) fn key(&self, page: &PageAt, index: u16) -> Result<Bytes, Dies> {
        let at = element(page, index);
        let skip = if page.header.is_branch() { 0 } else { 4 };
        let (pos, size) = (self.u32_at(at + skip)?, self.u32_at(at + skip + 4)?);
        self.read(at + pos, size)
    }

    /// An element of a leaf.
    pub(super) fn pair(&self, page: &PageAt, index: u16) -> Result<Pair, Dies> {
        let at = element(page, index);
        let bytes = self.read(at, ELEMENT_BYTES)?;
        let number = |at: usize| {
            u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")))
        };
        let [flags, pos, key_bytes, value_bytes] = [0, 4, 8, 12].map(number);
        let value_offset = at + pos + key_bytes;
        Ok(Pair {
            key: self.read(at + pos, key_bytes)?,
            value: self.read(value_offset, value_bytes)?,
            is_bucket: flags & 1 != 0,
            value_offset,
            offset: at,
            index,
        })
    }

    /// The bucket that a pair holds.
    pub(super) fn bucket(&self, pair: &Pair) -> Result<Root, Dies> {
        let root = self.u64_at(pair.value_offset)?;
        Ok(if root == 0 { Root::Inline(pair.value_offset + 16) } else { Root::Page(root) })
    }

    fn u32_at(&self, offset: u64) -> Result<u64, Dies> {
        let bytes = self.read(offset, 4)?;
        Ok(u64::from(u32::from_le_bytes(bytes[..].try_into().expect("four bytes"))))
    }
}

impl Header {
    pub(super) fn is_branch(self) -> bool {
        self.flags & BRANCH != 0
    }

    pub(super) fn is_leaf(self) -> bool {
        self.flags & LEAF != 0
    }
}

fn element(page: &PageAt, index: u16) -> u64 {
    page.offset + HEADER_BYTES + ELEMENT_BYTES * u64::from(index)
}

/// Newer releases look for a page size first and say no more than that there is none.
fn words(error: &OpenError, is_strict: bool) -> &'static str {
    if is_strict { "invalid database" } else { meta_words(error.first) }
}

fn meta_words(fault: MetaFault) -> &'static str {
    match fault {
        MetaFault::Missing
        | MetaFault::Unreadable
        | MetaFault::Magic
        | MetaFault::PageSize { .. } => "invalid database",
        MetaFault::Version { .. } => "version mismatch",
        MetaFault::Checksum => "checksum error",
    }
}
