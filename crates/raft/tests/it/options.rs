//! Options and numbers at the edge of what is taken: the last that is, the first that is not.

use crate::group::{Counting, message, node};
use raft::{
    APPEND_THREAD, APPLY_THREAD, ConfChange, ConfChangeSingle, ConfChangeType, ConfChangeV2,
    ConfState, Config, DecodeError, Entry, Error, MemoryStorage, Message, MessageType, NO_LIMIT,
    RawNode, ReadOnlyOption, Snapshot, SnapshotMetadata,
};

const LARGEST: u64 = u64::MAX / 2;

fn start(config: Config) -> Result<(), Error> {
    let storage = MemoryStorage::with_conf_state(ConfState::of_voters([1]));
    RawNode::new(config, storage, Counting(1)).map(drop)
}

#[test]
fn options_that_make_no_sense_are_refused_in_upstream_s_words() {
    let good = || Config { election_tick: 3, heartbeat_tick: 2, ..Config::new(1) };
    assert_eq!(start(good()), Ok(()), "one tick more than a heartbeat");
    let refused = [
        (Config { id: 0, ..good() }, "cannot use none as id"),
        (Config { id: APPEND_THREAD, ..good() }, "cannot use local target as id"),
        (Config { id: APPLY_THREAD, ..good() }, "cannot use local target as id"),
        (Config { heartbeat_tick: 0, ..good() }, "heartbeat tick must be greater than 0"),
        (
            Config { election_tick: 2, ..good() },
            "election tick must be greater than heartbeat tick",
        ),
        (Config { max_inflight_msgs: 0, ..good() }, "max inflight messages must be greater than 0"),
        (
            Config { max_inflight_bytes: 9, max_size_per_msg: 10, ..good() },
            "max inflight bytes must be >= max message size",
        ),
        (
            Config { read_only_option: ReadOnlyOption::LeaseBased, ..good() },
            "CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased",
        ),
    ];
    for (config, words) in refused {
        assert_eq!(start(config), Err(Error::Config(words.to_owned())));
    }
    for config in [
        Config { max_inflight_bytes: 10, max_size_per_msg: 10, ..good() },
        Config { max_inflight_bytes: 0, max_size_per_msg: NO_LIMIT, ..good() },
        Config { read_only_option: ReadOnlyOption::LeaseBased, check_quorum: true, ..good() },
        Config { check_quorum: true, ..good() },
    ] {
        assert_eq!(start(config.clone()), Ok(()), "{config:?}");
    }
}

#[test]
fn numbers_up_to_half_of_their_range_are_taken_and_none_above() {
    let vote = || message(MessageType::Vote, 2, 1, 1);
    let with = |number: u64| {
        let metadata =
            |index, term| SnapshotMetadata { index, term, ..SnapshotMetadata::default() };
        let snapshot = |metadata| Snapshot { metadata, ..Snapshot::default() };
        [
            Message { term: number, ..vote() },
            Message { log_term: number, ..vote() },
            Message { index: number, ..vote() },
            Message { commit: number, ..vote() },
            Message { reject_hint: number, ..vote() },
            vote().with_snapshot(snapshot(metadata(number, 1))),
            vote().with_snapshot(snapshot(metadata(1, number))),
        ]
    };
    for message in with(LARGEST) {
        let mut one = node(Config::new(1), &[1, 2]);
        assert_eq!(one.step(message.clone()), Ok(()), "{message:?}");
    }
    for message in with(LARGEST + 1) {
        let mut one = node(Config::new(1), &[1, 2]);
        let result = one.step(message.clone());
        assert!(matches!(result, Err(Error::InvalidMessage(_))), "{message:?}: {result:?}");
    }
}

#[test]
fn only_what_is_forwarded_may_lack_a_term() {
    use MessageType::{
        App, AppResp, ForgetLeader, Heartbeat, HeartbeatResp, PreVote, PreVoteResp, Prop,
        ReadIndex, ReadIndexResp, Snap, TimeoutNow, TransferLeader, Vote, VoteResp,
    };
    let result = |msg_type| {
        let entries = vec![Entry::normal("x")].into();
        let mut one = node(Config::new(1), &[1, 2]);
        one.step(Message { entries, ..message(msg_type, 2, 1, 0) })
    };
    for msg_type in [Prop, ReadIndex, TransferLeader, ForgetLeader] {
        assert!(!matches!(result(msg_type), Err(Error::InvalidMessage(_))), "{msg_type}");
    }
    for msg_type in [
        App,
        AppResp,
        Heartbeat,
        HeartbeatResp,
        PreVote,
        PreVoteResp,
        ReadIndexResp,
        Snap,
        TimeoutNow,
        Vote,
        VoteResp,
    ] {
        assert!(matches!(result(msg_type), Err(Error::InvalidMessage(_))), "{msg_type}");
    }
}

