//! The bytes of a file: whole, with zeros at the end left out; mapped from a disk; or read piece by
//! piece.

use std::ops::Range;

use bytes::Bytes;
use disk::{Disk, DiskError, FileId, Mapping};

use super::{Paged, ReadError};

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
    Paged(Paged),
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

    pub(super) fn paged(paged: Paged) -> Image {
        let len = paged.len();
        Image { source: Source::Paged(paged), len }
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

    /// The first `N` bytes from `offset` on; they all must lie in the file.
    pub(super) fn head<const N: usize>(&self, offset: u64) -> Result<[u8; N], ReadError> {
        if let Source::Mapped(mapping) = &self.source {
            let end = offset.checked_add(N as u64).filter(|end| *end <= self.len);
            let mut head = [0; N];
            mapping.read(end.ok_or(ReadError::PastEnd)? - N as u64, &mut head);
            return Ok(head);
        }
        Ok(self.range(offset, N as u64)?[..].try_into().expect("as many bytes as asked for"))
    }

    /// The same bytes as [`Image::range`] only lent; `None` also where they would have to be copied.
    pub(super) fn lent(&self, offset: u64, len: u64) -> Option<&[u8]> {
        let end = offset.checked_add(len)?;
        match &self.source {
            Source::Bytes(bytes) => {
                bytes.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
            }
            Source::Mapped(mapping) => mapping.lent(offset..end),
            Source::Paged(_) => None,
        }
    }

    /// `len` bytes from `offset` on; they all must lie in the file. Shared where they do not reach
    /// into the hole, of a mapped file where they lie in one page of the disk, and of a paged one
    /// where they lie in one piece.
    pub(super) fn range(&self, offset: u64, len: u64) -> Result<Bytes, ReadError> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len);
        let end = end.ok_or(ReadError::PastEnd)?;
        let bytes = match &self.source {
            Source::Bytes(bytes) => filled(bytes, offset, end),
            Source::Mapped(mapping) => {
                let is_bounded = len <= FILL_BYTES_MAX
                    || end - mapping.data_end().clamp(offset, end) <= FILL_BYTES_MAX;
                if is_bounded { mapping.bytes(offset..end) } else { None }
            }
            Source::Paged(paged) => return paged.range(offset, len),
        };
        bytes.ok_or(ReadError::PastEnd)
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
