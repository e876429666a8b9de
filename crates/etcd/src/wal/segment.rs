//! One segment's bytes, with the preallocated tail left out.

use bytes::Bytes;

use super::SegmentName;

/// A segment to read. What lies between `bytes` and `len` reads as zero, so that a preallocated
/// file of 64 MB costs what was written into it.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Sequence number and first index.
    pub name: SegmentName,
    /// The bytes up to the last one that is not zero, or further.
    pub bytes: Bytes,
    /// The length of the file.
    pub len: u64,
}

impl Segment {
    /// A segment of a file's bytes, without zeros at the end.
    pub fn new(name: SegmentName, bytes: &Bytes, len: u64) -> Segment {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let bytes = bytes.slice(..used);
        let len = len.max(used as u64);
        Segment { name, bytes, len }
    }

    /// The bytes of `len` from `offset` on, which lie inside the file. Shared, unless they reach
    /// into the zero tail.
    pub(crate) fn range(&self, offset: u64, len: usize) -> Bytes {
        let used = self.bytes.len();
        let start = usize::try_from(offset).map_or(used, |offset| offset.min(used));
        let end = start.saturating_add(len).min(used);
        if end - start == len {
            return self.bytes.slice(start..end);
        }
        let mut padded = vec![0; len];
        padded[..end - start].copy_from_slice(&self.bytes[start..end]);
        padded.into()
    }
}
