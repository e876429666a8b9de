//! What a bit by hand does to a server is what `verify` says that it does to a real one.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use etcd::datadir::{DataDir, Verdict};
use sim::machine::{DATA_DIR, Power};
use sim::rng::{Consumer, Stream};
use sim::scenario::{Context, Node, parse_command};
use sim::{Scenario, World};

const N1: Node = Node(1);
const BACKEND: &str = "member/snap/db";
const FLIPS: u32 = 400;

/// A server without power, with a backend of some pages.
fn written() -> World {
    let text = "\
cluster etcd nodes=1 seed=1
1s      load put key=k/{0..99} value=100B rate=100/s
6s      load stop
8s      crash n1
9s      end
";
    let scenario = Scenario::parse(text).unwrap();
    let mut world = World::of_scenario(&scenario);
    world.run_scenario(&scenario, scenario.ends_ns(), &mut |_| {});
    world
}

fn perform(world: &mut World, line: &str) {
    world.perform(parse_command(line, Context { nodes: 1 }).unwrap());
}

/// Whether a real server starts after this flip, and ours.
fn starts(written: &World, offset: u64, bit: u64) -> (bool, bool) {
    let mut world = written.clone();
    perform(&mut world, &format!("flip n1 {BACKEND} {offset} {bit}"));
    world.run_until(world.now_ns() + 1_000_000);
    let directory = DataDir::from_disk(&world.machine(N1).disk, DATA_DIR).unwrap();
    let real = directory.verify(None).verdict != Verdict::Refuses;
    perform(&mut world, "restart n1");
    world.run_until(world.now_ns() + 3_000_000_000);
    let ours = match world.machine(N1).power() {
        Power::On(_) => true,
        Power::Failed(_) => false,
        Power::Off => panic!("it was started"),
    };
    (real, ours)
}

/// Where ours alone gives up, bbolt follows elements that lie over others or out of order, and
/// serves what it meets there.
#[test]
fn a_bit_of_the_backend_stops_our_server_wherever_it_stops_a_real_one_and_hardly_elsewhere() {
    let written = written();
    let disk = &written.machine(N1).disk;
    let file = disk.open(&format!("{DATA_DIR}/{BACKEND}")).unwrap();
    let pages = disk.data_end(file) / 4096;
    let mut stream = Stream::new(1, Consumer::LinkFaults);
    let (mut both, mut neither, mut ours_alone) = (0, 0, 0);
    for number in 0..FLIPS {
        // Every second one where headers and elements are.
        let within = if number % 2 == 0 { 64 } else { 4096 };
        let (offset, bit) = (stream.below(pages) * 4096 + stream.below(within), stream.below(8));
        match starts(&written, offset, bit) {
            (true, true) => both += 1,
            (false, false) => neither += 1,
            (true, false) => ours_alone += 1,
            (false, true) => panic!("bit {bit} at {offset}: a real server does not start"),
        }
    }
    assert!(both > FLIPS / 4 && neither > FLIPS / 4, "{both} start, {neither} do not");
    assert!(ours_alone * 20 <= FLIPS, "{ours_alone} of {FLIPS} stop ours alone");
}
