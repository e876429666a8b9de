//! Readers of bytes from outside, each as a function of any bytes that returns or panics.
//!
//! `fuzz/` feeds them to cargo-fuzz; the test beside this library feeds them the kept corpus, all
//! [`seeds`], every truncation of them and a portion of their bit flips, on stable Rust.
//!
//! | target | reads |
//! |---|---|
//! | `wal_record` | one segment, record by record |
//! | `wal_directory` | a log of several segments: replay in both modes, snapshots, inspection |
//! | `snap_file` | a `.snap` file and the v2 tree in it |
//! | `database_snapshot` | a database file with or without its trailing hash, up to the keys |
//! | `bolt` | a bbolt file: open, check, walks both ways, freelist |
//! | `request` | the data of a log entry |
//! | `archive` | an archive or a single file, up to what it is and holds |
//!
//! Bytes become several files by [`split`].

#![allow(clippy::missing_panics_doc, reason = "a panic is what a target finds")]

mod backend;
mod import;
mod log;
pub mod seeds;
mod split;

pub use split::{join, split};

/// A target: what it is called, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 7] = [
    ("wal_record", log::record),
    ("wal_directory", log::directory),
    ("snap_file", log::snap_file),
    ("database_snapshot", backend::database_snapshot),
    ("bolt", backend::bolt),
    ("request", log::request),
    ("archive", import::archive),
];

/// Runs one target.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("there is no target {name}"));
    target(bytes);
}
