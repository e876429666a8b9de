//! What breaks, and what a client may rely on all the same.
//!
//! `SEEDS=1..4000` cuts the power in other runs than the short portion; see docs/campaigns.md.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use std::collections::BTreeMap;

use sim::machine::{Server, ServerEvent};
use sim::scenario::{ClientCommand, SECOND_NS};
use sim::trace::TraceEvent;
use sim::view::{Outcome, cluster_view};
use sim::{Node, World};
use support::{command, conditions, run_for, world};

/// Every put, by request, and the revision at which it was acknowledged.
#[derive(Default)]
struct Witness {
    puts: BTreeMap<u64, (String, String)>,
    acknowledged: BTreeMap<u64, i64>,
    /// Power cuts that lost something, and torn records that were cut off a log.
    losses: u64,
    repairs: u64,
}

impl Witness {
    fn step(&mut self, world: &mut World) {
        world.step();
        for record in world.trace().of_event(world.event()) {
            self.see(&record.what);
        }
    }

    fn see(&mut self, what: &TraceEvent) {
        if let TraceEvent::Told(_, ServerEvent::Etcd(etcd::server::ServerEvent::Repaired { .. })) =
            what
        {
            self.repairs += 1;
        }
        if let TraceEvent::PowerCut { lost: 1.., .. } = what {
            self.losses += 1;
        }
        if let TraceEvent::Requested { request, command, .. } = what
            && let ClientCommand::Put(put) = command.as_ref()
        {
            self.puts.insert(*request, (put.key.clone(), put.value.clone()));
        }
        if let TraceEvent::Ended { request, outcome: Outcome::Acknowledged, revision } = what
            && self.puts.contains_key(request)
        {
            self.acknowledged.insert(*request, revision.expect("puts have one"));
        }
    }

    fn run_until(&mut self, world: &mut World, until_ns: u64) {
        while world.next_event_ns().is_some_and(|next_ns| next_ns <= until_ns) {
            self.step(world);
        }
    }

    /// Every acknowledged put is in the store of every server, at its revision.
    fn demand_all(&self, world: &World, context: &str) {
        use etcd::mvcc::{KeyRange, RangeOptions};
        for machine in world.machines() {
            let Some(Server::Etcd(process)) = machine.server() else { continue };
            let store = process.server().view().store().expect("it is up");
            for (request, revision) in &self.acknowledged {
                let (key, value) = &self.puts[request];
                let key = KeyRange::One(key.clone().into());
                let options = RangeOptions { revision: *revision, ..RangeOptions::default() };
                let found = store.range(&key, options);
                let pair = found.as_ref().ok().and_then(|found| found.kvs.first());
                let pair = pair.map(|pair| (pair.mod_revision, pair.value.to_vec()));
                let expected = Some((*revision, value.clone().into_bytes()));
                assert_eq!(pair, expected, "{context}, {}: request {request}", machine.node());
            }
        }
    }
}

/// A busy cluster, a power cut at a disk operation in the middle of it all, recovery.
fn crash_and_recover(seed: u64) -> (Witness, World) {
    let (operation, torn) = (1 + seed % 97, if seed.is_multiple_of(2) { " torn" } else { "" });
    let target = ["n1", "n2", "n3", "leader", "all"][usize::try_from(seed % 5).expect("small")];
    let mut world = world(&format!(
        "cluster etcd nodes=3 seed={seed} segment=16KB\n\
         0s load put key=k/{{0..9}} value=700B rate=100/s for=5s\n\
         2s crash {target}{torn} at disk-operation {operation}\n\
         3.5s crash all{torn}\n\
         4s restart all\n"
    ));
    let mut witness = Witness::default();
    witness.run_until(&mut world, 12 * SECOND_NS);
    (witness, world)
}

/// The seeds that the environment asks for, or a short portion.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SEEDS") else { return 1..151 };
    let (from, to) = text.split_once("..").expect("SEEDS=FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn a_power_cut_at_any_disk_operation_loses_nothing_acknowledged() {
    let (mut acknowledged, mut losses, mut repairs) = (0, 0, 0);
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let (witness, world) = crash_and_recover(seed);
        let context = format!("seed {seed}");
        assert_eq!(conditions(&world), "uuu", "{context}: {:#?}", cluster_view(&world).log);
        assert!(world.leader().is_some(), "{context}: nobody leads");
        witness.demand_all(&world, &context);
        acknowledged += witness.acknowledged.len();
        losses += witness.losses;
        repairs += witness.repairs;
    }
    println!(
        "{count} seeds: {losses} lossy cuts, {repairs} torn records, {acknowledged} puts kept"
    );
    assert!(losses > count, "it was no crash: {losses} losses");
    assert!(repairs > count / 30, "no record was torn: {repairs} repairs");
    assert!(acknowledged as u64 > count * 50, "it was no load: {acknowledged}");
}

