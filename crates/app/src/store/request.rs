//! Requests and transactions of IndexedDB as futures, and its errors as ours.

use std::cell::RefCell;
use std::rc::Rc;

use futures_channel::oneshot;
use wasm_bindgen::prelude::*;
use web_sys::{DomException, IdbRequest, IdbTransaction};

use super::error::StoreError;

/// Listens for the end of a transaction.
pub(super) struct Ended {
    transaction: IdbTransaction,
    outcome: Option<oneshot::Receiver<Result<JsValue, StoreError>>>,
    _complete: Closure<dyn FnMut()>,
    _abort: Closure<dyn FnMut()>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.transaction.set_oncomplete(None);
        self.transaction.set_onabort(None);
    }
}

impl Ended {
    /// Listens from now on.
    pub(super) fn of(transaction: &IdbTransaction) -> Self {
        let (tell, outcome) = teller();
        let complete = Closure::<dyn FnMut()>::new({
            let tell = tell.clone();
            move || tell_once(&tell, Ok(JsValue::UNDEFINED))
        });
        let abort = Closure::<dyn FnMut()>::new({
            let transaction = transaction.clone();
            move || tell_once(&tell, Err(why_aborted(transaction.error())))
        });
        transaction.set_oncomplete(Some(complete.as_ref().unchecked_ref()));
        transaction.set_onabort(Some(abort.as_ref().unchecked_ref()));
        let transaction = transaction.clone();
        Self { transaction, outcome: Some(outcome), _complete: complete, _abort: abort }
    }

    /// How it ended; only `complete` is a good end.
    pub(super) async fn wait(mut self) -> Result<(), StoreError> {
        let outcome = self.outcome.take().expect("waited for once");
        hear(outcome).await.map(|_| ())
    }
}

fn why_aborted(error: Option<DomException>) -> StoreError {
    match error {
        Some(error) => refused(error.into()),
        None => StoreError::Aborted { message: "the transaction was aborted".to_string() },
    }
}

pub(super) type Tell = Rc<RefCell<Option<oneshot::Sender<Result<JsValue, StoreError>>>>>;

pub(super) fn teller() -> (Tell, oneshot::Receiver<Result<JsValue, StoreError>>) {
    let (tell, heard) = oneshot::channel();
    (Rc::new(RefCell::new(Some(tell))), heard)
}

pub(super) fn tell_once(tell: &Tell, outcome: Result<JsValue, StoreError>) {
    if let Some(tell) = tell.borrow_mut().take() {
        // Nobody listens any more: nobody needs to know.
        let _ = tell.send(outcome);
    }
}

pub(super) async fn hear(
    heard: oneshot::Receiver<Result<JsValue, StoreError>>,
) -> Result<JsValue, StoreError> {
    heard.await.unwrap_or_else(|_| {
        Err(StoreError::Aborted { message: "the request was dropped".to_string() })
    })
}

pub(super) async fn answer(request: &IdbRequest) -> Result<JsValue, StoreError> {
    let (tell, heard) = teller();
    let listeners = listen(request, &tell);
    let outcome = hear(heard).await;
    drop(listeners);
    outcome
}

pub(super) struct Listeners {
    request: IdbRequest,
    _success: Closure<dyn FnMut()>,
    _error: Closure<dyn FnMut()>,
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.request.set_onsuccess(None);
        self.request.set_onerror(None);
    }
}

pub(super) fn listen(request: &IdbRequest, tell: &Tell) -> Listeners {
    let success = Closure::<dyn FnMut()>::new({
        let (request, tell) = (request.clone(), Rc::clone(tell));
        move || tell_once(&tell, request.result().map_err(refused))
    });
    let error = Closure::<dyn FnMut()>::new({
        let (request, tell) = (request.clone(), Rc::clone(tell));
        move || tell_once(&tell, Err(why_aborted(request.error().ok().flatten())))
    });
    request.set_onsuccess(Some(success.as_ref().unchecked_ref()));
    request.set_onerror(Some(error.as_ref().unchecked_ref()));
    Listeners { request: request.clone(), _success: success, _error: error }
}

fn said(error: &JsValue) -> String {
    match error.dyn_ref::<DomException>() {
        Some(error) => format!("{}: {}", error.name(), error.message()),
        None => format!("{error:?}"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is the last stop of an error")]
pub(super) fn refused(error: JsValue) -> StoreError {
    let name = error.dyn_ref::<DomException>().map(DomException::name);
    let message = said(&error);
    if name.as_deref() == Some("QuotaExceededError") {
        StoreError::Full { message }
    } else {
        StoreError::Aborted { message }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is the last stop of an error")]
pub(super) fn missing(error: JsValue) -> StoreError {
    StoreError::Missing { message: said(&error) }
}
