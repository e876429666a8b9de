//! A world whose servers compare their histories: a bit that rots in a value is found.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use sim::machine::{DATA_DIR, Power};
use sim::scenario::SECOND_NS;
use sim::{Node, World};
use support::{typed, world};

const VALUE: &[u8] = b"all is well";

/// Runs a cluster with these settings, lets a value of the follower's database rot while the server
/// is off, and starts it again. Gives the machine.
fn rotten(settings: &str) -> (World, Node) {
    let mut world = world(&format!(
        "cluster etcd nodes=3 seed=3 snapshot-count=10 {settings}\n\
         2s put report 'all is well'\n\
         2.1s load put key=k{{0..9}} value=8B rate=20/s for=3s\n"
    ));
    world.run_until(7 * SECOND_NS);
    let leader = world.leader().expect("they elected one");
    let bad = if leader == Node(3) { Node(2) } else { Node(3) };
    typed(&mut world, &format!("crash {bad}"));
    let disk = &world.machine(bad).disk;
    let file = disk.open(&format!("{DATA_DIR}/member/snap/db")).expect("it has a database");
    let bytes = disk.read_range(file, 0..disk.data_end(file)).expect("it can be read");
    let places: Vec<usize> =
        (0..bytes.len() - VALUE.len()).filter(|at| bytes[*at..].starts_with(VALUE)).collect();
    assert!(!places.is_empty(), "the value is in it");
    for place in places {
        typed(&mut world, &format!("flip {bad} member/snap/db {place}"));
    }
    typed(&mut world, &format!("restart {bad}"));
    let until_ns = world.now_ns() + 20 * SECOND_NS;
    world.run_until(until_ns);
    (world, bad)
}

#[test]
fn a_server_with_a_rotten_value_refuses_to_start_when_it_compares_first() {
    let (world, bad) = rotten("initial-corrupt-check=true");
    let Power::Failed(died) = world.machine(bad).power() else { panic!("{bad} runs") };
    assert!(died.reason.ends_with("found data inconsistency with peers"), "{}", died.reason);
}

#[test]
fn a_leader_that_compares_raises_the_alarm_of_the_server_with_a_rotten_value() {
    let (mut world, bad) = rotten("corrupt-check-time=2s");
    let alarms = format!("{:?}", typed(&mut world, "alarm list"));
    assert!(alarms.contains("CORRUPT"), "{bad}: {alarms}");
    let (mut world, _) = rotten("");
    let alarms = format!("{:?}", typed(&mut world, "alarm list"));
    assert!(!alarms.contains("CORRUPT"), "nobody compares unless told to: {alarms}");
}

#[test]
fn a_sound_cluster_that_compares_all_the_time_goes_on() {
    let mut world = world(
        "cluster etcd nodes=3 seed=8 snapshot-count=20 initial-corrupt-check=true \
         corrupt-check-time=500ms\n\
         2s load mix clients=3 think=10ms..30ms put=5 del=1 txn=2 compact=1 for=20s\n\
         5s crash n1\n8s restart n1\n12s partition n2 | n1 n3\n16s heal\n",
    );
    world.run_until(40 * SECOND_NS);
    let alarms = format!("{:?}", typed(&mut world, "alarm list"));
    assert!(!alarms.contains("CORRUPT"), "{alarms}");
    assert!(world.machines().iter().all(sim::machine::Machine::is_up), "all of them run");
    assert_eq!(world.checks().found().violations(), [], "no promise was broken on the way");
}
