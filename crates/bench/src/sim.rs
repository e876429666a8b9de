//! The world: whole runs of the general hunting ground, and what a host does with a world.

use std::hint::black_box;

use ::sim::check::linearizability::{Bounds, Branch, Operation, Verdict, decide};
use ::sim::{Scenario, World, hunt};

use crate::shared::measure::{Effort, Measurement, blocks};
use crate::{Area, Listener, Target};

/// The cases of `crates/sim`.
pub const AREA: Area = Area {
    name: "sim",
    run: |selection, report| {
        if !selection.floor {
            run(&selection.filter, selection.effort, report);
        }
    },
    targets: TARGETS,
};

/// An hour has 3.6e12 ns: 10,000 runs of it are 360 ms each, 3,000 are 1.2 s.
const TARGETS: &[Target] = &[
    Target { ns: Some(3.6e8), wasm_ns: Some(1.2e9), ..Target::of("chaos/run-of-60s") },
    Target { ns: Some(1e6), ..Target::of("world/clone/10000-keys") },
    Target { ns: Some(1e9), wasm_ns: Some(1e9), ..Target::of("world/101-idle-nodes/second") },
    Target { ns: Some(1e9), wasm_ns: Some(1e9), ..Target::of("linearizability/10000-on-10-keys") },
];

const CHAOS: &str = include_str!("../../../www/scenarios/chaos.scn");

/// Seeds that one block runs, so that no lucky one speaks for all.
const SEEDS: std::ops::Range<u64> = 1..5;

/// The fingerprints of the hunting ground's runs with these seeds, a line each: two machines, and
/// native and wasm, must say the same.
pub fn fingerprints(seeds: std::ops::Range<u64>) -> String {
    let scenario = scenario(CHAOS);
    let line = |seed| {
        let run = hunt::run(&scenario, seed, &[]);
        format!("{seed} {} {:016x}\n", run.events, run.fingerprint)
    };
    seeds.map(line).collect()
}

fn run(filter: &str, effort: Effort, report: Listener<'_>) {
    if "chaos/run-of-60s".contains(filter) || "chaos/event".contains(filter) {
        chaos(effort, report);
    }
    let mut one = |case: &str, make: &dyn Fn(&str, Effort) -> Measurement| {
        if case.contains(filter) {
            report(&make(case, effort));
        }
    };
    one("world/clone/10000-keys", &clone);
    one("world/101-idle-nodes/second", &idle);
    one("linearizability/10000-on-10-keys", &linearizability);
}

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text).expect("a scenario of this file")
}

/// Three nodes with log, store and backend, three clients, faults, all checks. An operation is one
/// run of 60 virtual seconds, and then one event of such a run.
fn chaos(effort: Effort, report: Listener<'_>) {
    let scenario = scenario(CHAOS);
    let runs = SEEDS.end - SEEDS.start;
    let (mut events, mut acknowledged) = (0, 0);
    for seed in SEEDS {
        let run = hunt::run(&scenario, seed, &[]);
        // What a broken run costs is no answer, but hunting is another command's work.
        for violation in &run.violations {
            tell(&format!("seed {seed}: broken promise {:?}", violation.promise));
        }
        events += run.events;
        acknowledged += run.operations.acknowledged;
    }
    assert!(acknowledged >= 500 * runs, "{acknowledged} acknowledged operations in {runs} runs");
    let found = blocks(
        "chaos/run-of-60s",
        runs,
        effort,
        &mut (),
        |()| (),
        |()| {
            for seed in SEEDS {
                black_box(hunt::run(&scenario, seed, &[]));
            }
        },
    );
    report(&found);
    let share = runs as f64 / events as f64;
    report(&Measurement {
        case: "chaos/event".to_owned(),
        median_ns: found.median_ns * share,
        min_ns: found.min_ns * share,
        allocations: found.allocations * share,
        operations: found.operations / runs * events,
        bytes_per_entry: None,
    });
}

/// Says something that is no result.
#[cfg(not(target_arch = "wasm32"))]
fn tell(words: &str) {
    eprintln!("{words}");
}

/// Nobody listens in wasm: the native program says the same.
#[cfg(target_arch = "wasm32")]
fn tell(_words: &str) {}

/// A world in which three nodes have 10,000 keys, copied as branches and shrinking copy it.
fn clone(case: &str, effort: Effort) -> Measurement {
    let mut world = World::of_scenario(&scenario(
        "cluster etcd nodes=3 seed=1\n2s load put key=k/{0..999999} value=100B rate=1000/s count=10100\n",
    ));
    world.run_until(20_000_000_000);
    assert!(world.operations().acknowledged >= 10_000, "{:?}", world.operations());
    let mut state = (world, None);
    blocks(
        case,
        1,
        effort,
        &mut state,
        |(_, copy)| *copy = None,
        |(world, copy)| *copy = Some(world.clone()),
    )
}

/// A cluster of 101 that nobody asks for anything; an operation is one virtual second.
fn idle(case: &str, effort: Effort) -> Measurement {
    let mut world = World::of_scenario(&scenario("cluster etcd nodes=101 seed=1\n"));
    world.run_until(10_000_000_000);
    assert!(world.leader().is_some(), "there is a leader, and nothing more to do");
    let mut state = (world, 10);
    blocks(
        case,
        1,
        effort,
        &mut state,
        |_| (),
        |(world, seconds)| {
            *seconds += 1;
            world.run_until(*seconds * 1_000_000_000);
        },
    )
}

/// 10,000 operations on 10 keys by 10 clients that overlap, half of them writes of values of their
/// own: what each saw is what it would see if it took effect in the middle of its time.
fn linearizability(case: &str, effort: Effort) -> Measurement {
    let mut history = Vec::new();
    let mut values = [0; 10];
    let mut random = 1_u64;
    for number in 0..10_000_u64 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let key = u32::try_from(random >> 33).expect("31 bits") % 10;
        let value = &mut values[key as usize];
        let branch = if random >> 63 == 0 {
            *value = u32::try_from(number + 1).expect("below 10,001");
            Branch::write(key, *value)
        } else {
            Branch::read(key, *value)
        };
        // Ten at a time, none begins or ends with another one.
        let middle = 1_000 + number * 100;
        let spread = 1 + (random >> 40) % 500;
        let (from, to) = (middle - spread, middle + 1_001 - spread);
        history.push(Operation::new(
            number,
            from * 10_000 + number,
            Some(to * 10_000 + number),
            branch,
        ));
    }
    blocks(
        case,
        1,
        effort,
        &mut (),
        |()| (),
        |()| {
            assert_eq!(decide(&history, Bounds::default()), Verdict::Ok, "it is linearizable");
        },
    )
}
