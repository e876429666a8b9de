//! L1, L3 and L5 of the lessor alone; the server's part is tested with servers.

use super::*;
use crate::mvcc::{KeyRange, MemoryBackend, RangeOptions, Rules};

const SECOND: u64 = NANOS_PER_SECOND;

fn store() -> Store {
    Store::restore(MemoryBackend::default(), Rules::CURRENT).unwrap()
}

fn put(store: &mut Store, lessor: &mut Lessor, key: &str, lease: i64) {
    let mut txn = store.write();
    txn.put(key.to_owned().into(), Bytes::new(), lease);
    lessor.follow(&txn.end());
}

fn keys(lessor: &Lessor, id: i64) -> Vec<Bytes> {
    lessor.lease(id).unwrap().keys.iter().cloned().collect()
}

#[test]
fn l1_no_lease_expires_before_its_time_on_the_granting_clock() {
    let (mut store, mut lessor) = (store(), Lessor::default());
    lessor.promote(0, 0);
    assert_eq!(lessor.grant(&mut store, 1, 10, 5 * SECOND), Ok(10), "granted");
    assert_eq!(
        lessor.take_expired(15 * SECOND - 1, 9),
        Vec::<i64>::new(),
        "not a nanosecond early"
    );
    assert_eq!(lessor.take_expired(15 * SECOND, 9), [1], "expired");
    assert_eq!(lessor.take_expired(17 * SECOND, 9), Vec::<i64>::new(), "named once");
    assert_eq!(lessor.take_expired(18 * SECOND, 9), [1], "and again if it is not revoked");
}

#[test]
fn only_a_primary_lets_leases_expire_and_a_new_one_extends_them() {
    let (mut store, mut lessor) = (store(), Lessor::default());
    lessor.grant(&mut store, 1, 10, 0).unwrap();
    assert_eq!(lessor.take_expired(u64::MAX / 2, 9), Vec::<i64>::new(), "no clock, no expiry");
    lessor.promote(100 * SECOND, SECOND);
    assert_eq!(lessor.expires_ns(1), Some(111 * SECOND), "its whole time and an election");
    assert_eq!(lessor.renew(1, 105 * SECOND), Some((10, false)), "renewed");
    assert_eq!(lessor.expires_ns(1), Some(115 * SECOND), "from then on");
    lessor.demote();
    assert_eq!(lessor.renew(1, 106 * SECOND), None, "not the one to ask");
    assert_eq!(lessor.take_expired(200 * SECOND, 9), Vec::<i64>::new(), "nor to end it");
}

#[test]
fn ttls_are_raised_to_the_minimum_and_bounded() {
    let (mut store, mut lessor) = (store(), Lessor::default());
    assert_eq!(lessor.grant(&mut store, 1, -5, 0), Ok(2), "raised");
    assert_eq!(lessor.grant(&mut store, 1, 5, 0), Err(RequestError::LeaseExists), "twice");
    let long = lessor.grant(&mut store, 2, TTL_MAX + 1, 0);
    assert_eq!(long, Err(RequestError::LeaseTtlTooLarge), "too long");
    assert_eq!(lessor.grant(&mut store, 0, 5, 0), Err(RequestError::LeaseNotFound), "no id");
}

#[test]
fn l3_one_revoke_deletes_all_keys_in_one_revision_in_order() {
    let (mut store, mut lessor) = (store(), Lessor::default());
    lessor.grant(&mut store, 7, 60, 0).unwrap();
    for key in ["c", "a", "b"] {
        put(&mut store, &mut lessor, key, 7);
    }
    put(&mut store, &mut lessor, "b", 0);
    assert_eq!(keys(&lessor, 7), ["a", "c"], "b hangs on none any more");
    let revoked = lessor.revoke(&mut store, 7).unwrap();
    let deleted: Vec<&[u8]> = revoked.changes.iter().map(|kv| &kv.key[..]).collect();
    assert_eq!(deleted, [b"a", b"c"], "in order");
    assert_eq!((revoked.revision, store.revision()), (6, 6), "one revision");
    let left = store.range(&KeyRange::all(), RangeOptions::default()).unwrap();
    assert_eq!(left.count, 1, "b stays");
    assert!(lessor.revoke(&mut store, 7).is_err(), "the lease is gone");
    assert_eq!(store.backend().get(Bucket::Lease, &7_i64.to_be_bytes()), None, "stored nowhere");
}

#[test]
fn a_restored_lessor_equals_the_one_that_lived() {
    let (mut store, mut lessor) = (store(), Lessor::default());
    for (id, ttl) in [(1, 10), (2, 20)] {
        lessor.grant(&mut store, id, ttl, 0).unwrap();
    }
    for (key, lease) in [("a", 1), ("b", 1), ("b", 2), ("c", 2), ("d", 1)] {
        put(&mut store, &mut lessor, key, lease);
    }
    let mut txn = store.write();
    txn.delete_range(&KeyRange::One("c".into()));
    lessor.follow(&txn.end());

    let mut store = Store::restore(store.backend().clone(), Rules::CURRENT).unwrap();
    let attached = store.take_attached();
    let restored = Lessor::restore(&store, attached);
    assert_eq!(restored.leases, lessor.leases, "leases with their keys");
    assert_eq!(restored.keys, lessor.keys, "and keys with their leases");
}

#[test]
fn l5_after_a_failover_a_lease_has_no_more_than_its_checkpoint() {
    let (mut store, mut leader) = (store(), Lessor::default());
    let checkpoint_ns = Some(300 * SECOND);
    let rules = LeaseRules { checkpoint_ns, persists_checkpoints: true, ..LeaseRules::default() };
    leader.set_rules(rules);
    leader.promote(0, 0);
    leader.grant(&mut store, 1, 1000, 0).unwrap();
    assert!(leader.take_checkpoints(299 * SECOND, 9).is_empty(), "not due");
    let due = leader.take_checkpoints(300 * SECOND, 9);
    assert_eq!(due, [LeaseCheckpoint { id: 1, remaining_ttl: 700 }], "what is left");
    leader.checkpoint(&mut store, &due, 300 * SECOND);
    assert_eq!(leader.expires_ns(1), Some(1000 * SECOND), "the leader's clock goes on");
    assert_eq!(leader.take_checkpoints(600 * SECOND, 9)[0].remaining_ttl, 400, "and again");

    let mut store = Store::restore(store.backend().clone(), Rules::CURRENT).unwrap();
    let attached = store.take_attached();
    let mut next = Lessor::restore(&store, attached);
    next.set_rules(rules);
    next.promote(350 * SECOND, SECOND);
    assert_eq!(next.expires_ns(1), Some(1051 * SECOND), "700 s and an election, not 1000 s");
    assert_eq!(next.renew(1, 360 * SECOND), Some((1000, true)), "renewed, the checkpoint goes");
    assert_eq!(next.expires_ns(1), Some(1360 * SECOND), "all of it again");
}

#[test]
fn after_a_promotion_expiries_are_spread_to_what_can_be_revoked() {
    let (mut store, mut lessor) = (store(), Lessor::default());
    for id in 1..=3000 {
        lessor.grant(&mut store, id, 10, 0).unwrap();
    }
    lessor.promote(0, SECOND);
    let expired = |lessor: &mut Lessor, at| lessor.take_expired(at, usize::MAX).len();
    assert_eq!(expired(&mut lessor, 11 * SECOND), 750, "three quarters of the rate at first");
    assert!(expired(&mut lessor, 12 * SECOND) < 10, "then pauses");
    assert_eq!(lessor.clone().take_expired(13 * SECOND, 800).len(), 750, "and goes on at the rate");
}
