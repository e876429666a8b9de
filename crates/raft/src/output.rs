//! What comes out of a node: whether there is anything to do, taking it, and hearing that it was
//! done.

use std::mem::{swap, take};

use crate::bugs::Bug;
use crate::config::Randomness;
use crate::error::Result;
use crate::logger::Logger;
use crate::raw_node::RawNode;
use crate::ready::{Applied, Ready, Stored, must_sync, storage_apply};
use crate::storage::Storage;
use crate::types::{HardState, NONE};

impl<S: Storage, R: Randomness, L: Logger> RawNode<S, R, L> {
    /// Whether [`ready`](Self::ready) has anything to give.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.raft.messages.is_empty() || self.has_news()
    }

    /// Whether there is anything but messages that may be sent at once.
    #[inline]
    fn has_news(&self) -> bool {
        let raft = &self.raft;
        // What is most often the reason comes first.
        !raft.messages_after_append.is_empty()
            || self.hard_state() != self.told_hard_state
            || raft.soft_state() != self.told_soft_state
            || raft.log.has_next_committed(self.applies_unstable())
            || raft.log.unstable.has_next_entries()
            || raft.log.unstable.next_snapshot().is_some()
            || !raft.own_answers.is_empty()
            || !raft.read_states.is_empty()
            || raft.appends_due
    }

    /// What is to be stored.
    #[inline]
    fn hard_state(&self) -> HardState {
        let hard_state = self.raft.hard_state();
        let is_forgotten = self.raft.bugs.has(Bug::VoteNotPersisted);
        if is_forgotten { HardState { vote: NONE, ..hard_state } } else { hard_state }
    }

    /// Takes everything that is to be done now; see [`Ready`] for what is to become of it.
    pub fn ready(&mut self) -> Result<Ready> {
        let mut ready = Ready::default();
        self.take_ready(&mut ready)?;
        Ok(ready)
    }

    /// As [`ready`](Self::ready), in place of an earlier one, whose memory is used again. Says
    /// whether there was anything to do; if not, `ready` is as it was.
    pub fn ready_into(&mut self, ready: &mut Ready) -> Result<bool> {
        let has_ready = self.has_ready();
        if has_ready {
            self.take_ready(ready)?;
        }
        Ok(has_ready)
    }

    fn take_ready(&mut self, ready: &mut Ready) -> Result<()> {
        assert!(!self.in_advance, "two accepted Ready structs without call to Advance");
        ready.clear();
        if self.has_news() {
            self.take_news(ready)?;
        }
        move_all(&mut self.raft.messages, &mut ready.messages);
        if self.raft.async_storage_writes {
            self.write_by_messages(ready);
        } else {
            // They are sent after the write.
            move_all(&mut self.raft.messages_after_append, &mut ready.messages);
            self.in_advance = true;
        }
        Ok(())
    }

    /// Takes all but the messages, and notes what is to be heard when it was carried out. Apart, so
    /// that a Ready with nothing but messages is not held up by it.
    #[inline(never)]
    fn take_news(&mut self, ready: &mut Ready) -> Result<()> {
        self.raft.send_due_appends()?;
        let allow_unstable = self.applies_unstable();
        self.raft.log.take_committed(allow_unstable, &mut ready.committed_entries)?;
        if self.raft.log.unstable.has_next_entries() {
            self.raft.log.next_entries_into(&mut ready.entries);
        }
        self.tell_states(ready);
        let raft = &mut self.raft;
        if let Some(snapshot) = raft.log.unstable.next_snapshot() {
            ready.snapshot = Some(snapshot.clone());
        }
        move_all(&mut raft.read_states, &mut ready.read_states);
        raft.log.unstable.accept_in_progress();
        if !raft.async_storage_writes {
            self.stored = raft.stored_when_written(ready).unwrap_or_default();
            move_all(&mut raft.own_answers, &mut self.own_answers);
        }
        if let Some(applied) = Applied::of(&ready.committed_entries) {
            raft.log.accept_applying(applied.index, applied.encoded_size, allow_unstable);
            self.applied = applied;
        }
        Ok(())
    }

    /// With asynchronous storage writes: what is to be written and applied goes out in messages too.
    fn write_by_messages(&mut self, ready: &mut Ready) {
        let append = self.raft.storage_append(ready);
        let apply = storage_apply(self.raft.id, &ready.committed_entries);
        ready.messages.extend(append.into_iter().chain(apply));
    }

    /// The states, if they changed.
    #[inline]
    fn tell_states(&mut self, ready: &mut Ready) {
        let (soft_state, hard_state) = (self.raft.soft_state(), self.hard_state());
        ready.must_sync = must_sync(&hard_state, &self.told_hard_state, ready.entries.len());
        if soft_state != self.told_soft_state {
            ready.soft_state = Some(soft_state);
            self.told_soft_state = soft_state;
        }
        if hard_state != self.told_hard_state {
            ready.hard_state = Some(hard_state);
            self.told_hard_state = hard_state;
        }
    }

    /// The last [`Ready`] was written, sent and applied. Not with asynchronous storage writes.
    pub fn advance(&mut self) -> Result<()> {
        assert!(
            !self.raft.async_storage_writes,
            "Advance must not be called when using AsyncStorageWrites"
        );
        self.in_advance = false;
        if !self.own_answers.is_empty() {
            self.step_own_answers()?;
        }
        // Looked at where they are: they were written just now, field by field.
        self.raft.stored(&self.stored)?;
        self.stored = Stored::default();
        self.raft.applied(&self.applied)?;
        self.applied = Applied::default();
        Ok(())
    }

    fn step_own_answers(&mut self) -> Result<()> {
        let mut answers = take(&mut self.own_answers);
        for answer in &mut answers {
            match self.raft.routine(answer) {
                Some(kind) => self.raft.step_routine(kind, answer)?,
                None => self.raft.step(answer)?,
            }
        }
        answers.clear();
        // Their memory is used again.
        swap(&mut self.own_answers, &mut answers);
        Ok(())
    }

    /// The caller writes before it applies, so that what is not durable yet may be applied; with
    /// asynchronous writes it does both at a time.
    fn applies_unstable(&self) -> bool {
        !self.raft.async_storage_writes
    }
}

/// Puts all of `from` behind what is in `to`.
#[inline]
fn move_all<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    if from.is_empty() {
        return;
    }
    if to.is_empty() { swap(from, to) } else { to.append(from) }
}
