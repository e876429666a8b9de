//! Raft as etcd means it, as a pure state machine.
//!
//! A [`RawNode`] is one member of a group that agrees on a log. It takes inputs and does nothing by
//! itself: what is to be written, sent and applied comes out as a [`Ready`]. It has no clock (time
//! is [`RawNode::tick`]), no threads, no network and no disk; election timeouts are drawn from a
//! [`Randomness`] that the caller gives, so that a run can be repeated. A whole key-value store on
//! three such nodes is in `examples/kv`.
//!
//! # Inputs
//!
//! - [`tick`](RawNode::tick), at a steady pace: elections after [`Config::election_tick`] of them,
//!   heartbeats after [`Config::heartbeat_tick`];
//! - [`step`](RawNode::step): a message from another member, whatever it says;
//! - [`propose`](RawNode::propose) and [`propose_conf_change`](RawNode::propose_conf_change), on
//!   any member. `Ok` means on its way, not committed: a proposal may be lost, and may be committed
//!   although its proposer was told of an error of the network. Entries carry what the application
//!   needs to tell a repeated one;
//! - [`read_index`](RawNode::read_index) for linearizable reads,
//!   [`transfer_leader`](RawNode::transfer_leader) and the reports of the transport
//!   ([`report_unreachable`](RawNode::report_unreachable),
//!   [`report_snapshot`](RawNode::report_snapshot), without which a member that gets a snapshot
//!   gets nothing else).
//!
//! # The loop
//!
//! After each input, while [`RawNode::has_ready`]:
//!
//! 1. take [`RawNode::ready`], or [`RawNode::ready_into`] where its memory is to be used again;
//! 2. write: replace everything by `snapshot`, if there is one, append `entries` (they overwrite
//!    what is there from their first index on), save `hard_state`: to the log on disk, and to the
//!    [`Storage`] that the node reads. If `must_sync` or a snapshot says so, wait until it is
//!    durable;
//! 3. send `messages`, in order for each receiver. They may vouch for what was just written: none
//!    may leave before that is durable. A leader's may, so that its followers write while it does;
//! 4. apply `snapshot`, then `committed_entries` in order, with [`RawNode::apply_conf_change`] for
//!    each change of the configuration; serve `read_states` once their index is applied;
//! 5. call [`RawNode::advance`]: by it the node learns that all this was done, counts its own write
//!    towards the quorum, and hands out what comes next. There is no second `ready` before.
//!
//! What a crash takes back must not have been told: after step 3 everything that messages vouch for
//! is durable. The commit index alone may be lost, entries are then applied again: the application
//! remembers how far it came, or starts from its snapshot, and says so by [`Config::applied`].
//!
//! With [`Config::async_storage_writes`] steps 2 and 4 are messages to [`APPEND_THREAD`] and
//! [`APPLY_THREAD`], which overlap, and `advance` is not called; see [`Ready`].
//! Then, as upstream, a candidate asks for votes before its term and log are durable: an answer to
//! what a process asked must not reach the one that is started after it crashed. Connections that
//! end with their process see to that.
//!
//! # Begin and restart
//!
//! A new group begins on empty storage, either with [`RawNode::bootstrap`] (its members are the
//! first entries, so that whoever joins later learns of them) or with the same configuration in
//! every member's storage. A member that joins begins with empty storage and no configuration. A
//! restart is [`RawNode::new`] on what was stored.
//!
//! # Errors and panics
//!
//! - Input from elsewhere never panics. A message that makes no sense is refused and changes
//!   nothing; see [`RawNode::step`].
//! - What a real server would die of (a log that contradicts what is committed, storage that fails
//!   or gives other entries than it was asked for) is [`Error::Fatal`] with the message that it
//!   would print. The node must be dropped.
//! - A broken contract of the caller panics and says which: `ready` without `advance`, `advance`
//!   with asynchronous writes, entries appended to [`MemoryStorage`] with a gap between them.
//!
//! # Where what is
//!
//! | rule | file |
//! |---|---|
//! | what goes in and what comes out | `raw_node.rs`, `output.rs`, `ready.rs` |
//! | terms, elections, votes: Raft 5.1, 5.2, 5.4.1, thesis 4.2.3, 9.6 | `election.rs` |
//! | time: Raft 5.2, 5.6 | `raft.rs` |
//! | replication and commit: Raft 5.3, 5.4.2 | `leader.rs`, `follower.rs`, `log.rs` |
//! | the short way of the messages that come all the time | `routine.rs` |
//! | the log's end that is not durable yet | `unstable.rs` |
//! | a log in memory | `memory.rs`, `chunks.rs`, `payloads.rs` |
//! | what a leader knows of a member, flow control | `progress.rs`, `inflights.rs` |
//! | joint quorums: Raft 6 | `quorum.rs` |
//! | changes of the configuration: Raft 6, thesis 4 | `changer.rs`, `membership.rs` |
//! | snapshots: Raft 7 | `follower.rs`, `leader.rs` |
//! | the entry that begins a leader's term: Raft 8 | `raft.rs` |
//! | linearizable reads: thesis 6.4 | `reads.rs`, `read_only.rs` |
//! | leadership transfer: thesis 3.10 | `transfer.rs` |
//!
//! The behaviour, messages and log lines are those of etcd-io/raft; where it is asked for something
//! else (its own context for each round of reads), the module says so.
//!
//! ```
//! use raft::{Config, ConfState, MemoryStorage, Randomness, RawNode, Role};
//!
//! struct Fixed;
//! impl Randomness for Fixed {
//!     fn below(&mut self, _bound: u32) -> u32 {
//!         0
//!     }
//! }
//!
//! let storage = MemoryStorage::with_conf_state(ConfState::of_voters([1]));
//! let mut node = RawNode::new(Config::new(1), storage, Fixed)?;
//! node.campaign()?;
//! let mut applied = Vec::new();
//! while node.has_ready() {
//!     let ready = node.ready()?;
//!     node.storage_mut().append(ready.entries)?;
//!     if let Some(state) = ready.hard_state {
//!         node.storage_mut().set_hard_state(state);
//!     }
//!     applied.extend(ready.committed_entries);
//!     node.advance()?;
//! }
//! assert_eq!(node.basic_status().soft_state.role, Role::Leader);
//! assert_eq!(applied.len(), 1, "the entry that begins the leader's term");
//! # Ok::<(), raft::Error>(())
//! ```

