//! What a plan draws with: windows of time, servers within a budget, choices.
//!
//! Every kind draws from a stream of its own, keyed by the kind's name and the time at which the
//! plan begins, so a new kind moves no other's choices. The budget is shared: the servers that are
//! away at one time are a minority of the members of that moment (of one, that one), except in a blackout, which
//! has its time for itself. Kinds draw in the order of the table, each as much as it finds room for.

use std::ops::Range;

use super::{DiskMend, Fault, Survivors};
use crate::network::{Kinds, Links, MessageKind, Selector};
use crate::rng::{Consumer, Stream};
use crate::scenario::{ClusterSpec, MILLISECOND_NS, Node, SECOND_NS, Target};

/// Times of a plan are whole milliseconds from its beginning on, so that they can be read.
const GRAIN_NS: u64 = MILLISECOND_NS;
/// More entries than this between two snapshots, and a plan of a minute sees none.
const SNAPSHOT_COUNT_MAX: u64 = 500;
/// Room is looked for so often before an outage is left out.
const ATTEMPTS: usize = 6;
/// Of so many rules one is about some kinds of messages only: one of these sets.
const KINDS_ONE_IN: usize = 3;
const KINDS: [&[MessageKind]; 5] = [
    &[MessageKind::Append],
    &[MessageKind::AppendResponse],
    &[MessageKind::Heartbeat, MessageKind::HeartbeatResponse],
    &[MessageKind::Vote, MessageKind::VoteResponse],
    &[MessageKind::Snapshot],
];
/// So many times harder a plan tries when it insists.
const INSISTENCE: usize = 6;
/// How long a server may take to come back once its outage is over.
const RECOVERY_NS: u64 = SECOND_NS;

/// Servers that are away, by plan.
struct Outage {
    /// All of them for none.
    node: Option<Node>,
    from_ns: u64,
    until_ns: u64,
}

/// What a plan is drawn for.
pub(crate) struct Ground {
    pub(super) from_ns: u64,
    pub(super) until_ns: u64,
    /// Servers that are members when it is drawn.
    pub(super) members: Vec<Node>,
    /// Only these faults, all of them; by chance without.
    pub(super) only: Option<Vec<String>>,
    /// Whether they have had their chance before: then they are tried harder.
    pub(super) insists: bool,
}

/// See the module's head.
pub(crate) struct Draw {
    seed: u64,
    sees_snapshots: bool,
    ground: Ground,
    stream: Stream,
    outages: Vec<Outage>,
    actions: Vec<(u64, Fault)>,
}

impl Draw {
    pub(super) fn new(spec: &ClusterSpec, ground: Ground) -> Draw {
        let seed = spec.seed;
        let sees_snapshots = spec.snapshot_count <= SNAPSHOT_COUNT_MAX;
        let stream = Stream::new(seed, Consumer::Plan(0));
        let (outages, actions) = (Vec::new(), Vec::new());
        Draw { seed, sees_snapshots, ground, stream, outages, actions }
    }

    /// What was drawn, in the order of time.
    pub(super) fn into_actions(mut self) -> Vec<(u64, Fault)> {
        ordered::sort_by_key(&mut self.actions, |(at_ns, _)| *at_ns);
        self.actions
    }

    /// Goes on with the stream of a fault, and says whether that is in play.
    pub(super) fn is_on(&mut self, name: &str) -> bool {
        let consumer = Consumer::Plan(crc32c::crc32c(name.as_bytes()));
        self.stream = Stream::at(self.seed, consumer, u128::from(self.ground.from_ns) << 10);
        let by_chance = self.stream.below(2) == 1;
        self.ground.only.as_ref().map_or(by_chance, |only| only.iter().any(|one| one == name))
    }

    /// How many servers there are.
    pub(super) fn members(&self) -> usize {
        self.ground.members.len()
    }

    /// Whether what is in play has had its chance before.
    pub(super) fn insists(&self) -> bool {
        self.ground.insists
    }

    /// Whether the cluster takes snapshots so often that a plan sees some.
    pub(super) fn sees_snapshots(&self) -> bool {
        self.sees_snapshots
    }

    /// Something happens at a time.
    pub(super) fn at(&mut self, at_ns: u64, fault: impl Into<Fault>) {
        self.actions.push((at_ns, fault.into()));
    }

    /// So many windows a minute, at least one, apart from each other, each as long as drawn from a
    /// span in milliseconds.
    pub(super) fn windows(
        &mut self,
        per_minute: u64,
        length_ms: Range<u64>,
        mut act: impl FnMut(&mut Draw, u64, u64),
    ) {
        for slice in self.slices(per_minute) {
            let (from_ns, until_ns) = self.window(&slice, &length_ms);
            act(self, from_ns, until_ns);
        }
    }

    /// As windows, each with a server that may be away for so long.
    pub(super) fn outages(
        &mut self,
        per_minute: u64,
        length_ms: Range<u64>,
        mut act: impl FnMut(&mut Draw, Node, u64, u64),
    ) {
        for slice in self.slices(per_minute) {
            for _ in 0..self.attempts() {
                let (from_ns, until_ns) = self.window(&slice, &length_ms);
                let node = self.node();
                if self.reserve(Some(node), from_ns, until_ns) {
                    act(self, node, from_ns, until_ns);
                    break;
                }
            }
        }
    }

