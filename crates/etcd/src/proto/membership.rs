//! `membershippb` (proto3, since 3.5): what the cluster says about itself through the log.
#![allow(
    missing_docs,
    clippy::struct_excessive_bools,
    reason = "names and numbers are those of the .proto files; etcd documents them"
)]

use bytes::Bytes;

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Attributes {
    #[prost(bytes = "bytes", tag = "1")]
    pub name: Bytes,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub client_urls: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClusterVersionSetRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub ver: Bytes,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ClusterMemberAttrSetRequest {
    #[prost(uint64, tag = "1")]
    pub member_id: u64,
    #[prost(message, optional, tag = "2")]
    pub member_attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DowngradeInfoSetRequest {
    #[prost(bool, tag = "1")]
    pub enabled: bool,
    #[prost(bytes = "bytes", tag = "2")]
    pub ver: Bytes,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct DowngradeVersionTestRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub ver: Bytes,
}
