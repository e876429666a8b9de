//! The world in words: messages, events, bytes.

use super::cluster::{LogLine, MessageClass, Outcome, Tone};
use crate::machine::{Message, ServerEvent};
use crate::scenario::{Action, Fault, Node};
use crate::trace::{Record, Trace, TraceEvent};

/// The newest events that are worth a line, oldest first.
pub(super) fn log_lines(trace: &Trace, lines: usize) -> Vec<LogLine> {
    let mut newest: Vec<LogLine> =
        trace.latest().take(LOOK_BACK).filter_map(line).take(lines).collect();
    newest.reverse();
    newest
}

/// A quiet cluster is not searched to its beginning for every picture.
const LOOK_BACK: usize = 4_096;

fn line(record: &Record) -> Option<LogLine> {
    let Words { node, tone, text } = words(&record.what)?;
    Some(LogLine { event: record.event, at_ns: record.at_ns, node, tone, text })
}

struct Words {
    node: Option<Node>,
    tone: Tone,
    text: String,
}

fn of(node: Node, tone: Tone, text: impl Into<String>) -> Option<Words> {
    Some(Words { node: Some(node), tone, text: text.into() })
}

/// What people want to read of an event; most are for the fingerprint alone.
fn words(what: &TraceEvent) -> Option<Words> {
    match what {
        TraceEvent::Acted(action) => acted(action),
        TraceEvent::Told(node, ServerEvent::Etcd(event)) => told(*node, event),
        TraceEvent::Booted(node, 1) => of(*node, Tone::Plain, "starts"),
        TraceEvent::Booted(node, boots) => {
            of(*node, Tone::Plain, format!("starts again, boot {boots}"))
        }
        TraceEvent::PowerCut { node, survived, lost } => {
            of(*node, Tone::Broken, power_cut(*survived, *lost))
        }
        TraceEvent::Died(node, reason) => of(*node, Tone::Broken, format!("stops: {reason}")),
        TraceEvent::Flipped { node, ok: true } => of(*node, Tone::Broken, "a bit rots on the disk"),
        TraceEvent::Flipped { node, ok: false } => {
            of(*node, Tone::Plain, "there is no such byte to flip")
        }
        TraceEvent::Ended { request, outcome: Outcome::Unknown, .. } => Some(Words {
            node: None,
            tone: Tone::Undecided,
            text: format!("nobody knows whether request {request} happened"),
        }),
        TraceEvent::Ticked(_)
        | TraceEvent::SyncIssued(..)
        | TraceEvent::Synced(..)
        | TraceEvent::Sent { .. }
        | TraceEvent::Delivered { .. }
        | TraceEvent::Lost { .. }
        | TraceEvent::Unreachable(..)
        | TraceEvent::Requested { .. }
        | TraceEvent::Received(..)
        | TraceEvent::Replied(..)
        | TraceEvent::Ended { .. }
        | TraceEvent::Judged { .. } => None,
    }
}

fn power_cut(survived: u64, lost: u64) -> String {
    match (survived, lost) {
        (0, 0) => "loses power; everything was synced".to_owned(),
        (0, lost) => format!("loses power and {lost} writes that were not synced"),
        (survived, lost) => {
            format!("loses power and {lost} of {} unsynced writes", survived + lost)
        }
    }
}

fn acted(action: &Action) -> Option<Words> {
    let tone = match action {
        Action::Client(_) | Action::Expect(_) => return None,
        Action::Fault(Fault::Heal | Fault::Restart { .. }) => Tone::Agreed,
        Action::Fault(Fault::Reload) | Action::Load(_) => Tone::Plain,
        Action::Fault(_) => Tone::Broken,
    };
    Some(Words { node: None, tone, text: action.to_string() })
}

