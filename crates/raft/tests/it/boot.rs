//! Boots after a compaction, with and without entries behind it; starting a new group.

use crate::group::{self, Counting, Group, node};
use raft::{
    ConfChange, ConfChangeType, ConfState, Config, Entry, EntryId, EntryType, Error, HardState,
    MemoryStorage, Peer, RawNode, Role,
};

fn compacted(entries: u64, compact_to: u64) -> MemoryStorage {
    let mut storage = MemoryStorage::with_conf_state(ConfState::of_voters([1]));
    let entries: Vec<_> =
        (1..=entries).map(|index| Entry { index, term: 2, ..Entry::normal("x") }).collect();
    storage.append(&entries[..]).unwrap();
    storage.create_snapshot(compact_to, None, "state").unwrap();
    storage.compact(compact_to).unwrap();
    storage.set_hard_state(HardState { term: 3, vote: 1, commit: compact_to });
    storage
}

fn boot(storage: MemoryStorage, applied: u64) -> group::Node {
    RawNode::new(Config { applied, ..Config::new(1) }, storage, Counting(1)).unwrap()
}

#[test]
fn a_boot_with_entries_behind_a_compaction_has_the_sentinel_before_them() {
    let node = boot(compacted(5, 3), 3);
    let log = node.log();
    assert_eq!(log.sentinel(), Ok(EntryId { term: 2, index: 3 }), "term and index");
    assert_eq!((log.first_index(), log.last_index()), (Ok(4), 5), "two entries");
    assert_eq!((log.committed(), log.applying(), log.applied()), (3, 3, 3), "up to the snapshot");
    assert_eq!((log.unstable_offset(), log.unstable_offset_in_progress()), (6, 6), "all stable");
    assert_eq!(log.entry(4).map(|entry| entry.term), Some(2), "the first one");
    for index in [3, 6, u64::MAX] {
        assert_eq!(log.entry(index), None, "{index} is the sentinel or beyond");
    }
}

#[test]
fn a_boot_without_entries_behind_a_compaction_has_only_the_sentinel() {
    let node = boot(compacted(3, 3), 3);
    let log = node.log();
    assert_eq!(log.sentinel(), Ok(EntryId { term: 2, index: 3 }), "term and index");
    assert_eq!((log.first_index(), log.last_index()), (Ok(4), 3), "empty");
    assert_eq!(log.last_id(), EntryId { term: 2, index: 3 }, "what votes are compared with");
    assert_eq!(log.unstable_offset(), 4, "the next one");
}

#[test]
fn a_booted_node_goes_on_behind_its_sentinel() {
    let mut group = Group::new(1, |_| {});
    group.nodes.insert(1, boot(compacted(3, 3), 3));
    group.elect(1);
    group.propose(1, "next");
    assert_eq!(group.role(1), Role::Leader, "elected");
    assert_eq!(group.payloads(1), [b"next"], "nothing is applied twice");
    assert_eq!((group.last(1), group.committed(1), group.term(1)), (5, 5, 4), "4 and 5");
}

#[test]
fn applied_beyond_committed_is_fatal() {
    let config = Config { applied: 5, ..Config::new(1) };
    let error = RawNode::new(config, compacted(5, 3), Counting(1)).unwrap_err();
    let words = "applied(5) is out of range [prevApplied(3), committed(3)]";
    assert_eq!(error, Error::Fatal(words.to_owned()), "what etcd dies of");
}

#[test]
fn bootstrap_adds_the_first_members_by_committed_entries() {
    let mut group = Group::new(1, |_| {});
    let peer = |id| Peer { id, context: "about it".into() };
    for id in 1..=3 {
        let mut fresh = node(Config::new(id), &[]);
        fresh.bootstrap(&[peer(1), peer(2), peer(3)]).unwrap();
        group.nodes.insert(id, fresh);
    }
    group.settle();
    let expected = ConfChange {
        id: 0,
        change_type: ConfChangeType::AddNode,
        node_id: 2,
        context: "about it".into(),
    };
    let second = &group.applied[&3][1];
    assert_eq!((second.entry_type, second.term), (EntryType::ConfChange, 1), "term 1");
    assert_eq!(ConfChange::decode(&second.data), Ok(expected), "the second member");
    assert_eq!(group.at(1).conf_state(), ConfState::of_voters([1, 2, 3]), "all voters");
    group.elect(1);
    group.propose(1, "x");
    assert!((1..=3).all(|id| group.payloads(id).last() == Some(&&b"x"[..])), "a working group");
}

#[test]
fn bootstrap_refuses_a_storage_with_entries() {
    let mut booted = boot(compacted(5, 3), 3);
    let peer = Peer { id: 1, ..Peer::default() };
    let words = "can't bootstrap a nonempty Storage".to_owned();
    assert_eq!(booted.bootstrap(&[peer]), Err(Error::Config(words)), "it has a past");
    assert!(matches!(booted.bootstrap(&[]), Err(Error::Config(_))), "nobody");
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let good = Config::new(1);
    let bad = [
        Config { id: 0, ..good.clone() },
        Config { id: u64::MAX, ..good.clone() },
        Config { heartbeat_tick: 0, ..good.clone() },
        Config { election_tick: 1, ..good.clone() },
        Config { max_inflight_msgs: 0, ..good.clone() },
        Config { max_inflight_bytes: 1, ..good.clone() },
        Config { read_only_option: raft::ReadOnlyOption::LeaseBased, ..good },
    ];
    for config in bad {
        let result = RawNode::new(config.clone(), MemoryStorage::new(), Counting(1));
        assert!(matches!(result, Err(Error::Config(_))), "{config:?}");
    }
}
