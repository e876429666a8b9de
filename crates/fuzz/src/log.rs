//! The log and what stands in it.

use bytes::Bytes;
use etcd::datadir::{DataDir, DataFile, FieldRange};
use etcd::proto::LoggedRequest;
use etcd::snap;
use etcd::v2store::V2Store;
use etcd::wal::{Decoder, ReadMode, Segment, SegmentName, SnapshotMark, replay, valid_snapshots};

use crate::split;

/// One segment, record by record: each lies behind the one before and inside the file.
pub(crate) fn record(bytes: &[u8]) {
    let name = SegmentName { sequence: 0, first_index: 0 };
    let len = bytes.len() as u64;
    let segments = [Segment::new(name, &Bytes::copy_from_slice(bytes), len)];
    let mut decoder = Decoder::new(&segments);
    let mut end = 0;
    while let Ok(Some(record)) = decoder.next_record() {
        assert!(record.position.offset >= end, "records do not overlap");
        end = record.position.offset + record.length;
        assert!(end <= len, "a record lies inside the file");
    }
}

/// A whole log, as a boot and as the inspection read it.
pub(crate) fn directory(bytes: &[u8]) {
    let files: Vec<(SegmentName, Bytes)> = (0..)
        .zip(split(bytes))
        .map(|(sequence, file)| {
            // The first index of a segment stands in its name: any will do to try the rules.
            let first_index = sequence * 4;
            (SegmentName { sequence, first_index }, Bytes::copy_from_slice(file))
        })
        .collect();
    let segments: Vec<Segment> =
        files.iter().map(|(name, bytes)| Segment::new(*name, bytes, bytes.len() as u64)).collect();
    for from in [SnapshotMark::default(), SnapshotMark::new(2, 1), SnapshotMark::new(u64::MAX, 9)] {
        for mode in [ReadMode::Read, ReadMode::Write] {
            let _ = replay(&segments, &from, mode);
        }
    }
    let _ = valid_snapshots(&segments);
    let path = |name: &SegmentName| format!("member/wal/{name}");
    inspect(files.iter().map(|(name, bytes)| DataFile::new(path(name), bytes.clone(), 0)));
}

fn inspect(files: impl Iterator<Item = DataFile>) {
    let Ok(directory) = DataDir::from_files(files) else { return };
    let _ = directory.inspect();
    for record in directory.log() {
        let end = record.offset + record.length;
        let inside = |field: &FieldRange| {
            field.start <= field.end && record.offset <= field.start && field.end <= end
        };
        assert!(record.fields.iter().all(inside), "a field lies inside its record: {record:?}");
    }
}

/// A `.snap` file; what is read is written and read again as the same.
pub(crate) fn snap_file(bytes: &[u8]) {
    let Ok(snapshot) = snap::decode("x.snap", &Bytes::copy_from_slice(bytes)) else { return };
    let again = snap::decode("x.snap", &snap::encode(&snapshot).into());
    assert_eq!(again.as_ref(), Ok(&snapshot), "what is written reads back");
    let Ok(tree) = V2Store::from_json(&snapshot.data) else { return };
    let json = tree.to_json();
    let again = V2Store::from_json(json.as_bytes()).expect("what is written reads back");
    assert_eq!(again.to_json(), json, "the same tree");
}

/// The data of an entry, and how it is shown.
pub(crate) fn request(bytes: &[u8]) {
    if let Ok(request) = LoggedRequest::decode(&Bytes::copy_from_slice(bytes)) {
        let _ = request.to_string();
    }
}
