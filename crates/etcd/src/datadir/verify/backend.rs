//! A backend as a booting server reads it: the buckets, and the revisions in the order in which
//! the server meets them.

use bytes::Bytes;

use super::mapped::{Mapped, Pair, Root};
use super::walk::{self, Tree};
use super::{Dies, Release};
use crate::datadir::{DataDir, DataFile};
use crate::mvcc::{Backend as _, Bucket, FileBackend, MvccError, Revision, Store};
use crate::proto::strict;

/// Revisions that a restore reads at a time.
const CHUNK: usize = 10_000;
/// Above any revision with which arithmetic can go on.
const REVISION_END: i64 = 1 << 62;

/// A backend that bbolt has opened.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) path: String,
    /// Nothing if the file is missing or empty: bbolt makes a new one.
    pub(super) mapped: Option<(Mapped, Tree)>,
    /// Whether there was a file.
    pub(super) exists: bool,
}

/// What a restore finds.
pub(super) struct Restored {
    pub(super) store: Store<FileBackend>,
    /// The current revision, which a store cannot have when it is beyond all bounds.
    pub(super) revision: i64,
    /// Whether users and roles decide.
    pub(super) is_judged: bool,
    /// Revisions that are on the pages and that the server does not meet.
    pub(super) hidden: Vec<Pair>,
}

impl Opened {
    /// Opens the file at a path of the directory.
    pub(super) fn open(directory: &DataDir, path: &str, release: Release) -> Result<Opened, Dies> {
        let file = directory.files().iter().find(|file| file.path == path);
        Opened::open_file(path, file, release).map_err(|dies| dies.in_file(path))
    }

    fn open_file(path: &str, file: Option<&DataFile>, release: Release) -> Result<Opened, Dies> {
        let exists = file.is_some();
        let mapped = match file {
            Some(file) => Mapped::open(file, release)?,
            None => None,
        };
        let mapped = mapped
            .map(|mapped| {
                // A list of free pages in the file spares bbolt the walk.
                if mapped.meta().freelist.is_none() {
                    walk::free_pages(&mapped)?;
                } else {
                    free_list(&mapped)?;
                }
                let top = Tree::top(&mapped)?;
                Ok::<_, Dies>((mapped, top))
            })
            .transpose()?;
        Ok(Opened { path: path.into(), mapped, exists })
    }

    /// The tree of a bucket of etcd.
    fn tree(&self, name: &str) -> Result<Option<(&Mapped, Tree)>, Dies> {
        let Some((mapped, top)) = &self.mapped else { return Ok(None) };
        let root: Option<Root> = top.child(mapped, name.as_bytes())?;
        let Some(root) = root else { return Ok(None) };
        Ok(Some((mapped, Tree::of(mapped, root)?)))
    }

