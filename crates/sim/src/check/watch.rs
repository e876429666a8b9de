//! What watches are told, against the order in which entries were applied: ordered, unique,
//! reliable, atomic, resumable, bookmarkable, exact.
//!
//! Each watch has a mark: the revision up to which its client was told everything. What a response
//! adds is compared with what the [`Model`] says happened between the mark and the last revision
//! that the response speaks of; a difference is reported as the promise that it breaks.

use std::sync::Arc;

use bytes::Bytes;
use etcd::request::{Event, EventKind, WatchResponse};
use ordered::{Map, SharedMap};

use super::facts::Facts;
use super::facts::model::Model;
use super::promise::Promise;
use super::violation::Found;
use super::{Check, WatchOpened};
use crate::machine::watched;
use crate::scenario::{Node, Watch};

/// A watch of a client.
#[derive(Clone, Debug)]
struct Told {
    watch: Arc<Watch>,
    /// Its keys as etcd has them: the first, and the end of the range.
    range: (Bytes, Bytes),
    node: Node,
    /// Everything up to here was told; `None` before the watch was ever in place.
    up_to: Option<i64>,
    /// The first revision that was asked for on this stream; 0 for the next one.
    from_revision: i64,
    /// It came back, and heard of nothing since.
    is_resumed: bool,
    /// Events of a revision that goes on in the next response.
    begun: Vec<Event>,
}

/// All watches, by watcher, and who listens to a stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watches {
    told: SharedMap<u64, Told>,
    streams: SharedMap<u64, u64>,
}

impl Check for Watches {
    fn watch_opened(&mut self, opened: WatchOpened<'_>) {
        let WatchOpened { watcher, stream, node, watch, from_revision } = opened;
        self.streams.insert(stream, watcher);
        let before = self.told.get(&watcher);
        let up_to = before.and_then(|told| told.up_to);
        let (range, watch) = (watched(watch), Arc::clone(watch));
        let is_resumed = up_to.is_some();
        let begun = Vec::new();
        let told = Told { watch, range, node, up_to, from_revision, is_resumed, begun };
        self.told.insert(watcher, told);
    }

    fn watch_heard(
        &mut self,
        facts: &Facts,
        stream: u64,
        response: &WatchResponse,
        found: &mut Found,
    ) {
        if facts.replay.model.lost().is_none() {
            self.heard(stream, response, &facts.replay.model, found);
        }
    }
}

impl Watches {
    fn heard(&mut self, stream: u64, response: &WatchResponse, model: &Model, found: &mut Found) {
        let told = self.streams.get(&stream).copied();
        let Some(told) = told.and_then(|watcher| self.told.get_mut(&watcher)) else { return };
        if response.canceled {
            told.canceled(response, model, found);
        } else if response.created {
            told.created(response);
        } else if response.events.is_empty() {
            told.progress(response.header.revision, model, found);
        } else {
            told.events(response, model, found);
        }
    }
}

impl Told {
    fn created(&mut self, response: &WatchResponse) {
        let begins = match self.from_revision {
            0 => response.header.revision,
            from => from - 1,
        };
        self.up_to.get_or_insert(begins);
    }

    /// Why, if the history that it wanted is there.
    fn canceled(&self, response: &WatchResponse, model: &Model, found: &mut Found) {
        let (Some(up_to), compacted) = (self.up_to, response.compact_revision) else { return };
        if compacted == 0 {
            return;
        }
        let holds = up_to < compacted && compacted <= model.compact_revision();
        self.look(Promise::WatchReliable, holds, compacted, found, || {
            format!(
                "is ended since {compacted} is compacted; it was told of everything up to {up_to}, \
                 and the compact revision is {}",
                model.compact_revision()
            )
        });
    }

    fn progress(&mut self, revision: i64, model: &Model, found: &mut Found) {
        let Some(up_to) = self.up_to else { return };
        let missing = self.expected(up_to, revision, model).next();
        let at = missing.map_or(revision, |(at, _)| at);
        self.look(Promise::WatchBookmarkable, missing.is_none(), at, found, || {
            format!("is told that {revision} is reached; {missing:?} was never told")
        });
        self.up_to = Some(up_to.max(revision));
    }

    fn events(&mut self, response: &WatchResponse, model: &Model, found: &mut Found) {
        let Some(up_to) = self.up_to else { return };
        let mut events = std::mem::take(&mut self.begun);
        events.extend(response.events.iter().cloned());
        if response.fragment {
            self.begun = events;
            return;
        }
        let at = |event: &Event| event.kv.mod_revision;
        let last = events.iter().map(at).max().unwrap_or(up_to);
        let ascends = events.is_sorted_by_key(at);
        self.look(Promise::WatchOrdered, ascends, last, found, || {
            let revisions: Vec<i64> = events.iter().map(at).collect();
            format!("is told of revisions {revisions:?}")
        });
        let old = events.iter().find(|event| at(event) <= up_to);
        self.again(old, up_to, found);
        self.whole(&events, up_to, last, model, found);
        for event in events.iter().filter(|event| at(event) > up_to) {
            self.exact(event, model, found);
        }
        self.up_to = Some(up_to.max(last));
        self.is_resumed = false;
    }

