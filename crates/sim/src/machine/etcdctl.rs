//! Answers as etcdctl prints them.

use ::etcd::request::{
    Alarm, AlarmKind, KeyValue, LeaseTimeToLiveReply, MemberChangeReply, MemberListReply,
    OperationReply, RangeReply, Reply, StatusReply, TxnReply,
};

use super::{Answer, AnswerBody};
use crate::scenario::{ClientCommand, Get, Node};

/// What etcdctl prints: standard output, or its error line.
pub fn print_reply(command: &ClientCommand, node: Node, answer: &Answer) -> Result<String, String> {
    match &answer.body {
        AnswerBody::Error(message) => Err(format!("Error: {message}")),
        AnswerBody::Etcd(reply) => Ok(match reply {
            Reply::Put(_) => "OK".to_owned(),
            Reply::Range(reply) => range(command, reply),
            Reply::DeleteRange(reply) => reply.deleted.to_string(),
            Reply::Compact(_) => compacted(command),
            Reply::MemberList(reply) => members(reply),
            Reply::Status(reply) => status(node, reply),
            Reply::HashKv(reply) => reply.hash_kv.hash.to_string(),
            Reply::Txn(reply) => txn(reply),
            Reply::LeaseGrant(reply) => {
                format!("lease {:016x} granted with TTL({}s)", reply.id, reply.ttl)
            }
            Reply::LeaseRevoke(_) => "revoked".to_owned(),
            Reply::LeaseKeepAlive(reply) if reply.ttl > 0 => {
                format!("lease {:016x} keepalived with TTL({})", reply.id, reply.ttl)
            }
            Reply::LeaseKeepAlive(reply) => {
                format!("lease {:016x} expired or revoked.", reply.id)
            }
            Reply::LeaseTimeToLive(reply) => time_to_live(reply),
            Reply::Leases(reply) => {
                let ids = reply.leases.iter().map(|id| format!("{id:016x}"));
                lines([format!("found {} leases", reply.leases.len())].into_iter().chain(ids))
            }
            Reply::Alarm(reply) => lines(reply.alarms.iter().map(alarm)),
            Reply::Defragment(_) => format!("Finished defragmenting etcd member[{node}:2379]"),
            Reply::Hash(reply) => reply.hash.to_string(),
            Reply::MemberChange(reply) => member_change(reply),
            Reply::MoveLeader(_) => "Leadership transferred".to_owned(),
        }),
    }
}

/// A transaction's branch, then what each operation gave, an empty line before each.
fn txn(reply: &TxnReply) -> String {
    let branch = if reply.succeeded { "SUCCESS" } else { "FAILURE" }.to_owned();
    let answers = reply.responses.iter().flat_map(|operation| {
        let text = match operation {
            OperationReply::Range(reply) => lines(reply.kvs.iter().flat_map(key_and_value)),
            OperationReply::Put(_) => "OK".to_owned(),
            OperationReply::DeleteRange(reply) => reply.deleted.to_string(),
            OperationReply::Txn(reply) => txn(reply),
        };
        [String::new(), text]
    });
    lines([branch].into_iter().chain(answers))
}

fn time_to_live(reply: &LeaseTimeToLiveReply) -> String {
    let LeaseTimeToLiveReply { id, ttl, granted_ttl, keys, .. } = reply;
    if *granted_ttl == 0 && *ttl == -1 {
        return format!("lease {id:016x} already expired");
    }
    let life = format!("lease {id:016x} granted with TTL({granted_ttl}s), remaining({ttl}s)");
    if keys.is_empty() {
        return life;
    }
    let keys: Vec<String> = keys.iter().map(|key| text(key)).collect();
    format!("{life}, attached keys([{}])", keys.join(" "))
}

fn alarm(alarm: &Alarm) -> String {
    let kind = match alarm.kind {
        AlarmKind::None => "NONE",
        AlarmKind::NoSpace => "NOSPACE",
        AlarmKind::Corrupt => "CORRUPT",
    };
    format!("memberID:{} alarm:{kind} ", alarm.member_id)
}

fn member_change(reply: &MemberChangeReply) -> String {
    let cluster = reply.header.cluster_id;
    match &reply.member {
        Some(member) => format!("Member {:16x} added to cluster {cluster:16x}", member.id),
        None => format!("Members of cluster {cluster:16x} changed"),
    }
}

fn compacted(command: &ClientCommand) -> String {
    if let ClientCommand::Compact { revision, .. } = command {
        format!("compacted revision {revision}")
    } else {
        "compacted".to_owned()
    }
}

fn range(command: &ClientCommand, reply: &RangeReply) -> String {
    let asked = if let ClientCommand::Get(get) = command { get } else { &Get::default() };
    if asked.count_only {
        reply.count.to_string()
    } else if asked.keys_only {
        lines(reply.kvs.iter().flat_map(|pair| [text(&pair.key), String::new()]))
    } else {
        lines(reply.kvs.iter().flat_map(key_and_value))
    }
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

fn members(reply: &MemberListReply) -> String {
    lines(reply.members.iter().map(|member| {
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
    let size = size(reply.db_size_bytes);
    let learner = reply.is_learner;
    let errors = reply.errors.join(", ");
    format!(
        "{node}:2379, {id:x}, {version}, {size}, {leads}, {learner}, {raft_term}, {raft_index}, \
         {raft_applied_index}, {errors}"
    )
}

/// As go-humanize writes sizes: `20 kB`, two digits of precision below ten.
fn size(bytes: u64) -> String {
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
