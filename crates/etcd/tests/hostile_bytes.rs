//! Whatever the bytes of a log or of a directory are, reading returns: a result, or an error that
//! names file and offset.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

use bytes::Bytes;
use etcd::datadir::{DataDir, DataFile};
use etcd::proto::{LoggedRequest, raftpb};
use etcd::wal::{
    Encoder, ReadMode, RecordKind, Segment, SegmentName, SnapshotMark, replay, valid_snapshots,
};
use proptest::prelude::*;
use prost::Message;

/// Two segments as a server would write them.
fn log() -> Vec<(SegmentName, Vec<u8>)> {
    let mut encoder = Encoder::new(0);
    let metadata = Bytes::from_static(b"\x08\x01\x10\x02");
    let (mut first, mut second) = (Vec::new(), Vec::new());
    encoder.crc_record(&mut first);
    encoder.metadata(&metadata, &mut first);
    encoder.snapshot(&SnapshotMark::default(), &mut first);
    let put = b"\x22\x0a\x0a\x03key\x12\x03val\xa2\x06\x02\x08\x07";
    let entry = |index, data: &'static [u8]| raft::Entry {
        term: 1,
        index,
        data: Bytes::from_static(data),
        ..raft::Entry::default()
    };
    encoder.entry(&entry(1, b""), &mut first);
    encoder.entry(&entry(2, put), &mut first);
    encoder.entry(&entry(3, &[7; 900]), &mut first);
    let state = raft::HardState { term: 1, vote: 1, commit: 2 };
    encoder.hard_state(&state, &mut first);
    encoder.crc_record(&mut second);
    encoder.metadata(&metadata, &mut second);
    encoder.hard_state(&state, &mut second);
    encoder.entry(&entry(4, put), &mut second);
    encoder.snapshot(&SnapshotMark::new(2, 1), &mut second);
    let name = |sequence, first_index| SegmentName { sequence, first_index };
    vec![(name(0, 0), first), (name(1, 4), second)]
}

