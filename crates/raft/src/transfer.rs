//! Thesis 3.10: handing leadership over.

use crate::config::Randomness;
use crate::error::Result;
use crate::logger::{Logger, log};
use crate::message::{Message, MessageType};
use crate::raft::Raft;
use crate::storage::Storage;
use crate::types::{NONE, NodeId};

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    /// Brings the successor up to date first; proposals are dropped meanwhile. After an election
    /// timeout the leader goes on as if nothing had been asked.
    pub(crate) fn handle_transfer_leader(&mut self, slot: usize) -> Result<()> {
        let (id, term) = (self.id, self.term);
        let to = self.tracker.progress.id_at(slot);
        if !self.begins_transfer(slot, to) {
            return Ok(());
        }
        let logger = &self.log.logger;
        log!(*logger, Info, "{id:x} [term {term}] starts to transfer leadership to {to:x}");
        self.election_elapsed = 0;
        self.lead_transferee = to;
        if !self.has_caught_up(slot) {
            return self.send_append(slot);
        }
        self.send_timeout_now(to);
        log!(
            self.log.logger,
            Info,
            "{id:x} sends MsgTimeoutNow to {to:x} immediately as {to:x} already has up-to-date log"
        );
        Ok(())
    }

    /// Whether the wish for this successor is to be followed: a later one takes the place of an
    /// earlier one, also when it is only that the leader stays.
    fn begins_transfer(&mut self, slot: usize, to: NodeId) -> bool {
        let (id, term) = (self.id, self.term);
        let logger = &self.log.logger;
        if self.tracker.progress.at(slot).is_learner {
            log!(*logger, Debug, "{id:x} is learner. Ignored transferring leadership");
            return false;
        }
        let previous = self.lead_transferee;
        if previous == to {
            log!(
                *logger,
                Info,
                "{id:x} [term {term}] transfer leadership to {to:x} is in progress, ignores \
                 request to same node {to:x}"
            );
            return false;
        }
        if previous != NONE {
            log!(
                *logger,
                Info,
                "{id:x} [term {term}] abort previous transferring leadership to {previous:x}"
            );
        }
        self.abort_leader_transfer();
        if to == self.id {
            log!(
                self.log.logger,
                Debug,
                "{id:x} is already leader. Ignored transferring leadership to self"
            );
        }
        to != self.id
    }

    /// The successor has caught up: let it campaign.
    pub(crate) fn continue_transfer(&mut self, slot: usize, from: NodeId) {
        if from != self.lead_transferee || !self.has_caught_up(slot) {
            return;
        }
        log!(
            self.log.logger,
            Info,
            "{:x} sent MsgTimeoutNow to {from:x} after received MsgAppResp",
            self.id
        );
        self.send_timeout_now(from);
    }

    fn has_caught_up(&self, slot: usize) -> bool {
        self.tracker.progress.at(slot).match_index == self.log.last_index()
    }

    fn send_timeout_now(&mut self, to: NodeId) {
        self.send(Message { to, ..Message::new(MessageType::TimeoutNow) });
    }
}
