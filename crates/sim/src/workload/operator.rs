//! An operator: somebody who changes the cluster while it runs.
//!
//! ```text
//! load operator think=1s..5s for=30s
//! ```
//!
//! Does one thing after the other, as a mixed load does: adds machines that are no members and
//! starts them, as learners or with a vote, promotes learners, removes members, hands leadership
//! over. The machine of a removed member gets an empty disk after a while and may join again.
//!
//! An operator takes the word of the cluster for a removal: a machine gets an empty disk only when
//! its removal was acknowledged, or when its own server ended because of it. Whatever it asked for
//! and got no answer to, it looks at again in its next turn.

use std::fmt;

use ordered::Map;
use serde::{Deserialize, Serialize};

use super::{LoadCommand, LoadEnd, Quota, Running, Stored, Workload};
use crate::client::Ended;
use crate::machine::{Power, members};
use crate::rng::{Consumer, Stream};
use crate::scenario::error::Problem;
use crate::scenario::word::Words;
use crate::scenario::{ClientCommand, MILLISECOND_NS, MemberCommand, Node, SECOND_NS, Span};
use crate::view::Outcome;
use crate::world::World;

/// How long a removed server lingers before its machine is replaced.
const LINGERS: Span = Span::milliseconds(1_000, 9_000);
/// How often a machine that was added is started before the operator gives up on it.
const STARTS_MAX: u32 = 8;
/// How long an operator waits for an answer.
const TIMEOUT_NS: u64 = 7_000 * MILLISECOND_NS;

/// A turn in which there was nothing to ask is followed by a pause of at least this.
const IDLE_NS: u64 = MILLISECOND_NS;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Time from an answer to the next change.
    pub think: Span,
    /// When it ends.
    pub until: LoadEnd,
}

const SETTINGS: [&str; 3] = ["think", "for", "count"];

impl Workload for Operator {
    type Running = RunningOperator;

    fn parse(words: &mut Words) -> Result<Operator, Problem> {
        let think = Span { low_ns: SECOND_NS, high_ns: 5 * SECOND_NS };
        let mut operator = Operator { think, until: LoadEnd::Never };
        for (name, value, word) in words.settings("`think=1s..5s`")? {
            match name.as_str() {
                "think" => {
                    let (low_ns, high_ns) = value.time_span()?;
                    operator.think = Span { low_ns, high_ns };
                }
                "for" | "count" => operator.until.set(&name, &value, &word)?,
                _ => return Err(word.unknown_setting(&name, &SETTINGS)),
            }
        }
        Ok(operator)
    }

    fn start(self, world: &mut World, client: u32) -> RunningOperator {
        let mut running = RunningOperator {
            quota: Quota::new(world.now_ns(), self.until),
            operator: self,
            client,
            stream: Stream::new(world.spec().seed, Consumer::Session(client)),
            memory: Memory::default(),
            next_ns: None,
        };
        running.think(world);
        running
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "load operator think={}", self.think)?;
        self.until.print(f)
    }
}

/// What an operator sees.
struct Scene {
    /// Members as the best server knows them, and whether they have a vote.
    members: Vec<(Node, bool)>,
    leader: Option<Node>,
    up: Vec<Node>,
    /// Machines without a log.
    empty: Vec<Node>,
    /// Machines whose server ended because it was removed.
    removed: Vec<Node>,
}

impl Scene {
    fn of(world: &World) -> Scene {
        let witness = world.witness().and_then(|witness| world.machine(witness).server());
        let nodes_where = |is_so: &dyn Fn(Node) -> bool| {
            (0..world.machines().len()).map(Node::at).filter(|node| is_so(*node)).collect()
        };
        let was_removed = |node: Node| matches!(world.machine(node).power(), Power::Failed(fatal) if fatal.is_removal());
        Scene {
            members: witness.map(members).unwrap_or_default(),
            leader: world.leader(),
            up: world.up().collect(),
            empty: nodes_where(&|node| !world.machine(node).has_log()),
            removed: nodes_where(&was_removed),
        }
    }
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
pub(crate) struct RunningOperator {
    operator: Operator,
    client: u32,
    quota: Quota,
    stream: Stream,
    memory: Memory,
    /// When it acts next; `None` while it waits for an answer.
    next_ns: Option<u64>,
}

/// What of it goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OperatorHead {
    #[serde(with = "crate::scenario::as_line")]
    operator: Operator,
    client: u32,
    quota: Quota,
    position: u128,
    memory: Memory,
    next_ns: Option<u64>,
}

impl Running for RunningOperator {
    fn payload(&self) -> LoadCommand {
        LoadCommand::Operator(self.operator.clone())
    }

    fn quota(&self) -> &Quota {
        &self.quota
    }

    fn clients(&self) -> (u32, u32) {
        (self.client, 1)
    }

    fn turn(&mut self, world: &mut World, client: u32) {
        let scene = Scene::of(world);
        let replaced = self.replace(world.now_ns(), &scene);
        let started = self.start(&scene);
        let asked = self.ask(&scene);
        for node in replaced {
            world.replace(node);
        }
        if let Some(node) = started {
            world.start_soon(node);
        }
        match asked {
            Some((node, command)) => {
                self.quota.begin();
                self.next_ns = None;
                world.ask(client, 0, node, command, TIMEOUT_NS);
            }
            None => self.think(world),
        }
    }

    fn ended(&mut self, world: &mut World, ended: &Ended, _careless: bool) {
        let command = &*ended.operation.command;
        if let ClientCommand::Member(MemberCommand::Remove { node }) = command
            && ended.outcome == Outcome::Acknowledged
        {
            let at_ns = world.now_ns() + self.stream.within(LINGERS);
            self.memory.gone.insert(*node, at_ns);
        }
        self.think(world);
    }

    /// One whose question nobody will answer thinks, and goes on.
    fn wake(&mut self, now_ns: u64) -> Vec<(u32, u64)> {
        let next_ns = match self.next_ns {
            Some(next_ns) => next_ns,
            None => self.thinks_until(now_ns),
        };
        vec![(self.client, next_ns)]
    }
}

impl Stored for RunningOperator {
    type Head = OperatorHead;

    fn head(&self) -> OperatorHead {
        OperatorHead {
            operator: self.operator.clone(),
            client: self.client,
            quota: self.quota,
            position: self.stream.position(),
            memory: self.memory.clone(),
            next_ns: self.next_ns,
        }
    }

    fn resume(seed: u64, head: OperatorHead) -> RunningOperator {
        let OperatorHead { operator, client, quota, position, memory, next_ns } = head;
        let stream = Stream::at(seed, Consumer::Session(client), position);
        RunningOperator { operator, client, quota, stream, memory, next_ns }
    }
}

impl RunningOperator {
    fn think(&mut self, world: &mut World) {
        let next_ns = self.thinks_until(world.now_ns());
        world.turn_at(self.client, next_ns);
    }

    fn thinks_until(&mut self, now_ns: u64) -> u64 {
        let next_ns = now_ns + self.stream.within(self.operator.think).max(IDLE_NS);
        self.next_ns = Some(next_ns);
        next_ns
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
}
