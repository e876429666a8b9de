//! Snapshots between members, for those whose next entry the leader no longer has.
//!
//! ```text
//! leader    raft's MsgSnap ─ the Ready saved ─→ state as it is now: members, backend ─→ its own stream
//! follower  stream ─→ tmp file ─ synced ─→ <index>.snap.db ─ directory synced ─→ raft ─→ answer
//! leader    answer, failure or 5 s of silence ─→ raft: go on with the log, or try again
//! ```
//!
//! Raft's message names the last snapshot; what travels is newer: the state after the last applied
//! entry. On the follower raft may have no use for it; then the file stays until a later snapshot
//! removes it. After a member got one, the log in memory is not compacted for 30 s, so that it can
//! catch up. Source: etcd release-3.4, `etcdserver/{server,snapshot_merge}.go`,
//! `etcdserver/api/rafthttp/{http,snapshot_sender}.go`.

use std::collections::VecDeque;

use bytes::Bytes;
use disk::{Disk, Ticket};
use raft::{EntryId, Message, Snapshot, SnapshotMetadata, SnapshotStatus as Sent};
use serde::{Deserialize, Serialize};

use super::running::{Running, unless_fatal};
use super::{Effects, Fatal, ServerEvent};
use crate::snap::SaveFile;

/// How long a sender waits for the answer.
const ANSWER_TIMEOUT_NS: u64 = 5_000_000_000;
/// How long the log stays uncompacted after a snapshot arrived.
const RELEASE_DELAY_NS: u64 = 30_000_000_000;
/// Messages of raft that may wait to be sent with the state.
const ASKED_MAX: usize = 16;

/// A snapshot on its way: raft's message, whose snapshot has the members, and the backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotMessage {
    /// A message of type `MsgSnap`.
    pub message: Message,
    /// The backend as a file.
    pub database: Bytes,
}

/// The answer to a [`SnapshotMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotStatus {
    /// Who received the snapshot.
    pub from: u64,
    /// Who sent it.
    pub to: u64,
    /// Whether it is saved, and raft was told of it.
    pub is_saved: bool,
}

/// What is under way in either direction.
#[derive(Debug, Clone, Default)]
pub(super) struct Transfers {
    asked: VecDeque<Message>,
    /// The last entry whose changes the backend's file was told to hold for the next one.
    flushed: Option<EntryId>,
    sending: Vec<Sending>,
    receiving: Vec<Receiving>,
    received: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sending {
    to: u64,
    state: SendState,
}

#[derive(Debug, Clone, Copy)]
enum SendState {
    UnderWay { deadline_ns: u64 },
    Arrived { until_ns: u64 },
}

#[derive(Debug, Clone)]
struct Receiving {
    message: Message,
    file: SaveFile,
}

impl Transfers {
    /// Whether a member has just got a snapshot, or will.
    pub(super) fn are_under_way(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Takes raft's message. One too many is dropped, as in etcd.
    pub(super) fn ask(&mut self, message: Message) {
        if self.asked.len() < ASKED_MAX {
            self.asked.push_back(message);
        }
    }

    /// The member's transfer ended; whether there was one.
    fn end(&mut self, to: u64, ended: Option<SendState>) -> bool {
        let is_it = |sending: &Sending| {
            sending.to == to && matches!(sending.state, SendState::UnderWay { .. })
        };
        let Some(at) = self.sending.iter().position(is_it) else { return false };
        match ended {
            Some(state) => self.sending[at].state = state,
            None => _ = self.sending.remove(at),
        }
        true
    }

    fn take_overdue(&mut self, now_ns: u64) -> Vec<u64> {
        self.sending.retain(|sending| {
            !matches!(sending.state, SendState::Arrived { until_ns } if until_ns <= now_ns)
        });
        let is_overdue = |sending: &Sending| matches!(sending.state, SendState::UnderWay { deadline_ns } if deadline_ns <= now_ns);
        let overdue = self.sending.iter().copied().filter(is_overdue);
        overdue.map(|sending| sending.to).collect()
    }
}

impl Running {
    /// Sends the state to one member that raft asked it for, once the backend's file has it.
    pub(super) fn send_snapshot(
        &mut self,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        if self.transfers.asked.is_empty() || self.is_closing_batch() {
            return Ok(());
        }
        let applied = self.applier.applied();
        if self.transfers.flushed != Some(applied) {
            self.transfers.flushed = Some(applied);
            self.applier.flush();
            return self.close_batch(disk);
        }
        self.transfers.flushed = None;
        let Some(message) = self.transfers.asked.pop_front() else { return Ok(()) };
        let metadata = SnapshotMetadata {
            conf_state: self.snapshots.conf_state.clone(),
            index: applied.index,
            term: applied.term,
        };
        let data = Bytes::from(self.applier.cluster().v2().to_json());
        let message = message.with_snapshot(Snapshot { data, metadata });
        let (to, index, database) = (message.to, applied.index, self.backend().stream().bytes());
        let bytes = u64::try_from(database.len()).expect("a length fits 64 bits");
        effects.trace.push(ServerEvent::SnapshotSent { to, index, bytes });
        effects.snapshots.push(SnapshotMessage { message, database });
        let deadline_ns = now_ns + ANSWER_TIMEOUT_NS;
        self.transfers.sending.push(Sending { to, state: SendState::UnderWay { deadline_ns } });
        Ok(())
    }

