//! One `Ready` of raft, from taking it to `advance`: the order that etcd keeps.

use disk::Disk;
use raft::{Entry, Message, MessageType, Ready, Role};

use super::running::{Running, save_failed};
use super::{Effects, Fatal, ServerEvent};
use crate::apply::Applied;
use crate::bugs::Bug;
use crate::request::RequestError;
use crate::wal::{SaveId, WalEvent};

/// A `Ready` whose log write is under way.
#[derive(Debug, Clone)]
pub(super) struct Saving {
    ready: Ready,
    save: SaveId,
    was_leader: bool,
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
        if ready.snapshot.as_ref().is_some_and(|snapshot| !snapshot.is_empty()) {
            return Err(Fatal { reason: "snapshots cannot be received yet".to_owned() });
        }
        self.tell_role(now_ns, &ready, effects);
        for state in &ready.read_states {
            self.reads.confirmed(&state.request_context, state.index);
        }
        self.apply(now_ns, &ready.committed_entries, effects)?;
        let was_leader = self.told.soft.role == Role::Leader;
        if was_leader || self.config.bugs.has(Bug::AcknowledgeBeforeSync) {
            self.send(std::mem::take(&mut ready.messages), effects);
        }
        let save = self
            .wal
            .save(disk, &ready.entries, ready.hard_state.as_ref())
            .map_err(|error| save_failed(&error))?;
        self.saving = Some(Saving { ready, save, was_leader });
        self.tell_wal(effects);
        self.finish_if_saved(effects)
    }

    /// If the log write is durable: sends the rest, and lets raft go on.
    pub(super) fn finish_if_saved(&mut self, effects: &mut Effects) -> Result<(), Fatal> {
        let durable = self.wal.saved();
        let Some(saving) = self.saving.take_if(|saving| saving.save <= durable) else {
            return Ok(());
        };
        let Saving { mut ready, was_leader, .. } = saving;
        self.node.storage_mut().append(&ready.entries).map_err(raft::Error::from)?;
        if let Some(last) = ready.entries.last() {
            effects.trace.push(ServerEvent::Synced { last_index: last.index });
        }
        if !was_leader {
            self.send(std::mem::take(&mut ready.messages), effects);
        }
        self.node.advance()?;
        if std::mem::take(&mut self.owes_tick) {
            self.node.tick()?;
        }
        Ok(())
    }

    /// Sends messages, but of several answers to appends only the last, which says it all, and
    /// none to removed members.
    fn send(&mut self, messages: Vec<Message>, effects: &mut Effects) {
        let last_answer =
            messages.iter().rposition(|message| message.msg_type == MessageType::AppResp);
        for (position, message) in messages.into_iter().enumerate() {
            let is_stale =
                message.msg_type == MessageType::AppResp && Some(position) != last_answer;
            if !is_stale && !self.applier.cluster().is_removed(message.to) {
                effects.messages.push(message);
            }
        }
    }

    fn apply(
        &mut self,
        now_ns: u64,
        entries: &[Entry],
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        self.applier.set_now(now_ns);
        for entry in entries {
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
                    self.applied_v3(proposal_id, result, effects);
                }
                Applied::V2 { proposal_id } => self.applied_v2(now_ns, proposal_id, effects),
                Applied::ConfChange { change, refused } => {
                    self.applied_change(now_ns, &change, refused, effects)?;
                }
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
        for read in self.reads.take_unconfirmed() {
            effects.replies.push((read.client, Err(RequestError::LeaderChanged)));
        }
    }

    /// Tells what the log did.
    pub(super) fn tell_wal(&mut self, effects: &mut Effects) {
        for event in self.wal.take_events() {
            match event {
                WalEvent::Created { .. } => {}
                WalEvent::Appended { save, segment, offset, length } => {
                    let entries = self.saving.as_ref().filter(|saving| saving.save == save);
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
