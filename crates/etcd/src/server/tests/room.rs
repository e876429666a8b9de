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

#[test]
fn a_full_server_raises_its_alarm_and_deletes_are_still_allowed() {
    let mut lab = Lab::with(3, |config| config.quota_backend_bytes = 112 * 1024);
    let leader = lab.elect();
    let value = "v".repeat(8 * 1024);
    // The size is that of the last batch that was closed.
    let refused = (0..60).find_map(|number| {
        lab.tick();
        lab.put(leader, &format!("k{number}"), &value).err()
    });
    assert_eq!(refused, Some(RequestError::NoSpace), "the backend has no room");
    lab.ticks(2);
    let other = (leader + 1) % 3;
    assert_eq!(alarms(&mut lab, other, AlarmAction::Get, 0), 1, "everybody knows");
    let small = lab.put(other, "small", "v");
    assert_eq!(small, Err(RequestError::NoSpace), "nobody takes a put, however small");
    let lease = lab.call(other, Request::LeaseGrant(LeaseGrant { ttl: 10, id: 1 }));
    assert_eq!(lease, Err(RequestError::NoSpace), "nor a lease");
    assert!(lab.call(other, Request::delete("k0")).is_ok(), "a deletion is let in");
    let Ok(Reply::Status(status)) = lab.call(other, Request::Status) else { panic!("a status") };
    assert!(status.errors[0].ends_with("alarm:NOSPACE "), "{:?}", status.errors);

    let id = lab.configs[leader].id;
    assert_eq!(alarms(&mut lab, leader, AlarmAction::Deactivate, id), 1, "cleared");
    assert_eq!(alarms(&mut lab, leader, AlarmAction::Get, 0), 0, "none stands");
    assert!(lab.put(leader, "small", "v").is_ok(), "there is room for a little");
    let again = lab.put(leader, "large", &value);
    assert_eq!(again, Err(RequestError::NoSpace), "not for more");
    lab.ticks(1);
    assert_eq!(alarms(&mut lab, leader, AlarmAction::Get, 0), 1, "raised again");
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