mod bugs;
mod changer;
mod chunks;
mod conf_change;
mod conf_change_codec;
mod config;
mod describe;
mod election;
mod entries;
mod error;
mod follower;
mod ids;
mod inflights;
mod leader;
mod log;
mod log_view;
mod logger;
mod membership;
mod memory;
mod message;
mod message_serde;
mod output;
mod payloads;
mod progress;
mod quorum;
mod raft;
mod raw_node;
mod read_only;
mod reads;
mod ready;
mod routine;
mod status;
mod storage;
mod tracker;
mod transfer;
mod types;
mod unstable;
mod validate;

pub use bugs::{Bug, Bugs};
pub use changer::{ChangeError, Changer};
pub use conf_change::{
    AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType,
    ConfChangeV2, Proposed,
};
pub use conf_change_codec::DecodeError;
pub use config::{Config, NO_LIMIT, Randomness};
pub use entries::Entries;
pub use error::{Error, Result};
pub use ids::{IdMap, IdSet};
pub use inflights::Inflights;
pub use log_view::LogView;
pub use logger::{Level, Logger, Silent};
pub use memory::MemoryStorage;
pub use message::{APPEND_THREAD, APPLY_THREAD, Attachment, Message, MessageType};
pub use progress::{Progress, ProgressState};
pub use quorum::{JointConfig, VoteResult};
pub use raw_node::{Peer, RawNode, SnapshotStatus};
pub use read_only::{ReadOnlyOption, ReadState};
pub use ready::Ready;
pub use status::{BasicStatus, Status};
pub use storage::{Storage, StorageError};
pub use tracker::{Config as GroupConfig, Tracker};
pub use types::{
    ConfState, Entry, EntryId, EntryType, HardState, NONE, NodeId, Role, Snapshot,
    SnapshotMetadata, SoftState,
};
