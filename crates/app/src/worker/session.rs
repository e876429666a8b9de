//! A session: a run, and where it is kept.
//!
//! Commands, turns of real time and the ends of slices go in; what is to be said, shown and written
//! comes out. Nothing here knows of a browser, so the host's tests play whole sessions.

use super::keeper::{Keeper, Released};
use super::run::{Reply, Run, addressed};
use crate::protocol::{Answer, Command, Event, MemoryReason, Refusal, RequestId, StorageStatus};
use crate::store::{Slice, StoreError};

/// Real time between two words about the store while all is well.
const STATUS_EVERY_NS: u64 = 1_000_000_000;
/// Real time between two pictures of a world that moves; the page draws what lies between.
const PICTURE_EVERY_NS: u64 = 30_000_000;
/// Times that a slice is tried again when the browser aborts it.
const TRIES: u32 = 3;

/// What a session wants done, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// To the page.
    Say(Event),
    /// A picture, to the page.
    Show(Vec<u8>),
    /// To the store; its end comes back with the attempt's number.
    Write {
        /// What.
        slice: Slice,
        /// Number of the attempt; slices of an earlier one that end late are nobody's affair.
        attempt: u32,
    },
}

/// Where a session is kept.
enum Keeping {
    Memory(MemoryReason),
    Store(Box<Keeper>),
    /// The store refused; time stands still until the visitor chooses.
    Halted(Box<Keeper>, StorageStatus),
}

/// See the module.
pub struct Session {
    run: Run,
    keeping: Keeping,
    real_ns: u64,
    attempt: u32,
    failures: u32,
    said_at_ns: u64,
    said_stalled: bool,
    is_stale: bool,
    shown_at_ns: u64,
    outputs: Vec<Output>,
}

impl Session {
    /// A session in memory.
    pub fn in_memory(run: Run, why: MemoryReason) -> Self {
        Self::new(run, Keeping::Memory(why))
    }

    /// A session in the store.
    pub fn kept(run: Run, keeper: Keeper) -> Self {
        Self::new(run, Keeping::Store(Box::new(keeper)))
    }

    fn new(run: Run, keeping: Keeping) -> Self {
        Self {
            run,
            keeping,
            real_ns: 0,
            attempt: 0,
            failures: 0,
            said_at_ns: 0,
            said_stalled: false,
            is_stale: true,
            shown_at_ns: 0,
            outputs: Vec::new(),
        }
    }

    /// What is played.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// What is played, to send it somewhere.
    pub fn run_mut(&mut self) -> &mut Run {
        self.is_stale = true;
        &mut self.run
    }

    /// Where it is kept, for the page.
    pub fn status(&self) -> StorageStatus {
        match &self.keeping {
            Keeping::Memory(why) => StorageStatus::InMemory { why: *why },
            Keeping::Store(keeper) => keeper.status(self.real_ns),
            Keeping::Halted(_, status) => status.clone(),
        }
    }

    /// Whether turns are needed although nobody says anything.
    pub fn is_busy(&self) -> bool {
        let behind = match &self.keeping {
            Keeping::Store(keeper) => keeper.is_behind(),
            Keeping::Memory(_) | Keeping::Halted(..) => false,
        };
        behind || self.is_stale || (self.run.is_moving() && !self.is_halted())
    }

    /// Whether everything is in the store, so that the session may leave the stage.
    pub fn is_at_rest(&self) -> bool {
        match &self.keeping {
            Keeping::Store(keeper) => !keeper.is_behind(),
            Keeping::Memory(_) | Keeping::Halted(..) => true,
        }
    }

    fn is_halted(&self) -> bool {
        matches!(self.keeping, Keeping::Halted(..))
    }

