//! Plans: what they draw, that the cluster survives it, and that a run replays without its plan.
//!
//! `SEEDS=1..4000` hunts through other runs than the short portion; see docs/campaigns.md.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use std::collections::BTreeMap;

use sim::World;
use sim::machine::{Server, ServerEvent};
use sim::scenario::{ClientCommand, Scenario};
use sim::trace::TraceEvent;
use sim::view::Outcome;
use support::{scenario, world};

const CHAOS: &str = include_str!("../../../www/scenarios/chaos.scn");

/// The seeds that the environment asks for, or a short portion.
fn seeds(portion: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SEEDS") else { return portion };
    let (from, to) = text.split_once("..").expect("SEEDS=FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

fn chaos(seed: u64) -> Scenario {
    let mut chaos = scenario(CHAOS);
    chaos.cluster.seed = seed;
    chaos
}

/// What was acknowledged, and of what servers died.
#[derive(Default)]
struct Witness {
    puts: BTreeMap<u64, (String, String)>,
    acknowledged: BTreeMap<u64, i64>,
    deaths: Vec<String>,
    repairs: u64,
}

impl Witness {
    #[expect(clippy::wildcard_enum_match_arm, reason = "most events say nothing of it")]
    fn see(&mut self, what: &TraceEvent) {
        match what {
            TraceEvent::Requested { request, command, .. } => {
                if let ClientCommand::Put(put) = command.as_ref() {
                    self.puts.insert(*request, (put.key.clone(), put.value.clone()));
                }
            }
            TraceEvent::Ended { request, outcome: Outcome::Acknowledged, revision }
                if self.puts.contains_key(request) =>
            {
                self.acknowledged.insert(*request, revision.expect("puts have one"));
            }
            TraceEvent::Died(node, reason) => self.deaths.push(format!("{node} {reason}")),
            TraceEvent::Told(_, ServerEvent::Etcd(etcd::server::ServerEvent::Repaired { .. })) => {
                self.repairs += 1;
            }
            _ => {}
        }
    }

    /// Acknowledged puts that some server does not have at their revision.
    fn lost(&self, world: &World) -> Vec<String> {
        use etcd::mvcc::{KeyRange, RangeOptions};
        let mut lost = Vec::new();
        for machine in world.machines() {
            let Some(Server::Etcd(process)) = machine.server() else { continue };
            let Some(store) = process.server().view().store() else { continue };
            for (request, revision) in &self.acknowledged {
                let (key, value) = &self.puts[request];
                let options = RangeOptions { revision: *revision, ..RangeOptions::default() };
                let found = store.range(&KeyRange::One(key.clone().into()), options);
                let pair = found.as_ref().ok().and_then(|found| found.kvs.first());
                let pair = pair.map(|pair| (pair.mod_revision, pair.value.to_vec()));
                if pair != Some((*revision, value.clone().into_bytes())) {
                    lost.push(format!("{}: request {request} at {revision}", machine.node()));
                }
            }
        }
        lost
    }
}

fn run(scenario: &Scenario, until_ns: u64) -> (Witness, World) {
    let mut world = World::of_scenario(scenario);
    let mut witness = Witness::default();
    world.run_scenario(scenario, until_ns, &mut |world| {
        for record in world.trace().of_event(world.event()) {
            witness.see(&record.what);
        }
    });
    (witness, world)
}

/// Why a death is no surprise.
fn is_planned(death: &str) -> bool {
    ["signal: killed", "input/output error", "no space left on device"]
        .iter()
        .any(|words| death.contains(words))
}

#[test]
fn a_run_replays_from_its_actions_without_the_plan() {
    for seed in 1..6 {
        let until_ns = 60_000_000_000;
        let (_, played) = run(&chaos(seed), until_ns);
        let text = played.recorded().to_string();
        assert!(text.contains("chaos for=50s drawn") && text.contains("restart all"), "{text}");
        let (_, replayed) = run(&scenario(&text), until_ns);
        assert_eq!(replayed.fingerprint(), played.fingerprint(), "seed {seed}: {text}");
        assert_eq!(replayed.faults_drawn(), played.faults_drawn());
        assert_eq!(replayed.faults_fired(), played.faults_fired());
    }
}

#[test]
fn a_fault_that_is_left_out_moves_no_other_choice() {
    let actions = |faults: &str| {
        let mut world =
            world(&format!("cluster etcd nodes=5 seed=9\n1s chaos for=20s faults={faults}\n"));
        world.run_until(22_000_000_000);
        let lines = world.recorded_lines().iter().skip(1);
        lines.map(ToString::to_string).collect::<Vec<_>>()
    };
    let of_loss = |lines: Vec<String>| {
        lines.into_iter().filter(|line| line.contains("loss")).collect::<Vec<_>>()
    };
    let alone = of_loss(actions("loss"));
    assert!(!alone.is_empty(), "it is in play");
    assert_eq!(alone, of_loss(actions("loss,delay,partition,crash,skew")));
}

#[test]
fn chaos_loses_nothing_acknowledged_and_the_cluster_serves_again() {
    let (mut drawn, mut fired) = (BTreeMap::new(), BTreeMap::new());
    let (mut acknowledged, mut unfired, mut count, mut repairs) = (0, 0_u64, 0_u64, 0);
    let mut alarms = Vec::new();
    let seeds = seeds(1..13);
    for seed in seeds.clone() {
        let chaos = chaos(seed);
        let (witness, world) = run(&chaos, chaos.ends_ns());
        for name in world.faults_drawn().iter() {
            *drawn.entry(name).or_insert(0_u64) += 1;
        }
        for name in world.faults_fired().iter() {
            *fired.entry(name).or_insert(0_u64) += 1;
        }
        unfired += u64::from(!world.faults_drawn().without(&world.faults_fired()).is_empty());
        (count, acknowledged) = (count + 1, acknowledged + witness.acknowledged.len());
        repairs += witness.repairs;
        let mut alarm = |what: String| alarms.push(format!("seed {seed}: {what}"));
        for judgement in world.judgements().iter().filter(|one| one.ok != Some(true)) {
            alarm(format!("{}: {}", judgement.expectation, judgement.detail));
        }
        for death in witness.deaths.iter().filter(|death| !is_planned(death)) {
            alarm(death.clone());
        }
        let lost = witness.lost(&world);
        if !lost.is_empty() {
            alarm(format!("{} acknowledged puts are gone: {}", lost.len(), lost[0]));
        }
    }
    println!(
        "{count} seeds, {acknowledged} puts, {repairs} repairs; {unfired} with a fault that did nothing"
    );
    for (name, drawn) in &drawn {
        println!("{name:<28} drawn {drawn:>6} fired {:>6}", fired.get(name).unwrap_or(&0));
    }
    assert!(alarms.is_empty(), "{} alarms: {:#?}", alarms.len(), &alarms[..alarms.len().min(20)]);
    assert!(acknowledged as u64 > count * 300, "it was no load: {acknowledged}");
}
