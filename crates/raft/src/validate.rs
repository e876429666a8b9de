//! Messages from other machines that make no sense, found before they change anything.
//!
//! The core trusts that members follow the protocol, as upstream does; what is refused here would
//! break its own invariants, whoever sent it.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "each role ignores the types of messages that are not for it"
)]

use crate::error::{Error, Result};
use crate::message::{Message, MessageType};

/// Indexes and terms beyond this are damage: one a nanosecond would take three centuries.
const MAX_NUMBER: u64 = u64::MAX / 2;

pub(crate) fn check(message: &Message) -> Result<()> {
    check_numbers(message)?;
    check_term(message)?;
    match message.msg_type {
        MessageType::App => check_entries(message),
        MessageType::Prop if message.entries.is_empty() => refuse("no entries"),
        MessageType::ReadIndex if message.entries.len() != 1 => refuse("not one context"),
        _ => Ok(()),
    }
}

fn refuse(what: impl Into<String>) -> Result<()> {
    Err(Error::InvalidMessage(what.into()))
}

fn check_numbers(message: &Message) -> Result<()> {
    let snapshot = message.snapshot.as_ref().map(|snapshot| snapshot.id()).unwrap_or_default();
    let numbers = [
        message.term,
        message.log_term,
        message.index,
        message.commit,
        message.reject_hint,
        snapshot.term,
        snapshot.index,
    ];
    if numbers.iter().any(|number| *number > MAX_NUMBER) {
        return refuse("index or term out of range");
    }
    Ok(())
}

/// What is forwarded to the leader or comes from this node is of no term; all else is of one.
fn check_term(message: &Message) -> Result<()> {
    let may_lack_term = message.msg_type.is_local()
        || matches!(
            message.msg_type,
            MessageType::Prop
                | MessageType::ReadIndex
                | MessageType::TransferLeader
                | MessageType::ForgetLeader
        );
    if message.term == 0 && !may_lack_term {
        return refuse(format!("{} without a term", message.msg_type));
    }
    Ok(())
}

fn check_entries(message: &Message) -> Result<()> {
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
