//! `walpb` (proto2): the record of the write-ahead log and its snapshot mark.
#![allow(
    missing_docs,
    clippy::struct_excessive_bools,
    reason = "names and numbers are those of the .proto files; etcd documents them"
)]

use bytes::Bytes;

use super::raftpb::ConfState;

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Record {
    #[prost(int64, required, tag = "1")]
    pub r#type: i64,
    #[prost(uint32, required, tag = "2")]
    pub crc: u32,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub data: Option<Bytes>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Snapshot {
    #[prost(uint64, required, tag = "1")]
    pub index: u64,
    #[prost(uint64, required, tag = "2")]
    pub term: u64,
    /// Since 3.5.
    #[prost(message, optional, tag = "3")]
    pub conf_state: Option<ConfState>,
}
