//! The promises of watches: ordered, unique, reliable, atomic, resumable, bookmarkable.

use super::*;
use crate::mvcc::{KeyRange, MemoryBackend, Rules};
use crate::request::{Event, EventKind};

const STREAM: WatchStreamId = WatchStreamId(7);

struct Lab {
    store: Store,
    watches: Watches,
    now_ns: u64,
}

impl Lab {
    fn new() -> Self {
        let store = Store::restore(MemoryBackend::default(), Rules::CURRENT).unwrap();
        Self { store, watches: Watches::default(), now_ns: 0 }
    }

    fn put(&mut self, keys: &[&str]) -> i64 {
        let mut txn = self.store.write();
        for key in keys {
            txn.put((*key).to_owned().into(), "v".into(), 0);
        }
        let committed = txn.end();
        self.watches.notify(&self.store, &committed);
        committed.revision
    }

    fn delete(&mut self, key: &str) {
        let mut txn = self.store.write();
        txn.delete_range(&KeyRange::One(key.to_owned().into()));
        let committed = txn.end();
        self.watches.notify(&self.store, &committed);
    }

    fn compact(&mut self, revision: i64) {
        self.store.compact(revision).unwrap();
        while self.store.step_compaction(1000).is_some() {}
    }

    fn ask(&mut self, request: WatchRequest) {
        self.watches.request(&self.store, self.now_ns, STREAM, request);
    }

    fn watch(&mut self, create: WatchCreate) -> i64 {
        self.ask(WatchRequest::Create(create));
        let (_, created) = self.watches.take_responses().pop().expect("an answer");
        assert!(created.created && !created.canceled, "{created:?}");
        created.watch_id
    }

    fn tick(&mut self) -> Vec<WatchResponse> {
        self.now_ns += SYNC_NS;
        self.watches.tick(&self.store, self.now_ns);
        self.told()
    }

    fn told(&mut self) -> Vec<WatchResponse> {
        let responses: Vec<WatchResponse> =
            self.watches.take_responses().into_iter().map(|(_, response)| response).collect();
        self.ask(WatchRequest::Taken { responses: responses.len() });
        responses
    }

