//! Messages from other machines that make no sense, found before they change anything.
//!
//! The core trusts that members follow the protocol, as upstream does; what is refused here would
//! break its own invariants, whoever sent it.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "few types of messages have a form of their own"
)]

use crate::changer;
use crate::conf_change::ConfChangeV2;
use crate::error::{Error, Result};
use crate::message::{Message, MessageType, PROMISE, REQUEST, is_local_thread};
use crate::tracker::Tracker;
use crate::types::{ConfState, NONE, NodeId, Snapshot};

/// Indexes and terms beyond this are damage: one a nanosecond would take three centuries.
pub(crate) const MAX_NUMBER: u64 = u64::MAX / 2;

/// Members of a group, or changes in one step, beyond this are damage.
const MAX_MEMBERS: usize = 1024;

pub(crate) fn check(message: &Message) -> Result<()> {
    check_numbers(message)?;
    check_term(message)?;
    match message.msg_type {
        MessageType::App => check_entries(message),
        MessageType::Snap => message.snapshot().map_or(Ok(()), |snapshot| {
            check_snapshot(snapshot, message.term)?;
            check_conf_state(&snapshot.metadata.conf_state)
        }),
        MessageType::Prop if message.entries.is_empty() => refuse("no entries"),
        MessageType::ReadIndex if message.entries.len() != 1 => refuse("not one context"),
        _ => Ok(()),
    }
}

#[cold]
pub(crate) fn refuse(what: impl Into<String>) -> Result<()> {
    Err(Error::InvalidMessage(what.into()))
}

#[cold]
fn refuse_type(msg_type: MessageType, what: &str) -> Result<()> {
    refuse(format!("{msg_type} {what}"))
}

fn check_numbers(message: &Message) -> Result<()> {
    let snapshot = message.snapshot().map(Snapshot::id).unwrap_or_default();
    if !are_numbers_in_range(message) || snapshot.term.max(snapshot.index) > MAX_NUMBER {
        return refuse("index or term out of range");
    }
    Ok(())
}

/// Whether all of a message's own numbers are possible.
#[inline]
pub(crate) fn are_numbers_in_range(message: &Message) -> bool {
    let Message { term, log_term, index, commit, reject_hint, .. } = message;
    // One too large sets the top bit, whichever it is.
    (term | log_term | index | commit | reject_hint) <= MAX_NUMBER
}

/// What is forwarded to the leader or comes from this node is of no term; all else is of one.
fn check_term(message: &Message) -> Result<()> {
    let msg_type = message.msg_type;
    if message.term == 0 && !msg_type.is_local() && !msg_type.is(REQUEST) {
        return refuse_type(msg_type, "without a term");
    }
    Ok(())
}

#[inline]
pub(crate) fn check_entries(message: &Message) -> Result<()> {
    let mut term = message.log_term;
    for (entry, index) in message.entries.iter().zip(message.index + 1..) {
        if entry.index != index {
            return refuse(format!("entry {} where {index} was expected", entry.index));
        }
        if entry.term < term || entry.term > message.term {
            return refuse(format!("entry {index} has term {} after {term}", entry.term));
        }
        term = entry.term;
    }
    Ok(())
}

/// Nobody's message, or one that claims to be from this node itself, must not be answered.
pub(crate) fn check_sender(message: &Message, id: NodeId, is_async: bool) -> Result<()> {
    let msg_type = message.msg_type;
    if msg_type.is(REQUEST) {
        return Ok(());
    }
    // What waits for a write comes back through the storage thread; nobody refuses himself.
    let waited_for_write = msg_type.is(PROMISE) && !message.reject;
    match message.from {
        NONE => refuse_type(msg_type, "without a sender"),
        from if from == id && !(is_async && waited_for_write) => {
            refuse_type(msg_type, "from this node itself")
        }
        _ => Ok(()),
    }
}

fn check_snapshot(snapshot: &Snapshot, term: u64) -> Result<()> {
    let id = snapshot.id();
    if id.index > 0 && (id.term == 0 || id.term > term) {
        return refuse(format!("a snapshot at {} of term {}", id.index, id.term));
    }
    Ok(())
}

/// An empty configuration passes: nobody is in it, and so nobody takes the snapshot.
fn check_conf_state(state: &ConfState) -> Result<()> {
    let members = [&state.voters, &state.learners, &state.voters_outgoing, &state.learners_next];
    if members.iter().map(|ids| ids.len()).sum::<usize>() > MAX_MEMBERS {
        return refuse("a configuration of too many members");
    }
    if members.iter().any(|ids| ids.iter().any(|id| is_local_thread(*id))) {
        return refuse("a configuration with a storage thread");
    }
    let (config, _) = changer::restore(Tracker::default(), 0, state)
        .map_err(|error| Error::InvalidMessage(error.to_string()))?;
    if !config.conf_state().is_equivalent(state) {
        return refuse("a configuration that contradicts itself");
    }
    Ok(())
}

/// A proposed change must be one that could be made of some configuration.
pub(crate) fn check_change(change: &ConfChangeV2) -> Result<()> {
    if change.changes.len() > MAX_MEMBERS {
        return refuse("too many changes in one step");
    }
    if change.changes.iter().any(|single| is_local_thread(single.node_id)) {
        return refuse("a change of a storage thread");
    }
    Ok(())
}
