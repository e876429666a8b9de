//! Whole sessions on the host: played, cut off anywhere, revived from what the store has.

use std::collections::{BTreeMap, VecDeque};

use sim::link::Link;
use sim::scenario::Scenario;
use sim::view::{Condition, View};
use sim::world::World;

use super::keeper::Keeper;
use super::revive::revive;
use super::run::Run;
use super::session::{Output, Session};
use crate::protocol::{
    Answer, Command, Event, Frame, MemoryReason, Refusal, RequestId, Speed, StorageStatus,
};
use crate::store::layout::Store;
use crate::store::shelf::Shelf;
use crate::store::{Backlog, Key, Slice, StoreError};

const SCENARIO: &str = "cluster etcd nodes=3 seed=7 tick=20ms\n";
const TURN_NS: u64 = 12_000_000;

/// A tab: a session, its store, and what the visitor saw.
struct Tab {
    session: Session,
    shelf: Shelf,
    pending: VecDeque<(Slice, u32)>,
    real_ns: u64,
    replies: BTreeMap<RequestId, Result<Answer, Refusal>>,
    statuses: Vec<StorageStatus>,
    acknowledged_shown: u64,
    next_id: RequestId,
}

impl Tab {
    fn fresh(scenario: &str) -> Tab {
        let scenario = Scenario::parse(scenario).expect("well-formed");
        let world = World::of_scenario(&scenario);
        let keeper = Keeper::new(Backlog::fresh(0, world.spec().nodes), &world);
        Tab::of(Session::kept(Run::new(world, true), keeper), Shelf::default())
    }

    fn of(session: Session, shelf: Shelf) -> Tab {
        let mut tab = Tab {
            session,
            shelf,
            pending: VecDeque::new(),
            real_ns: 1,
            replies: BTreeMap::new(),
            statuses: Vec::new(),
            acknowledged_shown: 0,
            next_id: 1,
        };
        tab.command(Command::Play { speed: Some(Speed { num: 1, den: 1 }) });
        tab
    }

    /// The next visit, from what the store has.
    fn reopened(shelf: Shelf) -> Tab {
        let revived = revive(shelf.read()).expect("the session goes on");
        Tab::of(Session::kept(Run::new(revived.world, true), revived.keeper), shelf)
    }

    fn command(&mut self, command: Command) {
        assert_eq!(self.session.command(command), None, "it is about this session");
        self.hear();
    }

    fn ask(&mut self, command: impl FnOnce(RequestId) -> Command) -> RequestId {
        let id = self.next_id;
        self.next_id += 1;
        self.command(command(id));
        id
    }

    fn console(&mut self, line: &str) -> RequestId {
        self.ask(|id| Command::Console { id, at: None, line: line.to_string(), drive: true })
    }

    fn turn(&mut self) {
        self.real_ns += TURN_NS;
        self.session.turn(self.real_ns, &mut || false);
        self.hear();
    }

    fn complete_one(&mut self) {
        if let Some((slice, attempt)) = self.pending.pop_front() {
            self.shelf.commit(&slice);
            self.session.slice_ended(slice.number, attempt, Ok(()));
            self.hear();
        }
    }

    fn refuse_one(&mut self, error: StoreError) {
        let (slice, attempt) = self.pending.pop_front().expect("a slice is in flight");
        self.session.slice_ended(slice.number, attempt, Err(error));
        self.hear();
    }

    fn play(&mut self, turns: u32) {
        for _ in 0..turns {
            self.turn();
            self.complete_one();
        }
    }

    fn answer(&mut self, id: RequestId) -> Result<Answer, Refusal> {
        for _ in 0..2_000 {
            if let Some(result) = self.replies.get(&id) {
                return result.clone();
            }
            self.play(1);
        }
        panic!("request {id} was never answered");
    }

    fn output(&mut self, line: &str) -> String {
        let id = self.console(line);
        match self.answer(id) {
            Ok(Answer::Console(answer)) => answer.error.unwrap_or(answer.output),
            other => panic!("{line}: {other:?}"),
        }
    }

