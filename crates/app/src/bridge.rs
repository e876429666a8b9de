//! The page's end of the wire to the worker.
//!
//! [`Bridge::start`] spawns the worker; whatever it says comes to one handler as a [`Word`].
//! Commands that are sent before the worker listens wait in order. [`Bridge::request`] is for
//! callers that want their reply as a future: such replies do not come to the handler.
//!
//! Pictures are whole, so of those that come between two animation frames only the newest is read
//! and handed on, when the screen is about to be drawn. Order stays: what the worker says after a
//! picture is handed on after it.

use ordered::Map;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use futures_channel::oneshot;
use gloo::render::{AnimationFrame, request_animation_frame};
use js_sys::{ArrayBuffer, Uint8Array};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sim::view::View;
use wasm_bindgen::prelude::*;
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::protocol::{Answer, Command, Event, Frame, Refusal, RequestId};

/// Where Trunk puts the worker's loader, beside the page.
pub const WORKER: &str = "./worker_loader.js";

/// What the worker says.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// Control.
    Event(Event),
    /// A picture.
    Frame(Box<Frame<View>>),
}

/// A handle; clones speak to the same worker.
#[derive(Clone)]
pub struct Bridge {
    inner: Rc<Inner>,
}

impl PartialEq for Bridge {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }
}

struct Inner {
    worker: Worker,
    listens: Cell<bool>,
    stopped: Cell<bool>,
    waiting: RefCell<Vec<Command>>,
    next_id: Cell<RequestId>,
    replies: RefCell<Map<RequestId, oneshot::Sender<Result<Answer, Refusal>>>>,
    listeners: RefCell<Option<Listeners>>,
    newest: RefCell<Newest>,
}

/// The newest picture that nobody has seen yet.
#[derive(Default)]
struct Newest {
    picture: Option<ArrayBuffer>,
    /// When it will be shown.
    frame: Option<AnimationFrame>,
}

struct Listeners {
    _message: Closure<dyn FnMut(MessageEvent)>,
    _error: Closure<dyn FnMut(ErrorEvent)>,
}

impl Bridge {
    /// Spawns the worker and greets it with what stands behind the address's `#`.
    pub fn start(link: Option<String>, handler: impl Fn(Word) + 'static) -> Result<Self, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(WORKER, &options)?;
        let inner = Rc::new(Inner {
            worker,
            listens: Cell::new(false),
            stopped: Cell::new(false),
            waiting: RefCell::new(vec![Command::Hello { link }]),
            next_id: Cell::new(1),
            replies: RefCell::default(),
            listeners: RefCell::new(None),
            newest: RefCell::default(),
        });
        inner.listen(Rc::new(handler));
        Ok(Self { inner })
    }

    /// Says something.
    pub fn send(&self, command: Command) {
        self.inner.send(command);
    }

    /// Says something that is answered; the reply comes to the handler under the id given here.
    pub fn ask(&self, command: impl FnOnce(RequestId) -> Command) -> RequestId {
        let id = self.inner.take_id();
        self.inner.send(command(id));
        id
    }

    /// Says something that is answered; the reply is the future's.
    pub fn request<Asking: FnOnce(RequestId) -> Command>(
        &self,
        command: Asking,
    ) -> impl Future<Output = Result<Answer, Refusal>> + use<Asking> {
        let id = self.inner.take_id();
        let (tell, reply) = oneshot::channel();
        if self.inner.stopped.get() {
            drop(tell);
        } else {
            self.inner.replies.borrow_mut().insert(id, tell);
            self.inner.send(command(id));
        }
        async move {
            let stopped = || Refusal::NotPossible { message: "the worker has stopped".to_string() };
            reply.await.unwrap_or_else(|_| Err(stopped()))
        }
    }
}

