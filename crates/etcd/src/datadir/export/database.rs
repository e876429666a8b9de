//! The backend of an export, written by bbolt's rules into a file in memory.

use std::ops::ControlFlow;

use bytes::Bytes;
use disk::Disk;

use super::{ExportError, Identity};
use crate::bolt::{BucketId, Db, DbOptions, Progress, Tx};
use crate::datadir::State;
use crate::membership::join_context;
use crate::mvcc::{Backend as _, Bucket, Revision};

/// More than any database that fits into memory.
const CAPACITY_BYTES: u64 = 64 << 30;
/// How full etcd makes the pages of revisions.
const KEY_FILL_PERCENT: u32 = 90;
/// Pages are written after so many bytes of keys and values.
const TRANSACTION_BYTES: usize = 64 << 20;

/// The bytes of the whole file.
pub(super) fn write(state: &State, identity: &Identity, last: i64) -> Result<Vec<u8>, ExportError> {
    let mut disk = Disk::new(CAPACITY_BYTES);
    let id = disk.create("/db")?;
    let options = DbOptions { grow_bytes: 0, ..DbOptions::default() };
    let (mut db, ticket) = Db::create(&mut disk, id, options)?;
    disk.complete(ticket);
    let mut tx = db.begin();
    small_buckets(&mut tx, state, identity)?;
    commit(&mut db, tx, &mut disk)?;
    let mut writer = Writer { db, disk, tx: None, bytes: 0 };
    let mut written = Ok(());
    state.store().backend().scan(Bucket::Key, &[], None, &mut |key, value| {
        let main = Revision::from_bytes(key).map_or(0, |stored| stored.revision.main);
        if main <= last {
            written = writer.put(key, value);
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    written?;
    if let Some(problem) = state.problem() {
        return Err(problem.into());
    }
    let (db, _disk) = writer.finish()?;
    Ok(db.stream().flat_map(|piece| piece.to_vec()).collect())
}

/// All buckets that etcd makes, and what is in those other than `key`.
fn small_buckets(tx: &mut Tx, state: &State, identity: &Identity) -> Result<(), ExportError> {
    let root = tx.root();
    let backend = state.store().backend();
    for bucket in Bucket::ALL {
        let target = tx.create_bucket_if_missing(root, bucket.name().as_bytes())?;
        match bucket {
            Bucket::Lease
            | Bucket::Alarm
            | Bucket::Auth
            | Bucket::AuthRoles
            | Bucket::AuthUsers
            | Bucket::Cluster => {
                for (key, value) in backend.bucket(bucket) {
                    tx.put_bytes(target, &key, value)?;
                }
            }
            Bucket::Meta => meta(tx, target, state, identity)?,
            Bucket::Members => members(tx, target, identity)?,
            Bucket::MembersRemoved => removed(tx, target, state, identity)?,
            Bucket::Key => {}
        }
    }
    if let Some(version) = identity.cluster.version() {
        let target = tx.create_bucket_if_missing(root, b"cluster")?;
        tx.put(target, b"clusterVersion", Bytes::copy_from_slice(version.as_bytes()))?;
    }
    Ok(())
}

fn meta(
    tx: &mut Tx,
    target: BucketId,
    state: &State,
    identity: &Identity,
) -> Result<(), ExportError> {
    for (key, value) in state.store().backend().bucket(Bucket::Meta) {
        tx.put_bytes(target, &key, value)?;
    }
    let number = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
    tx.put(target, b"consistent_index", number(identity.index))?;
    if identity.is_since_3_5() {
        tx.put(target, b"term", number(identity.term))?;
        let conf_state = identity.conf_state_json();
        tx.put(target, b"confState", conf_state.into())?;
    }
    Ok(())
}

fn members(tx: &mut Tx, target: BucketId, identity: &Identity) -> Result<(), ExportError> {
    for member in identity.cluster.members() {
        let key = format!("{:x}", member.id);
        tx.put(target, key.as_bytes(), join_context(member).into())?;
    }
    Ok(())
}

/// Ids that were removed before, and those of the members that are left behind.
fn removed(
    tx: &mut Tx,
    target: BucketId,
    state: &State,
    identity: &Identity,
) -> Result<(), ExportError> {
    let backend = state.store().backend();
    for (key, value) in backend.bucket(Bucket::MembersRemoved) {
        tx.put_bytes(target, &key, value)?;
    }
    for (key, _) in backend.bucket(Bucket::Members) {
        let id = std::str::from_utf8(&key).ok().and_then(|key| u64::from_str_radix(key, 16).ok());
        if id.is_some_and(|id| identity.cluster.is_removed(id)) {
            tx.put_bytes(target, &key, Bytes::from_static(b"removed"))?;
        }
    }
    Ok(())
}

/// Revisions in transactions of bounded size.
struct Writer {
    db: Db,
    disk: Disk,
    tx: Option<(Tx, BucketId)>,
    bytes: usize,
}

impl Writer {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), ExportError> {
        if self.bytes > TRANSACTION_BYTES {
            self.commit()?;
        }
        let (mut tx, bucket) = self.tx.take().map_or_else(|| self.begin(), Ok)?;
        tx.put(bucket, key, Bytes::copy_from_slice(value))?;
        self.tx = Some((tx, bucket));
        self.bytes += key.len() + value.len();
        Ok(())
    }

    fn begin(&self) -> Result<(Tx, BucketId), ExportError> {
        let mut tx = self.db.begin();
        let root = tx.root();
        let bucket = tx.create_bucket_if_missing(root, b"key")?;
        tx.set_fill_percent(bucket, KEY_FILL_PERCENT);
        Ok((tx, bucket))
    }

    fn commit(&mut self) -> Result<(), ExportError> {
        self.bytes = 0;
        match self.tx.take() {
            Some((tx, _)) => commit(&mut self.db, tx, &mut self.disk),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<(Db, Disk), ExportError> {
        self.commit()?;
        Ok((self.db, self.disk))
    }
}

/// Writes a transaction; the syncs of a disk in memory are done at once.
fn commit(db: &mut Db, tx: Tx, disk: &mut Disk) -> Result<(), ExportError> {
    let mut open = db.commit(tx, disk)?;
    loop {
        let ticket = open.ticket();
        disk.complete(ticket);
        match open.on_synced(ticket, db, disk)? {
            Progress::Waiting(next) => open = next,
            Progress::Done => return Ok(()),
        }
    }
}
