//! Promises about logs and what of them is committed: R2, R3, R5, R6, R7, R9, R10.

use std::collections::BTreeMap;

use raft::{Entry, EntryId, Message, MessageType, NO_LIMIT, NodeId, Storage};

use super::{Committed, Promise, Promises, Seen, holds, is_quorum};
use crate::explore::Server;

impl Promises {
    pub(super) fn check_order(
        &mut self,
        id: NodeId,
        server: &Server,
        before: Option<Seen>,
        now: Seen,
    ) {
        let log = server.node.log();
        let (snapshot, applied) = (log.first_index().unwrap() - 1, log.applied());
        self.demand(Promise::R9, snapshot <= now.commit, || {
            format!("node {id}: snapshot at {snapshot}, committed {}", now.commit)
        });
        self.demand(Promise::R9, applied <= now.commit && now.commit <= now.last.index, || {
            format!("node {id}: applied {applied}, committed {}, last {:?}", now.commit, now.last)
        });
        let told = self.told.get(&id).copied().unwrap_or(0);
        let (term, commit) = before.map_or((told, 0), |seen| (seen.term.max(told), seen.commit));
        self.demand(Promise::R9, now.term >= term && now.commit >= commit, || {
            format!("node {id}: from term {term}, commit {commit} back to {now:?}")
        });
    }

    pub(super) fn check_entries(&mut self, id: NodeId, server: &Server) {
        let log = server.node.log();
        let (first, last) = (log.first_index().unwrap(), log.last_index());
        let Ok(mut previous) = log.term(first - 1) else { return };
        for entry in log.entries(first, last + 1, NO_LIMIT).unwrap_or_default() {
            let ours = (previous, entry.data.to_vec());
            let seen =
                self.entries.entry((entry.term, entry.index)).or_insert_with(|| ours.clone());
            let same = *seen == ours;
            self.demand(Promise::R3, same, || format!("node {id}: another {:?}", entry.id()));
            previous = entry.term;
        }
    }

    pub(super) fn check_committed(&mut self, id: NodeId, server: &Server, from: u64, now: Seen) {
        let log = server.node.log();
        let lo = log.first_index().unwrap().max(from + 1);
        if lo > now.commit {
            return;
        }
        for entry in log.entries(lo, now.commit + 1, NO_LIMIT).unwrap_or_default() {
            self.commit(id, &entry, now.term);
        }
    }

    /// Everyone commits the same.
    fn commit(&mut self, id: NodeId, entry: &Entry, by_term: u64) {
        let ours = || Committed { term: entry.term, data: entry.data.to_vec(), by_term };
        let first = self.committed.entry(entry.index).or_insert_with(ours);
        let same = first.term == entry.term && first.data == entry.data;
        self.demand(Promise::R5, same, || format!("node {id} commits another {:?}", entry.id()));
    }

    pub(crate) fn applied(&mut self, id: NodeId, entry: &Entry, term: u64) {
        self.commit(id, entry, term);
    }

    /// Those that lack what is committed must not be a quorum by themselves.
    pub(super) fn check_held(&mut self, servers: &BTreeMap<NodeId, Server>) {
        let Some((index, committed)) = self.committed.last_key_value() else { return };
        let newest = EntryId { index: *index, term: committed.term };
        let voters = &self.configurations.newest().voters;
        let lost = is_quorum(voters, |member| !holds(&servers[&member].durable, newest));
        let voters = voters.to_string();
        self.demand(Promise::R6, !lost, || {
            format!("{newest:?} is unknown to a quorum of {voters}")
        });
    }

    /// A leader that was one before the event.
    pub(super) fn check_leader(
        &mut self,
        id: NodeId,
        servers: &BTreeMap<NodeId, Server>,
        before: Seen,
        now: Seen,
    ) {
        let server = &servers[&id];
        let log = server.node.log();
        let read = log.entry(before.last.index);
        let kept = log.first_index().unwrap() > before.last.index
            || read.is_some_and(|entry| entry.id() == before.last);
        self.demand(Promise::R2, kept, || format!("leader {id} lost {:?}", before.last));
        self.check_proposals(id, server, before, now);
        if now.commit <= before.commit {
            return;
        }
        let commit = EntryId { term: now.term, index: now.commit };
        let own = log.term(now.commit) == Ok(now.term);
        self.demand(Promise::R10, own, || {
            format!("leader {id} commits {commit:?} of another term")
        });
        let has = |member| holds(&servers[&member].durable, commit);
        let voters = server.node.status().config.voters;
        self.demand(Promise::R7, is_quorum(&voters, has), || {
            format!("leader {id} commits {commit:?}, which a quorum of {voters} could lose")
        });
        let voters = self.configurations.at(server.applied).voters.clone();
        self.demand(Promise::C4, is_quorum(&voters, has), || {
            format!("leader {id} commits {commit:?}, which no quorum of {voters} has")
        });
    }

    /// A leader tells no commit index but its own; a follower acknowledges what a crash leaves.
    pub(crate) fn told(&mut self, message: &Message, server: &Server) {
        let committed = server.node.log().committed();
        let (from, commit) = (message.from, message.commit);
        let is_told = matches!(message.msg_type, MessageType::App | MessageType::Heartbeat);
        self.demand(Promise::R10, !is_told || commit <= committed, || {
            format!("{from} tells {commit}, has {committed}")
        });
        let is_ack = message.msg_type == MessageType::AppResp && !message.reject;
        let (index, last) = (message.index, server.durable.last_index().unwrap());
        self.demand(Promise::R7, !is_ack || index <= last, || {
            format!("{from} acknowledges {index}, a crash leaves {last}")
        });
    }
}
