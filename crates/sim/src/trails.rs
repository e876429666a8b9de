//! The causal chains of console requests, put together from the trace while it grows.
//!
//! Of the last sixteen requests the chain is kept; one is watched for a few
//! thousand records after it began. Trails are for showing alone: nothing
//! in the world depends on them, and a reload forgets them.

use ordered::Map;
use std::collections::VecDeque;
use std::sync::Arc;

use etcd::server::ServerEvent as Etcd;
use etcd::wal::SegmentName;
use raft::MessageType;

use crate::machine::{Message, ServerEvent};
use crate::scenario::{ClientCommand, Node};
use crate::trace::{Record, TraceEvent};
use crate::view::{RecordPlace, Trail, TrailKind, TrailStep};

const TRAILS_KEPT: usize = 16;
const PATIENCE_RECORDS: u32 = 4_000;

/// See the module's head.
#[derive(Clone, Debug, Default)]
pub struct Trails {
    trails: VecDeque<Arc<Growing>>,
}

/// A chain and what is needed to make it longer.
#[derive(Clone, Debug)]
struct Growing {
    trail: Trail,
    /// The id that travels in the entry.
    proposal: Option<u64>,
    /// Answers of peers under way that acknowledge the entry.
    acknowledging: Map<u64, Node>,
    /// Records that are still looked at.
    left: u32,
}

impl Trails {
    pub(crate) fn begin(&mut self, request: u64, command: &ClientCommand) {
        if self.trails.len() == TRAILS_KEPT {
            self.trails.pop_front();
        }
        self.trails.push_back(Arc::new(Growing {
            trail: Trail { request, command: command.to_string(), ..Trail::default() },
            proposal: None,
            acknowledging: Map::new(),
            left: PATIENCE_RECORDS,
        }));
    }

    /// Whether no request came from the console yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.trails.is_empty()
    }

    /// The proposals whose place in the log is not known yet.
    pub(crate) fn unplaced(&self) -> Vec<u64> {
        let unplaced = self.trails.iter().filter(|one| one.left > 0 && one.trail.index.is_none());
        unplaced.filter_map(|growing| growing.proposal).collect()
    }

    /// A proposal became an entry of a leader's log.
    pub(crate) fn place(&mut self, proposal: u64, index: u64, term: u64) {
        for growing in &mut self.trails {
            if growing.proposal == Some(proposal) {
                let trail = &mut Arc::make_mut(growing).trail;
                (trail.index, trail.term) = (Some(index), Some(term));
            }
        }
    }

    pub(crate) fn observe(&mut self, record: &Record) {
        for growing in self.trails.iter_mut().rev().take_while(|growing| growing.left > 0) {
            Arc::make_mut(growing).observe(record);
        }
    }

    /// The chain of a request.
    pub fn of(&self, request: u64) -> Option<&Trail> {
        self.trails.iter().map(|growing| &growing.trail).find(|trail| trail.request == request)
    }

    /// The chain of the last request.
    pub fn last(&self) -> Option<&Trail> {
        self.trails.back().map(|growing| &growing.trail)
    }
}

impl Growing {
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events belong to no chain")]
    fn observe(&mut self, record: &Record) {
        self.left -= 1;
        let mine = self.trail.request;
        match &record.what {
            TraceEvent::Requested { request, node, .. } if *request == mine => {
                self.add(record, None, TrailKind::Sent, Some(*node));
            }
            TraceEvent::Received(node, request) if *request == mine => {
                self.add(record, Some(*node), TrailKind::Received, None);
            }
            TraceEvent::Told(node, ServerEvent::Etcd(event)) => self.told(record, *node, event),
            TraceEvent::Sent { flight, from, to, message: Message::Etcd(message), .. } => {
                self.sent(record, *flight, *from, *to, message);
            }
            TraceEvent::Delivered { flight, to, .. } => {
                if let Some(peer) = self.acknowledging.remove(flight) {
                    self.add_once(record, *to, TrailKind::Acked, Some(peer));
                }
            }
            TraceEvent::Replied(node, request) if *request == mine => {
                self.add(record, Some(*node), TrailKind::Replied, None);
            }
            TraceEvent::Ended { request, outcome, .. } if *request == mine => {
                self.trail.outcome = Some(*outcome);
                self.add(record, None, TrailKind::Ended, None);
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most events belong to no chain")]
    fn told(&mut self, record: &Record, node: Node, event: &Etcd) {
        if let Etcd::Proposed { proposal_id, request: Some(request), .. } = event {
            if request.0 == self.trail.request {
                self.proposal = Some(*proposal_id);
                self.add(record, Some(node), TrailKind::Proposed, None);
            }
            return;
        }
        let Some(mine) = self.trail.index else { return };
        match event {
            Etcd::Appended { segment, offset, length, first_index, last_index, .. }
                if (*first_index..=*last_index).contains(&mine) =>
            {
                self.add_once(record, node, TrailKind::Appended, None);
                let place = SegmentName::parse(segment).map(|name| RecordPlace {
                    segment: name.sequence,
                    offset: *offset,
                    length: *length,
                });
                if let Some(step) = self.trail.steps.last_mut() {
                    step.record = place;
                }
            }
            Etcd::Synced { last_index }
                if *last_index >= mine && self.has(node, TrailKind::Appended, None) =>
            {
                self.add_once(record, node, TrailKind::Synced, None);
            }
            Etcd::Committed { index } if *index >= mine => {
                self.add_once(record, node, TrailKind::Committed, None);
            }
            Etcd::Applied { index, revision } if *index == mine => {
                self.trail.revision = Some(*revision);
                self.add_once(record, node, TrailKind::Applied, None);
            }
            _ => {}
        }
    }

    fn sent(
        &mut self,
        record: &Record,
        flight: u64,
        from: Node,
        to: Node,
        message: &raft::Message,
    ) {
        let Some(mine) = self.trail.index else { return };
        let carries = || message.entries.iter().any(|entry| entry.index == mine);
        let acknowledges = message.index >= mine && !message.reject;
        if message.msg_type == MessageType::App && carries() {
            self.add_once(record, from, TrailKind::Replicated, Some(to));
        } else if message.msg_type == MessageType::AppResp
            && acknowledges
            && self.has(from, TrailKind::Appended, None)
        {
            self.acknowledging.insert(flight, from);
        }
    }

    fn has(&self, node: Node, kind: TrailKind, peer: Option<Node>) -> bool {
        let same = |step: &TrailStep| (step.node, step.kind, step.peer) == (Some(node), kind, peer);
        self.trail.steps.iter().any(same)
    }

    fn add_once(&mut self, record: &Record, node: Node, kind: TrailKind, peer: Option<Node>) {
        if !self.has(node, kind, peer) {
            self.add(record, Some(node), kind, peer);
        }
    }

    fn add(&mut self, record: &Record, node: Option<Node>, kind: TrailKind, peer: Option<Node>) {
        let (event, at_ns) = (record.event, record.at_ns);
        self.trail.steps.push(TrailStep { event, at_ns, node, kind, peer, record: None });
    }
}
