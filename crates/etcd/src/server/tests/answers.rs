//! What clients are told.

use super::lab::{Lab, value};
use crate::request::{Compact, DeleteRange, Put, Range, Reply, Request, RequestError};
use crate::server::ServerEvent;

#[test]
fn any_server_takes_writes_and_every_server_has_them() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    for node in 0..3 {
        let answer = lab.put(node, &format!("from{node}"), "v").unwrap();
        let header = *answer.header();
        assert_eq!(header.member_id, lab.configs[node].id, "who was asked answers");
        assert_eq!(header.revision, i64::try_from(node).unwrap() + 2, "one revision each");
        assert_eq!(header.raft_term, lab.view(leader).term(), "the term");
    }
    lab.ticks(2);
    for node in 0..3 {
        assert_eq!(lab.local(node, "from0").as_deref(), Some("v"), "n{}", node + 1);
    }
}

#[test]
fn reads_see_every_acknowledged_write_on_every_server() {
    let mut lab = Lab::new(3);
    lab.elect();
    for number in 0..9 {
        lab.put(number % 3, "a", &number.to_string()).unwrap();
        let read = lab.get((number + 1) % 3, "a");
        assert_eq!(read, Some(number.to_string()), "another server's read");
    }
}

#[test]
fn old_revisions_are_read_until_they_are_compacted() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    for number in 1..=5 {
        lab.put(leader, "a", &number.to_string()).unwrap();
    }
    let at = |revision| Request::Range(Range { key: "a".into(), revision, ..Range::default() });
    assert_eq!(value(&lab.call(leader, at(3))).as_deref(), Some("2"), "as of revision 3");
    assert_eq!(lab.call(leader, at(7)), Err(RequestError::FutureRevision), "not yet");
    let compact = |revision| Request::Compact(Compact { revision, physical: true });
    lab.call((leader + 1) % 3, compact(4)).unwrap();
    assert_eq!(lab.call(leader, at(3)), Err(RequestError::Compacted), "gone");
    assert_eq!(value(&lab.call(leader, at(4))).as_deref(), Some("3"), "the lowest that stays");
    assert_eq!(lab.call(leader, compact(4)), Err(RequestError::Compacted), "a second time");
    let walked = ServerEvent::CompactionFinished { revision: 4 };
    let servers = lab.events.iter().filter(|(_, event)| *event == walked).count();
    assert_eq!(servers, 3, "every server walked its own history");
    assert_eq!(lab.hashes().len(), 1, "to the same end");
}

#[test]
fn deleting_answers_how_many() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    for key in ["a/1", "a/2", "b"] {
        lab.put(leader, key, "v").unwrap();
    }
    let delete = DeleteRange { key: "a/".into(), range_end: "a0".into(), prev_kv: false };
    let Ok(Reply::DeleteRange(reply)) = lab.call(leader, Request::DeleteRange(delete)) else {
        panic!("a delete answers a delete");
    };
    assert_eq!((reply.deleted, reply.header.revision), (2, 5), "both below a/");
    assert_eq!(lab.get(leader, "a/1"), None, "gone");
    assert_eq!(lab.get(leader, "b").as_deref(), Some("v"), "the other stays");
}

#[test]
fn requests_that_make_no_sense_are_refused_at_once() {
    let mut lab = Lab::new(1);
    lab.elect();
    let refused = |lab: &mut Lab, request| {
        let id = lab.ask(0, request);
        lab.answer(id).cloned().expect("at once").unwrap_err()
    };
    let empty = refused(&mut lab, Request::put("", "v"));
    assert_eq!(empty.to_string(), "etcdserver: key is not provided", "etcd's words");
    let large = refused(&mut lab, Request::put("a", vec![0; 3 << 19]));
    assert_eq!(large.to_string(), "etcdserver: request is too large", "etcd's words");
    assert_eq!(refused(&mut lab, Request::get("")), RequestError::EmptyKey, "no key");
    let both = Put { key: "a".into(), value: "v".into(), ignore_value: true, ..Put::default() };
    assert_eq!(refused(&mut lab, Request::Put(both)), RequestError::ValueProvided, "which now?");
}

#[test]
fn without_a_quorum_requests_wait_and_time_out() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let start_ns = lab.now_ns;
    lab.power_cut((leader + 1) % 3, false);
    lab.power_cut((leader + 2) % 3, false);
    let put = lab.ask(leader, Request::put("a", "1"));
    let get = lab.ask(leader, Request::get("a"));
    lab.ticks(65);
    assert_eq!(lab.answer(put), None, "it has seven seconds");
    lab.ticks(10);
    let failed = lab.answer(put).unwrap().clone().unwrap_err();
    assert!(failed.to_string().starts_with("etcdserver: request timed out"), "{failed}");
    let failed = lab.answer(get).unwrap().clone().unwrap_err();
    assert_eq!(failed, RequestError::Timeout, "reads need a quorum too");
    assert_eq!(lab.now_ns - start_ns, 7_500_000_000, "in this time");
    assert_eq!(lab.local(leader, "a"), None, "what it has itself it still says");
}

#[test]
fn a_server_that_restarts_without_a_quorum_serves_nobody() {
    let mut lab = Lab::new(3);
    lab.elect();
    (0..3).for_each(|node| lab.power_cut(node, false));
    lab.boot(0);
    lab.settle();
    let status = lab.ask(0, Request::Status);
    lab.ticks(60);
    assert_eq!(lab.answer(status), None, "it has not published itself");
    lab.ticks(11);
    assert_eq!(lab.answer(status), Some(&Err(RequestError::Timeout)), "and gives up");
}

#[test]
fn a_leader_that_was_replaced_does_not_answer_linearizable_reads() {
    let mut lab = Lab::new(3);
    let old = lab.elect();
    lab.put(old, "a", "old").unwrap();
    lab.cut_off.insert(old);
    let read = lab.ask(old, Request::get("a"));
    let new = lab.elect();
    lab.put(new, "a", "new").unwrap();
    assert_eq!(lab.answer(read), None, "it cannot know");
    assert_eq!(lab.local(old, "a").as_deref(), Some("old"), "a serializable read may be old");
    lab.cut_off.clear();
    lab.elect();
    let answer = lab.answer(read).cloned();
    assert_eq!(answer, Some(Err(RequestError::LeaderChanged)), "the read is given up");
    assert_eq!(lab.get(old, "a").as_deref(), Some("new"), "the next one is right");
}

#[test]
fn a_write_that_was_overwritten_by_another_leader_is_never_acknowledged() {
    let mut lab = Lab::new(3);
    let old = lab.elect();
    lab.cut_off.insert(old);
    let lost = lab.ask(old, Request::put("a", "lost"));
    let new = lab.elect();
    lab.put(new, "a", "kept").unwrap();
    lab.cut_off.clear();
    lab.ticks(80);
    let answer = lab.answer(lost).cloned().expect("its time is over").unwrap_err();
    assert!(answer.to_string().starts_with("etcdserver: request timed out"), "{answer}");
    assert_eq!(lab.local(old, "a").as_deref(), Some("kept"), "the other one won");
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
}
