//! A server as a process without an operating system: inputs in, effects out.
//!
//! # Contract
//!
//! [`Server::new`] touches nothing. [`Input::Boot`] comes first: it creates or opens the data
//! directory and starts consensus. From then on every input is one call of [`Server::step`], which
//! reads and writes the disk at once and leaves in [`Effects`] what the outside has to do: messages
//! to carry, answers to give, events to show. Only syncs take time: the disk hands out tickets, and
//! [`Input::Synced`] says that one is done.
//!
//! An `Err(Fatal)` is the death of the process, with the words of a real server. Effects of that
//! step are void. What was not synced may be lost; the next life is a new `Server` on the same disk.
//!
//! # The loop
//!
//! One raft `Ready` is under way at a time, in etcd's order:
//!
//! ```text
//! Ready ─ committed entries ──────────────→ apply → answers to clients
//!       ├ messages of a leader ───────────→ out, while its own log syncs
//!       ├ entries, hard state → WAL → sync ticket … Synced ┐
//!       ├ messages of anybody else ───────→ out, only now ←┤
//!       └ advance: now the entries count towards a quorum ←┘
//! ```
//!
//! Inputs that come while a sync is under way go into raft and wait for the next `Ready`, so
//! proposals that arrive together are written together. Ticks do not: like a real server whose loop
//! hangs in an fsync, at most one of them is remembered.
//!
//! Beside the loop, on the same disk: snapshots of the state and what they allow to give up
//! (`snapshot`), snapshots between members (`transfer`, `install`), and purging (`purge`).
//!
//! Members may check each other's histories (`corruption`).
//!
//! Left out so far: users and roles.
//! Source: etcd release-3.4, `etcdserver/{server,raft,v3_server,apply}.go`.

mod batches;
mod boot;
mod compactions;
mod config;
mod connections;
mod corruption;
mod election;
mod event;
mod ids;
mod install;
mod leases;
mod members;
mod proposals;
mod proposing;
mod purge;
mod reads;
mod ready;
mod requests;
mod running;
mod snapshot;
mod transfer;
mod view;

#[cfg(test)]
mod tests;

pub use config::{Peer, ServerConfig, UnknownVersion, Version};
pub use corruption::{HashMessage, HashSays};
pub use event::ServerEvent;
pub use members::REMOVED;
pub use transfer::{SnapshotMessage, SnapshotStatus};
pub use view::{LogView, Phase, Ticks, View};

use std::sync::Arc;

use disk::{Disk, DiskError, Ticket};

use boot::{Progress, Waiting};
use corruption::{Checked, Checking};
use running::Running;

use crate::apply::ApplyError;
use crate::request::{
    Reply, Request, RequestError, RequestId, WatchRequest, WatchResponse, WatchStreamId,
};

pub(crate) use proposing::REQUEST_BYTES_MAX;

/// What comes to a server from outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// The process starts.
    Boot,
    /// A tick of [`ServerConfig::tick_ns`] has passed.
    Tick,
    /// A message of another member arrived.
    Message(Box<raft::Message>),
    /// A sync is done.
    Synced(Ticket),
    /// A sync failed; what it covered may or may not be durable.
    SyncFailed(Ticket, DiskError),
    /// A client asks.
    Request {
        /// The caller's number for it.
        id: RequestId,
        /// The request.
        request: Request,
    },
    /// A client speaks on a watch stream; its first word opens it.
    Watch {
        /// The caller's number for the stream.
        stream: WatchStreamId,
        /// What is said.
        request: WatchRequest,
    },
    /// Sending to a member failed, a snapshot that is on its way there included.
    Unreachable(u64),
    /// A member says that this one was removed from the cluster.
    Removed,
    /// A snapshot of another member arrived, on a stream of its own.
    Snapshot(Box<SnapshotMessage>),
    /// The answer to a snapshot that was sent arrived.
    SnapshotStatus(SnapshotStatus),
    /// A member asks for the hash of the history, or answers.
    Hash(HashMessage),
}

