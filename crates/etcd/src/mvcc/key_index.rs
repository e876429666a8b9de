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

use std::borrow::Cow;
use std::sync::Arc;

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

/// The history of one key. Cloning it costs nothing.
///
/// * Revisions ascend through all generations.
/// * Every generation but the last ends with a tombstone and has at least one revision.
/// * There is always a last generation; it is empty after a deletion.
///
/// A key with a single change, the common case, holds it in place: a walk over such keys touches
/// no other memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyIndex {
    modified: Revision,
    lives: Lives,
}

/// Invariant: a single generation with a single revision is `Once`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Lives {
    /// One open generation, whose only revision is `modified`.
    Once {
        created: Revision,
        version: i64,
    },
    Many(Arc<Vec<Generation>>),
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
        Self::restored(revision, revision, 1)
    }

    /// A key of which the oldest stored revision is `modified`, a put.
    pub fn restored(created: Revision, modified: Revision, version: i64) -> Self {
        Self { modified, lives: Lives::Once { created, version } }
    }

    /// A key of which the oldest stored revision is a tombstone.
    pub fn restored_tombstone(revision: Revision) -> Self {
        let ended =
            Generation { version: 1, created: Revision::default(), revisions: vec![revision] };
        Self::of(revision, vec![ended, Generation::default()])
    }

    fn of(modified: Revision, mut generations: Vec<Generation>) -> Self {
        if let [Generation { version, created, revisions }] = &mut generations[..]
            && let [only] = revisions[..]
        {
            let lives = Lives::Once { created: *created, version: *version };
            return Self { modified: only, lives };
        }
        Self { modified, lives: Lives::Many(Arc::new(generations)) }
    }

    /// The generations, oldest first.
    pub fn generations(&self) -> Cow<'_, [Generation]> {
        match &self.lives {
            Lives::Once { created, version } => {
                let (version, created, revisions) = (*version, *created, vec![self.modified]);
                Cow::Owned(vec![Generation { version, created, revisions }])
            }
            Lives::Many(generations) => Cow::Borrowed(generations),
        }
    }

    /// All changes that are left, tombstones too, ascending.
    pub fn revisions(&self) -> Vec<Revision> {
        match &self.lives {
            Lives::Once { .. } => vec![self.modified],
            Lives::Many(generations) => {
                generations.iter().flat_map(|generation| &generation.revisions).copied().collect()
            }
        }
    }

    /// The last change of any kind.
    pub fn modified(&self) -> Revision {
        self.modified
    }

    /// Whether nothing is left of the key.
    pub fn is_empty(&self) -> bool {
        match &self.lives {
            Lives::Once { .. } => false,
            Lives::Many(lives) => matches!(lives.as_slice(), [only] if only.is_empty()),
        }
    }

    /// Notes a change at `revision`, which must be newer than every other.
    pub fn put(&mut self, revision: Revision) {
        assert!(
            revision > self.modified,
            "put at {revision:?}, not above the last change {:?}",
            self.modified
        );
        let generations = self.generations_mut();
        let generation = generations.last_mut().expect("there is always a last generation");
        if generation.is_empty() {
            generation.created = revision;
        }
        generation.revisions.push(revision);
        generation.version += 1;
        self.modified = revision;
    }

    /// Ends the open generation at `revision`; `false` if the key does not exist.
    pub fn tombstone(&mut self, revision: Revision) -> bool {
        if !self.exists() {
            return false;
        }
        self.put(revision);
        self.generations_mut().push(Generation::default());
        true
    }

    /// Whether the key is there now.
    pub fn exists(&self) -> bool {
        match &self.lives {
            Lives::Once { .. } => true,
            Lives::Many(lives) => lives.last().is_some_and(|last| !last.is_empty()),
        }
    }

    fn generations_mut(&mut self) -> &mut Vec<Generation> {
        if let Lives::Once { created, version } = self.lives {
            let mut revisions = Vec::with_capacity(4);
            revisions.push(self.modified);
            let only = Generation { version, created, revisions };
            self.lives = Lives::Many(Arc::new(vec![only]));
        }
        match &mut self.lives {
            Lives::Many(generations) => Arc::make_mut(generations),
            Lives::Once { .. } => unreachable!("it was just made many"),
        }
    }

    /// The key as it was at main revision `at`.
    pub fn get(&self, at: i64) -> Option<Found> {
        let modified = self.modified;
        let lives = match &self.lives {
            Lives::Once { created, version } => {
                let found = Found { modified, created: *created, version: *version };
                return (modified.main <= at).then_some(found);
            }
            Lives::Many(lives) => lives,
        };
        let generation = generation_at(lives, at)?;
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
        for revision in self.revisions() {
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
        if let Some(cut) = self.cut(at, rules, kept) {
            *self = self.after(&cut);
        }
    }

    /// Adds to `kept` the revision that a compaction at `at` must keep for readers: the newest one
    /// at or below `at`, unless it is a tombstone.
    pub fn keep(&self, at: i64, rules: Rules, kept: &mut Vec<Revision>) {
        let Lives::Many(lives) = &self.lives else {
            if self.modified.main <= at {
                kept.push(self.modified);
            }
            return;
        };
        if self.is_empty() {
            return;
        }
        let (generation, position) = cut_of(lives, at, rules);
        let ended = generation + 1 < lives.len();
        let revisions = &lives[generation].revisions;
        let position = position.filter(|&at| !(ended && at + 1 == revisions.len()));
        kept.extend(position.map(|position| revisions[position]));
    }

    /// What [`Self::compact`] would do; `None` if it leaves everything as it is. What stays is added
    /// to `kept`.
    pub(super) fn cut(&self, at: i64, rules: Rules, kept: &mut Vec<Revision>) -> Option<Cut> {
        let Lives::Many(lives) = &self.lives else {
            if self.modified.main <= at {
                kept.push(self.modified);
            }
            return None;
        };
        let (generation, revision) = cut_of(lives, at, rules);
        kept.extend(revision.map(|position| lives[generation].revisions[position]));
        let is_untouched = generation == 0 && revision.unwrap_or(0) == 0;
        (!is_untouched).then_some(Cut { generation, revision })
    }

    /// The key without what lies before `cut`.
    pub(super) fn after(&self, cut: &Cut) -> Self {
        let Lives::Many(lives) = &self.lives else { return self.clone() };
        let first = &lives[cut.generation];
        let revisions = &first.revisions[cut.revision.unwrap_or(0)..];
        let (version, created) = (first.version, first.created);
        // The common case, made without anything in between.
        if let [only] = *revisions
            && cut.generation + 1 == lives.len()
        {
            return Self { modified: only, lives: Lives::Once { created, version } };
        }
        let mut left = vec![Generation { revisions: revisions.to_vec(), version, created }];
        left.extend_from_slice(&lives[cut.generation + 1..]);
        Self::of(self.modified, left)
    }
}

/// The first generation that a compaction at `at` leaves, and in it the newest revision at or below
/// `at`.
fn cut_of(lives: &[Generation], at: i64, rules: Rules) -> (usize, Option<usize>) {
    let last = lives.len().checked_sub(1).expect("a key without a generation");
    let ends_before = |generation: &Generation| {
        let tombstone = generation.last_main();
        if rules.tombstone_survives_compaction { tombstone < at } else { tombstone <= at }
    };
    let generation = lives[..last].iter().take_while(|one| ends_before(one)).count();
    (generation, lives[generation].newest_until(at))
}

/// The generation that was alive at `at`: not yet ended, and already begun.
fn generation_at(lives: &[Generation], at: i64) -> Option<&Generation> {
    let last = lives.len().checked_sub(1)?;
    for (position, generation) in lives.iter().enumerate().rev() {
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
