//! Answers as etcdctl prints them.

use ::etcd::datadir::{DataFile, SnapshotStatus};
use ::etcd::membership::Member;
use ::etcd::request::{
    Alarm, AlarmKind, DeleteRangeReply, Event, EventKind, KeyValue, LeaseKeepAliveReply,
    LeaseTimeToLiveReply, MemberChangeReply, OperationReply, PutReply, RangeReply, Reply,
    SnapshotReply, StatusReply, TxnReply,
};

use super::{Answer, AnswerBody};
use crate::scenario::{
    ClientCommand, LeaseCommand, Maintenance, MemberCommand, Node, Print, Txn, TxnRequest,
};

/// What etcdctl prints: standard output, or its error line.
pub fn print_reply(command: &ClientCommand, node: Node, answer: &Answer) -> Result<String, String> {
    match &answer.body {
        AnswerBody::Error(message) | AnswerBody::Unavailable(message) => {
            Err(format!("Error: {message}"))
        }
        AnswerBody::Etcd(reply) => print(command, node, reply),
    }
}

fn print(command: &ClientCommand, node: Node, reply: &Reply) -> Result<String, String> {
    Ok(match reply {
        Reply::Put(reply) => put(reply),
        Reply::Range(_) if is_health(command) => {
            format!("{node}:2379 is healthy: successfully committed proposal")
        }
        Reply::Range(reply) => range(asked(command), reply),
        Reply::DeleteRange(reply) => deleted(reply),
        Reply::Compact(_) => compacted(command),
        Reply::Txn(reply) => txn(command, reply),
        Reply::LeaseGrant(reply) => {
            format!("lease {:016x} granted with TTL({}s)", reply.id, reply.ttl)
        }
        Reply::LeaseRevoke(_) => format!("lease {:016x} revoked", lease_of(command)),
        Reply::LeaseKeepAlive(LeaseKeepAliveReply { id, ttl: 0, .. }) => {
            return Err(format!("lease {id:016x} expired or revoked."));
        }
        Reply::LeaseKeepAlive(reply) => {
            format!("lease {:016x} keepalived with TTL({})", reply.id, reply.ttl)
        }
        Reply::LeaseTimeToLive(reply) => time_to_live(command, reply),
        Reply::Leases(reply) => {
            let found = format!("found {} leases", reply.leases.len());
            lines(std::iter::once(found).chain(reply.leases.iter().map(|id| format!("{id:016x}"))))
        }
        Reply::MemberList(reply) => members(&reply.members),
        Reply::MemberChange(reply) => member_change(command, reply),
        Reply::MoveLeader(_) => moved(command, node),
        Reply::Status(reply) => status(node, reply),
        Reply::HashKv(reply) => format!("{node}:2379, {}", reply.hash_kv.hash),
        Reply::Hash(reply) => format!("{node}:2379, {}", reply.hash),
        Reply::Alarm(reply) => lines(reply.alarms.iter().map(alarm)),
        Reply::Defragment(_) => format!("Finished defragmenting etcd member[{node}:2379]"),
        Reply::Snapshot(reply) => return snapshot(reply),
    })
}

fn is_health(command: &ClientCommand) -> bool {
    matches!(command, ClientCommand::Maintenance(Maintenance::Health))
}

fn asked(command: &ClientCommand) -> Print {
    if let ClientCommand::Get(get) = command { get.print } else { Print::Both }
}

fn lease_of(command: &ClientCommand) -> i64 {
    if let ClientCommand::Lease(LeaseCommand::Revoke { id }) = command { *id } else { 0 }
}

fn put(reply: &PutReply) -> String {
    lines(std::iter::once("OK".to_owned()).chain(reply.prev_kv.iter().flat_map(key_and_value)))
}

fn deleted(reply: &DeleteRangeReply) -> String {
    let count = std::iter::once(reply.deleted.to_string());
    lines(count.chain(reply.prev_kvs.iter().flat_map(key_and_value)))
}

fn compacted(command: &ClientCommand) -> String {
    if let ClientCommand::Compact { revision, .. } = command {
        format!("compacted revision {revision}")
    } else {
        "compacted".to_owned()
    }
}

fn range(print: Print, reply: &RangeReply) -> String {
    match print {
        Print::Count => reply.count.to_string(),
        Print::Keys => lines(reply.kvs.iter().flat_map(|pair| [text(&pair.key), String::new()])),
        Print::Values => lines(reply.kvs.iter().map(|pair| text(&pair.value))),
        Print::Both => lines(reply.kvs.iter().flat_map(key_and_value)),
    }
}

fn txn(command: &ClientCommand, reply: &TxnReply) -> String {
    let head = if reply.succeeded { "SUCCESS" } else { "FAILURE" };
    let asked = if let ClientCommand::Txn(txn) = command { txn } else { &Txn::default() };
    let requests = if reply.succeeded { &asked.success } else { &asked.failure };
    let parts = reply.responses.iter().enumerate().flat_map(|(place, part)| {
        let request = requests.get(place);
        let print = if let Some(TxnRequest::Get(get)) = request { get.print } else { Print::Both };
        [String::new(), operation(print, part)]
    });
    lines(std::iter::once(head.to_owned()).chain(parts))
}

