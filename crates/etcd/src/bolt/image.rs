//! The bytes of a file whose zeros at the end may have been left out.

use bytes::Bytes;

/// A page that begins in the bytes and ends in the hole is filled up with at most so many zeros:
/// what is longer has no writer, and would cost memory for a length that nobody checked.
const FILL_BYTES_MAX: u64 = 64 << 20;

/// What lies between `bytes` and `len` reads as zero.
#[derive(Debug, Clone)]
pub(super) struct Image {
    bytes: Bytes,
    len: u64,
}

impl Image {
    pub(super) fn new(bytes: Bytes, len: u64) -> Image {
        let len = len.max(bytes.len() as u64);
        Image { bytes, len }
    }

    /// Length of the file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// `len` bytes from `offset` on; `None` unless all of them lie in the file. Shared where they
    /// do not reach into the hole.
    pub(super) fn range(&self, offset: u64, len: u64) -> Option<Bytes> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len)?;
        let kept = self.bytes.len() as u64;
        let (from, to) = (offset.min(kept), end.min(kept));
        let slice = self.bytes.slice(usize::try_from(from).ok()?..usize::try_from(to).ok()?);
        if to == end {
            return Some(slice);
        }
        if end - to.max(offset) > FILL_BYTES_MAX {
            return None;
        }
        let mut filled = slice.to_vec();
        filled.resize(usize::try_from(len).ok()?, 0);
        Some(filled.into())
    }
}
