//! A storage that does not give what it was asked for: an error that says so, never a panic.
#![allow(clippy::wildcard_enum_match_arm, reason = "a lie is about one answer")]

use crate::group::{Counting, entry, message};
use raft::{
    ConfState, Config, Error, HardState, MemoryStorage, MessageType, RawNode, Snapshot,
    SnapshotMetadata, Storage, StorageError,
};

/// How storage answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    OneEntryAtATime,
    NoEntries,
    OtherEntries,
    MoreEntries,
    EntriesGone,
    EntriesCompacted,
    FirstIndexZero,
    LastIndexHuge,
    LastBeforeFirst,
    NoTerm,
}

/// A log in memory that answers wrongly.
#[derive(Clone, Debug)]
struct Liar {
    inner: MemoryStorage,
    lie: Lie,
}

type Answer<T> = Result<T, StorageError>;

impl Storage for Liar {
    fn initial_state(&self) -> Answer<(HardState, ConfState)> {
        self.inner.initial_state()
    }

    fn entries(&self, lo: u64, hi: u64, max_size: u64) -> Answer<raft::Entries> {
        match self.lie {
            Lie::OneEntryAtATime => self.inner.entries(lo, hi, 0),
            Lie::NoEntries => Ok(raft::Entries::default()),
            Lie::OtherEntries => Ok(entry(1, lo + 1).into()),
            Lie::MoreEntries => Ok((lo..=hi).map(|index| entry(1, index)).collect()),
            Lie::EntriesGone => Err(StorageError::Unavailable),
            Lie::EntriesCompacted => Err(StorageError::Compacted),
            _ => self.inner.entries(lo, hi, max_size),
        }
    }

    fn term(&self, index: u64) -> Answer<u64> {
        if self.lie == Lie::NoTerm {
            return Err(StorageError::Broken("the disk is gone".to_owned()));
        }
        self.inner.term(index)
    }

    fn last_index(&self) -> Answer<u64> {
        match self.lie {
            Lie::LastIndexHuge => Ok(u64::MAX),
            Lie::LastBeforeFirst => Ok(0),
            _ => self.inner.last_index(),
        }
    }

    fn first_index(&self) -> Answer<u64> {
        match self.lie {
            Lie::FirstIndexZero => Ok(0),
            Lie::LastBeforeFirst => Ok(9),
            _ => self.inner.first_index(),
        }
    }

    fn snapshot(&self) -> Answer<Snapshot> {
        self.inner.snapshot()
    }
}

/// Three entries, all committed, none applied.
fn storage(lie: Lie) -> Liar {
    let mut inner = MemoryStorage::with_conf_state(ConfState::of_voters([1, 2]));
    inner.append([entry(1, 1), entry(1, 2), entry(1, 3)]).unwrap();
    inner.set_hard_state(HardState { term: 1, vote: 0, commit: 3 });
    Liar { inner, lie }
}

fn boot(storage: Liar) -> Result<RawNode<Liar, Counting>, Error> {
    RawNode::new(Config::new(1), storage, Counting(1))
}

#[test]
fn a_log_that_cannot_be_is_refused_at_the_start() {
    for lie in [Lie::FirstIndexZero, Lie::LastIndexHuge, Lie::LastBeforeFirst, Lie::NoTerm] {
        let refused = boot(storage(lie)).map(drop);
        assert!(matches!(refused, Err(Error::Fatal(_))), "{lie:?}: {refused:?}");
    }
    let mut beyond = storage(Lie::None);
    beyond.inner.set_hard_state(HardState { term: u64::MAX, vote: 0, commit: 3 });
    let refused = boot(beyond).map(drop);
    assert!(matches!(refused, Err(Error::Fatal(_))), "no term follows: {refused:?}");
}

#[test]
fn a_configuration_that_cannot_be_is_refused_at_the_start() {
    let contradictory = ConfState { learners: vec![1], ..ConfState::of_voters([1, 2]) };
    let refused =
        boot(Liar { inner: MemoryStorage::with_conf_state(contradictory), lie: Lie::None });
    assert!(matches!(refused.map(drop), Err(Error::Fatal(_))), "1 is a voter and a learner");
}

