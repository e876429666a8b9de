//! Messages between members, and between a member and its own storage threads.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::entries::Entries;
use crate::types::{HardState, NodeId, Snapshot};

/// The receiver of [`MessageType::StorageAppend`]: the local log.
pub const APPEND_THREAD: NodeId = u64::MAX;

/// The receiver of [`MessageType::StorageApply`]: the local state machine.
pub const APPLY_THREAD: NodeId = u64::MAX - 1;

/// Never comes from the network.
const LOCAL: u8 = 1;
/// An answer.
const RESPONSE: u8 = 2;
/// Of no term: on its way to the leader, or from this node's own caller.
pub(crate) const REQUEST: u8 = 4;
/// Vouches for something that must be durable first.
pub(crate) const PROMISE: u8 = 8;

/// What a message asks or answers, in the order of etcd's own numbers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum MessageType {
    /// Local: campaign.
    #[default]
    Hup,
    /// Local: send heartbeats.
    Beat,
    /// A proposal, forwarded to the leader.
    Prop,
    /// Entries from the leader.
    App,
    /// Answer to entries or to a snapshot.
    AppResp,
    /// A candidate asks for a vote.
    Vote,
    /// Answer to `Vote`.
    VoteResp,
    /// A snapshot from the leader.
    Snap,
    /// The leader is alive.
    Heartbeat,
    /// Answer to `Heartbeat`.
    HeartbeatResp,
    /// Local: the last message to a member did not arrive.
    Unreachable,
    /// Local: how sending a snapshot ended.
    SnapStatus,
    /// Local: the leader looks whether a quorum is still active.
    CheckQuorum,
    /// Hand leadership to `from`.
    TransferLeader,
    /// The leader asks its successor to campaign at once.
    TimeoutNow,
    /// A linearizable read wants an index.
    ReadIndex,
    /// Answer to `ReadIndex`.
    ReadIndexResp,
    /// A pre-candidate asks whether it would get a vote.
    PreVote,
    /// Answer to `PreVote`.
    PreVoteResp,
    /// Local: write entries, hard state or a snapshot, then deliver the responses.
    StorageAppend,
    /// Local: the write is durable.
    StorageAppendResp,
    /// Local: apply committed entries, then deliver the responses.
    StorageApply,
    /// Local: the entries were applied.
    StorageApplyResp,
    /// Local: a follower forgets its leader.
    ForgetLeader,
}

impl MessageType {
    /// Messages that never come from the network.
    #[inline]
    pub fn is_local(self) -> bool {
        self.is(LOCAL)
    }

    /// Answers, which a node outside the configuration must not give cause for.
    #[inline]
    pub fn is_response(self) -> bool {
        self.is(RESPONSE)
    }

    #[inline]
    pub(crate) fn is(self, kind: u8) -> bool {
        self.kinds() & kind != 0
    }

    /// What a message of the type is, as a set of bits.
    #[inline]
    const fn kinds(self) -> u8 {
        match self {
            Self::Hup
            | Self::Beat
            | Self::SnapStatus
            | Self::CheckQuorum
            | Self::StorageAppend
            | Self::StorageApply => LOCAL,
            Self::Prop | Self::TransferLeader | Self::ReadIndex | Self::ForgetLeader => REQUEST,
            Self::App
            | Self::Heartbeat
            | Self::Snap
            | Self::TimeoutNow
            | Self::Vote
            | Self::PreVote => 0,
            Self::AppResp | Self::VoteResp | Self::PreVoteResp => RESPONSE | PROMISE,
            Self::HeartbeatResp | Self::ReadIndexResp => RESPONSE,
            Self::Unreachable | Self::StorageAppendResp | Self::StorageApplyResp => {
                LOCAL | RESPONSE
            }
        }
    }

