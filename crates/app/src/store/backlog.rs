//! What is not in IndexedDB yet, and which slice comes next.
//!
//! The writer tells what changed ([`Backlog::changed`], [`Backlog::recorded`]), asks for the next
//! slice ([`Backlog::begin`]) and reports how its transaction ended ([`Backlog::completed`],
//! [`Backlog::failed`]). Slices complete in the order in which they began, because each
//! transaction checks that the slice before it is there; when one fails, those behind it fail too,
//! and all that they held is due again.
//!
//! Invariants:
//! - a page is due, in flight, or in the store as the world had it when its slice began;
//! - `since_checkpoint` holds every page and disk that a completed redo slice has written since the
//!   last completed checkpoint;
//! - `lists` is exactly the set of keys in `pages`.

use ordered::Set;
use std::collections::VecDeque;

use super::layout::{Address, RECORD_BYTES_MAX};
use super::slice::{Head, Kind, PageList, Slice};

/// Transactions under way at a time.
pub const IN_FLIGHT_MAX: usize = 2;

/// Redo slices between checkpoints …
pub const SLICES_PER_CHECKPOINT: u32 = 64;

/// … and pages that may change between them.
pub const PAGES_PER_CHECKPOINT: usize = 512;

/// Bytes of a piece of the actions.
pub const PIECE_BYTES: usize = 32 * 1024;
const _: () = assert!(PIECE_BYTES < RECORD_BYTES_MAX, "a piece fits a record");

/// The world as a slice sees it.
pub trait Source {
    /// Everything but disks; `actions_bytes` is filled in by the backlog.
    fn head(&self) -> Head;
    /// A disk's metadata.
    fn metadata(&self, node: u32) -> Vec<u8>;
    /// A page, or `None` when it is a hole.
    fn page(&self, address: Address) -> Option<Vec<u8>>;
}

/// Pages and disks whose metadata changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Pages.
    pub pages: Set<Address>,
    /// Disks.
    pub metadata: Set<u32>,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.metadata.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.pages.extend(other.pages);
        self.metadata.extend(other.metadata);
    }
}

#[derive(Debug)]
struct InFlight {
    number: u64,
    kind: Kind,
    changes: Changes,
    lists: Vec<PageList>,
    actions_bytes: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Backlog {
    completed: u64,
    begun: u64,
    redo_slices: u32,
    due: Changes,
    since_checkpoint: Changes,
    in_flight: VecDeque<InFlight>,
    lists: Vec<PageList>,
    is_fresh: bool,
    actions: Vec<u8>,
    actions_begun: usize,
    actions_completed: usize,
    touched: bool,
}

impl Backlog {
    /// For a new session whose first slice replaces whatever is stored. `number` is that of the
    /// last slice in the store, 0 when there is none.
    pub fn fresh(number: u64, nodes: u32) -> Self {
        Self {
            completed: number,
            begun: number,
            redo_slices: 0,
            due: Changes { metadata: (0..nodes).collect(), ..Changes::default() },
            since_checkpoint: Changes::default(),
            in_flight: VecDeque::new(),
            lists: vec![PageList::new(); usize::try_from(nodes).expect("few nodes")],
            is_fresh: true,
            actions: Vec::new(),
            actions_begun: 0,
            actions_completed: 0,
            touched: true,
        }
    }

    /// For a session that was read from the store. `loose` is what its redo slices held, `lists`
    /// what `pages` holds, `actions` the text as stored.
    pub fn resumed(number: u64, loose: Changes, lists: Vec<PageList>, actions: Vec<u8>) -> Self {
        let nodes = u32::try_from(lists.len()).expect("few nodes");
        let length = actions.len();
        Self {
            since_checkpoint: loose,
            lists,
            is_fresh: false,
            due: Changes::default(),
            actions_begun: length,
            actions_completed: length,
            actions,
            redo_slices: SLICES_PER_CHECKPOINT,
            touched: false,
            ..Self::fresh(number, nodes)
        }
    }

    /// Notes pages and disks that changed.
    pub fn changed(&mut self, changes: Changes) {
        self.touched |= !changes.is_empty();
        self.due.add(changes);
    }

    /// Notes that the head alone moved on: time passed, messages travelled.
    pub fn moved(&mut self) {
        self.touched = true;
    }

    /// Notes a recorded action, one line of canonical text.
    pub fn recorded(&mut self, line: &str) {
        self.actions.extend(line.as_bytes());
        self.actions.push(b'\n');
        self.touched = true;
    }

    /// Whether there is something that no slice holds.
    pub fn is_due(&self) -> bool {
        self.touched
    }

    /// Whether a slice may begin.
    pub fn has_room(&self) -> bool {
        self.in_flight.len() < IN_FLIGHT_MAX
    }

