//! What is measured: cases, the harness that runs them, the report.
//!
//! `cargo xtask bench AREA` builds this crate, the peers' programs (`peers/`, which take
//! [`shared`] in by its path) and, if asked, the same cases in wasm, and starts the report. The
//! report runs every contender's program in turn, several times, and gathers what they print: see
//! [`report`].
//!
//! An area is one file that gives an [`Area`], and one line in [`AREAS`].

// The cases are run in wasm by way of this library; natively by the program beside it.
#[cfg(feature = "etcd")]
pub mod etcd;
#[cfg(feature = "raft")]
pub mod raft;
pub mod report;
pub mod shared;
#[cfg(feature = "sim")]
pub mod sim;
mod table;
#[cfg(target_arch = "wasm32")]
mod wasm;

use shared::measure::{Effort, Measurement};

/// What can be measured: each area is a feature of this crate.
pub const AREAS: &[Area] = &[
    #[cfg(feature = "raft")]
    raft::AREA,
    #[cfg(feature = "etcd")]
    etcd::AREA,
    #[cfg(feature = "sim")]
    sim::AREA,
];

/// Hears of each result as it comes.
pub type Listener<'a> = &'a mut dyn FnMut(&Measurement);

/// A part of the project that has measurements.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// As the command names it.
    pub name: &'static str,
    /// Runs the cases that were asked for, each result as it comes.
    pub run: fn(&Selection, Listener<'_>),
    /// What the numbers shall be.
    pub targets: &'static [Target],
}

/// Which cases, how, and for how long.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Only cases whose names contain this.
    pub filter: String,
    /// Not the thing itself but the least that any implementation would have to do.
    pub floor: bool,
    /// How long.
    pub effort: Effort,
}

/// What a case shall reach.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The case's name.
    pub case: &'static str,
    /// Nanoseconds for an operation, at most.
    pub ns: Option<f64>,
    /// The same in wasm.
    pub wasm_ns: Option<f64>,
    /// Nanoseconds that etcd's own code takes on a like machine: a point of reference.
    pub etcd_ns: Option<f64>,
    /// How many times faster than every peer.
    pub times_peer: Option<f64>,
    /// Bytes that an entry may hold beyond its payload.
    pub bytes_per_entry: Option<f64>,
}

impl Target {
    /// Nothing is asked of this case yet.
    pub const fn of(case: &'static str) -> Self {
        Self {
            case,
            ns: None,
            wasm_ns: None,
            etcd_ns: None,
            times_peer: None,
            bytes_per_entry: None,
        }
    }

    /// Whether there is nothing to meet.
    pub const fn asks_nothing(&self) -> bool {
        self.ns.is_none()
            && self.wasm_ns.is_none()
            && self.times_peer.is_none()
            && self.bytes_per_entry.is_none()
    }
}

/// The area of this name, or a sentence that says what there is.
pub fn area(name: &str) -> Result<&'static Area, String> {
    AREAS.iter().find(|area| area.name == name).ok_or_else(|| {
        let names: Vec<&str> = AREAS.iter().map(|area| area.name).collect();
        format!("`{name}` has no benches yet; there are some for: {}", names.join(", "))
    })
}
