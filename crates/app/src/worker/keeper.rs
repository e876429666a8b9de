//! Keeps a world in the store, and keeps back what must not be shown before it is there.
//!
//! *Honest* mode: an answer to a client, and a picture that shows more acknowledged operations than
//! the store has, wait for the slice that holds them. Virtual time does not wait; when the store
//! falls too far behind, the world does ([`Keeper::is_stalled`]).

use std::collections::VecDeque;

use disk::{FileId, PageKey};
use sim::scenario::Node;
use sim::world::World;

use super::run::{Reply, Run};
use crate::protocol::{Answer, RequestId, StorageStatus};
use crate::store::{Address, Backlog, Changes, Head, Slice, Source};

/// Real time between slices while nothing waits for one.
const SLICE_EVERY_NS: u64 = 250_000_000;
/// A slice that takes longer than this makes the world wait …
const SLICE_NS_MAX: u64 = 1_500_000_000;
/// … and so does a backlog of more pages than this.
const PAGES_DUE_MAX: usize = 256;

/// See the module.
pub struct Keeper {
    backlog: Backlog,
    held: VecDeque<Held>,
    waiting: Waiting,
    lines_noted: usize,
    event_begun: u64,
    /// Acknowledged operations in the last completed slice.
    acknowledged_kept: u64,
    /// Acknowledged operations in the last begun slice.
    acknowledged_begun: u64,
    saved_ns: u64,
    slices: u64,
    begun_at_ns: u64,
    is_first: bool,
}

/// Answers that go with the next slice.
#[derive(Default)]
struct Waiting {
    replies: Vec<Reply>,
    flushes: Vec<RequestId>,
}

/// What a slice in flight lets out when it completes.
struct Held {
    number: u64,
    now_ns: u64,
    acknowledged: u64,
    begun_at_ns: u64,
    frame: Option<Vec<u8>>,
    replies: Vec<Reply>,
    flushes: Vec<RequestId>,
}

/// What may be shown now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Answers, in order.
    pub replies: Vec<Reply>,
    /// The newest picture that may be shown.
    pub frame: Option<Vec<u8>>,
}

impl Keeper {
    /// Keeps a world from now on; `backlog` says what the store has of it.
    pub fn new(backlog: Backlog, world: &World) -> Self {
        Self {
            backlog,
            held: VecDeque::new(),
            waiting: Waiting::default(),
            lines_noted: world.recorded_lines().len(),
            event_begun: world.event(),
            acknowledged_kept: world.operations().acknowledged,
            acknowledged_begun: world.operations().acknowledged,
            saved_ns: world.now_ns(),
            slices: 0,
            begun_at_ns: 0,
            is_first: true,
        }
    }

    /// An answer that must not be shown before the world that gave it is in the store.
    pub fn hold(&mut self, replies: Vec<Reply>) {
        self.waiting.replies.extend(replies);
    }

    /// Asks to be told when everything up to now is in the store.
    pub fn flush(&mut self, id: RequestId) {
        self.waiting.flushes.push(id);
    }

    /// Whether the world must wait for the store.
    pub fn is_stalled(&self, real_ns: u64) -> bool {
        let slow = |held: &Held| real_ns.saturating_sub(held.begun_at_ns) > SLICE_NS_MAX;
        self.backlog.pages_due() > PAGES_DUE_MAX || self.held.front().is_some_and(slow)
    }

    /// Whether a picture of this world may be shown at once.
    pub fn may_show(&self, world: &World) -> bool {
        world.operations().acknowledged == self.acknowledged_kept
    }

    /// Whether there is anything left to write.
    pub fn is_behind(&self) -> bool {
        self.backlog.is_due() || !self.held.is_empty() || self.is_waited_for()
    }

    fn is_waited_for(&self) -> bool {
        !self.waiting.replies.is_empty() || !self.waiting.flushes.is_empty()
    }

    /// Takes note of what the world did.
    pub fn observe(&mut self, world: &mut World) {
        let mut changes = Changes::default();
        for node in (1..=world.spec().nodes).map(Node) {
            let dirty = world.disk_mut(node).take_dirty();
            let number = node.0 - 1;
            changes.pages.extend(dirty.pages.into_iter().map(|key| address(number, key)));
            changes.metadata.extend(dirty.metadata.then_some(number));
        }
        self.backlog.changed(changes);
        for line in &world.recorded_lines()[self.lines_noted..] {
            self.backlog.recorded(&line.to_string());
        }
        self.lines_noted = world.recorded_lines().len();
        if world.event() != self.event_begun {
            self.backlog.moved();
        }
    }

