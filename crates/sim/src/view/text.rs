//! The world in words: messages, events, bytes.

use std::fmt::Write as _;

use bytes::Bytes;
use etcd::proto::{LoggedRequest, raftpb};
use prost::Message as _;

use super::cluster::{LogLine, MessageClass, Outcome, Tone};
use crate::machine::{Message, ServerEvent};
use crate::network::MessageKind;
use crate::scenario::{Action, Fault, Node};
use crate::trace::{Record, Trace, TraceEvent};

/// The newest events that are worth a line, oldest first.
pub(super) fn log_lines(trace: &Trace, lines: usize) -> Vec<LogLine> {
    let notable = trace.notable();
    let skipped = notable.len().saturating_sub(lines);
    notable.skip(skipped).filter_map(line).collect()
}

/// Whether people want to read of it.
pub(crate) fn is_notable(what: &TraceEvent) -> bool {
    words(what).is_some()
}

fn line(record: &Record) -> Option<LogLine> {
    let Words { node, tone, text } = words(&record.what)?;
    Some(LogLine { event: record.event, at_ns: record.at_ns, node, tone, text })
}

struct Words {
    node: Option<Node>,
    tone: Tone,
    text: String,
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside arms that have nothing to say")]
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
        TraceEvent::DiskTouched { node, ok: false } => {
            of(*node, Tone::Plain, "there is no such place on the disk")
        }
        TraceEvent::Flipped { node, ok: false } => {
            of(*node, Tone::Plain, "there is no such byte to flip")
        }
        TraceEvent::Ended { request, outcome: Outcome::Unknown, .. } => Some(Words {
            node: None,
            tone: Tone::Undecided,
            text: format!("nobody knows whether request {request} happened"),
        }),
        TraceEvent::WatchBroken { watcher } => Some(Words {
            node: None,
            tone: Tone::Plain,
            text: format!("watch {watcher} has lost its server and looks for another"),
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
        | TraceEvent::Judged { .. }
        | TraceEvent::DiskTouched { ok: true, .. }
        | TraceEvent::WatchOpened { .. }
        | TraceEvent::WatchHeard { .. } => None,
    }
}

fn power_cut(survived: u64, lost: u64) -> String {
    match (survived, lost) {
        (0, 0) => "loses power; everything was synced".to_owned(),
        (0, 1) => "loses power and 1 write that was not synced".to_owned(),
        (0, lost) => format!("loses power and {lost} writes that were not synced"),
        (survived, lost) => {
            format!("loses power and {lost} of {} unsynced writes", survived + lost)
        }
    }
}

fn acted(action: &Action) -> Option<Words> {
    let tone = match action {
        Action::Client(_) | Action::Expect(_) => return None,
        Action::Fault(Fault::Reload(_) | Fault::Chaos(_)) | Action::Load(_) => Tone::Plain,
        Action::Fault(fault) if fault.breaks() => Tone::Broken,
        Action::Bug(_) => Tone::Broken,
        Action::Fault(_) => Tone::Agreed,
    };
    Some(Words { node: None, tone, text: action.to_string() })
}

fn told(node: Node, event: &etcd::server::ServerEvent) -> Option<Words> {
    use etcd::server::ServerEvent as Event;
    match event {
        Event::Repaired { segment } => {
            of(node, Tone::Agreed, format!("cuts a torn record off {segment}"))
        }
        Event::Booted { replayed_entries, last_index, .. } if *replayed_entries > 0 => of(
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
        Event::CorruptionFound { member } => of(
            node,
            Tone::Broken,
            format!("finds that member {member:x} has another history, and raises the alarm"),
        ),
        Event::SegmentCut { segment } => of(node, Tone::Plain, format!("begins {segment}")),
        Event::CompactionFinished { revision } => {
            of(node, Tone::Plain, format!("forgot what was before revision {revision}"))
        }
        Event::CompactionBatch { .. }
        | Event::SnapshotLoaded { .. }
        | Event::SnapshotBroken { .. }
        | Event::OrphanRemoved { .. }
        | Event::SnapshotTaken { .. }
        | Event::SnapshotSaved { .. }
        | Event::LogCompacted { .. }
        | Event::FilePurged { .. }
        | Event::SnapshotSent { .. }
        | Event::SnapshotSendEnded { .. }
        | Event::SnapshotReceived { .. }
        | Event::SnapshotInstalled { .. } => told_of_snapshot(node, event),
        Event::Booted { .. }
        | Event::BecameRole { role: raft::Role::Follower, .. }
        | Event::LeaderChanged { .. }
        | Event::Proposed { .. }
        | Event::Appended { .. }
        | Event::Synced { .. }
        | Event::Committed { .. }
        | Event::Applied { .. }
        | Event::StoreRestored { .. }
        | Event::Ready => None,
    }
}

/// What a server does with snapshots, and what it gives up for them.
#[allow(clippy::wildcard_enum_match_arm, reason = "the caller has sorted the events")]
fn told_of_snapshot(node: Node, event: &etcd::server::ServerEvent) -> Option<Words> {
    use etcd::server::ServerEvent as Event;
    let (tone, text) = match event {
        Event::SnapshotLoaded { index, .. } => {
            (Tone::Agreed, format!("begins with its snapshot of entry {index}"))
        }
        Event::SnapshotBroken { file, reason } => {
            (Tone::Broken, format!("puts {file} aside: {reason}"))
        }
        Event::OrphanRemoved { file } => (Tone::Plain, format!("removes the leftover {file}")),
        Event::SnapshotTaken { index, .. } => {
            (Tone::Plain, format!("takes a snapshot at entry {index}"))
        }
        Event::SnapshotSaved { index, .. } => {
            (Tone::Agreed, format!("has its snapshot of entry {index} on disk"))
        }
        Event::LogCompacted { index } => {
            (Tone::Plain, format!("forgets log entries up to {index}"))
        }
        Event::FilePurged { file } => (Tone::Plain, format!("purges {file}")),
        Event::SnapshotSent { index, bytes, .. } => {
            (Tone::Undecided, format!("sends all it has, {bytes} bytes, as of entry {index}"))
        }
        Event::SnapshotSendEnded { ok: true, .. } => {
            (Tone::Agreed, "hears that its snapshot arrived".to_owned())
        }
        Event::SnapshotSendEnded { ok: false, .. } => {
            (Tone::Broken, "gives up on a snapshot that it sent".to_owned())
        }
        Event::SnapshotReceived { index, .. } => {
            (Tone::Undecided, format!("receives a snapshot of entry {index}"))
        }
        Event::SnapshotInstalled { index, revision } => (
            Tone::Agreed,
            format!("goes on from the leader's snapshot of entry {index}, revision {revision}"),
        ),
        _ => return None,
    };
    of(node, tone, text)
}

/// Class, kind, term and a few words.
pub(super) fn message(message: &Message) -> (MessageClass, String, u64, String) {
    let kind = message.kind();
    let message = match message {
        Message::Etcd(message) => message,
        Message::EtcdRemoved => {
            let label = "410 Gone: the member was removed".to_owned();
            return (MessageClass::Other, "Removed".to_owned(), 0, label);
        }
        Message::EtcdSnapshot(snapshot) => {
            let kind = snapshot.message.msg_type.name().to_owned();
            let label = snapshot_label(snapshot);
            return (MessageClass::Append, kind, snapshot.message.term, label);
        }
        Message::EtcdSnapshotStatus(status) => {
            let label = if status.is_saved { "snapshot saved" } else { "snapshot refused" };
            return (MessageClass::AppendResponse, "SnapStatus".to_owned(), 0, label.to_owned());
        }
        Message::EtcdHash(message) => {
            let (kind, label) = hash_label(message);
            return (MessageClass::Other, kind.to_owned(), 0, label);
        }
    };
    (class(kind), message.msg_type.name().to_owned(), message.term, label(message))
}

fn hash_label(message: &etcd::server::HashMessage) -> (&'static str, String) {
    use etcd::server::HashSays;
    let revision = message.revision;
    match message.says {
        HashSays::Ask => ("HashKV", format!("hash of the history up to revision {revision}?")),
        HashSays::Is(found) => ("HashKVResp", format!("{:08x}", found.hash)),
        HashSays::Refused => ("HashKVResp", format!("no hash of revision {revision}")),
    }
}

fn snapshot_label(snapshot: &etcd::server::SnapshotMessage) -> String {
    let index = snapshot.message.snapshot().map_or(0, |snapshot| snapshot.metadata.index);
    format!("entries up to {index}, {} bytes of backend", snapshot.database.len())
}

fn class(kind: MessageKind) -> MessageClass {
    match kind {
        MessageKind::Vote | MessageKind::VoteResponse => MessageClass::Vote,
        MessageKind::Append | MessageKind::Snapshot => MessageClass::Append,
        MessageKind::AppendResponse => MessageClass::AppendResponse,
        MessageKind::Heartbeat | MessageKind::HeartbeatResponse => MessageClass::Heartbeat,
        MessageKind::Proposal => MessageClass::Proposal,
        MessageKind::Read => MessageClass::Read,
        MessageKind::Other => MessageClass::Other,
    }
}

fn label(message: &raft::Message) -> String {
    use raft::MessageType as Type;
    let answer = if message.reject { "no" } else { "yes" };
    match message.msg_type {
        Type::App => match &message.entries[..] {
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

/// Longest text of a value in a picture.
const EXCERPT_BYTES: usize = 256;

/// Bytes as text: what is not printable becomes `\xNN`, what is long is cut.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EXCERPT_BYTES)];
    let mut text = String::with_capacity(shown.len());
    for chunk in shown.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    if bytes.len() > shown.len() {
        let _ = write!(text, "… ({} bytes)", bytes.len());
    }
    text
}

/// Kind and summary of an entry: `put`, `put user/7 = 42`.
pub(super) fn logged(entry_type: i32, data: Option<&Bytes>) -> (String, String) {
    let nothing = Bytes::new();
    let data = data.unwrap_or(&nothing);
    let (kind, summary) = match entry_type {
        0 => return request(data),
        1 => ("conf change", conf_change(data)),
        _ => ("conf change", "a change of members".to_owned()),
    };
    (kind.to_owned(), summary)
}

fn conf_change(data: &Bytes) -> String {
    match raftpb::ConfChange::decode(data.clone()) {
        Ok(change) => format!("add member {:x}", change.node_id),
        Err(_) => "a change of members".to_owned(),
    }
}

fn request(data: &Bytes) -> (String, String) {
    let said = |kind: &str, summary: String| (kind.to_owned(), summary);
    let Ok(logged) = LoggedRequest::decode(data) else { return said("?", excerpt(data)) };
    let request = match &logged {
        LoggedRequest::Empty => return said("empty", "a new leader's first entry".to_owned()),
        LoggedRequest::V2(_) => return said("v2", logged.to_string()),
        LoggedRequest::V3(request) => request,
    };
    if let Some(put) = &request.put {
        return said("put", format!("put {} = {}", excerpt(&put.key), excerpt(&put.value)));
    }
    if let Some(delete) = &request.delete_range {
        let end = match delete.range_end.len() {
            0 => String::new(),
            _ => format!(" up to {}", excerpt(&delete.range_end)),
        };
        return said("delete", format!("delete {}{end}", excerpt(&delete.key)));
    }
    if let Some(compaction) = &request.compaction {
        return said("compact", format!("compact {}", compaction.revision));
    }
    said("request", excerpt(logged.to_string().as_bytes()))
}
