//! Rebuilding a store from its backend.

use std::ops::ControlFlow;

use bytes::Bytes;
use indexmap::IndexMap;
use ordered::SharedMap;
use prost::Message as _;

use super::index::Index;
use super::key_index::KeyIndex;
use super::revision::StoredRevision;
use super::row::Row;
use super::store::{CONSISTENT_INDEX, FINISHED_COMPACT_REVISION, SCHEDULED_COMPACT_REVISION};
use super::{Backend, Bucket, Revision, Rules, Store};
use crate::proto::mvccpb::KeyValue;

/// What makes a backend unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A key of the `key` bucket has no revision's form.
    #[error("bucket key: {} is no revision", hex(key))]
    NotARevision {
        /// The key found.
        key: Bytes,
    },
    /// The value of a revision is no `mvccpb.KeyValue`.
    #[error("bucket key: failed to unmarshal mvccpb.KeyValue at {}_{}: {detail}", revision.main, revision.sub)]
    NotAKeyValue {
        /// Where.
        revision: Revision,
        /// What the decoder says.
        detail: String,
    },
    /// A number in the `meta` bucket has the wrong length or form.
    #[error("bucket meta: {name} holds {}", hex(value))]
    BadMeta {
        /// The key in `meta`.
        name: String,
        /// Its value.
        value: Bytes,
    },
    /// Revisions of one key do not ascend.
    #[error("bucket key: revision {}_{} is not above the one before it", revision.main, revision.sub)]
    OutOfOrder {
        /// The lower one.
        revision: Revision,
    },
}

impl<B: Backend> Store<B> {
    /// Opens a backend: rebuilds the index, finds the current and the compact revision, and queues
    /// a compaction that was scheduled and not finished.
    pub fn restore(backend: B, rules: Rules) -> Result<Self, RestoreError> {
        Self::restore_keys(backend, rules, &|_| true)
    }

    /// The same for whoever asks for some keys only: the index has no others, and takes no room for
    /// them. Keys that ever had a lease are in it, since its end deletes them in a revision of
    /// their own.
    pub fn restore_keys(
        backend: B,
        rules: Rules,
        is_asked: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Self, RestoreError> {
        let numbers = Numbers::read(&backend)?;
        let Rebuilt { index, newest, attached } = rebuild(&backend, rules, is_asked)?;
        let mut store = Self::from_parts(backend, index, rules);
        let compact = numbers.finished.unwrap_or(-1);
        store.set_restored(numbers.revision(newest, rules), compact, numbers.consistent_index);
        store.set_attached(attached.iter().map(|(key, lease)| (key.clone(), *lease)).collect());
        if let Some(scheduled) = numbers.scheduled.filter(|&scheduled| scheduled > compact) {
            store.resume_compaction(scheduled);
        }
        Ok(store)
    }

    fn resume_compaction(&mut self, scheduled: i64) {
        // Only a store under the older rules can find itself below the scheduled revision; etcd
        // logs the refusal and goes on.
        let _future = self.compact(scheduled);
    }
}

/// What the `meta` bucket tells.
pub(super) struct Numbers {
    pub(super) consistent_index: u64,
    /// Of the last compaction that is complete.
    pub(super) finished: Option<i64>,
    /// Of the last compaction that was begun.
    pub(super) scheduled: Option<i64>,
}

impl Numbers {
    pub(super) fn read<B: Backend>(backend: &B) -> Result<Self, RestoreError> {
        Ok(Self {
            consistent_index: number(backend, CONSISTENT_INDEX)?.unwrap_or(0),
            finished: revision_in_meta(backend, FINISHED_COMPACT_REVISION)?,
            scheduled: revision_in_meta(backend, SCHEDULED_COMPACT_REVISION)?,
        })
    }

    /// The current revision, if `newest` is the last one that is stored.
    pub(super) fn revision(&self, newest: i64, rules: Rules) -> i64 {
        let revision = newest.max(self.finished.unwrap_or(-1));
        let floor = if rules.scheduled_revision_is_floor { self.scheduled } else { None };
        revision.max(floor.unwrap_or(0))
    }

