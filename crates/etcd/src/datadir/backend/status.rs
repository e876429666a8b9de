//! What `etcdctl snapshot status` says of a file.

use super::{BackendError, BackendFile, DataFile};
use crate::mvcc::Bucket;

/// What `etcdctl snapshot status` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotStatus {
    /// Of all names, keys and values.
    pub hash: u32,
    /// The last one with a key.
    pub revision: i64,
    /// Keys of all buckets.
    pub total_keys: u64,
    /// Bytes of the file, without the digest at its end.
    pub size: u64,
}

impl SnapshotStatus {
    /// Reads a snapshot file.
    pub fn of(file: &DataFile) -> Result<SnapshotStatus, BackendError> {
        let file = BackendFile::open(file.path.clone(), file)?;
        Ok(SnapshotStatus {
            hash: snapshot_hash(&file)?,
            revision: last_revision(&file)?,
            total_keys: total_keys(&file)?,
            size: file.file().size_bytes(),
        })
    }
}

/// CRC-32C over the name of each bucket and then its keys and values, in order.
pub(super) fn snapshot_hash(file: &BackendFile) -> Result<u32, BackendError> {
    let mut hash = 0;
    walk(file, &mut |bytes| hash = crc32c::crc32c_append(hash, bytes)).map(|_| hash)
}

/// Keys of all buckets.
pub(super) fn total_keys(file: &BackendFile) -> Result<u64, BackendError> {
    walk(file, &mut |_| ())
}

/// A key of the key bucket begins with its revision; no key is revision 0.
fn last_revision(file: &BackendFile) -> Result<i64, BackendError> {
    let damage = |problem| file.damage(problem);
    let keys = file.file().root().bucket(Bucket::Key.name().as_bytes()).map_err(damage)?;
    let last = keys.map(|keys| keys.cursor().last()).transpose().map_err(damage)?.flatten();
    let main = last.and_then(|item| Some(i64::from_be_bytes(*item.key.first_chunk()?)));
    Ok(main.unwrap_or(0))
}

fn walk(file: &BackendFile, hash: &mut dyn FnMut(&[u8])) -> Result<u64, BackendError> {
    let damage = |problem| file.damage(problem);
    let (mut keys, mut names) = (0, file.file().root().cursor());
    while let Some(name) = names.next().map_err(damage)? {
        let Some(bucket) = names.bucket().map_err(damage)? else { continue };
        hash(&name.key);
        let mut cursor = bucket.cursor();
        while let Some(item) = cursor.next().map_err(damage)? {
            hash(&item.key);
            if !item.is_bucket {
                hash(&item.value);
            }
            keys += 1;
        }
    }
    Ok(keys)
}
