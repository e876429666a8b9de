//! Logs of real servers: what they hold is what `etcd-dump-logs` says, and writing their records
//! again gives the same bytes.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod corpus;

use std::path::Path;

use bytes::Bytes;
use etcd::datadir::{DataDir, LogRecord};
use etcd::proto::raftpb;
use etcd::wal::{
    Decoder, Encoder, ReadMode, RecordKind, Replay, Segment, SegmentName, SnapshotMark, WalError,
    replay, select, valid_snapshots,
};
use prost::Message;

/// What `etcd-dump-logs` printed.
#[derive(Debug, PartialEq)]
struct Dump {
    /// Term and index of the newest snapshot.
    snapshot: (u64, u64),
    node_id: u64,
    cluster_id: u64,
    hard_state: raft::HardState,
    last_index: u64,
    /// Lines of entries; the last one of a long list is cut.
    entries: Vec<String>,
    is_cut: bool,
}

impl Dump {
    fn parse(text: &str) -> Dump {
        let word = |name: &str| {
            let rest = text.split(&format!("{name}=")).nth(1).unwrap();
            rest.split_whitespace().next().unwrap().to_string()
        };
        let (head, tail) = text.split_once("Start dupmping").unwrap();
        let hex = |name: &str| u64::from_str_radix(&word(name), 16).unwrap();
        let snapshot = if head.contains("empty") {
            (0, 0)
        } else {
            (word("term").parse().unwrap(), word("index").parse().unwrap())
        };
        let term = tail.split("term=").nth(1).unwrap().split_whitespace().next().unwrap();
        let (term, commit) = (term.parse().unwrap(), word("commitIndex").parse().unwrap());
        let hard_state = raft::HardState { term, vote: hex("vote"), commit };
        let lines = tail.split("data\n").nth(1).unwrap().lines();
        let entries: Vec<String> =
            lines.take_while(|line| !line.is_empty()).map(String::from).collect();
        Dump {
            snapshot,
            node_id: hex("nodeID"),
            cluster_id: hex("clusterID"),
            hard_state,
            last_index: word("lastIndex").parse().unwrap(),
            entries,
            is_cut: !text.contains("Entry types"),
        }
    }
}

fn names(segments: &[Segment]) -> Vec<SegmentName> {
    segments.iter().map(|segment| segment.name).collect()
}

/// What a server, or a tool, reads from a snapshot on.
fn read(directory: &DataDir, from: &SnapshotMark, mode: ReadMode) -> Result<Replay, WalError> {
    let names = names(directory.segments());
    let selected = select("wal", &names, from.index)?;
    replay(&directory.segments()[names.len() - selected.len()..], from, mode)
}

/// The line of `etcd-dump-logs` for an entry, from our own list of records.
fn line(record: &LogRecord) -> String {
    let request = record.request.as_ref().unwrap();
    let kind = if request.entry_type == "normal" { "norm" } else { "conf" };
    let (term, index) = (record.term.unwrap(), record.index.unwrap());
    format!("{term:4}\t{index:10}\t{kind}\t{}", request.text)
}

/// Compares with a line in which long values were cut to `"head...(length)"`.
fn is_same_line(ours: &str, theirs: &str) -> bool {
    let (mut ours, mut theirs) = (ours, theirs);
    while let Some(at) = theirs.find("...(") {
        let after = theirs[at..].find(")\"").map(|end| at + end + 2);
        let Some(after) = after else { break };
        let value = ours.get(at..).and_then(|rest| rest.find('"'));
        let (Some(value), true) = (value, ours.get(..at) == theirs.get(..at)) else { return false };
        ours = &ours[at + value + 1..];
        theirs = &theirs[after..];
    }
    ours == theirs
}

fn check_entries(case: &str, directory: &DataDir, replay: &Replay, dump: &Dump) {
    let mut entries = replay.entries.iter();
    let records: Vec<LogRecord> = directory.log().filter(|record| record.kind == "entry").collect();
    let record_of = |entry: &raft::Entry| {
        let is_it = |record: &&LogRecord| {
            (record.index, record.term) == (Some(entry.index), Some(entry.term))
        };
        records.iter().rev().find(is_it).unwrap()
    };
    let whole = dump.entries.len() - usize::from(dump.is_cut);
    for theirs in &dump.entries[..whole] {
        let entry = entries.next().unwrap_or_else(|| panic!("{case}: no entry for {theirs}"));
        let ours = line(record_of(entry));
        assert!(is_same_line(&ours, theirs), "{case}:\n ours {ours}\ntheirs {theirs}");
    }
    assert!(dump.is_cut || entries.next().is_none(), "{case}: more entries than theirs");
}