    /// Nothing is told twice, and nothing from before the start.
    fn again(&self, old: Option<&Event>, up_to: i64, found: &mut Found) {
        let revision = old.map_or(0, |event| event.kv.mod_revision);
        let is_below = revision > 0 && revision < self.from_revision;
        let promise = if is_below { Promise::WatchExact } else { Promise::WatchUnique };
        self.look(promise, old.is_none(), revision, found, || {
            format!(
                "is told of revision {revision}; it asked for {} and was told of everything up to \
                 {up_to}",
                self.from_revision
            )
        });
    }

    /// All that happened is told.
    fn whole(&self, events: &[Event], up_to: i64, last: i64, model: &Model, found: &mut Found) {
        let mut has: Map<(i64, &Bytes), u32> = Map::new();
        for event in events {
            *has.get_or_default((event.kv.mod_revision, &event.kv.key)) += 1;
        }
        let twice = has.iter().find(|(_, times)| **times > 1).map(|(change, _)| *change);
        if let Some((revision, key)) = twice {
            self.look(Promise::WatchUnique, false, revision, found, || {
                format!("is told twice of {key:?} at revision {revision}")
            });
        }
        let missing = self.expected(up_to, last, model).find(|change| !has.contains_key(change));
        let is_part = |(revision, _): &(i64, &Bytes)| {
            events.iter().any(|event| event.kv.mod_revision == *revision)
        };
        let detail =
            |promise: &str| format!("is told of {up_to} to {last} without {missing:?} ({promise})");
        let at = missing.map_or(last, |(at, _)| at);
        self.look(Promise::WatchAtomic, !missing.as_ref().is_some_and(is_part), at, found, || {
            detail("a part of a revision")
        });
        let skipped = missing.as_ref().is_some_and(|missing| !is_part(missing));
        if self.is_resumed {
            self.look(Promise::WatchResumable, !skipped, at, found, || {
                detail("after it came back")
            });
        }
        self.look(Promise::WatchReliable, !skipped, at, found, || detail("a whole revision"));
    }

    /// Kind, value, revisions, and what was there before.
    fn exact(&self, event: &Event, model: &Model, found: &mut Found) {
        let (kv, at) = (&event.kv, event.kv.mod_revision);
        let is_wanted = self.is_watched(&kv.key);
        let now = model.value(&kv.key, at);
        let before = model.value(&kv.key, at - 1);
        let changed = model.changed(at..=at).any(|(_, key)| *key == kv.key);
        let is_right = match (event.kind, now) {
            (EventKind::Put, Some(now)) => now == kv,
            (EventKind::Delete, None) => before.is_some() || !changed,
            (EventKind::Put, None) | (EventKind::Delete, Some(_)) => false,
        };
        let is_compacted = at - 1 < model.compact_revision();
        let has_before = match &event.prev_kv {
            Some(told) => self.watch.prev_kv && before == Some(told),
            None => !self.watch.prev_kv || before.is_none() || is_compacted,
        };
        let holds = is_wanted && changed && is_right && has_before;
        self.look(Promise::WatchExact, holds, at, found, || {
            format!("is told {event:?}; the log says {now:?} after {before:?}")
        });
    }

    fn is_watched(&self, key: &Bytes) -> bool {
        let (from, end) = &self.range;
        match &end[..] {
            b"" => key == from,
            b"\0" => key >= from,
            end => key >= from && key[..] < *end,
        }
    }

    /// Changes behind `after`, up to `to`.
    fn expected<'a>(
        &'a self,
        after: i64,
        to: i64,
        model: &'a Model,
    ) -> impl Iterator<Item = (i64, &'a Bytes)> {
        let to = to.max(after);
        let changes = model.changed(after + 1..=to);
        changes.filter(|(_, key)| self.is_watched(key))
    }

    /// About what happened at a revision.
    fn look(
        &self,
        promise: Promise,
        holds: bool,
        revision: i64,
        found: &mut Found,
        say: impl FnOnce() -> String,
    ) {
        found.look_at_revision(promise, holds, &[self.node], revision, || {
            let key = &self.watch.keys.key;
            format!("a watch of {key} and what follows, at {}, {}", self.node, say())
        });
    }
}

#[cfg(test)]
mod tests {
    use etcd::proto::etcdserverpb::InternalRaftRequest;
    use etcd::proto::rpc::{DeleteRangeRequest, PutRequest};
    use etcd::request::{KeyValue, ResponseHeader};
    use prost::Message as _;

    use super::*;
    use crate::scenario::{Keys, Until};

