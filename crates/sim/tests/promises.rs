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
        let others =
            ["watch-resumable", "watch-bookmarkable", "watch-exact", "L2", "L3", "L4", "L5"];
        for id in watched.iter().chain(&others).chain(&["W7", "M2", "M3", "M8", "linearizable"]) {
            let promise = Promise::find(id).expect("it is in the table");
            let state = checks.state(promise);
            assert!(matches!(state, State::Holds { .. }), "seed {seed}: {id} is {state:?}");
        }
    }
}

#[test]
fn a_history_without_an_order_is_told_at_its_last_answer_with_the_servers_that_gave_it() {
    let mut chaos = Scenario::parse(CHAOS).expect("it is a scenario");
    chaos.cluster.seed = 2;
    let toggle = Toggle::find("index-apart-from-data").expect("it is in the list");
    let chaos = hunt::with_bugs(&chaos, &[toggle]);
    let mut world = World::of_scenario(&chaos);
    world.run_scenario(&chaos, chaos.ends_ns(), &mut |_| {});
    let all = world.checks().found().violations();
    let broken = all.iter().find(|one| one.promise == Promise::Linearizable);
    let broken = broken.expect("no order explains what clients saw");
    assert!(broken.event < world.event(), "before the end of the run: {broken:?}");
    assert!(!broken.nodes.is_empty() && broken.requests.len() > 1, "{broken:?}");
}

/// What a watch is told names a revision; that leads to the entry, its request and its bytes.
#[test]
fn a_broken_promise_names_the_entry_its_request_and_where_it_was_written() {
    let chaos = Scenario::parse(CHAOS).expect("it is a scenario");
    let toggle = Toggle::find("slow-watcher-skips").expect("it is in the list");
    let chaos = hunt::with_bugs(&chaos, &[toggle]);
    let skipped = (1..SEEDS_TRIED).find_map(|seed| {
        let run = hunt::run(&chaos, seed, &[Promise::WatchReliable]);
        run.violations.into_iter().find(|one| one.promise == Promise::WatchReliable)
    });
    let skipped = skipped.expect("a slow watcher skips something");
    assert!(skipped.revision > 1 && skipped.index > 0, "{skipped:?}");
    assert_eq!(skipped.requests.len(), 1, "who asked for that change: {skipped:?}");
    let [record] = &skipped.records[..] else { panic!("one server told it: {skipped:?}") };
    assert_eq!([record.node], skipped.nodes[..], "its own copy");
    assert!(record.file.contains("/member/wal/") && record.length > 0, "{record:?}");
}

/// For each toggle a seed of `chaos.scn` that shows it. What is in play changes with every change
/// of the message stream, so a few seeds after it may do as well.
#[test]
fn every_bug_that_chaos_shows_within_a_few_seeds_breaks_the_promise_named_for_it() {
    let seeds = [
        ("commit-prior-term", 3),
        ("vote-without-log-check", 2),
        ("change-before-commit", 60),
        ("removed-server-campaigns", 2),
        ("pre-vote-unanswered", 30),
        ("read-before-commit", 176),
        ("lease-read", 15),
        ("local-read", 15),
        ("snapshot-without-configuration", 5),
        ("index-apart-from-data", 2),
        ("cut-at-any-damage", 57),
        ("snapshot-name-not-synced", 1),
        ("fsync-retried", 35),
        ("tombstone-removed", 1),
        ("slow-watcher-skips", 3),
        ("former-leader-revokes", 1),
        ("retry-without-deduplication", 4),
    ];
    let chaos = Scenario::parse(CHAOS).expect("it is a scenario");
    for (id, first) in seeds {
        let toggle = Toggle::find(id).expect("it is in the list");
        let promise = toggle.info().expect("it has a row").promise;
        let broken = hunt::with_bugs(&chaos, &[toggle]);
        let shows = |seed| {
            let run = hunt::run(&broken, seed, &[promise]);
            run.violations.iter().any(|one| one.promise == promise)
        };
        let found = (first..first + SEEDS_TRIED).find(|seed| shows(*seed));
        assert!(found.is_some(), "{id} breaks {} soon after seed {first}", promise.id());
    }
}

const SEEDS_TRIED: u64 = 60;

/// The tombstone is the last of a batch that fills up exactly, and nothing came after it.
#[test]
fn a_compaction_at_a_tombstone_cut_short_takes_the_revision_back_if_its_schedule_is_forgotten() {
    let text = "\
cluster etcd nodes=1 seed=1 compaction-batch=2
2s      put a 1
2.1s    del a
2.2s    crash n1 during compaction-batch
2.3s    compact 3
3s      restart n1
5s      put b 2
7s      end
";
    let world = found(text, None);
    assert_eq!(world.checks().found().violations(), [], "the server as it is");
    assert!(world.faults_fired().contain("crash during compaction-batch"));
    let world = found(text, Some("revision-goes-back"));
    assert!(world.checks().found().is_broken(Promise::M1), "revision 3 is given again");
}

fn seeded(scenario: &Scenario, seed: u64) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.cluster.seed = seed;
    scenario
}

/// Promises that no toggle is named for, and what else some bug does. The seeds come first that
/// show it; others are tried when the message stream has changed.
#[test]
fn bugs_break_more_promises_than_the_one_that_is_named_for_them() {
    let shown: [(&str, &[u64], &[&str]); 4] = [
        (
            "segment-name-not-synced",
            &[1, 8, 23, 24],
            &["R1", "R3", "R4", "R5", "R6", "W2", "W8", "fatal"],
        ),
        ("snapshot-without-configuration", &[100], &["C1"]),
        ("index-apart-from-data", &[2], &["M5", "M6", "serializable"]),
        ("vote-without-log-check", &[15], &["watch-atomic", "watch-exact"]),
    ];
    let chaos = Scenario::parse(CHAOS).expect("it is a scenario");
    for (id, hints, expected) in shown {
        let broken = hunt::with_bugs(&chaos, &[Toggle::find(id).expect("it is in the list")]);
        let mut left: Vec<Promise> = expected.iter().filter_map(|id| Promise::find(id)).collect();
        assert_eq!(left.len(), expected.len(), "{id}: all are in the table");
        for seed in hints.iter().copied().chain(1..SEEDS_TRIED) {
            if left.is_empty() {
                break;
            }
            let scenario = seeded(&broken, seed);
            let mut world = World::of_scenario(&scenario);
            // Without what is only decided at the end: a search for an order that there is not.
            world.run_until(scenario.ends_ns());
            left.retain(|promise| !world.checks().found().is_broken(*promise));
        }
        assert_eq!(left, [], "{id} breaks them too");
    }
}

#[test]
fn every_promise_and_every_toggle_has_a_row_in_the_documentation() {
    let page = include_str!("../../../docs/bug-finding.md");
    for promise in sim::check::PROMISES {
        assert!(page.contains(&format!("\n| {} |", promise.id())), "{}", promise.id());
    }
    for toggle in sim::bugs::TOGGLES {
        assert!(page.contains(&format!("\n| `{}` |", toggle.id)), "{}", toggle.id);
    }
}
