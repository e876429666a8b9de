//! Bringing watchers up to date that are behind.

use ordered::Map;
use std::ops::{Bound, ControlFlow};

use prost::Message as _;

use super::batch::{self, Batch};
use super::watcher::State;
use super::{WATCHERS_PER_SYNC, WatcherId, Watches};
use crate::mvcc::{Backend, Bucket, Revision, Store};
use crate::proto::mvccpb::KeyValue;
use crate::request::WatchResponse;

impl Watches {
    /// Tells some unsynced watchers what the backend has for them.
    pub(super) fn sync<B: Backend>(&mut self, store: &Store<B>) {
        let chosen = self.choose();
        let current = store.revision();
        let mut batches = Map::new();
        let mut from = i64::MAX;
        for id in chosen {
            let Some(min) = self.watcher(id).map(|watcher| watcher.min_revision) else { continue };
            if min >= store.compact_revision() {
                from = from.min(min);
                batches.insert(id, Batch::new(current));
            } else if !self.end_compacted(store, id) && self.skips_compacted {
                self.transition(id, State::Synced, current + 1);
            }
        }
        self.collect(store, from, &mut batches);
        for (id, batch) in batches {
            let min = self.watcher(id).map_or(0, |watcher| watcher.min_revision);
            let next = batch.more_from.unwrap_or(current + 1).max(min);
            let state = match batch.more_from {
                _ if !self.send(store, id, &batch) => State::Victim(batch),
                Some(_) => State::Unsynced,
                None => State::Synced,
            };
            self.transition(id, state, next);
        }
    }

    /// The next unsynced watchers, going round.
    fn choose(&mut self) -> Vec<WatcherId> {
        let after = self.cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.unsynced.range((after, Bound::Unbounded));
        let wrapped = self.unsynced.iter();
        let most = self.unsynced.len().min(WATCHERS_PER_SYNC);
        let chosen: Vec<WatcherId> = behind.chain(wrapped).take(most).copied().collect();
        self.cursor = chosen.last().copied();
        chosen
    }

    /// Ends a watcher whose next revision is compacted; `false` if there is no room to say so.
    fn end_compacted<B: Backend>(&mut self, store: &Store<B>, id: WatcherId) -> bool {
        if !self.has_room(id.0) {
            return false;
        }
        self.remove(id);
        let compact_revision = store.compact_revision();
        let ended = WatchResponse {
            watch_id: id.1,
            canceled: true,
            compact_revision,
            ..WatchResponse::default()
        };
        self.control(id.0, ended);
        true
    }

    /// Reads the backend from a revision on, and gives each watcher what it wants until all have
    /// as much as they may get.
    fn collect<B: Backend>(
        &self,
        store: &Store<B>,
        from: i64,
        batches: &mut Map<WatcherId, Batch>,
    ) {
        if batches.is_empty() {
            return;
        }
        let (from, end) = (Revision::new(from, 0).to_bytes(), (store.revision() + 1).to_be_bytes());
        store.backend().scan(Bucket::Key, &from, Some(&end), &mut |key, value| {
            let at = Revision::from_bytes(key).expect("the store writes and checks revisions");
            let kv = KeyValue::decode(bytes::Bytes::copy_from_slice(value))
                .expect("the store writes and checks values");
            let event = batch::event_of_stored(at, kv);
            let mut all_full = true;
            for (id, batch) in batches.iter_mut() {
                if self.watcher(*id).is_some_and(|watcher| watcher.wants(&event)) {
                    batch.add(&event);
                }
                all_full &= batch.more_from.is_some();
            }
            if all_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
    }

    /// Sends what victims hold, as far as their streams have room again.
    pub(super) fn revive_victims<B: Backend>(&mut self, store: &Store<B>) {
        let victims: Vec<WatcherId> = self.victims.iter().copied().collect();
        for id in victims {
            let Some(watcher) = self.watcher(id) else { continue };
            let State::Victim(batch) = &watcher.state else { continue };
            let (batch, next) = (batch.clone(), watcher.min_revision);
            if !self.has_room(id.0) || !self.send(store, id, &batch) {
                continue;
            }
            let is_behind = next <= store.revision();
            let state = if is_behind { State::Unsynced } else { State::Synced };
            self.transition(id, state, next);
        }
    }
}
