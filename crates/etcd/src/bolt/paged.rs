//! A file too large for memory, read piece by piece when it is asked for.
//!
//! Whoever has the file implements [`PageSource`]: positioned reads, nothing else. [`Paged`] keeps
//! the pieces that were read last, so that a walk in order reads each byte once and memory stays
//! bounded ([`CACHE_BYTES_MAX`]) whatever the file's length.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ordered::Map;

/// Bytes that are read at a time.
pub const PIECE_BYTES: u64 = 64 << 10;
/// Pieces in each half of the cache.
const HALF_PIECES: usize = 64;
/// Bytes that are kept at most, beside what the caller holds.
pub const CACHE_BYTES_MAX: u64 = 2 * HALF_PIECES as u64 * PIECE_BYTES;
/// One page with its overflow, that is one value: etcd takes no request of more than 1.5 MiB.
const RANGE_BYTES_MAX: u64 = 64 << 20;

/// Where the bytes are: a file of the host, or one that was dropped on a page.
pub trait PageSource: Send {
    /// Length of the file.
    fn len(&self) -> u64;

    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `into` with the bytes from `offset` on; they lie in the file. The error says why not.
    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String>;
}

impl<S: PageSource + ?Sized> PageSource for Box<S> {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        (**self).read_at(offset, into)
    }
}

/// A file that is made first, and read afterwards: one of the host, or in memory.
pub trait PageStore: PageSource {
    /// Writes bytes at `offset`, which is at most the file's length. The error says why not.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String>;
}

impl PageSource for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        let start = usize::try_from(offset).map_err(|error| error.to_string())?;
        let bytes = self.get(start..start.saturating_add(into.len()));
        into.copy_from_slice(bytes.ok_or("beyond the end")?);
        Ok(())
    }
}

impl PageStore for Vec<u8> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let start = usize::try_from(offset).map_err(|error| error.to_string())?;
        let end = start.checked_add(bytes.len()).ok_or("too long for memory")?;
        if self.as_slice().len() < end {
            self.resize(end, 0);
        }
        self[start..end].copy_from_slice(bytes);
        Ok(())
    }
}

/// A file read piece by piece. Clones share the pieces.
#[derive(Clone)]
pub struct Paged {
    len: u64,
    inner: Arc<Mutex<Inner>>,
}

/// Why bytes cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not all of them lie in the file.
    #[error("beyond the end of the file")]
    PastEnd,
    /// The source refuses, or they are too many for one read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

/// The pieces read last, in two halves: when the younger one is full it becomes the older one, and
/// what was in that and not asked for since is forgotten.
struct Inner {
    source: Box<dyn PageSource>,
    /// Length of the source.
    len: u64,
    young: Map<u64, Bytes>,
    old: Map<u64, Bytes>,
}

impl Paged {
    /// Reads from a source.
    pub fn new(source: impl PageSource + 'static) -> Paged {
        let len = source.len();
        let (source, young, old) = (Box::new(source), Map::new(), Map::new());
        Paged { len, inner: Arc::new(Mutex::new(Inner { source, len, young, old })) }
    }

    /// The same without what lies behind the first `len` bytes.
    #[must_use]
    pub fn until(mut self, len: u64) -> Paged {
        self.len = self.len.min(len);
        self
    }

    /// Length of the file.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `len` bytes from `offset` on. Within one piece they are shared with the cache: whoever keeps
    /// them keeps the piece.
    pub fn range(&self, offset: u64, len: u64) -> Result<Bytes, ReadError> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len);
        let end = end.ok_or(ReadError::PastEnd)?;
        if len > RANGE_BYTES_MAX {
            return Err(ReadError::Unreadable(format!("{len} bytes in one page")));
        }
        let (first, within) = (offset / PIECE_BYTES, to_usize(offset % PIECE_BYTES));
        if within + to_usize(len) <= to_usize(PIECE_BYTES) {
            return Ok(self.piece(first)?.slice(within..within + to_usize(len)));
        }
        let mut bytes = Vec::with_capacity(to_usize(len));
        for number in first..end.div_ceil(PIECE_BYTES) {
            let piece = self.piece(number)?;
            let start = number * PIECE_BYTES;
            let from = to_usize(offset.saturating_sub(start));
            let to = to_usize((end - start).min(PIECE_BYTES));
            bytes.extend_from_slice(&piece[from..to]);
        }
        Ok(bytes.into())
    }

    fn piece(&self, number: u64) -> Result<Bytes, ReadError> {
        // A panic while reading leaves the cache as it was before the read.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.piece(number)
    }
}