fn operation(print: Print, reply: &OperationReply) -> String {
    match reply {
        OperationReply::Put(reply) => put(reply),
        OperationReply::Range(reply) => range(print, reply),
        OperationReply::DeleteRange(reply) => deleted(reply),
        OperationReply::Txn(reply) => {
            if reply.succeeded {
                "SUCCESS".to_owned()
            } else {
                "FAILURE".to_owned()
            }
        }
    }
}

fn time_to_live(command: &ClientCommand, reply: &LeaseTimeToLiveReply) -> String {
    let LeaseTimeToLiveReply { id, ttl, granted_ttl, keys, .. } = reply;
    if *ttl < 0 {
        return format!("lease {id:016x} already expired");
    }
    let line = format!("lease {id:016x} granted with TTL({granted_ttl}s), remaining({ttl}s)");
    if matches!(command, ClientCommand::Lease(LeaseCommand::TimeToLive { keys: true, .. })) {
        let keys: Vec<String> = keys.iter().map(|key| text(key)).collect();
        return format!("{line}, attached keys([{}])", keys.join(" "));
    }
    line
}

fn member_change(command: &ClientCommand, reply: &MemberChangeReply) -> String {
    let cluster = reply.header.cluster_id;
    match (command, &reply.member) {
        (ClientCommand::Member(MemberCommand::Remove { node }), _) => {
            format!("Member {node} removed from cluster {cluster:x}")
        }
        (ClientCommand::Member(MemberCommand::Promote { node }), _) => {
            format!("Member {node} promoted in cluster {cluster:x}")
        }
        (_, Some(member)) => format!("Member {:x} added to cluster {cluster:x}", member.id),
        (_, None) => format!("Members of cluster {cluster:x} changed"),
    }
}

fn moved(command: &ClientCommand, from: Node) -> String {
    if let ClientCommand::MoveLeader(to) = command {
        format!("Leadership transferred from {from} to {to}")
    } else {
        format!("Leadership transferred from {from}")
    }
}

fn alarm(alarm: &Alarm) -> String {
    let kind = match alarm.kind {
        AlarmKind::None => "NONE",
        AlarmKind::NoSpace => "NOSPACE",
        AlarmKind::Corrupt => "CORRUPT",
    };
    format!("memberID:{} alarm:{kind} ", alarm.member_id)
}

/// An event of a watch as etcdctl prints it: kind, then what was before, then key and value.
pub fn print_event(event: &Event) -> String {
    let kind = match event.kind {
        EventKind::Put => "PUT",
        EventKind::Delete => "DELETE",
    };
    let before = event.prev_kv.iter().flat_map(key_and_value);
    lines(std::iter::once(kind.to_owned()).chain(before).chain(key_and_value(&event.kv)))
}

fn key_and_value(pair: &KeyValue) -> [String; 2] {
    [text(&pair.key), text(&pair.value)]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

fn members(members: &[Member]) -> String {
    lines(members.iter().map(|member| {
        let started = if member.name.is_empty() { "unstarted" } else { "started" };
        let peers = member.peer_urls.join(",");
        let clients = member.client_urls.join(",");
        let (id, name, learner) = (member.id, &member.name, member.is_learner);
        format!("{id:x}, {started}, {name}, {peers}, {clients}, {learner}")
    }))
}

fn status(node: Node, reply: &StatusReply) -> String {
    let StatusReply { header, version, raft_term, raft_index, raft_applied_index, .. } = reply;
    let (id, leads) = (header.member_id, reply.leader == header.member_id);
    let size = in_words(reply.db_size_bytes);
    let learner = reply.is_learner;
    let errors = reply.errors.join(", ");
    format!(
        "{node}:2379, {id:x}, {version}, {size}, {leads}, {learner}, {raft_term}, {raft_index}, \
         {raft_applied_index}, {errors}"
    )
}

/// The file's name in what is printed; the page has no files.
const SNAPSHOT_NAME: &str = "snapshot.db";

/// What `snapshot save` prints, then `snapshot status`: hash, revision, keys, size.
fn snapshot(reply: &SnapshotReply) -> Result<String, String> {
    let bytes = reply.blob.clone();
    let file = DataFile::new(SNAPSHOT_NAME, bytes, 0);
    let SnapshotStatus { hash, revision, total_keys, size } =
        SnapshotStatus::of(&file).map_err(|error| format!("Error: {error}"))?;
    let size = in_words(size);
    Ok(format!("Snapshot saved at {SNAPSHOT_NAME}\n{hash:x}, {revision}, {total_keys}, {size}"))
}

/// As go-humanize writes sizes: `20 kB`, two digits of precision below ten.
fn in_words(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut scale: u64 = 1;
    let mut unit = 0;
    while bytes / scale >= 1_000 && unit + 1 < units.len() {
        scale *= 1_000;
        unit += 1;
    }
    let tenths = (bytes * 10 + scale / 2) / scale;
    if unit == 0 || tenths >= 100 {
        return format!("{} {}", (bytes + scale / 2) / scale, units[unit]);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}