fn check_case(folder: &Path, case: &str, truth: &str) {
    let dump = Dump::parse(&corpus::dump_logs(folder, case, truth));
    let directory = corpus::open(folder, case);
    let from = SnapshotMark::new(dump.snapshot.1, dump.snapshot.0);
    let replay = read(&directory, &from, ReadMode::Write).unwrap();
    let last = replay.entries.last().map_or(from.index, |entry| entry.index);
    assert_eq!((last, replay.hard_state), (dump.last_index, dump.hard_state), "{case}");
    let metadata = etcd::proto::etcdserverpb::Metadata::decode(replay.metadata.clone().unwrap());
    let metadata = metadata.unwrap();
    assert_eq!((metadata.node_id, metadata.cluster_id), (dump.node_id, dump.cluster_id), "{case}");
    let marks = valid_snapshots(directory.segments()).unwrap();
    assert!(marks.iter().any(|mark| (mark.index, mark.term) == (from.index, from.term)), "{case}");
    check_entries(case, &directory, &replay, &dump);
    check_summary(case, &directory, &dump);
    assert!(directory.log().all(|record| record.crc_ok && record.damage.is_none()), "{case}");
}

fn check_summary(case: &str, directory: &DataDir, dump: &Dump) {
    let summary = directory.inspect();
    assert_eq!(
        (summary.member_id, summary.cluster_id),
        (Some(dump.node_id), Some(dump.cluster_id))
    );
    assert!(summary.snapshots.unwrap().iter().all(|snapshot| snapshot.ok), "{case}");
    let wal = summary.wal.unwrap();
    let state = (wal.hard_state.term, wal.hard_state.vote, wal.hard_state.commit);
    let truth = (dump.hard_state.term, dump.hard_state.vote, dump.hard_state.commit);
    assert_eq!((wal.last_index, state, wal.torn), (dump.last_index, truth, false), "{case}");
    assert_eq!(wal.snapshot.map_or(0, |snapshot| snapshot.index), dump.snapshot.1, "{case}");
}

#[test]
fn every_undamaged_log_is_read_as_etcd_dump_logs_reads_it() {
    let Some(folder) = corpus::folder() else { return };
    for (case, truth) in corpus::UNDAMAGED {
        check_case(&folder, case, truth);
    }
}

#[test]
fn members_are_those_that_the_cluster_lists() {
    let Some(folder) = corpus::folder() else { return };
    for (case, truth) in corpus::UNDAMAGED {
        // Removed before the end, and killed before it: they do not know the last members.
        if ["C_delta", "C_victim_beta_kill9"].contains(&case) {
            continue;
        }
        let truth = corpus::truth(&folder, truth);
        let mut theirs = truth["member_list"]["members"].as_array().unwrap().clone();
        let summary = corpus::open(&folder, case).inspect();
        let ours = serde_json::to_value(summary.members.unwrap()).unwrap();
        theirs.sort_by_key(|member| member["ID"].as_u64());
        assert_eq!(ours, serde_json::Value::from(theirs), "{case}");
    }
}

/// Decodes every message of the log and encodes it again.
fn reencode(record: &etcd::wal::Record) -> Option<Bytes> {
    let data = record.data.clone()?;
    let bytes = match record.kind {
        RecordKind::Metadata => {
            etcd::proto::etcdserverpb::Metadata::decode(data).unwrap().encode_to_vec()
        }
        RecordKind::Entry => reencode_entry(raftpb::Entry::decode(data).unwrap()),
        RecordKind::State => raftpb::HardState::decode(data).unwrap().encode_to_vec(),
        RecordKind::Snapshot => etcd::proto::walpb::Snapshot::decode(data).unwrap().encode_to_vec(),
        RecordKind::Crc => Vec::new(),
    };
    Some(bytes.into())
}

