//! What a node wants done, and the messages by which it hears that it was done.

use crate::config::Randomness;
use crate::entries::Entries;
use crate::error::Result;
use crate::logger::{Logger, log};
use crate::message::{APPEND_THREAD, APPLY_THREAD, Attachment, Message, MessageType};
use crate::raft::Raft;
use crate::read_only::ReadState;
use crate::storage::{Storage, encoded_size, payload_size};
use crate::types::{Entry, EntryId, HardState, NodeId, Snapshot, SoftState};

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

    /// Leaves nothing to do, but keeps memory for what there will be.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.soft_state = None;
        self.hard_state = None;
        self.read_states.clear();
        self.entries.clear();
        self.snapshot = None;
        self.committed_entries.clear();
        self.messages.clear();
        self.must_sync = false;
    }
}

/// Whether a write must be durable before its node goes on: always, but for a commit index alone.
pub(crate) fn must_sync(state: &HardState, previous: &HardState, entries: usize) -> bool {
    entries != 0 || state.vote != previous.vote || state.term != previous.term
}

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    /// The message to the append thread, if there is anything for it; takes what must wait for it.
    pub(crate) fn storage_append(&mut self, ready: &Ready) -> Option<Message> {
        let mut responses = std::mem::take(&mut self.messages_after_append);
        let nothing_to_write =
            ready.entries.is_empty() && ready.hard_state.is_none() && ready.snapshot.is_none();
        if nothing_to_write && responses.is_empty() {
            return None;
        }
        // Behind the leader's acknowledgement of its own entries.
        let stored = self.stored_when_written(ready);
        responses.extend(stored.map(|stored| stored.message(self.id, ready.snapshot.as_ref())));
        let state = ready.hard_state.unwrap_or_default();
        let (vote, snapshot) = (state.vote, ready.snapshot.clone());
        Some(Message {
            to: APPEND_THREAD,
            from: self.id,
            term: state.term,
            commit: state.commit,
            entries: ready.entries.clone(),
            attachment: Some(Box::new(Attachment {
                snapshot,
                vote,
                responses,
                ..Attachment::default()
            })),
            ..Message::new(MessageType::StorageAppend)
        })
    }

    /// What to tell the node when its entries and snapshot are durable.
    ///
    /// The answer to *every* append names the last entry of the log, also when that one is being
    /// written by an earlier append, and is ignored when the term changed since. Otherwise an entry
    /// (index 5, term 2) could be acknowledged that was overwritten by term 3 and written again
    /// after, while its second write is still on its way: the last answer of a term is known to
    /// come after every write of that term.
    pub(crate) fn stored_when_written(&self, ready: &Ready) -> Option<Stored> {
        let has_entries = self.log.unstable.has_entries();
        if !has_entries && ready.snapshot.is_none() {
            return None;
        }
        let last = if has_entries { self.log.last_id() } else { EntryId::default() };
        let snapshot_index = ready.snapshot.as_ref().map_or(0, |snapshot| snapshot.metadata.index);
        Some(Stored { term: self.term, last, snapshot_index })
    }

    /// A write is durable.
    pub(crate) fn stored(&mut self, stored: &Stored) -> Result<()> {
        // The entries may have been replaced in the meantime; a snapshot was not.
        if stored.last.index != 0 && stored.term < self.term {
            log!(
                self.log.logger,
                Info,
                "{:x} [term: {}] ignored entry appends from a {} message with lower term [term: {}]",
                self.id,
                self.term,
                MessageType::StorageAppendResp,
                stored.term
            );
        } else if stored.last.index != 0 {
            self.log.stable_to(stored.last);
        }
        if stored.snapshot_index != 0 {
            self.applied_snapshot(stored.snapshot_index)?;
        }
        Ok(())
    }

    /// Entries were applied.
    pub(crate) fn applied(&mut self, applied: &Applied) -> Result<()> {
        if applied.index != 0 {
            self.applied_to(applied.index, applied.encoded_size)?;
            self.reduce_uncommitted_size(applied.payload_size);
        }
        Ok(())
    }
}

/// A node's write, as it will be told that it is durable. Zeros stand for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stored {
    /// The term in which the write began.
    term: u64,
    last: EntryId,
    snapshot_index: u64,
}

impl Stored {
    /// As a [`MessageType::StorageAppendResp`] says it.
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            term: message.term,
            last: EntryId { term: message.log_term, index: message.index },
            snapshot_index: message.snapshot().map_or(0, |held| held.metadata.index),
        }
    }

    fn message(self, id: NodeId, snapshot: Option<&Snapshot>) -> Message {
        let message = Message {
            to: id,
            from: APPEND_THREAD,
            term: self.term,
            index: self.last.index,
            log_term: self.last.term,
            ..Message::new(MessageType::StorageAppendResp)
        };
        match snapshot {
            Some(snapshot) => message.with_snapshot(snapshot.clone()),
            None => message,
        }
    }
}

/// Entries that were applied: how far, and what of the limits they give back. Zero stands for none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) index: u64,
    pub(crate) encoded_size: u64,
    payload_size: u64,
}

impl Applied {
    /// That these were applied, if there are any.
    pub(crate) fn of(entries: &[Entry]) -> Option<Self> {
        let index = entries.last()?.index;
        let (encoded_size, payload_size) = (encoded_size(entries), payload_size(entries));
        Some(Self { index, encoded_size, payload_size })
    }
}

/// The message to the apply thread, if there is anything to apply.
pub(crate) fn storage_apply(id: NodeId, committed: &Entries) -> Option<Message> {
    if committed.is_empty() {
        return None;
    }
    let response = Message {
        to: id,
        from: APPLY_THREAD,
        entries: committed.clone(),
        ..Message::new(MessageType::StorageApplyResp)
    };
    Some(Message {
        to: APPLY_THREAD,
        from: id,
        entries: committed.clone(),
        attachment: Some(Box::new(Attachment {
            responses: vec![response],
            ..Attachment::default()
        })),
        ..Message::new(MessageType::StorageApply)
    })
}
