//! What a group does most of the time: one leader, its followers, one term. Messages of this kind
//! take the short way to their handlers; it does what the long way ([`Raft::step`]) would do.

#![allow(clippy::wildcard_enum_match_arm, reason = "all other types of messages take the long way")]

use crate::config::Randomness;
use crate::error::Result;
use crate::logger::Logger;
use crate::message::{Message, MessageType};
use crate::raft::Raft;
use crate::storage::Storage;
use crate::types::{NONE, Role};
use crate::validate;

/// A routine message, as far as it is known before it is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Routine {
    /// Entries from the leader.
    Append,
    /// The leader is alive.
    Heartbeat,
    /// The member in this slot has entries.
    Acknowledgement(usize),
    /// The member in this slot heard that the leader is alive.
    HeartbeatAnswer(usize),
}

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    /// What the message is, if it is routine: of the current term, from a follower to its leader or
    /// the other way, and neither its fields nor anything attached need a closer look.
    #[inline]
    pub(crate) fn routine(&self, message: &Message) -> Option<Routine> {
        let is_plain = message.term == self.term
            && self.term != 0
            && message.attachment.is_none()
            && validate::are_numbers_in_range(message);
        if !is_plain {
            return None;
        }
        let is_leaders = message.from == self.lead && self.lead != NONE;
        match (self.role, message.msg_type) {
            (Role::Leader, MessageType::AppResp) if !message.reject => {
                self.tracker.progress.slot_of(message.from).map(Routine::Acknowledgement)
            }
            (Role::Leader, MessageType::HeartbeatResp) => {
                self.tracker.progress.slot_of(message.from).map(Routine::HeartbeatAnswer)
            }
            (Role::Follower, MessageType::App) if is_leaders => Some(Routine::Append),
            (Role::Follower, MessageType::Heartbeat) if is_leaders => Some(Routine::Heartbeat),
            _ => None,
        }
    }

    /// Takes a message that was found to be routine.
    #[inline]
    pub(crate) fn step_routine(&mut self, kind: Routine, message: &mut Message) -> Result<()> {
        match kind {
            Routine::Append => {
                validate::check_entries(message)?;
                self.handle_append(message)
            }
            Routine::Heartbeat => self.handle_heartbeat(message),
            Routine::Acknowledgement(slot) => self.handle_append_accepted(slot, message),
            Routine::HeartbeatAnswer(slot) => self.handle_heartbeat_response(slot, message),
        }
    }
}
