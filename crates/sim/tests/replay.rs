//! The world is a function: of its scenario, and after a reload of its head and its disks.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use sim::scenario::SECOND_NS;
use sim::{Head, Scenario, World};
use support::{Store, command, run_for, scenario, world};

const BUSY: &str = "\
cluster etcd nodes=3 seed=7 segment=8KB
0s load put key=user/{0..9} value=40B rate=50/s
3s isolate leader
4s heal
5s crash n2 torn
5.5s loss 2%
6s restart n2
7s delay 20ms n3
9s put after everything
";

#[test]
fn two_runs_of_a_scenario_are_equal_event_by_event() {
    let (mut one, mut other) = (world(BUSY), world(BUSY));
    while one.now_ns() < 10 * SECOND_NS {
        assert_eq!(one.step(), other.step());
        assert_eq!(one.fingerprint(), other.fingerprint(), "at event {}", one.event());
    }
}

#[test]
fn another_seed_is_another_run() {
    let (mut one, mut other) = (world(BUSY), world(&BUSY.replace("seed=7", "seed=8")));
    one.run_until(5 * SECOND_NS);
    other.run_until(5 * SECOND_NS);
    assert_ne!(one.fingerprint(), other.fingerprint());
}

#[test]
fn a_clone_goes_on_as_its_original() {
    let mut one = world(BUSY);
    one.run_until(4 * SECOND_NS);
    let mut other = one.clone();
    one.run_until(9 * SECOND_NS);
    other.run_until(9 * SECOND_NS);
    assert_eq!((one.event(), one.fingerprint()), (other.event(), other.fingerprint()));
}

#[test]
fn what_was_recorded_replays_to_the_same_moment() {
    let mut played = World::new(scenario(BUSY).cluster);
    let lines = ["load put key=k/{0..5} value=10B rate=100/s", "put a 1", "crash leader", "get a"];
    for line in lines {
        played.perform(command(line));
        for _ in 0..777 {
            played.step();
        }
    }
    played.perform(command("reload"));
    run_for(&mut played, 3);
    // Two in one nanosecond, and one that has not run yet.
    played.perform(command("put b 2"));
    played.perform(command("on n2 put c 3"));
    played.step();
    let text = played.recorded().to_string();
    let mut replayed = World::of_scenario(&Scenario::parse(&text).expect("it reads back"));
    replayed.run_to_event(played.event());
    assert_eq!(replayed.fingerprint(), played.fingerprint(), "{text}");
    for _ in 0..5_000 {
        assert_eq!(replayed.step(), played.step());
    }
    assert_eq!(replayed.fingerprint(), played.fingerprint(), "and it goes on the same");
}

#[test]
fn a_run_is_shared_with_its_title_and_what_it_expects_at_the_end() {
    let mut played =
        world("# Title\ncluster etcd nodes=1 seed=1\n1s put a 1\n2s put b 2\nexpect leader\n");
    played.run_until(SECOND_NS + SECOND_NS / 2);
    played.perform(command("get a"));
    run_for(&mut played, 1);
    let text = played.recorded().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[2], lines[5]), ("# Title", "1s      put a 1", "expect leader"));
    assert!(lines[3].ends_with(" get a") && lines[4] == "2s      put b 2", "{text}");
}

/// Runs to an event, puts head and disks away, and reloads both the world and what was put away.
fn reload_both_ways(text: &str, event: u64) -> (World, World) {
    let mut lived = world(text);
    let mut store = Store::default();
    while lived.event() < event {
        lived.step();
        if lived.event().is_multiple_of(100) {
            store.follow(&mut lived);
        }
    }
    lived.settle();
    store.follow(&mut lived);
    let head = Head::decode(&lived.head().encode()).expect("a head reads back");
    let mut resumed = World::resume(head, store.disks()).expect("it fits");
    let performed = lived.perform(command("reload"));
    assert_eq!(resumed.perform(command("reload")), performed, "the same nanosecond");
    (lived, resumed)
}

