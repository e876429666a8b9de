//! Links between servers: ordered streams with a latency, as TCP connections are.
//!
//! A message on a link never overtakes the one before it. A partition cuts links in both
//! directions; what is on its way then is lost when it would have arrived, and the sender's
//! transport learns that the peer cannot be reached, as it does when a link's queue is full. A lost
//! message (`loss`) is lost silently.
//!
//! Left out, for the fault plans to come: duplication, reordering, one-way cuts, holding single
//! messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::Message;
use crate::rng::{Consumer, Stream};
use crate::scenario::{ClusterSpec, Fault, Node, Span};

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
    /// When it arrives.
    pub arrives_ns: u64,
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
}

/// What became of a message that was handed to the network.
pub(crate) enum Sending {
    /// It is under way.
    Flies { flight: u64, arrives_ns: u64 },
    /// It is lost already.
    Lost(LossReason),
}

/// Standing rules of the network; what of it survives a reload, with the streams' positions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// The group of each node; nodes hear those of their own group.
    groups: Vec<u32>,
    loss_ppm: u32,
    node_loss_ppm: BTreeMap<Node, u32>,
    delay_ns: u64,
    node_delay_ns: BTreeMap<Node, u64>,
}

/// What goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NetworkHead {
    rules: Rules,
    latency_position: u128,
    loss_position: u128,
    next_flight: u64,
}

impl NetworkHead {
    /// Servers that it tells of.
    pub(crate) fn nodes(&self) -> usize {
        self.rules.groups.len()
    }
}

/// All links.
#[derive(Clone, Debug)]
pub struct Network {
    rules: Rules,
    latency: Span,
    latency_stream: Stream,
    loss_stream: Stream,
    next_flight: u64,
    flights: BTreeMap<u64, Flight>,
    /// Each link by sender and receiver.
    links: BTreeMap<(Node, Node), Link>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    /// When its last message arrives.
    free_ns: u64,
    /// Messages on it.
    flights: usize,
}

/// Messages that a link holds, as a stream of etcd's transport does.
const LINK_FLIGHTS_MAX: usize = 4_096;

impl Network {
    pub(crate) fn new(spec: &ClusterSpec) -> Network {
        let rules = Rules { groups: vec![0; spec.nodes as usize], ..Rules::default() };
        let head = NetworkHead { rules, latency_position: 0, loss_position: 0, next_flight: 1 };
        Network::resume(spec, head)
    }

    pub(crate) fn head(&self) -> NetworkHead {
        NetworkHead {
            rules: self.rules.clone(),
            latency_position: self.latency_stream.position(),
            loss_position: self.loss_stream.position(),
            next_flight: self.next_flight,
        }
    }

