//! One run of a hunt: a scenario with a seed of its own, looked at for broken promises.
//!
//! Which seeds are run, and on how many cores, is the caller's matter: runs know nothing of each
//! other, so the reports of any shards, put together, are the report of the whole.

use serde::{Deserialize, Serialize};

use crate::bugs::Toggle;
use crate::check::{Promise, Violation};
use crate::client::Operations;
use crate::fault::Names;
use crate::scenario::{Action, Line, Scenario, Statement};
use crate::world::World;

/// What came of one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The seed.
    pub seed: u64,
    /// The run's fingerprint.
    pub fingerprint: u64,
    /// Events of the run.
    pub events: u64,
    /// Its virtual time.
    pub virtual_ns: u64,
    /// Broken promises, in the order in which they were found.
    pub violations: Vec<Violation>,
    /// How clients' operations ended.
    pub operations: Operations,
    /// Promises that could not be decided, with the reason.
    pub undecided: Vec<(Promise, String)>,
    /// Promises that there was something to look at for.
    pub looked: Vec<Promise>,
    /// Faults that were drawn and did nothing: of a run that ended early this says little.
    pub unfired: Names,
}

/// The scenario with these bugs switched on before anything happens.
#[must_use]
pub fn with_bugs(scenario: &Scenario, bugs: &[Toggle]) -> Scenario {
    let on =
        |toggle: &Toggle| Line { number: 0, statement: Statement::At(0, Action::Bug(*toggle)) };
    let lines = bugs.iter().map(on).chain(scenario.lines.iter().cloned()).collect();
    Scenario { lines, ..scenario.clone() }
}

/// Runs the scenario with this seed to its end, or until one of these promises is broken.
pub fn run(scenario: &Scenario, seed: u64, until_broken: &[Promise]) -> Run {
    let mut scenario = scenario.clone();
    scenario.cluster.seed = seed;
    let mut world = World::of_scenario(&scenario);
    world.forget_trace();
    let ends_ns = scenario.ends_ns();
    let is_done = |world: &World| {
        until_broken.iter().any(|promise| world.checks().found().is_broken(*promise))
    };
    while !is_done(&world) && world.next_event_ns().is_some_and(|next_ns| next_ns <= ends_ns) {
        world.step();
    }
    if !is_done(&world) {
        world.finish_checks();
    }
    let found = world.checks().found();
    Run {
        seed,
        fingerprint: world.fingerprint(),
        events: world.event(),
        virtual_ns: world.now_ns(),
        violations: found.violations().to_vec(),
        operations: world.operations_at_end(),
        undecided: found.undecided_ones().map(|(one, why)| (one, why.to_owned())).collect(),
        looked: found.looked_at().collect(),
        unfired: world.faults_drawn().without(&world.faults_fired()),
    }
}
