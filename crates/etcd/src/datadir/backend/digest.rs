//! The SHA-256 that ends a snapshot file.

use sha2::{Digest as _, Sha256};

use super::{BackendError, DIGEST_BYTES, DataFile, hex};

/// Compares the digest with the bytes before it.
pub(super) fn check(file: &DataFile) -> Result<(), BackendError> {
    let offset = file.len - DIGEST_BYTES;
    let kept = usize::try_from(offset).map_or(file.bytes.len(), |at| at.min(file.bytes.len()));
    let (database, digest) = file.bytes.split_at(kept);
    let mut hasher = Sha256::new();
    hasher.update(database);
    hash_zeros(&mut hasher, offset - kept as u64);
    let mut expected = [0; 32];
    expected[..digest.len()].copy_from_slice(digest);
    let found = hasher.finalize();
    if found[..] == expected {
        return Ok(());
    }
    let path = file.path.clone();
    Err(BackendError::Digest { path, offset, expected: hex(&expected), found: hex(&found) })
}

/// The zeros that were left out at the end of the bytes.
fn hash_zeros(hasher: &mut Sha256, mut count: u64) {
    const CHUNK: [u8; 4096] = [0; 4096];
    while count > 0 {
        let chunk = usize::try_from(count).map_or(CHUNK.len(), |count| count.min(CHUNK.len()));
        hasher.update(&CHUNK[..chunk]);
        count -= chunk as u64;
    }
}
