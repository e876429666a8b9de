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
        let progress = self.tracker.progress.at(slot);
        let match_index = progress.match_index;
        let logger = &self.log.logger;
        if progress.is_learner {
            log!(*logger, Debug, "{id:x} is learner. Ignored transferring leadership");
            return Ok(());
        }
        let previous = self.lead_transferee;
        if previous == to {
            log!(
                *logger,
                Info,
                "{id:x} [term {term}] transfer leadership to {to:x} is in progress, ignores \
                 request to same node {to:x}"
            );
            return Ok(());
        }
        self.lead_transferee = NONE;
        if previous != NONE {
            log!(
                *logger,
                Info,
                "{id:x} [term {term}] abort previous transferring leadership to {previous:x}"
            );
        }
        if to == self.id {
            log!(
                *logger,
                Debug,
                "{id:x} is already leader. Ignored transferring leadership to self"
            );
            return Ok(());
        }
        log!(*logger, Info, "{id:x} [term {term}] starts to transfer leadership to {to:x}");
        self.election_elapsed = 0;
        self.lead_transferee = to;
        if match_index != self.log.last_index() {
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

    /// The successor has caught up: let it campaign.
    pub(crate) fn continue_transfer(&mut self, slot: usize, from: NodeId) {
        if from != self.lead_transferee
            || self.tracker.progress.at(slot).match_index != self.log.last_index()
        {
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

    fn send_timeout_now(&mut self, to: NodeId) {
        self.send(Message { to, ..Message::new(MessageType::TimeoutNow) });
    }
}
