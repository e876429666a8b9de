//! The bytes of a file: whole, with zeros at the end left out, or mapped from a disk.

use std::ops::Range;

use bytes::Bytes;
use disk::{Disk, DiskError, FileId, Mapping};

/// A page that begins in the bytes and ends in the hole is filled up with at most so many zeros:
/// what is longer has no writer, and would cost memory for a length that nobody checked.
const FILL_BYTES_MAX: u64 = 64 << 20;

/// What lies between the end of the data and `len` reads as zero.
#[derive(Debug, Clone)]
pub(super) struct Image {
    source: Source,
    len: u64,
}

#[derive(Debug, Clone)]
enum Source {
    Bytes(Bytes),
    Mapped(Mapping),
}

impl Image {
    pub(super) fn new(bytes: Bytes, len: u64) -> Image {
        let len = len.max(bytes.len() as u64);
        Image { source: Source::Bytes(bytes), len }
    }

    pub(super) fn mapped(mapping: Mapping) -> Image {
        let len = mapping.len();
        Image { source: Source::Mapped(mapping), len }
    }

    /// Takes over what was written into a mapped file.
    pub(super) fn refresh(
        &mut self,
        disk: &Disk,
        file: FileId,
        ranges: Vec<Range<u64>>,
    ) -> Result<(), DiskError> {
        let Source::Mapped(mapping) = &mut self.source else {
            unreachable!("a database is mapped");
        };
        for range in ranges {
            mapping.refresh(disk, file, range)?;
        }
        self.len = mapping.len();
        Ok(())
    }

    /// Length of the file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The first `N` bytes from `offset` on; `None` unless all of them lie in the file.
    pub(super) fn head<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let end = offset.checked_add(N as u64)?;
        match &self.source {
            Source::Mapped(mapping) if end <= self.len => {
                let mut head = [0; N];
                mapping.read(offset, &mut head);
                Some(head)
            }
            Source::Mapped(_) => None,
            Source::Bytes(_) => self.range(offset, N as u64)?[..].try_into().ok(),
        }
    }

    /// The same bytes as [`Image::range`] only lent; `None` also where they would have to be copied.
    pub(super) fn lent(&self, offset: u64, len: u64) -> Option<&[u8]> {
        let end = offset.checked_add(len)?;
        match &self.source {
            Source::Bytes(bytes) => {
                bytes.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
            }
            Source::Mapped(mapping) => mapping.lent(offset..end),
        }
    }

    /// `len` bytes from `offset` on; `None` unless all of them lie in the file. Shared where they
    /// do not reach into the hole, and of a mapped file where they lie in one page of the disk.
    pub(super) fn range(&self, offset: u64, len: u64) -> Option<Bytes> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len)?;
        match &self.source {
            Source::Bytes(bytes) => filled(bytes, offset, end),
            Source::Mapped(mapping) => {
                let is_bounded = len <= FILL_BYTES_MAX
                    || end - mapping.data_end().clamp(offset, end) <= FILL_BYTES_MAX;
                if is_bounded { mapping.bytes(offset..end) } else { None }
            }
        }
    }
}

fn filled(bytes: &Bytes, offset: u64, end: u64) -> Option<Bytes> {
    let kept = bytes.len() as u64;
    let (from, to) = (offset.min(kept), end.min(kept));
    let slice = bytes.slice(usize::try_from(from).ok()?..usize::try_from(to).ok()?);
    if to == end {
        return Some(slice);
    }
    if end - to.max(offset) > FILL_BYTES_MAX {
        return None;
    }
    let mut filled = slice.to_vec();
    filled.resize(usize::try_from(end - offset).ok()?, 0);
    Some(filled.into())
}