    /// As windows, in which any server or all of them may be away.
    pub(super) fn blackouts(
        &mut self,
        per_minute: u64,
        length_ms: Range<u64>,
        mut act: impl FnMut(&mut Draw, u64, u64),
    ) {
        for slice in self.slices(per_minute) {
            for _ in 0..self.attempts() {
                let (from_ns, until_ns) = self.window(&slice, &length_ms);
                if self.reserve(None, from_ns, until_ns) {
                    act(self, from_ns, until_ns);
                    break;
                }
            }
        }
    }

    fn attempts(&self) -> usize {
        if self.insists() { INSISTENCE * ATTEMPTS } else { ATTEMPTS }
    }

    /// The plan's time in equal parts.
    fn slices(&self, per_minute: u64) -> Vec<Range<u64>> {
        let Ground { from_ns, until_ns, insists, .. } = self.ground;
        let whole_ns = until_ns - from_ns;
        let per_minute = if insists { per_minute * INSISTENCE as u64 } else { per_minute };
        let count = (whole_ns * per_minute / (60 * SECOND_NS)).clamp(1, 1_000);
        let part_ns = whole_ns / count / GRAIN_NS * GRAIN_NS;
        (0..count).map(|n| from_ns + n * part_ns..from_ns + (n + 1) * part_ns).collect()
    }

    /// A window within a slice that begins after its first moment and ends before its last.
    fn window(&mut self, slice: &Range<u64>, length_ms: &Range<u64>) -> (u64, u64) {
        let room_ms = (slice.end - slice.start) / GRAIN_NS;
        let length_ms = self.milliseconds(length_ms.clone()) / GRAIN_NS;
        let length_ms = length_ms.clamp(1, room_ms.saturating_sub(2).max(1));
        let start_ms = 1 + self.stream.below(room_ms.saturating_sub(length_ms).max(1));
        let from_ns = slice.start + start_ms * GRAIN_NS;
        (from_ns, from_ns + length_ms * GRAIN_NS)
    }

    fn reserve(&mut self, node: Option<Node>, from_ns: u64, until_ns: u64) -> bool {
        let until_ns = until_ns + RECOVERY_NS;
        let at_once: Vec<&Outage> = self
            .outages
            .iter()
            .filter(|other| other.from_ns <= until_ns && from_ns <= other.until_ns)
            .collect();
        let may_fail = self.members().saturating_sub(1) / 2;
        let fits = match node {
            None => at_once.is_empty(),
            Some(node) => {
                at_once.len() < may_fail.max(1)
                    && at_once.iter().all(|other| other.node.is_some_and(|one| one != node))
            }
        };
        if fits {
            self.outages.push(Outage { node, from_ns, until_ns });
        }
        fits
    }

    /// A disk works again.
    pub(super) fn repaired(&mut self, node: Node, at_ns: u64) {
        self.at(at_ns, DiskMend { target: Target::Node(node) });
    }

    // ---- choices ----

    pub(super) fn below(&mut self, bound: usize) -> usize {
        let drawn = self.stream.below(bound as u64);
        usize::try_from(drawn).expect("below a usize")
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A time within a span of milliseconds, in nanoseconds.
    pub(super) fn milliseconds(&mut self, span: Range<u64>) -> u64 {
        (span.start + self.stream.below(span.end - span.start)) * GRAIN_NS
    }

    pub(super) fn node(&mut self) -> Node {
        let place = self.below(self.members());
        self.ground.members[place]
    }

    pub(super) fn shuffled(&mut self) -> Vec<Node> {
        let mut nodes = self.ground.members.clone();
        for left in (1..nodes.len()).rev() {
            let other = self.below(left + 1);
            nodes.swap(left, other);
        }
        nodes
    }

    /// All links, those of a server, or one.
    pub(super) fn links(&mut self) -> Links {
        let nodes = self.shuffled();
        match (self.below(4), nodes.as_slice()) {
            (0, [one, ..]) => Links::Of(*one),
            (1, [one, other, ..]) => Links::From(*one, *other),
            (2, [one, other, ..]) => Links::Between(*one, *other),
            _ => Links::All,
        }
    }

    /// Messages that a rule is about: on some links, now and then of some kinds only.
    pub(super) fn messages(&mut self) -> Selector {
        let links = self.links();
        let is_choosy = self.below(KINDS_ONE_IN) == 0;
        let kinds = if is_choosy { Kinds::of(self.one_of(&KINDS)) } else { Kinds::ALL };
        Selector { links, kinds }
    }

    pub(super) fn survivors(&mut self) -> Survivors {
        self.one_of(&[
            Survivors::Nothing,
            Survivors::Torn,
            Survivors::Torn,
            Survivors::Reordered,
            Survivors::Nameless,
            Survivors::Everything,
        ])
    }
}
