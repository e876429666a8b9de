//! How a component acts: it turns the page, or it says something to the worker, or both.

use sim::scenario::Node;
use yew::prelude::*;

use crate::bridge::Bridge;
use crate::protocol::{Answer, Command, RequestId};

use super::reading::Reader;
use super::state::{Page, Turn};

/// Given to every component by context; never changes.
#[derive(Clone, PartialEq)]
pub(crate) struct Wire {
    page: UseReducerDispatcher<Page>,
    /// `None` when no worker could be started: the page says so, and what is sent goes nowhere.
    worker: Option<Bridge>,
    reader: Reader,
}

impl Wire {
    /// Ties a page to a worker.
    pub(crate) fn new(page: UseReducerDispatcher<Page>, worker: Option<Bridge>) -> Wire {
        let reader = Reader::new(page.clone());
        Wire { page, worker, reader }
    }

    /// The reader of directories.
    pub(crate) fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Changes the page.
    pub(crate) fn turn(&self, turn: Turn) {
        self.page.dispatch(turn);
    }

    /// A callback that changes the page.
    pub(crate) fn turning<E: 'static>(&self, turn: impl Fn(E) -> Turn + 'static) -> Callback<E> {
        let page = self.page.clone();
        Callback::from(move |event| page.dispatch(turn(event)))
    }

    /// Says something to the worker.
    pub(crate) fn send(&self, command: Command) {
        if let Some(worker) = &self.worker {
            worker.send(command);
        }
    }

    /// Says something that will be answered; gives its id.
    pub(crate) fn ask(&self, command: impl FnOnce(RequestId) -> Command) -> RequestId {
        self.worker.as_ref().map_or(0, |worker| worker.ask(command))
    }

    /// A line of the scenario language as a button does it.
    pub(crate) fn perform(&self, line: String) {
        self.ask(|id| Command::Perform { id, line });
    }

    /// Opens this run anew, just before an event.
    pub(crate) fn look_before(&self, event: u64) {
        let Some(worker) = self.worker.clone() else { return };
        let wire = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let link = worker.request(|id| Command::LinkBefore { id, event }).await;
            match link {
                Ok(Answer::Link(text)) => {
                    wire.turn(Turn::Promises(false));
                    worker.ask(|id| Command::Load { id, text });
                }
                Ok(
                    Answer::Done | Answer::Console(_) | Answer::State(_) | Answer::Fingerprint(_),
                ) => {}
                Err(refusal) => wire.turn(Turn::Refused(refusal.to_string())),
            }
        });
    }

    /// A line as the console does it, at a server's prompt.
    pub(crate) fn console(&self, at: Option<Node>, line: &str) {
        let typed = line.to_owned();
        let id = self.ask(|id| Command::Console { id, at, line: typed, drive: true });
        self.turn(Turn::Asked(id, line.to_owned()));
    }
}

/// The wire of this page.
#[hook]
pub(crate) fn use_wire() -> Wire {
    use_context::<Wire>().expect("every component of the page is inside its App")
}
