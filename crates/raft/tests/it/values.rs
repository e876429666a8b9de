//! What the plain values of the interface say of themselves.

use crate::group::{ack, entry, leader, pump, to};
use bytes::Bytes;
use raft::{
    APPEND_THREAD, APPLY_THREAD, Attachment, Changer, ConfChange, ConfChangeSingle, ConfChangeType,
    Config, Entry, GroupConfig, HardState, IdMap, IdSet, JointConfig, Message, MessageType,
    Progress, Ready, Role, Snapshot, SnapshotMetadata, SoftState, Tracker,
};

fn single(change_type: ConfChangeType, node_id: u64) -> ConfChangeSingle {
    ConfChangeSingle { change_type, node_id }
}

#[test]
fn a_simple_change_moves_one_voter_and_no_more() {
    let mut tracker = Tracker::new(1, 0);
    for id in 1..=3 {
        let changer = Changer::new(&tracker, 5);
        let add = single(ConfChangeType::AddNode, id);
        (tracker.config, tracker.progress) = changer.simple(&[add]).unwrap();
    }
    let refused = |changes: &[ConfChangeSingle]| {
        let error = Changer::new(&tracker, 5).simple(changes).unwrap_err();
        assert_eq!(error.to_string(), "more than one voter changed without entering joint config");
    };
    let (add, remove) = (ConfChangeType::AddNode, ConfChangeType::RemoveNode);
    refused(&[single(add, 4), single(add, 5)]);
    refused(&[single(remove, 1), single(remove, 2)]);
    refused(&[single(add, 4), single(remove, 1)]);
    let (config, _) = Changer::new(&tracker, 5).simple(&[single(add, 4), single(add, 1)]).unwrap();
    assert_eq!(config.voters.incoming.to_vec(), [1, 2, 3, 4], "1 was one before");
    let learner = ConfChangeType::AddLearnerNode;
    let changes = [single(learner, 7), single(learner, 8), single(remove, 3)];
    let (config, progress) = Changer::new(&tracker, 5).simple(&changes).unwrap();
    assert_eq!(config.voters.incoming.to_vec(), [1, 2], "learners do not count");
    assert_eq!(config.learners.to_vec(), [7, 8], "any number of them");
    assert_eq!(progress.get(7).map(|progress| progress.next_index), Some(5), "probed from there");
}

#[test]
fn a_configuration_that_contradicts_itself_cannot_be_changed() {
    let mut tracker = Tracker::new(1, 0);
    let learner = [single(ConfChangeType::AddLearnerNode, 7)];
    for changes in [[single(ConfChangeType::AddNode, 1)], learner] {
        (tracker.config, tracker.progress) = Changer::new(&tracker, 5).simple(&changes).unwrap();
    }
    let refused = |why: &str, spoil: &dyn Fn(&mut GroupConfig)| {
        let mut tracker = tracker.clone();
        spoil(&mut tracker.config);
        let error = Changer::new(&tracker, 5).simple(&[]).unwrap_err();
        assert_eq!(error.to_string(), why, "{}", tracker.config);
    };
    refused("1 is in Learners and Voters[0]", &|config| {
        config.learners.insert(1);
    });
    refused("7 is in Learners and Voters[1]", &|config| {
        config.voters.outgoing.insert(7);
    });
    refused("1 is in Learners, but is not marked as learner", &|config| {
        config.voters.incoming.remove(1);
        config.learners.insert(1);
    });
    refused("1 is in LearnersNext, but not Voters[1]", &|config| {
        config.learners_next.insert(1);
    });
    refused("7 is in LearnersNext, but is already marked as learner", &|config| {
        config.voters.outgoing.insert(7);
        config.learners.remove(7);
        config.learners_next.insert(7);
    });
}

#[test]
fn whoever_votes_in_either_configuration_is_in_the_joint_one() {
    let [incoming, outgoing] = [[1, 2], [2, 3]].map(|ids| ids.into_iter().collect::<IdSet>());
    let joint = JointConfig { incoming, outgoing };
    assert_eq!([1, 2, 3, 4].map(|id| joint.contains(id)), [true, true, true, false]);
}

#[test]
fn sets_and_maps_of_ids_know_their_size() {
    let set: IdSet = [3, 1, 3].into_iter().collect();
    assert_eq!((set.len(), set.is_empty(), set.to_vec()), (2, false, vec![1, 3]), "sorted, once");
    assert!(IdSet::default().is_empty(), "nobody");
    assert!(set.contains(3) && !set.contains(2), "who is in it");
    let map: &IdMap<Progress> = &Tracker::default().progress;
    assert!(map.is_empty() && !map.contains(1), "nobody");
    let one = leader(Config::new(1), &[1, 2]);
    let status = one.status();
    assert_eq!(status.progress.len(), 2, "a leader knows of both");
}

