//! Raft 5.1, 5.2, 5.4.1 and thesis 9.6: campaigns, votes, and what a message's term does to a node.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each role ignores the types of messages that are not for it"
)]

use crate::bugs::Bug;
use crate::config::Randomness;
use crate::error::{Error, Result, fatal};
use crate::logger::{Logger, log};
use crate::message::{Message, MessageType};
use crate::quorum::VoteResult;
use crate::raft::Raft;
use crate::ready::{Applied, Stored};
use crate::storage::Storage;
use crate::types::{EntryId, EntryType, NONE, Role};

/// Why a node campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Campaign {
    /// To learn whether it would win.
    PreElection,
    /// To win.
    Election,
    /// To win although there is a leader, because that one asked for it.
    Transfer,
}

/// Tells voters that the leader itself wants this campaign.
const TRANSFER_CONTEXT: &[u8] = b"CampaignTransfer";

/// The answer to a vote or pre-vote.
fn vote_response(request: MessageType) -> MessageType {
    if request == MessageType::PreVote { MessageType::PreVoteResp } else { MessageType::VoteResp }
}

/// What a message's term says about the message.
enum TermCheck {
    /// The message is to be looked at.
    Current,
    /// The message has been answered or ignored.
    Done,
}

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    /// Takes one message, local or not; what the node keeps of it is taken out.
    pub(crate) fn step(&mut self, message: &mut Message) -> Result<()> {
        match message.msg_type {
            MessageType::StorageAppendResp => return self.stored(&Stored::of(message)),
            MessageType::StorageApplyResp => {
                let applied = Applied::of(&message.entries).unwrap_or_default();
                return self.applied(&applied);
            }
            _ => {}
        }
        if let TermCheck::Done = self.check_term(message) {
            return Ok(());
        }
        match message.msg_type {
            MessageType::Vote | MessageType::PreVote => {
                self.handle_vote(message);
                Ok(())
            }
            _ => self.step_role(message),
        }
    }

    #[inline]
    fn step_role(&mut self, message: &mut Message) -> Result<()> {
        match self.role {
            Role::Leader => self.step_leader(message),
            Role::Follower => self.step_follower(message),
            Role::Candidate | Role::PreCandidate => self.step_candidate(message),
        }
    }

    fn check_term(&mut self, message: &Message) -> TermCheck {
        if message.term == 0 || message.term == self.term {
            TermCheck::Current
        } else if message.term > self.term {
            self.handle_higher_term(message)
        } else {
            self.handle_lower_term(message);
            TermCheck::Done
        }
    }

    /// Raft 5.1: a higher term is taken over, unless it is only a question, or comes from a
    /// candidate while the leader's lease lasts (thesis 4.2.3).
    fn handle_higher_term(&mut self, message: &Message) -> TermCheck {
        let msg_type = message.msg_type;
        if matches!(msg_type, MessageType::Vote | MessageType::PreVote)
            && message.context() != TRANSFER_CONTEXT
            && self.is_in_lease()
        {
            self.log_ignored_in_lease(message);
            return TermCheck::Done;
        }
        // A pre-vote is of the term to come: granted, it is not there yet.
        let is_question = msg_type == MessageType::PreVote
            || msg_type == MessageType::PreVoteResp && !message.reject;
        if !is_question {
            log!(
                self.log.logger,
                Info,
                "{:x} [term: {}] received a {msg_type} message with higher term from {:x} [term: \
                 {}]",
                self.id,
                self.term,
                message.from,
                message.term
            );
            let from_leader =
                matches!(msg_type, MessageType::App | MessageType::Heartbeat | MessageType::Snap);
            self.become_follower(message.term, if from_leader { message.from } else { NONE });
        }
        TermCheck::Current
    }

    /// Whether the node hears of a leader and so owes it not to vote for anyone else.
    fn is_in_lease(&self) -> bool {
        !self.bugs.has(Bug::VoteInLease)
            && self.check_quorum
            && self.lead != NONE
            && self.election_elapsed < self.election_timeout
    }

    fn log_ignored_in_lease(&self, message: &Message) {
        let last = self.log.last_id();
        log!(
            self.log.logger,
            Info,
            "{:x} [logterm: {}, index: {}, vote: {:x}] ignored {} from {:x} [logterm: {}, index: \
             {}] at term {}: lease is not expired (remaining ticks: {})",
            self.id,
            last.term,
            last.index,
            self.vote,
            message.msg_type,
            message.from,
            message.log_term,
            message.index,
            self.term,
            self.election_timeout - self.election_elapsed
        );
    }

    fn handle_lower_term(&mut self, message: &Message) {
        match message.msg_type {
            // A node that came back with a higher term would be ignored by a leader of a lower one
            // for ever: the answer makes that leader step down.
            MessageType::Heartbeat | MessageType::App if self.check_quorum || self.pre_vote => {
                self.send(Message { to: message.from, ..Message::new(MessageType::AppResp) });
            }
            // A pre-candidate with a lower term must learn of the higher one, or it asks for ever.
            MessageType::PreVote if !self.bugs.has(Bug::PreVoteUnanswered) => {
                self.log_vote("rejected", message);
                self.reject_vote(message);
            }
            msg_type => log!(
                self.log.logger,
                Info,
                "{:x} [term: {}] ignored a {msg_type} message with lower term from {:x} [term: {}]",
                self.id,
                self.term,
                message.from,
                message.term
            ),
        }
    }

    /// One vote a term, and only for a log that is as new as this one.
    fn handle_vote(&mut self, message: &Message) {
        let is_vote = message.msg_type == MessageType::Vote;
        let can_vote = self.vote == message.from
            || self.vote == NONE && self.lead == NONE
            || !is_vote && message.term > self.term;
        let last = EntryId { term: message.log_term, index: message.index };
        let is_up_to_date = self.bugs.has(Bug::VoteWithoutLogCheck) || self.log.is_up_to_date(last);
        if !can_vote || !is_up_to_date {
            self.log_vote("rejected", message);
            self.reject_vote(message);
            return;
        }
        self.log_vote("cast", message);
        let response = Message::new(vote_response(message.msg_type));
        self.send(Message { to: message.from, term: message.term, ..response });
        if is_vote {
            self.election_elapsed = 0;
            self.vote = message.from;
        }
    }

    fn reject_vote(&mut self, message: &Message) {
        let response = Message::new(vote_response(message.msg_type));
        self.send(Message { to: message.from, term: self.term, reject: true, ..response });
    }

    fn log_vote(&self, verdict: &str, message: &Message) {
        let last = self.log.last_id();
        log!(
            self.log.logger,
            Info,
            "{:x} [logterm: {}, index: {}, vote: {:x}] {verdict} {} {} {:x} [logterm: {}, index: \
             {}] at term {}",
            self.id,
            last.term,
            last.index,
            self.vote,
            message.msg_type,
            if verdict == "cast" { "for" } else { "from" },
            message.from,
            message.log_term,
            message.index,
            self.term
        );
    }

    /// Begins an election, if the node may.
    pub(crate) fn start_election(&mut self) -> Result<()> {
        self.hup(if self.pre_vote { Campaign::PreElection } else { Campaign::Election })
    }

    /// Campaigns, if the node may.
    pub(crate) fn hup(&mut self, campaign: Campaign) -> Result<()> {
        let logger = &self.log.logger;
        if self.role == Role::Leader {
            log!(*logger, Debug, "{:x} ignoring MsgHup because already leader", self.id);
            return Ok(());
        }
        if !self.is_promotable() {
            log!(*logger, Warning, "{:x} is unpromotable and can not campaign", self.id);
            return Ok(());
        }
        if self.has_unapplied_conf_changes()? {
            log!(
                *logger,
                Warning,
                "{:x} cannot campaign at term {} since there are still pending configuration \
                 changes to apply",
                self.id,
                self.term
            );
            return Ok(());
        }
        log!(*logger, Info, "{:x} is starting a new election at term {}", self.id, self.term);
        self.campaign(campaign);
        Ok(())
    }

    /// A node that has not applied a committed change may not know who its voters are.
    fn has_unapplied_conf_changes(&self) -> Result<bool> {
        let (lo, hi) = (self.log.applied + 1, self.log.committed + 1);
        if lo >= hi {
            return Ok(false);
        }
        match self.log.any(lo, hi, |entry| entry.entry_type != EntryType::Normal) {
            Err(Error::Storage(error)) => {
                fatal!("error scanning unapplied entries [{lo}, {hi}): {error}")
            }
            result => result,
        }
    }

    /// Asks all voters; the node's own vote counts once it is durable.
    fn campaign(&mut self, campaign: Campaign) {
        let (msg_type, term) = if campaign == Campaign::PreElection {
            self.become_pre_candidate();
            (MessageType::PreVote, self.term + 1)
        } else {
            self.become_candidate();
            (MessageType::Vote, self.term)
        };
        let last = self.log.last_id();
        for id in self.tracker.config.voters.ids().iter() {
            if id == self.id {
                self.send(Message { to: id, term, ..Message::new(vote_response(msg_type)) });
                continue;
            }
            log!(
                self.log.logger,
                Info,
                "{:x} [logterm: {}, index: {}] sent {msg_type} request to {id:x} at term {}",
                self.id,
                last.term,
                last.index,
                self.term
            );
            let by_leader = campaign == Campaign::Transfer;
            let context = if by_leader { TRANSFER_CONTEXT } else { b"" };
            let request = Message {
                to: id,
                term,
                log_term: last.term,
                index: last.index,
                ..Message::new(msg_type)
            };
            self.send(request.with_context(context));
        }
    }

    pub(crate) fn step_candidate(&mut self, message: &mut Message) -> Result<()> {
        let own_response = if self.role == Role::PreCandidate {
            MessageType::PreVoteResp
        } else {
            MessageType::VoteResp
        };
        match message.msg_type {
            MessageType::Prop => {
                log!(
                    self.log.logger,
                    Info,
                    "{:x} no leader at term {}; dropping proposal",
                    self.id,
                    self.term
                );
                return Err(Error::ProposalDropped);
            }
            MessageType::App | MessageType::Heartbeat | MessageType::Snap => {
                // Of this term: someone else won.
                self.become_follower(self.term, message.from);
                self.step_follower(message)?;
            }
            msg_type if msg_type == own_response => self.handle_vote_response(message)?,
            MessageType::TimeoutNow => log!(
                self.log.logger,
                Debug,
                "{:x} [term {} state {}] ignored MsgTimeoutNow from {:x}",
                self.id,
                self.term,
                self.role,
                message.from
            ),
            _ => {}
        }
        Ok(())
    }

    fn handle_vote_response(&mut self, message: &Message) -> Result<()> {
        let (msg_type, from) = (message.msg_type, message.from);
        let rejection = if message.reject { " rejection" } else { "" };
        log!(
            self.log.logger,
            Info,
            "{:x} received {msg_type}{rejection} from {from:x} at term {}",
            self.id,
            self.term
        );
        self.tracker.record_vote(from, !message.reject);
        let (granted, refused, result) = self.tracker.tally();
        log!(
            self.log.logger,
            Info,
            "{:x} has received {granted} {msg_type} votes and {refused} vote rejections",
            self.id
        );
        match result {
            VoteResult::Won if self.role == Role::PreCandidate => self.campaign(Campaign::Election),
            VoteResult::Won => {
                self.become_leader()?;
                self.broadcast_append()?;
            }
            VoteResult::Lost => self.become_follower(self.term, NONE),
            VoteResult::Pending => {}
        }
        Ok(())
    }
}
