//! Messages between servers: sent, arriving, lost, held and let go.

use super::World;
use crate::fault::Chosen;
use crate::machine::{Input, Message};
use crate::network::{Departed, HELD_NS, Links, LossReason, Sending};
use crate::queue::Due;
use crate::scenario::Node;
use crate::trace::TraceEvent;

impl World {
    pub(super) fn send(&mut self, from: Node, to: Node, message: &Message) {
        match self.network.send(self.now_ns, from, to, message.clone()) {
            Sending::Flies { first, twin } => {
                for Departed { flight, arrives_ns } in [Some(first), twin].into_iter().flatten() {
                    let message = message.clone();
                    self.tell(TraceEvent::Sent { flight, from, to, message, arrives_ns });
                    self.depart(Departed { flight, arrives_ns });
                }
            }
            Sending::Lost(reason) => self.lost(0, from, to, message, reason),
        }
    }

    /// A message that is not held has a time at which it arrives.
    fn depart(&mut self, Departed { flight, arrives_ns }: Departed) {
        if arrives_ns != HELD_NS {
            self.queue.push(arrives_ns, Due::Arrival { flight });
        }
    }

    pub(super) fn arrive(&mut self, flight: u64) {
        // It may have been held, delivered or lost by hand meanwhile.
        let Some(arrived) = self.network.arrive(self.now_ns, flight) else { return };
        let (from, to) = (arrived.from, arrived.to);
        if !self.network.connected(from, to) {
            self.network.cut_took(from, to);
            self.lost(flight, from, to, &arrived.message, LossReason::Partition);
        } else if !self.machine(to).has_room() {
            self.lost(flight, from, to, &arrived.message, LossReason::QueueFull);
        } else if self.machine(to).is_up() {
            self.tell(TraceEvent::Delivered { flight, from, to });
            let message = arrived.message.clone();
            self.machine_mut(to).hear_of(from, &message);
            self.feed(to, Input::Message(arrived.message));
            self.checks.received(from, to, &message);
        } else {
            self.lost(flight, from, to, &arrived.message, LossReason::ReceiverDown);
        }
    }

    /// A message is gone. A transport that finds nobody there tells its server; so does one whose
    /// snapshot, or the answer to it, is lost in whatever way: it is one request over one
    /// connection, and who sent the snapshot waits for its end.
    fn lost(&mut self, flight: u64, from: Node, to: Node, message: &Message, reason: LossReason) {
        self.tell(TraceEvent::Lost { flight, from, to, reason });
        let is_silent = matches!(reason, LossReason::Chance | LossReason::ByHand);
        match message {
            Message::EtcdSnapshot(_) => self.report_unreachable(from, to),
            Message::EtcdSnapshotStatus(_) => self.report_unreachable(to, from),
            Message::Etcd(_) | Message::EtcdRemoved | Message::EtcdHash(_) if !is_silent => {
                self.report_unreachable(from, to);
            }
            Message::Etcd(_) | Message::EtcdRemoved | Message::EtcdHash(_) => {}
        }
    }

    fn report_unreachable(&mut self, node: Node, peer: Node) {
        if self.machine(node).is_up() {
            self.queue.push(self.now_ns + 1, Due::Unreachable { node, peer });
        }
    }

    /// A server starts again: whoever had a connection to its last life finds it broken.
    pub(super) fn break_connections(&mut self, node: Node) {
        let peers: Vec<Node> = self.up().filter(|peer| *peer != node).collect();
        for peer in peers {
            if self.network.connected(peer, node) {
                self.report_unreachable(peer, node);
            }
        }
    }

    // ---- by hand ----

    /// Every cut and every rule ends.
    pub(crate) fn heal_network(&mut self) {
        for departed in self.network.heal(self.now_ns) {
            self.depart(departed);
        }
    }

    /// One kind of cut or rule ends.
    pub(crate) fn end_network_fault(&mut self, name: &str, links: Links) {
        for departed in self.network.end(self.now_ns, name, links) {
            self.depart(departed);
        }
    }

    pub(crate) fn hold_message(&mut self, flight: u64) {
        if self.network.hold(flight) {
            self.fired.insert("hold");
        }
    }

    pub(crate) fn deliver_message(&mut self, message: Chosen) {
        let chosen = self.chosen(message);
        if let Some(departed) = chosen.and_then(|flight| self.network.hurry(self.now_ns, flight)) {
            self.depart(departed);
        }
    }

    pub(crate) fn lose_message(&mut self, message: Chosen) {
        if let Some(flight) = self.chosen(message)
            && let Some(lost) = self.network.take(flight)
        {
            self.fired.insert("lose");
            self.lost(flight, lost.from, lost.to, &lost.message, LossReason::ByHand);
        }
    }

    fn chosen(&self, message: Chosen) -> Option<u64> {
        match message {
            Chosen::Number(flight) => Some(flight),
            Chosen::OldestHeld(of) => self.network.oldest_held(of),
        }
    }
}
