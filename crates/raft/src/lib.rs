//! Raft as etcd means it, as a pure state machine.
