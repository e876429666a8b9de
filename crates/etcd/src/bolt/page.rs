//! One page, its overflow included, and its elements.

use std::fmt;

use bytes::Bytes;

use super::{Fault, Problem};

/// Bytes of a page's header.
pub(super) const HEADER_BYTES: usize = 16;
/// Bytes of an element in front of keys and values.
pub(super) const ELEMENT_BYTES: usize = 16;

/// What a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageKind {
    /// Keys and the pages below them.
    Branch,
    /// Keys and values.
    Leaf,
    /// A root of everything.
    Meta,
    /// The numbers of free pages.
    Freelist,
}

impl PageKind {
    /// The kinds, each with its bit.
    const BITS: [(PageKind, u16); 4] =
        [(PageKind::Branch, 1), (PageKind::Leaf, 2), (PageKind::Meta, 4), (PageKind::Freelist, 16)];

    /// As bbolt does it (`page.typ`), by single bits: one that stands for nothing is not seen. Of
    /// several that stand for something bbolt believes one; here they are no kind.
    pub(super) fn of(flags: u16) -> Option<PageKind> {
        let mut kinds = Self::BITS.iter().filter(|(_, bit)| flags & bit != 0);
        let (kind, _) = kinds.next()?;
        kinds.next().is_none().then_some(*kind)
    }

    /// The flags that a page of this kind is written with.
    fn flags(self) -> u16 {
        Self::BITS.iter().find(|(kind, _)| *kind == self).map_or(0, |(_, bit)| *bit)
    }
}

impl fmt::Display for PageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PageKind::Branch => "branch",
            PageKind::Leaf => "leaf",
            PageKind::Meta => "meta",
            PageKind::Freelist => "freelist",
        })
    }
}

/// The fixed part of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) id: u64,
    pub(super) flags: u16,
    pub(super) count: u16,
    pub(super) overflow: u32,
}

impl Header {
    /// Reads the header; the bytes are at least [`HEADER_BYTES`].
    #[inline]
    pub(super) fn parse(bytes: &[u8]) -> Header {
        Header {
            id: u64_at(bytes, 0),
            flags: u16_at(bytes, 8),
            count: u16_at(bytes, 10),
            overflow: u32_at(bytes, 12),
        }
    }
}

/// A page whose header is sound: of a known type, and long enough for its elements.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// The page's number; for an inline bucket that of the page around it.
    pub(super) id: u64,
    /// Where it begins in the file.
    pub(super) offset: u64,
    pub(super) kind: PageKind,
    flags: u16,
    /// Pages that follow and belong to it.
    pub(super) overflow: u32,
    count: u16,
    bytes: Bytes,
}

/// A key and the page below it.
#[derive(Debug, Clone)]
pub(super) struct BranchElement {
    pub(super) key: Bytes,
    pub(super) child: u64,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(super) struct LeafElement {
    pub(super) is_bucket: bool,
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    /// Where the value begins in the file.
    pub(super) value_offset: u64,
}

impl Page {
    /// A page from all of its bytes.
    pub(super) fn new(id: u64, offset: u64, bytes: Bytes) -> Result<Page, Problem> {
        let problem = |fault| Problem { page: id, offset, fault };
        if bytes.len() < HEADER_BYTES {
            let (count, bytes) = (0, bytes.len() as u64);
            return Err(problem(Fault::TooManyElements { count, bytes }));
        }
        let Header { flags, count, overflow, .. } = Header::parse(&bytes);
        let kind = PageKind::of(flags).ok_or_else(|| problem(Fault::InvalidType { flags }))?;
        let has_elements = matches!(kind, PageKind::Branch | PageKind::Leaf);
        if has_elements && HEADER_BYTES + usize::from(count) * ELEMENT_BYTES > bytes.len() {
            let (count, bytes) = (u64::from(count), bytes.len() as u64);
            return Err(problem(Fault::TooManyElements { count, bytes }));
        }
        Ok(Page { id, offset, kind, flags, overflow, count, bytes })
    }

    /// How many elements there are.
    pub(super) fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// All bytes, header and overflow included.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What is wrong if its flags have more than its kind.
    pub(super) fn stray_flags(&self) -> Option<Fault> {
        (self.flags != self.kind.flags()).then_some(Fault::InvalidType { flags: self.flags })
    }

    /// A problem with this page.
    pub(super) fn problem(&self, fault: Fault) -> Problem {
        Problem { page: self.id, offset: self.offset, fault }
    }

    /// A problem with one element.
    pub(super) fn element_problem(&self, index: usize, fault: Fault) -> Problem {
        Problem { page: self.id, offset: self.offset + element_at(index) as u64, fault }
    }

