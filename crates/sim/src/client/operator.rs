//! Operators that run: what they do next, from what they see of the cluster.
//!
//! An operator takes the word of the cluster for a removal: a machine gets an empty disk only when
//! its removal was acknowledged, or when its own server ended because of it. Whatever it asked for
//! and got no answer to, it looks at again in its next turn.

use ordered::Map;
use serde::{Deserialize, Serialize};

use super::{Clients, Ended};
use crate::rng::{Consumer, Stream};
use crate::scenario::{
    ClientCommand, LoadEnd, MILLISECOND_NS, MemberCommand, Node, Operator, Span,
};
use crate::view::Outcome;

/// How long a removed server lingers before its machine is replaced.
const LINGERS: Span = Span::milliseconds(1_000, 9_000);
/// How often a machine that was added is started before the operator gives up on it.
const STARTS_MAX: u32 = 8;
/// How long an operator waits for an answer.
const TIMEOUT_NS: u64 = 7_000 * MILLISECOND_NS;

/// What an operator sees.
pub(crate) struct Scene {
    /// Members as the best server knows them, and whether they have a vote.
    pub(crate) members: Vec<(Node, bool)>,
    pub(crate) leader: Option<Node>,
    pub(crate) up: Vec<Node>,
    /// Machines without a log.
    pub(crate) empty: Vec<Node>,
    /// Machines whose server ended because it was removed.
    pub(crate) removed: Vec<Node>,
}

/// What an operator does in its turn.
#[derive(Default)]
pub(crate) struct OperatorTurn {
    /// Machines that get an empty disk.
    pub(crate) replaced: Vec<Node>,
    pub(crate) started: Option<Node>,
    /// What it asks, and whom.
    pub(crate) asked: Option<(Node, ClientCommand)>,
    pub(crate) timeout_ns: u64,
    /// When its next turn is, if it asks nothing.
    pub(crate) next_ns: u64,
}

/// What an operator knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    /// Servers that were removed, and when their machines are replaced.
    gone: Map<Node, u64>,
    /// The machine that it added last, and how often it was started since.
    added: Option<(Node, u32)>,
}

/// An operator that runs.
#[derive(Clone, Debug)]
pub struct RunningOperator {
    /// What it does.
    pub operator: Operator,
    /// Its client number.
    pub client: u32,
    /// Changes asked for.
    pub begun: u64,
    ends_ns: u64,
    stream: Stream,
    memory: Memory,
    next_ns: Option<u64>,
}

/// What of it goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OperatorHead {
    operator: Operator,
    client: u32,
    begun: u64,
    ends_ns: u64,
    position: u128,
    memory: Memory,
    next_ns: Option<u64>,
}

impl RunningOperator {
    pub(crate) fn head(&self) -> OperatorHead {
        OperatorHead {
            operator: self.operator.clone(),
            client: self.client,
            begun: self.begun,
            ends_ns: self.ends_ns,
            position: self.stream.position(),
            memory: self.memory.clone(),
            next_ns: self.next_ns,
        }
    }

    pub(crate) fn resume(seed: u64, head: OperatorHead) -> RunningOperator {
        RunningOperator {
            stream: Stream::at(seed, Consumer::Session(head.client), head.position),
            operator: head.operator,
            client: head.client,
            begun: head.begun,
            ends_ns: head.ends_ns,
            memory: head.memory,
            next_ns: head.next_ns,
        }
    }

    fn is_over(&self, now_ns: u64) -> bool {
        let counted = matches!(self.operator.until, LoadEnd::Count(count) if self.begun >= count);
        counted || now_ns >= self.ends_ns
    }

    fn think(&mut self, now_ns: u64) -> u64 {
        let next_ns = now_ns + self.stream.within(self.operator.think).max(1);
        self.next_ns = Some(next_ns);
        next_ns
    }

    fn turn(&mut self, now_ns: u64, scene: &Scene) -> OperatorTurn {
        let replaced = self.replace(now_ns, scene);
        let started = self.start(scene);
        let asked = self.ask(scene);
        if asked.is_some() {
            self.begun += 1;
            self.next_ns = None;
        }
        let next_ns = if asked.is_some() { 0 } else { self.think(now_ns) };
        OperatorTurn { replaced, started, asked, timeout_ns: TIMEOUT_NS, next_ns }
    }

    fn replace(&mut self, now_ns: u64, scene: &Scene) -> Vec<Node> {
        for node in &scene.removed {
            if !self.memory.gone.contains_key(node) {
                let at_ns = now_ns + self.stream.within(LINGERS);
                self.memory.gone.insert(*node, at_ns);
            }
        }
        let due = self.memory.gone.iter().filter(|(_, at_ns)| **at_ns <= now_ns);
        let due: Vec<Node> = due.map(|(node, _)| *node).collect();
        for node in &due {
            self.memory.gone.remove(node);
        }
        due
    }

    /// A machine that was added is started until it runs.
    fn start(&mut self, scene: &Scene) -> Option<Node> {
        let (node, starts) = self.memory.added?;
        if scene.up.contains(&node) || starts == STARTS_MAX {
            self.memory.added = None;
            return None;
        }
        self.memory.added = Some((node, starts + 1));
        Some(node)
    }