    pub(crate) fn resume(spec: &ClusterSpec, head: NetworkHead) -> Network {
        Network {
            rules: head.rules,
            latency: spec.latency,
            latency_stream: Stream::at(spec.seed, Consumer::Network, head.latency_position),
            loss_stream: Stream::at(spec.seed, Consumer::Loss, head.loss_position),
            next_flight: head.next_flight,
            flights: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    pub(crate) fn send(&mut self, now_ns: u64, from: Node, to: Node, message: Message) -> Sending {
        let lost = self.loss_stream.chance_ppm(self.rules.loss_ppm(from, to));
        let latency_ns = self.latency_stream.within(self.latency) + self.rules.delay_ns(from, to);
        if !self.connected(from, to) {
            return Sending::Lost(LossReason::Partition);
        }
        if lost {
            return Sending::Lost(LossReason::Chance);
        }
        let link = self.links.entry((from, to)).or_default();
        if link.flights == LINK_FLIGHTS_MAX {
            return Sending::Lost(LossReason::QueueFull);
        }
        let arrives_ns = (now_ns + latency_ns.max(1)).max(link.free_ns + 1);
        *link = Link { free_ns: arrives_ns, flights: link.flights + 1 };
        let flight = self.next_flight;
        self.next_flight += 1;
        self.flights.insert(flight, Flight { from, to, message, sent_ns: now_ns, arrives_ns });
        Sending::Flies { flight, arrives_ns }
    }

    /// Takes a message out of the air.
    pub(crate) fn arrive(&mut self, flight: u64) -> Flight {
        let arrived = self.flights.remove(&flight).expect("a flight ends once");
        if let Some(link) = self.links.get_mut(&(arrived.from, arrived.to)) {
            link.flights -= 1;
        }
        arrived
    }

    /// Everything in the air is gone.
    pub(crate) fn clear(&mut self) {
        self.flights.clear();
        self.links.clear();
    }

    /// Whether two servers hear each other.
    pub fn connected(&self, one: Node, other: Node) -> bool {
        self.rules.groups[one.index()] == self.rules.groups[other.index()]
    }

    /// Messages in the air with their ids, oldest first.
    pub fn flights(&self) -> impl Iterator<Item = (u64, &Flight)> {
        self.flights.iter().map(|(id, flight)| (*id, flight))
    }

    /// The groups that hear each other, by their first member.
    pub fn groups(&self) -> Vec<Vec<Node>> {
        let mut groups: BTreeMap<u32, Vec<Node>> = BTreeMap::new();
        for (index, group) in self.rules.groups.iter().enumerate() {
            groups.entry(*group).or_default().push(Node::at(index));
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort();
        groups
    }

    pub(crate) fn partition(&mut self, groups: &[Vec<Node>]) {
        self.rules.groups.fill(0);
        for (number, group) in (1..).zip(groups) {
            for node in group {
                self.rules.groups[node.index()] = number;
            }
        }
    }

    pub(crate) fn isolate(&mut self, node: Node) {
        let fresh = self.rules.groups.iter().max().map_or(1, |largest| largest + 1);
        self.rules.groups[node.index()] = fresh;
    }

    pub(crate) fn heal(&mut self) {
        let nodes = self.rules.groups.len();
        self.rules = Rules { groups: vec![0; nodes], ..Rules::default() };
    }

    pub(crate) fn set_loss(&mut self, ppm: u32, node: Option<Node>) {
        match node {
            None => self.rules.loss_ppm = ppm,
            Some(node) => set(&mut self.rules.node_loss_ppm, node, ppm),
        }
    }

    pub(crate) fn set_delay(&mut self, delay_ns: u64, node: Option<Node>) {
        match node {
            None => self.rules.delay_ns = delay_ns,
            Some(node) => set(&mut self.rules.node_delay_ns, node, delay_ns),
        }
    }

    /// Loss and delay as scenario lines.
    pub fn rules(&self) -> Vec<String> {
        let all_loss = (self.rules.loss_ppm > 0).then_some((None, self.rules.loss_ppm));
        let losses = self.rules.node_loss_ppm.iter().map(|(node, ppm)| (Some(*node), *ppm));
        let all_delay = (self.rules.delay_ns > 0).then_some((None, self.rules.delay_ns));
        let delays = self.rules.node_delay_ns.iter().map(|(node, ns)| (Some(*node), *ns));
        let losses = all_loss.into_iter().chain(losses);
        let delays = all_delay.into_iter().chain(delays);
        losses
            .map(|(node, ppm)| Fault::Loss { ppm, node }.to_string())
            .chain(delays.map(|(node, delay_ns)| Fault::Delay { delay_ns, node }.to_string()))
            .collect()
    }
}

fn set<T: Default + PartialEq>(rules: &mut BTreeMap<Node, T>, node: Node, value: T) {
    if value == T::default() {
        rules.remove(&node);
    } else {
        rules.insert(node, value);
    }
}

impl Rules {
    /// The largest of the shares that apply.
    fn loss_ppm(&self, from: Node, to: Node) -> u32 {
        let of = |node| self.node_loss_ppm.get(&node).copied().unwrap_or(0);
        self.loss_ppm.max(of(from)).max(of(to))
    }

    /// The sum of the delays that apply.
    fn delay_ns(&self, from: Node, to: Node) -> u64 {
        let of = |node| self.node_delay_ns.get(&node).copied().unwrap_or(0);
        self.delay_ns + of(from) + of(to)
    }
}
