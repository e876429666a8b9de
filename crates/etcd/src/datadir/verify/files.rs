//! Files that are missing, too many, or not what their names say.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use super::log_damage::Scan;
use super::model::DamageAt;
use super::pages::damage;
use crate::datadir::kind::{SNAP_DIRECTORY, WAL_DIRECTORY};
use crate::datadir::{DataDir, DataFile, members, snap};
use crate::proto::walpb;
use crate::snap::{DatabaseName, SnapName};
use crate::wal::{Decoder, Record, RecordKind, Segment, SegmentName, ids};

/// `--max-wals` and `--max-snapshots` unless they are set.
const KEPT_BY_DEFAULT: usize = 5;

/// Checks the names and what belongs together.
pub(super) fn check(directory: &DataDir, scan: &Scan) -> Vec<DamageAt> {
    let mut found = Vec::new();
    stray(directory, &mut found);
    segments(directory, &mut found);
    found.extend(tail(directory, scan));
    metadata(directory.segments(), &mut found);
    snapshots(directory, &mut found);
    let db = format!("{SNAP_DIRECTORY}db");
    match directory.files().iter().find(|file| file.path == db) {
        None => {
            let detail = "a server makes a new one, and fills it from the log if that has all";
            let record = "the backend".into();
            found.push(damage(&db, (0, 0), "missing_file", record, detail.into()));
        }
        Some(file) if file.is_empty() => {
            let detail = "the file is empty: a server begins a new database in it";
            found.push(damage(&db, (0, 0), "truncated", "the backend".into(), detail.into()));
        }
        Some(_) => {}
    }
    found
}

/// Files that no server leaves there, and leftovers that one removes when it starts.
fn stray(directory: &DataDir, found: &mut Vec<DamageAt>) {
    for file in directory.files() {
        if let Some(words) = stray_words(&file.path) {
            let record = "the file".into();
            found.push(damage(&file.path, (0, file.len()), "stray_file", record, words.into()));
        }
    }
}

/// Whether no server needs the file.
pub(in crate::datadir) fn is_stray(file: &DataFile) -> bool {
    stray_words(&file.path).is_some()
}

fn stray_words(path: &str) -> Option<&'static str> {
    if let Some(name) = path.strip_prefix(WAL_DIRECTORY) {
        let is_known = SegmentName::parse(name).is_some()
            || matches!(name, "0.tmp" | "1.tmp")
            || name.ends_with(".broken");
        return (!is_known).then_some("ignored file in WAL directory");
    }
    let name = path.strip_prefix(SNAP_DIRECTORY)?;
    let is_known = name == "db"
        || SnapName::parse(name).is_some()
        || DatabaseName::parse(name).is_some()
        || name.ends_with(".broken");
    if name.starts_with("db.tmp") {
        Some("found orphaned defragmentation file; deleting")
    } else if name.starts_with("tmp") {
        Some("left by a snapshot that was being received; a server removes it")
    } else {
        (!is_known).then_some("found unexpected non-snap file; skipping")
    }
}

/// Numbers of segments follow each other, and the first ones go only when there are many.
fn segments(directory: &DataDir, found: &mut Vec<DamageAt>) {
    let segments = directory.segments();
    let Some(first) = segments.first() else {
        if directory.files().iter().any(|file| file.path == format!("{SNAP_DIRECTORY}db")) {
            let detail = "a server would begin a new log";
            let record = "the log".into();
            found.push(damage(WAL_DIRECTORY, (0, 0), "missing_file", record, detail.into()));
        }
        return;
    };
    for segment in segments.iter().filter(|segment| segment.bytes.is_empty()) {
        let file = format!("{WAL_DIRECTORY}{}", segment.name);
        let detail = "no records: every segment begins with a checksum and metadata";
        found.push(damage(&file, (0, segment.len), "truncated", "#0".into(), detail.into()));
    }
    for pair in segments.windows(2) {
        let (before, after) = (pair[0].name, pair[1].name);
        for sequence in before.sequence.saturating_add(1)..after.sequence {
            // A name far away is no reason to list millions.
            if found.len() > 100 {
                break;
            }
            let detail = format!("missing between {before} and {after}");
            found.push(missing_segment(sequence, None, detail));
        }
    }
    if first.name.sequence > 0 && segments.len() < KEPT_BY_DEFAULT && !was_purged(directory) {
        let from = (first.name.sequence == 1).then_some(0);
        let detail = format!(
            "the log begins with {}; a server removes segments only beyond --max-wals ({} by \
             default), and no snapshot was removed",
            first.name, KEPT_BY_DEFAULT
        );
        found.push(missing_segment(first.name.sequence - 1, from, detail));
    }
}

/// Whether the oldest snapshot is not the first one that the server took.
fn was_purged(directory: &DataDir) -> bool {
    let mut indices: Vec<u64> =
        directory.files().iter().filter_map(|file| Some(snap::name(file)?.index)).collect();
    ordered::sort_by_key(&mut indices, |index| *index);
    let steps = indices.windows(2).map(|pair| pair[1] - pair[0]);
    match (indices.first(), steps.min()) {
        (Some(first), Some(step)) => *first > step.saturating_mul(2),
        _ => false,
    }
}

