//! Snapshots: taken, sent, installed, booted from, and what may go once they are there.

use std::collections::BTreeMap;

use disk::{Disk, Unsynced};

use super::lab::{Lab, Stream};
use crate::request::{Compact, Reply, Request};
use crate::server::{Effects, Input, Server, ServerConfig, ServerEvent};
use crate::snap::{self, SnapName};
use crate::wal;

const WAL: &str = "/var/lib/etcd/member/wal";
const SNAP: &str = "/var/lib/etcd/member/snap";

fn often(config: &mut ServerConfig) {
    config.snapshot_count = 5;
    config.catch_up_entries = 2;
    config.segment_bytes = 2048;
}

fn put_many(lab: &mut Lab, node: usize, keys: std::ops::Range<usize>) {
    for key in keys {
        lab.put(node, &format!("k{}", key % 11), &format!("{key} {}", "x".repeat(100))).unwrap();
    }
}

fn names(disk: &Disk, directory: &str) -> Vec<String> {
    disk.list(directory).unwrap().into_iter().map(|entry| entry.name).collect()
}

fn count(lab: &Lab, node: usize, which: impl Fn(&ServerEvent) -> bool) -> usize {
    lab.events.iter().filter(|(at, event)| *at == node && which(event)).count()
}

#[test]
fn snapshots_move_the_sentinel_and_leave_a_short_log() {
    let mut lab = Lab::with(3, often);
    let leader = lab.elect();
    put_many(&mut lab, leader, 0..40);
    for node in 0..3 {
        let saved = count(&lab, node, |event| matches!(event, ServerEvent::SnapshotSaved { .. }));
        assert!(saved >= 6, "n{}: {saved} snapshots for 40 entries", node + 1);
        let log = lab.view(node).log();
        assert!(log.sentinel.index > 30, "n{}: the sentinel is at {:?}", node + 1, log.sentinel);
        assert!(log.last_index - log.sentinel.index <= 5 + 1 + 2, "n{}: {log:?}", node + 1);
        assert!(lab.view(node).entries(0..1000).len() <= 8, "the others are gone from memory");
    }
}

#[test]
fn every_mark_in_the_log_names_a_file_that_is_there() {
    let mut lab = Lab::with(1, often);
    lab.elect();
    put_many(&mut lab, 0, 0..20);
    check_marks(&lab.machines[0].disk, "undisturbed");
    let marks = wal::valid_snapshots_on(&lab.machines[0].disk, WAL).unwrap();
    assert!(marks.len() > 2, "there are some: {}", marks.len());
    assert!(marks.iter().all(|mark| mark.conf_state.is_none()), "as 3.4 writes them");
}

/// W7: the file is durable before the record that names it. Of older records the file may be
/// purged.
fn check_marks(disk: &Disk, when: &str) {
    let Ok(marks) = wal::valid_snapshots_on(disk, WAL) else { return };
    let Some(mark) = marks.iter().max_by_key(|mark| mark.index).filter(|mark| mark.index > 0)
    else {
        return;
    };
    let path = format!("{SNAP}/{}", SnapName { term: mark.term, index: mark.index });
    let file = disk.open(&path).unwrap_or_else(|error| panic!("{when}: {error}"));
    let bytes = disk.read_range(file, 0..disk.len(file)).unwrap();
    let snapshot = snap::decode(&path, &bytes.into());
    snapshot.unwrap_or_else(|error| panic!("{when}: {error}"));
}

/// Three servers, their leader, and one that was cut off until the leader had forgotten the entries
/// that it lacks; it hears the others again.
fn with_one_behind() -> (Lab, usize, usize) {
    let mut lab = Lab::with(3, often);
    let leader = lab.elect();
    let lagging = (leader + 1) % 3;
    lab.cut_off.insert(lagging);
    put_many(&mut lab, leader, 0..40);
    let behind = lab.view(lagging).log().last_index;
    assert!(lab.view(leader).log().sentinel.index > behind, "the leader cannot send entries");
    lab.cut_off.clear();
    (lab, leader, lagging)
}

fn is_installed(event: &ServerEvent) -> bool {
    matches!(event, ServerEvent::SnapshotInstalled { .. })
}