/// What a step asks the outside to do, in order.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    /// Messages to other members.
    pub messages: Vec<raft::Message>,
    /// Snapshots to other members, each on a stream of its own. None of them waits for messages.
    pub snapshots: Vec<SnapshotMessage>,
    /// Answers to snapshots, on the way back of their streams.
    pub snapshot_statuses: Vec<SnapshotStatus>,
    /// Questions for hashes, and answers to them.
    pub hashes: Vec<HashMessage>,
    /// Answers to clients.
    pub replies: Vec<(RequestId, Result<Reply, RequestError>)>,
    /// What is said on watch streams, in order.
    pub watch: Vec<(WatchStreamId, WatchResponse)>,
    /// Watch streams that the server did not open, or ended, and why. A server that stops ends all
    /// of its streams without a word.
    pub watch_ended: Vec<(WatchStreamId, RequestError)>,
    /// Members that were removed, do not know it, and are to be told ([`Input::Removed`]).
    pub removed: Vec<u64>,
    /// What happened, for the trace.
    pub trace: Vec<ServerEvent>,
}

impl Effects {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
            && self.snapshots.is_empty()
            && self.snapshot_statuses.is_empty()
            && self.hashes.is_empty()
            && self.replies.is_empty()
            && self.watch.is_empty()
            && self.watch_ended.is_empty()
            && self.removed.is_empty()
            && self.trace.is_empty()
    }
}

/// Why the process died, in the words of a real server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Fatal {
    /// The last line of its log.
    pub reason: String,
}

impl From<raft::Error> for Fatal {
    fn from(error: raft::Error) -> Self {
        Self { reason: error.to_string() }
    }
}

impl From<ApplyError> for Fatal {
    fn from(error: ApplyError) -> Self {
        Self { reason: error.to_string() }
    }
}

/// One server. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Server {
    config: Arc<ServerConfig>,
    seed: u64,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Off,
    Booting(Box<Waiting>),
    /// It has read its disk, and compares itself with the others.
    Checking(Box<Checking>),
    Running(Box<Running>),
}

impl Server {
    /// A server that has not started. `seed` feeds its election timeouts.
    pub fn new(config: ServerConfig, seed: u64) -> Self {
        Self { config: Arc::new(config), seed, state: State::Off }
    }

    /// What panels may look at.
    pub fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// Takes one input at a virtual time, which never goes back.
    ///
    /// After an error the server is off: it takes no input but [`Input::Boot`].
    pub fn step(
        &mut self,
        now_ns: u64,
        input: Input,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        match std::mem::replace(&mut self.state, State::Off) {
            State::Running(mut running) => {
                running.step(now_ns, input, disk, effects)?;
                self.state = State::Running(running);
                Ok(())
            }
            state @ (State::Off | State::Booting(_) | State::Checking(_)) => {
                self.boot(state, now_ns, input, disk, effects)
            }
        }
    }

    fn boot(
        &mut self,
        state: State,
        now_ns: u64,
        input: Input,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        let progress = match (state, input) {
            (State::Off, Input::Boot) => boot::begin(&self.config, self.seed, disk, effects)?,
            (State::Booting(booting), Input::Synced(ticket)) => {
                booting.on_synced(ticket, now_ns, disk, effects)?
            }
            (State::Booting(_), Input::SyncFailed(_, error)) => {
                return Err(boot::sync_failed(&error));
            }
            (state, Input::Request { id, .. }) => {
                effects.replies.push((id, Err(RequestError::ConnectionRefused)));
                self.state = state;
                return Ok(());
            }
            (state, Input::Watch { stream, request }) => {
                if request != WatchRequest::Close {
                    effects.watch_ended.push((stream, RequestError::ConnectionRefused));
                }
                self.state = state;
                return Ok(());
            }
            (State::Checking(checking), input) => {
                let checked = checking.step(now_ns, &input, effects)?;
                return self.checked(checked, now_ns, disk, effects);
            }
            (state, input) => {
                if let Input::Hash(message) = input {
                    corruption::refuse(message, effects);
                }
                self.state = state;
                return Ok(());
            }
        };
        match progress {
            Progress::Booting(booting) => self.state = State::Booting(Box::new(booting)),
            Progress::Running(running) if self.config.initial_corrupt_check => {
                let checked = Checking::begin(running, now_ns, effects)?;
                return self.checked(checked, now_ns, disk, effects);
            }
            Progress::Running(running) => self.run(running, now_ns, disk, effects)?,
        }
        Ok(())
    }

    fn checked(
        &mut self,
        checked: Checked,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        match checked {
            Checked::Passed(running) => self.run(running, now_ns, disk, effects),
            Checked::Checking(checking) => {
                self.state = State::Checking(checking);
                Ok(())
            }
        }
    }

    fn run(
        &mut self,
        mut running: Box<Running>,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        running.start(now_ns, disk, effects)?;
        self.state = State::Running(running);
        Ok(())
    }
}