    /// The value of a key of a bucket, as a search finds it.
    pub(super) fn value(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, Dies> {
        let Some((mapped, tree)) = self.tree(bucket)? else { return Ok(None) };
        let mut end = key.as_bytes().to_vec();
        end.push(0);
        let found = tree.range(mapped, key.as_bytes(), &end, 1)?;
        Ok(found.into_iter().next().map(|pair| pair.value))
    }

    /// The last entry whose changes the backend has.
    pub(super) fn consistent_index(&self) -> Result<u64, Dies> {
        let Some(value) = self.value("meta", "consistent_index")? else { return Ok(0) };
        let bytes = value.get(..8).and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
        let short = || {
            let words =
                format!("runtime error: index out of range [7] with length {}", value.len());
            Dies::new(words)
        };
        bytes.map(u64::from_be_bytes).ok_or_else(short)
    }

    /// All pairs of a bucket in the order of the pages.
    pub(super) fn pairs(&self, bucket: &str) -> Result<Vec<Pair>, Dies> {
        self.tree(bucket)?.map_or(Ok(Vec::new()), |(mapped, tree)| tree.pairs(mapped))
    }

    /// Restores the store as a server of the release does.
    pub(super) fn restore(&self, release: Release) -> Result<Restored, Dies> {
        let mut memory = FileBackend::default();
        self.copy_others(&mut memory)?;
        let met = self.met()?;
        let compact = self.revision_in_meta("finishedCompactRev")?;
        let scheduled = self.revision_in_meta("scheduledCompactRev")?;
        let mut newest = 1;
        let mut keys = KeysMet::default();
        for pair in &met {
            newest = keys.take(pair, &mut memory)?;
        }
        for (name, revision) in
            [("finishedCompactRev", compact), ("scheduledCompactRev", scheduled)]
        {
            let Some(main) = revision.filter(|main| (0..REVISION_END).contains(main)) else {
                continue;
            };
            let bytes = Bytes::copy_from_slice(&Revision::new(main, 0).to_bytes());
            memory.put(Bucket::Meta, name.as_bytes(), bytes);
        }
        let index = self.consistent_index()?.to_be_bytes();
        memory.put(Bucket::Meta, b"consistent_index", Bytes::copy_from_slice(&index));
        memory.commit();
        let mut revision = newest.max(compact.unwrap_or(-1));
        if release.rules().scheduled_revision_is_floor {
            revision = revision.max(scheduled.unwrap_or(0));
        }
        let store = Store::restore(memory, release.rules())
            .map_err(|error| Dies::new(format!("failed to recover store from backend: {error}")))?;
        let hidden = self.hidden(&met)?;
        let enabled = self.value("auth", "authEnabled")?;
        let is_judged = enabled.is_some_and(|value| value[..] == [1]);
        Ok(Restored { store, revision, is_judged, hidden })
    }

    /// The revisions that the server reads: chunk by chunk, until one is not full.
    fn met(&self) -> Result<Vec<Pair>, Dies> {
        let Some((mapped, tree)) = self.tree("key")? else { return Ok(Vec::new()) };
        let mut met: Vec<Pair> = Vec::new();
        let mut from = Revision::new(1, 0).to_bytes();
        let to = Revision::new(i64::MAX, i64::MAX).to_bytes();
        let budget = mapped.elements_max();
        loop {
            let chunk = tree.range(mapped, &from, &to, CHUNK)?;
            let is_last = chunk.len() < CHUNK;
            let next = chunk.last().map(|pair| main_and_sub(&pair.key)).transpose()?;
            met.extend(chunk);
            match next {
                // Out of order, a search may lead back, and the server reads for ever.
                Some(_) if met.len() as u64 > budget => {
                    return Err(Dies::new(
                        "the restore does not end: keys are out of order".into(),
                    ));
                }
                Some((main, sub)) if !is_last => {
                    from = Revision::new(main, sub.wrapping_add(1)).to_bytes();
                }
                Some(_) | None => return Ok(met),
            }
        }
    }

    fn hidden(&self, met: &[Pair]) -> Result<Vec<Pair>, Dies> {
        let met: std::collections::BTreeSet<u64> = met.iter().map(|pair| pair.offset).collect();
        let mut pairs = self.pairs("key")?;
        pairs.retain(|pair| !met.contains(&pair.offset));
        Ok(pairs)
    }

    fn revision_in_meta(&self, name: &str) -> Result<Option<i64>, Dies> {
        let value = self.value("meta", name)?;
        value.map(|value| main_and_sub(&value).map(|(main, _)| main)).transpose()
    }

    fn copy_others(&self, memory: &mut FileBackend) -> Result<(), Dies> {
        for bucket in Bucket::ALL {
            if matches!(bucket, Bucket::Key | Bucket::Meta) {
                continue;
            }
            for pair in self.pairs(bucket.name())? {
                self.check_other(bucket, &pair)?;
                memory.put(bucket, &pair.key, pair.value);
            }
        }
        Ok(())
    }

    /// What a server decodes when it starts.
    fn check_other(&self, bucket: Bucket, pair: &Pair) -> Result<(), Dies> {
        let at = |words: String| Err(Dies::at(words, pair.value_offset).in_file(&self.path));
        if bucket == Bucket::Lease && strict::check(&strict::LEASE, &pair.value).is_err() {
            return at("failed to unmarshal lease proto item".into());
        }
        if bucket == Bucket::Alarm
            && let Err(refused) = strict::check(&strict::ALARM_MEMBER, &pair.key)
        {
            return at(format!("discovery failed: {}", refused.words()));
        }
        Ok(())
    }
}

/// The list of free pages of a file that has one.
fn free_list(mapped: &Mapped) -> Result<(), Dies> {
    let Some(id) = mapped.meta().freelist else { return Ok(()) };
    let page = mapped.page(id)?;
    if page.header.flags & 16 == 0 {
        let words = format!("invalid freelist page: {}, page type is other", page.header.id);
        return Err(Dies::at(words, page.offset));
    }
    Ok(())
}

/// Go's `bytesToRev`, which dies of short keys.
fn main_and_sub(key: &[u8]) -> Result<(i64, i64), Dies> {
    let number = |from: usize| -> Option<i64> {
        Some(i64::from_be_bytes(key.get(from..from + 8)?.try_into().ok()?))
    };
    number(0).zip(number(9)).ok_or_else(|| {
        Dies::new(format!("runtime error: slice bounds out of range with length {}", key.len()))
    })
}

/// The index as it grows while revisions are read.
#[derive(Default)]
struct KeysMet {
    /// The last revision of each key.
    modified: std::collections::BTreeMap<Bytes, (i64, i64)>,
}

impl KeysMet {
    /// Takes the next revision, and gives its number. What the server reads without minding is
    /// put into a form that the store here accepts.
    fn take(&mut self, pair: &Pair, memory: &mut FileBackend) -> Result<i64, Dies> {
        use crate::proto::mvccpb::KeyValue;
        use prost::Message as _;
        let (main, sub) = main_and_sub(&pair.key)?;
        let value = if pair.is_bucket { Bytes::new() } else { pair.value.clone() };
        let fails = |words: &str| {
            let words = format!("failed to unmarshal mvccpb.KeyValue: {words}");
            Dies::at(words, pair.value_offset)
        };
        strict::check(&strict::KEY_VALUE, &value).map_err(|refused| fails(refused.words()))?;
        let mut kv = KeyValue::decode(value.clone()).map_err(|error| fails(&error.to_string()))?;
        let is_tombstone = pair.key.len() == 18 && pair.key[17] == b't';
        let known = self.modified.get(&kv.key);
        if known.is_some_and(|known| *known >= (main, sub)) {
            let words = "'put' with an unexpected smaller revision".to_string();
            return Err(Dies::at(words, pair.offset));
        }
        if known.is_some() || !is_tombstone {
            self.modified.insert(kv.key.clone(), (main, sub));
        }
        let is_bounded = (0..REVISION_END).contains(&main) && sub >= 0;
        if is_bounded {
            let stored = if (0..=main).contains(&kv.version) {
                value
            } else {
                kv.version = kv.version.clamp(0, main);
                kv.encode_to_vec().into()
            };
            let revision = Revision::new(main, sub);
            let key: &[u8] =
                if is_tombstone { &revision.to_tombstone_bytes() } else { &revision.to_bytes() };
            memory.put(Bucket::Key, key, stored);
        }
        Ok(main)
    }
}

/// So that a store's own errors have a place among the reasons.
impl From<MvccError> for Dies {
    fn from(error: MvccError) -> Dies {
        Dies::new(error.to_string())
    }
}
