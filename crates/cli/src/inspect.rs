//! `quorarium inspect PATH`: what it is and what it holds.

use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etcd::datadir::{
    AuthSummary, BackendSummary, DataDir, FieldRange, FileDamage, Inspection, Kind,
    PermissionSummary, Piece, RoleSummary, UserSummary, WalSummary,
};

use crate::archive;
use crate::failure::Failure;
use crate::output::Output;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A data directory, an archive of one (.tar.gz, .tar, .zip), a snapshot file, or - for an
    /// archive on standard input.
    path: PathBuf,
    /// Show the byte range of every field of a file instead: of all its pieces, or of the one that
    /// holds a byte.
    #[arg(long, value_name = "FILE[:OFFSET]")]
    fields: Option<String>,
    /// Print one JSON document; with --fields one JSON line a piece.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let directory = archive::open(&arguments.path)?;
    if let Some(wanted) = &arguments.fields {
        return fields(arguments, &directory, wanted);
    }
    let inspection = directory.inspect();
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

/// The pieces of a file, or the one at an offset.
fn fields(arguments: &Arguments, directory: &DataDir, wanted: &str) -> Result<ExitCode, Failure> {
    let (file, offset) = match wanted.rsplit_once(':') {
        Some((file, offset)) => (file, Some(number(offset)?)),
        None => (wanted, None),
    };
    let source_name = || arguments.path.display().to_string();
    let pieces = directory.pieces(file).map_err(|error| Failure::state(source_name(), &error))?;
    let holds = |piece: &Piece| {
        offset.is_none_or(|at| piece.offset <= at && at - piece.offset < piece.length)
    };
    let mut output = Output::new();
    let mut shown = 0_u64;
    for piece in pieces.filter(holds) {
        shown += 1;
        if arguments.json {
            output.json(&piece)?;
        } else {
            piece_lines(&piece).iter().try_for_each(|line| output.line(line))?;
        }
    }
    output.finish()?;
    match offset {
        Some(offset) if shown == 0 => {
            let detail = format!("{file}: nothing was written at offset {offset}");
            Err(Failure::State { source_name: source_name(), detail })
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// An offset as people have it: decimal, or hexadecimal behind `0x`.
fn number(text: &str) -> Result<u64, Failure> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.map_err(|_| Failure::Usage(format!("{text:?} is no offset; see quorarium --help")))
}

fn piece_lines(piece: &Piece) -> Vec<String> {
    let bucket = piece.bucket.as_ref().map_or_else(String::new, |bucket| {
        let name = if bucket.is_empty() { "all buckets" } else { bucket };
        format!(" of {name}")
    });
    let damage = piece.damage.as_ref().map(|damage| format!("  DAMAGED: {damage}"));
    let Piece { file, offset, length, kind, .. } = piece;
    let head = format!(
        "{file} at {offset} ({length} bytes): {kind}{bucket}{}",
        damage.unwrap_or_default()
    );
    std::iter::once(head).chain(piece.fields.iter().map(field_line)).collect()
}

fn field_line(field: &FieldRange) -> String {
    let depth = 2 + 2 * field.name.matches('.').count();
    let value = field.value.map_or_else(String::new, |value| format!(" = {value}"));
    let ok = match field.ok {
        Some(true) => "  ok",
        Some(false) => "  WRONG",
        None => "",
    };
    let FieldRange { name, start, end, .. } = field;
    format!("{start:>10}..{end:<10}{:depth$}{name}{value}{ok}", "")
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
    lines.extend(inspection.auth.iter().flat_map(auth));
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

/// Nothing where there never was a user or a role.
fn auth(auth: &AuthSummary) -> Vec<String> {
    if auth.revision <= 1 && auth.users.is_empty() && auth.roles.is_empty() {
        return Vec::new();
    }
    let state = if auth.enabled { "on" } else { "off" };
    let head = format!("authentication: {state}, revision {} (shown, not enforced)", auth.revision);
    let user = |user: &UserSummary| format!("  user {}, roles {}", user.name, user.roles.join(","));
    let role = |role: &RoleSummary| {
        let permissions = role.permissions.iter().map(|one| format!(", {}", permission(one)));
        format!("  role {}{}", role.name, permissions.collect::<String>())
    };
    let users = auth.users.iter().map(user);
    std::iter::once(head).chain(users).chain(auth.roles.iter().map(role)).collect()
}

fn permission(permission: &PermissionSummary) -> String {
    let text = |base64: &String| {
        let bytes = STANDARD.decode(base64).expect("it was just encoded");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (from, to) = (text(&permission.key), text(&permission.range_end));
    let to = if to.is_empty() { to } else { format!(" to {to}") };
    format!("{} {from}{to}", permission.kind.to_lowercase())
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
