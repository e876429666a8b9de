//! The backend as one file: what `member/snap/db` holds and what travels with a snapshot.
//!
//! ```text
//! "QRMDB\0\0\1" · for each pair: bucket u8 · key length u32 LE · value length u32 LE · key · value
//! ```
//!
//! An image is taken whenever a snapshot is, and is at the snapshot's index or later: what lies
//! above it comes back from the log.

use std::ops::ControlFlow;

use bytes::{BufMut, Bytes};
use disk::Disk;

use super::Fatal;
use crate::mvcc::{Backend, Bucket, MemoryBackend};

/// The file's name in the directory of snapshots.
pub(super) const NAME: &str = "db";
/// Where it is written first.
pub(super) const TEMPORARY: &str = "db.tmp";

const MAGIC: &[u8; 8] = b"QRMDB\0\0\x01";
const HEADER_BYTES: usize = 9;

/// The whole backend.
pub(super) fn image(backend: &MemoryBackend) -> Bytes {
    let mut out = MAGIC.to_vec();
    for (number, bucket) in (0..).zip(Bucket::ALL) {
        backend.scan(bucket, &[], None, &mut |key, value| {
            out.put_u8(number);
            out.put_u32_le(u32::try_from(key.len()).expect("a key is short"));
            out.put_u32_le(u32::try_from(value.len()).expect("a value is below 4 GiB"));
            out.put_slice(key);
            out.put_slice(value);
            ControlFlow::Continue(())
        });
    }
    out.into()
}

/// Opens the file, an empty backend when there is none.
pub(super) fn open(disk: &Disk, path: &str) -> Result<MemoryBackend, Fatal> {
    if !disk.exists(path) {
        return Ok(MemoryBackend::default());
    }
    let failed = |detail: String| Fatal { reason: format!("failed to open database: {detail}") };
    let file = disk.open(path).map_err(|error| failed(error.to_string()))?;
    let bytes = disk.read_range(file, 0..disk.len(file));
    let bytes = Bytes::from(bytes.map_err(|error| failed(error.to_string()))?);
    read(&bytes).map_err(|offset| failed(format!("{path}: offset {offset}: no pair")))
}

/// The backend in an image, or where it stops being one.
fn read(bytes: &Bytes) -> Result<MemoryBackend, usize> {
    let mut backend = MemoryBackend::default();
    let mut at = MAGIC.len();
    if bytes.get(..at) != Some(MAGIC) {
        return Err(0);
    }
    while at < bytes.len() {
        let header = bytes.get(at..at + HEADER_BYTES).ok_or(at)?;
        let bucket = *Bucket::ALL.get(usize::from(header[0])).ok_or(at)?;
        let length = |from: usize| {
            let bytes = header[from..from + 4].try_into().expect("four bytes");
            usize::try_from(u32::from_le_bytes(bytes)).map_err(|_| at)
        };
        let key = at + HEADER_BYTES..(at + HEADER_BYTES).checked_add(length(1)?).ok_or(at)?;
        let value = key.end..key.end.checked_add(length(5)?).ok_or(at)?;
        if value.end > bytes.len() {
            return Err(at);
        }
        backend.put(bucket, &bytes[key], bytes.slice(value.clone()));
        at = value.end;
    }
    backend.commit();
    Ok(backend)
}
