//! Whatever another machine sends, to a node in whatever state: an error or nothing, never a panic.
//!
//! Messages of every type are drawn with fields from the edges: nothing, one off what the node has,
//! the largest numbers. What is refused must have changed nothing; [`Error::Fatal`] ends a node, as
//! it would a real server. The tests run with overflow checks.
//!
//! `HOSTILE=0..100000` asks for other seeds than the short portion.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use crate::explore::Dice;
use raft::{
    APPEND_THREAD, APPLY_THREAD, AnyConfChange, Attachment, ConfChange, ConfChangeSingle,
    ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState, Config, Entry, EntryType, Error,
    HardState, MemoryStorage, Message, MessageType, NodeId, Randomness, RawNode, ReadOnlyOption,
    Role, Snapshot, SnapshotMetadata, SnapshotStatus, StorageError,
};

type Node = RawNode<MemoryStorage, Dice>;

const TYPES: [MessageType; 24] = [
    MessageType::Hup,
    MessageType::Beat,
    MessageType::Prop,
    MessageType::App,
    MessageType::AppResp,
    MessageType::Vote,
    MessageType::VoteResp,
    MessageType::Snap,
    MessageType::Heartbeat,
    MessageType::HeartbeatResp,
    MessageType::Unreachable,
    MessageType::SnapStatus,
    MessageType::CheckQuorum,
    MessageType::TransferLeader,
    MessageType::TimeoutNow,
    MessageType::ReadIndex,
    MessageType::ReadIndexResp,
    MessageType::PreVote,
    MessageType::PreVoteResp,
    MessageType::StorageAppend,
    MessageType::StorageAppendResp,
    MessageType::StorageApply,
    MessageType::StorageApplyResp,
    MessageType::ForgetLeader,
];

/// A node that strangers talk to.
struct Victim {
    node: Node,
    dice: Dice,
    is_async: bool,
    /// Answers of storage threads that were not given yet.
    answers: Vec<Message>,
    is_dead: bool,
}