    /// Slices under way.
    pub fn in_flight(&self) -> u32 {
        u32::try_from(self.in_flight.len()).expect("at most a few")
    }

    /// Pages that wait for a slice.
    pub fn pages_due(&self) -> usize {
        self.due.pages.len()
    }

    /// The last slice known to be in the store.
    pub fn last_completed(&self) -> u64 {
        self.completed
    }

    /// The number that the next slice will have.
    pub fn next_number(&self) -> u64 {
        self.begun + 1
    }

    /// The next slice: everything due, as the world is now.
    pub fn begin(&mut self, source: &impl Source) -> Slice {
        assert!(self.has_room(), "{} slices are in flight", self.in_flight.len());
        let kind = self.next_kind();
        let changes = std::mem::take(&mut self.due);
        self.touched = false;
        let covered = if kind == Kind::Redo { changes.clone() } else { self.covered(&changes) };
        let pages: Vec<_> =
            covered.pages.iter().map(|address| (*address, source.page(*address))).collect();
        let lists = self.lists_after(kind, &pages);
        let slice = Slice {
            number: self.begun + 1,
            kind,
            head: Head { actions_bytes: self.actions.len() as u64, ..source.head() },
            metadata: covered.metadata.iter().map(|node| (*node, source.metadata(*node))).collect(),
            pages,
            lists: lists.clone(),
            actions: self.pieces(kind),
        };
        self.begun = slice.number;
        self.actions_begun = self.actions.len();
        self.in_flight.push_back(InFlight {
            number: slice.number,
            kind,
            changes,
            lists,
            actions_bytes: self.actions.len(),
        });
        slice
    }

    fn next_kind(&self) -> Kind {
        if self.in_flight.iter().any(|slice| slice.kind != Kind::Redo) {
            Kind::Redo
        } else if self.is_fresh {
            Kind::Fresh
        } else if self.redo_slices + self.in_flight() >= SLICES_PER_CHECKPOINT
            || self.since_checkpoint.pages.len() + self.due.pages.len() >= PAGES_PER_CHECKPOINT
        {
            Kind::Checkpoint
        } else {
            Kind::Redo
        }
    }

    /// What a checkpoint writes: all that no checkpoint has, and every disk's metadata.
    fn covered(&self, changes: &Changes) -> Changes {
        let mut all = self.since_checkpoint.clone();
        for slice in &self.in_flight {
            all.add(slice.changes.clone());
        }
        all.add(changes.clone());
        all.metadata = (0..u32::try_from(self.lists.len()).expect("few nodes")).collect();
        all
    }

    fn lists_after(&self, kind: Kind, pages: &[(Address, Option<Vec<u8>>)]) -> Vec<PageList> {
        if kind == Kind::Redo {
            return Vec::new();
        }
        let newest = self.in_flight.iter().rev().find(|slice| slice.kind != Kind::Redo);
        let mut lists = newest.map_or(&self.lists, |slice| &slice.lists).clone();
        for (Address { node, file, page }, bytes) in pages {
            let list = &mut lists[usize::try_from(*node).expect("few nodes")];
            if bytes.is_some() {
                list.insert((*file, *page));
            } else {
                list.remove(&(*file, *page));
            }
        }
        lists
    }

    /// Pieces of the actions that no slice holds in full.
    fn pieces(&self, kind: Kind) -> Vec<(u32, Vec<u8>)> {
        let from = if kind == Kind::Fresh { 0 } else { self.actions_begun };
        if from == self.actions.len() {
            return Vec::new();
        }
        let first = from / PIECE_BYTES;
        let chunks = self.actions.chunks(PIECE_BYTES).enumerate().skip(first);
        chunks
            .map(|(piece, text)| (u32::try_from(piece).expect("few pieces"), text.to_vec()))
            .collect()
    }

    /// The transaction of the oldest slice in flight completed.
    pub fn completed(&mut self, number: u64) {
        let slice = self.in_flight.pop_front().expect("a slice that completes was in flight");
        assert_eq!(slice.number, number, "slices complete in order");
        self.completed = number;
        self.actions_completed = slice.actions_bytes;
        if slice.kind == Kind::Redo {
            self.since_checkpoint.add(slice.changes);
            self.redo_slices += 1;
        } else {
            self.since_checkpoint = Changes::default();
            self.lists = slice.lists;
            self.redo_slices = 0;
            self.is_fresh = false;
        }
    }

    /// The transaction of a slice aborted: it and all behind it are due again. Reports of those
    /// behind it need not come.
    pub fn failed(&mut self) {
        for slice in std::mem::take(&mut self.in_flight) {
            self.due.add(slice.changes);
        }
        self.begun = self.completed;
        self.actions_begun = self.actions_completed;
        self.touched = true;
    }
}
