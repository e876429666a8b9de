//! What `etcdctl snapshot status` says of a file.

use super::{BackendError, BackendFile};

/// CRC-32C over the name of each bucket and then its keys and values, in order.
pub(super) fn snapshot_hash(file: &BackendFile) -> Result<u32, BackendError> {
    let mut hash = 0;
    walk(file, &mut |bytes| hash = crc32c::crc32c_append(hash, bytes)).map(|_| hash)
}

/// Keys of all buckets.
pub(super) fn total_keys(file: &BackendFile) -> Result<u64, BackendError> {
    walk(file, &mut |_| ())
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
