//! The worker in its browser: messages in, timers, lock and database; messages out.
//!
//! One thing at a time: while a session is being opened or closed, commands wait in their order.
//! All decisions are [`Session`]'s; this only carries them out.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::{Array, Promise, Uint8Array};
use sim::link::{Link, LinkError};
use sim::scenario::Scenario;
use sim::world::World;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use super::keeper::Keeper;
use super::revive::revive;
use super::run::{Run, syntax};
use super::session::{Output, Session};
use crate::bridge::to_js;
use crate::protocol::{
    Answer, Command, Event, MemoryReason, Opening, Refusal, RequestId, Selection, StorageStatus,
};
use crate::store::database::{DATABASE, Database, Durability};
use crate::store::lock::{Ask, Lock, SESSION, acquire};
use crate::store::{Backlog, Slice, StoreError, Stored, Writer};

/// What a new visitor sees.
const FIRST_LIGHT: &str = include_str!("../../../../www/scenarios/welcome.scn");
/// Time between turns, milliseconds.
const TURN_MS: i32 = 12;
/// How long a turn may take, milliseconds.
const PATIENCE_MS: f64 = 10.0;
/// A tab that was just reloaded still holds its lock for a moment.
const LOCK_TRIES: u32 = 20;
const LOCK_EVERY_MS: i32 = 75;
/// Later moments of a link are refused: replaying so many events would take minutes.
const MOMENT_MAX: u64 = 20_000_000;
/// Real time between two renewals of the link that a panic leaves behind, milliseconds.
const LIFELINE_EVERY_MS: f64 = 1_000.0;

thread_local! {
    /// The link that a panic leaves behind.
    static LIFELINE: RefCell<Option<String>> = const { RefCell::new(None) };
    /// After a panic nothing here can be trusted any more.
    static IS_DEAD: Cell<bool> = const { Cell::new(false) };
}

/// Starts the worker.
pub fn start() {
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
    report_panics(&scope);
    Shell::start(scope);
}

fn report_panics(scope: &DedicatedWorkerGlobalScope) {
    let scope = scope.clone();
    std::panic::set_hook(Box::new(move |panic| {
        console_error_panic_hook::hook(panic);
        if !IS_DEAD.replace(true) {
            let link = LIFELINE.try_with(|link| link.try_borrow().ok()?.clone()).ok().flatten();
            say(&scope, &Event::Panicked { message: panic.to_string(), link });
        }
    }));
}

struct Store {
    database: Database,
    epoch: u64,
    _lock: Lock,
}

struct Shell {
    scope: DedicatedWorkerGlobalScope,
    session: RefCell<Option<Session>>,
    store: RefCell<Option<Store>>,
    commands: RefCell<VecDeque<Command>>,
    selection: RefCell<Selection>,
    is_changing: Cell<bool>,
    is_timed: Cell<bool>,
    renewed_ms: Cell<f64>,
    tick: RefCell<Option<Closure<dyn FnMut()>>>,
}

impl Shell {
    fn start(scope: DedicatedWorkerGlobalScope) {
        let shell = Rc::new(Self {
            scope,
            session: RefCell::default(),
            store: RefCell::default(),
            commands: RefCell::default(),
            selection: RefCell::default(),
            is_changing: Cell::new(false),
            is_timed: Cell::new(false),
            renewed_ms: Cell::new(0.0),
            tick: RefCell::default(),
        });
        let hear = Closure::<dyn FnMut(MessageEvent)>::new({
            let shell = Rc::clone(&shell);
            move |event: MessageEvent| shell.hear(&event.data())
        });
        shell.scope.set_onmessage(Some(hear.into_js_value().unchecked_ref()));
        let tick = Closure::<dyn FnMut()>::new({
            let shell = Rc::clone(&shell);
            move || shell.tick()
        });
        *shell.tick.borrow_mut() = Some(tick);
        shell.say(&Event::Ready { version: env!("CARGO_PKG_VERSION").to_string() });
    }

    // ---- messages ----

    fn hear(self: &Rc<Self>, data: &JsValue) {
        if IS_DEAD.get() {
            return;
        }
        let command = serde_wasm_bindgen::from_value(data.clone());
        self.commands.borrow_mut().push_back(command.expect("page and worker are of one build"));
        self.take_commands();
    }

    fn say(&self, event: &Event) {
        say(&self.scope, event);
    }

    fn reply(&self, id: RequestId, result: Result<Answer, Refusal>) {
        self.say(&Event::Reply { id, result });
    }

