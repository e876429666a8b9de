//! One `Ready` of raft, from taking it to `advance`: the order that etcd keeps.

use disk::{Disk, Ticket};
use raft::{Entry, EntryType, Message, MessageType, Ready, Role};

use super::install::snapshot_failed;
use super::running::{Running, save_failed};
use super::snapshot::mark_of;
use super::{Effects, Fatal, ServerEvent};
use crate::apply::Applied;
use crate::bugs::Bug;
use crate::request::RequestError;
use crate::snap::SaveFile;
use crate::wal::{SaveId, WalError, WalEvent};

/// A `Ready` that is being saved.
#[derive(Debug, Clone)]
pub(super) struct Saving {
    ready: Ready,
    stage: Stage,
    was_leader: bool,
    /// Raft goes on only when this entry is applied.
    must_be_applied: u64,
}

/// How far saving has come.
#[derive(Debug, Clone)]
enum Stage {
    /// The `.snap` file of a snapshot from the leader, before anything of it is in the log.
    Snapshot(SaveFile),
    /// The log.
    Log(SaveId),
}

impl Running {
    /// Takes the next `Ready`: applies, sends what may be sent before the sync, writes the log.
    pub(super) fn take_ready(
        &mut self,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        let mut ready = self.node.ready()?;
        self.tell_role(now_ns, &ready, effects);
        for state in &ready.read_states {
            self.reads.confirmed(&state.request_context, state.index);
        }
        let must_be_applied = must_be_applied(&ready);
        self.to_apply.extend(std::mem::take(&mut ready.committed_entries));
        self.apply_queued(now_ns, disk, effects)?;
        let was_leader = self.told.soft.role == Role::Leader;
        if was_leader || self.config.bugs.has(Bug::AcknowledgeBeforeSync) {
            self.send(std::mem::take(&mut ready.messages), effects);
        }
        let stage = match &ready.snapshot {
            Some(snapshot) if !snapshot.is_empty() => self.save_received(snapshot, disk)?,
            Some(_) | None => Stage::Log(self.save_log(&ready, disk)?),
        };
        self.saving = Some(Saving { ready, stage, was_leader, must_be_applied });
        self.tell_wal(effects);
        self.finish_if_saved(now_ns, disk, effects)
    }

    fn save_received(&self, snapshot: &raft::Snapshot, disk: &mut Disk) -> Result<Stage, Fatal> {
        let directory = self.config.snap_dir();
        let file = SaveFile::snap(disk, &directory, snapshot);
        let file = file.map_err(|error| snapshot_failed(&error))?;
        Ok(Stage::Snapshot(file.with_bugs(self.config.bugs)))
    }

    fn save_log(&mut self, ready: &Ready, disk: &mut Disk) -> Result<SaveId, Fatal> {
        let saved = self.wal.save(disk, &ready.entries, ready.hard_state.as_ref());
        saved.map_err(|error| save_failed(&error))
    }

    /// Takes a completed sync of the `.snap` file of a snapshot from the leader. When it is
    /// durable its record goes into the log, and what came with it.
    pub(super) fn received_synced(
        &mut self,
        ticket: Ticket,
        disk: &mut Disk,
    ) -> Result<bool, Fatal> {
        let Some(Saving { stage: Stage::Snapshot(file), .. }) = &mut self.saving else {
            return Ok(false);
        };
        if !file.on_synced(disk, ticket).map_err(|error| snapshot_failed(&error))? {
            return Ok(false);
        }
        if !file.is_done() {
            return Ok(true);
        }
        let mut saving = self.saving.take().expect("it was there");
        let snapshot = saving.ready.snapshot.as_ref().expect("the stage is of a snapshot");
        let failed = |error: WalError| snapshot_failed(&error.reason());
        self.wal.save_snapshot(disk, &mark_of(snapshot)).map_err(failed)?;
        self.save_log(&saving.ready, disk)?;
        // The commit index must be durable before what the snapshot replaces is given up.
        let synced = self.wal.sync(disk).map_err(|error| save_failed(&error))?;
        saving.stage = Stage::Log(synced);
        self.saving = Some(saving);
        Ok(true)
    }

    /// If the log write is durable: installs a snapshot that came with it, sends the rest, and lets
    /// raft go on. Then it may be time for a snapshot of our own, or to send one.
    pub(super) fn finish_if_saved(
        &mut self,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        let (durable, applied) = (self.wal.saved(), self.applier.applied().index);
        // What was committed before a snapshot is applied before it is installed.
        let is_quiet = !self.is_closing_batch() && self.to_apply.is_empty();
        let is_saved = |saving: &mut Saving| {
            let is_installable = saving.ready.snapshot.is_none() || is_quiet;
            matches!(saving.stage, Stage::Log(save) if save <= durable)
                && saving.must_be_applied <= applied
                && is_installable
        };
        let Some(saving) = self.saving.take_if(is_saved) else { return Ok(()) };
        let Saving { mut ready, was_leader, .. } = saving;
        if let Some(snapshot) = ready.snapshot.take().filter(|snapshot| !snapshot.is_empty()) {
            self.install(snapshot, disk, effects)?;
        }
        let last = ready.entries.last().map(|entry| entry.index);
        self.node.storage_mut().append(ready.entries).map_err(raft::Error::from)?;
        if let Some(last_index) = last {
            effects.trace.push(ServerEvent::Synced { last_index });
        }
        if !was_leader {
            self.send(std::mem::take(&mut ready.messages), effects);
        }
        self.node.advance()?;
        if std::mem::take(&mut self.owes_tick) {
            self.node.tick()?;
        }
        self.trigger_snapshot(disk, effects)?;
        self.send_snapshot(now_ns, disk, effects)
    }

