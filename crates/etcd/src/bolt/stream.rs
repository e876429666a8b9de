//! A whole file as it is sent to another member and saved as a snapshot.
//!
//! Meta page 0 is the state's own, meta page 1 the same with the transaction before; then all
//! pages from 2 to the high water mark, as they are. Source: bbolt `tx.go` (`WriteTo`).

use bytes::Bytes;

use super::{File, Meta};

/// Bytes of a piece; etcd reads as much at a time for a snapshot.
const PIECE_BYTES: u64 = 32 << 10;

/// The pieces of a file, in order. It goes on giving the state that it began with.
#[derive(Debug, Clone)]
pub struct Stream {
    file: File,
    at: u64,
}

impl Stream {
    pub(super) fn new(file: File) -> Stream {
        Stream { file, at: 0 }
    }

    /// Bytes in all.
    pub fn size_bytes(&self) -> u64 {
        self.file.size_bytes()
    }

    /// Bytes that are still to come.
    pub fn remaining_bytes(&self) -> u64 {
        self.size_bytes().saturating_sub(self.at)
    }

    /// All of it that is still to come.
    pub fn bytes(self) -> Bytes {
        let len = usize::try_from(self.remaining_bytes()).unwrap_or_default();
        let mut bytes = Vec::with_capacity(len);
        self.for_each(|piece| bytes.extend_from_slice(&piece));
        bytes.into()
    }

    fn meta_page(&self, page: u64) -> Bytes {
        let own = *self.file.meta();
        let transaction = own.transaction.wrapping_sub(page);
        let mut bytes = Meta { transaction, ..own }.to_bytes(page).to_vec();
        bytes.resize(usize::try_from(own.page_bytes).expect("a page has at most 64 KiB"), 0);
        bytes.into()
    }
}

impl Iterator for Stream {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let left = self.remaining_bytes();
        if left == 0 {
            return None;
        }
        let page_bytes = self.file.page_bytes();
        let piece = if self.at < 2 * page_bytes {
            self.meta_page(self.at / page_bytes)
        } else {
            self.file.raw(self.at, left.min(PIECE_BYTES))
        };
        self.at += piece.len() as u64;
        Some(piece)
    }
}