    fn show(&self, frame: &[u8]) {
        let buffer = Uint8Array::from(frame).buffer();
        let sent = self.scope.post_message_with_transfer(&buffer, &Array::of1(&buffer));
        sent.expect("a buffer of our own can be transferred");
    }

    fn take_commands(self: &Rc<Self>) {
        while !self.is_changing.get() {
            let Some(command) = self.commands.borrow_mut().pop_front() else { break };
            self.obey(command);
        }
        self.carry_out();
    }

    fn obey(self: &Rc<Self>, command: Command) {
        if let Command::Select(selection) = &command {
            self.selection.borrow_mut().clone_from(selection);
        }
        let left = match self.session.borrow_mut().as_mut() {
            Some(session) => session.command(command),
            None => Some(command),
        };
        if let Some(command) = left {
            self.is_changing.set(true);
            let shell = Rc::clone(self);
            spawn_local(async move {
                shell.change(command).await;
                shell.is_changing.set(false);
                shell.take_commands();
            });
        }
    }

    /// Commands that bring another session onto the stage.
    async fn change(self: &Rc<Self>, command: Command) {
        match command {
            Command::Hello { link } => self.hello(link).await,
            Command::Load { id, text } => {
                let loaded = self.load(&text).await;
                self.reply(id, loaded.map(|()| Answer::Done));
            }
            Command::Reset { id } => {
                let fresh = self.reset().await;
                self.reply(id, fresh.map(|()| Answer::Done));
            }
            Command::Return { id } => {
                self.close().await;
                self.open_stored(Ask::IfAvailable).await;
                self.reply(id, Ok(Answer::Done));
            }
            Command::TakeOver => {
                self.close().await;
                self.open_stored(Ask::Steal).await;
            }
            Command::ContinueInMemory => {
                let run = Run::new(first_light(), true);
                self.stage(Session::in_memory(run, MemoryReason::Chosen), Opening::Fresh);
            }
            Command::Console { id, .. }
            | Command::Perform { id, .. }
            | Command::Step { id, .. }
            | Command::Seek { id, .. }
            | Command::Link { id }
            | Command::Flushed { id }
            | Command::State { id }
            | Command::Fingerprint { id } => {
                let message = "no session is open".to_string();
                self.reply(id, Err(Refusal::NotPossible { message }));
            }
            Command::Play { .. } | Command::Pause | Command::Select(_) => {}
        }
    }

    // ---- sessions come and go ----

    async fn hello(self: &Rc<Self>, link: Option<String>) {
        if let Some(link) = link.filter(|link| link.len() > 1) {
            match read_link(&link) {
                Ok(link) => return self.visit(&link).await,
                Err(error) => {
                    let message = error.to_string();
                    self.say(&Event::Opened(Opening::LinkRefused { message }));
                }
            }
        }
        self.open_stored(Ask::IfAvailable).await;
    }

    async fn load(self: &Rc<Self>, text: &str) -> Result<(), Refusal> {
        let is_link = text.contains('#') && !text.trim().contains(char::is_whitespace);
        if is_link {
            let link = read_link(text.trim())
                .map_err(|error| Refusal::Link { message: error.to_string() })?;
            self.close().await;
            self.visit(&link).await;
        } else {
            let scenario = Scenario::parse(text).map_err(|error| syntax(&error))?;
            self.close().await;
            let run = Run::new(World::of_scenario(&scenario), false);
            self.stage(Session::in_memory(run, MemoryReason::Visiting), Opening::Scenario);
        }
        Ok(())
    }

    /// A link's run, paused at its moment; the stored session is not touched.
    async fn visit(self: &Rc<Self>, link: &Link) {
        let mut run = Run::new(World::of_scenario(&link.scenario), false);
        run.travel(None, link.moment);
        let session = Session::in_memory(run, MemoryReason::Visiting);
        *self.session.borrow_mut() = Some(session);
        while self.is_travelling() {
            self.turn();
            pause(0).await;
        }
        let found =
            self.session.borrow().as_ref().map(|session| session.run().world().fingerprint());
        let differs = link.fingerprint.is_some_and(|shared| Some(shared) != found);
        self.staged(Opening::Link { differs });
    }

    fn is_travelling(&self) -> bool {
        self.session.borrow().as_ref().is_some_and(|session| session.run().is_travelling())
    }

    async fn open_stored(self: &Rc<Self>, ask: Ask) {
        match self.stored_session(ask).await {
            Ok((session, opening)) => self.stage(session, opening),
            Err(status) => {
                self.store.take();
                self.session.take();
                self.say(&Event::Storage(status));
                self.say(&Event::Opened(Opening::Waiting));
            }
        }
    }

