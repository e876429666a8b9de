//! Sessions come and go: a first visit, the stored session, a link, a scenario, a fresh start.

use std::rc::Rc;

use sim::link::{Link, LinkError};
use sim::scenario::Scenario;
use sim::world::World;

use super::{IS_DEAD, Shell, Store, TURN_MS, pause};
use crate::protocol::{Command, Event, MemoryReason, Opening, Refusal, StorageStatus};
use crate::store::database::{DATABASE, Database, Durability};
use crate::store::lock::{Ask, Lock, SESSION, acquire};
use crate::store::{Backlog, StoreError, Stored, Writer};
use crate::worker::keeper::Keeper;
use crate::worker::revive::{ReviveError, revive};
use crate::worker::run::{Run, syntax};
use crate::worker::session::Session;

/// What a new visitor sees.
const WELCOME: &str = include_str!("../../../../../www/scenarios/welcome.scn");
/// A tab that was just reloaded still holds its lock for a moment.
const LOCK_TRIES: u32 = 20;
const LOCK_EVERY_MS: i32 = 75;
/// Later moments of a link are refused: replaying so many events would take minutes.
const MOMENT_MAX: u64 = 20_000_000;

impl Shell {
    pub(super) async fn hello(self: &Rc<Self>, link: Option<String>) {
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

    pub(super) async fn load(self: &Rc<Self>, text: &str) -> Result<(), Refusal> {
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
    pub(super) async fn visit(self: &Rc<Self>, link: &Link) {
        let mut run = Run::new(World::of_scenario(&link.scenario), false);
        run.travel(None, link.moment);
        let session = Session::in_memory(run, MemoryReason::Visiting);
        *self.session.borrow_mut() = Some(session);
        while self.is_travelling() && !self.is_another_wanted() {
            self.turn();
            pause(0).await;
        }
        let found =
            self.session.borrow().as_ref().map(|session| session.run().world().fingerprint());
        let differs = link.fingerprint.is_some_and(|shared| Some(shared) != found);
        self.staged(Opening::Link { differs });
    }

    /// Whether the visitor does not wait for this session any more.
    fn is_another_wanted(&self) -> bool {
        let leaves = |command: &Command| {
            matches!(command, Command::Load { .. } | Command::Return { .. } | Command::Reset { .. })
        };
        self.commands.borrow().iter().any(leaves)
    }

    fn is_travelling(&self) -> bool {
        self.session.borrow().as_ref().is_some_and(|session| session.run().is_travelling())
    }

    pub(super) async fn open_stored(self: &Rc<Self>, ask: Ask) {
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
                let damaged =
                    |error: ReviveError| StorageStatus::Damaged { message: error.to_string() };
                let revived = revive(stored).map_err(damaged)?;
                let session = Session::kept(Run::new(revived.world, true), revived.keeper);
                (session, Opening::Recovered(revived.recovery))
            }
        };
        *self.store.borrow_mut() = Some(Store { database, epoch: writer.epoch, _lock: lock });
        Ok(staged)
    }

    pub(super) async fn reset(self: &Rc<Self>) -> Result<(), Refusal> {
        self.discard();
        let outcome = self.wiped().await;
        match outcome {
            Ok(session) => {
                self.stage(session, Opening::Fresh);
                Ok(())
            }
            Err(status) => {
                let message = format!("the stored session could not be forgotten: {status}");
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
    pub(super) async fn close(self: &Rc<Self>) {
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

    pub(super) fn stage(self: &Rc<Self>, session: Session, opening: Opening) {
        *self.session.borrow_mut() = Some(session);
        self.staged(opening);
    }

    fn staged(self: &Rc<Self>, opening: Opening) {
        self.say(&Event::Opened(opening));
        if let Some(session) = self.session.borrow_mut().as_mut() {
            session.run_mut().select(&self.selection.borrow());
            session.tell_status();
        }
        self.renew_at_ms.set(0.0);
        self.carry_out();
    }
}

/// The world of a first visit.
pub(super) fn welcome() -> World {
    let scenario = Scenario::parse(WELCOME).expect("the welcome is well-formed");
    World::of_scenario(&scenario)
}

fn fresh_session(writer: Writer) -> Session {
    let world = welcome();
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
