//! The worker in its browser: messages in, timers, lock and database; messages out.
//!
//! One thing at a time: while a session is being opened or closed, commands wait in their order.
//! All decisions are [`Session`]'s; this only carries them out.

mod opening;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use super::run::{Run, usages};
use super::session::{Output, Session};
use crate::bridge::{pack, unpack};
use crate::protocol::{
    Answer, Command, Event, MemoryReason, Opening, Refusal, RequestId, Selection,
};
use crate::store::Slice;
use crate::store::database::Database;
use crate::store::lock::{Ask, Lock};

/// Time between turns, milliseconds.
const TURN_MS: i32 = 12;
/// How long a turn may take, milliseconds.
const PATIENCE_MS: f64 = 10.0;
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
    renew_at_ms: Cell<f64>,
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
            renew_at_ms: Cell::new(0.0),
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
        shell
            .say(&Event::Ready { version: env!("CARGO_PKG_VERSION").to_string(), verbs: usages() });
    }

    // ---- messages ----

    fn hear(self: &Rc<Self>, data: &JsValue) {
        if IS_DEAD.get() {
            return;
        }
        let command = unpack(data).expect("page and worker are of one build");
        self.commands.borrow_mut().push_back(command);
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
                let run = Run::new(opening::welcome(), true);
                self.stage(Session::in_memory(run, MemoryReason::Chosen), Opening::Fresh);
            }
            Command::Console { id, .. }
            | Command::Perform { id, .. }
            | Command::Step { id, .. }
            | Command::Seek { id, .. }
            | Command::Link { id }
            | Command::LinkBefore { id, .. }
            | Command::Flushed { id }
            | Command::State { id }
            | Command::Fingerprint { id } => {
                let message = "no session is open".to_string();
                self.reply(id, Err(Refusal::NotPossible { message }));
            }
            Command::Play { .. } | Command::Pause | Command::Select(_) => {}
        }
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
        self.renew_lifeline();
        self.flush_outputs();
    }

    fn renew_lifeline(&self) {
        let now_ms = self.now_ms();
        if now_ms < self.renew_at_ms.get() {
            return;
        }
        let link = self.session.borrow().as_ref().and_then(|session| session.run().link().ok());
        LIFELINE.with(|lifeline| *lifeline.borrow_mut() = link);
        // The link of a long run takes its time: it gets one part in a hundred.
        let took_ms = self.now_ms() - now_ms;
        self.renew_at_ms.set(now_ms + LIFELINE_EVERY_MS.max(100.0 * took_ms));
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
    let _ = scope.post_message(&pack(event));
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
