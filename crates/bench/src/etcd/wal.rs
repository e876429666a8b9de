//! The write-ahead log: entries into frames, and frames into checked entries.

use std::hint::black_box;

use bytes::Bytes;
use etcd::wal::{Decoder, Encoder, ReadMode, Segment, SegmentName, SnapshotMark, replay};
use raft::{Entry, EntryType, HardState};

use super::Asked;
use crate::Listener;
use crate::shared::measure::{Effort, blocks};

pub(super) fn run(filter: &str, effort: Effort, report: Listener<'_>) {
    let mut asked = Asked { filter, effort, report };
    for size in [100, 1000] {
        for batch in [1, 10, 100, 1000] {
            encode(&mut asked, size, batch);
        }
    }
    for size in [100, 1000] {
        read(&mut asked, size);
    }
}

fn entries(size: usize, count: u64) -> Vec<Entry> {
    let data = Bytes::from(vec![b'e'; size]);
    let entry = |index| Entry {
        entry_type: EntryType::Normal,
        term: 3,
        index: 100_000 + index,
        data: data.clone(),
    };
    (0..count).map(entry).collect()
}

/// A batch is what one `Ready` brings: entries and a hard state. An operation is one entry.
fn encode(asked: &mut Asked<'_, '_>, size: usize, batch: u64) {
    let case = format!("wal/encode/{size}B/batch-{batch}");
    if !case.contains(asked.filter) {
        return;
    }
    // A block is a thousand entries, however they are cut into batches.
    let batches = 1000 / batch;
    let entries = entries(size, batch);
    let mut state = (Encoder::new(0), Vec::new());
    let found = blocks(
        &case,
        batches * batch,
        asked.effort,
        &mut state,
        |(_, out)| out.clear(),
        |(encoder, out)| {
            for number in 0..batches {
                for entry in &entries {
                    encoder.entry(entry, out);
                }
                let state = HardState { term: 3, vote: 1, commit: 100_000 + number };
                encoder.hard_state(&state, out);
            }
            black_box(&out);
        },
    );
    (asked.report)(&found);
}

/// Eight megabytes of log. `verify` follows frames and checksums, `read` makes entries of them.
fn read(asked: &mut Asked<'_, '_>, size: usize) {
    if !asked.is_for("wal/verify") && !asked.is_for("wal/read") {
        return;
    }
    let mut encoder = Encoder::new(0);
    let mut out = Vec::new();
    encoder.crc_record(&mut out);
    encoder.metadata(&Bytes::from_static(b"\x08\x01\x10\x02"), &mut out);
    let mark = SnapshotMark::new(0, 0);
    encoder.snapshot(&mark, &mut out);
    let mut index = 0;
    while out.len() < 8 << 20 {
        index += 1;
        let entry = Entry { index, ..entries(size, 1).remove(0) };
        encoder.entry(&entry, &mut out);
    }
    encoder.hard_state(&HardState { term: 3, vote: 1, commit: index }, &mut out);
    let len = out.len() as u64;
    let name = SegmentName { sequence: 0, first_index: 0 };
    let segments = [Segment::new(name, &Bytes::from(out), len)];
    let verify = |segments: &mut [Segment; 1]| {
        let mut decoder = Decoder::new(segments);
        while let Some(record) = decoder.next_record().expect("a sound log") {
            black_box(record);
        }
    };
    let all = |segments: &mut [Segment; 1]| {
        let read = replay(segments, &mark, ReadMode::Read).expect("a sound log");
        assert_eq!(read.entries.len() as u64, index, "every entry");
        black_box(read);
    };
    let mut one = |case: String, run: &dyn Fn(&mut [Segment; 1])| {
        if case.contains(asked.filter) {
            let mut state = segments.clone();
            (asked.report)(&blocks(&case, len, asked.effort, &mut state, |_| (), run));
        }
    };
    one(format!("wal/verify/{size}B/byte"), &verify);
    one(format!("wal/read/{size}B/byte"), &all);
}
