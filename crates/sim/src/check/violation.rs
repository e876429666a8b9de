//! What was found: broken promises, and which promises were looked at.

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::promise::{PROMISES, Promise};
use crate::scenario::Node;

/// Violations of one promise that are kept; later ones are only counted.
const KEPT_A_PROMISE: u64 = 4;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which one.
    pub promise: Promise,
    /// The event that broke it.
    pub event: u64,
    /// Its virtual time.
    pub virtual_ns: u64,
    /// The servers involved.
    pub nodes: Vec<Node>,
    /// Client requests involved, by id.
    pub requests: Vec<u64>,
    /// The entry of the log involved; 0 for none.
    pub index: u64,
    /// The revision involved; 0 for none.
    pub revision: i64,
    /// Where the servers involved wrote that entry, as far as they did.
    pub records: Vec<RecordPlace>,
    /// What was found, in words.
    pub detail: String,
}

/// Where a server wrote an entry: bytes of a file of its log, which may have other records too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPlace {
    /// Which server.
    pub node: Node,
    /// The file, absolute on its disk.
    pub file: String,
    /// The first byte.
    pub offset: u64,
    /// Bytes that were written at once.
    pub length: u64,
}

/// How a promise stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It was looked at so often and never broken.
    Holds {
        /// Times that there was something to look at.
        looked: u64,
    },
    /// It was broken so often.
    Broken {
        /// Times.
        times: u64,
    },
    /// Nobody can tell.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Violation {
    fn explain(&mut self, facts: &Facts) {
        let replay = &facts.replay;
        if self.index == 0 && self.revision > 0 {
            self.index = replay.entry_of(self.revision).unwrap_or(0);
        } else if self.index == 0 {
            let placed = self.requests.first().and_then(|request| replay.placed(*request));
            self.index = placed.map_or(0, |placed| placed.index);
        }
        if self.index == 0 {
            return;
        }
        if self.requests.is_empty() {
            self.requests.extend(replay.request_of(self.index));
        }
        let record = |node: &Node| {
            let append = facts.shadows.of(*node).append_of(self.index)?;
            let (file, offset, length) = (append.path.to_string(), append.offset, append.length);
            Some(RecordPlace { node: *node, file, offset, length })
        };
        self.records = self.nodes.iter().filter_map(record).collect();
    }
}

#[derive(Clone, Debug, Default)]
struct Tally {
    looked: u64,
    broken: u64,
    undecided: Option<String>,
}

/// Everything that checks found so far.
#[derive(Clone, Debug)]
pub struct Found {
    violations: Vec<Violation>,
    /// Violations of which it was found out what they involve.
    explained: usize,
    tallies: Vec<Tally>,
    pub(crate) event: u64,
    pub(crate) now_ns: u64,
}

impl Found {
    pub(crate) fn new() -> Found {
        let tallies = vec![Tally::default(); PROMISES.len()];
        Found { violations: Vec::new(), explained: 0, tallies, event: 0, now_ns: 0 }
    }

    /// There was something to look at, and the promise held.
    pub(crate) fn looked(&mut self, promise: Promise) {
        self.tallies[promise.place()].looked += 1;
    }

    /// The promise was looked at: it held, or the detail says what was the case instead.
    pub(crate) fn look(
        &mut self,
        promise: Promise,
        holds: bool,
        nodes: &[Node],
        index: u64,
        detail: impl FnOnce() -> String,
    ) {
        if holds {
            self.looked(promise);
        } else {
            self.broken(promise, nodes, index, &[], detail());
        }
    }

    /// Cold, so that the words for it lie apart from what runs after every event.
    #[cold]
    pub(crate) fn broken(
        &mut self,
        promise: Promise,
        nodes: &[Node],
        index: u64,
        requests: &[u64],
        detail: String,
    ) {
        self.broken_at((self.event, self.now_ns), promise, nodes, index, requests, detail);
    }

    /// The promise was broken at an earlier event, at its time.
    #[cold]
    pub(super) fn broken_at(
        &mut self,
        (event, virtual_ns): (u64, u64),
        promise: Promise,
        nodes: &[Node],
        index: u64,
        requests: &[u64],
        detail: String,
    ) {
        let tally = &mut self.tallies[promise.place()];
        tally.broken += 1;
        if tally.broken > KEPT_A_PROMISE {
            return;
        }
        self.violations.push(Violation {
            promise,
            event,
            virtual_ns,
            nodes: nodes.to_vec(),
            requests: requests.to_vec(),
            index,
            revision: 0,
            records: Vec::new(),
            detail,
        });
    }

    /// As `look`, for what happened at a revision.
    pub(super) fn look_at_revision(
        &mut self,
        promise: Promise,
        holds: bool,
        nodes: &[Node],
        revision: i64,
        detail: impl FnOnce() -> String,
    ) {
        let before = self.violations.len();
        self.look(promise, holds, nodes, 0, detail);
        for violation in &mut self.violations[before..] {
            violation.revision = revision;
        }
    }

    pub(super) fn has_unexplained(&self) -> bool {
        self.explained < self.violations.len()
    }

    /// Completes what new violations involve: the entry of a revision or of a request, the request
    /// of an entry, and where the entry was written.
    #[cold]
    pub(super) fn explain(&mut self, facts: &Facts) {
        for violation in &mut self.violations[self.explained..] {
            violation.explain(facts);
        }
        self.explained = self.violations.len();
    }

    pub(crate) fn undecided(&mut self, promise: Promise, why: String) {
        self.tallies[promise.place()].undecided.get_or_insert(why);
    }

    /// Broken promises in the order in which they were found; of each promise the first few.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Whether the promise was broken.
    pub fn is_broken(&self, promise: Promise) -> bool {
        self.tallies[promise.place()].broken > 0
    }

    /// How a promise stands.
    pub fn state(&self, promise: Promise) -> State {
        let Tally { looked, broken, undecided } = &self.tallies[promise.place()];
        match (broken, undecided, looked) {
            (0, Some(why), _) => State::Unknown { why: why.clone() },
            (0, None, 0) => State::Unknown { why: "there was nothing to look at".to_owned() },
            (0, None, &looked) => State::Holds { looked },
            (&times, ..) => State::Broken { times },
        }
    }

    /// Promises that there was something to look at for, kept or broken.
    pub fn looked_at(&self) -> impl Iterator<Item = Promise> {
        let is_looked = |promise: &Promise| {
            let Tally { looked, broken, .. } = &self.tallies[promise.place()];
            looked + broken > 0
        };
        PROMISES.iter().copied().filter(is_looked)
    }

    /// Promises of which somebody should know that they were not decided, with the reason.
    pub fn undecided_ones(&self) -> impl Iterator<Item = (Promise, &str)> {
        let reason = |promise: &Promise| {
            let tally = &self.tallies[promise.place()];
            let why = tally.undecided.as_deref().filter(|_| tally.broken == 0);
            why.map(|why| (*promise, why))
        };
        PROMISES.iter().filter_map(reason)
    }
}