#[test]
fn a_member_that_fell_behind_the_log_catches_up_by_snapshot() {
    let (mut lab, leader, lagging) = with_one_behind();
    lab.elect();
    lab.ticks(5);
    assert_eq!(count(&lab, lagging, is_installed), 1, "one snapshot was enough");
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
    assert_eq!(lab.view(lagging).log().last_index, lab.view(leader).log().last_index, "in full");
    let cluster = lab.view(lagging).cluster().unwrap().clone();
    assert_eq!(Some(&cluster), lab.view(leader).cluster(), "the members came with it");

    put_many(&mut lab, leader, 40..45);
    lab.power_cut(lagging, false);
    lab.boot(lagging);
    lab.elect();
    assert_eq!(lab.hashes().len(), 1, "and it boots from what it installed");
}

/// The walk of the old store goes with it, and that of the new one is taken up: only at its end is
/// all gone that was to go.
#[test]
fn who_waits_for_a_walk_hears_of_it_although_a_snapshot_took_the_place_of_the_store() {
    let mut lab = Lab::with(3, |config| {
        often(config);
        config.compaction_batch = 1;
    });
    let leader = lab.elect();
    let lagging = (leader + 1) % 3;
    put_many(&mut lab, leader, 0..100);
    let revision = lab.view(lagging).store().unwrap().revision();
    let asked = lab.ask(lagging, Request::Compact(Compact { revision, physical: true }));
    lab.settle();
    let walks = |lab: &Lab| lab.view(lagging).store().unwrap().compactions().count();
    assert!(walks(&lab) == 1 && lab.answer(asked).is_none(), "the walk is under way");
    lab.cut_off.insert(lagging);
    put_many(&mut lab, leader, 0..40);
    lab.cut_off.clear();
    while count(&lab, lagging, is_installed) == 0 {
        lab.tick();
    }
    assert!(walks(&lab) == 1 && lab.answer(asked).is_none(), "another one is");
    while walks(&lab) > 0 {
        lab.tick();
    }
    lab.tick();
    assert!(matches!(lab.answer(asked), Some(Ok(Reply::Compact(_)))), "now it is told");
}

/// Delivers and syncs until only this server's backend waits for the disk.
fn settle_but_backend(lab: &mut Lab, node: usize) {
    lab.machines[node].is_slow = true;
    loop {
        lab.settle();
        let backend = lab.view(node).store().unwrap().backend().waits_for();
        let syncs = &mut lab.machines[node].syncs;
        let Some(at) = syncs.iter().position(|ticket| Some(*ticket) != backend) else { return };
        let ticket = syncs.remove(at).unwrap();
        lab.machines[node].disk.complete(ticket);
        lab.input(node, Input::Synced(ticket));
    }
}

#[test]
fn what_was_committed_before_a_snapshot_is_applied_before_it_is_installed() {
    let mut lab = Lab::with(3, often);
    let leader = lab.elect();
    let lagging = (leader + 1) % 3;
    put_many(&mut lab, leader, 0..3);
    lab.machines[lagging].is_slow = true;
    for number in 3..6 {
        lab.ask(leader, Request::put("k", format!("{number}")));
        settle_but_backend(&mut lab, lagging);
        lab.now_ns += 100_000_000;
        (0..3).for_each(|node| lab.input(node, Input::Tick));
        settle_but_backend(&mut lab, lagging);
    }
    let log = lab.view(lagging).log();
    assert!(log.applied < log.committed, "the backend holds it up: {log:?}");
    lab.cut_off.insert(lagging);
    put_many(&mut lab, leader, 6..40);
    lab.cut_off.clear();
    for _ in 0..8 {
        lab.now_ns += 100_000_000;
        (0..3).for_each(|node| lab.input(node, Input::Tick));
        settle_but_backend(&mut lab, lagging);
    }
    assert_eq!(count(&lab, lagging, is_installed), 0, "it waits for what comes before");
    assert!(names(&lab.machines[lagging].disk, SNAP).len() > 2, "it is there");
    lab.machines[lagging].is_slow = false;
    lab.elect();
    lab.ticks(5);
    assert_eq!(count(&lab, lagging, is_installed), 1, "now it is");
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
}

