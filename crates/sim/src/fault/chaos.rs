//! A plan: faults drawn from the seed, for a time, and everything whole again at its end.
//!
//! Which kinds are in play is drawn as well, each with one chance in two (a swarm of runs tries
//! combinations that one setting never would), unless the line names them. Only faults that a
//! correct cluster survives are drawn, and servers are away a minority at a time. Everything is
//! drawn when the line runs, and becomes actions like typed ones. So a run is recorded as the
//! line with `drawn`, which draws nothing, and the concrete actions that it became.
//!
//! `faults=unfired` draws what was in play before and has done nothing yet, with the members of
//! that moment and harder; so that little is left of what a run was meant to be tried with.
//! `faults=calm` tries progress: a server that was cut off comes back, by chance the leader is away
//! from the same moment on, and nothing else happens until the end.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Crash, Disarm, DiskMend, Draw, Fault, Ground, Heal, HealOne, Isolate, KINDS, Kind, POINTS,
    Restart, Resume, Skew, Strike, Survival,
};
use crate::check::PATIENCE_ELECTIONS;
use crate::machine::Rate;
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::{Word, Words};
use crate::scenario::{Action, ClusterSpec, SECOND_NS, Target, print_time};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chaos {
    /// How long; then everything is mended.
    pub for_ns: u64,
    /// What is in play.
    pub faults: Choice,
    /// Its choices were made: they stand beside it.
    pub is_drawn: bool,
}

/// Which faults a plan draws.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Choice {
    /// Each by chance.
    Chance,
    /// These, by name.
    These(Vec<String>),
    /// Those that were in play and have done nothing yet.
    Unfired,
    /// None but what progress is to be made after.
    Calm,
}

/// Longest plan: an hour.
const FOR_NS_MAX: u64 = 3_600 * SECOND_NS;

pub(super) static KIND: Kind = Kind {
    name: "chaos",
    survival: Survival::NoFault,
    verb: Some(Verb {
        name: "chaos",
        group: Group::Plans,
        usage: "chaos for=TIME [faults=all|unfired|calm|FAULT,…] [drawn]",
        help: "breaks things at random for a time, as the seed has it, and mends everything; of \
               the faults that a correct cluster survives each is in play with one chance in two",
        example: "chaos for=30s",
        parse,
    }),
    draw: None,
};

/// Names of faults that plans draw.
pub(super) fn drawable() -> impl Iterator<Item = &'static str> {
    let kinds = KINDS.iter().filter(|kind| kind.draw.is_some() && kind.name != "crash during");
    kinds.map(|kind| kind.name).chain(POINTS.iter().map(|point| point.fault))
}

/// As one word.
fn hyphenated(name: &str) -> String {
    name.replace(' ', "-")
}

fn parse(words: &mut Words, _: Context) -> Result<Action, Problem> {
    let mut chaos = Chaos { for_ns: 0, faults: Choice::Chance, is_drawn: false };
    let word = words.expect("`for=30s`")?;
    let (key, value) = word.key_value("`for=30s`")?;
    if key != "for" {
        return Err(word.problem("unknown setting", "`for=`").suggest(key, ["for"]));
    }
    chaos.for_ns = value.time()?;
    if !(SECOND_NS..=FOR_NS_MAX).contains(&chaos.for_ns) {
        return Err(value.problem("out of range:", "a time from 1s to 1h"));
    }
    if words.peek().is_some_and(|word| word != "drawn") {
        let word = words.expect("`faults=`")?;
        let (key, value) = word.key_value("`faults=loss,crash`")?;
        if key != "faults" {
            return Err(word.problem("unknown setting", "`faults=`").suggest(key, ["faults"]));
        }
        chaos.faults = faults(&value)?;
    }
    chaos.is_drawn = words.take_if("drawn");
    Ok(Action::Fault(chaos.into()))
}

fn faults(value: &Word) -> Result<Choice, Problem> {
    match value.text.as_str() {
        "all" => return Ok(Choice::These(drawable().map(str::to_owned).collect())),
        "unfired" => return Ok(Choice::Unfired),
        "calm" => return Ok(Choice::Calm),
        _ => {}
    }
    let known: Vec<String> = drawable().map(hyphenated).collect();
    let mut faults = Vec::new();
    let mut skip = 0;
    for name in value.text.split(',') {
        let Some(place) = known.iter().position(|one| one == name) else {
            let expected = format!("`all`, `unfired`, `calm`, or some of {}", known.join(", "));
            let names = known.iter().map(String::as_str);
            let problem = value.part(name, skip).problem("no plan draws", &expected);
            return Err(problem.suggest(name, names));
        };
        faults.extend(drawable().nth(place).map(str::to_owned));
        skip += u32::try_from(name.chars().count() + 1).unwrap_or(0);
    }
    ordered::sort_by(&mut faults, Ord::cmp);
    faults.dedup();
    Ok(Choice::These(faults))
}