fn told(node: Node, event: &etcd::server::ServerEvent) -> Option<Words> {
    use etcd::server::ServerEvent as Event;
    match event {
        Event::Repaired { segment } => {
            of(node, Tone::Agreed, format!("cuts a torn record off {segment}"))
        }
        Event::Booted { replayed_entries: 0, .. } => None,
        Event::Booted { replayed_entries, last_index, .. } => of(
            node,
            Tone::Agreed,
            format!("reads {replayed_entries} entries from its log, up to {last_index}"),
        ),
        Event::BecameRole { role: raft::Role::Leader, term } => {
            of(node, Tone::Agreed, format!("leads in term {term}"))
        }
        Event::BecameRole { role: raft::Role::Candidate, term } => {
            of(node, Tone::Undecided, format!("asks for votes in term {term}"))
        }
        Event::BecameRole { role: raft::Role::PreCandidate, .. } => {
            of(node, Tone::Undecided, "asks whether it would be elected")
        }
        Event::SegmentCut { segment } => of(node, Tone::Plain, format!("begins {segment}")),
        Event::CompactionFinished { revision } => {
            of(node, Tone::Plain, format!("forgot what was before revision {revision}"))
        }
        Event::BecameRole { role: raft::Role::Follower, .. }
        | Event::LeaderChanged { .. }
        | Event::Proposed { .. }
        | Event::Appended { .. }
        | Event::Synced { .. }
        | Event::Committed { .. }
        | Event::Applied { .. }
        | Event::Ready => None,
    }
}

/// Class, kind, term and a few words.
pub(super) fn message(message: &Message) -> (MessageClass, String, u64, String) {
    let Message::Etcd(message) = message;
    let kind = message.msg_type;
    (class(kind), kind.name().to_owned(), message.term, label(message))
}

fn class(kind: raft::MessageType) -> MessageClass {
    use raft::MessageType as Type;
    match kind {
        Type::Vote | Type::VoteResp | Type::PreVote | Type::PreVoteResp => MessageClass::Vote,
        Type::App | Type::Snap => MessageClass::Append,
        Type::AppResp => MessageClass::AppendResponse,
        Type::Heartbeat | Type::HeartbeatResp => MessageClass::Heartbeat,
        Type::Prop => MessageClass::Proposal,
        Type::ReadIndex | Type::ReadIndexResp => MessageClass::Read,
        Type::Hup
        | Type::Beat
        | Type::Unreachable
        | Type::SnapStatus
        | Type::CheckQuorum
        | Type::TransferLeader
        | Type::TimeoutNow
        | Type::StorageAppend
        | Type::StorageAppendResp
        | Type::StorageApply
        | Type::StorageApplyResp
        | Type::ForgetLeader => MessageClass::Other,
    }
}

fn label(message: &raft::Message) -> String {
    use raft::MessageType as Type;
    let answer = if message.reject { "no" } else { "yes" };
    match message.msg_type {
        Type::App => match message.entries.as_slice() {
            [] => {
                format!("after {}/{}, commit {}", message.log_term, message.index, message.commit)
            }
            [one] => format!("entry {}/{}", one.term, one.index),
            [first, .., last] => format!("entries {} to {}", first.index, last.index),
        },
        Type::AppResp if message.reject => format!("no: {} does not fit", message.index),
        Type::AppResp => format!("holds up to {}", message.index),
        Type::Vote | Type::PreVote => {
            format!("term {}, log ends {}/{}", message.term, message.log_term, message.index)
        }
        Type::VoteResp | Type::PreVoteResp => format!("{answer}, term {}", message.term),
        Type::Heartbeat => format!("term {}, commit {}", message.term, message.commit),
        Type::Prop => format!("{} to propose", message.entries.len()),
        Type::ReadIndexResp => format!("read at {}", message.index),
        Type::Hup
        | Type::Beat
        | Type::Snap
        | Type::HeartbeatResp
        | Type::Unreachable
        | Type::SnapStatus
        | Type::CheckQuorum
        | Type::TransferLeader
        | Type::TimeoutNow
        | Type::ReadIndex
        | Type::StorageAppend
        | Type::StorageAppendResp
        | Type::StorageApply
        | Type::StorageApplyResp
        | Type::ForgetLeader => format!("term {}", message.term),
    }
}
