//! What a group does most of the time: one leader, its followers, one term. Messages of this kind
//! take the short way to their handlers; it does what the long way ([`Raft::step`]) would do.

use crate::config::Randomness;
use crate::error::Result;
use crate::logger::Logger;
use crate::message::{Message, MessageType, ROUTINE};
use crate::raft::Raft;
use crate::storage::Storage;
use crate::types::Role;
use crate::validate;

impl<S: Storage, R: Randomness, L: Logger> Raft<S, R, L> {
    /// The slot of who sent the message, if it is routine: of the current term and from a member,
    /// and neither its fields nor anything attached need a closer look.
    #[inline]
    pub(crate) fn sender_of_routine(&self, message: &Message) -> Option<usize> {
        let is_routine = message.msg_type.is(ROUTINE)
            && message.term == self.term
            && self.term != 0
            && message.attachment.is_none()
            && validate::are_numbers_in_range(message);
        if is_routine { self.tracker.progress.slot_of(message.from) } else { None }
    }

    /// Takes a routine message from the member in this slot.
    #[inline]
    pub(crate) fn step_routine(&mut self, slot: usize, message: &mut Message) -> Result<()> {
        if message.msg_type == MessageType::App {
            validate::check_entries(message)?;
        }
        match self.role {
            Role::Leader => self.step_leader_about_member(slot, message),
            Role::Follower => self.step_follower(message),
            Role::Candidate | Role::PreCandidate => self.step_candidate(message),
        }
    }
}