    async fn stored_session(
        self: &Rc<Self>,
        ask: Ask,
    ) -> Result<(Session, Opening), StorageStatus> {
        let (database, lock) = self.open_database(ask).await?;
        let (writer, records) = database.claim().await.map_err(in_words)?;
        let stored = Stored::from_records(&records).map_err(|damage| in_words(damage.into()))?;
        drop(records);
        let staged = match stored {
            None => (fresh_session(writer), Opening::Fresh),
            Some(stored) => {
                let damaged = |error: super::revive::ReviveError| StorageStatus::Damaged {
                    message: error.to_string(),
                };
                let revived = revive(stored).map_err(damaged)?;
                let session = Session::kept(Run::new(revived.world, true), revived.keeper);
                (session, Opening::Recovered(revived.recovery))
            }
        };
        *self.store.borrow_mut() = Some(Store { database, epoch: writer.epoch, _lock: lock });
        Ok(staged)
    }

    async fn reset(self: &Rc<Self>) -> Result<(), Refusal> {
        self.discard();
        let outcome = self.wiped().await;
        match outcome {
            Ok(session) => {
                self.stage(session, Opening::Fresh);
                Ok(())
            }
            Err(status) => {
                let message = format!("the stored session could not be forgotten: {status:?}");
                self.say(&Event::Storage(status));
                self.say(&Event::Opened(Opening::Waiting));
                Err(Refusal::Storage { message })
            }
        }
    }

    async fn wiped(self: &Rc<Self>) -> Result<Session, StorageStatus> {
        let (database, lock) = self.open_database(Ask::IfAvailable).await?;
        let writer = database.wipe().await.map_err(in_words)?;
        *self.store.borrow_mut() = Some(Store { database, epoch: writer.epoch, _lock: lock });
        Ok(fresh_session(writer))
    }

    async fn open_database(self: &Rc<Self>, ask: Ask) -> Result<(Database, Lock), StorageStatus> {
        let lock = self.lock(ask).await.ok_or(StorageStatus::HeldByOtherTab)?;
        let database = Database::open(DATABASE, Durability::Relaxed).await.map_err(in_words)?;
        Ok((database, lock))
    }

    async fn lock(self: &Rc<Self>, ask: Ask) -> Option<Lock> {
        for _ in 0..LOCK_TRIES {
            let shell = Rc::clone(self);
            if let Some(lock) = acquire(SESSION, ask, move || shell.taken_over()).await {
                return Some(lock);
            }
            pause(LOCK_EVERY_MS).await;
        }
        None
    }

    /// Another tab took the lock.
    fn taken_over(self: &Rc<Self>) {
        if IS_DEAD.get() || self.store.take().is_none() {
            return;
        }
        if let Some(session) = self.session.borrow_mut().as_mut() {
            session.go_on_in_memory(MemoryReason::TakenOver);
        }
        self.carry_out();
    }

    /// The session leaves the stage, with all that it did in the store.
    async fn close(self: &Rc<Self>) {
        if let Some(session) = self.session.borrow_mut().as_mut() {
            session.run_mut().pause();
            session.leave();
        }
        while self.session.borrow().as_ref().is_some_and(|session| !session.is_at_rest()) {
            self.turn();
            pause(TURN_MS).await;
        }
        self.discard();
    }

    /// The session leaves the stage as it is.
    fn discard(&self) {
        if let Some(session) = self.session.borrow_mut().as_mut() {
            session.leave();
        }
        self.flush_words();
        self.session.take();
        self.store.take();
    }

    fn stage(self: &Rc<Self>, session: Session, opening: Opening) {
        *self.session.borrow_mut() = Some(session);
        self.staged(opening);
    }

    fn staged(self: &Rc<Self>, opening: Opening) {
        self.say(&Event::Opened(opening));
        if let Some(session) = self.session.borrow_mut().as_mut() {
            session.run_mut().select(&self.selection.borrow());
            session.tell_status();
        }
        self.renewed_ms.set(0.0);
        self.carry_out();
    }

    // ---- time ----

    fn tick(self: &Rc<Self>) {
        self.is_timed.set(false);
        if IS_DEAD.get() {
            return;
        }
        if !self.is_changing.get() {
            self.turn();
        }
        self.set_timer();
    }

    fn turn(self: &Rc<Self>) {
        let began_ms = self.now_ms();
        let mut out_of_time = || self.now_ms() - began_ms > PATIENCE_MS;
        if let Some(session) = self.session.borrow_mut().as_mut() {
            session.turn(nanoseconds(began_ms), &mut out_of_time);
        }
        self.renew_lifeline(began_ms);
        self.flush_outputs();
    }

