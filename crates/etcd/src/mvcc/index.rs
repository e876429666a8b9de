//! The index of all keys: a persistent ordered map from key to [`KeyIndex`].
//!
//! Cloning it costs nothing; a clone and its original share everything that neither has changed
//! since. Source: etcd release-3.4, `mvcc/index.go`.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use imbl::OrdMap;

use super::key_index::{Found, KeyIndex};
use super::{KeyRange, Revision, Rules};

/// Every key that has a revision left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    keys: OrdMap<Bytes, Arc<KeyIndex>>,
}

impl Index {
    /// How many keys have a revision left, deleted ones included.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// All keys in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Bytes, &KeyIndex)> {
        self.keys.iter().map(|(key, history)| (key, &**history))
    }

    /// The history of one key.
    pub fn key(&self, key: &[u8]) -> Option<&KeyIndex> {
        self.keys.get(key).map(|history| &**history)
    }

    /// The key as it was at `at`.
    pub fn get(&self, key: &[u8], at: i64) -> Option<Found> {
        self.key(key)?.get(at)
    }

    /// The keys of `range` that existed at `at`, in key order.
    pub fn range(&self, range: &KeyRange, at: i64) -> impl Iterator<Item = (&Bytes, Found)> {
        self.in_range(range).filter_map(move |(key, history)| Some((key, history.get(at)?)))
    }

    /// Notes a put.
    pub fn put(&mut self, key: &Bytes, revision: Revision) {
        match self.keys.get_mut(key) {
            Some(history) => Arc::make_mut(history).put(revision),
            None => self.insert(key.clone(), KeyIndex::created(revision)),
        }
    }

    /// Notes a deletion; `false` if the key does not exist.
    pub fn tombstone(&mut self, key: &[u8], revision: Revision) -> bool {
        self.keys.get_mut(key).is_some_and(|history| Arc::make_mut(history).tombstone(revision))
    }

    /// Takes the history of a key that was not known.
    pub fn insert(&mut self, key: Bytes, history: KeyIndex) {
        let before = self.keys.insert(key, Arc::new(history));
        assert!(before.is_none(), "the key had a history already");
    }

    /// Compacts up to `limit` keys from `from` on at revision `at`; adds what stays to `kept`.
    /// Returns the key to go on from.
    pub fn compact(
        &mut self,
        from: &Bound<Bytes>,
        limit: usize,
        at: i64,
        rules: Rules,
        kept: &mut Vec<Revision>,
    ) -> Option<Bound<Bytes>> {
        let mut last = None;
        let mut touched = Vec::new();
        let mut visited = 0;
        for (key, history) in self.keys.range((from.clone(), Bound::Unbounded)).take(limit) {
            let cut = history.cut(at, rules, kept);
            if !KeyIndex::is_untouched_by(&cut) {
                touched.push((key.clone(), cut));
            }
            visited += 1;
            last = Some(key.clone());
        }
        for (key, cut) in touched {
            self.cut(&key, |history| history.apply(&cut));
        }
        last.filter(|_| visited == limit).map(Bound::Excluded)
    }

    /// The revisions that a compaction at `at` must keep for readers, ascending.
    pub fn keep(&self, at: i64, rules: Rules) -> Vec<Revision> {
        let mut kept = Vec::new();
        self.keys.values().for_each(|history| history.keep(at, rules, &mut kept));
        kept.sort_unstable();
        kept
    }

    fn cut(&mut self, key: &Bytes, cut: impl FnOnce(&mut KeyIndex)) {
        let Some(history) = self.keys.get_mut(key) else { return };
        let history = Arc::make_mut(history);
        cut(history);
        if history.is_empty() {
            self.keys.remove(key);
        }
    }

    fn in_range<'a>(
        &'a self,
        range: &KeyRange,
    ) -> impl Iterator<Item = (&'a Bytes, &'a KeyIndex)> + use<'a> {
        let bounds = range.bounds();
        let empty = match &bounds {
            (Bound::Included(from), Bound::Excluded(to)) => from >= to,
            _ => false,
        };
        let found = (!empty).then(|| self.keys.range(bounds));
        found.into_iter().flatten().map(|(key, history)| (key, &**history))
    }
}
