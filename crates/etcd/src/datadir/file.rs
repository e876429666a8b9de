//! One file of a data directory: its bytes, or where they can be had.

use bytes::Bytes;

use crate::bolt::{File, OpenError, Paged, ReadError};

/// One file of the source.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Path in the source, '/'-separated.
    pub path: String,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// The bytes; zeros at the end may be left out.
    Kept { bytes: Bytes, len: u64 },
    /// Bytes that are read when they are asked for.
    Paged(Paged),
}

impl DataFile {
    /// A file in memory. Zeros at its end may be left out of `bytes`: it has `len` bytes.
    pub fn new(path: impl Into<String>, bytes: impl Into<Bytes>, len: u64) -> DataFile {
        let bytes = bytes.into();
        let len = len.max(bytes.len() as u64);
        DataFile { path: path.into(), content: Content::Kept { bytes, len } }
    }

    /// A file that is read piece by piece: a database, which may be larger than memory.
    pub fn paged(path: impl Into<String>, paged: Paged) -> DataFile {
        DataFile { path: path.into(), content: Content::Paged(paged) }
    }

    /// The file's length.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Kept { len, .. } => *len,
            Content::Paged(paged) => paged.len(),
        }
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in memory, zeros at the end left out; `None` of a file that is read piece by piece.
    pub fn kept(&self) -> Option<&Bytes> {
        match &self.content {
            Content::Kept { bytes, .. } => Some(bytes),
            Content::Paged(_) => None,
        }
    }

    /// `len` bytes from `offset` on; they all must lie in the file. Shared where they can be.
    pub fn range(&self, offset: u64, len: u64) -> Result<Bytes, ReadError> {
        match &self.content {
            Content::Kept { bytes, len: file_len } => {
                let end = offset.checked_add(len).filter(|end| end <= file_len);
                let end = end.ok_or(ReadError::PastEnd)?;
                let kept = bytes.len() as u64;
                let within = |at: u64| usize::try_from(at.min(kept)).expect("an offset in memory");
                let piece = bytes.slice(within(offset)..within(end));
                if piece.len() as u64 == len {
                    return Ok(piece);
                }
                let too_long = |_| ReadError::Unreadable(format!("{len} bytes"));
                let mut filled = piece.to_vec();
                filled.resize(usize::try_from(len).map_err(too_long)?, 0);
                Ok(filled.into())
            }
            Content::Paged(paged) => paged.range(offset, len),
        }
    }

    /// The file as far as `len`.
    #[must_use]
    pub(super) fn until(&self, len: u64) -> DataFile {
        let content = match &self.content {
            Content::Kept { bytes, len: file_len } => {
                let kept = usize::try_from(len).map_or(bytes.len(), |len| len.min(bytes.len()));
                Content::Kept { bytes: bytes.slice(..kept), len: len.min(*file_len) }
            }
            Content::Paged(paged) => Content::Paged(paged.clone().until(len)),
        };
        DataFile { path: self.path.clone(), content }
    }

    /// Opens it as a bbolt file.
    pub(super) fn open(&self) -> Result<File, OpenError> {
        match &self.content {
            Content::Kept { bytes, len } => File::open(bytes.clone(), *len),
            Content::Paged(paged) => File::open_paged(paged.clone()),
        }
    }
}