    /// Saves the backend of a snapshot that comes in.
    pub(super) fn receive_snapshot(
        &mut self,
        snapshot: SnapshotMessage,
        disk: &mut Disk,
        effects: &mut Effects,
    ) {
        let SnapshotMessage { message, database } = snapshot;
        let Some(metadata) = message.snapshot().map(|snapshot| &snapshot.metadata) else {
            return self.answer_snapshot(message.from, false, effects);
        };
        if self.applier.cluster().is_removed(message.from) {
            return self.answer_snapshot(message.from, false, effects);
        }
        let (from, index) = (message.from, metadata.index);
        let bytes = u64::try_from(database.len()).expect("a length fits 64 bits");
        effects.trace.push(ServerEvent::SnapshotReceived { from, index, bytes });
        self.transfers.received += 1;
        let (directory, number) = (self.config.snap_dir(), self.transfers.received);
        match SaveFile::database(disk, &directory, number, index, &database) {
            Ok(file) => {
                let file = file.with_bugs(self.config.bugs);
                self.transfers.receiving.push(Receiving { message, file });
            }
            // A real server logs it and answers with an error.
            Err(_) => self.answer_snapshot(from, false, effects),
        }
    }

    /// Takes a completed sync of a backend that comes in. When it is saved, raft gets the message.
    pub(super) fn transfer_synced(
        &mut self,
        now_ns: u64,
        ticket: Ticket,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<bool, Fatal> {
        for at in 0..self.transfers.receiving.len() {
            let receiving = &mut self.transfers.receiving[at];
            match receiving.file.on_synced(disk, ticket) {
                Ok(false) => {}
                Ok(true) if !receiving.file.is_done() => return Ok(true),
                Ok(true) => {
                    let Receiving { message, .. } = self.transfers.receiving.remove(at);
                    let from = message.from;
                    self.connections.heard(from, now_ns);
                    self.node.step(message).or_else(unless_fatal)?;
                    self.answer_snapshot(from, true, effects);
                    return Ok(true);
                }
                Err(_) => {
                    let Receiving { message, .. } = self.transfers.receiving.remove(at);
                    self.answer_snapshot(message.from, false, effects);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn answer_snapshot(&self, to: u64, is_saved: bool, effects: &mut Effects) {
        let status = SnapshotStatus { from: self.member_id, to, is_saved };
        effects.snapshot_statuses.push(status);
    }

    /// Takes the answer to a snapshot.
    pub(super) fn snapshot_answered(
        &mut self,
        now_ns: u64,
        status: SnapshotStatus,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        self.connections.heard(status.from, now_ns);
        let until_ns = now_ns + RELEASE_DELAY_NS;
        let ended = status.is_saved.then_some(SendState::Arrived { until_ns });
        if !self.transfers.end(status.from, ended) {
            return Ok(());
        }
        let sent = if status.is_saved { Sent::Finish } else { Sent::Failure };
        self.tell_raft(status.from, sent, effects)
    }

    /// Sending to a member failed: so did the snapshot that is on its way there.
    pub(super) fn snapshot_lost(&mut self, to: u64, effects: &mut Effects) -> Result<(), Fatal> {
        if self.transfers.end(to, None) {
            self.tell_raft(to, Sent::Failure, effects)?;
        }
        Ok(())
    }

    /// Gives up on answers that do not come.
    pub(super) fn expire_transfers(
        &mut self,
        now_ns: u64,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        for to in self.transfers.take_overdue(now_ns) {
            self.node.report_unreachable(to).or_else(unless_fatal)?;
            self.snapshot_lost(to, effects)?;
        }
        Ok(())
    }

    fn tell_raft(&mut self, to: u64, sent: Sent, effects: &mut Effects) -> Result<(), Fatal> {
        let ok = sent == Sent::Finish;
        effects.trace.push(ServerEvent::SnapshotSendEnded { to, ok });
        self.node.report_snapshot(to, sent).or_else(unless_fatal)
    }
}