    fn hear(&mut self) {
        for output in self.session.take_outputs() {
            match output {
                Output::Say(Event::Reply { id, result }) => {
                    let before = self.replies.insert(id, result);
                    assert_eq!(before, None, "one reply a command");
                }
                Output::Say(Event::Storage(status)) => self.statuses.push(status),
                Output::Say(other) => panic!("a session does not say {other:?}"),
                Output::Show(bytes) => {
                    let frame = Frame::<View>::decode(&bytes).expect("of this build");
                    self.acknowledged_shown = frame.view.cluster.clients.acknowledged;
                }
                Output::Write { slice, attempt } => self.pending.push_back((slice, attempt)),
            }
        }
    }

    fn fingerprint_by_replay(&mut self) -> (String, String) {
        let id = self.ask(|id| Command::Link { id });
        let link = match self.answer(id) {
            Ok(Answer::Link(link)) => link,
            other => panic!("there should be a link: {other:?}"),
        };
        let link = Link::decode(&link).expect("our own link");
        let mut world = World::of_scenario(&link.scenario);
        world.run_to_event(link.moment);
        let shared = format!("{:016x}", link.fingerprint.expect("a link carries one"));
        (shared, format!("{:016x}", world.fingerprint()))
    }
}

#[test]
fn a_put_is_answered_and_read_back() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    assert_eq!(tab.output("put greeting hello"), "OK");
    assert_eq!(tab.output("get greeting"), "greeting\nhello");
}

#[test]
fn nothing_is_shown_as_acknowledged_before_its_slice_completed() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    let id = tab.console("put greeting hello");
    for _ in 0..60 {
        tab.turn();
    }
    assert_eq!(tab.session.run().world().operations().acknowledged, 1, "the cluster did it");
    assert!(!tab.replies.contains_key(&id), "but nobody may know");
    assert_eq!(tab.acknowledged_shown, 0, "and no picture shows it");
    tab.play(4);
    assert!(tab.replies.contains_key(&id), "its slice completed");
    assert_eq!(tab.acknowledged_shown, 1, "and the picture shows it");
}

/// Kills the tab again and again under load, with slices ending whenever they like.
fn survive(seed: u64, lose_actions: bool) {
    let mut dice = seed;
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    let mut tab = Tab::fresh(SCENARIO);
    tab.command(Command::Play { speed: Some(Speed { num: 1, den: 2 }) });
    tab.play(60);
    tab.console("load put key=load/{0..9} value=64B rate=100/s");
    let mut acknowledged = Vec::new();
    for life in 0..6 {
        let mut asked = Vec::new();
        for put in 0..40 {
            let line = format!("put key/{life}/{put} value-{life}-{put}");
            asked.push((tab.console(&line), life, put));
            for _ in 0..roll(12) {
                tab.turn();
                if roll(3) == 0 {
                    tab.complete_one();
                }
            }
        }
        let is_known = |id| matches!(tab.replies.get(id), Some(Ok(Answer::Console(a))) if a.ok);
        acknowledged.extend(asked.iter().filter(|(id, ..)| is_known(id)).map(|(_, a, b)| (*a, *b)));
        // The tab dies here; slices on their way may or may not have arrived.
        for _ in 0..roll(3) {
            if let Some((slice, _)) = tab.pending.pop_front() {
                tab.shelf.commit(&slice);
            }
        }
        if lose_actions {
            tab.shelf.records.retain(|key, _| key.store() != Store::Actions);
        }
        tab = Tab::reopened(tab.shelf);
        tab.play(100);
    }
    assert!(acknowledged.len() > 50, "seed {seed}: only {} puts came through", acknowledged.len());
    for (life, put) in acknowledged {
        let found = tab.output(&format!("get key/{life}/{put}"));
        let expected = format!("key/{life}/{put}\nvalue-{life}-{put}");
        assert_eq!(found, expected, "seed {seed}: an acknowledged put");
    }
    if lose_actions {
        let id = tab.ask(|id| Command::Link { id });
        assert!(matches!(tab.answer(id), Err(Refusal::NotPossible { .. })), "there is no link");
    } else {
        let (shared, replayed) = tab.fingerprint_by_replay();
        assert_eq!(shared, replayed, "seed {seed}: replay from the start is the same run");
    }
}

#[test]
fn every_acknowledged_put_survives_a_killed_tab() {
    (1..=3).for_each(|seed| survive(seed, false));
}

#[test]
fn every_acknowledged_put_survives_a_killed_tab_without_its_actions() {
    survive(5, true);
}

