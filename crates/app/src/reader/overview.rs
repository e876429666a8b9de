//! An inspection in words: the lines of `quorarium inspect`, by topic.

use std::fmt::Display;

use etcd::datadir::{BackendSummary, Inspection, Kind, MemberSummary, WalSummary};

use super::protocol::{Overview, Topic};

/// Facts of one topic that are shown.
const FACTS_MAX: usize = 200;

type Fact = (String, String);

pub(super) fn of(
    name: &str,
    records: Option<u64>,
    files_with_pieces: Vec<String>,
    inspection: &Inspection,
) -> Overview {
    let topics = [
        ("Damage", damage(inspection)),
        ("Directory", directory(inspection)),
        ("Keys", keys(inspection)),
        ("Log", inspection.wal.as_ref().map(wal).unwrap_or_default()),
        ("Members", members(inspection)),
        ("Snapshots", snapshots(inspection)),
        ("Backend", inspection.backend.as_ref().map(backend).unwrap_or_default()),
        ("Leases and alarms", leases(inspection)),
        ("Files", files(inspection)),
        ("Not shown", not_read(inspection)),
    ];
    let topic = |(title, facts): (&str, Vec<Fact>)| Topic { title: title.to_owned(), facts };
    Overview {
        name: name.to_owned(),
        kind: kind(inspection.kind).to_owned(),
        is_repairable: inspection.kind.is_repairable(),
        records,
        files: files_with_pieces,
        topics: topics.map(topic).into_iter().filter(|topic| !topic.facts.is_empty()).collect(),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Etcd => "etcd data directory",
        Kind::EtcdSnapshot => "etcd snapshot file",
        Kind::Bbolt => "bbolt file",
        Kind::Zookeeper => "ZooKeeper data directory",
    }
}

fn fact(name: &str, value: impl Display) -> Fact {
    (name.to_owned(), format!("{value}"))
}

/// The first facts of a long list, and how many are left out.
fn bounded(facts: impl ExactSizeIterator<Item = Fact>) -> Vec<Fact> {
    let left = facts.len().saturating_sub(FACTS_MAX);
    let mut shown: Vec<Fact> = facts.take(FACTS_MAX).collect();
    if left > 0 {
        shown.push(fact("…", format!("{left} more")));
    }
    shown
}

fn directory(inspection: &Inspection) -> Vec<Fact> {
    let hex = |id: u64| format!("{id:x}");
    let mut facts = Vec::new();
    facts.extend(inspection.member_id.map(|id| fact("member", hex(id))));
    facts.extend(inspection.cluster_id.map(|id| fact("cluster", hex(id))));
    if !inspection.versions.is_empty() {
        facts.push(fact("cluster version", inspection.versions.join(", ")));
    }
    facts
}

fn keys(inspection: &Inspection) -> Vec<Fact> {
    let mut facts = Vec::new();
    facts.extend(inspection.revision.map(|revision| fact("revision", revision)));
    let compacted = |at: i64| if at < 0 { "never".to_owned() } else { at.to_string() };
    facts.extend(inspection.compact_revision.map(|at| fact("compacted at", compacted(at))));
    facts.extend(inspection.consistent_index.map(|index| fact("consistent index", index)));
    facts.extend(inspection.hash_kv.map(|hash| fact("hash", format!("{hash:08x}"))));
    facts.extend(inspection.snapshot_hash.map(|hash| fact("snapshot hash", format!("{hash:08x}"))));
    facts
}

fn wal(wal: &WalSummary) -> Vec<Fact> {
    let entries = match wal.first_index {
        Some(first) => format!("{}, {first} to {}", wal.entries, wal.last_index),
        None => format!("none, last index {}", wal.last_index),
    };
    let state = &wal.hard_state;
    let mut facts = vec![
        fact("segments", wal.segments),
        fact("entries", entries),
        fact("last term", wal.last_term),
        fact(
            "hard state",
            format!("term {}, vote {:x}, commit {}", state.term, state.vote, state.commit),
        ),
    ];
    let boots = |at: &etcd::datadir::SnapshotId| format!("term {} index {}", at.term, at.index);
    facts.extend(wal.snapshot.as_ref().map(|at| fact("boots from snapshot", boots(at))));
    if let Some(end) = &wal.end {
        let place = match (&end.file, end.offset) {
            (Some(file), Some(offset)) => format!(" at {file} {offset:#x}"),
            _ => String::new(),
        };
        let what = if wal.torn { "torn" } else { "damaged" };
        facts.push(fact(what, format!("{}{place}", end.reason)));
    }
    facts
}

fn members(inspection: &Inspection) -> Vec<Fact> {
    let member = |member: &MemberSummary| {
        let name = if member.name.is_empty() { "no name" } else { &member.name };
        let learner = if member.is_learner { ", learner" } else { "" };
        let urls = [member.peer_urls.join(", "), member.client_urls.join(", ")];
        fact(&format!("{:x}", member.id), format!("{name}{learner} · {}", urls.join(" · ")))
    };
    bounded(inspection.members.iter().flatten().map(member).collect::<Vec<_>>().into_iter())
}

fn snapshots(inspection: &Inspection) -> Vec<Fact> {
    let snapshots = inspection.snapshots.as_deref().unwrap_or_default();
    bounded(snapshots.iter().map(|snapshot| {
        let name = format!("term {} index {}", snapshot.term, snapshot.index);
        fact(&name, snapshot.reason.as_deref().unwrap_or("whole"))
    }))
}

fn backend(backend: &BackendSummary) -> Vec<Fact> {
    vec![
        fact("file", &backend.file),
        fact("bytes", format!("{}, {} in use", backend.size, backend.size_in_use)),
        fact("pages", format!("of {} bytes, {} free", backend.page_size, backend.free_pages)),
        fact("transaction", backend.transaction),
        fact("buckets", backend.buckets),
        fact(
            "keys in buckets",
            backend.total_keys.map_or("not counted".to_owned(), |n| n.to_string()),
        ),
    ]
}

fn leases(inspection: &Inspection) -> Vec<Fact> {
    let alarms = inspection.alarms.as_deref().unwrap_or_default();
    let alarms =
        alarms.iter().map(|one| fact(one.alarm, format!("alarm of member {:x}", one.member_id)));
    let leases = inspection.leases.as_deref().unwrap_or_default();
    let leases = leases.iter().map(|lease| {
        fact(&format!("lease {:x}", lease.id), format!("granted for {} s", lease.ttl))
    });
    bounded(alarms.chain(leases).collect::<Vec<_>>().into_iter())
}

fn damage(inspection: &Inspection) -> Vec<Fact> {
    bounded(inspection.damage.iter().map(|damage| {
        let place = damage.offset.map(|offset| format!(" at {offset:#x}")).unwrap_or_default();
        fact(&format!("{}{place}", damage.file), &damage.detail)
    }))
}

fn files(inspection: &Inspection) -> Vec<Fact> {
    let files = inspection.files.iter();
    bounded(files.map(|file| fact(&file.path, format!("{} bytes, {}", file.size, file.role))))
}

fn not_read(inspection: &Inspection) -> Vec<Fact> {
    let not_read = inspection.not_read.iter();
    bounded(not_read.map(|missing| fact(&missing.fields.join(", "), &missing.reason)))
}