    /// The key of an element, of a branch or a leaf.
    pub(super) fn key(&self, index: usize) -> Result<Bytes, Problem> {
        match self.kind {
            PageKind::Branch => self.branch(index).map(|element| element.key),
            PageKind::Leaf | PageKind::Meta | PageKind::Freelist => {
                self.leaf(index).map(|element| element.key)
            }
        }
    }

    /// The key of an element, only lent.
    fn lent_key(&self, index: usize) -> Result<&[u8], Problem> {
        let at = self.element(index);
        let skip = if self.kind == PageKind::Branch { 0 } else { 4 };
        let (pos, len) = (u32_at(&self.bytes, at + skip), u32_at(&self.bytes, at + skip + 4));
        let (start, end) = self.bounds(index, pos, 0, len)?;
        Ok(&self.bytes[start..end])
    }

    /// Key and value of an element of a leaf, only lent, and whether the value is a bucket.
    pub(super) fn lent(&self, index: usize) -> Result<(&[u8], &[u8], bool), Problem> {
        let at = self.element(index);
        let [flags, pos, key_bytes, value_bytes] = fields(&self.bytes, at);
        let (start, middle) = self.bounds(index, pos, 0, key_bytes)?;
        let (_, end) = self.bounds(index, pos, key_bytes, value_bytes)?;
        Ok((&self.bytes[start..middle], &self.bytes[middle..end], flags & 1 != 0))
    }

    /// How many elements, from the first one on, are below.
    pub(super) fn partition(&self, is_below: impl Fn(&[u8]) -> bool) -> Result<usize, Problem> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if is_below(self.lent_key(middle)?) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The page below an element of a branch.
    pub(super) fn child(&self, index: usize) -> u64 {
        u64_at(&self.bytes, self.element(index) + 8)
    }

    /// The value of an element of a leaf, if it has this key and is no bucket.
    pub(super) fn value_of(&self, index: usize, key: &[u8]) -> Result<Option<Bytes>, Problem> {
        if self.lent_key(index)? != key {
            return Ok(None);
        }
        let at = self.element(index);
        let [flags, pos, key_bytes, value_bytes] = fields(&self.bytes, at);
        if flags & 1 != 0 {
            return Ok(None);
        }
        self.slice(index, pos, key_bytes, value_bytes).map(Some)
    }

    /// An element of a branch.
    pub(super) fn branch(&self, index: usize) -> Result<BranchElement, Problem> {
        let at = self.element(index);
        let (pos, key_bytes) = (u32_at(&self.bytes, at), u32_at(&self.bytes, at + 4));
        let key = self.slice(index, pos, 0, key_bytes)?;
        Ok(BranchElement { key, child: u64_at(&self.bytes, at + 8) })
    }

    /// An element of a leaf.
    pub(super) fn leaf(&self, index: usize) -> Result<LeafElement, Problem> {
        let at = self.element(index);
        let [flags, pos, key_bytes, value_bytes] = fields(&self.bytes, at);
        let key = self.slice(index, pos, 0, key_bytes)?;
        let value = self.slice(index, pos, key_bytes, value_bytes)?;
        let value_offset = self.offset + at as u64 + u64::from(pos) + u64::from(key_bytes);
        Ok(LeafElement { is_bucket: flags & 1 != 0, key, value, value_offset })
    }

    fn element(&self, index: usize) -> usize {
        assert!(index < self.len(), "element {index} of {}", self.len());
        element_at(index)
    }

    /// `len` bytes at `pos + skip` from an element on.
    fn slice(&self, index: usize, pos: u32, skip: u32, len: u32) -> Result<Bytes, Problem> {
        let (start, end) = self.bounds(index, pos, skip, len)?;
        Ok(self.bytes.slice(start..end))
    }

    fn bounds(
        &self,
        index: usize,
        pos: u32,
        skip: u32,
        len: u32,
    ) -> Result<(usize, usize), Problem> {
        let start = element_at(index) as u64 + u64::from(pos) + u64::from(skip);
        let end = start + u64::from(len);
        let outside = || self.element_problem(index, Fault::ElementOutOfPage { index });
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        range.filter(|(_, end)| *end <= self.bytes.len()).ok_or_else(outside)
    }
}

fn element_at(index: usize) -> usize {
    HEADER_BYTES + index * ELEMENT_BYTES
}

/// The four numbers of a leaf's element.
fn fields(bytes: &[u8], at: usize) -> [u32; 4] {
    let element = &bytes[at..at + ELEMENT_BYTES];
    [u32_at(element, 0), u32_at(element, 4), u32_at(element, 8), u32_at(element, 12)]
}

/// A number at a place that is known to lie in the bytes.
#[inline]
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
}

#[inline]
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[inline]
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