#[test]
fn a_leader_told_that_a_snapshot_did_not_arrive_sends_another() {
    let (mut lab, leader, _) = with_one_behind();
    let mut lost = 0;
    for _ in 0..200 {
        lab.tick_without_streams();
        lost += lab.streams.iter().filter(|one| matches!(one, Stream::Snapshot(_))).count();
        lab.streams.clear();
        if lost == 2 {
            break;
        }
    }
    assert_eq!(lost, 2, "the second one after the first was given up");
    let failed =
        |event: &ServerEvent| matches!(event, ServerEvent::SnapshotSendEnded { ok: false, .. });
    assert!(count(&lab, leader, failed) >= 1, "five seconds without an answer");
    lab.ticks(60);
    lab.elect();
    assert_eq!(lab.hashes().len(), 1, "the third one arrives");
}

/// A server on this disk that nobody talks to: it has what its own log says is committed.
fn alone(config: &ServerConfig, disk: &mut Disk) -> (Server, Vec<ServerEvent>) {
    let mut server = Server::new(config.clone(), 1);
    let mut effects = Effects::default();
    server.step(0, Input::Boot, disk, &mut effects).unwrap();
    loop {
        let issued = disk.take_issued();
        if issued.is_empty() {
            return (server, effects.trace);
        }
        for ticket in issued {
            disk.complete(ticket);
            server.step(0, Input::Synced(ticket), disk, &mut effects).unwrap();
        }
    }
}

#[test]
fn a_boot_from_snapshot_and_log_gives_the_state_of_a_full_replay() {
    let mut lab = Lab::with(3, |config| config.snapshot_count = 7);
    let leader = lab.elect();
    put_many(&mut lab, leader, 0..50);
    lab.call(leader, Request::Compact(Compact { revision: 20, physical: false })).unwrap();
    put_many(&mut lab, leader, 50..60);
    lab.ticks(2);
    lab.power_cut(leader, true);
    let mut disk = lab.machines[leader].disk.clone();
    let (from_snapshot, events) = alone(&lab.configs[leader], &mut disk.clone());
    let is_loaded = |event: &ServerEvent| matches!(event, ServerEvent::SnapshotLoaded { .. });
    assert!(events.iter().any(is_loaded), "it began with a snapshot");
    for name in names(&disk, SNAP) {
        disk.remove(&format!("{SNAP}/{name}")).unwrap();
    }
    let (from_log, events) = alone(&lab.configs[leader], &mut disk);
    assert!(!events.iter().any(is_loaded), "it had the log alone");

    let (one, other) = (from_snapshot.view(), from_log.view());
    assert_eq!(one.log().applied, other.log().applied, "as far");
    assert!(one.log().applied > 60, "all that was committed");
    let (one, other) = (one.store().unwrap(), other.store().unwrap());
    assert_eq!(one.revision(), other.revision(), "the same revision");
    assert_eq!(one.hash_kv(0), other.hash_kv(0), "the same keys with their history");
    assert_eq!(one.consistent_index(), other.consistent_index(), "counted alike");
    assert_eq!(from_snapshot.view().cluster(), from_log.view().cluster(), "and the same members");
}

#[test]
fn a_purge_leaves_what_a_boot_needs() {
    let mut lab = Lab::with(1, |config| {
        often(config);
        config.max_wals = 2;
        config.max_snapshots = 2;
    });
    lab.elect();
    put_many(&mut lab, 0, 0..60);
    let before = names(&lab.machines[0].disk, WAL).len();
    lab.ticks(320);
    let purged = count(&lab, 0, |event| matches!(event, ServerEvent::FilePurged { .. }));
    assert!(purged > 10, "{purged} files of {before}");
    let segments = names(&lab.machines[0].disk, WAL);
    let segments = segments.iter().filter(|name| wal::SegmentName::parse(name).is_some()).count();
    let held = lab.view(0).wal().unwrap().first_held();
    assert!(segments <= 3, "{segments} segments, held from {held}");
    let snaps = names(&lab.machines[0].disk, SNAP);
    let snaps = snaps.iter().filter(|name| SnapName::parse(name).is_some()).count();
    assert_eq!(snaps, 2, "two snapshots");
    let hash = lab.hashes();
    lab.power_cut(0, false);
    lab.boot(0);
    lab.elect();
    assert_eq!(lab.hashes(), hash, "nothing is missing");
}

