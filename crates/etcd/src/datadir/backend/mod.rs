//! The backend of a directory: the bbolt file that holds keys, leases, alarms and members.
//!
//! It is `member/snap/db`, what `etcdctl snapshot save` wrote (a bbolt file followed by the 32 raw
//! bytes of its SHA-256, so that its length is 32 more than a multiple of 512), or a bare file.
//! Reading stops at the first damage, which names file and offset; the pages are walked in full
//! by [`crate::bolt::File::check`].

mod auth;
pub(super) mod contents;
mod digest;
mod error;
mod status;
pub(super) mod summary;

use bytes::Bytes;

pub use error::BackendError;
pub use status::SnapshotStatus;

use super::kind::SNAP_DIRECTORY;
use super::{DataDir, DataFile, Kind};
use crate::bolt::{File, Problem};
use crate::mvcc::{Bucket, FileBackend, RestoreError, Rules, Store, Survey};
use crate::proto::leasepb::Lease;
use crate::proto::rpc::AlarmMember;

/// Bytes of the digest that ends a snapshot file.
const DIGEST_BYTES: u64 = 32;

/// An open backend.
#[derive(Debug, Clone)]
pub struct BackendFile {
    path: String,
    file: File,
}

impl BackendFile {
    /// Opens the backend of a directory.
    pub(super) fn of(directory: &DataDir) -> Result<BackendFile, BackendError> {
        let path = match directory.kind() {
            Kind::Etcd => format!("{SNAP_DIRECTORY}db"),
            Kind::EtcdSnapshot | Kind::Bbolt => match directory.files() {
                [only] => only.path.clone(),
                _ => return Err(BackendError::Missing { path: "a bbolt file".into() }),
            },
            Kind::Zookeeper => return Err(BackendError::Zookeeper),
        };
        let file = directory.files().iter().find(|file| file.path == path);
        let Some(file) = file else { return Err(BackendError::Missing { path }) };
        BackendFile::open(path, file)
    }

    /// The backend at a path of the directory, if there is one.
    pub(super) fn received(
        directory: &DataDir,
        path: &str,
    ) -> Result<Option<BackendFile>, BackendError> {
        let file = directory.files().iter().find(|file| file.path == path);
        file.map(|file| BackendFile::open(path.into(), file)).transpose()
    }

    /// Opens a file, whose path in the directory is `path`.
    pub(super) fn open(path: String, file: &DataFile) -> Result<BackendFile, BackendError> {
        match file.until(database_bytes(file)).open() {
            Ok(file) => Ok(BackendFile { path, file }),
            Err(error) => Err(BackendError::Open { path, error }),
        }
    }

    /// Path in the directory.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The pages.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The store that a server makes of it. Values stay in the file.
    pub fn store(&self, rules: Rules) -> Result<Store<FileBackend>, BackendError> {
        self.restore(|backend| Store::restore(backend, rules))
    }

    /// The same with an index of some keys only: see [`Store::restore_keys`].
    pub(super) fn store_of_keys(
        &self,
        rules: Rules,
        is_asked: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Store<FileBackend>, BackendError> {
        self.restore(|backend| Store::restore_keys(backend, rules, is_asked))
    }

    /// The same of a file whose revisions were read before and found right.
    pub(super) fn store_of_read_keys(
        &self,
        rules: Rules,
        is_asked: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Store<FileBackend>, BackendError> {
        contents::check_others(self)?;
        self.make(|backend| Store::restore_keys(backend, rules, is_asked))
    }

    /// What a server would know of the keys, in memory that does not grow with the file.
    pub fn survey(&self, rules: Rules) -> Result<Survey, BackendError> {
        self.restore(|backend| Survey::of(&backend, rules))
    }

    /// Checks all buckets, and makes something of them.
    fn restore<T>(
        &self,
        make: impl FnOnce(FileBackend) -> Result<T, RestoreError>,
    ) -> Result<T, BackendError> {
        contents::check(self)?;
        self.make(make)
    }

    fn make<T>(
        &self,
        make: impl FnOnce(FileBackend) -> Result<T, RestoreError>,
    ) -> Result<T, BackendError> {
        let backend =
            FileBackend::new(self.file.clone()).map_err(|problem| self.damage(problem))?;
        let result = make(backend.clone());
        if let Some(problem) = backend.problem() {
            return Err(self.damage(problem));
        }
        result.map_err(|error| BackendError::Restore { path: self.path.clone(), error })
    }

    /// The hash that `etcdctl snapshot status` prints.
    pub fn snapshot_hash(&self) -> Result<u32, BackendError> {
        status::snapshot_hash(self)
    }

    /// The leases, by id.
    pub fn leases(&self) -> Result<Vec<Lease>, BackendError> {
        let mut leases: Vec<Lease> = self.decode_all(Bucket::Lease, |item| item.value.clone())?;
        ordered::sort_by_key(&mut leases, |lease| lease.id);
        Ok(leases)
    }

    /// The alarms that are raised.
    pub fn alarms(&self) -> Result<Vec<AlarmMember>, BackendError> {
        self.decode_all(Bucket::Alarm, |item| item.key.clone())
    }

    /// The last entry whose changes it has; 0 if it says nothing of that.
    pub(super) fn consistent_index(&self) -> Result<u64, BackendError> {
        let Some(value) = self.value("meta", "consistent_index")? else { return Ok(0) };
        let bad = |_| {
            let name = "consistent_index".into();
            let error = RestoreError::BadMeta { name, value: value.clone() };
            BackendError::Restore { path: self.path.clone(), error }
        };
        value[..].try_into().map(u64::from_be_bytes).map_err(bad)
    }

    /// The value of a key of a bucket, if both are there.
    pub fn value(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, BackendError> {
        let found = self.file.root().bucket(bucket.as_bytes()).and_then(|bucket| {
            let Some(bucket) = bucket else { return Ok(None) };
            bucket.get(key.as_bytes())
        });
        match found.map_err(|problem| self.damage(problem))? {
            Some(crate::bolt::Value::Bytes(value)) => Ok(Some(value)),
            Some(crate::bolt::Value::Bucket(_)) | None => Ok(None),
        }
    }

    /// A message of every key of a bucket.
    fn decode_all<M: prost::Message + Default>(
        &self,
        bucket: Bucket,
        bytes: impl Fn(&crate::bolt::Item) -> Bytes,
    ) -> Result<Vec<M>, BackendError> {
        let mut messages = Vec::new();
        contents::each(self, bucket.name(), &mut |item| {
            let message = M::decode(bytes(item));
            messages.push(message.map_err(|error| format!("proto: {error}"))?);
            Ok(())
        })?;
        Ok(messages)
    }

    pub(super) fn damage(&self, problem: Problem) -> BackendError {
        BackendError::Damaged { path: self.path.clone(), problem }
    }
}

/// Whether the digest at the end of a snapshot file is that of the bytes before.
pub(super) fn check_digest(file: &DataFile) -> Result<(), BackendError> {
    if database_bytes(file) == file.len() { Ok(()) } else { digest::check(file) }
}

/// The length without the digest, if the file ends with one.
fn database_bytes(file: &DataFile) -> u64 {
    if file.len() % 512 == DIGEST_BYTES { file.len() - DIGEST_BYTES } else { file.len() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
