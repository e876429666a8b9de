//! What a node wants done, and the messages by which it hears that it was done.

use crate::config::Randomness;
use crate::entries::Entries;
use crate::error::Result;
use crate::logger::Logger;
use crate::message::{APPEND_THREAD, APPLY_THREAD, Message, MessageType};
use crate::raft::Raft;
use crate::read_only::ReadState;
use crate::storage::Storage;
use crate::types::{HardState, NodeId, Snapshot, SoftState};

/// What a node wants written, sent and applied.
///
/// Without asynchronous storage writes, the caller, in this order:
///
/// 1. writes `snapshot`, `entries` and `hard_state`, durably where `must_sync`;
/// 2. sends `messages` (a leader may send them while it writes);
/// 3. applies `snapshot` and `committed_entries`;
/// 4. calls [`advance`](crate::RawNode::advance).
///
/// With asynchronous storage writes, `messages` alone says all: those to
/// [`APPEND_THREAD`] and [`APPLY_THREAD`] are carried out, each thread's in order, and their
/// `responses` delivered when that is done, all others are sent at once. `advance` is not called.
/// A snapshot may overtake entries that wait to be applied: those below
/// [`first_index`](crate::LogView::first_index) are left out then, changes of the configuration too,
/// since the snapshot's configuration is in force already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ready {
    /// Leader and role, if they changed.
    pub soft_state: Option<SoftState>,
    /// Term, vote and commit index, if they changed.
    pub hard_state: Option<HardState>,
    /// Reads that may be served once their index is applied.
    pub read_states: Vec<ReadState>,
    /// To be appended to storage.
    pub entries: Entries,
    /// To be stored in place of everything before.
    pub snapshot: Option<Snapshot>,
    /// To be applied.
    pub committed_entries: Entries,
    /// To be sent.
    pub messages: Vec<Message>,
    /// Whether `hard_state` and `entries` must be durable before anything else; if not, they may
    /// be lost in a crash.
    pub must_sync: bool,
}

impl Ready {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a write must be durable before its node goes on: always, but for a commit index alone.
pub(crate) fn must_sync(state: &HardState, previous: &HardState, entries: usize) -> bool {
    entries != 0 || state.vote != previous.vote || state.term != previous.term
}

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    /// The message to the append thread, if there is anything for it; takes what must wait for it.
    pub(crate) fn storage_append(&mut self, ready: &Ready) -> Result<Option<Message>> {
        let mut responses = std::mem::take(&mut self.messages_after_append);
        let nothing_to_write =
            ready.entries.is_empty() && ready.hard_state.is_none() && ready.snapshot.is_none();
        if nothing_to_write && responses.is_empty() {
            return Ok(None);
        }
        // Behind the leader's acknowledgement of its own entries.
        responses.extend(self.storage_append_response(ready)?);
        let state = ready.hard_state.unwrap_or_default();
        Ok(Some(Message {
            to: APPEND_THREAD,
            from: self.id,
            term: state.term,
            vote: state.vote,
            commit: state.commit,
            entries: ready.entries.clone(),
            snapshot: ready.snapshot.clone().map(Box::new),
            responses,
            ..Message::new(MessageType::StorageAppend)
        }))
    }

    /// What tells the node that its entries and snapshot are durable.
    ///
    /// The answer to *every* append names the last entry of the log, also when that one is being
    /// written by an earlier append, and is ignored when the term changed since. Otherwise an entry
    /// (index 5, term 2) could be acknowledged that was overwritten by term 3 and written again
    /// after, while its second write is still on its way: the last answer of a term is known to
    /// come after every write of that term.
    pub(crate) fn storage_append_response(&self, ready: &Ready) -> Result<Option<Message>> {
        let has_entries = self.log.unstable.has_entries();
        if !has_entries && ready.snapshot.is_none() {
            return Ok(None);
        }
        let last = if has_entries { Some(self.log.last_id()?) } else { None };
        Ok(Some(Message {
            to: self.id,
            from: APPEND_THREAD,
            term: self.term,
            index: last.map_or(0, |last| last.index),
            log_term: last.map_or(0, |last| last.term),
            snapshot: ready.snapshot.clone().map(Box::new),
            ..Message::new(MessageType::StorageAppendResp)
        }))
    }
}

/// The message to the apply thread, if there is anything to apply.
pub(crate) fn storage_apply(id: NodeId, committed: &Entries) -> Option<Message> {
    let response = storage_apply_response(id, committed)?;
    Some(Message {
        to: APPLY_THREAD,
        from: id,
        entries: committed.clone(),
        responses: vec![response],
        ..Message::new(MessageType::StorageApply)
    })
}

/// What tells the node that its entries were applied.
pub(crate) fn storage_apply_response(id: NodeId, committed: &Entries) -> Option<Message> {
    if committed.is_empty() {
        return None;
    }
    Some(Message {
        to: id,
        from: APPLY_THREAD,
        entries: committed.clone(),
        ..Message::new(MessageType::StorageApplyResp)
    })
}
