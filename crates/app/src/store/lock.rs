//! One writer a session: a Web Lock, held by the worker as long as it lives.
//!
//! The lock spares visitors from a fight between two tabs; what keeps the data safe without it is
//! the epoch that each transaction checks.

use std::cell::RefCell;
use std::rc::Rc;

use futures_channel::oneshot;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// The lock of the page's session.
pub const SESSION: &str = "quorarium-session";

/// How to ask for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Only when nobody has it.
    IfAvailable,
    /// Take it from whoever has it.
    Steal,
}

/// A held lock: dropping it lets go.
pub struct Lock {
    release: Option<Function>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = &self.release {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Asks for a lock; `None` when somebody else has it. `on_stolen` runs when it is taken away later.
/// Where a browser has no locks, everybody gets one.
pub async fn acquire(name: &str, ask: Ask, on_stolen: impl FnOnce() + 'static) -> Option<Lock> {
    let Some((manager, request)) = manager() else { return Some(Lock { release: None }) };
    let (tell, heard) = oneshot::channel();
    let granted = Closure::once_into_js(move |lock: JsValue| hold(&lock, tell));
    let asked = request.call3(&manager, &name.into(), &options(ask), &granted);
    let Ok(Ok(ended)) = asked.map(JsCast::dyn_into::<Promise>) else {
        return Some(Lock { release: None });
    };
    spawn_local(async move {
        if JsFuture::from(ended).await.is_err() {
            on_stolen();
        }
    });
    let release = heard.await.ok()??;
    Some(Lock { release: Some(release) })
}

/// Called with the lock, or null. The lock is held until the returned promise resolves.
fn hold(lock: &JsValue, tell: oneshot::Sender<Option<Function>>) -> JsValue {
    if lock.is_null() || lock.is_undefined() {
        let _ = tell.send(None);
        return JsValue::UNDEFINED;
    }
    let release = Rc::new(RefCell::new(None));
    let held = Promise::new(&mut |resolve, _| *release.borrow_mut() = Some(resolve));
    let _ = tell.send(release.borrow_mut().take());
    held.into()
}

fn options(ask: Ask) -> Object {
    let options = Object::new();
    let name = match ask {
        Ask::IfAvailable => "ifAvailable",
        Ask::Steal => "steal",
    };
    let _ = Reflect::set(&options, &name.into(), &JsValue::TRUE);
    options
}

/// `navigator.locks` and its `request`; web-sys has them only among its unstable interfaces.
fn manager() -> Option<(JsValue, Function)> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
    let locks = Reflect::get(&navigator, &"locks".into()).ok()?;
    let request = Reflect::get(&locks, &"request".into()).ok()?.dyn_into().ok()?;
    Some((locks, request))
}
