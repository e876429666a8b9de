//! An etcd server without an operating system: log, storage, state machine.

pub mod apply;
pub mod bolt;
pub mod bugs;
pub mod datadir;
pub mod lease;
pub mod membership;
pub mod mvcc;
pub mod proto;
pub mod request;
pub mod server;
pub mod snap;
pub mod v2store;
pub mod wal;
pub mod watch;
