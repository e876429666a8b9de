//! Raft 5.3, 7: what a leader does with messages, and how it replicates its log.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each role ignores the types of messages that are not for it"
)]

use std::mem::take;

use bytes::Bytes;

use crate::conf_change::{AnyConfChange, ConfChangeV2};
use crate::config::Randomness;
use crate::describe::ProtoText;
use crate::entries::Entries;
use crate::error::{Error, Result, fatal};
use crate::logger::{Logger, log};
use crate::message::{Message, MessageType};
use crate::progress::ProgressState;
use crate::raft::{Raft, push_built};
use crate::storage::{Storage, StorageError, payload_size};
use crate::types::{Entry, EntryType, NONE, NodeId, Snapshot};
use crate::validate;

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    pub(crate) fn step_leader(&mut self, message: &mut Message) -> Result<()> {
        match message.msg_type {
            MessageType::Prop => self.handle_proposal(take(&mut message.entries)),
            MessageType::ReadIndex => self.handle_read_index(take(message)),
            MessageType::ForgetLeader => Ok(()),
            _ => {
                // Everything else is about a member that must be known.
                let Some(slot) = self.tracker.progress.slot_of(message.from) else {
                    let (id, from) = (self.id, message.from);
                    log!(self.log.logger, Debug, "{id:x} no progress available for {from:x}");
                    return Ok(());
                };
                self.step_leader_about_member(slot, message)
            }
        }
    }

    fn step_leader_about_member(&mut self, slot: usize, message: &Message) -> Result<()> {
        match message.msg_type {
            MessageType::AppResp if message.reject => self.handle_append_rejected(slot, message),
            MessageType::AppResp => self.handle_append_accepted(slot, message),
            MessageType::HeartbeatResp => self.handle_heartbeat_response(slot, message),
            MessageType::SnapStatus => {
                self.handle_snapshot_status(slot, message);
                Ok(())
            }
            MessageType::Unreachable => {
                self.handle_unreachable(slot);
                Ok(())
            }
            MessageType::TransferLeader => self.handle_transfer_leader(slot),
            _ => Ok(()),
        }
    }

    /// Thesis 6.2: a leader that hears of no quorum cannot know that it still is one.
    pub(crate) fn check_quorum_is_active(&mut self) {
        if !self.tracker.is_quorum_active() {
            log!(
                self.log.logger,
                Warning,
                "{:x} stepped down to follower since quorum is not active",
                self.id
            );
            self.become_follower(self.term, NONE);
        }
        for (id, progress) in self.tracker.progress.iter_mut() {
            if id != self.id {
                progress.recent_active = false;
            }
        }
    }

    pub(crate) fn handle_proposal(&mut self, entries: Entries) -> Result<()> {
        if entries.is_empty() {
            return Err(Error::InvalidMessage("empty MsgProp".to_owned()));
        }
        // Removed from the group while still leader: there is no way to commit.
        if !self.tracker.progress.contains(self.id) {
            return Err(Error::ProposalDropped);
        }
        if self.lead_transferee != NONE {
            log!(
                self.log.logger,
                Debug,
                "{:x} [term {}] transfer leadership to {:x} is in progress; dropping proposal",
                self.id,
                self.term,
                self.lead_transferee
            );
            return Err(Error::ProposalDropped);
        }
        let pending_conf_index = self.pending_conf_index;
        if let Err(error) = self.append_proposal(entries) {
            // A change that was not appended is not pending.
            self.pending_conf_index = pending_conf_index;
            return Err(error);
        }
        self.broadcast_append()
    }

    #[inline]
    fn append_proposal(&mut self, mut entries: Entries) -> Result<()> {
        let last = self.log.last_index();
        for (entry, index) in entries.make_mut().iter_mut().zip(last + 1..) {
            if entry.entry_type != EntryType::Normal {
                self.admit_conf_change(entry, index)?;
            }
            entry.term = self.term;
            entry.index = index;
        }
        if self.append_entries(entries)? { Ok(()) } else { Err(Error::ProposalDropped) }
    }

    /// A configuration change that may not be made now becomes an empty entry.
    #[inline(never)]
    fn admit_conf_change(&mut self, entry: &mut Entry, index: u64) -> Result<()> {
        let change = AnyConfChange::of_entry(entry)
            .map_err(|error| Error::InvalidMessage(error.to_string()))?;
        let changes = change.clone().into();
        validate::check_change(&changes)?;
        match self.refusal(&changes) {
            Some(reason) => {
                log!(
                    self.log.logger,
                    Info,
                    "{:x} ignoring conf change {} at config {}: {reason}",
                    self.id,
                    ProtoText(&change),
                    self.tracker.config
                );
                *entry = Entry::default();
            }
            None => self.pending_conf_index = index,
        }
        Ok(())
    }

    /// Why a configuration change may not be made now.
    pub(crate) fn refusal(&self, change: &ConfChangeV2) -> Option<String> {
        if self.disable_conf_change_validation {
            return None;
        }
        let is_joint = self.tracker.config.voters.is_joint();
        let leaves_joint = change.changes.is_empty();
        if self.pending_conf_index > self.log.applied {
            Some(format!(
                "possible unapplied conf change at index {} (applied to {})",
                self.pending_conf_index, self.log.applied
            ))
        } else if is_joint && !leaves_joint {
            Some("must transition out of joint config first".to_owned())
        } else if !is_joint && leaves_joint {
            Some("not in joint state; refusing empty conf change".to_owned())
        } else {
            None
        }
    }

    fn handle_append_rejected(&mut self, slot: usize, message: &Message) -> Result<()> {
        let from = message.from;
        log!(
            self.log.logger,
            Debug,
            "{:x} received MsgAppResp(rejected, hint: (index {}, term {})) from {from:x} for index \
             {}",
            self.id,
            message.reject_hint,
            message.log_term,
            message.index
        );
        // The follower's term at the hint says more: whole terms that it cannot have are skipped.
        let hint = match message.log_term {
            0 => message.reject_hint,
            term => {
                let known = message.reject_hint.min(self.log.last_index() + 1);
                self.log.find_conflict_by_term(known, term)?.index
            }
        };
        let progress = self.tracker.progress.at_mut(slot);
        progress.recent_active = true;
        if !progress.maybe_decrease(message.index, hint) {
            return Ok(());
        }
        log!(
            self.log.logger,
            Debug,
            "{:x} decreased progress of {from:x} to [{progress}]",
            self.id
        );
        if progress.state == ProgressState::Replicate {
            progress.become_probe();
        }
        self.send_append(slot)
    }

    pub(crate) fn handle_append_accepted(&mut self, slot: usize, message: &Message) -> Result<()> {
        let index = message.index;
        // A leader that restarted may have lost what it sent before it wrote it: only a leader can
        // tell that an answer is wrong.
        if index > self.log.last_index() {
            return validate::refuse(format!("{:x} acknowledges more than there is", message.from));
        }
        let progress = self.tracker.progress.at_mut(slot);
        progress.recent_active = true;
        // A probe that found nothing new still proves that the logs agree there.
        let probed = progress.state == ProgressState::Probe && progress.match_index == index;
        if !progress.maybe_update(index) && !probed {
            return Ok(());
        }
        if progress.state == ProgressState::Replicate {
            progress.inflights.free_to(index);
        } else {
            self.resume_replication(slot)?;
        }
        // Only an acknowledgement beyond what is committed can commit more.
        if index > self.log.committed && self.maybe_commit()? {
            self.release_pending_reads()?;
            self.broadcast_append()?;
        } else if message.from != self.id && self.can_bump_commit_of(slot) {
            self.send_append(slot)?;
        }
        if message.from != self.id && self.has_entries_for(slot) {
            while self.maybe_send_append(slot, false)? {}
        }
        self.continue_transfer(slot, message.from);
        Ok(())
    }

    /// Whether there are entries that were not sent to the member.
    fn has_entries_for(&self, slot: usize) -> bool {
        self.tracker.progress.at(slot).next_index <= self.log.last_index()
    }

    fn can_bump_commit_of(&self, slot: usize) -> bool {
        self.tracker.progress.at(slot).can_bump_commit(self.log.committed)
    }

    /// An acknowledgement ends probing, and the wait for a snapshot, whichever snapshot it was that
    /// arrived: the log can go on from there.
    fn resume_replication(&mut self, slot: usize) -> Result<()> {
        let first = self.log.first_index()?;
        let from = self.tracker.progress.id_at(slot);
        let progress = self.tracker.progress.at_mut(slot);
        if progress.state == ProgressState::Probe {
            progress.become_replicate();
        } else if progress.match_index + 1 >= first {
            log!(
                self.log.logger,
                Debug,
                "{:x} recovered from needing snapshot, resumed sending replication messages to \
                 {from:x} [{progress}]",
                self.id
            );
            progress.become_probe();
            progress.become_replicate();
        }
        Ok(())
    }

    pub(crate) fn handle_heartbeat_response(
        &mut self,
        slot: usize,
        message: &Message,
    ) -> Result<()> {
        let last = self.log.last_index();
        let progress = self.tracker.progress.at_mut(slot);
        progress.recent_active = true;
        progress.flow_paused = false;
        // When everything in flight was lost, this is what gets replication going again.
        if progress.match_index < last || progress.state == ProgressState::Probe {
            self.send_append(slot)?;
        }
        self.handle_read_ack(message);
        Ok(())
    }

    /// Sending goes on when the next answer or heartbeat comes.
    fn handle_snapshot_status(&mut self, slot: usize, message: &Message) {
        let from = message.from;
        let progress = self.tracker.progress.at_mut(slot);
        if progress.state != ProgressState::Snapshot {
            return;
        }
        if message.reject {
            // Forgotten first, or probing would begin behind a snapshot that is not there.
            progress.pending_snapshot = 0;
        }
        progress.become_probe();
        log!(
            self.log.logger,
            Debug,
            "{:x} snapshot {}, resumed sending replication messages to {from:x} [{progress}]",
            self.id,
            if message.reject { "failed" } else { "succeeded" }
        );
        progress.flow_paused = true;
    }

    /// What was in flight is probably lost.
    fn handle_unreachable(&mut self, slot: usize) {
        let from = self.tracker.progress.id_at(slot);
        let progress = self.tracker.progress.at_mut(slot);
        if progress.state == ProgressState::Replicate {
            progress.become_probe();
        }
        log!(
            self.log.logger,
            Debug,
            "{:x} failed to send message to {from:x} because it is unreachable [{progress}]",
            self.id
        );
    }

    /// Tells every follower what is new, at once or with the next `Ready`.
    #[inline]
    pub(crate) fn broadcast_append(&mut self) -> Result<()> {
        if self.coalesce_appends {
            self.appends_due = true;
            return Ok(());
        }
        for slot in 0..self.tracker.progress.len() {
            if self.tracker.progress.id_at(slot) != self.id {
                self.send_append(slot)?;
            }
        }
        Ok(())
    }

    /// Sends what waited for the next `Ready`; nothing to those who have heard it meanwhile.
    pub(crate) fn send_due_appends(&mut self) -> Result<()> {
        if !take(&mut self.appends_due) {
            return Ok(());
        }
        for slot in 0..self.tracker.progress.len() {
            if self.tracker.progress.id_at(slot) == self.id {
                continue;
            }
            if self.can_bump_commit_of(slot) {
                self.send_append(slot)?;
            }
            while self.maybe_send_append(slot, false)? {}
        }
        Ok(())
    }

    pub(crate) fn send_append(&mut self, slot: usize) -> Result<()> {
        self.maybe_send_append(slot, true).map(drop)
    }

    /// Sends the next entries, or, where the log no longer has them, a snapshot. Says whether
    /// anything was sent.
    pub(crate) fn maybe_send_append(&mut self, slot: usize, send_if_empty: bool) -> Result<bool> {
        let progress = self.tracker.progress.at(slot);
        let (index, last) = (progress.next_index - 1, self.log.last_index());
        if progress.is_paused() || !send_if_empty && index == last {
            return Ok(false);
        }
        let Some(log_term) = self.log.term_if_known(index)? else {
            return self.maybe_send_snapshot(slot);
        };
        // With a full window only an empty append goes out, which keeps the flow alive even when
        // everything in flight was lost.
        let throttled = progress.state == ProgressState::Replicate && progress.inflights.is_full();
        let is_empty = index == last || throttled;
        if is_empty && !send_if_empty {
            return Ok(false);
        }
        let (to, from, term) = (self.tracker.progress.id_at(slot), self.id, self.term);
        let commit = self.log.committed;
        let append = push_built(&mut self.messages, move || {
            let append = Message::new(MessageType::App);
            Message { to, from, term, log_term, index, commit, ..append }
        });
        let (mut count, mut bytes) = (0, 0);
        if !is_empty {
            let max_size = self.max_message_size;
            if let Err(error) = self.log.entries_into(index + 1, max_size, &mut append.entries) {
                self.messages.pop();
                return match error {
                    Error::Storage(_) => self.maybe_send_snapshot(slot),
                    error => Err(error),
                };
            }
            (count, bytes) = (append.entries.len() as u64, payload_size(&append.entries));
        }
        let progress = self.tracker.progress.at_mut(slot);
        progress.sent_entries(count, bytes);
        progress.set_sent_commit(commit);
        Ok(true)
    }

    fn maybe_send_snapshot(&mut self, slot: usize) -> Result<bool> {
        let to = self.tracker.progress.id_at(slot);
        let Some(snapshot) = self.snapshot_for(slot, to)? else { return Ok(false) };
        let progress = self.tracker.progress.at_mut(slot);
        log!(
            self.log.logger,
            Debug,
            "{:x} [firstindex: {}, commit: {}] sent snapshot[index: {}, term: {}] to {to:x} \
             [{progress}]",
            self.id,
            self.log.first_index()?,
            self.log.committed,
            snapshot.metadata.index,
            snapshot.metadata.term
        );
        progress.become_snapshot(snapshot.metadata.index);
        log!(
            self.log.logger,
            Debug,
            "{:x} paused sending replication messages to {to:x} [{progress}]",
            self.id
        );
        self.send(Message { to, ..Message::new(MessageType::Snap) }.with_snapshot(snapshot));
        Ok(true)
    }

    /// The snapshot to send, if there is one now and the member is there to take it.
    fn snapshot_for(&self, slot: usize, to: NodeId) -> Result<Option<Snapshot>> {
        if !self.tracker.progress.at(slot).recent_active {
            log!(
                self.log.logger,
                Debug,
                "ignore sending snapshot to {to:x} since it is not recently active"
            );
            return Ok(None);
        }
        match self.log.snapshot() {
            Ok(snapshot) if snapshot.is_empty() => fatal!("need non-empty snapshot"),
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(StorageError::SnapshotTemporarilyUnavailable) => {
                log!(
                    self.log.logger,
                    Debug,
                    "{:x} failed to send snapshot to {to:x} because snapshot is temporarily \
                     unavailable",
                    self.id
                );
                Ok(None)
            }
            Err(error) => Err(Error::Fatal(error.to_string())),
        }
    }

    /// A heartbeat tells no commit index beyond what is known to match: the follower may not have
    /// more.
    pub(crate) fn broadcast_heartbeat(&mut self, context: &Bytes) {
        for slot in 0..self.tracker.progress.len() {
            let to = self.tracker.progress.id_at(slot);
            if to == self.id {
                continue;
            }
            let progress = self.tracker.progress.at_mut(slot);
            let commit = progress.match_index.min(self.log.committed);
            progress.set_sent_commit(commit);
            let (from, term) = (self.id, self.term);
            let heartbeat = push_built(&mut self.messages, move || {
                let heartbeat = Message::new(MessageType::Heartbeat);
                Message { to, from, term, commit, ..heartbeat }
            });
            if !context.is_empty() {
                heartbeat.set_context(context.clone());
            }
        }
    }
}