#[test]
fn a_power_cut_in_the_middle_of_recovery_loses_nothing_acknowledged() {
    for seed in 1..=40_u64 {
        let mut world = world(&format!(
            "cluster etcd nodes=3 seed={seed} segment=16KB\n\
             0s load put key=k/{{0..9}} value=700B rate=100/s for=3s\n\
             2s crash all torn\n"
        ));
        let mut witness = Witness::default();
        witness.run_until(&mut world, 2 * SECOND_NS + SECOND_NS / 2);
        for operation in 1..4 {
            world.perform(command("restart all"));
            let step_ns = world.now_ns() + 2;
            witness.run_until(&mut world, step_ns);
            world.perform(command(&format!("crash all torn at disk-operation {operation}")));
            let until_ns = world.now_ns() + SECOND_NS / 5;
            witness.run_until(&mut world, until_ns);
            world.perform(command("crash all torn"));
            witness.step(&mut world);
        }
        world.perform(command("restart all"));
        let until_ns = world.now_ns() + 6 * SECOND_NS;
        witness.run_until(&mut world, until_ns);
        let context = format!("seed {seed}");
        assert_eq!(conditions(&world), "uuu", "{context}: {:#?}", cluster_view(&world).log);
        assert!(world.leader().is_some(), "{context}: nobody leads");
        witness.demand_all(&world, &context);
    }
}

#[test]
fn loss_and_partitions_lose_nothing_acknowledged() {
    for seed in 1..=20 {
        let mut world = world(&format!(
            "cluster etcd nodes=5 seed={seed}\n\
             0s load put key=k/{{0..9}} value=20B rate=50/s for=10s\n\
             2s loss 10%\n\
             3s isolate leader\n\
             5s partition n1 n2 | n3 n4 n5\n\
             7s delay 50ms n3\n\
             9s heal\n"
        ));
        let mut witness = Witness::default();
        witness.run_until(&mut world, 16 * SECOND_NS);
        witness.demand_all(&world, &format!("seed {seed}"));
        assert!(witness.acknowledged.len() > 100, "seed {seed}: {}", witness.acknowledged.len());
    }
}

fn last_operation(world: &World) -> (Outcome, String) {
    let ended = world.clients().ended().next_back().expect("one ended");
    let command = &ended.operation.command;
    let printed = sim::machine::print_reply(command, ended.operation.node, &ended.answer);
    (ended.outcome, printed.unwrap_or_else(|error| error))
}

#[test]
fn a_request_in_hand_when_its_server_dies_is_unknown() {
    let mut world = world("cluster etcd nodes=3 seed=1\n3s partition n1 | n2 n3\n");
    world.run_until(4 * SECOND_NS);
    world.perform(command("on n1 put a 1"));
    run_for(&mut world, 1);
    assert_eq!(world.clients().all_pending().len(), 1, "n1 cannot commit alone");
    world.perform(command("crash n1"));
    run_for(&mut world, 1);
    let (outcome, printed) = last_operation(&world);
    assert_eq!(
        (outcome, printed.as_str()),
        (Outcome::Unknown, "Error: error reading from server: EOF")
    );
}

#[test]
fn a_request_to_a_server_without_power_fails() {
    let mut world = world("cluster etcd nodes=3 seed=1\n3s crash n2\n4s on n2 put a 1\n");
    world.run_until(5 * SECOND_NS);
    let (outcome, printed) = last_operation(&world);
    assert_eq!((outcome, printed.as_str()), (Outcome::Failed, "Error: connection refused"));
}

#[test]
fn a_client_stops_waiting_after_five_seconds() {
    let mut world = world("cluster etcd nodes=3 seed=1\n3s crash n2\n3s crash n3\n4s put a 1\n");
    world.run_until(10 * SECOND_NS);
    let (outcome, printed) = last_operation(&world);
    assert_eq!((outcome, printed.as_str()), (Outcome::Unknown, "Error: context deadline exceeded"));
}

const WAL: &str = "member/wal/0000000000000000-0000000000000000.wal";

#[test]
fn a_flipped_bit_in_the_log_stops_that_server_alone_and_it_says_why() {
    let mut world = world(&format!(
        "cluster etcd nodes=3 seed=3\n\
         0s load put key=k/{{0..9}} value=60B rate=50/s\n\
         4s flip n2 {WAL} 0x400 3\n\
         5s crash n2\n\
         6s restart n2\n"
    ));
    world.run_until(9 * SECOND_NS);
    assert_eq!(conditions(&world), "ufu");
    let log = cluster_view(&world).log;
    let died = log.iter().find(|line| line.text.starts_with("stops: ")).expect("it says why");
    assert_eq!(died.node, Some(Node(2)));
    assert!(died.text.contains("crc"), "{}", died.text);
    let before = world.operations().acknowledged;
    run_for(&mut world, 2);
    assert!(world.operations().acknowledged > before + 50, "the others go on");
}

#[test]
fn a_segment_is_cut_and_read_back() {
    let mut world = world(
        "cluster etcd nodes=3 seed=3 segment=8KB\n\
         0s load put key=k/{0..9} value=100B rate=100/s for=5s\n\
         6s crash all\n\
         7s restart all\n",
    );
    let mut witness = Witness::default();
    witness.run_until(&mut world, 12 * SECOND_NS);
    let files = world.machines()[0].disk.list("/var/lib/etcd/member/wal").expect("it is there");
    assert!(files.len() > 3, "{files:?}");
    witness.demand_all(&world, "after the cut");
    assert!(witness.acknowledged.len() > 300);
}

#[test]
fn one_server_alone_serves_and_recovers() {
    let mut world = world(
        "cluster etcd nodes=1 seed=5\n\
         3s put a 1\n\
         3s put a 2\n\
         4s crash n1\n\
         5s restart n1\n\
         8s expect value a 2\n",
    );
    world.run_until(9 * SECOND_NS);
    assert_eq!(world.judgements()[0].ok, Some(true), "{:?}", world.judgements());
}