#[test]
fn a_snapshot_that_cannot_be_read_is_put_aside_for_an_older_one() {
    let mut lab = Lab::with(1, |config| config.snapshot_count = 5);
    lab.elect();
    put_many(&mut lab, 0, 0..20);
    let hash = lab.hashes();
    lab.power_cut(0, false);
    let disk = &mut lab.machines[0].disk;
    let newest = names(disk, SNAP).into_iter().rfind(|name| SnapName::parse(name).is_some());
    let newest = newest.unwrap();
    disk.corrupt(&format!("{SNAP}/{newest}"), 30, 4).unwrap();
    lab.boot(0);
    lab.elect();
    let reason = lab.events.iter().find_map(|(_, event)| {
        let ServerEvent::SnapshotBroken { file, reason } = event else { return None };
        (*file == newest).then(|| reason.clone())
    });
    assert_eq!(reason.as_deref(), Some("snap: crc mismatch"), "it says so");
    assert!(lab.machines[0].disk.exists(&format!("{SNAP}/{newest}.broken")), "and keeps it");
    assert_eq!(lab.hashes(), hash, "the log has the rest");
}

#[test]
fn a_backend_behind_the_snapshot_stops_the_boot_with_etcds_words() {
    let mut lab = Lab::with(1, often);
    lab.elect();
    put_many(&mut lab, 0, 0..20);
    lab.power_cut(0, false);
    lab.machines[0].disk.remove(&format!("{SNAP}/db")).unwrap();
    lab.boot(0);
    lab.settle();
    let reason = lab.machines[0].died_of.clone().expect("it died").reason;
    assert_eq!(
        reason,
        "failed to recover v3 backend from snapshot: failed to find database snapshot file (snap: \
         snapshot file doesn't exist)",
        "as a real server"
    );
}

/// The backend that came with a snapshot takes the place of the old one before the log is read; when
/// that is torn and mended, the boot goes on with the new one.
#[test]
fn a_torn_log_behind_a_backend_that_a_boot_puts_in_place_is_repaired() {
    let (mut lab, leader, lagging) = with_one_behind();
    lab.elect();
    lab.ticks(5);
    assert_eq!(count(&lab, lagging, is_installed), 1, "it has a backend of the leader");
    lab.put(leader, "a", "1").unwrap();
    let (segment, end) = lab.view(lagging).wal().unwrap().tail();
    let segment = format!("{WAL}/{segment}");
    let mut all_but_names = |thing| !matches!(thing, Unsynced::Name { .. });
    lab.power_cut_to(lagging, &mut all_but_names);
    let disk = &mut lab.machines[lagging].disk;
    let is_received = |name: &String| name.ends_with(".snap.db");
    assert!(names(disk, SNAP).iter().any(is_received), "its renaming was lost");
    let file = disk.open(&segment).unwrap();
    disk.set_len(file, end - 9).unwrap();
    lab.boot(lagging);
    lab.settle();
    assert_eq!(lab.machines[lagging].died_of.as_ref().map(|fatal| &fatal.reason), None);
    let repaired = |event: &ServerEvent| matches!(event, ServerEvent::Repaired { .. });
    assert_eq!(count(&lab, lagging, repaired), 1, "the log was torn");
    lab.elect();
    assert_eq!(lab.local(lagging, "a").as_deref(), Some("1"), "the rest comes from the leader");
}

#[test]
fn what_a_crash_left_of_backends_under_way_is_removed_at_the_boot() {
    let mut lab = Lab::new(1);
    lab.elect();
    lab.put(0, "a", "1").unwrap();
    lab.power_cut(0, false);
    let disk = &mut lab.machines[0].disk;
    for name in ["tmp000000007", "db.tmp.123456"] {
        disk.create(&format!("{SNAP}/{name}")).unwrap();
    }
    disk.create_dir("/var/lib/etcd/member/wal.tmp").unwrap();
    for name in ["0.tmp", "1.tmp"] {
        let path = format!("{WAL}/{name}");
        if !disk.exists(&path) {
            disk.create(&path).unwrap();
        }
    }
    lab.boot(0);
    lab.elect();
    let left = names(&lab.machines[0].disk, SNAP);
    assert!(!left.iter().any(|name| name.contains("tmp")), "{left:?}");
    assert_eq!(lab.get(0, "a").as_deref(), Some("1"), "and everything is there");
}