#[test]
fn a_damaged_wal_page_stops_its_server_and_no_other() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    for put in 0..40 {
        tab.output(&format!("put key/{put} {}", "x".repeat(500)));
    }
    tab.play(400);
    // A checkpoint has put every page in place by now or at the next opening.
    let mut tab = Tab::reopened(tab.shelf);
    tab.play(100);
    let mut shelf = tab.shelf;
    let largest = shelf
        .records
        .iter()
        .filter(|(key, _)| matches!(key, Key::Page(at) if at.node == 1 && at.page == 1))
        .max_by_key(|(_, record)| record.len())
        .map(|(key, _)| *key)
        .expect("n2 has a second page of its log");
    shelf.records.get_mut(&largest).expect("there")[1_000] ^= 0x40;

    let revived = revive(shelf.read()).expect("the session goes on");
    assert_eq!(revived.recovery.damaged.len(), 1, "{:?}", revived.recovery.damaged);
    assert!(revived.recovery.damaged[0].starts_with("n2: pages [1, "), "{:?}", revived.recovery);
    let mut tab = Tab::reopened(shelf);
    tab.play(150);
    let state = tab.session.run().state();
    let fatal = state.nodes[1].fatal.clone().expect("n2 says so");
    assert!(fatal.contains("crc") || fatal.contains("wal"), "{fatal}");
    assert!(state.nodes[0].up && state.nodes[2].up, "the others go on: {state:?}");
    assert_eq!(tab.output("get key/7"), format!("key/7\n{}", "x".repeat(500)));
}

/// The file of a server's first log segment.
fn log_file(session: &Session, node: usize) -> u32 {
    let disk = &session.run().world().machines()[node].disk;
    let path = "/var/lib/etcd/member/wal/0000000000000000-0000000000000000.wal";
    disk.open(path).expect("there is a log").0
}

#[test]
fn a_lost_page_of_the_log_stops_its_server_too() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    for put in 0..40 {
        tab.output(&format!("put key/{put} {}", "x".repeat(500)));
    }
    let mut tab = Tab::reopened(tab.shelf);
    tab.play(100);
    let log = log_file(&tab.session, 2);
    let is_second =
        |key: &Key| matches!(key, Key::Page(at) if at.node == 2 && at.file == log && at.page == 1);
    let mut shelf = tab.shelf;
    let lost = *shelf.records.keys().find(|key| is_second(key)).expect("there");
    shelf.records.remove(&lost);
    let mut tab = Tab::reopened(shelf);
    tab.play(150);
    let state = tab.session.run().state();
    assert!(state.nodes[2].fatal.is_some(), "{state:?}");
    assert!(state.nodes[0].up && state.nodes[1].up, "the others go on: {state:?}");
}

#[test]
fn a_full_store_stops_the_world_until_the_visitor_chooses() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    let id = tab.console("put greeting hello");
    while tab.pending.is_empty() {
        tab.turn();
    }
    tab.refuse_one(StoreError::Full { message: "no room".to_string() });
    assert!(matches!(tab.statuses.last(), Some(StorageStatus::Full { .. })), "it says so");
    let event = tab.session.run().world().event();
    tab.play(100);
    assert_eq!(tab.session.run().world().event(), event, "time stands still");
    assert!(!tab.replies.contains_key(&id), "and nothing is acknowledged");

    tab.command(Command::Play { speed: None });
    assert!(
        matches!(tab.statuses.last(), Some(StorageStatus::Persistent { .. })),
        "it tries again"
    );
    assert!(tab.answer(id).is_ok(), "with room, all is well");
}

#[test]
fn a_full_store_can_be_left_behind() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    let id = tab.console("put greeting hello");
    while tab.pending.is_empty() {
        tab.turn();
    }
    tab.refuse_one(StoreError::Full { message: "no room".to_string() });
    tab.command(Command::ContinueInMemory);
    let why = MemoryReason::Chosen;
    assert_eq!(tab.statuses.last(), Some(&StorageStatus::InMemory { why }));
    assert!(tab.answer(id).is_ok(), "in memory nothing waits");
    let id = tab.ask(|id| Command::Flushed { id });
    assert!(tab.answer(id).is_err(), "and nothing is ever flushed");
}

