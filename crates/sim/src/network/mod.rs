//! Links between servers, as etcd's transport has them.
//!
//! Between two servers there are a stream for appended entries, a stream for everything else, and
//! snapshots that travel on their own, each with an outcome that its sender is told. A message on
//! a stream never overtakes the one before it. A stream holds [`STREAM_MESSAGES_MAX`] messages, of
//! snapshots there are [`SNAPSHOTS_MAX`] under way; what does not fit is dropped and the peer
//! reported unreachable, as it is when nobody answers or the link is cut. What is on its way when
//! a link is cut is lost when it would have arrived.
//!
//! ```text
//! cuts    which links are cut, a layer for each kind of partition
//! rule    what happens to messages: lost, late, twice, out of order, held
//! links   which messages a rule is about
//! delay   distributions
//! ```
//!
//! Sources: etcd release-3.4, `etcdserver/api/rafthttp/{peer,stream,pipeline,snapshot_sender}.go`.
//! Not as there: a stream that breaks and is dialled again loses nothing beyond what was on it,
//! and the pipeline that takes a stream's place meanwhile is not told apart from it.

mod cuts;
mod delay;
mod links;
mod rule;

use ordered::Map;

use serde::{Deserialize, Serialize};

pub use cuts::CutKind;
pub use delay::Delay;
pub use links::{Kinds, Links, MessageKind, Selector};
pub use rule::{Effect, Rule};

use crate::fault::Names;
use crate::machine::Message;
use crate::rng::{Consumer, Stream};
use crate::scenario::{ClusterSpec, Node, Span};
use cuts::Cuts;
use rule::Rules;

/// Messages that a stream holds: rafthttp's `streamBufSize`.
pub const STREAM_MESSAGES_MAX: usize = 4_096;
/// Snapshots under way to a peer: rafthttp's `pipelineBufSize`.
pub const SNAPSHOTS_MAX: usize = 64;
/// The arrival of a message that is held.
pub const HELD_NS: u64 = u64::MAX;

/// A message under way.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Sender.
    pub from: Node,
    /// Receiver.
    pub to: Node,
    /// What it carries.
    pub message: Message,
    /// When it left.
    pub sent_ns: u64,
    /// When it arrives; [`HELD_NS`] while it is held.
    pub arrives_ns: u64,
    /// Held by hand, not by a clog: only by hand does it go on.
    is_held_by_hand: bool,
}

impl Flight {
    /// Whether it waits to be let go.
    pub fn is_held(&self) -> bool {
        self.arrives_ns == HELD_NS
    }
}

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LossReason {
    /// The `loss` rule took it.
    Chance,
    /// The link is cut.
    Partition,
    /// Nobody is there.
    ReceiverDown,
    /// The sender's queue for this peer is full.
    QueueFull,
    /// It was taken out by hand.
    ByHand,
}

/// What became of a message that was handed to the network.
pub(crate) enum Sending {
    /// It is under way, perhaps twice.
    Flies { first: Departed, twin: Option<Departed> },
    /// It is lost already.
    Lost(LossReason),
}

/// A message that left, or waits for that ([`HELD_NS`]).
#[derive(Clone, Copy)]
pub(crate) struct Departed {
    pub(crate) flight: u64,
    pub(crate) arrives_ns: u64,
}

/// What goes into the head: messages in the air end with a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkHead {
    cuts: Cuts,
    rules: Rules,
    latency_position: u128,
    loss_position: u128,
    fault_position: u128,
    next_flight: u64,
    fired: Names,
}

impl NetworkHead {
    /// Servers that it tells of, when it is sound.
    pub(crate) fn nodes(&self) -> Option<usize> {
        self.cuts.is_sound().then(|| self.cuts.nodes())
    }
}

/// All links.
#[derive(Clone, Debug)]
pub struct Network {
    cuts: Cuts,
    rules: Rules,
    latency: Span,
    latency_stream: Stream,
    loss_stream: Stream,
    fault_stream: Stream,
    next_flight: u64,
    flights: Map<u64, Flight>,
    streams: Map<(Node, Node, Lane), Queued>,
    /// Faults that did something.
    fired: Names,
}

