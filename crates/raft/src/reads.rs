//! Thesis 6.4: linearizable reads on the leader.

use crate::bugs::Bug;
use crate::config::Randomness;
use crate::error::{Error, Result};
use crate::logger::Logger;
use crate::message::{Message, MessageType};
use crate::quorum::VoteResult;
use crate::raft::Raft;
use crate::read_only::{ReadOnlyOption, ReadState};
use crate::storage::Storage;
use crate::types::{EntryId, NONE};

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    /// A leader knows what is committed only once it committed something of its own term; reads
    /// that come earlier wait.
    pub(crate) fn handle_read_index(&mut self, message: Message) -> Result<()> {
        if message.entries.len() != 1 {
            return Err(Error::InvalidMessage("MsgReadIndex without one context".to_owned()));
        }
        if self.tracker.is_singleton() {
            self.answer_read(message, self.log.committed);
        } else if self.bugs.has(Bug::ReadBeforeCommit) || self.committed_in_current_term()? {
            self.begin_read(message);
        } else {
            self.pending_reads.push(message);
        }
        Ok(())
    }

    fn committed_in_current_term(&self) -> Result<bool> {
        self.log.matches(EntryId { term: self.term, index: self.log.committed })
    }

    /// Serves the reads that waited for the first commit of the term.
    pub(crate) fn release_pending_reads(&mut self) -> Result<()> {
        if self.pending_reads.is_empty() {
            return Ok(());
        }
        if self.bugs.has(Bug::CommitPriorTerm) && !self.committed_in_current_term()? {
            return Ok(());
        }
        assert!(
            self.committed_in_current_term()?,
            "pending MsgReadIndex should be released only after first commit in current term"
        );
        for message in std::mem::take(&mut self.pending_reads) {
            self.begin_read(message);
        }
        Ok(())
    }

    fn begin_read(&mut self, message: Message) {
        match self.read_only.option {
            ReadOnlyOption::Safe if self.bugs.has(Bug::ReadWithoutQuorum) => {
                self.answer_read(message, self.log.committed);
            }
            ReadOnlyOption::Safe => {
                let context = self.read_only.add_request(self.log.committed, message);
                self.read_only.receive_ack(self.id, &context);
                self.broadcast_heartbeat(&context);
            }
            ReadOnlyOption::LeaseBased => self.answer_read(message, self.log.committed),
        }
    }

    /// A follower acknowledged a heartbeat that carried a read.
    pub(crate) fn handle_read_ack(&mut self, message: &Message) {
        let context = message.context();
        if self.read_only.option != ReadOnlyOption::Safe || context.is_empty() {
            return;
        }
        let Some(acks) = self.read_only.receive_ack(message.from, context) else {
            return;
        };
        let acked = |id| acks.contains(id).then_some(true);
        if self.tracker.config.voters.vote_result(acked) == VoteResult::Won {
            self.finish_reads(context);
        }
    }

    fn finish_reads(&mut self, context: &[u8]) {
        for (request, index) in self.read_only.advance(context) {
            self.answer_read(request, index);
        }
    }

    fn answer_read(&mut self, request: Message, index: u64) {
        if request.from == NONE || request.from == self.id {
            let request_context = request.entries[0].data.clone();
            self.read_states.push(ReadState { index, request_context });
        } else {
            let response = Message::new(MessageType::ReadIndexResp);
            let (to, entries) = (request.from, request.entries);
            self.send(Message { to, index, entries, ..response });
        }
    }
}