impl Victim {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let config = some_config(&mut dice);
        let is_async = config.async_storage_writes;
        let storage = some_storage(&mut dice);
        let node = RawNode::new(config, storage, dice.clone()).unwrap();
        let mut victim = Self { node, dice, is_async, answers: Vec::new(), is_dead: false };
        victim.take_role();
        victim
    }

    /// Follower, candidate or leader, with whatever may be going on then.
    fn take_role(&mut self) {
        if self.dice.below(3) == 0 {
            return;
        }
        let _ = self.node.campaign();
        self.carry_out();
        if self.dice.below(3) == 0 {
            return;
        }
        for _ in 0..2 {
            for from in 2..=5 {
                for msg_type in [MessageType::PreVoteResp, MessageType::VoteResp] {
                    let hard_state = self.node.basic_status().hard_state;
                    let is_pre = msg_type == MessageType::PreVoteResp;
                    let term = hard_state.term + u64::from(is_pre);
                    let vote = Message { from, to: 1, term, ..Message::new(msg_type) };
                    let _ = self.node.step(vote);
                    self.carry_out();
                }
            }
        }
    }

    fn is_leader(&self) -> bool {
        self.node.basic_status().soft_state.role == Role::Leader
    }

    fn act(&mut self) {
        match self.dice.below(20) {
            0 | 1 => self.input(Node::tick),
            2 => self.input(|node| node.propose("data")),
            3 => {
                let change = some_change(&mut self.dice);
                self.input(|node| node.propose_conf_change(change).map(drop));
            }
            4 => self.input(|node| node.read_index("read")),
            5 => {
                let to = self.some_id();
                self.input(|node| node.transfer_leader(to));
            }
            6 => {
                let (id, status) = (self.some_id(), SnapshotStatus::Failure);
                self.input(|node| node.report_snapshot(id, status));
                self.input(|node| node.report_unreachable(id));
            }
            7..=10 => self.carry_out(),
            11 => self.compact(),
            _ => {
                let message = self.some_message();
                self.receive(&message);
            }
        }
    }

    fn input(&mut self, input: impl FnOnce(&mut Node) -> Result<(), Error>) {
        let result = input(&mut self.node);
        self.end_on_fatal(&result);
    }

    fn end_on_fatal(&mut self, result: &Result<(), Error>) {
        self.is_dead |= matches!(result, Err(Error::Fatal(_)));
    }

    /// What is refused changes nothing.
    fn receive(&mut self, message: &Message) {
        let before = self.picture();
        let result = self.node.step(message.clone());
        if let Err(Error::InvalidMessage(_) | Error::StepLocalMsg | Error::StepPeerNotFound) =
            result
        {
            // A proposal is refused by the leader, who has looked at the term before.
            assert_eq!(self.picture(), before, "{result:?} by {message:?}");
        }
        self.end_on_fatal(&result);
    }

    fn picture(&self) -> String {
        let log = self.node.log();
        format!("{:?} {:?} {}", self.node.status(), log.last_id(), self.node.has_ready())
    }

    /// The application writes, answers and applies as it should.
    fn carry_out(&mut self) {
        for _ in 0..20 {
            if self.is_dead || !self.node.has_ready() && self.answers.is_empty() {
                return;
            }
            for answer in std::mem::take(&mut self.answers) {
                self.input(|node| node.step(answer));
            }
            if self.is_dead {
                return;
            }
            let Ok(ready) = self.node.ready() else { return self.is_dead = true };
            if self.is_async {
                ready.messages.into_iter().for_each(|message| self.run_thread(message));
            } else {
                self.write(ready.hard_state, &ready.entries, ready.snapshot.as_ref());
                self.apply(&ready.committed_entries);
                self.input(Node::advance);
            }
        }
    }

    fn run_thread(&mut self, mut message: Message) {
        match message.to {
            APPEND_THREAD => {
                self.write(message.hard_state(), &message.entries, message.snapshot());
            }
            APPLY_THREAD => self.apply(&message.entries),
            _ => return,
        }
        let answers = message.take_responses();
        self.answers.extend(answers.into_iter().filter(|response| response.to == 1));
    }

    fn write(&mut self, state: Option<HardState>, entries: &[Entry], snapshot: Option<&Snapshot>) {
        let storage = self.node.storage_mut();
        if let Some(snapshot) = snapshot {
            match storage.apply_snapshot(snapshot.clone()) {
                Ok(()) | Err(StorageError::SnapOutOfDate) => {}
                Err(error) => panic!("{error}"),
            }
        }
        // Answers of storage threads that nobody gave may have led the node astray.
        if storage.append(entries).is_err() {
            self.is_dead = true;
        } else if let Some(state) = state {
            storage.set_hard_state(state);
        }
    }

    fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            // Bytes that are no change are the application's to refuse; it then makes none.
            let Ok(change) = AnyConfChange::of_entry(entry) else { continue };
            if let Err(Error::Fatal(_)) = self.node.apply_conf_change(change) {
                self.is_dead = true;
                return;
            }
        }
    }

    fn compact(&mut self) {
        let (applied, state) = (self.node.log().applied(), self.node.conf_state());
        let storage = self.node.storage_mut();
        if storage.create_snapshot(applied, Some(state), "state").is_ok() {
            storage.compact(applied).unwrap();
        }
    }

    fn some_id(&mut self) -> NodeId {
        const IDS: [NodeId; 13] =
            [0, 1, 2, 2, 2, 3, 3, 4, 5, 9, APPEND_THREAD, APPLY_THREAD, APPLY_THREAD - 1];
        IDS[self.dice.below(13) as usize]
    }

    /// A number from the edges of what the node has.
    fn some_number(&mut self) -> u64 {
        let log = self.node.log();
        let term = self.node.basic_status().hard_state.term;
        let (first, last, committed) =
            (log.first_index().unwrap(), log.last_index(), log.committed());
        let near = [term, first - 1, last, committed][self.dice.below(4) as usize];
        match self.dice.below(12) {
            0 => 0,
            1 => 1,
            2..=5 => near,
            6 => near + 1,
            7 => near.saturating_sub(1),
            8 => near + u64::from(self.dice.below(5)),
            9 => u64::MAX,
            10 => u64::MAX / 2 + u64::from(self.dice.below(2)),
            _ => u64::from(self.dice.below(20)),
        }
    }

    fn some_message(&mut self) -> Message {
        let msg_type = TYPES[self.dice.below(24) as usize];
        let status = self.node.basic_status().hard_state;
        let term = if self.dice.below(4) == 0 { self.some_number() } else { status.term };
        let contexts: [&[u8]; 4] = [b"", b"CampaignTransfer", &[0, 0, 0, 0, 0, 0, 0, 1], b"x"];
        let context = Bytes::from_static(match self.dice.below(4) {
            0 => contexts[1],
            1 => b"\0\0\0\0\0\0\0\x01",
            2 => b"x",
            _ => b"",
        });
        let index = self.some_number();
        let log_term = match self.node.log().term(index) {
            Ok(term) if self.dice.below(2) == 0 => term,
            _ => self.some_number(),
        };
        Message {
            msg_type,
            to: self.some_id(),
            from: self.some_id(),
            term,
            log_term,
            index,
            entries: self.some_entries(index, log_term, term).into(),
            commit: self.some_number(),
            reject: self.dice.below(2) == 0,
            reject_hint: self.some_number(),
            attachment: (self.dice.below(4) != 0).then(|| {
                Box::new(Attachment {
                    context,
                    snapshot: (self.dice.below(2) == 0).then(|| self.some_snapshot()),
                    vote: self.some_id(),
                    responses: Vec::new(),
                })
            }),
        }
    }

    /// Some that follow on the message's index, some that do not.
    fn some_entries(&mut self, index: u64, log_term: u64, term: u64) -> Vec<Entry> {
        let count = self.dice.below(4);
        let follows = self.dice.below(3) != 0;
        let entry = |offset: u32| {
            let (entry_type, data) = some_data(&mut self.dice);
            let index = index.wrapping_add(1 + u64::from(offset));
            let terms = [log_term, term];
            Entry { entry_type, term: terms[self.dice.below(2) as usize], index, data }
        };
        let mut entries: Vec<_> = (0..count).map(entry).collect();
        if !follows {
            for entry in &mut entries {
                entry.index = self.some_number();
                entry.term = self.some_number();
            }
        }
        entries
    }

    fn some_snapshot(&mut self) -> Snapshot {
        let (index, term) = (self.some_number(), self.some_number());
        let conf_state = some_conf_state(&mut self.dice);
        let metadata = SnapshotMetadata { conf_state, index, term };
        Snapshot { data: Bytes::from_static(b"\xff\x00"), metadata }
    }
}

