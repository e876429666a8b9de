//! A process that dies leaves what it wrote in the machine's cache; the next life reads it there,
//! and a power cut may still take it.

use std::collections::BTreeMap;

use super::lab::Lab;
use crate::request::Request;
use crate::server::ServerEvent;

fn is_installed(event: &ServerEvent) -> bool {
    matches!(event, ServerEvent::SnapshotInstalled { .. })
}

#[test]
fn what_a_killed_follower_reads_again_counts_only_when_it_is_durable() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let [near, far] = [(leader + 1) % 3, (leader + 2) % 3];
    lab.cut_off.insert(far);
    lab.machines[near].is_slow = true;
    let put = lab.ask(leader, Request::put("a", "1"));
    lab.settle();
    let written = lab.view(near).wal().unwrap().last_index();
    lab.kill(near);
    lab.boot(near);
    lab.ticks(5);
    assert_eq!(lab.answer(put), None, "only the leader has it for good");
    while lab.sync(near) {}
    assert!(lab.view(near).log().last_index >= written, "it was in the cache");
    lab.tick();
    while lab.sync(near) {}
    lab.ticks(5);
    assert!(lab.answer(put).is_some_and(Result::is_ok), "two of three have it");

    lab.power_cut(near, false);
    lab.power_cut(leader, false);
    lab.cut_off.clear();
    lab.machines[near].is_slow = false;
    lab.boot(near);
    let next = lab.elect();
    assert_eq!(lab.get(next, "a").as_deref(), Some("1"), "it survived on {near}");
}

/// Keys and the last number that was acknowledged.
type Acknowledged = BTreeMap<String, u64>;

fn put_some(lab: &mut Lab, node: usize, numbers: std::ops::Range<u64>, all: &mut Acknowledged) {
    for number in numbers {
        let key = format!("k{}", number % 5);
        let id = lab.ask(node, Request::put(key.clone(), format!("{number:0>100}")));
        lab.settle();
        if lab.answer(id).is_some_and(Result::is_ok) {
            all.insert(key, number);
        }
    }
}

fn check(lab: &mut Lab, node: usize, all: &Acknowledged, when: &str) {
    for (key, least) in all {
        let found = lab.get(node, key).and_then(|found| found.parse::<u64>().ok());
        assert!(found >= Some(*least), "{when}: {key}: {found:?}, {least} was acknowledged");
    }
}

/// Small segments, many snapshots.
fn busy(size: usize) -> Lab {
    Lab::with(size, |config| {
        config.snapshot_count = 5;
        config.catch_up_entries = 2;
        config.segment_bytes = 2048;
        config.max_wals = 2;
        config.max_snapshots = 1;
    })
}

/// What a power cut leaves: nothing that was not synced, or one thing in so many.
fn survivors(every: u64) -> impl FnMut(disk::Unsynced) -> bool {
    let mut count = 0;
    move |_| {
        count += 1;
        every > 0 && count % every == 0
    }
}

/// Kills the only server at one of its disk operations, lets the next life acknowledge more, and
/// cuts its power. Whether the kill hit.
fn survives_a_kill_and_a_cut(operation: u32, more: u64, every: u64) -> bool {
    let when = format!("killed at {operation}, {more} puts, every {every} survives");
    let mut lab = busy(1);
    lab.elect();
    let mut all = Acknowledged::new();
    put_some(&mut lab, 0, 0..6, &mut all);
    lab.machines[0].disk.arm_crash(operation);
    put_some(&mut lab, 0, 10..25, &mut all);
    let hit = lab.machines[0].died_of.is_some();
    lab.kill(0);
    lab.boot(0);
    lab.elect();
    put_some(&mut lab, 0, 30..30 + more, &mut all);
    lab.power_cut_to(0, &mut survivors(every));
    lab.boot(0);
    lab.settle();
    assert_eq!(lab.machines[0].died_of, None, "{when}: it boots");
    lab.elect();
    check(&mut lab, 0, &all, &when);
    hit
}

#[test]
fn nothing_acknowledged_after_a_kill_is_lost_by_a_power_cut() {
    let mut hits = 0;
    for operation in 1..90 {
        for (more, every) in [(1, 0), (2, 3), (7, 2)] {
            hits += u32::from(survives_a_kill_and_a_cut(operation, more, every));
        }
    }
    assert!(hits > 200, "{hits} kills hit");
}

/// Kills a member at one of its disk operations while a snapshot and what follows it come in,
/// then cuts its power. Whether it had installed it.
fn survives_a_kill_while_receiving(operation: u32, every: u64) -> bool {
    let when = format!("killed at {operation}, every {every} survives");
    let mut lab = busy(3);
    let leader = lab.elect();
    let lagging = (leader + 1) % 3;
    let mut all = Acknowledged::new();
    put_some(&mut lab, leader, 0..4, &mut all);
    lab.cut_off.insert(lagging);
    put_some(&mut lab, leader, 4..40, &mut all);
    lab.cut_off.clear();
    lab.machines[lagging].disk.arm_crash(operation);
    lab.ticks(30);
    put_some(&mut lab, leader, 40..50, &mut all);
    lab.kill(lagging);
    lab.boot(lagging);
    lab.ticks(30);
    // From here on it counts: without it there is no quorum.
    lab.power_cut((leader + 2) % 3, false);
    put_some(&mut lab, leader, 50..54, &mut all);
    lab.ticks(5);
    lab.power_cut_to(lagging, &mut survivors(every));
    let installed = lab.events.iter().any(|(node, event)| *node == lagging && is_installed(event));
    lab.boot(lagging);
    lab.settle();
    assert_eq!(lab.machines[lagging].died_of, None, "{when}: it boots");
    lab.power_cut(leader, true);
    lab.boot((leader + 2) % 3);
    lab.elect();
    check(&mut lab, lagging, &all, &when);
    installed
}

#[test]
fn a_member_killed_while_it_receives_a_snapshot_keeps_what_it_acknowledges_later() {
    let installed = (1..80)
        .flat_map(|at| [(at, 0), (at, 2), (at, 3)])
        .filter(|(at, every)| survives_a_kill_while_receiving(*at, *every));
    assert!(installed.count() > 100, "snapshots were installed");
}
