//! Storage: etcd's log, its store and its database file, and what the numbers shall be.
//!
//! Everything lies on the simulator's disk, in memory: no number has a sync of the host in it. The
//! figures of etcd's own code are those of its Go benchmarks on a like machine; that of its log has
//! a real sync for each batch in it.

mod bolt;
mod mvcc;
mod wal;

use crate::shared::batches;
use crate::shared::measure::Effort;
use crate::{Area, Listener, Target};

/// The cases of `crates/etcd`.
pub const AREA: Area = Area {
    name: "etcd",
    run: |selection, report| {
        let (filter, effort) = (&selection.filter[..], selection.effort);
        if selection.floor {
            batches::run::<bolt::Map>(filter, effort, report);
            return;
        }
        wal::run(filter, effort, report);
        mvcc::run(filter, effort, report);
        batches::run::<bolt::Database>(filter, effort, report);
    },
    targets: TARGETS,
};

/// One case, if it is asked for.
struct Asked<'a, 'b> {
    filter: &'a str,
    effort: Effort,
    report: Listener<'b>,
}

impl Asked<'_, '_> {
    fn is_for(&self, group: &str) -> bool {
        group.contains(self.filter) || self.filter.starts_with(group)
    }
}

const fn target(case: &'static str, ns: f64, etcd_ns: f64) -> Target {
    Target { ns: Some(ns), etcd_ns: Some(etcd_ns), ..Target::of(case) }
}

const TARGETS: &[Target] = &[
    target("wal/encode/100B/batch-1000", 150.0, 2100.0),
    Target { ns: Some(1.0), ..Target::of("wal/read/1000B/byte") },
    target("mvcc/put/memory", 1000.0, 9500.0),
    target("mvcc/update/memory", 1000.0, 9500.0),
    target("mvcc/put/disk", 3000.0, 9500.0),
    target("mvcc/update/disk", 3000.0, 9500.0),
    target("mvcc/range/one-key/disk", 1000.0, 38_600.0),
    target("mvcc/range/100-keys/disk", 15_000.0, 186_000.0),
    target("mvcc/restore/disk", 600.0, 6100.0),
    target("mvcc/compact-index/10000-keys", 200_000.0, 673_000.0),
];