    /// etcd's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hup => "MsgHup",
            Self::Beat => "MsgBeat",
            Self::Prop => "MsgProp",
            Self::App => "MsgApp",
            Self::AppResp => "MsgAppResp",
            Self::Vote => "MsgVote",
            Self::VoteResp => "MsgVoteResp",
            Self::Snap => "MsgSnap",
            Self::Heartbeat => "MsgHeartbeat",
            Self::HeartbeatResp => "MsgHeartbeatResp",
            Self::Unreachable => "MsgUnreachable",
            Self::SnapStatus => "MsgSnapStatus",
            Self::CheckQuorum => "MsgCheckQuorum",
            Self::TransferLeader => "MsgTransferLeader",
            Self::TimeoutNow => "MsgTimeoutNow",
            Self::ReadIndex => "MsgReadIndex",
            Self::ReadIndexResp => "MsgReadIndexResp",
            Self::PreVote => "MsgPreVote",
            Self::PreVoteResp => "MsgPreVoteResp",
            Self::StorageAppend => "MsgStorageAppend",
            Self::StorageAppendResp => "MsgStorageAppendResp",
            Self::StorageApply => "MsgStorageApply",
            Self::StorageApplyResp => "MsgStorageApplyResp",
            Self::ForgetLeader => "MsgForgetLeader",
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One message. Which fields mean something depends on the type; the others are zero.
///
/// What few messages carry is kept apart, so that a message is moved in a few instructions: on its
/// way it is moved several times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "crate::message_serde::Read")]
pub struct Message {
    /// What the message asks or answers.
    pub msg_type: MessageType,
    /// The answer is no.
    pub reject: bool,
    /// The receiver.
    pub to: NodeId,
    /// The sender.
    pub from: NodeId,
    /// The sender's term; zero for local messages.
    pub term: u64,
    /// The term of the entry at `index`.
    pub log_term: u64,
    /// The entry before `entries`, the candidate's last entry, or what is acknowledged.
    pub index: u64,
    /// The sender's commit index.
    pub commit: u64,
    /// Where the sender guesses that the logs agree.
    pub reject_hint: u64,
    /// Entries to append, propose or apply.
    pub entries: Entries,
    /// What else the message carries.
    pub attachment: Option<Box<Attachment>>,
}

/// What few messages carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The round of reads that is being confirmed, or the kind of campaign.
    pub context: Bytes,
    /// The snapshot to install or to store.
    pub snapshot: Option<Snapshot>,
    /// The vote to store (`StorageAppend` only).
    pub vote: NodeId,
    /// What to deliver once a storage message was carried out.
    pub responses: Vec<Message>,
}

impl Message {
    /// A message of this type with every other field zero.
    #[inline]
    pub fn new(msg_type: MessageType) -> Self {
        Self { msg_type, ..Self::default() }
    }

    /// The message with this context; see [`Attachment`].
    #[must_use]
    pub fn with_context(mut self, context: impl Into<Bytes>) -> Self {
        self.set_context(context.into());
        self
    }

    pub(crate) fn set_context(&mut self, context: Bytes) {
        if !context.is_empty() {
            self.attachment.get_or_insert_default().context = context;
        }
    }

    /// The message with this snapshot.
    #[must_use]
    pub fn with_snapshot(mut self, snapshot: Snapshot) -> Self {
        self.attachment.get_or_insert_default().snapshot = Some(snapshot);
        self
    }

    /// The round of reads that is being confirmed, or the kind of campaign.
    pub fn context(&self) -> &[u8] {
        self.attachment.as_ref().map_or(&[], |attachment| &attachment.context)
    }

    /// The snapshot to install or to store.
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.attachment.as_ref()?.snapshot.as_ref()
    }

    /// What to deliver once a storage message was carried out.
    pub fn responses(&self) -> &[Message] {
        self.attachment.as_ref().map_or(&[], |attachment| &attachment.responses)
    }

    /// Takes what is to be delivered once a storage message was carried out.
    pub fn take_responses(&mut self) -> Vec<Message> {
        let attachment = self.attachment.as_mut();
        attachment.map(|attachment| std::mem::take(&mut attachment.responses)).unwrap_or_default()
    }

    /// The hard state that a [`MessageType::StorageAppend`] wants stored, if any.
    pub fn hard_state(&self) -> Option<HardState> {
        let vote = self.attachment.as_ref().map_or(0, |attachment| attachment.vote);
        let state = HardState { term: self.term, vote, commit: self.commit };
        (!state.is_empty()).then_some(state)
    }

    /// Whether the receiver is one of the local storage threads.
    pub fn is_to_local_thread(&self) -> bool {
        is_local_thread(self.to)
    }
}

/// Whether the id names a storage thread rather than a member.
pub(crate) fn is_local_thread(id: NodeId) -> bool {
    id == APPEND_THREAD || id == APPLY_THREAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_moved_without_a_call() {
        assert!(size_of::<Message>() <= 128, "that much the compiler copies in place");
    }
}