    /// Sends messages, but of several answers to appends only the last, which says it all, and
    /// none to removed members.
    fn send(&mut self, messages: Vec<Message>, effects: &mut Effects) {
        let last_answer =
            messages.iter().rposition(|message| message.msg_type == MessageType::AppResp);
        for (position, message) in messages.into_iter().enumerate() {
            let is_stale =
                message.msg_type == MessageType::AppResp && Some(position) != last_answer;
            if is_stale || self.applier.cluster().is_removed(message.to) {
                continue;
            }
            if message.msg_type == MessageType::Snap {
                self.transfers.ask(message);
            } else {
                effects.messages.push(message);
            }
        }
    }

    /// Applies what is committed, until the backend closes a batch.
    pub(super) fn apply_queued(
        &mut self,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        self.applier.set_now(now_ns);
        self.close_batch_apart(now_ns, disk)?;
        while !self.is_closing_batch() {
            let Some(entry) = self.to_apply.pop_front() else { break };
            self.use_backend()?;
            self.apply(now_ns, &entry, effects)?;
            self.close_wanted_batch(disk)?;
        }
        Ok(())
    }

    fn apply(&mut self, now_ns: u64, entry: &Entry, effects: &mut Effects) -> Result<(), Fatal> {
        let applied =
            self.applier.apply(entry).map_err(|error| Fatal { reason: error.to_string() })?;
        let revision = self.applier.store().revision();
        effects.trace.push(ServerEvent::Applied { index: entry.index, revision });
        match applied {
            Applied::Skipped => {}
            Applied::Empty => {
                if self.is_leader() && entry.term == self.told.term {
                    self.promote_lessor(now_ns);
                }
                self.propose_cluster_version(now_ns);
            }
            Applied::V3 { proposal_id, result } => {
                self.applied_v3(now_ns, proposal_id, result, effects);
            }
            Applied::V2 { proposal_id } => self.applied_v2(now_ns, proposal_id, effects),
            Applied::ConfChange { change, refused } => {
                self.applied_change(now_ns, &change, refused, effects)?;
            }
        }
        Ok(())
    }

    /// Tells changes of role, leader and commit index. Reads that wait for a leader that another
    /// one replaced are given up.
    fn tell_role(&mut self, now_ns: u64, ready: &Ready, effects: &mut Effects) {
        let before = self.told;
        if let Some(state) = ready.hard_state {
            self.told.term = state.term;
            self.told.commit = state.commit;
        }
        if let Some(soft) = ready.soft_state {
            self.told.soft = soft;
        }
        let (soft, term) = (self.told.soft, self.told.term);
        if soft.role != before.soft.role {
            effects.trace.push(ServerEvent::BecameRole { role: soft.role, term });
            if before.soft.role == Role::Leader {
                self.demote_lessor();
            }
        }
        if soft.lead != before.soft.lead {
            effects.trace.push(ServerEvent::LeaderChanged { leader: soft.lead, term });
            if soft.lead != raft::NONE {
                self.leader_appeared(now_ns, effects);
            }
        }
        if self.told.commit > before.commit {
            effects.trace.push(ServerEvent::Committed { index: self.told.commit });
        }
    }

    fn leader_appeared(&mut self, now_ns: u64, effects: &mut Effects) {
        if self.told.soft.lead == self.member_id {
            self.leader_since_ns = now_ns;
        }
        let unconfirmed = self.reads.take_unconfirmed();
        self.fail_reads(now_ns, unconfirmed, &RequestError::LeaderChanged, effects);
    }

    /// Tells what the log did.
    pub(super) fn tell_wal(&mut self, effects: &mut Effects) {
        for event in self.wal.take_events() {
            match event {
                WalEvent::Created { .. } => {}
                WalEvent::Appended { save, segment, offset, length } => {
                    let entries = self
                        .saving
                        .as_ref()
                        .filter(|saving| matches!(saving.stage, Stage::Log(id) if id == save));
                    let Some((first, last)) = entries.and_then(Saving::first_and_last) else {
                        continue;
                    };
                    effects.trace.push(ServerEvent::Appended {
                        segment: segment.to_string(),
                        offset,
                        length,
                        first_index: first.index,
                        last_index: last.index,
                        term: last.term,
                    });
                }
                WalEvent::Cut { segment } => {
                    effects.trace.push(ServerEvent::SegmentCut { segment: segment.to_string() });
                }
            }
        }
    }
}

impl Saving {
    fn first_and_last(&self) -> Option<(&Entry, &Entry)> {
        Some((self.ready.entries.first()?, self.ready.entries.last()?))
    }
}

/// The committed entry that must be applied before raft goes on: the last change of the
/// configuration, or with a snapshot all that came before it.
fn must_be_applied(ready: &Ready) -> u64 {
    let entries = &ready.committed_entries;
    let has_snapshot = ready.snapshot.as_ref().is_some_and(|snapshot| !snapshot.is_empty());
    let is_awaited =
        |entry: &&Entry| has_snapshot || !matches!(entry.entry_type, EntryType::Normal);
    entries.iter().rev().find(is_awaited).map_or(0, |entry| entry.index)
}
