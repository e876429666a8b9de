//! The watchable store: who watches which keys, and what they are still to be told.
//!
//! # Contract
//!
//! A watch on a range from a revision on tells of every change in it, once, in the order of
//! revisions, never a part of a revision without the rest of it (but in fragments, which say so).
//! If changes that it was to tell of are compacted, it ends and says from where one can watch.
//!
//! ```text
//!                     ┌──────────── room again, up to date ──────────┐
//! create ─(future)→ synced ─(a change, no room in the stream)→ victim │
//!    └─(past)─→ unsynced ←──── room again, more has happened ───┘─────┘
//!                  └─(sync: up to 1000 revisions at a time)→ synced or victim
//! ```
//!
//! *Synced* watchers are told of a transaction as it ends. *Unsynced* ones read the backend, up to
//! [`WATCHERS_PER_SYNC`] of them at a time, every 100 ms. A *victim* holds the one batch that found
//! no room in its stream. What a stream may hold is bounded; a slow client costs a batch a watch.
//!
//! Headers of responses have the revision alone. Any server tells what it has applied itself.
//! Source: etcd release-3.4, `mvcc/{watchable_store,watcher_group,watcher}.go`,
//! `etcdserver/api/v3rpc/watch.go`. Interval progress has no random part here.

mod batch;
mod sync;
#[cfg(test)]
mod tests;
mod watcher;

use ordered::{Map, Set};

use bytes::Bytes;

use crate::mvcc::{Backend, Committed, Store};
use crate::request::{
    WATCH_STREAM_CAPACITY, WatchCreate, WatchRequest, WatchResponse, WatchStreamId,
};
use batch::Batch;
use watcher::{State, Watcher};

/// Unsynced watchers that are brought up to date at a time.
pub const WATCHERS_PER_SYNC: usize = 512;
/// Revisions that an unsynced watcher is told of at a time.
pub const REVISIONS_PER_BATCH: usize = 1000;
/// How often unsynced watchers are looked at.
const SYNC_NS: u64 = 100_000_000;
/// How often a watch that asked for it is told of progress: 10 minutes.
pub const PROGRESS_NS: u64 = 600_000_000_000;
/// The id of responses that are about a whole stream.
const WHOLE_STREAM: i64 = -1;

/// A watch: its stream, and its id there.
type WatcherId = (WatchStreamId, i64);

/// All watches of one server.
///
/// * Every watcher is in exactly one of `keys` and `ranges` (synced), `unsynced` and `victims`.
/// * A synced watcher has been told of everything up to the store's revision.
#[derive(Debug, Clone)]
pub struct Watches {
    streams: Map<WatchStreamId, Stream>,
    /// Synced watchers of one key.
    keys: Map<Bytes, Set<WatcherId>>,
    /// Synced watchers of ranges.
    ranges: Set<WatcherId>,
    unsynced: Set<WatcherId>,
    victims: Set<WatcherId>,
    /// The last watcher that was looked at, so that others come first the next time.
    cursor: Option<WatcherId>,
    next_sync_ns: u64,
    progress_ns: u64,
    out: Vec<(WatchStreamId, WatchResponse)>,
    /// A rule to break on purpose: watchers that fell below the compact revision, and find no room
    /// to be told so, go on at the present.
    skips_compacted: bool,
}

#[derive(Debug, Clone)]
struct Stream {
    next_id: i64,
    watchers: Map<i64, Watcher>,
    /// Responses that the client has not taken.
    under_way: usize,
    next_progress_ns: u64,
}

impl Default for Watches {
    fn default() -> Self {
        Self {
            streams: Map::new(),
            keys: Map::new(),
            ranges: Set::new(),
            unsynced: Set::new(),
            victims: Set::new(),
            cursor: None,
            next_sync_ns: 0,
            progress_ns: PROGRESS_NS,
            out: Vec::new(),
            skips_compacted: false,
        }
    }
}

impl Watches {
    /// Sets how often watches that asked for it are told of progress.
    pub fn set_progress_interval(&mut self, progress_ns: u64) {
        self.progress_ns = progress_ns;
    }

    /// Breaks the rule of the compacted watcher.
    pub(crate) fn skip_compacted(&mut self) {
        self.skips_compacted = true;
    }

    /// What is to be sent, in order, once.
    pub fn take_responses(&mut self) -> Vec<(WatchStreamId, WatchResponse)> {
        std::mem::take(&mut self.out)
    }

    /// How many watches there are: synced, unsynced, and those that wait for room.
    pub fn counts(&self) -> (usize, usize, usize) {
        let all: usize = self.streams.values().map(|stream| stream.watchers.len()).sum();
        let (unsynced, victims) = (self.unsynced.len(), self.victims.len());
        (all - unsynced - victims, unsynced, victims)
    }

