//! Raft 5.3, 7: what a follower does with messages, and how it takes entries and snapshots.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each role ignores the types of messages that are not for it"
)]

use std::mem::take;

use crate::bugs::Bug;
use crate::changer;
use crate::config::Randomness;
use crate::describe::ProtoText;
use crate::election::Campaign;
use crate::error::{Error, Result, fatal};
use crate::logger::{Level, Logger, log};
use crate::message::{Message, MessageType};
use crate::raft::{Raft, push_built};
use crate::read_only::{ReadOnlyOption, ReadState};
use crate::storage::Storage;
use crate::tracker::Tracker;
use crate::types::{EntryId, NONE, Role, Snapshot};

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    pub(crate) fn step_follower(&mut self, message: &mut Message) -> Result<()> {
        match message.msg_type {
            MessageType::Prop => self.forward_proposal(take(message)),
            MessageType::App => {
                self.lead = message.from;
                self.handle_append(message)
            }
            MessageType::Heartbeat => {
                self.lead = message.from;
                self.handle_heartbeat(message)
            }
            MessageType::Snap => {
                self.lead = message.from;
                self.handle_snapshot(message)
            }
            MessageType::TransferLeader => {
                self.forward_to_leader(take(message), "leader transfer");
                Ok(())
            }
            MessageType::ReadIndex => {
                self.forward_to_leader(take(message), "index reading");
                Ok(())
            }
            MessageType::ForgetLeader => {
                self.forget_leader();
                Ok(())
            }
            MessageType::TimeoutNow => {
                log!(
                    self.log.logger,
                    Info,
                    "{:x} [term {}] received MsgTimeoutNow from {:x} and starts an election to get \
                     leadership.",
                    self.id,
                    self.term,
                    message.from
                );
                // The leader wants this: no pre-vote, and no lease stands against it.
                self.hup(Campaign::Transfer)
            }
            MessageType::ReadIndexResp => {
                self.handle_read_index_response(message);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn forward_proposal(&mut self, mut message: Message) -> Result<()> {
        if self.lead == NONE {
            log!(
                self.log.logger,
                Info,
                "{:x} no leader at term {}; dropping proposal",
                self.id,
                self.term
            );
            return Err(Error::ProposalDropped);
        }
        if self.disable_proposal_forwarding {
            log!(
                self.log.logger,
                Info,
                "{:x} not forwarding to leader {:x} at term {}; dropping proposal",
                self.id,
                self.lead,
                self.term
            );
            return Err(Error::ProposalDropped);
        }
        message.to = self.lead;
        message.term = 0;
        self.send(message);
        Ok(())
    }

    fn forward_to_leader(&mut self, mut message: Message, what: &str) {
        if self.lead == NONE {
            log!(
                self.log.logger,
                Info,
                "{:x} no leader at term {}; dropping {what} msg",
                self.id,
                self.term
            );
            return;
        }
        message.to = self.lead;
        message.term = 0;
        self.send(message);
    }

    /// So that the node votes before its lease is over, because the leader is known to be gone.
    fn forget_leader(&mut self) {
        if self.read_only.option == ReadOnlyOption::LeaseBased {
            log!(self.log.logger, Error, "ignoring MsgForgetLeader due to ReadOnlyLeaseBased");
        } else if self.lead != NONE {
            log!(
                self.log.logger,
                Info,
                "{:x} forgetting leader {:x} at term {}",
                self.id,
                self.lead,
                self.term
            );
            self.lead = NONE;
        }
    }

    fn handle_read_index_response(&mut self, message: &Message) {
        let [request] = &message.entries[..] else {
            log!(
                self.log.logger,
                Error,
                "{:x} invalid format of MsgReadIndexResp from {:x}, entries count: {}",
                self.id,
                message.from,
                message.entries.len()
            );
            return;
        };
        let request_context = request.data.clone();
        self.read_states.push(ReadState { index: message.index, request_context });
    }

    pub(crate) fn handle_append(&mut self, message: &mut Message) -> Result<()> {
        self.election_elapsed = 0;
        if message.index < self.log.committed {
            self.acknowledge(message.from, self.log.committed);
            return Ok(());
        }
        let previous = EntryId { term: message.log_term, index: message.index };
        match self.log.maybe_append(previous, &mut message.entries, message.commit)? {
            Some(index) => {
                self.acknowledge(message.from, index);
                Ok(())
            }
            None => self.reject_append(message),
        }
    }

    /// The answer names the last place where the logs may agree, so that the leader need not try
    /// every index.
    fn reject_append(&mut self, message: &Message) -> Result<()> {
        log!(
            self.log.logger,
            Debug,
            "{:x} [logterm: {}, index: {}] rejected MsgApp [logterm: {}, index: {}] from {:x}",
            self.id,
            self.log.term_if_known(message.index)?.unwrap_or(0),
            message.index,
            message.log_term,
            message.index,
            message.from
        );
        let last = self.log.last_index();
        let hint = self.log.find_conflict_by_term(message.index.min(last), message.log_term)?;
        self.send(Message {
            to: message.from,
            index: message.index,
            reject: true,
            reject_hint: hint.index,
            log_term: hint.term,
            ..Message::new(MessageType::AppResp)
        });
        Ok(())
    }

    pub(crate) fn handle_heartbeat(&mut self, message: &mut Message) -> Result<()> {
        self.election_elapsed = 0;
        self.log.commit_to(message.commit)?;
        let (to, from, term) = (message.from, self.id, self.term);
        let response = push_built(&mut self.messages, move || Message {
            to,
            from,
            term,
            ..Message::new(MessageType::HeartbeatResp)
        });
        if let Some(attachment) = take(&mut message.attachment) {
            response.set_context(attachment.context);
        }
        Ok(())
    }

    fn handle_snapshot(&mut self, message: &mut Message) -> Result<()> {
        self.election_elapsed = 0;
        let attachment = take(&mut message.attachment);
        let snapshot = attachment.and_then(|attachment| attachment.snapshot).unwrap_or_default();
        let EntryId { term, index } = snapshot.id();
        let restored = self.restore(snapshot)?;
        log!(
            self.log.logger,
            Info,
            "{:x} [commit: {}] {} snapshot [index: {index}, term: {term}]",
            self.id,
            self.log.committed,
            if restored { "restored" } else { "ignored" }
        );
        let index = if restored { self.log.last_index() } else { self.log.committed };
        self.acknowledge(message.from, index);
        Ok(())
    }

    /// Begins anew from the snapshot; says whether it did. A snapshot that the log already
    /// contains only tells what is committed.
    fn restore(&mut self, snapshot: Snapshot) -> Result<bool> {
        if snapshot.metadata.index <= self.log.committed {
            return Ok(false);
        }
        if self.role != Role::Follower {
            log!(
                self.log.logger,
                Warning,
                "{:x} attempted to restore snapshot as leader; should never happen",
                self.id
            );
            self.become_follower(self.term + 1, NONE);
            return Ok(false);
        }
        let mut state = snapshot.metadata.conf_state.clone();
        if self.bugs.has(Bug::SnapshotWithoutConfiguration) {
            state = self.tracker.config.conf_state();
        }
        let members = [&state.voters, &state.learners, &state.voters_outgoing];
        if !members.iter().any(|ids| ids.contains(&self.id)) {
            log!(
                self.log.logger,
                Warning,
                "{:x} attempted to restore snapshot but it is not in the ConfState {}; \
                 should never happen",
                self.id,
                ProtoText(&state)
            );
            return Ok(false);
        }
        let id = snapshot.id();
        if self.log.matches(id)? {
            self.log_snapshot(Level::Info, "fast-forwarded commit to", id);
            self.log.commit_to(id.index)?;
            return Ok(false);
        }
        self.log.restore(snapshot);
        self.tracker = Tracker::new(self.tracker.max_inflight, self.tracker.max_inflight_bytes);
        match changer::restore(self.tracker.clone(), self.log.last_index(), &state) {
            Ok(members) => self.switch_to(members, &state)?,
            Err(error) => fatal!("unable to restore config {}: {error}", ProtoText(&state)),
        }
        self.log_snapshot(Level::Info, "restored", id);
        Ok(true)
    }

    fn log_snapshot(&self, level: Level, verdict: &str, id: EntryId) {
        if !self.log.logger.enabled() {
            return;
        }
        let last = self.log.last_id();
        self.log.logger.log(
            level,
            format_args!(
                "{:x} [commit: {}, lastindex: {}, lastterm: {}] {verdict} snapshot [index: {}, \
                 term: {}]",
                self.id, self.log.committed, last.index, last.term, id.index, id.term
            ),
        );
    }
}
