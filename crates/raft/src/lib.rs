//! Raft as etcd means it, as a pure state machine.

mod conf_change;
mod conf_change_codec;
mod message;
mod types;

pub use conf_change::{
    AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2,
};
pub use conf_change_codec::DecodeError;
pub use message::{APPEND_THREAD, APPLY_THREAD, Message, MessageType};
pub use types::{
    ConfState, Entry, EntryId, EntryType, HardState, NONE, NodeId, Role, Snapshot,
    SnapshotMetadata, SoftState,
};