fn some_config(dice: &mut Dice) -> Config {
    let mut bit = || dice.below(2) == 0;
    let mut config = Config {
        pre_vote: bit(),
        check_quorum: bit(),
        async_storage_writes: bit(),
        step_down_on_removal: bit(),
        disable_conf_change_validation: bit() && bit(),
        max_size_per_msg: if bit() { 0 } else { raft::NO_LIMIT },
        max_uncommitted_entries_size: if bit() { 0 } else { 10 },
        max_inflight_msgs: 2,
        election_tick: 3,
        ..Config::new(1)
    };
    if config.check_quorum && bit() {
        config.read_only_option = ReadOnlyOption::LeaseBased;
    }
    config
}

/// A log of a few terms, perhaps compacted, in one of several configurations.
fn some_storage(dice: &mut Dice) -> MemoryStorage {
    let joint = ConfState {
        voters: vec![1, 2],
        voters_outgoing: vec![1, 2, 3],
        learners: vec![4],
        learners_next: vec![3],
        auto_leave: dice.below(2) == 0,
    };
    let with_learner = ConfState { learners: vec![4], ..ConfState::of_voters([1, 2, 3]) };
    let as_learner = ConfState { learners: vec![1], ..ConfState::of_voters([2, 3]) };
    let states = [
        ConfState::of_voters([1]),
        ConfState::of_voters([1, 2]),
        ConfState::of_voters([1, 2, 3]),
        ConfState::of_voters([1, 2, 3, 4, 5]),
        joint,
        with_learner,
        as_learner,
        ConfState::default(),
    ];
    let state = states[dice.below(8) as usize].clone();
    let mut storage = MemoryStorage::with_conf_state(state);
    let count = u64::from(dice.below(8));
    let mut term = 1;
    for index in 1..=count {
        term += u64::from(dice.below(3) / 2);
        storage.append([Entry { term, index, ..Entry::normal("entry") }]).unwrap();
    }
    let commit = u64::from(dice.below(8)).min(count);
    storage.set_hard_state(HardState { term, vote: u64::from(dice.below(4)), commit });
    if commit > 0 && dice.below(2) == 0 {
        storage.create_snapshot(commit, None, "state").unwrap();
        storage.compact(commit).unwrap();
    }
    storage
}

