//! A backend as a booting server reads it: the buckets, and the revisions in the order in which
//! the server meets them.
//!
//! Values stay in the file as long as its pages are sound, whatever they hold: memory is for the
//! keys that the caller names. Where pages are out of order and a server starts all the same, the
//! store is made of what it meets, in memory.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use prost::Message as _;

use super::mapped::{Mapped, Pair, Root};
use super::walk::{self, Position, Tree, Trees, Visit};
use super::{Dies, Release};
use crate::datadir::backend::contents::check_row;
use crate::datadir::{BackendFile, DataDir, DataFile};
use crate::mvcc::{Backend as _, Bucket, FileBackend, MvccError, Revision, Store};
use crate::proto::mvccpb::KeyValue;
use crate::proto::strict;

/// Revisions that a restore reads at a time.
const CHUNK: u64 = 10_000;
/// Above any revision with which arithmetic can go on.
const REVISION_END: i64 = 1 << 62;
/// Revisions out of reach that are kept to be listed.
pub(super) const HIDDEN_SHOWN: usize = 1000;

/// A backend that bbolt has opened.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) path: String,
    /// Nothing if the file is missing or empty: bbolt makes a new one.
    pub(super) mapped: Option<(Mapped, Tree)>,
    /// Whether there was a file.
    pub(super) exists: bool,
    /// Those that were walked when it was opened.
    trees: Trees,
    /// Whether its pages are sound, once that is known: servers do not ask.
    is_whole: Option<bool>,
}

/// What a restore finds.
pub(super) struct Restored {
    pub(super) store: Store<FileBackend>,
    /// The current revision, which a store cannot have when it is beyond all bounds.
    pub(super) revision: i64,
    /// Whether users and roles decide.
    pub(super) is_judged: bool,
    pub(super) hidden: Hidden,
}

/// Revisions that are on the pages and that the server does not meet.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// The first [`HIDDEN_SHOWN`] of them.
    pub(super) shown: Vec<Pair>,
    /// How many there are.
    pub(super) count: usize,
}

impl Hidden {
    /// Whether a key is among those that are shown.
    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.shown.iter().any(|pair| pair.key[..] == *key)
    }
}

impl Opened {
    /// The same, of a file whose pages were looked at.
    pub(super) fn known(self, is_whole: Option<bool>) -> Opened {
        Opened { is_whole, ..self }
    }

