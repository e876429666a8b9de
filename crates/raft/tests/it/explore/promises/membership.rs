//! Promises about changes of the configuration: C1, C2, C3, C5, C6.

use raft::{
    ConfChangeV2, ConfState, Entry, EntryType, Message, MessageType, NO_LIMIT, NodeId, Role,
};

use super::votes::last_before;
use super::{Promise, Promises, Seen};
use crate::explore::Server;
use crate::explore::configurations::intersect;

impl Promises {
    /// Someone applies an entry: if it is a change and the first to be heard of, it follows on
    /// the configuration before.
    pub(crate) fn changed(&mut self, index: u64, change: Option<&ConfChangeV2>) {
        let Some((before, after)) = self.configurations.apply(index, change) else { return };
        self.demand(Promise::C1, intersect(&before.voters, &after.voters), || {
            format!("{before} and {after} at {index} have quorums apart")
        });
    }

    pub(super) fn check_configuration(&mut self, id: NodeId, server: &Server, now: Seen) {
        // A snapshot is in force before it is stored.
        let index = server.applied.max(server.node.log().first_index().unwrap() - 1);
        self.check_conf_state(&format!("node {id}"), index, &server.node.conf_state());
        if now.role == Role::Leader {
            self.check_in_force(id, server, now.term);
        }
    }

    /// The configurations of leaders, in the order of their terms.
    fn check_in_force(&mut self, id: NodeId, server: &Server, term: u64) {
        let voters = server.node.status().config.voters;
        match self.in_force.take() {
            newer @ Some((newest, _)) if newest > term => {
                self.in_force = newer;
                return;
            }
            Some((_, previous)) => self.demand(Promise::C1, intersect(&previous, &voters), || {
                format!(
                    "leader {id} of term {term} goes from {previous} to {voters}: quorums apart"
                )
            }),
            None => {}
        }
        self.in_force = Some((term, voters));
    }

    fn check_conf_state(&mut self, what: &str, index: u64, state: &ConfState) {
        let expected = self.configurations.at(index).conf_state();
        self.demand(Promise::C5, state.is_equivalent(&expected), || {
            format!("{what} is in {state:?} at {index}, not in {expected:?}")
        });
    }

    pub(crate) fn sent_snapshot(&mut self, message: &Message) {
        if let Some(snapshot) = message.snapshot() {
            let metadata = &snapshot.metadata;
            self.check_conf_state("a snapshot", metadata.index, &metadata.conf_state);
        }
    }

    /// Changes that a leader appended with the last event.
    pub(super) fn check_proposals(&mut self, id: NodeId, server: &Server, before: Seen, now: Seen) {
        let log = server.node.log();
        let applied = log.applied();
        let lo = log.first_index().unwrap().max(applied + 1);
        if lo > now.last.index || now.last.index == before.last.index {
            return;
        }
        let entries = log.entries(lo, now.last.index + 1, NO_LIMIT).unwrap_or_default();
        let mut changes = entries.iter().filter(|entry| is_change(entry));
        let is_new = |entry: &&Entry| entry.index > before.last.index;
        let Some(proposed) = entries.iter().filter(|entry| is_change(entry)).find(is_new) else {
            return;
        };
        let inherited = last_before(server, now).index;
        self.demand(Promise::C2, inherited <= applied, || {
            format!("leader {id} proposes {:?}, applied {applied} of {inherited}", proposed.id())
        });
        let first = changes.next().unwrap();
        self.demand(Promise::C2, first.index == proposed.index && changes.next().is_none(), || {
            format!("leader {id} proposes {:?} before it applied {:?}", proposed.id(), first.id())
        });
    }

    pub(super) fn check_campaign(&mut self, id: NodeId, server: &Server, now: Seen) {
        let log = server.node.log();
        let lo = log.first_index().unwrap().max(server.applied + 1);
        let (lo, hi) = (lo, now.commit + 1);
        if lo >= hi {
            return;
        }
        let entries = log.entries(lo, hi, NO_LIMIT).unwrap_or_default();
        let waiting = entries.iter().find(|entry| is_change(entry)).map(Entry::id);
        self.demand(Promise::C3, waiting.is_none(), || {
            format!("{id} campaigns in term {} with {waiting:?} unapplied", now.term)
        });
    }

    /// A leader is no leader any more after this message, which came from outside its
    /// configuration. That is as it must be if the sender was elected, or asked by a leader to take
    /// over (before it was removed: lease and quorum do not stand against that).
    pub(crate) fn deposed(&mut self, message: &Message, config: &ConfState) {
        let Message { from, to, msg_type, .. } = *message;
        let members = [&config.voters, &config.voters_outgoing, &config.learners];
        let is_member = members.iter().any(|members| members.contains(&from));
        let is_elected =
            matches!(msg_type, MessageType::App | MessageType::Heartbeat | MessageType::Snap);
        let is_successor = message.context() == b"CampaignTransfer";
        self.demand(Promise::C6, is_member || is_elected || is_successor, || {
            format!("{msg_type} of {from}, not in {config:?}, deposes leader {to}")
        });
    }
}

fn is_change(entry: &Entry) -> bool {
    entry.entry_type != EntryType::Normal
}