#[test]
fn storage_threads_are_no_members() {
    let sent_to = |to| Message { to, ..Message::new(MessageType::App) }.is_to_local_thread();
    assert!(sent_to(APPEND_THREAD) && sent_to(APPLY_THREAD), "the two threads");
    assert!(!sent_to(1) && !sent_to(0) && !sent_to(APPLY_THREAD - 1), "nobody else");
}

#[test]
fn a_message_to_storage_carries_a_hard_state_or_none() {
    assert_eq!(Message::new(MessageType::StorageAppend).hard_state(), None, "all zero");
    let vote = Some(Box::new(Attachment { vote: 1, ..Attachment::default() }));
    let message = Message { term: 2, commit: 3, attachment: vote, ..Message::default() };
    assert_eq!(message.hard_state(), Some(HardState { term: 2, vote: 1, commit: 3 }), "all three");
}

#[test]
fn a_ready_with_anything_in_it_is_not_empty() {
    assert!(Ready::default().is_empty(), "nothing to do");
    let soft_state = Some(SoftState { lead: 1, role: Role::Leader });
    let ready = Ready { soft_state, ..Ready::default() };
    assert!(!ready.is_empty(), "a leader changed");
    let ready = Ready { entries: vec![entry(1, 1)].into(), ..Ready::default() };
    assert!(!ready.is_empty(), "an entry is to be written");
}

#[test]
fn empty_values_are_those_of_the_beginning() {
    assert!(HardState::default().is_empty(), "no term yet");
    assert!(!HardState { vote: 1, ..HardState::default() }.is_empty(), "a vote");
    assert!(Snapshot::default().is_empty(), "no index");
    let metadata = SnapshotMetadata { index: 1, ..SnapshotMetadata::default() };
    assert!(!Snapshot { metadata, ..Snapshot::default() }.is_empty(), "an index");
}

#[test]
fn what_is_in_flight_is_counted_until_it_is_acknowledged() {
    let mut one = leader(Config { max_size_per_msg: 0, ..Config::new(1) }, &[1, 2]);
    ack(&mut one, 2, 1);
    let in_flight = |one: &crate::group::Node| {
        let inflights = &one.progress(2).unwrap().inflights;
        (inflights.count(), inflights.bytes())
    };
    assert_eq!(in_flight(&one), (0, 0), "everything arrived");
    for data in ["four", "fivey"] {
        one.propose(data).unwrap();
    }
    pump(&mut one);
    assert_eq!(in_flight(&one), (2, 9), "two appends, payloads alone");
    ack(&mut one, 2, 2);
    assert_eq!(in_flight(&one), (1, 5), "the first arrived");
}

#[test]
fn a_follower_that_knows_what_is_committed_is_not_told_again() {
    let mut one = leader(Config::new(1), &[1, 2, 3]);
    ack(&mut one, 3, 1);
    let told = ack(&mut one, 2, 1);
    assert_eq!(to(&told, 2, MessageType::App).len(), 1, "it learns that 1 is committed");
    one.propose("x").unwrap();
    pump(&mut one);
    let told = ack(&mut one, 2, 2);
    assert_eq!(to(&told, 2, MessageType::App).len(), 1, "and that 2 is");
    let told = ack(&mut one, 3, 2);
    assert_eq!(to(&told, 3, MessageType::App).len(), 0, "3 was told with 2");
}

#[test]
fn fields_that_are_not_known_are_skipped_whatever_their_width() {
    let known = ConfChange { id: 7, node_id: 3, ..ConfChange::default() };
    let unknown: [&[u8]; 4] = [
        &[0x48, 0xff, 0x01],             // field 9, a varint
        &[0x49, 1, 2, 3, 4, 5, 6, 7, 8], // 64 bits
        &[0x4a, 2, 0xff, 0xff],          // bytes
        &[0x4d, 1, 2, 3, 4],             // 32 bits
    ];
    for field in unknown {
        let bytes: Bytes = [field, &known.encode()].concat().into();
        assert_eq!(ConfChange::decode(&bytes), Ok(known.clone()), "{field:?}");
        let cut = Bytes::copy_from_slice(&field[..field.len() - 1]);
        assert!(ConfChange::decode(&cut).is_err(), "{cut:?} ends inside of the field");
    }
    let group = Bytes::from_static(&[0x4b]);
    assert!(ConfChange::decode(&group).is_err(), "groups are no part of the format");
}

#[test]
fn an_entry_s_size_is_that_of_its_payload() {
    assert_eq!(Entry::normal("four").payload_size(), 4, "bytes");
    assert_eq!(Entry::default().payload_size(), 0, "none");
}
