//! Leases on a running cluster: L1, L2 and L4.

use super::lab::Lab;
use crate::request::{
    LeaseGrant, LeaseTimeToLive, LeaseTimeToLiveReply, Put, Reply, Request, RequestError,
};

fn grant(lab: &mut Lab, node: usize, ttl: i64) -> i64 {
    let reply = lab.call(node, Request::LeaseGrant(LeaseGrant { ttl, id: 0 })).unwrap();
    let Reply::LeaseGrant(reply) = reply else { panic!("a grant answers a grant: {reply:?}") };
    reply.id
}

fn put(lab: &mut Lab, node: usize, key: &str, lease: i64) {
    let put = Put { key: key.to_owned().into(), lease, ..Put::default() };
    lab.call(node, Request::Put(put)).unwrap();
}

fn keep_alive(lab: &mut Lab, node: usize, id: i64) -> Result<i64, RequestError> {
    let reply = lab.call(node, Request::LeaseKeepAlive { id })?;
    let Reply::LeaseKeepAlive(reply) = reply else { panic!("not a keep-alive: {reply:?}") };
    Ok(reply.ttl)
}

fn time_to_live(lab: &mut Lab, node: usize, id: i64) -> LeaseTimeToLiveReply {
    let asked = Request::LeaseTimeToLive(LeaseTimeToLive { id, keys: true });
    let reply = lab.call(node, asked).unwrap();
    let Reply::LeaseTimeToLive(reply) = reply else { panic!("not a time to live: {reply:?}") };
    reply
}

/// Ticks that a number of seconds has.
fn seconds(count: usize) -> usize {
    count * 10
}

#[test]
fn a_lease_that_nobody_keeps_alive_expires_everywhere_with_its_keys() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let lease = grant(&mut lab, (leader + 1) % 3, 5);
    for key in ["b", "a"] {
        put(&mut lab, leader, key, lease);
    }
    let asked = time_to_live(&mut lab, leader, lease);
    assert_eq!((asked.granted_ttl, asked.keys), (5, vec!["a".into(), "b".into()]), "{lease:x}");
    let before = lab.view(leader).store().unwrap().revision();
    lab.ticks(seconds(4));
    assert_eq!(lab.get(leader, "a").as_deref(), Some(""), "its time is not over");
    lab.ticks(seconds(3));
    for node in 0..3 {
        assert_eq!(lab.local(node, "a"), None, "gone on n{}", node + 1);
        let store = lab.view(node).store().unwrap();
        assert_eq!(store.revision(), before + 1, "both keys in one revision");
    }
    assert_eq!(time_to_live(&mut lab, leader, lease).ttl, -1, "no such lease");
    assert_eq!(keep_alive(&mut lab, leader, lease), Ok(0), "nor one to keep alive");
}

#[test]
fn l4_a_keep_alive_that_succeeds_keeps_the_lease() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let lease = grant(&mut lab, leader, 3);
    put(&mut lab, leader, "a", lease);
    for _ in 0..5 {
        lab.ticks(seconds(2));
        assert_eq!(keep_alive(&mut lab, leader, lease), Ok(3), "it lives");
    }
    assert!(lab.get(leader, "a").is_some(), "and its key");
    let follower = (leader + 1) % 3;
    let refused = keep_alive(&mut lab, follower, lease);
    assert_eq!(refused, Err(RequestError::NotLeader), "only the leader's clock counts");
}

#[test]
fn after_a_failover_a_lease_has_its_whole_time_again() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let lease = grant(&mut lab, leader, 20);
    lab.ticks(seconds(15));
    lab.power_cut(leader, true);
    let next = lab.elect();
    lab.ticks(seconds(10));
    let left = time_to_live(&mut lab, next, lease).ttl;
    assert!((9..=12).contains(&left), "{left} s of 20 and an election after 10 s");
}

#[test]
fn l2_a_former_leader_revokes_nothing() {
    let mut lab = Lab::new(3);
    let old = lab.elect();
    let lease = grant(&mut lab, old, 4);
    put(&mut lab, old, "a", lease);
    // The old leader is cut off while the lease would expire on its clock; the others go on.
    lab.cut_off.insert(old);
    let new = lab.elect();
    for _ in 0..6 {
        lab.ticks(seconds(2));
        assert_eq!(keep_alive(&mut lab, new, lease), Ok(4), "the new leader keeps it");
    }
    lab.cut_off.remove(&old);
    lab.ticks(seconds(2));
    assert_eq!(keep_alive(&mut lab, new, lease), Ok(4), "bug 34: the old one did not end it");
    assert!(lab.get(new, "a").is_some(), "its key is there");
    assert_eq!(lab.hashes().len(), 1, "all servers agree");
}

#[test]
fn a_keep_alive_that_comes_too_late_is_told_when_the_lease_is_gone() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let lease = grant(&mut lab, leader, 2);
    // The revocation needs the others, who are not there.
    let others: Vec<usize> = (0..3).filter(|&node| node != leader).collect();
    lab.now_ns += 3_000_000_000;
    let asked = lab.ask(leader, Request::LeaseKeepAlive { id: lease });
    lab.settle();
    assert!(lab.answer(asked).is_none(), "it has expired, and is not revoked");
    assert_eq!(others.len(), 2, "a quorum with the leader");
    lab.ticks(seconds(1));
    let Some(Ok(Reply::LeaseKeepAlive(reply))) = lab.answer(asked) else {
        panic!("{:?}", lab.answer(asked));
    };
    assert_eq!(reply.ttl, 0, "too late");
}
