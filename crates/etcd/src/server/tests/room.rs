//! Room: the quota and its alarm, compactions that go on in steps.

use super::lab::Lab;
use crate::request::{
    AlarmAction, AlarmChange, AlarmKind, Compact, LeaseGrant, Reply, Request, RequestError,
};
use crate::server::ServerEvent;

fn alarms(lab: &mut Lab, node: usize, action: AlarmAction, member_id: u64) -> usize {
    let change = AlarmChange { action, member_id, alarm: AlarmKind::NoSpace };
    let reply = lab.call(node, Request::Alarm(change)).unwrap();
    let Reply::Alarm(reply) = reply else { panic!("not alarms: {reply:?}") };
    reply.alarms.len()
}

const QUOTA_BYTES: u64 = 128 * 1024;
/// What etcd counts for a key besides its bytes.
const KEY_OVERHEAD: u64 = 256;

fn size(lab: &mut Lab, node: usize) -> u64 {
    let Ok(Reply::Status(status)) = lab.call(node, Request::Status) else { panic!("a status") };
    status.db_size_bytes
}

/// Puts where no alarm stands: etcd takes it if the file as it was last closed, with the put, stays
/// below the quota, and raises the alarm if not.
fn put_by_the_rule(lab: &mut Lab, node: usize, key: &str, value: &str) -> bool {
    lab.ticks(2);
    let cost = KEY_OVERHEAD + (key.len() + value.len()) as u64;
    let has_room = size(lab, node) + cost < QUOTA_BYTES;
    let expected = if has_room { Ok(()) } else { Err(RequestError::NoSpace) };
    assert_eq!(lab.put(node, key, value).map(|_| ()), expected, "{key}");
    lab.ticks(2);
    let raised = alarms(lab, node, AlarmAction::Get, 0);
    assert_eq!(raised, usize::from(!has_room), "the alarm after {key}");
    has_room
}

#[test]
fn a_full_server_raises_its_alarm_and_deletes_are_still_allowed() {
    let mut lab = Lab::with(3, |config| config.quota_backend_bytes = QUOTA_BYTES);
    let leader = lab.elect();
    let value = "v".repeat(8 * 1024);
    let mut numbers = 0..60;
    let refused =
        numbers.find(|number| !put_by_the_rule(&mut lab, leader, &format!("k{number}"), &value));
    assert!(refused.is_some(), "the backend has no room");
    let other = (leader + 1) % 3;
    assert_eq!(alarms(&mut lab, other, AlarmAction::Get, 0), 1, "everybody knows");
    let small = lab.put(other, "small", "v");
    assert_eq!(small, Err(RequestError::NoSpace), "nobody takes a put, however small");
    let lease = lab.call(other, Request::LeaseGrant(LeaseGrant { ttl: 10, id: 1 }));
    assert_eq!(lease, Err(RequestError::NoSpace), "nor a lease");
    assert!(lab.call(other, Request::delete("k0")).is_ok(), "a deletion is let in");
    let Ok(Reply::Status(status)) = lab.call(other, Request::Status) else { panic!("a status") };
    assert!(status.errors[0].ends_with("alarm:NOSPACE "), "{:?}", status.errors);
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
}