    /// Whether a walk over all pages has read all pairs.
    pub(super) fn is_walked(&self) -> bool {
        !self.trees.is_empty()
    }

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
        let mut trees = Trees::new();
        let mapped = mapped
            .map(|mapped| {
                // A list of free pages in the file spares bbolt the walk.
                if mapped.meta().freelist.is_none() {
                    trees = walk::free_pages(&mapped)?;
                } else {
                    free_list(&mapped)?;
                }
                let top = match trees.get(&mapped.meta().root) {
                    Some(top) => top.clone(),
                    None => Tree::top(&mapped)?,
                };
                Ok::<_, Dies>((mapped, top))
            })
            .transpose()?;
        Ok(Opened { path: path.into(), mapped, exists, trees, is_whole: None })
    }

    /// The tree of a bucket of etcd.
    fn tree(&self, name: &str) -> Result<Option<(&Mapped, Tree)>, Dies> {
        let Some((mapped, top)) = &self.mapped else { return Ok(None) };
        let root: Option<Root> = top.child(mapped, name.as_bytes())?;
        let Some(root) = root else { return Ok(None) };
        Ok(Some((mapped, self.tree_at(mapped, root)?)))
    }

    /// The tree that begins at a root.
    pub(super) fn tree_at(&self, mapped: &Mapped, root: Root) -> Result<Tree, Dies> {
        let known = match root {
            Root::Page(page) => self.trees.get(&page),
            Root::Inline(_) => None,
        };
        known.map_or_else(|| Tree::of(mapped, root), |tree| Ok(tree.clone()))
    }

    /// The value of a key of a bucket, as a search finds it.
    pub(super) fn value(&self, bucket: &str, key: &str) -> Result<Option<Bytes>, Dies> {
        let Some((mapped, tree)) = self.tree(bucket)? else { return Ok(None) };
        let mut end = key.as_bytes().to_vec();
        end.push(0);
        let mut value = None;
        tree.range(mapped, (key.as_bytes(), &end), 1, &mut |pair| {
            value = Some(pair.value.clone());
            Ok(())
        })?;
        Ok(value)
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

    /// Visits all pairs of a bucket in the order of the pages.
    fn each(&self, bucket: &str, visit: &mut Visit<'_>) -> Result<(), Dies> {
        self.tree(bucket)?.map_or(Ok(()), |(mapped, tree)| tree.each(mapped, visit))
    }

    /// Restores the store as a server of the release does. Its index has the keys that are asked
    /// for, and may have others.
    pub(super) fn restore(
        &self,
        release: Release,
        is_asked: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Restored, Dies> {
        self.each_other(&mut |bucket, pair| self.check_other(bucket, pair))?;
        let compact = self.revision_in_meta("finishedCompactRev")?;
        let scheduled = self.revision_in_meta("scheduledCompactRev")?;
        let mut ascending = Ascending { newest: 1, ..Ascending::default() };
        let met = self.meet(&mut |pair| ascending.take(pair))?;
        let mut revision = ascending.newest.max(compact.unwrap_or(-1));
        if release.rules().scheduled_revision_is_floor {
            revision = revision.max(scheduled.unwrap_or(0));
        }
        let is_sound = !ascending.is_broken && self.is_all(&met)?;
        let is_usual = is_sound && !ascending.is_unusual;
        let in_file = is_usual.then(|| self.store_in_file(release, is_asked)).flatten();
        let store = match in_file {
            Some(store) => store,
            None => self.store_in_memory(release, compact, scheduled)?,
        };
        let hidden = if is_sound { Hidden::default() } else { self.hidden(&met)? };
        let enabled = self.value("auth", "authEnabled")?;
        let is_judged = enabled.is_some_and(|value| value[..] == [1]);
        Ok(Restored { store, revision, is_judged, hidden })
    }

    /// The store over the file's own pages; nothing where only a server believes them.
    fn store_in_file(
        &self,
        release: Release,
        is_asked: &dyn Fn(&[u8]) -> bool,
    ) -> Option<Store<FileBackend>> {
        let (mapped, _) = self.mapped.as_ref()?;
        let backend = BackendFile::open(self.path.clone(), mapped.file()).ok()?;
        // Keys in order under branches that lead elsewhere are met, and not found.
        let is_whole = self.is_whole.unwrap_or_else(|| backend.file().check().problems.is_empty());
        is_whole.then(|| backend.store_of_read_keys(release.rules(), is_asked).ok()).flatten()
    }

    /// The store that the revisions make in the order in which they are met.
    fn store_in_memory(
        &self,
        release: Release,
        compact: Option<i64>,
        scheduled: Option<i64>,
    ) -> Result<Store<FileBackend>, Dies> {
        let mut memory = FileBackend::default();
        self.each_other(&mut |bucket, pair| {
            memory.put(bucket, &pair.key, Bytes::copy_from_slice(&pair.value));
            Ok(())
        })?;
        let mut keys = KeysMet::default();
        self.meet(&mut |pair| keys.take(pair, &mut memory))?;
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
        Store::restore(memory, release.rules())
            .map_err(|error| Dies::new(format!("failed to recover store from backend: {error}")))
    }

    /// Visits the revisions that the server reads: chunk by chunk, until one is not full. Gives
    /// the runs of positions that it came by.
    fn meet(&self, visit: &mut Visit<'_>) -> Result<Vec<Range<Position>>, Dies> {
        let mut runs: Vec<Range<Position>> = Vec::new();
        let Some((mapped, tree)) = self.tree("key")? else { return Ok(runs) };
        let mut from = Revision::new(1, 0).to_bytes();
        let to = Revision::new(i64::MAX, i64::MAX).to_bytes();
        let mut left = mapped.elements_max();
        loop {
            let (mut met, mut last) = (0, None);
            let run = tree.range(mapped, (&from, &to), CHUNK, &mut |pair| {
                met += 1;
                last = Some(main_and_sub(&pair.key)?);
                visit(pair)
            })?;
            match runs.last_mut().filter(|before| before.end == run.start) {
                Some(before) => before.end = run.end,
                None => runs.push(run),
            }
            let Some((main, sub)) = last.filter(|_| met == CHUNK) else { return Ok(runs) };
            // Out of order, a search may lead back, and the server reads for ever.
            left = left.checked_sub(met).ok_or_else(|| {
                Dies::new("the restore does not end: keys are out of order".into())
            })?;
            from = Revision::new(main, sub.wrapping_add(1)).to_bytes();
        }
    }

    /// Whether all revisions on the pages were met.
    fn is_all(&self, met: &[Range<Position>]) -> Result<bool, Dies> {
        let Some((_, tree)) = self.tree("key")? else { return Ok(true) };
        Ok(met == [tree.positions()])
    }

    fn hidden(&self, met: &[Range<Position>]) -> Result<Hidden, Dies> {
        let mut hidden = Hidden::default();
        let Some((mapped, tree)) = self.tree("key")? else { return Ok(hidden) };
        tree.each_at(mapped, &mut |position, pair| {
            if !met.iter().any(|run| run.contains(&position)) {
                hidden.count += 1;
                if hidden.shown.len() < HIDDEN_SHOWN {
                    hidden.shown.push(pair.detached());
                }
            }
            Ok(())
        })?;
        Ok(hidden)
    }

    fn revision_in_meta(&self, name: &str) -> Result<Option<i64>, Dies> {
        let value = self.value("meta", name)?;
        value.map(|value| main_and_sub(&value).map(|(main, _)| main)).transpose()
    }

    /// Visits all pairs of the buckets without revisions and their numbers.
    fn each_other(
        &self,
        visit: &mut dyn FnMut(Bucket, &Pair) -> Result<(), Dies>,
    ) -> Result<(), Dies> {
        let is_other = |bucket: &Bucket| !matches!(bucket, Bucket::Key | Bucket::Meta);
        for bucket in Bucket::ALL.into_iter().filter(is_other) {
            self.each(bucket.name(), &mut |pair| visit(bucket, pair))?;
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

/// The value of a revision as a server decodes it.
fn key_value(pair: &Pair) -> Result<KeyValue, Dies> {
    let fails = |words: &str| {
        let words = format!("failed to unmarshal mvccpb.KeyValue: {words}");
        Dies::at(words, pair.value_offset)
    };
    let value = stored_value(pair);
    strict::check(&strict::KEY_VALUE, &value).map_err(|refused| fails(refused.words()))?;
    KeyValue::decode(value).map_err(|error| fails(&error.to_string()))
}

fn stored_value(pair: &Pair) -> Bytes {
    if pair.is_bucket { Bytes::new() } else { pair.value.clone() }
}

/// Revisions as long as each is above the one before it: then none can be below the last one of
/// its key, and nothing has to be kept.
#[derive(Default)]
struct Ascending {
    newest: i64,
    last: Option<(i64, i64)>,
    is_broken: bool,
    /// A revision has numbers that servers believe, and a store here does not.
    is_unusual: bool,
}

impl Ascending {
    fn take(&mut self, pair: &Pair) -> Result<(), Dies> {
        let at = main_and_sub(&pair.key)?;
        // Once the order is broken, what a server minds depends on the keys: see [`KeysMet`].
        self.is_broken |= self.last.is_some_and(|last| last >= at);
        if !self.is_broken {
            let kv = key_value(pair)?;
            self.is_unusual |= pair.is_bucket || check_row(&pair.key, &kv).is_err();
        }
        (self.last, self.newest) = (Some(at), at.0);
        Ok(())
    }
}

/// The index as it grows while revisions are read.
#[derive(Default)]
struct KeysMet {
    /// The last revision of each key.
    modified: BTreeMap<Bytes, (i64, i64)>,
}

impl KeysMet {
    /// Takes the next revision. What the server reads without minding is put into a form that the
    /// store here accepts.
    fn take(&mut self, pair: &Pair, memory: &mut FileBackend) -> Result<(), Dies> {
        let (main, sub) = main_and_sub(&pair.key)?;
        let mut kv = key_value(pair)?;
        let is_tombstone = pair.key.len() == 18 && pair.key[17] == b't';
        let known = self.modified.get(&kv.key);
        if known.is_some_and(|known| *known >= (main, sub)) {
            let words = "'put' with an unexpected smaller revision".to_string();
            return Err(Dies::at(words, pair.offset));
        }
        if known.is_some() || !is_tombstone {
            self.modified.insert(Bytes::copy_from_slice(&kv.key), (main, sub));
        }
        let is_bounded = (0..REVISION_END).contains(&main) && sub >= 0;
        if is_bounded {
            let stored = if (0..=main).contains(&kv.version) {
                Bytes::copy_from_slice(&stored_value(pair))
            } else {
                kv.version = kv.version.clamp(0, main);
                kv.encode_to_vec().into()
            };
            let revision = Revision::new(main, sub);
            let key: &[u8] =
                if is_tombstone { &revision.to_tombstone_bytes() } else { &revision.to_bytes() };
            memory.put(Bucket::Key, key, stored);
        }
        Ok(())
    }
}

/// So that a store's own errors have a place among the reasons.
impl From<MvccError> for Dies {
    fn from(error: MvccError) -> Dies {
        Dies::new(error.to_string())
    }
}