#[test]
fn a_writer_that_lost_goes_on_in_memory_and_says_so() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    tab.console("put greeting hello");
    while tab.pending.is_empty() {
        tab.turn();
    }
    tab.refuse_one(StoreError::Lost { ours: 1, theirs: 2 });
    let why = MemoryReason::TakenOver;
    assert_eq!(tab.statuses.last(), Some(&StorageStatus::InMemory { why }));
    tab.pending.clear();
    tab.play(200);
    assert!(tab.pending.is_empty(), "it writes no more");
}

#[test]
fn a_slice_that_the_browser_aborts_is_tried_again() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    let id = tab.console("put greeting hello");
    while tab.pending.len() < 2 {
        tab.turn();
    }
    tab.refuse_one(StoreError::Aborted { message: "a whim".to_string() });
    // The one behind it fails along with it, and that is no news.
    tab.refuse_one(StoreError::OutOfOrder { expected: 9, found: 8 });
    assert!(tab.answer(id).is_ok(), "the next one holds it all");
    let mut tab = Tab::reopened(tab.shelf);
    tab.play(100);
    assert_eq!(tab.output("get greeting"), "greeting\nhello");
}

#[test]
fn a_store_that_does_not_answer_makes_the_world_wait() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    for _ in 0..300 {
        tab.turn();
    }
    let event = tab.session.run().world().event();
    for _ in 0..100 {
        tab.turn();
    }
    assert_eq!(tab.session.run().world().event(), event, "it waits");
    let stalled =
        matches!(tab.statuses.last(), Some(StorageStatus::Persistent { stalled: true, .. }));
    assert!(stalled, "and says so: {:?}", tab.statuses.last());
    tab.play(20);
    assert!(tab.session.run().world().event() > event, "until the store is back");
}

#[test]
fn flushed_means_that_the_store_has_it_all() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(100);
    let id = tab.ask(|id| Command::Flushed { id });
    let event = tab.session.run().world().event();
    assert_eq!(tab.answer(id), Ok(Answer::Done));
    assert!(tab.shelf.read().head.event >= event, "the store knows this moment");
}

#[test]
fn a_paused_session_comes_to_rest() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    tab.command(Command::Pause);
    tab.play(4);
    assert!(!tab.session.is_busy(), "nothing is left to do");
    assert_eq!(tab.shelf.read().head.event, tab.session.run().world().event());
}

#[test]
fn a_paused_world_runs_as_far_as_an_answer_needs() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    tab.command(Command::Pause);
    assert_eq!(tab.output("put greeting hello"), "OK");
    let event = tab.session.run().world().event();
    tab.play(100);
    assert_eq!(tab.session.run().world().event(), event, "and stands still again");
}

#[test]
fn a_crash_while_time_stands_takes_place_at_once() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(60);
    tab.command(Command::Pause);
    let now_ns = tab.session.run().world().now_ns();
    let id = tab.ask(|id| Command::Perform { id, line: "crash n1".to_string() });
    tab.turn();
    let cluster = sim::view::Viewer::new()
        .view(tab.session.run().world(), &sim::view::Query::default())
        .cluster;
    assert_eq!(cluster.nodes[0].condition, Condition::Down);
    assert_eq!(cluster.now_ns, now_ns + 1, "a nanosecond later");
    assert_eq!(tab.answer(id), Ok(Answer::Done));
}

#[test]
fn steps_and_seeks_end_where_they_should() {
    let mut tab = Tab::fresh(SCENARIO);
    tab.play(20);
    tab.command(Command::Pause);
    let event = tab.session.run().world().event();
    let id = tab.ask(|id| Command::Step { id, count: 3 });
    assert_eq!(tab.answer(id), Ok(Answer::Done));
    assert!(tab.session.run().world().event() >= event + 3, "at least so far");
    let id = tab.ask(|id| Command::Seek { id, event: event + 500 });
    assert_eq!(tab.answer(id), Ok(Answer::Done));
    let id = tab.ask(|id| Command::Seek { id, event: 1 });
    assert!(matches!(tab.answer(id), Err(Refusal::NotThereYet { .. })), "not back");
}

#[test]
fn a_line_that_makes_no_sense_names_the_place() {
    let mut tab = Tab::fresh(SCENARIO);
    let id = tab.console("put greeting hello --frobnicate");
    match tab.answer(id) {
        Err(Refusal::Syntax { line: 1, column, .. }) => assert!(column > 1, "column {column}"),
        other => panic!("{other:?}"),
    }
}