#[test]
fn after_its_clearing_an_alarm_is_raised_by_the_next_put_without_room_only() {
    let mut lab = Lab::with(1, |config| config.quota_backend_bytes = QUOTA_BYTES);
    lab.elect();
    let value = "v".repeat(8 * 1024);
    let mut numbers = 0..60;
    numbers.find(|number| !put_by_the_rule(&mut lab, 0, &format!("k{number}"), &value)).unwrap();
    // Refused for the alarm, not for the quota: nothing is raised that stands.
    assert_eq!(lab.put(0, "large", &value), Err(RequestError::NoSpace));
    let id = lab.configs[0].id;
    for round in 0..3 {
        assert_eq!(alarms(&mut lab, 0, AlarmAction::Deactivate, id), 1, "cleared");
        lab.ticks(2);
        assert_eq!(alarms(&mut lab, 0, AlarmAction::Get, 0), 0, "none stands by itself");
        while put_by_the_rule(&mut lab, 0, &format!("small{round}"), "v")
            && put_by_the_rule(&mut lab, 0, &format!("large{round}"), &value)
        {}
    }
    assert_eq!(alarms(&mut lab, 0, AlarmAction::Deactivate, id), 1, "cleared");
    let revision = lab.view(0).store().unwrap().revision();
    lab.call(0, Request::delete("k0")).unwrap();
    lab.call(0, Request::delete("k1")).unwrap();
    lab.call(0, Request::Compact(Compact { revision: revision + 2, physical: true })).unwrap();
    lab.ticks(2);
    lab.call(0, Request::Defragment).unwrap();
    assert!(put_by_the_rule(&mut lab, 0, "small", "v"), "defragmented, there is room");
}

/// Puts that come together each find room, since none of them is in the file yet; the entries that
/// then find none take effect all the same.
#[test]
fn an_entry_that_was_let_in_and_finds_no_room_raises_the_alarm() {
    let mut lab = Lab::with(3, |config| {
        config.quota_backend_bytes = QUOTA_BYTES;
        // A batch is closed by its size, so that the file grows between two entries.
        config.batch_limit = 4;
    });
    let leader = lab.elect();
    let value = "v".repeat(16 * 1024);
    let asked: Vec<_> = (0..24)
        .map(|number| lab.ask(leader, Request::put(format!("k{number}"), value.clone())))
        .collect();
    lab.ticks(8);
    let answers: Vec<_> =
        asked.into_iter().map(|asked| lab.answer(asked).unwrap().clone()).collect();
    let is_refused = |answer: &&_| **answer == Err(RequestError::NoSpace);
    let refused = answers.iter().filter(is_refused).count();
    assert!(refused > 0 && refused < answers.len(), "some came through: {refused} refused");
    assert!(alarms(&mut lab, leader, AlarmAction::Get, 0) > 0, "raised");
    assert!(lab.get(leader, "k23").is_some(), "the last one took effect");
    assert_eq!(lab.put(leader, "small", "v"), Err(RequestError::NoSpace), "from now on refused");
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
}

#[test]
fn a_long_compaction_pauses_between_batches_and_physical_waits_for_it() {
    let mut lab = Lab::new(1);
    lab.elect();
    for number in 0..5000 {
        lab.ask(0, Request::put("a", number.to_string()));
    }
    lab.ticks(2);
    assert_eq!(lab.get(0, "a").as_deref(), Some("4999"), "all are written");
    let revision = lab.view(0).store().unwrap().revision();
    let asked = lab.ask(0, Request::Compact(Compact { revision, physical: true }));
    lab.settle();
    assert!(lab.answer(asked).is_none(), "the walk has only begun");
    let old = lab.call(0, Request::Compact(Compact { revision: 5, physical: false }));
    assert_eq!(old, Err(RequestError::Compacted), "it is in force at once");
    lab.ticks(2);
    assert!(matches!(lab.answer(asked), Some(Ok(Reply::Compact(_)))), "done");
    let finished = (0, ServerEvent::CompactionFinished { revision });
    assert!(lab.events.contains(&finished), "and told");
}

#[test]
fn a_compaction_that_a_power_cut_interrupts_is_taken_up_again() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    for number in 0..4000 {
        lab.ask(leader, Request::put("a", number.to_string()));
    }
    lab.ticks(5);
    let revision = lab.view(leader).store().unwrap().revision();
    lab.call(leader, Request::Compact(Compact { revision, physical: false })).unwrap();
    lab.power_cut(leader, true);
    lab.boot(leader);
    lab.elect();
    lab.ticks(10);
    for node in 0..3 {
        let store = lab.view(node).store().unwrap();
        assert_eq!(store.compactions().count(), 0, "done on n{}", node + 1);
        assert_eq!(store.compact_revision(), revision, "in force");
    }
    assert_eq!(lab.hashes().len(), 1, "M5: hashes are equal");
}
