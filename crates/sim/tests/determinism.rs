//! The same scenarios give the same fingerprints everywhere: this one file runs natively and, by
//! wasm-bindgen-test, in wasm, and both compare with `fingerprints.txt`.
//!
//! `QUORARIUM_FREEZE=1 cargo test -p quorarium-sim --test determinism` writes that file anew when a
//! change of the event stream was meant.

use sim::{Scenario, World, hunt};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);

/// All that the page offers, and one in which as much as possible happens.
const SCENARIOS: [(&str, &str); 7] = [
    ("welcome", include_str!("../../../www/scenarios/welcome.scn")),
    ("first-light", include_str!("../../../www/scenarios/first-light.scn")),
    ("lost-leader", include_str!("../../../www/scenarios/lost-leader.scn")),
    ("split", include_str!("../../../www/scenarios/split.scn")),
    ("power-cut", include_str!("../../../www/scenarios/power-cut.scn")),
    ("chaos", include_str!("../../../www/scenarios/chaos.scn")),
    ("everything", EVERYTHING),
];

const FINGERPRINTS: &str = include_str!("fingerprints.txt");

const EVERYTHING: &str = "\
cluster etcd nodes=5 seed=18446744073709551615 tick=50ms latency=500us..7ms sync=1ms..20ms segment=8KB
0s load put key=a/{0..20} value=100B rate=40/s
1s load put key=b/{0..3} value=0B rate=15/s count=60
2s loss 3%
2s delay 15ms n4
3s put a b
3s del a
3.1s get --prefix a/
3.2s on n3 get a --consistency=s
3.5s compact 20
4s isolate leader
5s crash n2 torn at disk-operation 7
6s heal
7s restart all
8s crash all torn
8.5s restart all
10s reload
10.000000001s member list
11s endpoint status
12s flip n5 member/wal/0000000000000000-0000000000000000.wal 0x333 5
12s crash n5
13s restart n5
14s partition n1 n2 n3 | n4 n5
15s end
expect leader within 5s
";

fn run(text: &str) -> World {
    let scenario = Scenario::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let mut world = World::of_scenario(&scenario);
    world.run_scenario(&scenario, scenario.ends_ns(), &mut |_| {});
    world
}

/// One line of the table: name, events, fingerprint.
fn line(name: &str, world: &World) -> String {
    format!("{name} {} {:016x}", world.event(), world.fingerprint())
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
fn every_scenario_has_its_frozen_fingerprint() {
    let lines: Vec<String> =
        SCENARIOS.into_iter().map(|(name, text)| line(name, &run(text))).collect();
    #[cfg(not(target_arch = "wasm32"))]
    if std::env::var_os("QUORARIUM_FREEZE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fingerprints.txt");
        std::fs::write(path, lines.join("\n") + "\n").expect("the table can be written");
        return;
    }
    assert_eq!(lines, FINGERPRINTS.lines().collect::<Vec<_>>(), "as frozen in fingerprints.txt");
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
fn every_scenario_is_canonical_and_its_expectations_hold() {
    for (name, text) in SCENARIOS {
        if name != "everything" {
            let printed = Scenario::parse(text).map(|scenario| scenario.to_string());
            assert_eq!(printed.as_deref(), Ok(text), "{name} is not canonical");
        }
        let world = run(text);
        for judgement in world.judgements() {
            assert_eq!(judgement.ok, Some(true), "{name}: {judgement:?}");
        }
    }
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
fn a_scenario_run_twice_is_the_same_run() {
    for (name, text) in SCENARIOS {
        assert_eq!(line(name, &run(text)), line(name, &run(text)), "two runs of {name}");
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[test]
fn every_scenario_file_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../www/scenarios");
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        assert!(SCENARIOS.iter().any(|(known, _)| *known == name), "{name} is not tested");
    }
}

#[cfg_attr(not(target_arch = "wasm32"), test)]
#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test)]
fn a_hunt_runs_what_a_visitor_sees() {
    let scenario = Scenario::parse(EVERYTHING).expect("a scenario of this file");
    let mut world = World::of_scenario(&scenario);
    world.run_until(scenario.ends_ns());
    let hunted = hunt::run(&scenario, scenario.cluster.seed, &[]);
    assert_eq!(hunted.events, world.event(), "it keeps no trace");
    assert_eq!(hunted.fingerprint, world.fingerprint(), "and is the same run");
}
