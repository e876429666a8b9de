//! An operator's turn: what it sees, and what its hands do.

use super::World;
use crate::client::Scene;
use crate::machine::{DATA_DIR, Power, members};
use crate::queue::Due;
use crate::scenario::{Node, Operator};

impl World {
    pub(super) fn start_operator(&mut self, operator: Operator) {
        if let Some((client, at_ns)) = self.clients.start_operator(self.now_ns, operator) {
            self.queue.push(at_ns, Due::OperatorTurn { client });
        }
    }

    pub(super) fn operator_turn(&mut self, client: u32) {
        let scene = self.scene();
        let Some(turn) = self.clients.operator_turn(self.now_ns, client, &scene) else { return };
        for node in turn.replaced {
            self.checks.disturbed();
            self.replace(node);
        }
        if let Some(node) = turn.started {
            self.start_soon(node);
        }
        match turn.asked {
            Some((node, command)) => self.ask(client, 0, node, command, turn.timeout_ns),
            None => _ = self.queue.push(turn.next_ns, Due::OperatorTurn { client }),
        }
    }

    fn scene(&self) -> Scene {
        let witness = self.witness().and_then(|witness| self.machine(witness).server());
        let nodes_where = |is_so: &dyn Fn(Node) -> bool| {
            (0..self.machines.len()).map(Node::at).filter(|node| is_so(*node)).collect()
        };
        let has_log =
            |node: Node| self.machine(node).disk.exists(&format!("{DATA_DIR}/member/wal"));
        let was_removed = |node: Node| {
            let removed = etcd::server::REMOVED;
            matches!(self.machine(node).power(), Power::Failed(fatal) if fatal.reason == removed)
        };
        Scene {
            members: witness.map(members).unwrap_or_default(),
            leader: self.leader(),
            up: self.up().collect(),
            empty: nodes_where(&|node| !has_log(node)),
            removed: nodes_where(&was_removed),
        }
    }
}
