//! One watch: what it is for, and how far it has come.

use bytes::Bytes;

use super::batch::Batch;
use crate::mvcc::{Backend, KeyRange, RangeOptions, Store};
use crate::request::{Event, EventKind, WatchCreate};

/// Where a watcher stands.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Up to date.
    Synced,
    /// Behind, to be brought up to date from the backend.
    Unsynced,
    /// It holds what found no room in its stream.
    Victim(Batch),
}

/// One watch.
#[allow(clippy::struct_excessive_bools, reason = "the flags of a request")]
#[derive(Debug, Clone)]
pub(super) struct Watcher {
    range: KeyRange,
    /// The first revision that it has not been told of.
    pub(super) min_revision: i64,
    /// The first revision that it is for.
    start_revision: i64,
    no_put: bool,
    no_delete: bool,
    prev_kv: bool,
    pub(super) fragment: bool,
    pub(super) progress_notify: bool,
    /// Whether nothing was sent since the last time for progress.
    pub(super) wants_progress: bool,
    pub(super) state: State,
}

impl Watcher {
    /// A watcher as asked for, when the store is at `revision`; or why it is refused.
    pub(super) fn new(create: WatchCreate, revision: i64) -> Result<Self, &'static str> {
        let key = if create.key.is_empty() { Bytes::from_static(b"\0") } else { create.key };
        let range = KeyRange::new(&key, &create.range_end);
        if let KeyRange::Until(from, to) = &range
            && from >= to
        {
            return Err("mvcc: watcher range is empty");
        }
        let start = if create.start_revision == 0 { revision + 1 } else { create.start_revision };
        Ok(Self {
            range,
            min_revision: start,
            start_revision: start,
            no_put: create.no_put,
            no_delete: create.no_delete,
            prev_kv: create.prev_kv,
            fragment: create.fragment,
            progress_notify: create.progress_notify,
            wants_progress: true,
            state: State::Synced,
        })
    }

    /// The key, if it watches one alone.
    pub(super) fn only_key(&self) -> Option<&Bytes> {
        match &self.range {
            KeyRange::One(key) => Some(key),
            KeyRange::From(_) | KeyRange::Until(..) => None,
        }
    }

    /// Whether it is to be told of an event, filters aside.
    pub(super) fn wants(&self, event: &Event) -> bool {
        event.kv.mod_revision >= self.min_revision && self.range.contains(&event.kv.key)
    }

    /// Whether it has been told of everything up to `revision`, and is for revisions so low.
    pub(super) fn is_up_to(&self, revision: i64) -> bool {
        matches!(self.state, State::Synced) && self.start_revision <= revision + 1
    }

    /// What the filters let through.
    pub(super) fn filtered(&self, events: &[Event]) -> Vec<Event> {
        let passes = |event: &&Event| match event.kind {
            EventKind::Put => !self.no_put,
            EventKind::Delete => !self.no_delete,
        };
        events.iter().filter(passes).cloned().collect()
    }

    /// Adds what was there before each event, if that was asked for and is still readable.
    pub(super) fn with_previous<B: Backend>(
        &self,
        store: &Store<B>,
        mut events: Vec<Event>,
    ) -> Vec<Event> {
        for event in events.iter_mut().filter(|event| self.prev_kv && !event.is_create()) {
            let revision = event.kv.mod_revision - 1;
            let options = RangeOptions { revision, ..RangeOptions::default() };
            let key = KeyRange::One(event.kv.key.clone());
            let before = store.range(&key, options).ok().and_then(|mut found| found.kvs.pop());
            event.prev_kv = before.map(Into::into);
        }
        events
    }
}