fn reencode_entry(mut entry: raftpb::Entry) -> Vec<u8> {
    use etcd::proto::LoggedRequest;
    let kind = raftpb::EntryType::try_from(entry.r#type).unwrap();
    entry.data = entry.data.map(|data| match kind {
        raftpb::EntryType::EntryNormal => match LoggedRequest::decode(&data).unwrap() {
            LoggedRequest::Empty => data,
            LoggedRequest::V3(request) => request.encode_to_vec().into(),
            LoggedRequest::V2(request) => request.encode_to_vec().into(),
        },
        raftpb::EntryType::EntryConfChange => {
            raftpb::ConfChange::decode(data).unwrap().encode_to_vec().into()
        }
        raftpb::EntryType::EntryConfChangeV2 => {
            raftpb::ConfChangeV2::decode(data).unwrap().encode_to_vec().into()
        }
    });
    entry.encode_to_vec()
}

/// Writes the records of a log again, segment by segment.
fn rewrite(segments: &[Segment]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::new(segments);
    let mut written = vec![Vec::new(); segments.len()];
    let mut encoder = None;
    while let Some(record) = decoder.next_record().unwrap() {
        let out = &mut written[record.position.segment];
        // A log whose first segments were purged goes on from their checksum.
        let encoder = encoder.get_or_insert_with(|| Encoder::new(record.crc));
        match record.kind {
            RecordKind::Crc => encoder.crc_record(out),
            RecordKind::Metadata | RecordKind::Entry | RecordKind::State | RecordKind::Snapshot => {
                encoder.raw(record.kind, reencode(&record).as_ref(), out);
            }
        }
    }
    written
}

#[test]
fn writing_the_records_again_gives_identical_bytes() {
    let Some(folder) = corpus::folder() else { return };
    for (case, _) in corpus::UNDAMAGED {
        let directory = corpus::open(&folder, case);
        let written = rewrite(directory.segments());
        for (segment, written) in directory.segments().iter().zip(written) {
            let ours = Segment::new(segment.name, &written.into(), segment.len);
            assert!(ours.bytes == segment.bytes, "{case}: {}", segment.name);
        }
    }
}

#[test]
fn raft_entries_are_encoded_as_etcd_wrote_them() {
    let Some(folder) = corpus::folder() else { return };
    let directory = corpus::open(&folder, "A5_v2store");
    let mut decoder = Decoder::new(directory.segments());
    let (mut theirs, mut ours) = (Encoder::new(0), Encoder::new(0));
    while let Some(record) = decoder.next_record().unwrap() {
        if record.kind == RecordKind::Entry {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            theirs.raw(RecordKind::Entry, record.data.as_ref(), &mut a);
            let entry = raftpb::Entry::decode(record.data.unwrap()).unwrap();
            ours.entry(&raft::Entry::try_from(entry).unwrap(), &mut b);
            assert_eq!(a, b);
        }
    }
}

#[test]
fn a_torn_log_ends_where_etcd_ends() {
    let Some(folder) = corpus::folder() else { return };
    let truth = corpus::truth(&folder, "B3_torn");
    let directory = corpus::open(&folder, "B3_torn");
    let start = SnapshotMark::default();
    let error = read(&directory, &start, ReadMode::Write).unwrap_err();
    let offset = truth["torn"]["offset"].as_u64().unwrap();
    let file = truth["torn"]["file"].as_str().unwrap();
    assert_eq!(error, WalError::UnexpectedEof { file: file.into(), offset });
    let replay = read(&directory, &start, ReadMode::Read).unwrap();
    assert_eq!((replay.end.offset, replay.torn), (offset, Some(error)));
    assert!(directory.inspect().wal.unwrap().torn);
}

#[test]
fn truncated_entries_do_not_come_back() {
    let Some(folder) = corpus::folder() else { return };
    let directory = corpus::open(&folder, "J_22442_resurrected");
    let replay = read(&directory, &SnapshotMark::new(5, 2), ReadMode::Write).unwrap();
    assert_eq!(replay.entries, [], "entries 6 to 10 of term 1 were overwritten at index 5");
    let whole = read(&directory, &SnapshotMark::default(), ReadMode::Write).unwrap();
    let ids: Vec<(u64, u64)> = whole.entries.iter().map(|e| (e.index, e.term)).collect();
    assert_eq!(ids.last(), Some(&(5, 2)));
    let wal = directory.inspect().wal.unwrap();
    assert_eq!((wal.last_index, wal.last_term, wal.entries), (5, 2, 5));
}

/// What a boot does with a damaged log, as far as the log alone decides.
#[derive(Debug, PartialEq)]
enum Verdict {
    Boots { last_index: u64 },
    Repairs { last_index: u64 },
    Refuses { reason: &'static str },
}

fn judge(directory: &DataDir) -> Verdict {
    let refuse = |error: &WalError| {
        let reason = error.reason();
        let known = [
            "walpb: crc mismatch",
            "wal: crc mismatch",
            "wal: max entry size limit exceeded",
            "wal: file not found",
        ];
        let reason = known.into_iter().find(|known| reason == *known);
        Verdict::Refuses { reason: reason.unwrap_or("something else") }
    };
    let marks = match valid_snapshots(directory.segments()) {
        Ok(marks) => marks,
        Err(error) => return refuse(&error),
    };
    let files = directory.inspect().snapshots.unwrap();
    let usable = |mark: &SnapshotMark| files.iter().any(|file| file.ok && file.index == mark.index);
    let from = marks.into_iter().filter(usable).max_by_key(|mark| mark.index).unwrap_or_default();
    let last = |replay: &Replay| replay.entries.last().map_or(from.index, |entry| entry.index);
    match read(directory, &from, ReadMode::Write) {
        Ok(replay) => Verdict::Boots { last_index: last(&replay) },
        Err(error) if error.is_torn() => {
            let replay = read(directory, &from, ReadMode::Read).unwrap();
            Verdict::Repairs { last_index: last(&replay) }
        }
        Err(error) => refuse(&error),
    }
}

#[test]
fn damaged_logs_meet_the_verdict_of_the_real_server() {
    let Some(folder) = corpus::folder() else { return };
    let verdicts = corpus::json(&folder, "E_verdicts.json");
    let boots = |last_index| Verdict::Boots { last_index };
    let repairs = |last_index| Verdict::Repairs { last_index };
    let refuses = |reason| Verdict::Refuses { reason };
    let record_crc = "walpb: crc mismatch";
    let chain_crc = "wal: crc mismatch";
    let too_large = "wal: max entry size limit exceeded";
    let expected = [
        ("E01_wal_bitflip_mid", refuses(record_crc)),
        ("E02_wal_trunc_midrecord", repairs(195)),
        ("E03_wal_zero_sector_tail", repairs(204)),
        ("E04_wal_wrong_crc_mid", refuses(record_crc)),
        ("E05_wal_wrong_crc_last", refuses(record_crc)),
        ("E06_wal_zero_frame_mid", boots(117)),
        ("E07_wal_huge_len", refuses(too_large)),
        ("E08_snap_newest_bitflip", boots(355)),
        ("E09_snap_all_bitflip", boots(355)),
        ("E10_snap_newest_empty", boots(355)),
        ("E20_wal_missing_middle_segment", refuses(chain_crc)),
        ("E21_wal_second_segment_crcrec", refuses(chain_crc)),
        ("E22_wal_metadata_conflict", boots(299)),
        ("E23_stray_files", boots(195)),
        ("E24_wal_garbage_after_zero_gap", boots(195)),
        ("E25_wal_garbage_directly_after_tail", refuses(too_large)),
        ("E26_wal_bare_header_tail", repairs(195)),
        ("E27_wal_trunc_at_record_end", boots(195)),
        ("E28_wal_last3_records_lost", boots(194)),
        ("E29_wal_midfile_zero_hole", repairs(141)),
        ("E30_wal_bitflip_first_segment", refuses(record_crc)),
        ("E31_wal_first_segment_removed", boots(299)),
    ];
    for (case, expected) in expected {
        let directory = corpus::open(&folder, case);
        let verdict = judge(&directory);
        assert_eq!(verdict, expected, "{case}");
        check_verdict(&verdicts[case], &verdict, case);
    }
}

/// The table above against what the real server did.
fn check_verdict(truth: &serde_json::Value, verdict: &Verdict, case: &str) {
    let key_log = truth["key_log"].to_string();
    let (serves, repairs) = match verdict {
        Verdict::Boots { .. } => (true, false),
        Verdict::Repairs { .. } => (true, true),
        Verdict::Refuses { reason } => {
            assert!(key_log.contains(reason), "{case}: {key_log}");
            (false, false)
        }
    };
    assert_eq!(truth["serves"].as_bool(), Some(serves), "{case}");
    assert_eq!(key_log.contains("repaired WAL"), repairs, "{case}");
}
