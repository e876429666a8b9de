//! `quorarium inspect PATH`: what it is and what it holds.

use std::path::PathBuf;
use std::process::ExitCode;

use etcd::datadir::{BackendSummary, FileDamage, Inspection, Kind, WalSummary};

use crate::archive;
use crate::failure::Failure;
use crate::output::Output;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A data directory, an archive of one (.tar.gz, .tar, .zip), a snapshot file, or - for an
    /// archive on standard input.
    path: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let inspection = archive::open(&arguments.path)?.inspect();
    let mut output = Output::new();
    if arguments.json {
        output.json(&inspection)?;
    } else {
        for line in describe(&inspection) {
            output.line(&line)?;
        }
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn describe(inspection: &Inspection) -> Vec<String> {
    let mut lines = vec![kind(inspection.kind).to_string()];
    if let (Some(member), Some(cluster)) = (inspection.member_id, inspection.cluster_id) {
        lines.push(format!("member {member:x} of cluster {cluster:x}"));
    }
    if !inspection.versions.is_empty() {
        lines.push(format!("cluster version {}", inspection.versions.join(", ")));
    }
    lines.extend(members(inspection));
    lines.extend(inspection.wal.iter().flat_map(wal));
    lines.extend(snapshots(inspection));
    lines.extend(inspection.backend.iter().map(backend));
    lines.extend(store(inspection));
    lines.extend(leases(inspection));
    lines.extend(inspection.damage.iter().map(damage));
    lines.push("files:".into());
    let file = |file: &etcd::datadir::FileSummary| {
        format!("  {:>12}  {:<16}  {}", file.size, file.role, file.path)
    };
    lines.extend(inspection.files.iter().map(file));
    for missing in &inspection.not_read {
        lines.push(format!("not shown: {} ({})", missing.fields.join(", "), missing.reason));
    }
    lines
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Etcd => "etcd data directory",
        Kind::EtcdSnapshot => "etcd snapshot file (bbolt and its SHA-256)",
        Kind::Bbolt => "bbolt file",
        Kind::Zookeeper => "ZooKeeper data directory",
    }
}

fn members(inspection: &Inspection) -> Vec<String> {
    let Some(members) = &inspection.members else { return Vec::new() };
    let member = |member: &etcd::datadir::MemberSummary| {
        let learner = if member.is_learner { " (learner)" } else { "" };
        let (peers, clients) = (member.peer_urls.join(","), member.client_urls.join(","));
        format!("  {:x}  {}{learner}  peers {peers}  clients {clients}", member.id, member.name)
    };
    std::iter::once("members:".into()).chain(members.iter().map(member)).collect()
}

fn wal(wal: &WalSummary) -> Vec<String> {
    let range = match wal.first_index {
        Some(first) => format!("{} entries, {first} to {}", wal.entries, wal.last_index),
        None => format!("no entries, last index {}", wal.last_index),
    };
    let state = &wal.hard_state;
    let mut lines = vec![
        format!("log: {} segments, {range}, last term {}", wal.segments, wal.last_term),
        format!("hard state: term {}, vote {:x}, commit {}", state.term, state.vote, state.commit),
    ];
    if let Some(snapshot) = &wal.snapshot {
        lines.push(format!("boots from: snapshot term {} index {}", snapshot.term, snapshot.index));
    }
    if let Some(end) = &wal.end {
        let what = if wal.torn { "torn" } else { "damaged" };
        let place = match (&end.file, end.offset) {
            (Some(file), Some(offset)) => format!(" at {file} offset {offset}"),
            _ => String::new(),
        };
        lines.push(format!("{what}{place}: {}", end.reason));
    }
    lines
}

fn snapshots(inspection: &Inspection) -> Vec<String> {
    let snapshots = inspection.snapshots.iter().flatten();
    snapshots
        .map(|snapshot| {
            let state = snapshot.reason.as_deref().unwrap_or("ok");
            format!("snapshot: term {} index {}  {state}", snapshot.term, snapshot.index)
        })
        .collect()
}

fn backend(backend: &BackendSummary) -> String {
    let BackendSummary { file, page_size, transaction, size, size_in_use, .. } = backend;
    let keys = backend.total_keys.map_or("keys not counted".into(), |keys| format!("{keys} keys"));
    format!(
        "backend: {file}, {size} bytes, {size_in_use} in use, pages of {page_size}, \
         transaction {transaction}, {} buckets, {keys}",
        backend.buckets
    )
}

fn store(inspection: &Inspection) -> Option<String> {
    let (revision, compact) = (inspection.revision?, inspection.compact_revision?);
    let index = inspection.consistent_index?;
    let hash = inspection.hash_kv.map(|hash| format!(", hash {hash:08x}")).unwrap_or_default();
    let snapshot = inspection.snapshot_hash;
    let snapshot = snapshot.map(|hash| format!(", snapshot hash {hash:08x}")).unwrap_or_default();
    Some(format!(
        "keys: revision {revision}, compacted at {compact}, consistent index \
         {index}{hash}{snapshot}"
    ))
}

fn leases(inspection: &Inspection) -> Vec<String> {
    let leases = inspection.leases.iter().flatten();
    let leases = leases.map(|lease| format!("lease: {:x}, {} s", lease.id, lease.ttl));
    let alarms = inspection.alarms.iter().flatten();
    let alarms =
        alarms.map(|alarm| format!("alarm: {} of member {:x}", alarm.alarm, alarm.member_id));
    leases.chain(alarms).collect()
}

fn damage(damage: &FileDamage) -> String {
    let place = damage.offset.map(|offset| format!(" offset {offset}")).unwrap_or_default();
    format!("DAMAGED: {}{place}: {}", damage.file, damage.detail)
}
