//! A world in which servers take snapshots, send them to each other, and boot from them.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use std::collections::BTreeSet;

use etcd::server::ServerEvent as Event;
use sim::machine::{Server, ServerEvent};
use sim::scenario::SECOND_NS;
use sim::trace::TraceEvent;
use sim::view::cluster_view;
use sim::{Node, World};
use support::world;

const BEHIND: &str = "\
cluster etcd nodes=3 seed=5 snapshot-count=20 catch-up=5 segment=4KB
2s load put key=user/{0..19} value=64B rate=50/s
4s isolate n3
8s heal
10s crash n3
11s restart n3
20s expect leader
";

/// What servers told of snapshots, up to a time.
fn told(world: &mut World, until_ns: u64) -> Vec<(Node, Event)> {
    let mut told = Vec::new();
    while world.next_event_ns().is_some_and(|next_ns| next_ns <= until_ns) {
        world.step();
        for record in world.trace().of_event(world.event()) {
            if let TraceEvent::Told(node, ServerEvent::Etcd(event)) = &record.what {
                told.push((*node, event.clone()));
            }
        }
    }
    told
}

fn hashes(world: &World) -> BTreeSet<u32> {
    let servers = world.machines().iter().filter_map(sim::machine::Machine::server);
    let store = |server: &Server| {
        let Server::Etcd(process) = server;
        process.server().view().store().map(|store| store.hash_kv(0).expect("the present").hash)
    };
    servers.filter_map(store).collect()
}

#[test]
fn a_server_that_was_cut_off_gets_a_snapshot_and_boots_from_it() {
    let mut world = world(BEHIND);
    let before = told(&mut world, 8 * SECOND_NS);
    assert!(before.iter().any(|(_, event)| matches!(event, Event::LogCompacted { .. })), "short");
    let events = told(&mut world, 10 * SECOND_NS);
    let n3 = Node(3);
    let is = |node: Node, which: fn(&Event) -> bool| {
        events.iter().any(|(at, event)| *at == node && which(event))
    };
    assert!(is(n3, |event| matches!(event, Event::SnapshotReceived { .. })), "it got one");
    assert!(is(n3, |event| matches!(event, Event::SnapshotInstalled { .. })), "and took it");
    let sent =
        |(_, event): &(Node, Event)| matches!(event, Event::SnapshotSendEnded { ok: true, .. });
    assert!(events.iter().any(sent), "and the leader knows");

    let view = cluster_view(&world);
    let text = format!("{view:?}");
    assert!(text.contains("snapshot of entry"), "the page has words for it");

    let events = told(&mut world, 12 * SECOND_NS);
    let loaded =
        |(at, event): &(Node, Event)| *at == n3 && matches!(event, Event::SnapshotLoaded { .. });
    assert!(events.iter().any(loaded), "the next life begins with it");
    world.run_until(15 * SECOND_NS);
    assert_eq!(hashes(&world).len(), 1, "all servers have the same keys");
    assert_eq!(world.checks().found().violations(), [], "no promise was broken on the way");
}

#[test]
fn segments_and_snapshots_are_purged_as_time_goes_by() {
    let mut world = world(BEHIND);
    let events = told(&mut world, 35 * SECOND_NS);
    let purged = events.iter().filter(|(_, event)| matches!(event, Event::FilePurged { .. }));
    assert!(purged.count() > 10, "several files a server");
    // The third server began its last life at 11 s, and purges every 30 s from there.
    for machine in &world.machines()[..2] {
        let names = machine.disk.list("/var/lib/etcd/member/snap").expect("it is there");
        let snaps = names.iter().filter(|entry| entry.name.strip_suffix(".snap").is_some()).count();
        assert!((1..30).contains(&snaps), "{}: {snaps} snapshots", machine.node());
    }
}

#[test]
fn a_run_with_snapshots_is_the_same_every_time() {
    let run = || {
        let mut world = world(BEHIND);
        world.run_until(15 * SECOND_NS);
        world.fingerprint()
    };
    assert_eq!(run(), run(), "event for event");
}