#[test]
fn a_reload_is_the_same_whether_the_world_was_put_away_or_not() {
    for event in [0, 1, 40, 300, 700, 1_500, 2_345, 4_000, 6_001] {
        let (mut lived, mut resumed) = reload_both_ways(BUSY, event);
        let until_ns = lived.now_ns() + 8 * SECOND_NS;
        while lived.now_ns() < until_ns {
            assert_eq!(lived.step(), resumed.step());
            assert_eq!(
                lived.fingerprint(),
                resumed.fingerprint(),
                "put away at {event}, differs at {}: {:?}",
                lived.event(),
                lived.trace().of_event(lived.event())
            );
        }
        assert_eq!(lived.operations(), resumed.operations());
        assert!(lived.leader().is_some(), "the cluster serves again");
    }
}

/// Every kind of fault with its example, one a moment, and all of what stands mended before the
/// next begins.
fn every_fault() -> String {
    let verbs = sim::fault::KINDS.iter().filter_map(|kind| kind.verb.as_ref());
    let verbs = verbs.filter(|verb| !["reload", "chaos", "wipe"].contains(&verb.name));
    let examples = verbs.map(|verb| verb.example.to_owned());
    let points = sim::fault::POINTS.iter();
    let crashes = points.map(|point| format!("crash n3 during {} nth 2 torn", point.name));
    let last = ["restart all", "restart all", "chaos for=4s faults=all"].map(str::to_owned);
    let lines = examples.chain(crashes).chain(last).zip(14..);
    let lines: Vec<String> = lines.map(|(line, at)| format!("{}ms {line}\n", at * 140)).collect();
    let load = "0s load put key=user/{0..9} value=40B rate=50/s";
    format!("cluster etcd nodes=3 seed=11 segment=8KB\n{load}\n{}", lines.concat())
}

#[test]
fn every_fault_survives_a_reload_exactly() {
    let text = every_fault();
    for event in [500, 1_200, 2_000, 2_600, 3_200, 3_900, 4_700, 5_500, 6_300] {
        let (mut lived, mut resumed) = reload_both_ways(&text, event);
        let until_ns = lived.now_ns() + 8 * SECOND_NS;
        while lived.now_ns() < until_ns {
            assert_eq!(lived.step(), resumed.step());
            let (one, other) = (lived.fingerprint(), resumed.fingerprint());
            let records = lived.trace().of_event(lived.event());
            assert_eq!(one, other, "put away at {event}: {records:?}");
        }
        assert_eq!(lived.faults_drawn(), resumed.faults_drawn());
        assert_eq!(lived.faults_fired(), resumed.faults_fired());
        lived.settle();
        resumed.settle();
        assert_eq!(lived.head(), resumed.head(), "put away at {event}");
    }
}

#[test]
fn a_resumed_world_can_be_shared_once_it_remembers() {
    let (lived, mut resumed) = reload_both_ways(BUSY, 1_500);
    assert!(!resumed.remembers_all());
    resumed.remember(lived.recorded_lines().to_vec());
    assert!(resumed.remembers_all());
    assert_eq!(resumed.recorded().to_string(), lived.recorded().to_string());
}

#[test]
fn a_damaged_head_is_refused() {
    let mut lived = world(BUSY);
    lived.run_until(SECOND_NS);
    let bytes = lived.head().encode();
    for length in 0..bytes.len() {
        assert!(Head::decode(&bytes[..length]).is_err(), "cut at {length}");
    }
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 0x55;
        if let Ok(head) = Head::decode(&changed) {
            let nodes = head.spec.nodes;
            let disks = (0..nodes).map(|_| disk::Disk::new(1 << 20)).collect();
            assert!(World::resume(head, disks).is_ok() || nodes != 3, "place {place}");
        }
    }
    let disks = vec![disk::Disk::new(1 << 20)];
    assert!(World::resume(lived.head(), disks).is_err(), "one disk for three servers");
}