fn missing_segment(sequence: u64, first_index: Option<u64>, detail: String) -> DamageAt {
    let name = match first_index {
        Some(first_index) => SegmentName { sequence, first_index }.to_string(),
        None => format!("{sequence:016x}-*.wal"),
    };
    let record = format!("segment {sequence}");
    damage(&format!("{WAL_DIRECTORY}{name}"), (0, 0), "missing_file", record, detail)
}

/// A server keeps room behind the last record. A file that ends with a record was cut, unless a
/// repair did it, which leaves a copy.
fn tail(directory: &DataDir, scan: &Scan) -> Option<DamageAt> {
    let last = directory.segments().last()?;
    let file = format!("{WAL_DIRECTORY}{}", last.name);
    let broken = format!("{file}.broken");
    let was_repaired = directory.files().iter().any(|file| file.path == broken);
    let is_damaged = scan.damage.iter().any(|found| found.file == file);
    if was_repaired || is_damaged || last.len == 0 || last.len > last.bytes.len() as u64 + 8 {
        return None;
    }
    let number = scan.records.iter().filter(|good| good.segment + 1 == directory.segments().len());
    let record = format!("behind #{}", number.count().saturating_sub(1));
    let detail = "the file ends right behind a record, where a server keeps room for more; \
                  records that followed cannot be told";
    Some(damage(&file, (last.len, 0), "truncated", record, detail.into()))
}

/// All segments name the same member of the same cluster.
fn metadata(segments: &[Segment], found: &mut Vec<DamageAt>) {
    let named: Vec<(String, Record)> = segments
        .iter()
        .filter_map(|one| Some((one.name.to_string(), first_metadata(one)?)))
        .collect();
    let mut votes: BTreeMap<Bytes, usize> = BTreeMap::new();
    for (_, record) in &named {
        *votes.entry(record.data.clone().unwrap_or_default()).or_default() += 1;
    }
    let most = votes.values().max().copied().unwrap_or(0);
    let usual = votes.iter().find(|(_, count)| **count == most).map(|(bytes, _)| bytes.clone());
    for (name, record) in &named {
        let data = record.data.clone().unwrap_or_default();
        if Some(&data) != usual.as_ref() {
            let detail = format!(
                "{}, the other segments have {}",
                ids(&data),
                usual.as_ref().map_or_else(String::new, ids)
            );
            let file = format!("{WAL_DIRECTORY}{name}");
            let at = (record.position.offset, record.length);
            found.push(damage(&file, at, "metadata", "#1 metadata".into(), detail));
        }
    }
}

fn first_metadata(segment: &Segment) -> Option<Record> {
    let mut decoder = Decoder::new(std::slice::from_ref(segment));
    // It is the second record.
    for _ in 0..4 {
        let record = decoder.next_record().ok()??;
        if record.kind == RecordKind::Metadata {
            return Some(record);
        }
    }
    None
}

/// Each `.snap` file is whole and what its name says, and the newest mark in the log has one.
fn snapshots(directory: &DataDir, found: &mut Vec<DamageAt>) {
    for file in snap::files(directory) {
        let (offset, detail) = match snap::read(file) {
            Ok(snapshot) => {
                let (index, term) = (snapshot.metadata.index, snapshot.metadata.term);
                if snap::name(file).is_some_and(|name| (name.index, name.term) != (index, term)) {
                    (0, format!("the file holds the snapshot of index {index}, term {term}"))
                } else if let Err(reason) = members::cluster_of(&snapshot.data) {
                    (0, reason)
                } else {
                    continue;
                }
            }
            Err(error) => (error.offset().unwrap_or(0), error.reason()),
        };
        let record = snap::name(file).map_or_else(
            || "a snapshot".into(),
            |name| format!("snapshot of index {}, term {}", name.index, name.term),
        );
        found.push(damage(
            &file.path,
            (offset, file.len() - offset.min(file.len())),
            "snap",
            record,
            detail,
        ));
    }
    if let Some(mark) = newest_mark(directory.segments()) {
        let name = SnapName { index: mark.index, term: mark.term };
        if !directory.files().iter().any(|file| snap::name(file) == Some(name)) {
            let path = format!("{SNAP_DIRECTORY}{:016x}-{:016x}.snap", mark.term, mark.index);
            let record = format!("snapshot of index {}, term {}", mark.index, mark.term);
            let detail = "the log marks it and the file is not there".into();
            found.push(damage(&path, (0, 0), "missing_file", record, detail));
        }
    }
}

fn newest_mark(segments: &[Segment]) -> Option<walpb::Snapshot> {
    let (mut decoder, mut newest) = (Decoder::new(segments), None);
    while let Ok(Some(record)) = decoder.next_record() {
        if record.kind == RecordKind::Snapshot {
            newest = walpb::Snapshot::decode(record.data.unwrap_or_default()).ok();
        }
    }
    newest.filter(|mark| mark.index > 0)
}
