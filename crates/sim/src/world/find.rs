//! Finding out: who is up, who leads, whether something is true.

use super::World;
use crate::check::{Promise, State};
use crate::machine::{Power, Server, ServerStatus, members};
use crate::scenario::{Expected, Node};
use crate::view::Role;

impl World {
    /// Servers that run, by number.
    pub fn up(&self) -> impl Iterator<Item = Node> {
        self.machines.iter().filter(|machine| machine.is_up()).map(super::Machine::node)
    }

    /// What a server that runs says of itself.
    pub fn status(&self, node: Node) -> Option<ServerStatus> {
        self.machine(node).server().map(Server::status)
    }

    /// Who leads with the highest term, of those that run.
    pub fn leader(&self) -> Option<Node> {
        self.up()
            .filter_map(|node| self.status(node).map(|status| (node, status)))
            .filter(|(_, status)| status.role == Role::Leader)
            .max_by_key(|(_, status)| status.term)
            .map(|(node, _)| node)
    }

    /// The server whose store is asked: the leader, else the one that applied most.
    pub(crate) fn witness(&self) -> Option<Node> {
        let most =
            || self.up().max_by_key(|node| self.status(*node).map_or(0, |status| status.applied));
        self.leader().or_else(most)
    }

    /// The members of the cluster as the best server knows them; before anybody does, those that it
    /// begins with.
    pub(crate) fn members(&self) -> Vec<Node> {
        let witness = self.witness().and_then(|witness| self.machine(witness).server());
        let mut members: Vec<Node> =
            witness.map(members).unwrap_or_default().into_iter().map(|(node, _)| node).collect();
        members.retain(|node| node.index() < self.machines.len());
        ordered::sort_by_key(&mut members, |node| *node);
        if members.is_empty() {
            members = (1..=self.founders).map(Node).collect();
        }
        members
    }

    /// Whether it is true now; if not, what is the case instead.
    pub(super) fn find(&self, expected: &Expected) -> Result<(), String> {
        match expected {
            Expected::Leader(wanted) => self.find_leader(*wanted),
            Expected::Value { key, value } => match self.value(key)? {
                Some(found) if found == value.as_bytes() => Ok(()),
                Some(found) => Err(format!("it is {:?}", String::from_utf8_lossy(&found))),
                None => Err("there is no such key".to_owned()),
            },
            Expected::Absent { key } => match self.value(key)? {
                None => Ok(()),
                Some(found) => Err(format!("it is {:?}", String::from_utf8_lossy(&found))),
            },
            Expected::Revision(wanted) => self.find_revision(*wanted),
            Expected::Up(node) => self.find_condition(*node, "up"),
            Expected::Down(node) => self.find_condition(*node, "down"),
            Expected::Failed(node) => self.find_condition(*node, "failed"),
            Expected::Violation(check) => self.find_violation(check),
            Expected::NoViolation => match self.checks.found().violations() {
                [] => Ok(()),
                [first, ..] => Err(format!("{}: {}", first.promise.id(), first.detail)),
            },
            Expected::Linearizable => self.checks.linearizable(),
        }
    }

    fn find_violation(&self, check: &str) -> Result<(), String> {
        let promise = Promise::find(check).ok_or("there is no such check")?;
        match self.checks.found().state(promise) {
            State::Broken { .. } => Ok(()),
            State::Holds { .. } => Err("it holds".to_owned()),
            State::Unknown { why } => Err(why),
        }
    }

    /// The most servers that run and hear each other, if nothing disturbs them and not chance alone
    /// decides who leads. While only some ask before they campaign, one of another term than the
    /// rest can stay ahead of them, or be behind and unheard, as long as chance has it.
    pub(super) fn calm_quorum(&self) -> Vec<Node> {
        let quorum = if self.network.is_quiet() { self.clique() } else { Vec::new() };
        let asks = |node: &Node| self.machine(*node).pre_vote();
        let all_ask = quorum.iter().all(asks);
        let is_mixed = !all_ask && quorum.iter().any(asks);
        let is_calm = !is_mixed && self.checks.is_on_its_own(&quorum, !all_ask);
        if is_calm { quorum } else { Vec::new() }
    }

    fn clique(&self) -> Vec<Node> {
        let runs = |node: &Node| {
            self.machine(*node).is_undisturbed()
                && self.machine(*node).server().is_some_and(|server| !server.is_booting())
        };
        let up: Vec<Node> = self.up().filter(runs).collect();
        if self.network.is_whole() {
            return up;
        }
        let hear = |one: Node, other: Node| {
            one == other || self.network.connected(one, other) && self.network.connected(other, one)
        };
        let around = |one: &Node| -> Vec<Node> {
            up.iter().copied().filter(|other| hear(*one, *other)).collect()
        };
        let largest = up.iter().map(around).max_by_key(Vec::len).unwrap_or_default();
        let is_clique = largest.iter().all(|one| largest.iter().all(|other| hear(*one, *other)));
        if is_clique { largest } else { Vec::new() }
    }

    fn find_leader(&self, wanted: Option<Node>) -> Result<(), String> {
        match (self.leader(), wanted) {
            (Some(_), None) => Ok(()),
            (Some(leader), Some(wanted)) if leader == wanted => Ok(()),
            (Some(leader), Some(_)) => Err(format!("{leader} leads")),
            (None, _) => Err("nobody leads".to_owned()),
        }
    }

    fn value(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        let witness = self.witness().ok_or("no server is up")?;
        let server = self.machine(witness).server().ok_or("no server is up")?;
        Ok(server.value(key.as_bytes()))
    }

    fn find_revision(&self, wanted: i64) -> Result<(), String> {
        let witness = self.witness().ok_or("no server is up")?;
        let revision = self.status(witness).map_or(0, |status| status.revision);
        if revision == wanted {
            Ok(())
        } else {
            Err(format!("{witness} is at revision {revision}"))
        }
    }

    fn find_condition(&self, node: Node, wanted: &str) -> Result<(), String> {
        let found = match self.machine(node).power() {
            Power::On(_) => "up",
            Power::Off => "down",
            Power::Failed(_) => "failed",
        };
        if found == wanted { Ok(()) } else { Err(format!("{node} is {found}")) }
    }
}