#[test]
fn fewer_entries_than_asked_for_are_taken_as_they_come() {
    let mut one = boot(storage(Lie::OneEntryAtATime)).unwrap();
    for index in 1..=3 {
        let ready = one.ready().unwrap();
        assert_eq!(ready.committed_entries, [entry(1, index)], "the rest comes with the next");
        one.advance().unwrap();
    }
    assert!(!one.has_ready(), "all of them");
}

#[test]
fn other_entries_than_asked_for_are_fatal() {
    let lies = [
        Lie::NoEntries,
        Lie::OtherEntries,
        Lie::MoreEntries,
        Lie::EntriesGone,
        Lie::EntriesCompacted,
    ];
    for lie in lies {
        let mut one = boot(storage(lie)).unwrap();
        let ready = one.ready();
        assert!(matches!(ready, Err(Error::Fatal(_))), "{lie:?}: {ready:?}");
    }
}

#[test]
fn a_leader_whose_storage_has_no_snapshot_for_a_follower_cannot_go_on() {
    let mut storage = storage(Lie::None);
    storage.inner.compact(3).unwrap();
    let mut one = boot(storage).unwrap();
    one.campaign().unwrap();
    while one.has_ready() {
        let ready = one.ready().unwrap();
        one.storage_mut().inner.append(&ready.entries).unwrap();
        one.advance().unwrap();
    }
    one.step(message(MessageType::VoteResp, 2, 1, 2)).unwrap();
    while one.has_ready() {
        let ready = one.ready().unwrap();
        one.storage_mut().inner.append(&ready.entries).unwrap();
        one.advance().unwrap();
    }
    let refusal =
        raft::Message { index: 3, reject: true, ..message(MessageType::AppResp, 2, 1, 2) };
    let result = one.step(refusal);
    assert_eq!(result, Err(Error::Fatal("need non-empty snapshot".to_owned())), "upstream's words");
}

#[test]
fn a_snapshot_whose_configuration_cannot_be_is_refused_and_changes_nothing() {
    let states = [
        ConfState { learners: vec![1], ..ConfState::of_voters([1, 2]) },
        ConfState { voters_outgoing: vec![1], ..ConfState::default() },
        ConfState { learners_next: vec![3], ..ConfState::of_voters([1, 2]) },
        ConfState::of_voters([0, 1]),
        ConfState::of_voters([1, raft::APPEND_THREAD]),
        ConfState::of_voters((1..=2000).collect::<Vec<_>>()),
    ];
    for conf_state in states {
        let mut one = boot(storage(Lie::None)).unwrap();
        let before = (one.basic_status(), one.conf_state());
        let metadata = SnapshotMetadata { conf_state, index: 9, term: 2 };
        let snapshot = Snapshot { metadata, ..Snapshot::default() };
        let result = one.step(message(MessageType::Snap, 2, 1, 2).with_snapshot(snapshot));
        assert!(matches!(result, Err(Error::InvalidMessage(_))), "{result:?}");
        assert_eq!((one.basic_status(), one.conf_state()), before, "nothing changed");
    }
}

#[test]
fn a_snapshot_without_members_or_without_term_is_not_taken() {
    let mut one = boot(storage(Lie::None)).unwrap();
    let snap = |metadata| {
        let snapshot = Snapshot { metadata, ..Snapshot::default() };
        message(MessageType::Snap, 2, 1, 2).with_snapshot(snapshot)
    };
    let nobody = SnapshotMetadata { conf_state: ConfState::default(), index: 9, term: 2 };
    one.step(snap(nobody)).unwrap();
    assert_eq!(one.log().committed(), 3, "nobody is in it, and so not this node");
    for term in [0, 3] {
        let conf_state = ConfState::of_voters([1, 2]);
        let result = one.step(snap(SnapshotMetadata { conf_state, index: 9, term }));
        assert!(matches!(result, Err(Error::InvalidMessage(_))), "term {term}: {result:?}");
    }
    one.step(message(MessageType::Snap, 2, 1, 2)).unwrap();
    assert_eq!(one.log().committed(), 3, "no snapshot at all");
}
