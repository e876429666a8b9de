//! A healthy cluster keeps its promises, with something to look at; a known bug breaks the one
//! that is named for it.

use sim::bugs::Toggle;
use sim::check::{Promise, State};
use sim::{Scenario, World, hunt};

const BUSY: &str = "\
cluster etcd nodes=3 seed=3 segment=8KB
0s      load put key=k/{0..4} value=64B rate=40/s
1s      put gone soon
2s      get k/1
2s      crash leader
3s      get k/1
4s      restart all
6s      del gone
7s      get gone
8s      load stop
10s     end
";

fn found(text: &str, bug: Option<&str>) -> World {
    let toggles: Vec<Toggle> =
        bug.map(|id| Toggle::find(id).expect("it is in the list")).into_iter().collect();
    let scenario = hunt::with_bugs(&Scenario::parse(text).expect("it is a scenario"), &toggles);
    let mut world = World::of_scenario(&scenario);
    world.run_scenario(&scenario, scenario.ends_ns(), &mut |_| {});
    world
}

#[test]
fn a_healthy_cluster_keeps_the_promises_that_its_run_puts_to_the_test() {
    let world = found(BUSY, None);
    let checks = world.checks().found();
    assert_eq!(checks.violations(), [], "nothing is broken");
    for id in ["R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "C3", "C4"] {
        let promise = Promise::find(id).expect("it is in the table");
        assert!(matches!(checks.state(promise), State::Holds { .. }), "{id} was looked at");
    }
    for id in ["W1", "W2", "W4", "W6", "M1", "M6", "replay", "linearizable", "at-most-once"] {
        let promise = Promise::find(id).expect("it is in the table");
        assert!(matches!(checks.state(promise), State::Holds { .. }), "{id} was looked at");
    }
}

#[test]
fn bugs_that_any_busy_run_shows_break_the_promises_named_for_them() {
    let shown = ["vote-not-persisted", "acknowledge-before-fsync", "segment-name-not-synced"];
    for id in shown {
        let promise = Toggle::find(id).and_then(Toggle::info).expect("it is in the list").promise;
        let world = found(BUSY, Some(id));
        assert!(world.checks().found().is_broken(promise), "{id} breaks {}", promise.id());
    }
}

#[test]
fn a_lone_server_that_does_not_wait_for_its_own_disk_acknowledges_too_early() {
    let text = "cluster etcd nodes=1 seed=1\n2s put a b\n4s end\n";
    assert_eq!(found(text, None).checks().found().violations(), [], "the server as it is");
    let world = found(text, Some("own-append-not-awaited"));
    assert!(world.checks().found().is_broken(Promise::W1), "the acknowledged entry is not durable");
}

const CHAOS: &str = include_str!("../../../www/scenarios/chaos.scn");

#[test]
fn a_healthy_cluster_keeps_its_promises_of_watches_leases_and_pages_in_chaos() {
    for seed in [1, 2, 3] {
        let mut chaos = Scenario::parse(CHAOS).expect("it is a scenario");
        chaos.cluster.seed = seed;
        let mut world = World::of_scenario(&chaos);
        world.run_scenario(&chaos, chaos.ends_ns(), &mut |_| {});
        let checks = world.checks().found();
        assert_eq!(checks.violations(), [], "seed {seed}");
        let watched = ["watch-ordered", "watch-unique", "watch-reliable", "watch-atomic"];
        let others = ["watch-resumable", "watch-exact", "L1", "L2", "L3", "L4", "L5", "W7", "M8"];
        for id in watched.iter().chain(&others).chain(&["M2", "linearizable"]) {
            let promise = Promise::find(id).expect("it is in the table");
            let state = checks.state(promise);
            assert!(matches!(state, State::Holds { .. }), "seed {seed}: {id} is {state:?}");
        }
    }
}

#[test]
fn bugs_that_chaos_shows_at_once_break_the_promises_named_for_them() {
    let seeds = [
        ("vote-without-log-check", 2),
        ("index-apart-from-data", 3),
        ("snapshot-name-not-synced", 1),
        ("former-leader-revokes", 1),
        ("fsync-retried", 3),
        ("tombstone-removed", 1),
        ("retry-without-deduplication", 1),
    ];
    for (id, seed) in seeds {
        let toggle = Toggle::find(id).expect("it is in the list");
        let promise = toggle.info().expect("it has a row").promise;
        let chaos = Scenario::parse(CHAOS).expect("it is a scenario");
        let run = hunt::run(&hunt::with_bugs(&chaos, &[toggle]), seed, &[promise]);
        let is_broken = run.violations.iter().any(|one| one.promise == promise);
        assert!(is_broken, "{id} breaks {} with seed {seed}", promise.id());
    }
}
