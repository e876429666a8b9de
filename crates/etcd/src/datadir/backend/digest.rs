//! The SHA-256 that ends a snapshot file.

use sha2::{Digest as _, Sha256};

use super::{BackendError, DIGEST_BYTES, DataFile, hex};
use crate::bolt::{PIECE_BYTES, ReadError};

/// Compares the digest with the bytes before it.
pub(super) fn check(file: &DataFile) -> Result<(), BackendError> {
    let offset = file.len() - DIGEST_BYTES;
    let path = || file.path.clone();
    let unreadable = |error: ReadError| BackendError::Unreadable { path: path(), error };
    let mut hasher = Sha256::new();
    let mut at = 0;
    while at < offset {
        let piece = file.range(at, PIECE_BYTES.min(offset - at)).map_err(unreadable)?;
        hasher.update(&piece);
        at += piece.len() as u64;
    }
    let expected = file.range(offset, DIGEST_BYTES).map_err(unreadable)?;
    let found = hasher.finalize();
    if found[..] == expected[..] {
        return Ok(());
    }
    let path = path();
    Err(BackendError::Digest { path, offset, expected: hex(&expected), found: hex(&found) })
}