/// A change of the bytes.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Zero(usize, usize),
    Cut(usize),
    Overwrite(usize, Vec<u8>),
    /// Damage that keeps the checksum: another value in the data of a record.
    Data(usize, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..1500usize;
    prop_oneof![
        (at.clone(), 1..=255u8).prop_map(|(at, xor)| Damage::Flip(at, xor)),
        (at.clone(), 1..600usize).prop_map(|(at, len)| Damage::Zero(at, len)),
        at.clone().prop_map(Damage::Cut),
        (at.clone(), proptest::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Damage::Overwrite(at, bytes)),
        (at, proptest::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(at, bytes)| Damage::Data(at, bytes)),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    match damage {
        Damage::Flip(at, xor) => bytes.iter_mut().skip(*at).take(1).for_each(|byte| *byte ^= xor),
        Damage::Zero(at, len) => bytes.iter_mut().skip(*at).take(*len).for_each(|byte| *byte = 0),
        Damage::Cut(at) => bytes.truncate(*at),
        Damage::Overwrite(at, new) => {
            bytes.iter_mut().skip(*at).zip(new).for_each(|(byte, new)| *byte = *new);
        }
        Damage::Data(at, data) => {
            let kinds = [
                RecordKind::Metadata,
                RecordKind::Entry,
                RecordKind::State,
                RecordKind::Snapshot,
                RecordKind::Crc,
            ];
            bytes.clear();
            let mut encoder = Encoder::new(0);
            encoder.crc_record(bytes);
            encoder.raw(kinds[at % 5], Some(&data.clone().into()), bytes);
        }
    }
}

fn read_all(files: &[(SegmentName, Vec<u8>)], len: u64) {
    let segments: Vec<Segment> =
        files.iter().map(|(name, bytes)| Segment::new(*name, &bytes.clone().into(), len)).collect();
    for from in [SnapshotMark::default(), SnapshotMark::new(2, 1), SnapshotMark::new(u64::MAX, 9)] {
        for mode in [ReadMode::Read, ReadMode::Write] {
            let result = replay(&segments, &from, mode);
            let named = result.as_ref().err().is_none_or(|error| {
                error.reason() == "wal: snapshot not found" || error.place().is_some()
            });
            assert!(named, "{result:?} has no place");
        }
    }
    let _ = valid_snapshots(&segments);
    let file = |(name, bytes): &(SegmentName, Vec<u8>)| {
        DataFile::new(format!("x/member/wal/{name}"), bytes.clone(), len)
    };
    let directory = DataDir::from_files(files.iter().map(file)).unwrap();
    serde_json::to_string(&directory.inspect()).unwrap();
    for record in directory.log() {
        serde_json::to_string(&record).unwrap();
        let end = record.offset + record.length;
        let inside = |field: &etcd::datadir::FieldRange| {
            field.start <= field.end && record.offset <= field.start && field.end <= end
        };
        assert!(record.fields.iter().all(inside), "{record:?}");
    }
}

#[test]
fn the_undamaged_log_is_read_whole() {
    let files = log();
    let segments: Vec<Segment> = files
        .iter()
        .map(|(name, bytes)| Segment::new(*name, &bytes.clone().into(), 4096))
        .collect();
    let replay = replay(&segments, &SnapshotMark::default(), ReadMode::Write).unwrap();
    assert_eq!(replay.entries.len(), 4, "the damage below starts from something good");
}

#[test]
fn every_byte_of_a_frame_belongs_to_a_field() {
    let file = |(name, bytes): (SegmentName, Vec<u8>)| {
        DataFile::new(format!("member/wal/{name}"), bytes, 0)
    };
    let directory = DataDir::from_files(log().into_iter().map(file)).unwrap();
    for record in directory.log() {
        let mut at = record.offset;
        for field in record.fields.iter().filter(|field| !field.name.contains('.')) {
            assert_eq!(field.start, at, "{} of {record:?}", field.name);
            at = field.end;
        }
        assert_eq!(at, record.offset + record.length, "{record:?}");
    }
    let entry = directory.log().find(|record| record.index == Some(2)).unwrap();
    let names: Vec<&str> = entry.fields.iter().map(|field| field.name.as_str()).collect();
    let expected = [
        "header",
        "type",
        "crc",
        "data",
        "data.type",
        "data.term",
        "data.index",
        "data.data",
        "data.data.put",
        "data.data.put.key",
        "data.data.put.value",
        "data.data.header",
        "data.data.header.ID",
        "padding",
    ];
    assert_eq!(names, expected, "an entry with a request");
}

#[test]
fn a_huge_length_allocates_nothing() {
    let name = SegmentName { sequence: 0, first_index: 0 };
    let bytes = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
    let segment = Segment::new(name, &bytes.into(), u64::MAX);
    let error = replay(&[segment], &SnapshotMark::default(), ReadMode::Write).unwrap_err();
    assert_eq!(error.reason(), "wal: max entry size limit exceeded", "{error}");
    assert_eq!(error.place(), Some(("0000000000000000-0000000000000000.wal", 0)), "{error}");
}

/// What is said of the log after a change.
fn refused(change: impl FnOnce(&mut Vec<(SegmentName, Vec<u8>)>)) -> String {
    let mut files = log();
    change(&mut files);
    let segments: Vec<Segment> = files
        .iter()
        .map(|(name, bytes)| Segment::new(*name, &bytes.clone().into(), 4096))
        .collect();
    replay(&segments, &SnapshotMark::default(), ReadMode::Write).unwrap_err().to_string()
}

#[test]
fn every_error_of_a_log_says_where_and_what() {
    let record = |kind, data: &'static [u8]| {
        move |files: &mut Vec<(SegmentName, Vec<u8>)>| {
            files.truncate(1);
            let crc = {
                let segments = [Segment::new(files[0].0, &files[0].1.clone().into(), 4096)];
                replay(&segments, &SnapshotMark::default(), ReadMode::Read).unwrap().crc
            };
            Encoder::new(crc).raw(kind, Some(&Bytes::from_static(data)), &mut files[0].1);
        }
    };
    let end = log()[0].1.len();
    let first = "0000000000000000-0000000000000000.wal: offset";
    let second = "0000000000000001-0000000000000004.wal: offset";

    let found = refused(|files| files[0].1[400] ^= 1);
    assert!(found.starts_with(first) && found.contains("walpb: crc mismatch ("), "{found}");
    assert!(found.contains(" stored, ") && found.ends_with(" computed)"), "{found}");
    let found = refused(|files| files[1].1[11] ^= 1);
    assert!(found.starts_with(&format!("{second} 0: wal: crc mismatch (")), "{found}");
    let found = refused(|files| files[1].1[6] = 0x7f);
    let expected = format!("{second} 0: wal: max entry size limit exceeded (");
    assert!(found.starts_with(&expected) && found.ends_with(" bytes)"), "{found}");
    let found = refused(|files| files[1].1.truncate(20));
    assert_eq!(found, format!("{second} 16: unexpected EOF"));

    let found = refused(record(RecordKind::Metadata, b"\x08\x03\x10\x02"));
    let words =
        "wal: conflicting metadata found (member 3 of cluster 2, before member 1 of cluster 2)";
    assert_eq!(found, format!("{first} {end}: {words}"));
    let found = refused(record(RecordKind::Snapshot, b"\x08\x00\x10\x07"));
    assert_eq!(found, format!("{first} {end}: wal: snapshot mismatch (term 7, expected 0)"));
    let found = refused(record(RecordKind::Entry, b"\x08\x00\x10\x01\x18\x09"));
    let words = "wal: slice bounds out of range (entry 9 after 3)";
    assert_eq!(found, format!("{first} {end}: {words}"));
    let found = refused(record(RecordKind::State, b"\x08"));
    assert!(found.starts_with(&format!("{first} {end}: raftpb.HardState: ")), "{found}");
    let found = refused(|files| files[0].1[25] = 9);
    assert_eq!(found, format!("{first} 16: unexpected block type 9, none of 1 to 5"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn reading_a_damaged_log_returns(
        which in 0..2usize,
        damages in proptest::collection::vec(damage(), 1..4),
        len in prop_oneof![Just(0), Just(4096), Just(64_000_000), any::<u64>()],
    ) {
        let mut files = log();
        for damage in &damages {
            apply(&mut files[which].1, damage);
        }
        read_all(&files, len);
    }

    #[test]
    fn decoding_any_message_returns(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        if let Ok(request) = LoggedRequest::decode(&bytes) {
            let _ = request.to_string();
        }
        if let Ok(entry) = raftpb::Entry::decode(bytes) {
            let _ = raft::Entry::try_from(entry);
        }
    }
}
