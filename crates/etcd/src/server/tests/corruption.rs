//! Members that check each other: a bit of a value that turned over on one disk, which no checksum
//! covers, and what becomes of it.

use super::lab::Lab;
use crate::request::{AlarmAction, AlarmChange, AlarmKind, Reply, Request, RequestError};
use crate::server::{Phase, ServerConfig, ServerEvent};

const DB: &str = "/var/lib/etcd/member/snap/db";
const NODES: usize = 3;

/// Turns a bit of a value over in the file of a machine that is switched off, wherever the value
/// is.
fn rot(lab: &mut Lab, node: usize, value: &[u8]) {
    let disk = &mut lab.machines[node].disk;
    let file = disk.open(DB).unwrap();
    let bytes = disk.read_range(file, 0..disk.data_end(file)).unwrap();
    let places = bytes.windows(value.len()).enumerate().filter(|(_, found)| *found == value);
    let places: Vec<u64> = places.map(|(at, _)| at as u64).collect();
    assert!(!places.is_empty(), "the value is in the file");
    for at in places {
        disk.corrupt(DB, at, 1).unwrap();
    }
}

/// A cluster with something stored, all batches closed, and snapshots that name the members.
fn written(change: impl Fn(&mut ServerConfig)) -> Lab {
    let mut lab = Lab::with(NODES, |config| {
        config.snapshot_count = 10;
        change(config);
    });
    let leader = lab.elect();
    for number in 0..30 {
        lab.put(leader, &format!("k{number}"), &format!("value {number}")).unwrap();
    }
    lab.ticks(10);
    assert_eq!(lab.hashes().len(), 1, "all have the same history");
    lab
}

fn alarms(lab: &mut Lab, node: usize) -> Vec<(u64, AlarmKind)> {
    let change = AlarmChange { action: AlarmAction::Get, member_id: 0, alarm: AlarmKind::Corrupt };
    let reply = lab.call(node, Request::Alarm(change)).unwrap();
    let Reply::Alarm(reply) = reply else { panic!("not alarms: {reply:?}") };
    reply.alarms.iter().map(|alarm| (alarm.member_id, alarm.kind)).collect()
}

fn restart(lab: &mut Lab, node: usize) {
    lab.boot(node);
    lab.ticks(10);
}

#[test]
fn a_member_with_another_history_does_not_start_when_it_checks_first() {
    let mut lab = written(|config| config.initial_corrupt_check = true);
    let bad = (lab.elect() + 1) % NODES;
    lab.kill(bad);
    rot(&mut lab, bad, b"value 7");
    restart(&mut lab, bad);
    let id = lab.configs[bad].id;
    let died = lab.machines[bad].died_of.clone().expect("it does not start");
    assert_eq!(died.reason, format!("{id:x} found data inconsistency with peers"));
    let leader = lab.leaders()[0];
    assert!(lab.put(leader, "after", "1").is_ok(), "the others go on");
}

#[test]
fn without_the_check_it_serves_what_it_has() {
    let mut lab = written(|_| ());
    let bad = (lab.elect() + 1) % NODES;
    lab.kill(bad);
    rot(&mut lab, bad, b"value 7");
    restart(&mut lab, bad);
    assert_eq!(lab.view(bad).phase(), Phase::Serving);
    assert_eq!(lab.hashes().len(), 2, "and nobody notices");
}

#[test]
fn members_that_agree_start_also_when_they_are_behind_or_alone() {
    let mut lab = written(|config| config.initial_corrupt_check = true);
    let leader = lab.elect();
    let (behind, other) = ((leader + 1) % NODES, (leader + 2) % NODES);
    lab.kill(behind);
    for number in 0..5 {
        lab.put(leader, "more", &number.to_string()).unwrap();
    }
    restart(&mut lab, behind);
    assert_eq!(lab.view(behind).phase(), Phase::Serving, "its revision is older, its hash right");
    for node in [leader, behind, other] {
        lab.kill(node);
    }
    restart(&mut lab, behind);
    assert_eq!(lab.view(behind).phase(), Phase::Booting, "it waits for answers");
    let ticks = usize::try_from(2 * lab.configs[0].request_timeout_ns() / lab.configs[0].tick_ns);
    lab.ticks(ticks.unwrap());
    assert_eq!(lab.view(behind).phase(), Phase::Starting, "nobody answers, and it starts");
    restart(&mut lab, leader);
    restart(&mut lab, other);
    lab.elect();
    assert_eq!(lab.hashes().len(), 1, "all of them serve again");
}

#[test]
fn a_leader_finds_the_member_whose_history_differs_and_raises_its_alarm() {
    let mut lab = written(|config| config.corrupt_check_ns = Some(2_000_000_000));
    let leader = lab.elect();
    lab.ticks(60);
    assert_eq!(alarms(&mut lab, leader), [], "nothing is wrong yet");
    let bad = (leader + 1) % NODES;
    lab.kill(bad);
    rot(&mut lab, bad, b"value 7");
    lab.boot(bad);
    lab.ticks(60);
    let id = lab.configs[bad].id;
    assert_eq!(alarms(&mut lab, leader), [(id, AlarmKind::Corrupt)]);
    let found = ServerEvent::CorruptionFound { member: id };
    assert!(lab.events.iter().any(|(_, event)| *event == found), "the leader says so");
    assert_eq!(lab.put(leader, "k", "v"), Err(RequestError::Corrupt), "nobody takes writes");
    let change =
        AlarmChange { action: AlarmAction::Deactivate, member_id: id, alarm: AlarmKind::Corrupt };
    lab.call(leader, Request::Alarm(change)).unwrap();
    assert!(lab.put(leader, "k", "v").is_ok(), "until the alarm is disarmed");
}

#[test]
fn the_leaders_history_is_the_measure() {
    let mut lab = written(|config| config.corrupt_check_ns = Some(2_000_000_000));
    let leader = lab.elect();
    for node in 0..NODES {
        lab.kill(node);
    }
    rot(&mut lab, leader, b"value 7");
    for node in 0..NODES {
        lab.boot(node);
    }
    // Whoever leads: as in etcd, the leader's history is the measure.
    let leads = lab.elect();
    lab.ticks(60);
    let raised = alarms(&mut lab, leads);
    assert_eq!(raised.len(), 1, "{raised:?}");
    let blamed = lab.configs.iter().position(|config| config.id == raised[0].0).unwrap();
    let is_right = if leads == leader { blamed != leads } else { blamed == leader };
    assert!(is_right, "n{} leads, n{} is blamed", leads + 1, blamed + 1);
}

#[test]
fn a_check_survives_members_that_are_gone_and_a_change_of_leader() {
    let mut lab = written(|config| config.corrupt_check_ns = Some(1_000_000_000));
    let leader = lab.elect();
    let (other, third) = ((leader + 1) % NODES, (leader + 2) % NODES);
    lab.cut_off.insert(third);
    lab.ticks(30);
    lab.cut_off.remove(&third);
    lab.kill(leader);
    let next = lab.elect();
    lab.ticks(60);
    assert!(next == other || next == third, "another one leads");
    assert_eq!(alarms(&mut lab, next), [], "whoever does not answer is not to blame");
    restart(&mut lab, leader);
    lab.ticks(60);
    assert_eq!((alarms(&mut lab, next), lab.hashes().len()), (Vec::new(), 1), "all is well");
}
