//! What panels may look at: the server's state, read only, at no cost until it is asked for.

use std::ops::Range;

use raft::{BasicStatus, Entry, EntryId, Role, Status};

use super::running::Running;
use super::{Server, ServerConfig, State};
use crate::membership::Cluster;
use crate::mvcc::{DiskBackend, Store};
use crate::wal::Wal;

/// How far the process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not started.
    Off,
    /// It creates its log, waits for its repair, or compares itself with the others.
    Booting,
    /// It takes part in consensus, and has not published itself yet: clients wait.
    Starting,
    /// It serves clients.
    Serving,
}

/// A server's state. Before it is up everything is as on an empty server.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    server: &'a Server,
}

/// The raft log of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogView {
    /// The entry before the first one.
    pub sentinel: EntryId,
    /// The first entry that is there, or would be.
    pub first_index: u64,
    /// The last entry.
    pub last_index: u64,
    /// The last entry known to be committed.
    pub committed: u64,
    /// The last entry that reached the state machine.
    pub applied: u64,
    /// The first entry that is not known to be durable here.
    pub unstable_offset: u64,
}

/// A timer that counts ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ticks {
    /// Ticks so far.
    pub elapsed: u32,
    /// Ticks until it rings.
    pub timeout: u32,
}

impl<'a> View<'a> {
    pub(super) fn new(server: &'a Server) -> Self {
        Self { server }
    }

    fn running(self) -> Option<&'a Running> {
        match &self.server.state {
            State::Running(running) => Some(running),
            State::Off | State::Booting(_) | State::Checking(_) => None,
        }
    }

    /// What the server was told at its start.
    pub fn config(self) -> &'a ServerConfig {
        &self.server.config
    }

    /// How far the process has come.
    pub fn phase(self) -> Phase {
        match &self.server.state {
            State::Off => Phase::Off,
            State::Booting(_) | State::Checking(_) => Phase::Booting,
            State::Running(running) if running.is_serving => Phase::Serving,
            State::Running(_) => Phase::Starting,
        }
    }

    fn status(self) -> BasicStatus {
        self.running().map_or_else(BasicStatus::default, |running| running.node.basic_status())
    }

    /// The role in raft.
    pub fn role(self) -> Role {
        self.status().soft_state.role
    }

    /// The leader as far as known; 0 for none.
    pub fn leader(self) -> u64 {
        self.status().soft_state.lead
    }

    /// The term, durable or not.
    pub fn term(self) -> u64 {
        self.status().hard_state.term
    }

    /// The vote in this term, durable or not; 0 for none.
    pub fn vote(self) -> u64 {
        self.status().hard_state.vote
    }

    /// Ticks since the server heard from a leader, or since a leader last checked its quorum.
    pub fn election(self) -> Ticks {
        let status = self.status();
        Ticks { elapsed: status.election_elapsed, timeout: status.randomized_election_timeout }
    }

    /// Where the raft log stands.
    pub fn log(self) -> LogView {
        self.running().map_or_else(LogView::default, |running| {
            let log = running.node.log();
            let stored = running.node.storage().sentinel();
            let sentinel = log.sentinel().unwrap_or(stored);
            LogView {
                sentinel,
                first_index: sentinel.index + 1,
                last_index: log.last_index(),
                committed: log.committed(),
                applied: running.applier.applied().index,
                unstable_offset: log.unstable_offset(),
            }
        })
    }

    /// The term of the entry at an index, from the one before the first to the last.
    pub fn term_at(self, index: u64) -> Option<u64> {
        self.running()?.node.log().term(index).ok()
    }

    /// The configuration in force in raft.
    pub fn conf_state(self) -> Option<raft::ConfState> {
        self.running().map(|running| running.node.conf_state())
    }

    /// The sentinel of what is durable here: a snapshot that is still being saved does not count.
    pub fn stored_sentinel(self) -> EntryId {
        self.running().map_or_else(EntryId::default, |running| running.node.storage().sentinel())
    }

    /// Entries of the raft log; those that are not there are left out.
    pub fn entries(self, range: Range<u64>) -> Vec<Entry> {
        let LogView { first_index, last_index, .. } = self.log();
        let (from, to) = (range.start.max(first_index), range.end.min(last_index + 1));
        match self.running() {
            Some(running) if from < to => {
                running.node.log().entries(from, to, u64::MAX).unwrap_or_default()
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// The members' progress, as the leader sees it; empty on any other server.
    pub fn raft_status(self) -> Option<Status> {
        self.running().map(|running| running.node.status())
    }

    /// The key-value store.
    pub fn store(self) -> Option<&'a Store<DiskBackend>> {
        self.running().map(|running| running.applier.store())
    }

    /// The members as far as applied.
    pub fn cluster(self) -> Option<&'a Cluster> {
        self.running().map(|running| running.applier.cluster())
    }

    /// The write-ahead log.
    pub fn wal(self) -> Option<&'a Wal> {
        self.running().map(|running| &running.wal)
    }

    /// Whether a log write is on its way to the disk.
    pub fn is_syncing(self) -> bool {
        self.running().is_some_and(|running| running.saving.is_some())
    }

    /// Proposals that were made here and are not applied yet.
    pub fn pending_proposals(self) -> usize {
        self.running().map_or(0, |running| running.proposals.len())
    }
}