/// Keys and the last value that was acknowledged.
type Acknowledged = BTreeMap<String, u64>;

fn put_some(lab: &mut Lab, node: usize, numbers: std::ops::Range<u64>, all: &mut Acknowledged) {
    for number in numbers {
        let key = format!("k{}", number % 5);
        let value = format!("{number:0>100}");
        let id = lab.ask(node, Request::put(key.clone(), value));
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

/// Cuts the power of a server that takes snapshots, cuts segments and purges at one of its disk
/// operations, and at one of the boot's that follows. Says which of the cuts hit.
fn survives_two_cuts(first: u32, second: u32, of_leader: bool, survives: bool) -> [bool; 2] {
    let when = format!("cut at {first}, then {second}, leader {of_leader}, survives {survives}");
    let mut lab = Lab::with(3, |config| {
        often(config);
        config.snapshot_count = 2;
        config.max_wals = 1;
        config.max_snapshots = 1;
    });
    let leader = lab.elect();
    let victim = if of_leader { leader } else { (leader + 1) % 3 };
    let mut all = Acknowledged::new();
    put_some(&mut lab, leader, 0..20, &mut all);
    // A purge is due with the next tick.
    lab.now_ns += 30_000_000_000;
    lab.machines[victim].disk.arm_crash(first);
    lab.tick();
    put_some(&mut lab, leader, 20..26, &mut all);
    let mut hits = [lab.machines[victim].died_of.is_some(), false];
    lab.power_cut(victim, survives);
    check_marks(&lab.machines[victim].disk, &when);
    lab.machines[victim].disk.arm_crash(second);
    lab.boot(victim);
    lab.settle();
    hits[1] = lab.machines[victim].died_of.is_some();
    lab.power_cut(victim, survives);
    check_marks(&lab.machines[victim].disk, &when);
    lab.boot(victim);
    let leader = lab.elect();
    put_some(&mut lab, leader, 30..34, &mut all);
    check(&mut lab, victim, &all, &when);
    lab.ticks(3);
    assert_eq!(lab.hashes().len(), 1, "{when}: all servers agree");
    hits
}

#[test]
fn nothing_acknowledged_is_lost_by_cuts_during_snapshot_purge_and_boot() {
    let mut hits = [0, 0];
    for of_leader in [true, false] {
        for survives in [true, false] {
            for first in (1..60).filter(|first| first % 2 == u32::from(of_leader)) {
                let hit = survives_two_cuts(first, 1 + first % 7, of_leader, survives);
                hits = [hits[0] + usize::from(hit[0]), hits[1] + usize::from(hit[1])];
            }
        }
    }
    assert!(hits[0] > 100 && hits[1] > 75, "the cuts hit: {hits:?}");
}

/// Cuts the power of a member that receives a snapshot at one of its disk operations. Says whether
/// that came before it was installed.
fn survives_a_cut_while_receiving(operation: u32, survives: bool) -> bool {
    let when = format!("cut at {operation}, survives {survives}");
    let mut lab = Lab::with(3, often);
    let leader = lab.elect();
    let lagging = (leader + 1) % 3;
    let mut all = Acknowledged::new();
    put_some(&mut lab, leader, 0..4, &mut all);
    lab.cut_off.insert(lagging);
    put_some(&mut lab, leader, 4..40, &mut all);
    lab.cut_off.clear();
    lab.machines[lagging].disk.arm_crash(operation);
    lab.ticks(30);
    let hit = lab.machines[lagging].died_of.is_some();
    lab.power_cut(lagging, survives);
    check_marks(&lab.machines[lagging].disk, &when);
    lab.boot(lagging);
    lab.settle();
    assert_eq!(lab.machines[lagging].died_of, None, "{when}: it boots");
    let leader = lab.elect();
    put_some(&mut lab, leader, 40..44, &mut all);
    lab.ticks(60);
    check(&mut lab, lagging, &all, &when);
    assert_eq!(lab.hashes().len(), 1, "{when}: all servers agree");
    hit
}

#[test]
fn a_member_that_loses_power_while_it_receives_a_snapshot_comes_back() {
    for survives in [true, false] {
        let hits = (1..40).filter(|&at| survives_a_cut_while_receiving(at, survives)).count();
        assert!(hits > 10, "{hits} cuts hit");
    }
}
