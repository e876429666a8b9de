//! Keys of a directory that need not fit memory, in pages.
//!
//! The answers are those of [`State`], made with less: the index holds the keys that were asked for
//! and those that the log's last entries touch, and values are read when their page is. Compactions
//! that are under way are not walked: what they remove is out of reach already. Only a revision that
//! was compacted, and that the log makes again ([`past`]), takes memory with the data.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::state::{Source, State, StateError};
use super::{DataDir, past};
use crate::mvcc::{KeyRange, Rules};
use crate::proto::LoggedRequest;
use crate::proto::etcdserverpb::InternalRaftRequest;
use crate::proto::rpc::{RequestOp, TxnRequest, request_op};
use crate::request::{Range, RangeReply};

/// The answer to a range, page by page.
#[derive(Debug, Clone)]
pub struct Listing {
    state: State,
    pages: Pages,
}

impl Listing {
    pub(super) fn of(directory: &DataDir, range: &Range) -> Result<Listing, StateError> {
        let source = Source::of(directory)?;
        let asked = KeyRange::new(&range.key, &range.range_end);
        let touched = Touched::by(source.beyond()?);
        let is_asked = |key: &[u8]| asked.contains(key) || touched.contains(key);
        let store = source.open(|backend| backend.store_of_keys(Rules::CURRENT, &is_asked))?;
        let state = State::uncompacted(store, source.is_judged(), source.committed())?;
        let state = state.of_file(source.path())?;
        let is_compacted = (1..state.store().compact_revision()).contains(&range.revision);
        let past = is_compacted.then(|| past::history(directory, &state, range)).flatten();
        Ok(Listing { state: past.unwrap_or(state), pages: Pages::new(range.clone()) })
    }

    /// Up to `keys` more keys; `None` when all were told. The count is of all keys that are left.
    pub fn next_page(&mut self, keys: i64) -> Result<Option<RangeReply>, StateError> {
        self.pages.next(&self.state, keys)
    }
}

/// How far a range was told.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    /// What is still to be told.
    rest: Option<Range>,
}

impl Pages {
    pub(super) fn new(range: Range) -> Pages {
        Pages { rest: Some(range) }
    }

    /// Up to `keys` more keys of a state; `None` when all were told.
    pub(super) fn next(
        &mut self,
        state: &State,
        keys: i64,
    ) -> Result<Option<RangeReply>, StateError> {
        let Some(rest) = self.rest.take() else { return Ok(None) };
        let reply = state.range(&Range { limit: keys, ..rest.clone() })?;
        if let Some(problem) = state.problem() {
            return Err(problem);
        }
        let last = reply.kvs.last().filter(|_| reply.more);
        self.rest = last.map(|last| Range { key: behind(&last.key), ..rest });
        Ok(Some(reply))
    }
}

/// The first key behind a key.
fn behind(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

/// Keys that entries of the log read or change, or may.
#[derive(Debug, Default)]
pub(super) struct Touched {
    keys: BTreeSet<Bytes>,
    ranges: Vec<KeyRange>,
}

impl Touched {
    /// The keys of some entries.
    pub(super) fn by(entries: &[raft::Entry]) -> Touched {
        let mut touched = Touched::default();
        for entry in entries {
            touched.take(entry);
        }
        touched
    }

    /// Whether a key is among them.
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.keys.contains(key) || self.ranges.iter().any(|range| range.contains(key))
    }

    fn take(&mut self, entry: &raft::Entry) {
        if entry.entry_type != raft::EntryType::Normal {
            return;
        }
        // What cannot be decoded cannot be applied either, and is refused there.
        let Ok(LoggedRequest::V3(request)) = LoggedRequest::decode(&entry.data) else { return };
        let InternalRaftRequest { put, delete_range, txn, .. } = *request;
        if let Some(put) = put {
            self.keys.insert(put.key);
        }
        if let Some(delete) = delete_range {
            self.range(&delete.key, &delete.range_end);
        }
        if let Some(txn) = txn {
            self.txn(&txn);
        }
    }

    fn range(&mut self, key: &Bytes, range_end: &Bytes) {
        match KeyRange::new(key, range_end) {
            KeyRange::One(key) => _ = self.keys.insert(key),
            range @ (KeyRange::From(_) | KeyRange::Until(..)) => self.ranges.push(range),
        }
    }

    fn txn(&mut self, txn: &TxnRequest) {
        for compare in &txn.compare {
            self.range(&compare.key, &compare.range_end);
        }
        for RequestOp { request } in txn.success.iter().chain(&txn.failure) {
            match request {
                Some(request_op::Request::RequestPut(put)) => _ = self.keys.insert(put.key.clone()),
                Some(request_op::Request::RequestDeleteRange(delete)) => {
                    self.range(&delete.key, &delete.range_end);
                }
                // What it reads is told to the client alone.
                Some(request_op::Request::RequestRange(_)) | None => {}
                Some(request_op::Request::RequestTxn(inner)) => self.txn(inner),
            }
        }
    }
}