    fn ask(&mut self, scene: &Scene) -> Option<(Node, ClientCommand)> {
        let server = self.one_of(&scene.up)?;
        let of_kind = |voter| {
            let its = scene.members.iter().filter(move |(_, votes)| *votes == voter);
            its.map(|(node, _)| *node).collect::<Vec<_>>()
        };
        let (voters, learners) = (of_kind(true), of_kind(false));
        if voters.is_empty() {
            return None;
        }
        let is_spare = |node: &&Node| {
            let is_member = scene.members.iter().any(|(member, _)| member == *node);
            let is_added = self.memory.added.is_some_and(|(added, _)| added == **node);
            !is_member && !is_added && !self.memory.gone.contains_key(node)
        };
        let spare: Vec<Node> = scene.empty.iter().filter(is_spare).copied().collect();
        let few = voters.len() < 3;
        let weights = [
            if spare.is_empty() {
                0
            } else if few {
                8
            } else {
                3
            },
            if voters.len() < 2 {
                0
            } else if few {
                1
            } else {
                4
            },
            if learners.is_empty() { 0 } else { 4 },
            if voters.len() < 2 { 0 } else { 3 },
        ];
        let command = match self.pick(&weights)? {
            0 => {
                let (node, learner) = (self.one_of(&spare)?, self.stream.below(2) == 0);
                self.memory.added = Some((node, 0));
                MemberCommand::Add { node, learner }
            }
            1 => MemberCommand::Remove { node: self.leaver(scene)? },
            2 => {
                let node = self.one_of(&learners)?;
                let leader = scene.leader.unwrap_or(server);
                return Some((leader, ClientCommand::Member(MemberCommand::Promote { node })));
            }
            _ => {
                let target = self.one_of(&voters)?;
                return Some((scene.leader.unwrap_or(server), ClientCommand::MoveLeader(target)));
            }
        };
        Some((server, ClientCommand::Member(command)))
    }

    /// Who is to be removed: often somebody who is down.
    fn leaver(&mut self, scene: &Scene) -> Option<Node> {
        let members: Vec<Node> = scene.members.iter().map(|(node, _)| *node).collect();
        let is_down = |node: &&Node| !scene.up.contains(node);
        let down: Vec<Node> = members.iter().filter(is_down).copied().collect();
        if !down.is_empty() && self.stream.below(4) > 0 {
            return self.one_of(&down);
        }
        self.one_of(&members)
    }

    fn pick(&mut self, weights: &[u64]) -> Option<usize> {
        let total: u64 = weights.iter().sum();
        let mut drawn = self.stream.below(total.max(1));
        weights.iter().position(|weight| match drawn.checked_sub(*weight) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        })
    }

    fn one_of(&mut self, nodes: &[Node]) -> Option<Node> {
        let bound = nodes.len() as u64;
        let drawn = (bound > 0).then(|| self.stream.below(bound))?;
        nodes.get(usize::try_from(drawn).ok()?).copied()
    }

    fn ended(&mut self, now_ns: u64, ended: &Ended) -> u64 {
        let command = &*ended.operation.command;
        if let ClientCommand::Member(MemberCommand::Remove { node }) = command
            && ended.outcome == Outcome::Acknowledged
        {
            let at_ns = now_ns + self.stream.within(LINGERS);
            self.memory.gone.insert(*node, at_ns);
        }
        self.think(now_ns)
    }
}

impl Clients {
    /// One more operator, unless there are [`super::LOADS_MAX`]; gives its client number and first
    /// turn.
    pub(crate) fn start_operator(&mut self, now_ns: u64, operator: Operator) -> Option<(u32, u64)> {
        if self.operators.len() == super::LOADS_MAX {
            return None;
        }
        let client = self.next_client;
        self.next_client += 1;
        let ends_ns = match operator.until {
            LoadEnd::For(time_ns) => now_ns + time_ns,
            LoadEnd::Never | LoadEnd::Count(_) => u64::MAX,
        };
        let mut running = RunningOperator {
            operator,
            client,
            begun: 0,
            ends_ns,
            stream: Stream::new(self.seed, Consumer::Session(client)),
            memory: Memory::default(),
            next_ns: None,
        };
        let next_ns = running.think(now_ns);
        self.operators.insert(client, running);
        Some((client, next_ns))
    }

    /// An operator's turn. `None` when it has ended.
    pub(crate) fn operator_turn(
        &mut self,
        now_ns: u64,
        client: u32,
        scene: &Scene,
    ) -> Option<OperatorTurn> {
        let running = self.operators.get_mut(&client)?;
        if running.is_over(now_ns) {
            self.operators.remove(&client);
            return None;
        }
        Some(running.turn(now_ns, scene))
    }

    /// What an operator asked for ended; gives when its next turn is.
    pub(crate) fn operator_ended(&mut self, now_ns: u64, ended: &Ended) -> Option<u64> {
        let running = self.operators.get_mut(&ended.operation.client)?;
        Some(running.ended(now_ns, ended))
    }

    /// After a reload: operators whose question nobody will answer think, and go on.
    pub(crate) fn wake_operators(&mut self, now_ns: u64) -> Vec<(u32, u64)> {
        let turn = |running: &mut RunningOperator| match running.next_ns {
            Some(next_ns) => next_ns,
            None => running.think(now_ns),
        };
        self.operators.values_mut().map(|running| (running.client, turn(running))).collect()
    }

    /// Operators that run.
    pub fn operators(&self) -> impl Iterator<Item = &RunningOperator> {
        self.operators.values()
    }
}
