//! etcd's buckets, read out of the file and checked.
//!
//! Revisions are numbers that arithmetic goes on with, so they are bounded here: no cluster comes
//! near the bounds.

use bytes::Bytes;
use prost::Message as _;

use super::{BackendError, BackendFile, hex};
use crate::bolt::Item;
use crate::mvcc::{Bucket, Revision};
use crate::proto::mvccpb::KeyValue;

/// Above any revision.
const REVISION_END: i64 = 1 << 62;
const REVISIONS_OF_META: [&[u8]; 2] = [b"scheduledCompactRev", b"finishedCompactRev"];

/// Called with each key of a bucket; what it returns is wrong with that key.
pub(in crate::datadir) type Visit<'a> = dyn FnMut(&Item) -> Result<(), String> + 'a;

/// Walks all buckets.
pub(super) fn check(file: &BackendFile) -> Result<(), BackendError> {
    each(file, Bucket::Key.name(), &mut |item| check_revision(&item.key, &item.value))?;
    check_others(file)
}

/// The same without the revisions.
pub(super) fn check_others(file: &BackendFile) -> Result<(), BackendError> {
    for bucket in Bucket::ALL.into_iter().filter(|bucket| *bucket != Bucket::Key) {
        each(file, bucket.name(), &mut |item| {
            if bucket == Bucket::Meta && REVISIONS_OF_META.contains(&&item.key[..]) {
                revision(&item.value)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Visits the keys of a bucket in order; nothing if there is no such bucket.
pub(in crate::datadir) fn each(
    file: &BackendFile,
    name: &'static str,
    visit: &mut Visit<'_>,
) -> Result<(), BackendError> {
    let damage = |problem| file.damage(problem);
    let bucket = file.file().root().bucket(name.as_bytes()).map_err(damage)?;
    let Some(bucket) = bucket else { return Ok(()) };
    let mut cursor = bucket.cursor();
    while let Some(item) = cursor.next().map_err(damage)? {
        let detail = if item.is_bucket { Err("a bucket in it".into()) } else { visit(&item) };
        detail.map_err(|detail| BackendError::Malformed {
            path: file.path().into(),
            offset: item.offset,
            bucket: name,
            detail,
        })?;
    }
    Ok(())
}

fn revision(bytes: &[u8]) -> Result<Revision, String> {
    let stored = Revision::from_bytes(bytes).map(|stored| stored.revision);
    let stored = stored.filter(|revision| revision.main < REVISION_END);
    stored.ok_or_else(|| format!("{} is no revision", hex(&bytes[..bytes.len().min(32)])))
}

fn check_revision(key: &[u8], value: &Bytes) -> Result<(), String> {
    let Revision { main, sub } = revision(key)?;
    let kv = KeyValue::decode(value.clone()).map_err(|error| {
        format!("failed to unmarshal mvccpb.KeyValue at revision {main}_{sub}: {error}")
    })?;
    check_row(key, &kv)
}

/// Checks the numbers of a revision.
pub(in crate::datadir) fn check_row(key: &[u8], kv: &KeyValue) -> Result<(), String> {
    let Revision { main, sub } = revision(key)?;
    // Every version of a key took a revision of its own.
    if !(0..=main).contains(&kv.version) {
        return Err(format!("version {} of a key at revision {main}_{sub}", kv.version));
    }
    Ok(())
}