impl Chaos {
    /// The same, with its choices beside it.
    pub(crate) fn drawn(&self) -> Chaos {
        Chaos { is_drawn: true, ..self.clone() }
    }

    /// What it becomes.
    fn draw(&self, world: &World) -> Vec<(u64, Fault)> {
        let (from_ns, until_ns) = (world.now_ns(), world.now_ns() + self.for_ns);
        let only = match &self.faults {
            Choice::Chance => None,
            Choice::These(names) => Some(names.clone()),
            Choice::Unfired => Some(unfired(world)),
            Choice::Calm => Some(Vec::new()),
        };
        let insists = self.faults == Choice::Unfired;
        let mut members = world.members();
        if insists && members.iter().any(|node| world.machine(*node).is_up()) {
            members.retain(|node| world.machine(*node).is_up());
        }
        let ground = Ground { from_ns, until_ns, members, only, insists };
        let mut plan = Draw::new(world.spec(), ground);
        for kind in KINDS {
            // The points of crashes are in play or not one by one.
            if let Some(draw) = kind.draw
                && (kind.name == "crash during" || plan.is_on(kind.name))
                && (plan.members() > 1 || !is_of_network(kind))
            {
                draw(&mut plan);
            }
        }
        if self.faults == Choice::Calm {
            calm(&mut plan, from_ns, until_ns.saturating_sub(calm_ns(world.spec())).max(from_ns));
        }
        for fault in mending() {
            plan.at(until_ns, fault);
        }
        plan.into_actions()
    }
}

fn unfired(world: &World) -> Vec<String> {
    let left = world.faults_drawn().without(&world.faults_fired());
    left.iter().map(str::to_owned).collect()
}

/// How long a quorum that is left alone may take to make progress, and a second.
fn calm_ns(spec: &ClusterSpec) -> u64 {
    spec.tick_ns * u64::from(spec.election_ticks) * PATIENCE_ELECTIONS + SECOND_NS
}

fn is_of_network(kind: &Kind) -> bool {
    kind.verb.as_ref().is_some_and(|verb| verb.group == Group::Network)
}

/// A server is cut off, and starts anew by chance; when it comes back, the leader may be away.
fn calm(plan: &mut Draw, from_ns: u64, calm_at_ns: u64) {
    plan.is_on("calm");
    let node = plan.node();
    let (target, survivors) = (Target::Node(node), plan.survivors());
    let (starts_anew, loses_leader) = (plan.one_of(&[false, true]), plan.one_of(&[false, true]));
    plan.at(from_ns, Isolate { target });
    if starts_anew {
        plan.at(calm_at_ns, Crash { target, survivors, at_disk_operation: None });
        plan.at(calm_at_ns + 1, Restart { target });
    }
    plan.at(calm_at_ns + 1, HealOne::of("isolate"));
    if loses_leader {
        let target = Target::Leader;
        plan.at(calm_at_ns + 1, Crash { target, survivors, at_disk_operation: None });
    }
}

/// Everything is whole and runs.
fn mending() -> Vec<Fault> {
    let target = Target::All;
    vec![
        Heal.into(),
        Disarm { target }.into(),
        Resume { target }.into(),
        Skew { target, rate: Rate::TRUE }.into(),
        DiskMend { target }.into(),
        Restart { target }.into(),
    ]
}

impl Strike for Chaos {
    fn strike(self, world: &mut World) {
        if self.is_drawn {
            return;
        }
        for (at_ns, fault) in self.draw(world) {
            world.schedule(at_ns, Action::Fault(fault), 0);
        }
    }
}

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chaos for={}", print_time(self.for_ns))?;
        match &self.faults {
            Choice::Chance => {}
            Choice::Unfired => f.write_str(" faults=unfired")?,
            Choice::Calm => f.write_str(" faults=calm")?,
            Choice::These(faults) => {
                let is_all = drawable().all(|name| faults.iter().any(|one| one == name));
                let names: Vec<String> = faults.iter().map(|name| hyphenated(name)).collect();
                let names = if is_all { "all".to_owned() } else { names.join(",") };
                write!(f, " faults={names}")?;
            }
        }
        if self.is_drawn { f.write_str(" drawn") } else { Ok(()) }
    }
}
