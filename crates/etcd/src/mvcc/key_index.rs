//! All revisions of one key, cut into generations by its deletions.
//!
//! A generation runs from a creation to the tombstone that ends it; only the last one may be open.
//! For `put 1.0, put 2.0, tombstone 3.0, put 4.0, tombstone 5.0` a key has
//!
//! ```text
//! [ {1.0 2.0 3.0t}  {4.0 5.0t}  {} ]
//! ```
//!
//! and after `compact 3` under the rules of 3.4.34 (the tombstone *at* the compact revision stays)
//! `[ {3.0t} {4.0 5.0t} {} ]`, under those of 3.4.33 `[ {4.0 5.0t} {} ]`.
//! Source: etcd release-3.4, `mvcc/key_index.go`.

use super::{Revision, Rules};

/// One life of a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Generation {
    /// How many changes this life has seen, compacted ones and the tombstone included.
    pub version: i64,
    /// Where it began. Zero if the beginning was compacted before a restore.
    pub created: Revision,
    /// The changes that are still there, ascending.
    pub revisions: Vec<Revision>,
}

impl Generation {
    fn is_empty(&self) -> bool {
        self.revisions.is_empty()
    }

    /// Position of the newest revision whose main is at most `at`.
    fn newest_until(&self, at: i64) -> Option<usize> {
        self.revisions.partition_point(|revision| revision.main <= at).checked_sub(1)
    }

    fn last_main(&self) -> i64 {
        self.revisions.last().map_or(0, |revision| revision.main)
    }
}

/// What a key was at some revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The change that made the value.
    pub modified: Revision,
    /// The change that created the key in this life.
    pub created: Revision,
    /// How often it was written in this life, counted from 1.
    pub version: i64,
}

/// The history of one key.
///
/// * Revisions ascend through all generations.
/// * Every generation but the last ends with a tombstone and has at least one revision.
/// * There is always a last generation; it is empty after a deletion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyIndex {
    modified: Revision,
    generations: Vec<Generation>,
}

/// What a compaction at some revision does to one key.
pub(super) struct Cut {
    generation: usize,
    /// The newest revision at or below the compact revision in that generation.
    revision: Option<usize>,
}

impl KeyIndex {
    /// A key that was just created.
    pub fn created(revision: Revision) -> Self {
        let mut key = Self::default();
        key.put(revision);
        key
    }

    /// A key of which the oldest stored revision is `modified`, a put.
    pub fn restored(created: Revision, modified: Revision, version: i64) -> Self {
        let generation = Generation { version, created, revisions: vec![modified] };
        Self { modified, generations: vec![generation] }
    }

    /// A key of which the oldest stored revision is a tombstone.
    pub fn restored_tombstone(revision: Revision) -> Self {
        let mut key = Self::restored(Revision::default(), revision, 1);
        key.generations.push(Generation::default());
        key
    }

    /// The generations, oldest first.
    pub fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// The last change of any kind.
    pub fn modified(&self) -> Revision {
        self.modified
    }

    /// Whether nothing is left of the key.
    pub fn is_empty(&self) -> bool {
        matches!(self.generations.as_slice(), [only] if only.is_empty())
    }

    /// Notes a change at `revision`, which must be newer than every other.
    pub fn put(&mut self, revision: Revision) {
        assert!(
            revision > self.modified,
            "put at {revision:?}, not above the last change {:?}",
            self.modified
        );
        if self.generations.is_empty() {
            self.generations.push(Generation::default());
        }
        let last = self.generations.len() - 1;
        let generation = &mut self.generations[last];
        if generation.is_empty() {
            generation.created = revision;
        }
        generation.revisions.push(revision);
        generation.version += 1;
        self.modified = revision;
    }

    /// Ends the open generation at `revision`; `false` if the key does not exist.
    pub fn tombstone(&mut self, revision: Revision) -> bool {
        if self.generations.last().is_none_or(Generation::is_empty) {
            return false;
        }
        self.put(revision);
        self.generations.push(Generation::default());
        true
    }

    /// The key as it was at main revision `at`.
    pub fn get(&self, at: i64) -> Option<Found> {
        let generation = self.generation_at(at)?;
        let position = generation.newest_until(at)?;
        let later = i64::try_from(generation.revisions.len() - position - 1).ok()?;
        Some(Found {
            modified: generation.revisions[position],
            created: generation.created,
            version: generation.version - later,
        })
    }

    /// The newest change of each main revision from `from` on.
    pub fn since(&self, from: i64) -> Vec<Revision> {
        let since = Revision::new(from, 0);
        let mut found: Vec<Revision> = Vec::new();
        for &revision in self.generations.iter().flat_map(|generation| &generation.revisions) {
            match found.last_mut() {
                _ if revision < since => {}
                Some(last) if last.main == revision.main => *last = revision,
                _ => found.push(revision),
            }
        }
        found
    }

    /// Drops everything that a reader at or above `at` cannot see, and adds what stays at or below
    /// `at` to `kept`.
    pub fn compact(&mut self, at: i64, rules: Rules, kept: &mut Vec<Revision>) {
        let cut = self.cut(at, rules, kept);
        self.apply(&cut);
    }

    /// Adds to `kept` the revision that a compaction at `at` must keep for readers: the newest one
    /// at or below `at`, unless it is a tombstone.
    pub fn keep(&self, at: i64, rules: Rules, kept: &mut Vec<Revision>) {
        if self.is_empty() {
            return;
        }
        let before = kept.len();
        let cut = self.cut(at, rules, kept);
        let generation = &self.generations[cut.generation];
        let ended = cut.generation + 1 < self.generations.len();
        if ended && cut.revision.is_some_and(|at| at + 1 == generation.revisions.len()) {
            kept.truncate(before);
        }
    }

    /// What [`Self::compact`] would do. What stays is added to `kept`.
    pub(super) fn cut(&self, at: i64, rules: Rules, kept: &mut Vec<Revision>) -> Cut {
        assert!(!self.generations.is_empty(), "a key without a generation");
        let last = self.generations.len() - 1;
        let ends_before = |generation: &Generation| {
            let tombstone = generation.last_main();
            if rules.tombstone_survives_compaction { tombstone < at } else { tombstone <= at }
        };
        let generation = self.generations[..last].iter().take_while(|one| ends_before(one)).count();
        let revision = self.generations[generation].newest_until(at);
        kept.extend(revision.map(|position| self.generations[generation].revisions[position]));
        Cut { generation, revision }
    }

    /// Whether `cut` leaves everything as it is.
    pub(super) fn is_untouched_by(cut: &Cut) -> bool {
        cut.generation == 0 && cut.revision.unwrap_or(0) == 0
    }

    /// Drops what lies before `cut`.
    pub(super) fn apply(&mut self, cut: &Cut) {
        if let Some(position) = cut.revision {
            self.generations[cut.generation].revisions.drain(..position);
        }
        self.generations.drain(..cut.generation);
    }

    /// The generation that was alive at `at`: not yet ended, and already begun.
    fn generation_at(&self, at: i64) -> Option<&Generation> {
        let last = self.generations.len().checked_sub(1)?;
        for (position, generation) in self.generations.iter().enumerate().rev() {
            if generation.is_empty() {
                continue;
            }
            if position != last && generation.last_main() <= at {
                return None;
            }
            if generation.revisions[0].main <= at {
                return Some(generation);
            }
        }
        None
    }
}