    /// Everything that comes until nothing more does.
    fn drain(&mut self) -> Vec<WatchResponse> {
        let mut all = Vec::new();
        loop {
            let mut some = self.told();
            some.extend(self.tick());
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }
}

fn all(start_revision: i64) -> WatchCreate {
    let range_end = Bytes::from_static(b"\0");
    WatchCreate { range_end, start_revision, ..WatchCreate::default() }
}

fn events(responses: &[WatchResponse]) -> Vec<(i64, String, EventKind)> {
    let of = |event: &Event| {
        let key = String::from_utf8_lossy(&event.kv.key).into_owned();
        (event.kv.mod_revision, key, event.kind)
    };
    responses.iter().flat_map(|response| response.events.iter().map(of)).collect()
}

#[test]
fn ordered_unique_reliable_from_the_past_through_the_present() {
    let mut lab = Lab::new();
    for number in 0..2500 {
        lab.put(&[&format!("k{}", number % 7)]);
    }
    lab.watch(all(2));
    let mut told = lab.tick();
    lab.put(&["during"]);
    told.extend(lab.drain());
    lab.put(&["after"]);
    told.extend(lab.drain());
    let revisions: Vec<i64> = events(&told).iter().map(|event| event.0).collect();
    assert_eq!(revisions, (2..=2503).collect::<Vec<_>>(), "each once, in order");
    let sizes: Vec<usize> = told.iter().map(|response| response.events.len()).collect();
    assert_eq!(sizes, [1000, 1000, 501, 1], "in batches, then as it happens");
    assert!(told.iter().all(|response| !response.fragment), "nothing was cut");
}

#[test]
fn atomic_a_revision_is_never_split() {
    let mut lab = Lab::new();
    for number in 0..1500 {
        lab.put(&["a", &format!("b{number}"), "c"]);
    }
    lab.watch(all(1));
    for response in lab.drain() {
        for revision in response.events.chunk_by(|a, b| a.kv.mod_revision == b.kv.mod_revision) {
            assert_eq!(revision.len(), 3, "all of revision {}", revision[0].kv.mod_revision);
        }
        let last = response.events.last().map(|event| event.kv.mod_revision);
        assert!(last <= Some(response.header.revision), "the header is not behind");
    }
}

#[test]
fn nothing_below_the_start_is_told_and_a_start_in_the_future_waits() {
    let mut lab = Lab::new();
    for _ in 0..5 {
        lab.put(&["a"]);
    }
    lab.watch(all(4));
    lab.watch(all(9));
    let told = lab.drain();
    assert_eq!(events(&told).iter().map(|one| one.0).collect::<Vec<_>>(), [4, 5, 6], "from 4 on");
    for _ in 0..3 {
        lab.put(&["a"]);
    }
    let told = lab.drain();
    let of_second = told.iter().filter(|response| response.watch_id == 1);
    let revisions: Vec<i64> =
        of_second.flat_map(|one| one.events.iter().map(|event| event.kv.mod_revision)).collect();
    assert_eq!(revisions, [9], "from 9 on");
}

#[test]
fn filters_and_previous_values() {
    let mut lab = Lab::new();
    let puts = lab.watch(WatchCreate { no_delete: true, ..all(0) });
    let deletes = lab.watch(WatchCreate { no_put: true, prev_kv: true, ..all(0) });
    lab.put(&["a"]);
    lab.delete("a");
    let told = lab.drain();
    let of = |id| -> Vec<EventKind> {
        let own = told.iter().filter(|response| response.watch_id == id);
        own.flat_map(|response| response.events.iter().map(|event| event.kind)).collect()
    };
    assert_eq!(of(puts), [EventKind::Put], "no deletions");
    assert_eq!(of(deletes), [EventKind::Delete], "no puts");
    let ending = told.iter().find(|response| response.watch_id == deletes).unwrap();
    let event = &ending.events[0];
    assert_eq!(event.prev_kv.as_ref().unwrap().value, "v", "what was deleted");
    assert_eq!((event.kv.mod_revision, event.kv.version), (3, 0), "when, and nothing else");
    let first = told.iter().find(|response| response.watch_id == puts).unwrap();
    assert!(first.events[0].is_create(), "the key was new");
}

#[test]
fn a_watch_below_the_compact_revision_ends_and_says_where_to_go_on() {
    let mut lab = Lab::new();
    for _ in 0..9 {
        lab.put(&["a"]);
    }
    lab.compact(6);
    let lost = lab.watch(all(5));
    let kept = lab.watch(all(6));
    let told = lab.drain();
    let ended = told.iter().find(|response| response.watch_id == lost).unwrap();
    assert!(ended.canceled && ended.events.is_empty(), "{ended:?}");
    assert_eq!(ended.compact_revision, 6, "from here on");
    let own: Vec<WatchResponse> =
        told.iter().filter(|response| response.watch_id == kept).cloned().collect();
    let revisions: Vec<i64> = events(&own).iter().map(|event| event.0).collect();
    assert_eq!(revisions, [6, 7, 8, 9, 10], "at the compact revision itself nothing is missing");
    assert_eq!(lab.watches.counts(), (1, 0, 0), "the other is gone");
}

#[test]
fn a_tombstone_at_the_compact_revision_is_still_told() {
    let mut lab = Lab::new();
    lab.put(&["a"]);
    lab.delete("a");
    lab.put(&["b"]);
    lab.compact(3);
    lab.watch(all(3));
    let told = events(&lab.drain());
    assert_eq!(told[0], (3, "a".to_owned(), EventKind::Delete), "bug 28");
}

#[test]
fn a_slow_client_is_bounded_and_loses_nothing() {
    let mut lab = Lab::new();
    lab.watch(all(0));
    lab.ask(WatchRequest::Taken { responses: 1 });
    for _ in 0..WATCH_STREAM_CAPACITY + 50 {
        lab.put(&["a"]);
    }
    let first: Vec<WatchResponse> =
        lab.watches.take_responses().into_iter().map(|(_, response)| response).collect();
    assert_eq!(first.len(), WATCH_STREAM_CAPACITY, "no more than the stream holds");
    assert_eq!(lab.watches.counts(), (0, 0, 1), "it waits");
    assert!(lab.tick().is_empty(), "and goes on waiting");
    lab.ask(WatchRequest::Taken { responses: first.len() });
    let rest = lab.drain();
    let mut revisions: Vec<i64> = events(&first).iter().map(|event| event.0).collect();
    revisions.extend(events(&rest).iter().map(|event| event.0));
    let last = lab.store.revision();
    assert_eq!(revisions, (2..=last).collect::<Vec<_>>(), "all of them, once");
    assert_eq!(lab.watches.counts(), (1, 0, 0), "up to date again");
}

/// Fills the stream, lets the watch fall behind and compacts what it was to be told.
fn overtaken(lab: &mut Lab) {
    lab.watch(all(0));
    for _ in 0..WATCH_STREAM_CAPACITY + 50 {
        lab.put(&["a"]);
    }
    lab.watches.take_responses();
    lab.compact(lab.store.revision());
    lab.put(&["a"]);
}

#[test]
fn a_slow_watch_that_is_overtaken_by_a_compaction_is_told_so() {
    let mut lab = Lab::new();
    overtaken(&mut lab);
    let told = lab.drain();
    assert!(told.is_empty(), "there is no room: {told:?}");
    lab.ask(WatchRequest::Taken { responses: WATCH_STREAM_CAPACITY });
    let told = lab.drain();
    assert_eq!(told[0].events.len(), 1, "the batch that it held");
    assert!(told[1].compact_revision > 0 && told[1].canceled, "bug 31: {told:?}");
}

#[test]
fn bookmarkable_progress_is_never_ahead_of_events() {
    let mut lab = Lab::new();
    for _ in 0..5 {
        lab.put(&["a"]);
    }
    lab.watch(all(2));
    lab.ask(WatchRequest::Progress);
    assert!(lab.told().is_empty(), "it lags: bug 32");
    lab.drain();
    lab.ask(WatchRequest::Progress);
    let told = lab.told();
    assert_eq!((told[0].watch_id, told[0].header.revision), (-1, 6), "for the whole stream");
    lab.watch(all(20));
    lab.ask(WatchRequest::Progress);
    assert!(lab.told().is_empty(), "one is for the future");
}

#[test]
fn progress_is_told_at_intervals_when_nothing_happens() {
    let mut lab = Lab::new();
    lab.watches.set_progress_interval(10 * SYNC_NS);
    lab.watch(WatchCreate { progress_notify: true, ..all(0) });
    lab.watch(all(0));
    let mut quiet: Vec<WatchResponse> = (0..25).flat_map(|_| lab.tick()).collect();
    assert_eq!(quiet.len(), 2, "twice in two and a half intervals: {quiet:?}");
    let first = quiet.remove(0);
    assert_eq!((first.watch_id, first.header.revision), (0, 1), "of the watch that asked");
    lab.put(&["a"]);
    lab.told();
    let busy: Vec<WatchResponse> = (0..6).flat_map(|_| lab.tick()).collect();
    assert!(busy.is_empty(), "an event says enough: {busy:?}");
}

#[test]
fn ids_are_unique_in_a_stream() {
    let mut lab = Lab::new();
    assert_eq!(lab.watch(all(0)), 0, "the first");
    assert_eq!(lab.watch(WatchCreate { watch_id: 1, ..all(0) }), 1, "as asked");
    assert_eq!(lab.watch(all(0)), 2, "the next that is free");
    lab.ask(WatchRequest::Create(WatchCreate { watch_id: 1, ..all(0) }));
    let refused = lab.told().remove(0);
    assert!(refused.created && refused.canceled && refused.watch_id == -1, "{refused:?}");
    assert!(refused.cancel_reason.contains("duplicate watch ID"), "{refused:?}");
    let (key, range_end) = ("b".into(), "a".into());
    lab.ask(WatchRequest::Create(WatchCreate { key, range_end, ..all(0) }));
    assert_eq!(lab.told()[0].cancel_reason, "mvcc: watcher range is empty", "nothing to watch");
    lab.ask(WatchRequest::Cancel { watch_id: 2 });
    assert!(lab.told()[0].canceled, "cancelled");
    lab.ask(WatchRequest::Cancel { watch_id: 2 });
    assert!(lab.told().is_empty(), "not twice");
    lab.put(&["a"]);
    assert_eq!(lab.told().len(), 2, "the others go on");
    lab.ask(WatchRequest::Close);
    lab.put(&["a"]);
    assert!(lab.watches.take_responses().is_empty(), "the stream is closed");
}

#[test]
fn large_responses_are_cut_between_events_if_the_watch_allows_it() {
    let mut lab = Lab::new();
    let cut = lab.watch(WatchCreate { fragment: true, ..all(0) });
    let mut txn = lab.store.write();
    for number in 0..5 {
        txn.put(format!("k{number}").into(), vec![b'x'; 1 << 20].into(), 0);
    }
    let committed = txn.end();
    lab.watches.notify(&lab.store, &committed);
    let told = lab.told();
    let shape: Vec<(usize, bool)> =
        told.iter().map(|response| (response.events.len(), response.fragment)).collect();
    assert_eq!(shape, [(1, true), (1, true), (1, true), (1, true), (1, false)], "of watch {cut}");
}

#[test]
fn resumable_after_a_restore_of_the_store_nothing_is_lost() {
    let mut lab = Lab::new();
    lab.watch(all(0));
    lab.put(&["a"]);
    lab.drain();
    let mut other = Lab::new();
    for key in ["a", "b", "c"] {
        other.put(&[key]);
    }
    let before = std::mem::replace(&mut lab.store, other.store);
    lab.watches.store_replaced(before.revision());
    let told = events(&lab.drain());
    let revisions: Vec<i64> = told.iter().map(|event| event.0).collect();
    assert_eq!(revisions, [3, 4], "what it was not told before");
}
