//! etcd's messages in protobuf, as its log and its database hold them.
//!
//! Written by hand from etcd's `.proto` files, package by package. Two things are not what a
//! generator would make of those files:
//!
//! * etcd's proto2 messages always emit their plain scalars, zeros included: here they are
//!   `required`. Only what Go holds behind a pointer or as a `nil` slice is `optional`.
//! * Keys, values, names and paths are `bytes`: etcd takes any bytes for them.
//!
//! Decoding checks wire types strictly. That is how etcd tells a v3 request from a v2 one in the
//! same place of its log: see [`LoggedRequest::decode`].

pub mod authpb;
mod convert;
pub mod etcdserverpb;
mod fields;
mod go;
pub mod leasepb;
mod logged;
pub mod membership;
pub mod mvccpb;
pub mod raftpb;
pub mod rpc;
pub mod snappb;
pub(crate) mod strict;
mod text;
pub(crate) mod usual;

pub mod walpb;

pub use logged::LoggedRequest;
pub use text::{Field, FieldValue};
