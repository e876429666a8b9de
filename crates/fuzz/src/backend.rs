//! The backend: bbolt files, and the keys in them.

use bytes::Bytes;
use etcd::bolt::{Bucket, File, Problem};
use etcd::datadir::{DataDir, DataFile};
use etcd::request::Range;

use crate::import::pieces;

/// Deepest nesting of buckets that is walked here.
const DEPTH_MAX: usize = 6;

/// A bbolt file: a walk that finds nothing wrong gives keys in order, the same both ways; a walk
/// that fails is known to the check.
pub(crate) fn bolt(bytes: &[u8]) {
    let Ok(file) = File::open(Bytes::copy_from_slice(bytes), bytes.len() as u64) else { return };
    let check = file.check();
    let walked = walk(&file.root(), 0);
    assert!(walked.is_ok() || !check.problems.is_empty(), "the check knows: {walked:?}");
    let _ = file.freelist();
    if let Ok(Some(bucket)) = file.root().bucket(b"key") {
        let _ = bucket.get(b"a");
    }
}

fn walk(bucket: &Bucket<'_>, depth: usize) -> Result<usize, Problem> {
    let (mut keys, mut cursor) = (Vec::new(), bucket.cursor());
    while let Some(item) = cursor.next()? {
        keys.push(item.key);
        if depth < DEPTH_MAX
            && let Some(inner) = cursor.bucket()?
        {
            walk(&inner, depth + 1)?;
        }
    }
    let (mut back, mut cursor) = (0, bucket.cursor());
    while cursor.prev()?.is_some() {
        back += 1;
    }
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "in order");
    assert_eq!(keys.len(), back, "the same both ways");
    Ok(back)
}

/// A file that `etcdctl snapshot save` might have written, up to the keys in it.
pub(crate) fn database_snapshot(bytes: &[u8]) {
    let file = DataFile::new("snapshot.db", Bytes::copy_from_slice(bytes), 0);
    let Ok(directory) = DataDir::from_files([file]) else { return };
    let _ = directory.inspect();
    pieces(&directory, "snapshot.db");
    let Ok(state) = directory.state() else { return };
    let all = Range { range_end: Bytes::from_static(b"\0"), ..Range::default() };
    for revision in [0, 1, 60, i64::MAX] {
        let _ = state.hash_kv(revision);
        let _ = state.range(&Range { revision, ..all.clone() });
    }
}