    /// What is to be done since the last call.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    fn say(&mut self, event: Event) {
        self.outputs.push(Output::Say(event));
    }

    fn reply(&mut self, (id, result): Reply) {
        self.say(Event::Reply { id, result });
    }

    fn reply_all(&mut self, replies: Vec<Reply>) {
        for reply in replies {
            self.reply(reply);
        }
    }

    // ---- commands ----

    /// A command that is about this session; gives it back when it is about another one.
    pub fn command(&mut self, command: Command) -> Option<Command> {
        self.is_stale = true;
        match command {
            Command::Console { id, at, line, drive } => {
                if let Some(reply) = self.run.console(id, &addressed(at, line), drive) {
                    self.answer(vec![reply]);
                }
            }
            Command::Perform { id, line } => {
                let reply = self.run.perform(id, &line);
                self.answer(vec![reply]);
            }
            Command::Play { speed } => {
                self.run.play(speed);
                self.try_again();
            }
            Command::Pause => self.run.pause(),
            Command::Step { id, count } => self.run.step(id, count),
            Command::Seek { id, event } => {
                if let Err(refusal) = self.run.seek(id, event) {
                    self.reply((id, Err(refusal)));
                }
            }
            Command::Select(selection) => self.run.select(&selection),
            Command::Link { id } => {
                let link = self.run.link().map(Answer::Link);
                self.reply((id, link));
            }
            Command::LinkBefore { id, event } => {
                let link = self.run.link_before(event).map(Answer::Link);
                self.reply((id, link));
            }
            Command::State { id } => {
                let state = Answer::State(Box::new(self.run.state()));
                self.reply((id, Ok(state)));
            }
            Command::Fingerprint { id } => {
                let fingerprint = Answer::Fingerprint(self.run.fingerprint());
                self.reply((id, Ok(fingerprint)));
            }
            Command::Flushed { id } => self.flush(id),
            Command::ContinueInMemory => self.go_on_in_memory(MemoryReason::Chosen),
            other @ (Command::Hello { .. }
            | Command::Load { .. }
            | Command::Reset { .. }
            | Command::Return { .. }
            | Command::TakeOver) => return Some(other),
        }
        None
    }

    /// Answers that the store must hold first.
    fn answer(&mut self, replies: Vec<Reply>) {
        match &mut self.keeping {
            Keeping::Memory(_) => self.reply_all(replies),
            Keeping::Store(keeper) | Keeping::Halted(keeper, _) => keeper.hold(replies),
        }
    }

    fn flush(&mut self, id: RequestId) {
        match &mut self.keeping {
            Keeping::Store(keeper) => keeper.flush(id),
            Keeping::Memory(_) => {
                let message = "this session is in memory alone".to_string();
                self.reply((id, Err(Refusal::Storage { message })));
            }
            Keeping::Halted(_, status) => {
                let message = status.to_string();
                self.reply((id, Err(Refusal::Storage { message })));
            }
        }
    }

    fn try_again(&mut self) {
        let keeping = std::mem::replace(&mut self.keeping, Keeping::Memory(MemoryReason::Chosen));
        self.keeping = match keeping {
            Keeping::Halted(keeper, _) => {
                self.failures = 0;
                Keeping::Store(keeper)
            }
            keeping @ (Keeping::Memory(_) | Keeping::Store(_)) => keeping,
        };
        self.tell_status();
    }

    /// Lets go of the store; what was held back is said now.
    pub fn go_on_in_memory(&mut self, why: MemoryReason) {
        let keeping = std::mem::replace(&mut self.keeping, Keeping::Memory(why));
        self.attempt += 1;
        self.is_stale = true;
        self.tell_status();
        if let Keeping::Store(keeper) | Keeping::Halted(keeper, _) = keeping {
            let (replies, flushes) = keeper.into_waiting();
            self.reply_all(replies);
            for id in flushes {
                self.flush(id);
            }
        }
    }

    /// Says where the session is kept.
    pub fn tell_status(&mut self) {
        let status = self.status();
        self.said_at_ns = self.real_ns;
        self.said_stalled = matches!(status, StorageStatus::Persistent { stalled: true, .. });
        self.say(Event::Storage(status));
    }

    /// The session leaves the stage: nobody who waits is left without an answer.
    pub fn leave(&mut self) {
        let replies = self.run.abandon();
        self.reply_all(replies);
    }

    // ---- time ----

    /// Real time is `real_ns` now, and this turn lasts until `out_of_time`.
    pub fn turn(&mut self, real_ns: u64, out_of_time: &mut dyn FnMut() -> bool) {
        let elapsed_ns = if self.real_ns == 0 { 0 } else { real_ns.saturating_sub(self.real_ns) };
        self.real_ns = real_ns;
        if !self.is_waiting() {
            self.is_stale |= self.run.is_moving();
            let replies = self.run.turn(elapsed_ns, out_of_time);
            self.answer(replies);
        }
        self.keep();
        self.show();
        self.tell_status_in_time();
    }

    /// Whether the world waits for the store.
    fn is_waiting(&self) -> bool {
        match &self.keeping {
            Keeping::Memory(_) => false,
            Keeping::Store(keeper) => keeper.is_stalled(self.real_ns),
            Keeping::Halted(..) => true,
        }
    }

    fn keep(&mut self) {
        let Keeping::Store(keeper) = &mut self.keeping else { return };
        keeper.observe(self.run.world_mut());
        if let Some(slice) = keeper.next_slice(&mut self.run, self.real_ns) {
            self.outputs.push(Output::Write { slice, attempt: self.attempt });
        }
    }

    fn show(&mut self) {
        let may_show = match &self.keeping {
            Keeping::Memory(_) => true,
            Keeping::Store(keeper) | Keeping::Halted(keeper, _) => {
                keeper.may_show(self.run.world())
            }
        };
        let is_soon = self.real_ns.saturating_sub(self.shown_at_ns) < PICTURE_EVERY_NS;
        if self.is_stale && may_show && !(is_soon && self.run.is_moving()) {
            let frame = self.run.frame(self.is_waiting());
            self.outputs.push(Output::Show(frame));
            self.is_stale = false;
            self.shown_at_ns = self.real_ns;
        }
    }

    fn tell_status_in_time(&mut self) {
        let StorageStatus::Persistent { stalled, .. } = self.status() else { return };
        let is_time = self.real_ns.saturating_sub(self.said_at_ns) >= STATUS_EVERY_NS;
        if stalled != self.said_stalled || is_time {
            self.tell_status();
        }
    }

    // ---- the store ----

    /// A slice's transaction ended.
    pub fn slice_ended(&mut self, number: u64, attempt: u32, outcome: Result<(), StoreError>) {
        if attempt != self.attempt {
            return;
        }
        match (outcome, &mut self.keeping) {
            (Ok(()), Keeping::Store(keeper)) => {
                self.failures = 0;
                let released = keeper.completed(number);
                self.release(released);
            }
            (Err(error), Keeping::Store(keeper)) => {
                keeper.failed();
                self.attempt += 1;
                self.failures += 1;
                self.refused(&error);
            }
            (_, Keeping::Memory(_) | Keeping::Halted(..)) => {}
        }
    }

    fn release(&mut self, released: Released) {
        self.outputs.extend(released.frame.map(Output::Show));
        self.reply_all(released.replies);
    }

    fn refused(&mut self, error: &StoreError) {
        let message = error.to_string();
        let status = match error {
            StoreError::Lost { .. } => return self.go_on_in_memory(MemoryReason::TakenOver),
            StoreError::Full { .. } => StorageStatus::Full { message },
            StoreError::Damaged(_) => StorageStatus::Damaged { message },
            StoreError::Missing { .. } | StoreError::Blocked => StorageStatus::Missing { message },
            StoreError::Aborted { .. } | StoreError::OutOfOrder { .. } if self.failures < TRIES => {
                return;
            }
            StoreError::Aborted { .. } | StoreError::OutOfOrder { .. } => {
                StorageStatus::Missing { message }
            }
        };
        let keeping = std::mem::replace(&mut self.keeping, Keeping::Memory(MemoryReason::Chosen));
        self.keeping = match keeping {
            Keeping::Store(keeper) | Keeping::Halted(keeper, _) => Keeping::Halted(keeper, status),
            memory @ Keeping::Memory(_) => memory,
        };
        self.is_stale = true;
        self.tell_status();
    }
}
