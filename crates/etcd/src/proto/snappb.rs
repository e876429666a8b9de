//! `snappb` (proto2): the wrapper of a `.snap` file.
#![allow(
    missing_docs,
    clippy::struct_excessive_bools,
    reason = "names and numbers are those of the .proto files; etcd documents them"
)]

use bytes::Bytes;

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Snapshot {
    #[prost(uint32, required, tag = "1")]
    pub crc: u32,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub data: Option<Bytes>,
}