impl Inner {
    fn piece(&mut self, number: u64) -> Result<Bytes, ReadError> {
        if let Some(piece) = self.young.get(&number) {
            return Ok(piece.clone());
        }
        let piece = match self.old.remove(&number) {
            Some(piece) => piece,
            None => self.read(number)?,
        };
        if self.young.len() == HALF_PIECES {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(number, piece.clone());
        Ok(piece)
    }

    fn read(&mut self, number: u64) -> Result<Bytes, ReadError> {
        let offset = number * PIECE_BYTES;
        let len = self.len.checked_sub(offset).ok_or(ReadError::PastEnd)?.min(PIECE_BYTES);
        let mut bytes = vec![0; to_usize(len)];
        let read = self.source.read_at(offset, &mut bytes);
        read.map_err(|detail| ReadError::Unreadable(format!("offset {offset}: {detail}")))?;
        Ok(bytes.into())
    }
}

impl fmt::Debug for Paged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paged").field("len", &self.len).finish_non_exhaustive()
    }
}

/// A length of at most [`RANGE_BYTES_MAX`].
fn to_usize(len: u64) -> usize {
    usize::try_from(len).expect("a bounded length")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Bytes whose value is told by their place; counts what is read.
    struct Counting {
        len: u64,
        read: Arc<AtomicU64>,
        fails_from: u64,
    }

    fn byte_at(offset: u64) -> u8 {
        (offset / 7 % 251).to_le_bytes()[0]
    }

    impl PageSource for Counting {
        fn len(&self) -> u64 {
            self.len
        }

        fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
            if offset + into.len() as u64 > self.fails_from {
                return Err("the cable is out".into());
            }
            self.read.fetch_add(into.len() as u64, Ordering::Relaxed);
            for (at, byte) in (offset..).zip(into) {
                *byte = byte_at(at);
            }
            Ok(())
        }
    }

    fn paged(len: u64, fails_from: u64) -> (Paged, Arc<AtomicU64>) {
        let read = Arc::new(AtomicU64::new(0));
        (Paged::new(Counting { len, read: Arc::clone(&read), fails_from }), read)
    }

    fn expected(offset: u64, len: u64) -> Vec<u8> {
        (offset..offset + len).map(byte_at).collect()
    }

    #[test]
    fn a_range_is_the_files_bytes_wherever_the_pieces_end() {
        let len = 3 * PIECE_BYTES + 100;
        let (file, _) = paged(len, u64::MAX);
        for (offset, len) in [
            (0, 10),
            (PIECE_BYTES - 5, 10),
            (PIECE_BYTES, PIECE_BYTES),
            (5, 2 * PIECE_BYTES + 20),
            (len - 100, 100),
            (len, 0),
            (0, len),
        ] {
            assert_eq!(file.range(offset, len).unwrap(), expected(offset, len), "{offset}+{len}");
        }
        assert_eq!(file.range(len - 5, 6), Err(ReadError::PastEnd));
        assert_eq!(file.range(u64::MAX, 6), Err(ReadError::PastEnd));
        let shorter = file.clone().until(len - 32);
        assert_eq!(shorter.range(len - 40, 9), Err(ReadError::PastEnd));
        assert_eq!(shorter.range(len - 40, 8).unwrap(), expected(len - 40, 8));
        assert_eq!(file.range(len - 8, 8).unwrap(), expected(len - 8, 8), "the piece is whole");
    }

    #[test]
    fn a_walk_in_order_reads_each_byte_once_and_the_cache_stays_bounded() {
        let len = 5 * CACHE_BYTES_MAX;
        let (file, read) = paged(len, u64::MAX);
        for offset in (0..len).step_by(4096) {
            file.range(offset, 4096).unwrap();
        }
        assert_eq!(read.load(Ordering::Relaxed), len, "each piece once");
        let inner = file.inner.lock().unwrap();
        assert!(inner.young.len() + inner.old.len() <= 2 * HALF_PIECES, "bounded");
    }

    #[test]
    fn a_piece_that_is_asked_for_again_and_again_stays() {
        let (file, read) = paged(4 * CACHE_BYTES_MAX, u64::MAX);
        for offset in (PIECE_BYTES..4 * CACHE_BYTES_MAX).step_by(to_usize(PIECE_BYTES)) {
            file.range(0, 16).unwrap();
            file.range(offset, 16).unwrap();
        }
        assert_eq!(read.load(Ordering::Relaxed), 4 * CACHE_BYTES_MAX, "the first one too");
    }

    #[test]
    fn a_source_that_refuses_is_told_with_the_place_and_asked_again() {
        let (file, _) = paged(3 * PIECE_BYTES, PIECE_BYTES);
        let error = file.range(PIECE_BYTES + 7, 1).unwrap_err().to_string();
        assert_eq!(error, "cannot be read: offset 65536: the cable is out");
        assert!(file.range(0, 16).is_ok(), "what can be read is");
    }
}