/// What travels together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Appends,
    Messages,
    Snapshots,
}

impl Lane {
    fn of(kind: MessageKind) -> Lane {
        match kind {
            MessageKind::Append => Lane::Appends,
            MessageKind::Snapshot => Lane::Snapshots,
            MessageKind::AppendResponse
            | MessageKind::Heartbeat
            | MessageKind::HeartbeatResponse
            | MessageKind::Vote
            | MessageKind::VoteResponse
            | MessageKind::Proposal
            | MessageKind::Read
            | MessageKind::Other => Lane::Messages,
        }
    }

    fn holds(self) -> usize {
        match self {
            Lane::Appends | Lane::Messages => STREAM_MESSAGES_MAX,
            Lane::Snapshots => SNAPSHOTS_MAX,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Queued {
    /// When the last message in order arrives.
    free_ns: u64,
    messages: usize,
}

/// What the rules make of one message.
#[derive(Default)]
struct Fortune {
    is_lost: bool,
    is_doubled: bool,
    is_clogged: bool,
    later_ns: u64,
    /// How much later than it would be in its order, out of it.
    astray_ns: Option<u64>,
}

impl Network {
    pub(crate) fn new(spec: &ClusterSpec) -> Network {
        let head = NetworkHead {
            cuts: Cuts::new(spec.nodes),
            rules: Rules::default(),
            latency_position: 0,
            loss_position: 0,
            fault_position: 0,
            next_flight: 1,
            fired: Names::default(),
        };
        Network::resume(spec, head)
    }

    pub(crate) fn head(&self) -> NetworkHead {
        NetworkHead {
            cuts: self.cuts.clone(),
            rules: self.rules.clone(),
            latency_position: self.latency_stream.position(),
            loss_position: self.loss_stream.position(),
            fault_position: self.fault_stream.position(),
            next_flight: self.next_flight,
            fired: self.fired.clone(),
        }
    }

    pub(crate) fn resume(spec: &ClusterSpec, head: NetworkHead) -> Network {
        Network {
            cuts: head.cuts,
            rules: head.rules,
            latency: spec.latency,
            latency_stream: Stream::at(spec.seed, Consumer::Network, head.latency_position),
            loss_stream: Stream::at(spec.seed, Consumer::Loss, head.loss_position),
            fault_stream: Stream::at(spec.seed, Consumer::LinkFaults, head.fault_position),
            next_flight: head.next_flight,
            flights: Map::new(),
            streams: Map::new(),
            fired: head.fired,
        }
    }

    /// Whether no rule holds but cuts, and nothing is held by hand.
    pub(crate) fn is_quiet(&self) -> bool {
        self.rules == Rules::default()
    }

    // ---- messages ----

    pub(crate) fn send(&mut self, now_ns: u64, from: Node, to: Node, message: Message) -> Sending {
        let kind = message.kind();
        let fortune = self.fortune(from, to, kind);
        let latency_ns = self.latency_stream.within(self.latency);
        if let Some(cut) = self.cuts.of(from, to) {
            self.fired.insert(cut.name());
            return Sending::Lost(LossReason::Partition);
        }
        if fortune.is_lost {
            self.fired.insert("loss");
            return Sending::Lost(LossReason::Chance);
        }
        let lane = Lane::of(kind);
        let stream = self.streams.get_or_default((from, to, lane));
        if stream.messages >= lane.holds() {
            return Sending::Lost(LossReason::QueueFull);
        }
        let arrives_ns = if fortune.is_clogged {
            HELD_NS
        } else if let Some(astray_ns) = fortune.astray_ns {
            now_ns + (latency_ns + fortune.later_ns + astray_ns).max(1)
        } else {
            let arrives_ns = now_ns + (latency_ns + fortune.later_ns).max(1);
            stream.in_order(lane, arrives_ns)
        };
        let flight =
            Flight { from, to, message, sent_ns: now_ns, arrives_ns, is_held_by_hand: false };
        let twin = fortune.is_doubled.then(|| {
            self.fired.insert("duplicate");
            let later_ns = 1 + self.fault_stream.below(2 * self.latency.high_ns.max(1));
            let arrives_ns = arrives_ns.saturating_add(later_ns);
            self.depart(lane, Flight { arrives_ns, ..flight.clone() })
        });
        Sending::Flies { first: self.depart(lane, flight), twin }
    }

    /// Draws what the rules say of one message. Only rules that are about it draw.
    fn fortune(&mut self, from: Node, to: Node, kind: MessageKind) -> Fortune {
        let mut fortune = Fortune::default();
        if self.rules.is_empty() {
            return fortune;
        }
        let mut loss_ppm = 0;
        for effect in self.rules.of(from, to, kind) {
            match effect {
                Effect::Loss(ppm) => loss_ppm = loss_ppm.max(ppm),
                Effect::Delay(delay) => {
                    fortune.later_ns += delay.draw(&mut self.fault_stream);
                    self.fired.insert("delay");
                }
                Effect::Duplicate(ppm) => fortune.is_doubled |= self.fault_stream.chance_ppm(ppm),
                Effect::Reorder { ppm, by_ns } => {
                    if self.fault_stream.chance_ppm(ppm) {
                        self.fired.insert("reorder");
                        fortune.astray_ns = Some(1 + self.fault_stream.below(by_ns.max(1)));
                    }
                }
                Effect::Clog => {
                    self.fired.insert("clog");
                    fortune.is_clogged = true;
                }
            }
        }
        fortune.is_lost = self.loss_stream.chance_ppm(loss_ppm);
        fortune
    }

    fn depart(&mut self, lane: Lane, flight: Flight) -> Departed {
        let stream = self.streams.get_or_default((flight.from, flight.to, lane));
        stream.messages += 1;
        let departed = Departed { flight: self.next_flight, arrives_ns: flight.arrives_ns };
        self.next_flight += 1;
        self.flights.insert(departed.flight, flight);
        departed
    }

    /// Takes a message out of the air whose time has come; none if it was held or lost meanwhile.
    pub(crate) fn arrive(&mut self, now_ns: u64, flight: u64) -> Option<Flight> {
        let is_due = self.flights.get(&flight).is_some_and(|one| one.arrives_ns == now_ns);
        if is_due { self.take(flight) } else { None }
    }

    /// Takes a message out of the air.
    pub(crate) fn take(&mut self, flight: u64) -> Option<Flight> {
        let taken = self.flights.remove(&flight)?;
        let lane = Lane::of(taken.message.kind());
        if let Some(stream) = self.streams.get_mut(&(taken.from, taken.to, lane)) {
            stream.messages -= 1;
        }
        Some(taken)
    }

    /// Holds a message that is under way. False when there is none of that number.
    pub(crate) fn hold(&mut self, flight: u64) -> bool {
        let Some(flight) = self.flights.get_mut(&flight) else { return false };
        (flight.arrives_ns, flight.is_held_by_hand) = (HELD_NS, true);
        true
    }

    /// Lets a message arrive at the next moment, whether it is held or not.
    pub(crate) fn hurry(&mut self, now_ns: u64, flight: u64) -> Option<Departed> {
        let one = self.flights.get_mut(&flight)?;
        (one.arrives_ns, one.is_held_by_hand) = (now_ns + 1, false);
        Some(Departed { flight, arrives_ns: now_ns + 1 })
    }

    /// The oldest held message among these.
    pub(crate) fn oldest_held(&self, of: Selector) -> Option<u64> {
        let is_meant = |flight: &Flight| {
            flight.is_held() && of.contains(flight.from, flight.to, flight.message.kind())
        };
        self.flights.iter().find(|(_, flight)| is_meant(flight)).map(|(id, _)| *id)
    }

    /// Lets go what no clog holds any more, in its order.
    fn release(&mut self, now_ns: u64) -> Vec<Departed> {
        let Network { flights, rules, streams, latency_stream, latency, .. } = self;
        let mut released = Vec::new();
        for (id, flight) in flights.iter_mut() {
            let kind = flight.message.kind();
            if !flight.is_held()
                || flight.is_held_by_hand
                || rules.clog(flight.from, flight.to, kind)
            {
                continue;
            }
            let lane = Lane::of(kind);
            let arrives_ns = now_ns + latency_stream.within(*latency).max(1);
            let stream = streams.get_or_default((flight.from, flight.to, lane));
            flight.arrives_ns = stream.in_order(lane, arrives_ns);
            released.push(Departed { flight: *id, arrives_ns: flight.arrives_ns });
        }
        released
    }

    /// Everything in the air is gone.
    pub(crate) fn clear(&mut self) {
        self.flights.clear();
        self.streams.clear();
    }

    /// Messages in the air with their ids, oldest first.
    pub fn flights(&self) -> impl Iterator<Item = (u64, &Flight)> {
        self.flights.iter().map(|(id, flight)| (*id, flight))
    }

    // ---- cuts and rules ----

    /// Whether every server's messages reach every other.
    pub(crate) fn is_whole(&self) -> bool {
        self.cuts.is_empty()
    }

    /// Whether one server's messages reach another.
    pub fn connected(&self, from: Node, to: Node) -> bool {
        self.cuts.of(from, to).is_none()
    }

    /// Notes that a cut took a message that was under way.
    pub(crate) fn cut_took(&mut self, from: Node, to: Node) {
        if let Some(cut) = self.cuts.of(from, to) {
            self.fired.insert(cut.name());
        }
    }

    /// The groups that hear each other, directly or through others, by their first member.
    pub fn groups(&self) -> Vec<Vec<Node>> {
        self.cuts.groups()
    }

    /// Cuts links.
    pub(crate) fn cut(&mut self, kind: CutKind, is_cut: impl Fn(Node, Node) -> bool) {
        self.cuts.cut(kind, is_cut);
    }

    /// Ends a layer of cuts.
    pub(crate) fn end_cut(&mut self, kind: CutKind) {
        self.cuts.end(kind);
    }

    /// Mends links that were cut one by one.
    pub(crate) fn mend(&mut self, links: Links) {
        self.cuts.mend(CutKind::OneWay, |from, to| links.contain(from, to));
    }

    /// Servers hear only those of their own group; who is in none forms one more. Ends what was
    /// isolated or parted before.
    pub(crate) fn partition(&mut self, groups: &[Vec<Node>]) {
        let group = |node: Node| groups.iter().position(|group| group.contains(&node));
        self.cuts.end(CutKind::Partition);
        self.cuts.end(CutKind::Isolate);
        self.cuts.cut(CutKind::Partition, |from, to| group(from) != group(to));
    }

    /// Ends all cuts and rules; gives what goes on its way.
    pub(crate) fn heal(&mut self, now_ns: u64) -> Vec<Departed> {
        self.cuts.clear();
        self.rules.clear();
        self.release(now_ns)
    }

    /// Ends a cut or the rules of one name.
    pub(crate) fn end(&mut self, now_ns: u64, name: &str, links: Links) -> Vec<Departed> {
        for kind in CutKind::ALL.into_iter().filter(|kind| kind.name() == name) {
            self.cuts.end(kind);
        }
        self.rules.end(name, links);
        self.release(now_ns)
    }

    pub(crate) fn set(&mut self, rule: Rule) {
        self.rules.set(rule);
    }

    /// The rules and one-way cuts as scenario lines.
    pub fn rules(&self) -> Vec<String> {
        let cuts = self.cuts.one_way().map(|(from, to)| format!("cut {from}->{to}"));
        self.rules.all().map(ToString::to_string).chain(cuts).collect()
    }

    /// Faults that did something to a message.
    pub(crate) fn fired(&self) -> &Names {
        &self.fired
    }
}

impl Queued {
    /// When a message arrives that must not overtake the one before it.
    fn in_order(&mut self, lane: Lane, arrives_ns: u64) -> u64 {
        if lane == Lane::Snapshots {
            return arrives_ns;
        }
        self.free_ns = arrives_ns.max(self.free_ns + 1);
        self.free_ns
    }
}
