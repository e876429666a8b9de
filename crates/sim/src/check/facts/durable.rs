//! A server's log as its disk has it, never as the server says.

use std::collections::VecDeque;

use bytes::Bytes;
use disk::Disk;
use etcd::proto::raftpb;
use etcd::wal::{Decoder, RecordKind, Segment, SegmentName};
use prost::Message as _;
use raft::HardState;

use crate::machine::LOG_DIR;

/// The hard state that a power cut now would leave: the last one in the last segment.
pub(in crate::check) fn hard_state(disk: &Disk) -> HardState {
    let mut disk = disk.clone();
    disk.crash(&mut |_| false);
    let Some(last) = segments(&disk).pop_back() else { return HardState::default() };
    let last = [last];
    let mut decoder = Decoder::new(&last);
    let mut state = HardState::default();
    while let Ok(Some(record)) = decoder.next_record() {
        let data = record.data.unwrap_or_default();
        if record.kind == RecordKind::State
            && let Ok(decoded) = raftpb::HardState::decode(data)
        {
            state = decoded.into();
        }
    }
    state
}

/// The segments that are there now, durable or not, in order.
pub(in crate::check) fn segments(disk: &Disk) -> VecDeque<Segment> {
    let entries = disk.list(LOG_DIR).unwrap_or_default();
    let names = entries.iter().filter_map(|entry| SegmentName::parse(&entry.name));
    names.filter_map(|name| segment(disk, name)).collect()
}

fn segment(disk: &Disk, name: SegmentName) -> Option<Segment> {
    let file = disk.open(&format!("{LOG_DIR}/{name}")).ok()?;
    let bytes = disk.read_range(file, 0..disk.data_end(file)).ok()?;
    Some(Segment::new(name, &Bytes::from(bytes), disk.len(file)))
}
