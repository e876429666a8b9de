//! Raft as etcd means it, as a pure state machine.
//!
//! A [`RawNode`] takes inputs (ticks, messages, proposals) and does nothing by itself: what is to
//! be written, sent and applied comes out as a [`Ready`]. It reads its log through a [`Storage`],
//! draws election timeouts from an injected [`Randomness`], and counts time in ticks.
//!
//! The caller's loop, for each input and then while [`RawNode::has_ready`]:
//!
//! 1. take [`RawNode::ready`];
//! 2. append `entries` and save `hard_state` (and `snapshot`, if any): to the log on disk, and to
//!    the [`Storage`] that the node reads; wait for the disk if `must_sync`;
//! 3. send `messages`; a leader may already have sent them while it wrote;
//! 4. apply `committed_entries` in order, with [`RawNode::apply_conf_change`] for each change of
//!    the configuration;
//! 5. [`RawNode::advance`].
//!
//! With [`Config::async_storage_writes`] steps 2 and 4 are messages to [`APPEND_THREAD`] and
//! [`APPLY_THREAD`], which overlap; see [`Ready`].
//!
//! What a real server would die of comes as [`Error::Fatal`] with the message that it would print;
//! such a node must be stopped. Broken contracts of the caller and broken invariants of ours panic.
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
//!     node.storage_mut().append(&ready.entries)?;
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
mod logger;
mod membership;
mod memory;
mod message;
mod progress;
mod quorum;
mod raft;
mod raw_node;
mod read_only;
mod reads;
mod ready;
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
pub use logger::{Level, Logger, Silent};
pub use memory::MemoryStorage;
pub use message::{APPEND_THREAD, APPLY_THREAD, Message, MessageType};
pub use progress::{Progress, ProgressState};
pub use quorum::{JointConfig, VoteResult};
pub use raw_node::{LogView, Peer, RawNode, SnapshotStatus};
pub use read_only::{ReadOnlyOption, ReadState};
pub use ready::Ready;
pub use status::{BasicStatus, Status};
pub use storage::{Storage, StorageError};
pub use tracker::{Config as GroupConfig, Tracker};
pub use types::{
    ConfState, Entry, EntryId, EntryType, HardState, NONE, NodeId, Role, Snapshot,
    SnapshotMetadata, SoftState,
};
