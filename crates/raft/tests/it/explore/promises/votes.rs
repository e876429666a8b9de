//! Promises about terms, votes and who wins: R1, R4, R8, R11, and C4 for elections.
#![allow(clippy::wildcard_enum_match_arm, reason = "few types of messages are promises")]

use raft::{EntryId, Message, MessageType, NodeId};

use super::{Grant, Promise, Promises, Seen, is_quorum};
use crate::explore::Server;

impl Promises {
    /// What leaves must not be taken back by a crash.
    pub(crate) fn sent(&mut self, message: &Message, server: &Server, is_async: bool) {
        use MessageType::{AppResp, PreVote, PreVoteResp, Vote, VoteResp};
        let Message { term, msg_type, .. } = *message;
        // Not the message's: what is forwarded keeps the name of who asked first.
        let from = server.node.basic_status().id;
        // Pre-votes are of a term that is not there yet. With asynchronous writes a candidate or
        // leader speaks before its term is durable: only answers vouch for it.
        let vouches = match msg_type {
            VoteResp | AppResp => true,
            PreVote | PreVoteResp => false,
            _ => !is_async,
        };
        if vouches {
            let known = server.durable.hard_state().term;
            self.demand(Promise::R8, term <= known, || {
                format!("{from} sends {msg_type} of term {term}, a crash leaves {known}")
            });
            let told = self.told.entry(from).or_default();
            *told = term.max(*told);
        }
        let is_grant = msg_type == VoteResp && !message.reject;
        let is_own = msg_type == Vote && (!is_async || server.durable.hard_state().term == term);
        if is_grant || is_own {
            let candidate = if is_own { from } else { message.to };
            let first = *self.votes.entry((term, from)).or_insert(candidate);
            self.demand(Promise::R8, first == candidate, || {
                format!("{from} votes for {first} and {candidate} in term {term}")
            });
        }
    }

    /// A node took a request for its vote.
    pub(crate) fn asked(&mut self, message: &Message, server: &Server) {
        let (voter, state) = (message.to, server.node.basic_status().hard_state);
        let is_granted = state.vote == message.from && state.term == message.term;
        if message.msg_type == MessageType::Vote && is_granted {
            let last = server.node.log().last_id();
            self.grants.insert((state.term, voter), Grant { candidate: message.from, last });
        }
    }

    /// A node that became leader with the last event.
    pub(super) fn check_new_leader(&mut self, id: NodeId, server: &Server, now: Seen) {
        let term = now.term;
        let leader = *self.leaders.entry(term).or_insert(id);
        self.demand(Promise::R1, leader == id, || format!("{leader} and {id} lead term {term}"));
        self.check_completeness(id, server, now);
        let ours = last_before(server, now);
        let grants = self.grants.range((term, 0)..=(term, u64::MAX));
        let grants = grants.filter(|(_, grant)| grant.candidate == id);
        let (voters, newest): (Vec<_>, Vec<_>) =
            grants.map(|((_, voter), grant)| (*voter, (grant.last.term, grant.last.index))).unzip();
        let newest = newest.into_iter().max().unwrap_or_default();
        self.demand(Promise::R11, (ours.term, ours.index) >= newest, || {
            format!("leader {id} of term {term} ends with {ours:?}, a voter with {newest:?}")
        });
        let config = self.configurations.at(server.applied).voters.clone();
        let voted = |member| member == id || voters.contains(&member);
        self.demand(Promise::C4, is_quorum(&config, voted), || {
            format!("leader {id} of term {term} has the votes of {voters:?}, no quorum of {config}")
        });
    }

    fn check_completeness(&mut self, id: NodeId, server: &Server, now: Seen) {
        let log = server.node.log();
        let first = log.first_index().unwrap();
        let earlier = self.committed.range(first..).filter(|(_, entry)| entry.by_term < now.term);
        let missing = earlier
            .filter(|(index, entry)| log.term(**index) != Ok(entry.term))
            .map(|(index, entry)| EntryId { term: entry.term, index: *index })
            .next();
        self.demand(Promise::R4, missing.is_none(), || {
            format!("leader {id} of term {} lacks {missing:?}", now.term)
        });
    }
}

/// The last entry of a new leader's log when it was elected: before those of its term.
pub(super) fn last_before(server: &Server, now: Seen) -> EntryId {
    let log = server.node.log();
    let first = log.first_index().unwrap();
    let own = |index: &u64| log.term(*index) == Ok(now.term);
    let inherited = (first..=now.last.index).rev().find(|index| !own(index));
    let index = inherited.unwrap_or(first - 1);
    EntryId { term: log.term(index).unwrap(), index }
}
