//! Lives that end at the worst moment, and the next ones.

use std::collections::BTreeMap;

use super::lab::Lab;
use crate::request::Request;
use crate::server::ServerEvent;

#[test]
fn acknowledged_writes_survive_a_power_cut_of_everything() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    for number in 0..20 {
        lab.put((leader + number) % 3, &format!("k{number}"), &number.to_string()).unwrap();
    }
    (0..3).for_each(|node| lab.power_cut(node, false));
    lab.now_ns += 1_000_000_000;
    (0..3).for_each(|node| lab.boot(node));
    let leader = lab.elect();
    for number in 0..20 {
        let value = lab.get(leader, &format!("k{number}"));
        assert_eq!(value, Some(number.to_string()), "k{number}");
    }
    assert_eq!(lab.view(leader).store().unwrap().revision(), 21, "each applied once");
    lab.put(leader, "k0", "again").unwrap();
    lab.ticks(2);
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
}

#[test]
fn another_server_leads_when_the_leader_dies_and_the_old_one_follows_later() {
    let mut lab = Lab::new(3);
    let first = lab.elect();
    lab.put(first, "a", "1").unwrap();
    lab.power_cut(first, false);
    let second = lab.elect();
    assert_ne!(second, first, "somebody else");
    lab.put(second, "a", "2").unwrap();
    lab.boot(first);
    lab.elect();
    assert_eq!(lab.local(first, "a").as_deref(), Some("2"), "it caught up");
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
}

#[test]
fn a_follower_that_was_cut_off_catches_up() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let lagging = (leader + 1) % 3;
    lab.cut_off.insert(lagging);
    for number in 0..50 {
        lab.put(leader, &format!("k{}", number % 7), &number.to_string()).unwrap();
    }
    assert_eq!(lab.view(lagging).store().unwrap().revision(), 1, "it heard nothing");
    lab.cut_off.clear();
    lab.elect();
    lab.ticks(5);
    assert_eq!(lab.view(lagging).store().unwrap().revision(), 51, "all of it");
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
}

/// Puts and remembers what was acknowledged.
fn put_some(lab: &mut Lab, node: usize, from: usize, acknowledged: &mut BTreeMap<String, String>) {
    for number in from..from + 4 {
        let (key, value) = (format!("k{}", number % 5), number.to_string());
        let id = lab.ask(node, Request::put(key.clone(), value.clone()));
        lab.settle();
        if lab.answer(id).is_some_and(Result::is_ok) {
            acknowledged.insert(key, value);
        }
    }
}

fn survives_a_cut_at(operation: u32, of_leader: bool, unsynced_survives: bool) -> bool {
    let mut lab = Lab::with(3, |config| config.segment_bytes = 4096);
    let leader = lab.elect();
    let victim = if of_leader { leader } else { (leader + 1) % 3 };
    let mut acknowledged = BTreeMap::new();
    put_some(&mut lab, leader, 0, &mut acknowledged);
    lab.machines[victim].disk.arm_crash(operation);
    put_some(&mut lab, leader, 10, &mut acknowledged);
    let hit = lab.machines[victim].died_of.is_some();
    lab.power_cut(victim, unsynced_survives);
    lab.boot(victim);
    let leader = lab.elect();
    put_some(&mut lab, leader, 20, &mut acknowledged);
    for (key, value) in &acknowledged {
        let found = lab.get(victim, key).and_then(|found| found.parse::<u64>().ok());
        let least = value.parse().ok();
        assert!(found >= least, "{key}: {found:?} after {value} was acknowledged");
    }
    lab.ticks(3);
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
    hit
}

#[test]
fn acknowledged_writes_survive_a_cut_at_any_disk_operation() {
    for of_leader in [true, false] {
        for unsynced_survives in [true, false] {
            let hits = (1..12).filter(|&at| survives_a_cut_at(at, of_leader, unsynced_survives));
            assert!(hits.count() > 5, "the cuts hit");
        }
    }
}