    /// The next slice, when it is time for one.
    pub fn next_slice(&mut self, run: &mut Run, real_ns: u64) -> Option<Slice> {
        let news = run.world().operations().acknowledged != self.acknowledged_begun;
        let is_time = real_ns.saturating_sub(self.begun_at_ns) >= SLICE_EVERY_NS || self.is_first;
        let wanted = news || self.is_waited_for() || (is_time && self.backlog.is_due());
        if !wanted || !self.backlog.has_room() {
            return None;
        }
        run.world_mut().settle();
        self.observe(run.world_mut());
        let slice = self.backlog.begin(&Snapshot(run.world()));
        let acknowledged = run.world().operations().acknowledged;
        let shows_more = acknowledged != self.acknowledged_kept;
        let waiting = std::mem::take(&mut self.waiting);
        self.held.push_back(Held {
            number: slice.number,
            now_ns: run.world().now_ns(),
            acknowledged,
            begun_at_ns: real_ns,
            frame: shows_more.then(|| run.frame(self.is_stalled(real_ns))),
            replies: waiting.replies,
            flushes: waiting.flushes,
        });
        self.acknowledged_begun = acknowledged;
        self.event_begun = run.world().event();
        self.begun_at_ns = real_ns;
        self.is_first = false;
        Some(slice)
    }

    /// The oldest slice in flight completed.
    pub fn completed(&mut self, number: u64) -> Released {
        self.backlog.completed(number);
        let held = self.held.pop_front().expect("one is held for each slice in flight");
        assert_eq!(held.number, number, "slices complete in order");
        self.acknowledged_kept = held.acknowledged;
        self.saved_ns = held.now_ns;
        self.slices += 1;
        let flushed = held.flushes.into_iter().map(|id| (id, Ok(Answer::Done)));
        Released { replies: held.replies.into_iter().chain(flushed).collect(), frame: held.frame }
    }

    /// The slices in flight came to nothing: all that they held waits for the next one.
    pub fn failed(&mut self) {
        self.backlog.failed();
        let mut waiting = Waiting::default();
        for held in self.held.drain(..) {
            waiting.replies.extend(held.replies);
            waiting.flushes.extend(held.flushes);
        }
        waiting.replies.append(&mut self.waiting.replies);
        waiting.flushes.append(&mut self.waiting.flushes);
        self.waiting = waiting;
        self.acknowledged_begun = self.acknowledged_kept;
    }

    /// Gives up: everything that was held back, for a session that goes on in memory.
    pub fn into_waiting(mut self) -> (Vec<Reply>, Vec<RequestId>) {
        self.failed();
        (self.waiting.replies, self.waiting.flushes)
    }

    /// For the page.
    pub fn status(&self, real_ns: u64) -> StorageStatus {
        StorageStatus::Persistent {
            slices: self.slices,
            in_flight: self.backlog.in_flight(),
            saved_ns: self.saved_ns,
            stalled: self.is_stalled(real_ns),
        }
    }
}

fn address(node: u32, key: PageKey) -> Address {
    Address { node, file: key.file.0, page: key.page }
}

/// The world as a slice sees it.
struct Snapshot<'a>(&'a World);

impl Snapshot<'_> {
    fn disk(&self, node: u32) -> &disk::Disk {
        &self.0.machine(Node(node + 1)).disk
    }
}

impl Source for Snapshot<'_> {
    fn head(&self) -> Head {
        let head = self.0.head();
        Head {
            event: head.event,
            now_ns: head.now_ns,
            fingerprint: head.fingerprint,
            nodes: self.0.spec().nodes,
            actions_bytes: 0,
            world: head.encode(),
        }
    }

    fn metadata(&self, node: u32) -> Vec<u8> {
        self.disk(node).export_metadata()
    }

    fn page(&self, address: Address) -> Option<Vec<u8>> {
        let key = PageKey { file: FileId(address.file), page: address.page };
        self.disk(address.node).export_page(key)
    }
}