#[test]
fn entries_follow_on_one_another_in_index_and_term() {
    let append = |entries: &[(u64, u64)]| {
        let entry = |&(term, index): &(u64, u64)| Entry { term, index, ..Entry::default() };
        let entries: Vec<_> = entries.iter().map(entry).collect();
        let mut one = node(Config::new(1), &[1, 2]);
        one.step(Message { entries: entries.into(), ..message(MessageType::App, 2, 1, 3) })
    };
    for good in [&[(1, 1), (1, 2), (3, 3)][..], &[(3, 1)], &[]] {
        assert_eq!(append(good), Ok(()), "{good:?}");
    }
    for bad in [
        &[(1, 0)][..],
        &[(1, 2)],
        &[(1, 1), (1, 1)],
        &[(1, 1), (1, 3)],
        &[(2, 1), (1, 2)],
        &[(4, 1)],
        &[(u64::MAX, 1)],
    ] {
        assert!(matches!(append(bad), Err(Error::InvalidMessage(_))), "{bad:?}");
    }
}

#[test]
fn a_snapshot_of_as_many_members_as_a_group_may_have_is_taken() {
    let take = |conf_state: ConfState| {
        let metadata = SnapshotMetadata { conf_state, index: 5, term: 2 };
        let snapshot = Snapshot { metadata, ..Snapshot::default() };
        let mut one = node(Config::new(1), &[1, 2]);
        one.step(message(MessageType::Snap, 2, 1, 2).with_snapshot(snapshot))?;
        Ok::<_, Error>(one.log().committed())
    };
    let voters = |count| ConfState::of_voters((1..=count).collect::<Vec<_>>());
    assert_eq!(take(voters(1024)), Ok(5), "the largest");
    assert!(matches!(take(voters(1025)), Err(Error::InvalidMessage(_))), "one more");
    let learners: Vec<_> = (1024..=1025).collect();
    let too_many = ConfState { learners, ..voters(1023) };
    assert!(matches!(take(too_many), Err(Error::InvalidMessage(_))), "learners count here");
}

#[test]
fn as_many_changes_as_a_group_may_have_members_are_taken_in_one_step() {
    let mut one = node(Config::new(1), &[1]);
    one.campaign().unwrap();
    crate::group::pump(&mut one);
    let single = ConfChangeSingle { change_type: ConfChangeType::AddLearnerNode, node_id: 2 };
    let mut propose = |count| {
        let changes = vec![single; count];
        one.propose_conf_change(ConfChangeV2 { changes, ..ConfChangeV2::default() })
    };
    assert!(matches!(propose(1025), Err(Error::InvalidMessage(_))), "one too many");
    assert_eq!(propose(1024), Ok(raft::Proposed::Appended), "the most");
}

#[test]
fn every_change_reads_back_and_numbers_that_stand_for_none_do_not() {
    use ConfChangeType::{AddLearnerNode, AddNode, RemoveNode, UpdateNode};
    for (change_type, number) in
        [AddNode, RemoveNode, UpdateNode, AddLearnerNode].into_iter().zip(0..)
    {
        let change = ConfChange { change_type, node_id: 300, ..ConfChange::default() };
        let bytes = change.encode();
        assert_eq!(bytes[3], number, "etcd's number of {change_type:?}");
        assert_eq!(ConfChange::decode(&bytes), Ok(change), "{change_type:?}");
    }
    for transition in [
        raft::ConfChangeTransition::Auto,
        raft::ConfChangeTransition::JointImplicit,
        raft::ConfChangeTransition::JointExplicit,
    ] {
        let change = ConfChangeV2 { transition, ..ConfChangeV2::default() };
        assert_eq!(ConfChangeV2::decode(&change.encode()), Ok(change), "{transition:?}");
    }
    let unknown = ConfChangeV2::decode(&bytes::Bytes::from_static(&[8, 3]));
    assert_eq!(unknown, Err(DecodeError::UnknownValue { what: "transition", value: 3 }));
}
