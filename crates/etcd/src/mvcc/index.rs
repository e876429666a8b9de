//! The index of all keys: sorted chunks of keys with their histories, in a persistent map.
//!
//! ```text
//! chunks   ""        "user/0041"     "user/0099"        the key of a chunk is a lower bound
//!          ↓             ↓               ↓
//!       [a … c]   [user/0041 … 98]   [user/0099 … z]     at most 128 keys each, side by side
//! ```
//!
//! Cloning it costs nothing; a clone and its original share all chunks that neither has changed
//! since. Keys of a chunk lie together in memory, so that a walk over all of them, which compaction
//! and hashing make, is one pass. Source: etcd release-3.4, `mvcc/index.go`, which has a B-tree.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use ordered::SharedMap;

use super::key_index::{Cut, Found, KeyIndex};
use super::{KeyRange, Revision, Rules};

/// Keys in a chunk; one more, and it is split.
const CHUNK_KEYS: usize = 128;

type Chunk = Vec<(Bytes, KeyIndex)>;

/// Every key that has a revision left.
///
/// * Chunks are in the order of their keys, each key at or above its chunk's lower bound and below
///   the next one's.
/// * The first lower bound is empty. No other chunk is.
#[derive(Debug, Clone, Default)]
pub struct Index {
    chunks: SharedMap<Bytes, Arc<Chunk>>,
    len: usize,
}

impl PartialEq for Index {
    /// By keys and histories, however they are cut into chunks.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Index {}

impl Index {
    /// Takes histories in the order of their keys, each key once.
    pub fn from_sorted(keys: impl IntoIterator<Item = (Bytes, KeyIndex)>) -> Self {
        let mut index = Self::default();
        let mut keys = keys.into_iter();
        loop {
            // Three quarters full, so that the first puts split nothing.
            let chunk: Chunk = keys.by_ref().take(CHUNK_KEYS * 3 / 4).collect();
            let Some((first, _)) = chunk.first() else { return index };
            let bound = if index.len == 0 { Bytes::new() } else { first.clone() };
            index.len += chunk.len();
            index.chunks.insert(bound, Arc::new(chunk));
        }
    }

    /// How many keys have a revision left, deleted ones included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All keys in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &KeyIndex)> {
        self.chunks.values().flat_map(|chunk| chunk.iter().map(|(key, history)| (key, history)))
    }

    /// The history of one key.
    pub fn key(&self, key: &[u8]) -> Option<&KeyIndex> {
        let (_, chunk) = self.chunks.get_prev(key)?;
        let position = find(chunk, key).ok()?;
        Some(&chunk[position].1)
    }

    /// The key as it was at `at`.
    pub fn get(&self, key: &[u8], at: i64) -> Option<Found> {
        self.key(key)?.get(at)
    }

    /// The keys of `range` that existed at `at`, in key order.
    pub fn range(&self, range: &KeyRange, at: i64) -> impl Iterator<Item = (&Bytes, Found)> {
        self.in_range(range).filter_map(move |(key, history)| Some((key, history.get(at)?)))
    }

    /// Notes a put; gives what the key was before.
    pub fn put(&mut self, key: &Bytes, revision: Revision) -> Option<Found> {
        let Some((_, chunk)) = self.chunks.get_prev_mut(&key[..]) else {
            self.insert(key.clone(), KeyIndex::created(revision));
            return None;
        };
        let chunk = Arc::make_mut(chunk);
        match find(chunk, key) {
            Ok(position) => {
                let history = &mut chunk[position].1;
                let before = history.get(revision.main);
                history.put(revision);
                before
            }
            Err(position) => {
                chunk.insert(position, (key.clone(), KeyIndex::created(revision)));
                self.len += 1;
                if chunk.len() > CHUNK_KEYS {
                    let right = chunk.split_off(split_at(position));
                    self.chunks.insert(right[0].0.clone(), Arc::new(right));
                }
                None
            }
        }
    }

    /// Notes a deletion; `false` if the key does not exist.
    pub fn tombstone(&mut self, key: &[u8], revision: Revision) -> bool {
        let Some((_, chunk)) = self.chunks.get_prev_mut(key) else { return false };
        let Ok(position) = find(chunk, key) else { return false };
        if !chunk[position].1.exists() {
            return false;
        }
        Arc::make_mut(chunk)[position].1.tombstone(revision)
    }

    /// Takes the history of a key that was not known.
    pub fn insert(&mut self, key: Bytes, history: KeyIndex) {
        let Some((_, chunk)) = self.chunks.get_prev_mut(&key[..]) else {
            assert!(self.chunks.is_empty(), "the first chunk has no lower bound");
            self.chunks.insert(Bytes::new(), Arc::new(vec![(key, history)]));
            self.len = 1;
            return;
        };
        let chunk = Arc::make_mut(chunk);
        let position = find(chunk, &key).expect_err("the key had a history already");
        chunk.insert(position, (key, history));
        self.len += 1;
        if chunk.len() > CHUNK_KEYS {
            let right = chunk.split_off(split_at(position));
            self.chunks.insert(right[0].0.clone(), Arc::new(right));
        }
    }