impl Inner {
    fn take_id(&self) -> RequestId {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1).max(1));
        id
    }

    fn send(&self, command: Command) {
        if self.listens.get() {
            self.post(&command);
        } else {
            self.waiting.borrow_mut().push(command);
        }
    }

    fn post(&self, command: &Command) {
        if let Err(error) = self.worker.post_message(&pack(command)) {
            web_sys::console::error_2(&"the worker could not be reached:".into(), &error);
        }
    }

    fn listen(self: &Rc<Self>, handler: Rc<dyn Fn(Word)>) {
        let message = Closure::<dyn FnMut(MessageEvent)>::new({
            let (inner, handler) = (Rc::clone(self), Rc::clone(&handler));
            move |event: MessageEvent| match event.data().dyn_into::<ArrayBuffer>() {
                Ok(picture) => inner.keep(picture, &handler),
                Err(data) => {
                    inner.show(&*handler);
                    if let Some(event) = read(&data).and_then(|event| inner.hear(event)) {
                        handler(Word::Event(event));
                    }
                }
            }
        });
        let error = Closure::<dyn FnMut(ErrorEvent)>::new({
            let inner = Rc::clone(self);
            move |event: ErrorEvent| {
                event.prevent_default();
                if !inner.stopped.get() {
                    let panicked = Event::Panicked { message: event.message(), link: None };
                    handler(Word::Event(inner.stop(panicked)));
                }
            }
        });
        self.worker.set_onmessage(Some(message.as_ref().unchecked_ref()));
        self.worker.set_onerror(Some(error.as_ref().unchecked_ref()));
        *self.listeners.borrow_mut() = Some(Listeners { _message: message, _error: error });
    }

    /// Keeps a picture instead of the one before until the screen is drawn.
    fn keep(self: &Rc<Self>, picture: ArrayBuffer, handler: &Rc<dyn Fn(Word)>) {
        let mut newest = self.newest.borrow_mut();
        newest.picture = Some(picture);
        newest.frame.get_or_insert_with(|| {
            let (inner, handler) = (Rc::clone(self), Rc::clone(handler));
            request_animation_frame(move |_| {
                inner.newest.borrow_mut().frame = None;
                inner.show(&*handler);
            })
        });
    }

    /// Hands the kept picture on.
    fn show(&self, handler: &dyn Fn(Word)) {
        let picture = self.newest.borrow_mut().picture.take();
        if let Some(frame) = picture.as_ref().and_then(draw) {
            handler(Word::Frame(Box::new(frame)));
        }
    }

    /// Takes what is the bridge's own affair; gives what is the handler's.
    fn hear(&self, event: Event) -> Option<Event> {
        match event {
            Event::Ready { .. } => {
                self.listens.set(true);
                for command in self.waiting.take() {
                    self.post(&command);
                }
                Some(event)
            }
            Event::Reply { id, result } => match self.replies.borrow_mut().remove(&id) {
                Some(tell) => {
                    // Whoever asked may have gone.
                    let _ = tell.send(result);
                    None
                }
                None => Some(Event::Reply { id, result }),
            },
            Event::Panicked { .. } => Some(self.stop(event)),
            Event::Opened(_) | Event::Storage(_) => Some(event),
        }
    }

    /// Nobody will answer any more.
    fn stop(&self, event: Event) -> Event {
        self.stopped.set(true);
        self.replies.take();
        event
    }
}

fn draw(picture: &ArrayBuffer) -> Option<Frame<View>> {
    Frame::decode(&Uint8Array::new(picture).to_vec()).map_err(|error| complain(&error)).ok()
}

fn read(data: &JsValue) -> Option<Event> {
    let event = unpack(data);
    if event.is_none() {
        complain(&"words of another build");
    }
    event
}

fn complain(error: &dyn std::fmt::Display) {
    web_sys::console::error_1(&error.to_string().into());
}

/// A control message: a `Uint8Array` of the value's postcard form, in memory of its own.
pub fn pack(value: &impl Serialize) -> JsValue {
    let bytes = postcard::to_allocvec(value).expect("plain data has a postcard form");
    Uint8Array::from(&bytes[..]).into()
}

/// Reads what [`pack`] made; nothing when it is of another build.
pub fn unpack<T: DeserializeOwned>(data: &JsValue) -> Option<T> {
    postcard::from_bytes(&data.dyn_ref::<Uint8Array>()?.to_vec()).ok()
}
