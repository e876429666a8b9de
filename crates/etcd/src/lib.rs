//! An etcd server without an operating system: log, storage, state machine.

pub mod datadir;
pub mod proto;
pub mod wal;
