//! Records into frames, with the running checksum.

use bytes::{BufMut, Bytes};
use prost::Message;
use prost::encoding::encode_varint;

use super::frame::encode_header;
use super::{RecordKind, SnapshotMark};
use crate::proto::raftpb;

/// Appends frames to a buffer. The checksum runs over the data of all records.
#[derive(Debug, Clone)]
pub struct Encoder {
    crc: u32,
    data: Vec<u8>,
    record: Vec<u8>,
}

impl Encoder {
    /// Goes on from a checksum: 0 in a new log.
    pub fn new(crc: u32) -> Encoder {
        Encoder { crc, data: Vec::new(), record: Vec::new() }
    }

    /// The checksum of all data so far.
    pub fn crc(&self) -> u32 {
        self.crc
    }

    /// The record that carries the chain into a new segment.
    pub fn crc_record(&mut self, out: &mut Vec<u8>) {
        self.frame(RecordKind::Crc, false, out);
    }

    /// Who writes this log: the bytes of an `etcdserverpb.Metadata`.
    pub fn metadata(&mut self, metadata: &Bytes, out: &mut Vec<u8>) {
        self.raw(RecordKind::Metadata, Some(metadata), out);
    }

    /// One raft entry.
    pub fn entry(&mut self, entry: &raft::Entry, out: &mut Vec<u8>) {
        self.data.clear();
        encode_entry(entry, &mut self.data);
        self.data_record(RecordKind::Entry, out);
    }

    /// The hard state; nothing when it is empty.
    pub fn hard_state(&mut self, state: &raft::HardState, out: &mut Vec<u8>) {
        if !state.is_empty() {
            self.message(RecordKind::State, &raftpb::HardState::from(*state), out);
        }
    }

    /// The mark of a snapshot.
    pub fn snapshot(&mut self, mark: &SnapshotMark, out: &mut Vec<u8>) {
        self.message(RecordKind::Snapshot, &mark.to_proto(), out);
    }

    /// Any record with data as it stands, or without data. A crc record stores the checksum so
    /// far, all others that which includes their data.
    pub fn raw(&mut self, kind: RecordKind, data: Option<&Bytes>, out: &mut Vec<u8>) {
        self.data.clear();
        self.data.extend(data.into_iter().flatten());
        match data {
            Some(_) => self.data_record(kind, out),
            None => self.frame(kind, false, out),
        }
    }

    fn message(&mut self, kind: RecordKind, message: &impl Message, out: &mut Vec<u8>) {
        self.data.clear();
        message.encode_raw(&mut self.data);
        self.data_record(kind, out);
    }

    fn data_record(&mut self, kind: RecordKind, out: &mut Vec<u8>) {
        self.crc = crc32c::crc32c_append(self.crc, &self.data);
        self.frame(kind, true, out);
    }

    fn frame(&mut self, kind: RecordKind, has_data: bool, out: &mut Vec<u8>) {
        self.record.clear();
        self.record.extend([0x08, kind.number(), 0x10]);
        encode_varint(u64::from(self.crc), &mut self.record);
        if has_data {
            self.record.put_u8(0x1a);
            encode_varint(self.data.len() as u64, &mut self.record);
            self.record.extend(&self.data);
        }
        let (header, pad) = encode_header(self.record.len());
        out.put_u64_le(header);
        out.extend(&self.record);
        out.put_bytes(0, pad);
    }
}

/// `raftpb.Entry`, straight from raft's type: its three numbers always, data unless empty.
fn encode_entry(entry: &raft::Entry, out: &mut Vec<u8>) {
    let kind = raftpb::EntryType::from(entry.entry_type);
    for (key, value) in [(0x08, kind as u64), (0x10, entry.term), (0x18, entry.index)] {
        out.put_u8(key);
        encode_varint(value, out);
    }
    if !entry.data.is_empty() {
        out.put_u8(0x22);
        encode_varint(entry.data.len() as u64, out);
        out.extend(&entry.data);
    }
}