#[test]
fn a_first_boot_can_be_cut_at_any_disk_operation() {
    let mut hits = 0;
    for operation in 1..30 {
        for unsynced_survives in [true, false] {
            let mut lab = Lab::new(1);
            lab.power_cut(0, false);
            lab.machines[0].disk.arm_crash(operation);
            lab.boot(0);
            lab.settle();
            lab.ticks(30);
            hits += usize::from(lab.machines[0].died_of.is_some());
            lab.power_cut(0, unsynced_survives);
            lab.boot(0);
            lab.elect();
            lab.put(0, "a", "1").unwrap();
            assert_eq!(lab.get(0, "a").as_deref(), Some("1"), "cut at {operation}");
        }
    }
    assert!(hits > 20, "the cuts hit: {hits}");
}

#[test]
fn segments_are_cut_and_all_of_them_replayed() {
    let mut lab = Lab::with(3, |config| config.segment_bytes = 2048);
    let leader = lab.elect();
    for number in 0..40 {
        lab.put(leader, &format!("k{number}"), &"x".repeat(100)).unwrap();
    }
    let cuts = lab
        .events
        .iter()
        .filter(|(node, event)| *node == leader && matches!(event, ServerEvent::SegmentCut { .. }))
        .count();
    assert!(cuts >= 3, "{cuts} cuts");
    (0..3).for_each(|node| lab.power_cut(node, false));
    (0..3).for_each(|node| lab.boot(node));
    let leader = lab.elect();
    assert_eq!(lab.view(leader).store().unwrap().revision(), 41, "all writes");
}

/// The last segment's path and the end of its data.
fn log_end(lab: &Lab, node: usize) -> (String, u64) {
    let (segment, end) = lab.view(node).wal().unwrap().tail();
    (format!("/var/lib/etcd/member/wal/{segment}"), end)
}

#[test]
fn a_torn_end_is_repaired_once() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let victim = (leader + 1) % 3;
    lab.put(leader, "a", "1").unwrap();
    let (path, end) = log_end(&lab, victim);
    lab.power_cut(victim, true);
    let file = lab.machines[victim].disk.open(&path).unwrap();
    lab.machines[victim].disk.set_len(file, end - 3).unwrap();
    lab.boot(victim);
    lab.settle();
    let repaired = lab
        .events
        .iter()
        .any(|(node, event)| *node == victim && matches!(event, ServerEvent::Repaired { .. }));
    assert!(repaired, "it says so");
    assert!(lab.machines[victim].disk.exists(&format!("{path}.broken")), "and keeps a copy");
    lab.elect();
    assert_eq!(lab.local(victim, "a").as_deref(), Some("1"), "the rest comes from the leader");
}

#[test]
fn a_flipped_bit_stops_the_boot_with_etcds_words() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    lab.put(leader, "a", "1").unwrap();
    let (path, _) = log_end(&lab, leader);
    lab.power_cut(leader, false);
    lab.machines[leader].disk.corrupt(&path, 0x70, 0x08).unwrap();
    lab.boot(leader);
    lab.settle();
    let reason = lab.machines[leader].died_of.clone().expect("it died").reason;
    assert!(reason.starts_with("discovery failed: walpb: crc mismatch ("), "{reason}");
    assert!(reason.contains("0000000000000000-0000000000000000.wal at offset"), "{reason}");
}

#[test]
fn a_clone_goes_its_own_way_and_the_same_way() {
    let mut lab = Lab::new(1);
    lab.elect();
    lab.put(0, "a", "1").unwrap();
    let (server, disk) = (lab.machines[0].server.clone(), lab.machines[0].disk.clone());
    let (events, requests) = (lab.events.len(), lab.requests);
    lab.put(0, "a", "2").unwrap();
    lab.ticks(5);
    let first: Vec<_> = lab.events.drain(events..).collect();

    lab.machines[0].server = server;
    lab.machines[0].disk = disk;
    lab.now_ns -= 500_000_000;
    lab.requests = requests - 1;
    assert_eq!(lab.local(0, "a").as_deref(), Some("1"), "the clone was not touched");
    lab.put(0, "a", "2").unwrap();
    lab.ticks(5);
    assert_eq!(lab.events.drain(events..).collect::<Vec<_>>(), first, "the same steps again");
}