fn some_change(dice: &mut Dice) -> AnyConfChange {
    const IDS: [NodeId; 8] = [0, 1, 2, 3, 4, 9, APPEND_THREAD, APPLY_THREAD - 1];
    let mut single = || {
        let change_type = match dice.below(4) {
            0 => ConfChangeType::AddNode,
            1 => ConfChangeType::RemoveNode,
            2 => ConfChangeType::UpdateNode,
            _ => ConfChangeType::AddLearnerNode,
        };
        ConfChangeSingle { change_type, node_id: IDS[dice.below(8) as usize] }
    };
    let ConfChangeSingle { change_type, node_id } = single();
    let changes: Vec<_> = (0..3).map(|_| single()).collect();
    match dice.below(5) {
        0 => ConfChangeV2::default().into(),
        1 => ConfChangeV2 { changes: changes[..1].to_vec(), ..ConfChangeV2::default() }.into(),
        2 => {
            let transition = ConfChangeTransition::JointExplicit;
            ConfChangeV2 { transition, changes, ..ConfChangeV2::default() }.into()
        }
        3 => {
            let changes = vec![changes[0]; 2000];
            ConfChangeV2 { changes, ..ConfChangeV2::default() }.into()
        }
        _ => ConfChange { change_type, node_id, ..ConfChange::default() }.into(),
    }
}

/// An entry's type and data: what it should be, or not.
fn some_data(dice: &mut Dice) -> (EntryType, Bytes) {
    let types = [EntryType::Normal, EntryType::ConfChange, EntryType::ConfChangeV2];
    match dice.below(4) {
        0 => (EntryType::Normal, Bytes::from_static(b"data")),
        1 => {
            let change = some_change(dice);
            (change.entry_type(), change.encode())
        }
        _ => {
            let bytes: Vec<_> =
                (0..dice.below(12)).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
            (types[dice.below(3) as usize], bytes.into())
        }
    }
}

/// Configurations that could be, and some that could not.
fn some_conf_state(dice: &mut Dice) -> ConfState {
    let mut ids = |most: u32| -> Vec<NodeId> {
        const IDS: [NodeId; 10] = [0, 1, 1, 2, 3, 4, 5, 9, APPLY_THREAD, APPLY_THREAD - 1];
        (0..dice.below(most)).map(|_| IDS[dice.below(10) as usize]).collect()
    };
    let (voters, learners) = (ids(5), ids(3));
    let (voters_outgoing, learners_next) = (ids(4), ids(2));
    match dice.below(6) {
        0 => ConfState::default(),
        1 => ConfState::of_voters([1, 2, 3]),
        2 => ConfState { learners: vec![1], ..ConfState::of_voters([2, 3]) },
        3 => ConfState::of_voters((1..=5000).collect::<Vec<_>>()),
        4 => ConfState { learners, ..ConfState::of_voters(voters) },
        _ => {
            let auto_leave = dice.below(2) == 0;
            ConfState { voters, learners, voters_outgoing, learners_next, auto_leave }
        }
    }
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("HOSTILE") else { return 0..1000 };
    let (from, to) = text.split_once("..").expect("HOSTILE=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn no_message_makes_a_node_panic() {
    let (mut led, mut died) = (0, 0);
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let run = || {
            let mut victim = Victim::new(seed);
            led += u64::from(victim.is_leader());
            for _ in 0..60 {
                if !victim.is_dead {
                    victim.act();
                }
            }
            died += u64::from(victim.is_dead);
        };
        assert!(catch_unwind(AssertUnwindSafe(run)).is_ok(), "seed {seed}");
    }
    assert!(led * 5 > count, "leaders were among them: {led} of {count}");
    assert!(died * 20 > count && died < count, "some could not go on: {died} of {count}");
}

/// What most messages are takes a shorter way through the core. An attachment with nothing in it
/// makes a message take the long one.
#[test]
fn routine_messages_fare_as_they_would_on_the_long_way() {
    const ROUTINE: [MessageType; 4] = [
        MessageType::App,
        MessageType::AppResp,
        MessageType::Heartbeat,
        MessageType::HeartbeatResp,
    ];
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..100 {
        let mut victim = Victim::new(seed);
        for round in 0..40 {
            if victim.is_dead {
                break;
            }
            let msg_type = ROUTINE[round % 4];
            let short = Message { msg_type, attachment: None, ..victim.some_message() };
            let long = Message { attachment: Some(Box::default()), ..short.clone() };
            let (mut one, mut other) = (victim.node.clone(), victim.node.clone());
            let results = (one.step(short.clone()), other.step(long));
            assert_eq!(results.0, results.1, "seed {seed}: {short:?}");
            assert_eq!(format!("{one:?}"), format!("{other:?}"), "seed {seed}: {short:?}");
            taken += u64::from(results.0.is_ok());
            refused += u64::from(results.0.is_err());
            victim.act();
        }
    }
    assert!(taken > 300 && refused > 300, "both were among them: {taken}, {refused}");
}

fn refusal(node: &mut Node, message: &Message) -> Error {
    node.step(message.clone()).expect_err(&format!("{message:?} is refused"))
}