    /// Takes what a client says on a stream. The first word opens it.
    pub fn request<B: Backend>(
        &mut self,
        store: &Store<B>,
        now_ns: u64,
        stream: WatchStreamId,
        request: WatchRequest,
    ) {
        let next_progress_ns = now_ns + self.progress_ns;
        self.streams.get_or_insert_with(stream, || Stream {
            next_id: 0,
            watchers: Map::new(),
            under_way: 0,
            next_progress_ns,
        });
        match request {
            WatchRequest::Create(create) => self.create(store, stream, create),
            WatchRequest::Cancel { watch_id } => {
                if self.remove((stream, watch_id)).is_some() {
                    let header = batch::at(store.revision());
                    self.control(
                        stream,
                        WatchResponse { header, watch_id, canceled: true, ..Default::default() },
                    );
                }
            }
            WatchRequest::Progress => self.progress_of_stream(store, stream),
            WatchRequest::Taken { responses } => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.under_way = stream.under_way.saturating_sub(responses);
                }
                self.revive_victims(store);
            }
            WatchRequest::Close => self.close(stream),
        }
    }

    fn close(&mut self, stream: WatchStreamId) {
        let Some(watchers) = self.streams.get(&stream).map(|stream| &stream.watchers) else {
            return;
        };
        let ids: Vec<i64> = watchers.keys().copied().collect();
        for id in ids {
            self.remove((stream, id));
        }
        self.streams.remove(&stream);
    }

    fn create<B: Backend>(&mut self, store: &Store<B>, stream: WatchStreamId, create: WatchCreate) {
        let header = batch::at(store.revision());
        let response = WatchResponse { header, created: true, ..WatchResponse::default() };
        match self.add(store, stream, create) {
            Ok(watch_id) => self.control(stream, WatchResponse { watch_id, ..response }),
            Err(reason) => {
                let cancel_reason = reason.to_owned();
                let watch_id = WHOLE_STREAM;
                let refused = WatchResponse { watch_id, canceled: true, cancel_reason, ..response };
                self.control(stream, refused);
            }
        }
    }

    fn add<B: Backend>(
        &mut self,
        store: &Store<B>,
        stream_id: WatchStreamId,
        create: WatchCreate,
    ) -> Result<i64, &'static str> {
        let asked = create.watch_id;
        let mut watcher = Watcher::new(create, store.revision())?;
        let stream = self.streams.get_mut(&stream_id).expect("the request opened it");
        let id = if asked == 0 {
            while stream.watchers.contains_key(&stream.next_id) {
                stream.next_id += 1;
            }
            stream.next_id += 1;
            stream.next_id - 1
        } else if stream.watchers.contains_key(&asked) {
            return Err("mvcc: duplicate watch ID provided on the WatchStream");
        } else {
            asked
        };
        if watcher.min_revision <= store.revision() {
            watcher.state = State::Unsynced;
        }
        stream.watchers.insert(id, watcher);
        self.enlist((stream_id, id));
        Ok(id)
    }

    /// Puts a watcher into the group of its state.
    fn enlist(&mut self, id: WatcherId) {
        let Some(watcher) = self.streams.get(&id.0).and_then(|stream| stream.watchers.get(&id.1))
        else {
            return;
        };
        match &watcher.state {
            State::Unsynced => _ = self.unsynced.insert(id),
            State::Victim(_) => _ = self.victims.insert(id),
            State::Synced => match watcher.only_key() {
                Some(key) => _ = self.keys.get_or_default(key.clone()).insert(id),
                None => _ = self.ranges.insert(id),
            },
        }
    }

    /// Takes a watcher out of the group of its state.
    fn delist(&mut self, id: WatcherId) {
        let Some(watcher) = self.streams.get(&id.0).and_then(|stream| stream.watchers.get(&id.1))
        else {
            return;
        };
        match &watcher.state {
            State::Unsynced => _ = self.unsynced.remove(&id),
            State::Victim(_) => _ = self.victims.remove(&id),
            State::Synced => match watcher.only_key() {
                Some(key) => {
                    if let Some(watchers) = self.keys.get_mut(key) {
                        watchers.remove(&id);
                        if watchers.is_empty() {
                            self.keys.remove(key);
                        }
                    }
                }
                None => _ = self.ranges.remove(&id),
            },
        }
    }

    /// Gives a watcher another state.
    fn transition(&mut self, id: WatcherId, state: State, min_revision: i64) {
        self.delist(id);
        if let Some(watcher) = self.watcher_mut(id) {
            watcher.state = state;
            watcher.min_revision = min_revision;
        }
        self.enlist(id);
    }

    fn remove(&mut self, id: WatcherId) -> Option<Watcher> {
        self.delist(id);
        self.streams.get_mut(&id.0)?.watchers.remove(&id.1)
    }

    fn watcher_mut(&mut self, id: WatcherId) -> Option<&mut Watcher> {
        self.streams.get_mut(&id.0)?.watchers.get_mut(&id.1)
    }

    fn watcher(&self, id: WatcherId) -> Option<&Watcher> {
        self.streams.get(&id.0)?.watchers.get(&id.1)
    }

    /// Says something that answers a request; there is always room for that.
    fn control(&mut self, stream: WatchStreamId, response: WatchResponse) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.under_way += 1;
        }
        self.out.push((stream, response));
    }

    fn has_room(&self, stream: WatchStreamId) -> bool {
        let stream = self.streams.get(&stream);
        stream.is_some_and(|stream| stream.under_way < WATCH_STREAM_CAPACITY)
    }

    /// Sends a batch if there is room; `false` if there is not. What filters leave out is not sent,
    /// and needs no room.
    fn send<B: Backend>(&mut self, store: &Store<B>, id: WatcherId, batch: &Batch) -> bool {
        let Some(watcher) = self.watcher(id) else { return true };
        let events = watcher.filtered(&batch.events);
        if events.is_empty() {
            return true;
        }
        if !self.has_room(id.0) {
            return false;
        }
        let events = watcher.with_previous(store, events);
        let header = batch::at(batch.revision);
        let whole = WatchResponse { header, watch_id: id.1, events, ..WatchResponse::default() };
        let responses = if watcher.fragment { batch::fragments(whole) } else { vec![whole] };
        if let Some(watcher) = self.watcher_mut(id) {
            watcher.wants_progress = false;
        }
        for response in responses {
            self.control(id.0, response);
        }
        true
    }

    /// Tells synced watchers of a transaction that has just ended.
    pub fn notify<B: Backend>(&mut self, store: &Store<B>, committed: &Committed) {
        if self.keys.is_empty() && self.ranges.is_empty() {
            return;
        }
        let revision = committed.revision;
        let mut batches: Map<WatcherId, Batch> = Map::new();
        for kv in &committed.changes {
            let event = batch::event_of_change(kv, revision);
            let of_key = self.keys.get(&kv.key).into_iter().flatten();
            for &id in of_key.chain(&self.ranges) {
                if self.watcher(id).is_some_and(|watcher| watcher.wants(&event)) {
                    batches.get_or_insert_with(id, || Batch::new(revision)).add(&event);
                }
            }
        }
        for (id, batch) in batches {
            if !self.send(store, id, &batch) {
                self.transition(id, State::Victim(batch), revision + 1);
            }
        }
    }

    /// The store, which was at `revision`, was replaced by another: nobody is known to be up to
    /// date any more.
    pub fn store_replaced(&mut self, revision: i64) {
        let synced: Vec<WatcherId> =
            self.keys.values().flatten().chain(&self.ranges).copied().collect();
        for id in synced {
            let from = self.watcher(id).map_or(0, |watcher| watcher.min_revision);
            self.transition(id, State::Unsynced, from.max(revision + 1));
        }
    }

    /// What time brings: unsynced watchers are brought up to date, others told of progress.
    pub fn tick<B: Backend>(&mut self, store: &Store<B>, now_ns: u64) {
        if self.streams.is_empty() {
            return;
        }
        self.revive_victims(store);
        if now_ns >= self.next_sync_ns && !self.unsynced.is_empty() {
            self.next_sync_ns = now_ns + SYNC_NS;
            self.sync(store);
        }
        self.tell_progress(store, now_ns);
    }

    /// Tells of progress in watches that asked for it and heard nothing for an interval.
    fn tell_progress<B: Backend>(&mut self, store: &Store<B>, now_ns: u64) {
        let mut quiet = Vec::new();
        for (&stream_id, stream) in self.streams.iter_mut() {
            if now_ns < stream.next_progress_ns {
                continue;
            }
            stream.next_progress_ns = now_ns + self.progress_ns;
            for (&id, watcher) in stream.watchers.iter_mut() {
                if watcher.progress_notify
                    && std::mem::replace(&mut watcher.wants_progress, true)
                    && watcher.is_up_to(store.revision())
                {
                    quiet.push((stream_id, id));
                }
            }
        }
        for (stream, watch_id) in quiet {
            self.progress(store, stream, watch_id);
        }
    }

    /// Says how far a whole stream has come, if none of its watches lags; else nothing, as etcd.
    fn progress_of_stream<B: Backend>(&mut self, store: &Store<B>, stream: WatchStreamId) {
        let watchers = self.streams.get(&stream).map(|stream| &stream.watchers);
        let all_synced = watchers.is_some_and(|watchers| {
            !watchers.is_empty() && watchers.values().all(|one| one.is_up_to(store.revision()))
        });
        if all_synced {
            self.progress(store, stream, WHOLE_STREAM);
        }
    }

    fn progress<B: Backend>(&mut self, store: &Store<B>, stream: WatchStreamId, watch_id: i64) {
        if self.has_room(stream) {
            let header = batch::at(store.revision());
            self.control(stream, WatchResponse { header, watch_id, ..WatchResponse::default() });
        }
    }
}
