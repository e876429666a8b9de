//! The page's end of the wire to the reader: a worker that begins with a file and ends with it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{ErrorEvent, File, MessageEvent, Worker, WorkerOptions, WorkerType};
use yew::UseReducerDispatcher;

use crate::page::state::{Page, Turn};
use crate::reader::protocol::{Question, Told};

use super::state::{ROWS, ReadTurn};

/// Where Trunk puts the reader's loader, beside the page.
const READER: &str = "./reader_loader.js";
/// A file with its path among those that came with it.
pub(crate) type PathAndFile = (String, File);

type Opening = oneshot::Sender<Result<JsValue, String>>;

/// A handle; clones speak to the same reader.
#[derive(Clone)]
pub(crate) struct Reader {
    inner: Rc<Inner>,
}

impl PartialEq for Reader {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }
}

struct Inner {
    page: UseReducerDispatcher<Page>,
    /// Counts openings: what belongs to an earlier one is over.
    session: RefCell<Option<Session>>,
}

struct Session {
    worker: Worker,
    /// Posted when the worker listens.
    opening: Option<Array>,
    /// Who waits for the inspection.
    tell: Option<Opening>,
    /// Questions without an answer so far; answers come in their order.
    asked: VecDeque<Question>,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(ErrorEvent)>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

impl Reader {
    pub(crate) fn new(page: UseReducerDispatcher<Page>) -> Reader {
        Reader { inner: Rc::new(Inner { page, session: RefCell::default() }) }
    }

    /// Opens files in place of what is open; gives the inspection, or why there is none.
    pub(crate) async fn open(
        &self,
        name: String,
        files: Vec<PathAndFile>,
    ) -> Result<JsValue, String> {
        let inner = &self.inner;
        inner.session.take();
        inner.turn(ReadTurn::Opening(name.clone()));
        match inner.start(&name, &pairs(&files)) {
            Ok(inspection) => match inspection.await {
                Ok(inspection) => inspection,
                Err(_) => Err("it was closed, or another file was opened".to_owned()),
            },
            Err(why) => {
                inner.turn(ReadTurn::Failed(why.clone()));
                Err(why)
            }
        }
    }

    /// The same for whoever does not wait.
    pub(crate) fn open_and_forget(&self, name: String, files: Vec<PathAndFile>) {
        let reader = self.clone();
        spawn_local(async move {
            // The page shows it, or why not.
            let _ = reader.open(name, files).await;
        });
    }

    /// Asks; the answer turns the page.
    pub(crate) fn ask(&self, question: Question) {
        if let Some(session) = self.inner.session.borrow_mut().as_mut() {
            session.ask(question);
        }
    }

    /// Ends the reader, with all the memory that it took.
    pub(crate) fn close(&self) {
        self.inner.session.take();
        self.inner.turn(ReadTurn::Close);
    }

    /// Turns the page.
    pub(crate) fn turn(&self, turn: ReadTurn) {
        self.inner.turn(turn);
    }
}

impl Session {
    fn ask(&mut self, question: Question) {
        let posted = self.worker.post_message(&crate::bridge::pack(&question));
        if posted.is_ok() {
            self.asked.push_back(question);
        }
    }
}

impl Inner {
    fn turn(&self, turn: ReadTurn) {
        self.page.dispatch(Turn::Reading(turn));
    }

    fn start(
        self: &Rc<Self>,
        name: &str,
        files: &Array,
    ) -> Result<oneshot::Receiver<Result<JsValue, String>>, String> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(READER, &options)
            .map_err(|error| format!("the reader could not be started: {error:?}"))?;
        let message = Closure::<dyn FnMut(MessageEvent)>::new({
            let inner = Rc::clone(self);
            move |event: MessageEvent| inner.hear(&event.data())
        });
        let error = Closure::<dyn FnMut(ErrorEvent)>::new({
            let inner = Rc::clone(self);
            move |event: ErrorEvent| {
                event.prevent_default();
                inner.stopped(&event.message());
            }
        });
        worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        let (tell, inspection) = oneshot::channel();
        let opening = Array::of3(&"open".into(), &name.into(), files);
        self.session.replace(Some(Session {
            worker,
            opening: Some(opening),
            tell: Some(tell),
            asked: VecDeque::new(),
            _message: message,
            _error: error,
        }));
        Ok(inspection)
    }

    /// The reader met a bug of ours, or the browser gave it no memory.
    fn stopped(self: &Rc<Self>, message: &str) {
        let why = format!("the reader stopped: {message}");
        let inner = Rc::clone(self);
        // The closure that runs now belongs to the session.
        spawn_local(async move {
            let session = inner.session.take();
            if let Some(tell) = session.and_then(|mut session| session.tell.take()) {
                // Whoever asked may have gone.
                let _ = tell.send(Err(why.clone()));
            }
            inner.turn(ReadTurn::Failed(why));
        });
    }

    fn hear(&self, data: &JsValue) {
        let Some((question, told)) = self.take(data) else { return };
        let found = match (&question, &told) {
            (Some(Question::Index { .. }), Told::Found(Some(number))) => Some(*number),
            _ => None,
        };
        self.turn(ReadTurn::Told(question, told));
        if let (Some(number), Some(session)) = (found, self.session.borrow_mut().as_mut()) {
            session.show(number);
        }
    }

    fn take(&self, data: &JsValue) -> Option<(Option<Question>, Told)> {
        let mut session = self.session.borrow_mut();
        let session = session.as_mut()?;
        if data.is_string() {
            let opening = session.opening.take()?;
            let posted = session.worker.post_message(&opening);
            return posted.err().map(|error| (None, Told::Refused(format!("{error:?}"))));
        }
        if let Some(pair) = data.dyn_ref::<Array>() {
            let told = decode(&pair.get(0))?;
            session.opened(&told, pair.get(1));
            return Some((None, told));
        }
        Some((session.asked.pop_front(), decode(data)?))
    }
}

impl Session {
    fn opened(&mut self, told: &Told, inspection: JsValue) {
        let result = if let Told::Refused(why) = told { Err(why.clone()) } else { Ok(inspection) };
        if result.is_ok() {
            self.ask(Question::Records { first: 0, rows: ROWS });
            self.ask(Question::Keys { revision: 0, first: 0, rows: ROWS });
            // The longest last: it reads a database several times.
            self.ask(Question::Verify);
        }
        if let Some(tell) = self.tell.take() {
            // Whoever asked may have gone.
            let _ = tell.send(result);
        }
    }

    /// A record, with those around it in the list.
    fn show(&mut self, number: u64) {
        self.ask(Question::Records { first: window_of(number), rows: ROWS });
        self.ask(Question::Record { number });
    }
}

/// The window that a record lies in.
pub(super) fn window_of(number: u64) -> u64 {
    number - number % u64::from(ROWS)
}

fn decode(buffer: &JsValue) -> Option<Told> {
    let bytes = Uint8Array::new(buffer.dyn_ref::<ArrayBuffer>()?).to_vec();
    let told = postcard::from_bytes(&bytes);
    told.inspect_err(|error| web_sys::console::error_1(&error.to_string().into())).ok()
}

/// Pairs of path and file: the reader reads where they lie.
fn pairs(files: &[PathAndFile]) -> Array {
    files.iter().map(|(path, file)| Array::of2(&path.into(), file)).collect()
}
