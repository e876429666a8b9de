//! Consensus: our core, the floor below it, and what the numbers shall be.

mod contender;
mod floor;

use ::raft::MemoryStorage;

use crate::shared::consensus::{self, Options};
use crate::{Area, Target};

/// The cases of `crates/raft`.
pub const AREA: Area = Area {
    name: "raft",
    run: |selection, report| {
        let (filter, effort) = (&selection.filter, selection.effort);
        let options = Options::default();
        if selection.floor {
            consensus::run::<floor::Group, floor::Row>(filter, options, effort, report);
        } else {
            consensus::run::<contender::Group, MemoryStorage>(filter, options, effort, report);
        }
    },
    targets: TARGETS,
};

const fn target(case: &'static str, ns: Option<f64>, times_peer: Option<f64>) -> Target {
    Target { ns, times_peer, ..Target::of(case) }
}

const TARGETS: &[Target] = &[
    target("propose/256B/3-nodes", Some(780.0), Some(5.0)),
    target("batch64/one-message/3-nodes", Some(190.0), Some(3.0)),
    target("batch64/64-messages/3-nodes", None, Some(3.0)),
    target("batch64/64-messages-coalesced/3-nodes", None, Some(3.0)),
    target("heartbeat/3-nodes", Some(300.0), Some(3.0)),
    target("heartbeat/5-nodes", Some(500.0), Some(3.0)),
    target("heartbeat/9-nodes", Some(1000.0), Some(3.0)),
    target("catch-up/64KiB-messages", Some(100.0), None),
    target("catch-up/1MiB-messages", Some(100.0), None),
    Target { bytes_per_entry: Some(64.0), ..target("log/append/own-payloads", None, None) },
    Target { bytes_per_entry: Some(32.0), ..target("log/append/shared-payloads", None, None) },
];