fn three() -> Node {
    let storage = MemoryStorage::with_conf_state(ConfState::of_voters([1, 2, 3]));
    RawNode::new(Config::new(1), storage, Dice::new(1)).unwrap()
}

#[test]
fn messages_of_nobody_and_of_the_node_itself_are_refused() {
    let mut node = three();
    for msg_type in [
        MessageType::App,
        MessageType::Heartbeat,
        MessageType::Snap,
        MessageType::Vote,
        MessageType::PreVote,
        MessageType::TimeoutNow,
    ] {
        for from in [0, 1] {
            let message = Message { from, to: 1, term: 1, ..Message::new(msg_type) };
            let error = refusal(&mut node, &message);
            assert!(matches!(error, Error::InvalidMessage(_)), "{msg_type} of {from}: {error}");
        }
    }
    let vote = Message { from: 1, to: 1, term: 1, ..Message::new(MessageType::VoteResp) };
    assert!(
        matches!(refusal(&mut node, &vote), Error::InvalidMessage(_)),
        "nothing waits to be written"
    );
    assert_eq!(node.basic_status().hard_state, HardState::default(), "nothing changed");
}

#[test]
fn answers_of_storage_threads_are_refused_without_asynchronous_writes() {
    let mut node = three();
    for (from, msg_type) in [
        (APPEND_THREAD, MessageType::StorageAppendResp),
        (APPLY_THREAD, MessageType::StorageApplyResp),
        (APPEND_THREAD, MessageType::App),
        (2, MessageType::StorageAppendResp),
        (2, MessageType::Hup),
    ] {
        let message = Message { from, to: 1, term: 1, ..Message::new(msg_type) };
        assert_eq!(refusal(&mut node, &message), Error::StepLocalMsg, "{msg_type} of {from}");
    }
}

#[test]
fn only_answers_come_from_storage_threads() {
    let storage = MemoryStorage::with_conf_state(ConfState::of_voters([1, 2, 3]));
    let config = Config { async_storage_writes: true, ..Config::new(1) };
    let mut node = RawNode::new(config, storage, Dice::new(1)).unwrap();
    let message = Message { from: APPEND_THREAD, to: 1, term: 1, ..Message::new(MessageType::App) };
    assert_eq!(refusal(&mut node, &message), Error::StepLocalMsg, "an append");
    let answer =
        Message { from: APPLY_THREAD, to: 1, ..Message::new(MessageType::StorageApplyResp) };
    node.step(answer).unwrap();
    let rejected =
        Message { from: 1, to: 1, term: 1, reject: true, ..Message::new(MessageType::AppResp) };
    assert!(
        matches!(refusal(&mut node, &rejected), Error::InvalidMessage(_)),
        "nobody refuses himself"
    );
}

#[test]
fn changes_that_could_never_be_made_are_refused_when_they_are_proposed() {
    let storage = MemoryStorage::with_conf_state(ConfState::of_voters([1]));
    let mut node = RawNode::new(Config::new(1), storage, Dice::new(1)).unwrap();
    node.campaign().unwrap();
    while node.has_ready() {
        let ready = node.ready().unwrap();
        node.storage_mut().append(&ready.entries).unwrap();
        node.advance().unwrap();
    }
    let last = node.log().last_index();
    let single = |node_id| ConfChangeSingle { change_type: ConfChangeType::AddNode, node_id };
    let of = |changes| ConfChangeV2 { changes, ..ConfChangeV2::default() };
    for change in [of(vec![single(APPEND_THREAD)]), of(vec![single(2); 2000])] {
        let refused = node.propose_conf_change(change);
        assert!(matches!(refused, Err(Error::InvalidMessage(_))), "{refused:?}");
    }
    let data = Bytes::from_static(b"\xff");
    let entries = vec![Entry { entry_type: EntryType::ConfChange, data, ..Entry::default() }];
    let proposal =
        Message { from: 9, to: 1, entries: entries.into(), ..Message::new(MessageType::Prop) };
    assert!(matches!(refusal(&mut node, &proposal), Error::InvalidMessage(_)), "no change at all");
    assert_eq!(node.log().last_index(), last, "nothing was appended");
}

#[test]
fn options_that_would_overflow_are_refused() {
    let storage = || MemoryStorage::with_conf_state(ConfState::of_voters([1]));
    let with = |election_tick| {
        let config = Config { election_tick, ..Config::new(1) };
        RawNode::new(config, storage(), Dice::new(1)).map(drop)
    };
    assert!(matches!(with(u32::MAX), Err(Error::Config(_))), "its double is no number");
    assert_eq!(with(u32::MAX / 2), Ok(()), "this one is");
}