    fn renew_lifeline(&self, now_ms: f64) {
        if now_ms - self.renewed_ms.get() < LIFELINE_EVERY_MS {
            return;
        }
        self.renewed_ms.set(now_ms);
        let link = self.session.borrow().as_ref().and_then(|session| session.run().link().ok());
        LIFELINE.with(|lifeline| *lifeline.borrow_mut() = link);
    }

    fn now_ms(&self) -> f64 {
        self.scope.performance().map_or(0.0, |performance| performance.now())
    }

    fn set_timer(&self) {
        let is_busy = self.session.borrow().as_ref().is_some_and(Session::is_busy);
        if !is_busy || self.is_timed.replace(true) {
            return;
        }
        if let Some(tick) = self.tick.borrow().as_ref() {
            let set = self.scope.set_timeout_with_callback_and_timeout_and_arguments_0(
                tick.as_ref().unchecked_ref(),
                TURN_MS,
            );
            set.expect("a worker has timers");
        }
    }

    // ---- outputs ----

    fn carry_out(self: &Rc<Self>) {
        self.flush_outputs();
        self.set_timer();
    }

    fn flush_outputs(self: &Rc<Self>) {
        for output in self.outputs() {
            match output {
                Output::Say(event) => self.say(&event),
                Output::Show(frame) => self.show(&frame),
                Output::Write { slice, attempt } => self.write(&slice, attempt),
            }
        }
    }

    /// For a session whose slices no longer matter.
    fn flush_words(&self) {
        for output in self.outputs() {
            match output {
                Output::Say(event) => self.say(&event),
                Output::Show(frame) => self.show(&frame),
                Output::Write { .. } => {}
            }
        }
    }

    fn outputs(&self) -> Vec<Output> {
        self.session.borrow_mut().as_mut().map(Session::take_outputs).unwrap_or_default()
    }

    fn write(self: &Rc<Self>, slice: &Slice, attempt: u32) {
        let store = self.store.borrow();
        let Some(Store { database, epoch, .. }) = store.as_ref() else { return };
        let ended = database.begin(*epoch, slice);
        let (shell, number) = (Rc::clone(self), slice.number);
        spawn_local(async move {
            let outcome = ended.await;
            if IS_DEAD.get() {
                return;
            }
            if let Some(session) = shell.session.borrow_mut().as_mut() {
                session.slice_ended(number, attempt, outcome);
            }
            shell.carry_out();
        });
    }
}

fn say(scope: &DedicatedWorkerGlobalScope, event: &Event) {
    // Nobody is left to be told when this fails.
    let _ = scope.post_message(&to_js(event));
}

fn first_light() -> World {
    let scenario = Scenario::parse(FIRST_LIGHT).expect("the first scenario is well-formed");
    World::of_scenario(&scenario)
}

fn fresh_session(writer: Writer) -> Session {
    let world = first_light();
    let keeper = Keeper::new(Backlog::fresh(writer.slice, world.spec().nodes), &world);
    Session::kept(Run::new(world, true), keeper)
}

fn read_link(text: &str) -> Result<Link, LinkRefusal> {
    let link = Link::decode(text)?;
    if link.moment > MOMENT_MAX {
        return Err(LinkRefusal::TooLate(link.moment));
    }
    Ok(link)
}

#[derive(Debug, thiserror::Error)]
enum LinkRefusal {
    #[error(transparent)]
    Decode(#[from] LinkError),
    #[error("the link's moment is event {0}, at most {MOMENT_MAX} events are replayed")]
    TooLate(u64),
}

#[expect(clippy::needless_pass_by_value, reason = "it is the last stop of an error")]
fn in_words(error: StoreError) -> StorageStatus {
    let message = error.to_string();
    match error {
        StoreError::Lost { .. } => StorageStatus::HeldByOtherTab,
        StoreError::Full { .. } => StorageStatus::Full { message },
        StoreError::Damaged(_) => StorageStatus::Damaged { message },
        StoreError::Missing { .. }
        | StoreError::Blocked
        | StoreError::OutOfOrder { .. }
        | StoreError::Aborted { .. } => StorageStatus::Missing { message },
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a page does not live for 500 years")]
#[expect(clippy::cast_sign_loss, reason = "the clock starts at 0")]
fn nanoseconds(milliseconds: f64) -> u64 {
    (milliseconds * 1e6) as u64
}

async fn pause(milliseconds: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
        let _ = scope.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds);
    });
    // It only ever resolves.
    let _ = JsFuture::from(promise).await;
}
