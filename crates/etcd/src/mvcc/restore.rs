//! Rebuilding a store from its backend.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;
use indexmap::IndexMap;
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
        let consistent_index = number(&backend, CONSISTENT_INDEX)?;
        let finished = revision_in_meta(&backend, FINISHED_COMPACT_REVISION)?;
        let scheduled = revision_in_meta(&backend, SCHEDULED_COMPACT_REVISION)?;
        let Rebuilt { index, newest, attached } = rebuild(&backend, rules)?;

        let compact = finished.unwrap_or(-1);
        let mut revision = newest.max(compact);
        if rules.scheduled_revision_is_floor {
            revision = revision.max(scheduled.unwrap_or(0));
        }
        let mut store = Self::from_parts(backend, index, rules);
        store.set_restored(revision, compact, consistent_index.unwrap_or(0));
        store.set_attached(attached.into_iter().collect());
        if let Some(scheduled) = scheduled.filter(|&scheduled| scheduled > compact) {
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

/// What the revisions of a backend tell.
struct Rebuilt {
    index: Index,
    newest: i64,
    /// The lease of each key that has one now.
    attached: BTreeMap<Bytes, i64>,
}

fn rebuild<B: Backend>(backend: &B, rules: Rules) -> Result<Rebuilt, RestoreError> {
    let mut keys = Histories::new();
    let mut newest = 1;
    let mut attached = BTreeMap::new();
    let mut failed = None;
    let mut take = |key: &[u8], value: &[u8]| {
        let at = Revision::from_bytes(key)
            .ok_or_else(|| RestoreError::NotARevision { key: Bytes::copy_from_slice(key) })?;
        let general;
        let row = if let Some(row) = Row::read(value) {
            row
        } else {
            general = decode(at.revision, value)?;
            Row::of(&general)
        };
        note_lease(&mut attached, at, &row);
        add(&mut keys, at, &row, rules).map(|()| at)
    };
    backend.scan(Bucket::Key, &[], None, &mut |key, value| match take(key, value) {
        Ok(at) => {
            newest = at.revision.main;
            ControlFlow::Continue(())
        }
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    });
    if let Some(failed) = failed {
        return Err(failed);
    }
    keys.sort_unstable_keys();
    Ok(Rebuilt { index: Index::from_sorted(keys), newest, attached })
}

fn note_lease(attached: &mut BTreeMap<Bytes, i64>, at: StoredRevision, row: &Row<'_>) {
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