    /// The compact revision at that current revision: a compaction that was begun is taken up again.
    pub(super) fn compact_revision(&self, revision: i64) -> i64 {
        let scheduled = self.scheduled.filter(|&scheduled| scheduled <= revision);
        scheduled.max(self.finished).unwrap_or(-1)
    }
}

/// What the revisions of a backend tell.
struct Rebuilt {
    index: Index,
    newest: i64,
    /// The lease of each key that has one now.
    attached: SharedMap<Bytes, i64>,
}

fn rebuild<B: Backend>(
    backend: &B,
    rules: Rules,
    is_asked: &dyn Fn(&[u8]) -> bool,
) -> Result<Rebuilt, RestoreError> {
    let mut keys = Histories::new();
    let mut newest = 1;
    let mut attached = SharedMap::new();
    let mut take = |at: StoredRevision, row: Row<'_>| {
        newest = at.revision.main;
        if !is_asked(row.key) && !is_leased(&keys, &row) {
            return Ok(());
        }
        note_lease(&mut attached, at, &row);
        add(&mut keys, at, &row, rules)
    };
    each_row(backend, &mut take)?;
    let mut keys: Vec<(Bytes, KeyIndex)> = keys.into_iter().collect();
    ordered::sort_by(&mut keys, |one, other| one.0.cmp(&other.0));
    Ok(Rebuilt { index: Index::from_sorted(keys), newest, attached })
}

/// Reads all revisions in order, until one is wrong.
pub(super) fn each_row<B: Backend>(
    backend: &B,
    take: &mut dyn FnMut(StoredRevision, Row<'_>) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    let mut read = Ok(());
    backend.scan(Bucket::Key, &[], None, &mut |key, value| {
        read = read_row(key, value, take);
        if read.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    read
}

fn read_row(
    key: &[u8],
    value: &[u8],
    take: &mut dyn FnMut(StoredRevision, Row<'_>) -> Result<(), RestoreError>,
) -> Result<(), RestoreError> {
    let at = Revision::from_bytes(key)
        .ok_or_else(|| RestoreError::NotARevision { key: Bytes::copy_from_slice(key) })?;
    match Row::read(value) {
        Some(row) => take(at, row),
        None => take(at, Row::of(&decode(at.revision, value)?)),
    }
}

/// Whether a lease's end may delete the key: that counts even for who asks for other keys.
fn is_leased(keys: &Histories, row: &Row<'_>) -> bool {
    row.lease != 0 || keys.contains_key(row.key)
}

fn note_lease(attached: &mut SharedMap<Bytes, i64>, at: StoredRevision, row: &Row<'_>) {
    if !at.tombstone && row.lease != 0 {
        attached.insert(Bytes::copy_from_slice(row.key), row.lease);
    } else if !attached.is_empty() {
        attached.remove(row.key);
    }
}

fn decode(revision: Revision, value: &[u8]) -> Result<KeyValue, RestoreError> {
    KeyValue::decode(Bytes::copy_from_slice(value))
        .map_err(|error| RestoreError::NotAKeyValue { revision, detail: error.to_string() })
}

/// Histories by key, found by hash; in order only at the end.
type Histories = IndexMap<Bytes, KeyIndex>;

/// Puts one stored revision where the live store has it.
fn add(
    keys: &mut Histories,
    at: StoredRevision,
    row: &Row<'_>,
    rules: Rules,
) -> Result<(), RestoreError> {
    let StoredRevision { revision, tombstone } = at;
    match keys.get_mut(row.key) {
        Some(known) if revision <= known.modified() => {
            return Err(RestoreError::OutOfOrder { revision });
        }
        // A second tombstone in a row is reported and ignored by etcd.
        Some(known) if tombstone => _ = known.tombstone(revision),
        Some(known) => known.put(revision),
        None if !tombstone => {
            let created = Revision::new(row.create_revision, 0);
            let history = KeyIndex::restored(created, revision, row.version);
            keys.insert(Bytes::copy_from_slice(row.key), history);
        }
        None if rules.tombstone_survives_compaction => {
            let history = KeyIndex::restored_tombstone(revision);
            keys.insert(Bytes::copy_from_slice(row.key), history);
        }
        None => {}
    }
    Ok(())
}

fn number<B: Backend>(backend: &B, name: &[u8]) -> Result<Option<u64>, RestoreError> {
    let Some(value) = backend.get(Bucket::Meta, name) else { return Ok(None) };
    let bytes = value[..].try_into().map_err(|_| bad_meta(name, &value))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

fn revision_in_meta<B: Backend>(backend: &B, name: &[u8]) -> Result<Option<i64>, RestoreError> {
    let Some(value) = backend.get(Bucket::Meta, name) else { return Ok(None) };
    let stored = Revision::from_bytes(&value).ok_or_else(|| bad_meta(name, &value))?;
    Ok(Some(stored.revision.main))
}

fn bad_meta(name: &[u8], value: &Bytes) -> RestoreError {
    let name = String::from_utf8_lossy(name).into_owned();
    RestoreError::BadMeta { name, value: value.clone() }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
