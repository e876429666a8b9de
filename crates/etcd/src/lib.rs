//! An etcd server without an operating system: log, storage, state machine.