    /// 2: a=1; 3: b=1; 4: a=2; 5: both are deleted; 6: a=3.
    fn model() -> Model {
        let mut model = Model::new();
        let put = |key: &'static str, value: &'static str| InternalRaftRequest {
            id: 1,
            put: Some(PutRequest { key: key.into(), value: value.into(), ..Default::default() }),
            ..Default::default()
        };
        let delete_range = Some(DeleteRangeRequest {
            key: "a".into(),
            range_end: "c".into(),
            ..Default::default()
        });
        let delete = InternalRaftRequest { id: 1, delete_range, ..Default::default() };
        for request in [put("a", "1"), put("b", "1"), put("a", "2"), delete, put("a", "3")] {
            model.apply(&request.encode_to_vec().into()).expect("it is a request");
        }
        model
    }

    fn event(model: &Model, key: &'static str, at: i64) -> Event {
        let key = Bytes::from(key);
        let gone = KeyValue { key: key.clone(), mod_revision: at, ..KeyValue::default() };
        match model.value(&key, at) {
            Some(kv) => Event { kind: EventKind::Put, kv: kv.clone(), prev_kv: None },
            None => Event { kind: EventKind::Delete, kv: gone, prev_kv: None },
        }
    }

    fn response(revision: i64, events: Vec<Event>) -> WatchResponse {
        let header = ResponseHeader { revision, ..ResponseHeader::default() };
        WatchResponse { header, events, ..WatchResponse::default() }
    }

    /// What breaks if a watch from revision 2 on is told this.
    fn broken(model: &Model, responses: &[WatchResponse], breaks_off_after: usize) -> Vec<Promise> {
        let (mut checks, mut found) = (Watches::default(), Found::new());
        let keys = Keys { key: "a".to_owned(), until: Until::End("c".to_owned()) };
        let watch = Watch { keys, revision: 2, prev_kv: false, progress_notify: true };
        let watch = Arc::new(watch);
        let opened = |stream, node, from_revision| {
            let watch = &watch;
            WatchOpened { watcher: 1, stream, node, watch, from_revision }
        };
        checks.watch_opened(opened(1, Node(1), 2));
        checks.heard(1, &WatchResponse { created: true, ..response(6, vec![]) }, model, &mut found);
        for (place, one) in responses.iter().enumerate() {
            if place == breaks_off_after {
                checks.watch_opened(opened(2, Node(2), 3));
            }
            let stream = if place < breaks_off_after { 1 } else { 2 };
            checks.heard(stream, one, model, &mut found);
        }
        found.violations().iter().map(|one| one.promise).collect()
    }

    #[test]
    fn a_watch_that_is_told_everything_once_keeps_every_promise() {
        let model = model();
        let at = |key, revision| event(&model, key, revision);
        let responses = [
            response(3, vec![at("a", 2), at("b", 3)]),
            response(5, vec![at("a", 4), at("a", 5), at("b", 5)]),
            response(5, vec![]),
            response(6, vec![at("a", 6)]),
        ];
        assert_eq!(broken(&model, &responses, 9), [], "in one go");
        assert_eq!(broken(&model, &responses, 1), [], "with a break");
    }

    #[test]
    fn each_way_to_tell_it_wrong_breaks_the_promise_about_it() {
        let model = model();
        let at = |key, revision| event(&model, key, revision);
        let first = response(3, vec![at("a", 2), at("b", 3)]);
        let told = |second: WatchResponse| broken(&model, &[first.clone(), second], 9);
        let whole = || vec![at("a", 4), at("a", 5), at("b", 5)];
        let backwards = response(5, whole().into_iter().rev().collect());
        assert_eq!(told(backwards), [Promise::WatchOrdered], "5 before 4");
        let again = response(5, [vec![at("b", 3)], whole()].concat());
        assert_eq!(told(again), [Promise::WatchUnique], "3 was told before");
        let skipping = response(6, vec![at("a", 6)]);
        assert_eq!(told(skipping.clone()), [Promise::WatchReliable], "4 and 5 are left out");
        let part = response(5, vec![at("a", 4), at("a", 5)]);
        assert_eq!(told(part), [Promise::WatchAtomic], "half of 5");
        assert_eq!(told(response(5, vec![])), [Promise::WatchBookmarkable], "4 was not told");
        let mut wrong = whole();
        wrong[0].kv.value = "9".into();
        assert_eq!(told(response(5, wrong)), [Promise::WatchExact], "another value");
        let resumed = broken(&model, &[first, skipping], 1);
        assert_eq!(resumed, [Promise::WatchResumable, Promise::WatchReliable], "after a break");
        let early = WatchResponse { canceled: true, compact_revision: 2, ..response(6, vec![]) };
        assert_eq!(broken(&model, &[early], 9), [Promise::WatchReliable], "2 is not compacted");
    }
}