    /// Compacts the chunks from `from` on, until `limit` keys were looked at, at revision `at`; adds
    /// what stays to `kept`. Returns where to go on.
    ///
    /// Puts may come in between: they are above `at`, so that it does not matter which side of the
    /// walk they fall on.
    pub fn compact(
        &mut self,
        from: &Bound<Bytes>,
        limit: usize,
        at: i64,
        rules: Rules,
        kept: &mut Vec<Revision>,
    ) -> Option<Bound<Bytes>> {
        let (mut visited, mut touched, mut next) = (0, Vec::new(), None);
        for (bound, chunk) in self.chunks.range((from.clone(), Bound::Unbounded)) {
            if visited >= limit {
                next = Some(Bound::Included(bound.clone()));
                break;
            }
            visited += chunk.len();
            let cuts = cuts(chunk, at, rules, kept);
            if !cuts.is_empty() {
                touched.push((bound.clone(), cuts));
            }
        }
        for (bound, cuts) in touched {
            self.cut_chunk(&bound, cuts);
        }
        next
    }

    fn cut_chunk(&mut self, bound: &Bytes, cuts: Vec<(usize, Cut)>) {
        let chunk = self.chunks.get_mut(bound).expect("it was just walked");
        let chunk = Arc::make_mut(chunk);
        let before = chunk.len();
        let mut has_empty = false;
        for (position, cut) in cuts {
            let history = &mut chunk[position].1;
            *history = history.after(&cut);
            has_empty |= history.is_empty();
        }
        if !has_empty {
            return;
        }
        chunk.retain(|(_, history)| !history.is_empty());
        self.len -= before - chunk.len();
        if chunk.is_empty() && !bound.is_empty() {
            self.chunks.remove(bound);
        }
    }

    /// The revisions that a compaction at `at` must keep for readers, ascending.
    pub fn keep(&self, at: i64, rules: Rules) -> Vec<Revision> {
        let mut kept = Vec::new();
        self.iter().for_each(|(_, history)| history.keep(at, rules, &mut kept));
        kept.sort_unstable();
        kept
    }

    fn in_range<'a>(
        &'a self,
        range: &KeyRange,
    ) -> impl Iterator<Item = (&'a Bytes, &'a KeyIndex)> + use<'a> {
        let (from, end) = match range {
            KeyRange::One(key) => (key, End::At(key.clone())),
            KeyRange::From(key) => (key, End::Nowhere),
            KeyRange::Until(key, end) => (key, End::Before(end.clone())),
        };
        let first = self.chunks.get_prev(&from[..]);
        let mut start = first.map_or(0, |(_, chunk)| chunk.partition_point(|(key, _)| key < from));
        let mut is_over = false;
        let chunks = first.map(|(bound, _)| self.chunks.range(bound.clone()..));
        chunks
            .into_iter()
            .flatten()
            .map_while(move |(_, chunk)| {
                let (first, len) = (std::mem::take(&mut start), end.keys_within(chunk));
                let is_before = !std::mem::replace(&mut is_over, len < chunk.len());
                is_before.then(|| &chunk[first.min(len)..len])
            })
            .flatten()
            .map(|(key, history)| (key, history))
    }
}

/// Where a range ends.
enum End {
    At(Bytes),
    Before(Bytes),
    Nowhere,
}

impl End {
    fn is_behind(&self, key: &Bytes) -> bool {
        match self {
            Self::At(last) => key <= last,
            Self::Before(end) => key < end,
            Self::Nowhere => true,
        }
    }

    /// How many keys of a chunk the end is behind: of most all, which the last one tells.
    fn keys_within(&self, chunk: &Chunk) -> usize {
        if chunk.last().is_none_or(|(last, _)| self.is_behind(last)) {
            return chunk.len();
        }
        chunk.partition_point(|(key, _)| self.is_behind(key))
    }
}

fn find(chunk: &Chunk, key: &[u8]) -> Result<usize, usize> {
    chunk.binary_search_by(|(known, _)| known[..].cmp(key))
}

/// Where to split a chunk that a key at `inserted` made too large: in the middle, or, when keys come
/// in order, so that the left chunk stays nearly full.
fn split_at(inserted: usize) -> usize {
    if inserted == CHUNK_KEYS { CHUNK_KEYS - 8 } else { CHUNK_KEYS / 2 }
}

fn cuts(chunk: &Chunk, at: i64, rules: Rules, kept: &mut Vec<Revision>) -> Vec<(usize, Cut)> {
    let mut cuts = Vec::new();
    for (position, (_, history)) in chunk.iter().enumerate() {
        cuts.extend(history.cut(at, rules, kept).map(|cut| (position, cut)));
    }
    cuts
}
