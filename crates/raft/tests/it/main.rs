//! All integration tests of the core in one program: it links once, however often it is built.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod async_storage;
mod bad_storage;
mod boot;
mod claims_election;
mod claims_membership;
mod claims_paper;
mod claims_progress;
mod claims_raw_node;
mod claims_reads_transfer;
mod claims_replication;
mod claims_storage;
mod election;
mod exploration;
mod explore;
mod group;
mod hostile;
mod interface;
mod membership;
mod memory_storage;
mod options;
mod reads_and_transfer;
mod replication;
mod schedules;
mod values;
