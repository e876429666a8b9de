//! `window.quorarium`: the page's API, for embedding pages and tests.
//!
//! | call | resolves to |
//! |---|---|
//! | `version` | a string, not a call |
//! | `load(scenarioTextOrLink)` | nothing, when the run stands there, paused |
//! | `run(line)` | `{ok, output, error?}`, when the cluster answered; lets a paused world run that far |
//! | `play(speed?)` | nothing; speed as a number or `"1/10"` |
//! | `pause()` | nothing |
//! | `step(n?)` | nothing, when `n` events (1) have happened |
//! | `seek(event)` | nothing, when the event has happened |
//! | `state()` | `{event, virtual_ns, playing, leader, nodes: [{name, role, term, commit, applied, up}]}` |
//! | `fingerprint()` | 16 hexadecimal digits |
//! | `link()` | `#s1=…` |
//! | `importFile(file)` | what `quorarium inspect --json` prints of that `File`, which is open on the page from then on |
//! | `flushed()` | nothing, when everything shown as acknowledged is in IndexedDB |
//! | `reset()` | nothing, when a fresh session runs |
//!
//! Every call returns a promise; one that is refused rejects with an `Error` that says why, but
//! `run` resolves with `ok: false`. 64-bit integers are `BigInt`.

use std::future::Future;
use std::pin::Pin;

use js_sys::{Array, BigInt, Error, Object, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::File;

use crate::bridge::Bridge;
use crate::protocol::{Answer, Command, ConsoleAnswer, NodeState, Refusal, SessionState, Speed};

/// The inspection of an imported file, or why there is none.
pub type Imported = Pin<Box<dyn Future<Output = Result<JsValue, String>>>>;

/// Puts `quorarium` on the window; `import` opens a file.
pub fn install(
    bridge: &Bridge,
    import: impl Fn(File) -> Imported + 'static,
) -> Result<(), JsValue> {
    let api = Object::new();
    Reflect::set(&api, &"version".into(), &env!("CARGO_PKG_VERSION").into())?;
    call(&api, bridge, "load", |bridge, text| {
        let text = text.as_string().ok_or_else(|| wanted("a scenario's text or a link"));
        async move {
            let text = text?;
            done(bridge.request(|id| Command::Load { id, text }).await)
        }
    })?;
    call(&api, bridge, "run", |bridge, line| {
        let line = line.as_string().ok_or_else(|| wanted("a console line"));
        async move {
            let line = line?;
            console(bridge.request(|id| Command::Console { id, at: None, line, drive: true }).await)
        }
    })?;
    call(&api, bridge, "play", |bridge, speed| {
        let speed = read_speed(&speed);
        async move {
            bridge.send(Command::Play { speed: speed? });
            taken(&bridge).await
        }
    })?;
    call(&api, bridge, "pause", |bridge, _| async move {
        bridge.send(Command::Pause);
        taken(&bridge).await
    })?;
    call(&api, bridge, "step", |bridge, count| {
        let count = if count.is_undefined() { Ok(1) } else { whole(&count) };
        async move {
            let count = u32::try_from(count?).map_err(|_| wanted("a smaller number of events"))?;
            done(bridge.request(|id| Command::Step { id, count }).await)
        }
    })?;
    call(&api, bridge, "seek", |bridge, event| {
        let event = whole(&event);
        async move {
            let event = event?;
            done(bridge.request(|id| Command::Seek { id, event }).await)
        }
    })?;
    call(&api, bridge, "state", |bridge, _| async move {
        match bridge.request(|id| Command::State { id }).await.map_err(refused)? {
            Answer::State(state) => plain_state(&state),
            other @ (Answer::Done
            | Answer::Console(_)
            | Answer::Link(_)
            | Answer::Fingerprint(_)) => Err(unexpected(&other)),
        }
    })?;
    call(&api, bridge, "fingerprint", |bridge, _| async move {
        text(bridge.request(|id| Command::Fingerprint { id }).await)
    })?;
    call(&api, bridge, "link", |bridge, _| async move {
        text(bridge.request(|id| Command::Link { id }).await)
    })?;
    call(&api, bridge, "importFile", move |_, file| {
        let opened = file.dyn_into::<File>().map(&import);
        async move { opened.map_err(|_| wanted("a File"))?.await.map_err(|why| Error::new(&why).into()) }
    })?;
    call(&api, bridge, "flushed", |bridge, _| async move {
        done(bridge.request(|id| Command::Flushed { id }).await)
    })?;
    call(&api, bridge, "reset", |bridge, _| async move {
        done(bridge.request(|id| Command::Reset { id }).await)
    })?;
    Reflect::set(&js_sys::global(), &"quorarium".into(), &api).map(|_| ())
}

/// One call of at most one argument. It lives as long as the page.
fn call<Reply>(
    api: &Object,
    bridge: &Bridge,
    name: &str,
    answer: impl Fn(Bridge, JsValue) -> Reply + 'static,
) -> Result<(), JsValue>
where
    Reply: Future<Output = Result<JsValue, JsValue>> + 'static,
{
    let bridge = bridge.clone();
    offer(api, name, Box::new(move |argument| Box::pin(answer(bridge.clone(), argument))))
}

/// What a call comes to, whatever it is: a promise for each kind would be code for each kind.
type Coming = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;

fn offer(api: &Object, name: &str, answer: Box<dyn Fn(JsValue) -> Coming>) -> Result<(), JsValue> {
    let function = Closure::<dyn Fn(JsValue) -> Promise>::new(move |argument: JsValue| {
        future_to_promise(answer(argument))
    });
    Reflect::set(api, &name.into(), &function.into_js_value()).map(|_| ())
}

/// Resolves when the worker has taken everything that was said before.
async fn taken(bridge: &Bridge) -> Result<JsValue, JsValue> {
    bridge.request(|id| Command::State { id }).await.map_err(refused)?;
    Ok(JsValue::UNDEFINED)
}

fn done(result: Result<Answer, Refusal>) -> Result<JsValue, JsValue> {
    result.map(|_| JsValue::UNDEFINED).map_err(refused)
}

fn text(result: Result<Answer, Refusal>) -> Result<JsValue, JsValue> {
    match result.map_err(refused)? {
        Answer::Link(text) | Answer::Fingerprint(text) => Ok(text.into()),
        other @ (Answer::Done | Answer::Console(_) | Answer::State(_)) => Err(unexpected(&other)),
    }
}

fn console(result: Result<Answer, Refusal>) -> Result<JsValue, JsValue> {
    let answer = match result {
        Ok(Answer::Console(answer)) => answer,
        Ok(
            other @ (Answer::Done | Answer::Link(_) | Answer::State(_) | Answer::Fingerprint(_)),
        ) => return Err(unexpected(&other)),
        Err(refusal) => ConsoleAnswer { error: Some(refusal.to_string()), ..Default::default() },
    };
    let object = plain(&[("ok", answer.ok.into()), ("output", answer.output.into())])?;
    if let Some(error) = answer.error {
        Reflect::set(&object, &"error".into(), &error.into())?;
    }
    Ok(object.into())
}

/// With 64-bit integers as `BigInt` and nothing as `null`.
fn plain_state(state: &SessionState) -> Result<JsValue, JsValue> {
    let nodes = state.nodes.iter().map(plain_node).collect::<Result<Array, _>>()?;
    let state = plain(&[
        ("event", state.event.into()),
        ("virtual_ns", state.virtual_ns.into()),
        ("playing", state.playing.into()),
        ("leader", or_null(state.leader.as_deref())),
        ("nodes", nodes.into()),
    ])?;
    Ok(state.into())
}

fn plain_node(node: &NodeState) -> Result<JsValue, JsValue> {
    let node = plain(&[
        ("name", node.name.as_str().into()),
        ("role", node.role.as_str().into()),
        ("term", node.term.into()),
        ("commit", node.commit.into()),
        ("applied", node.applied.into()),
        ("up", node.up.into()),
        ("fatal", or_null(node.fatal.as_deref())),
    ])?;
    Ok(node.into())
}

fn plain(fields: &[(&str, JsValue)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (name, value) in fields {
        Reflect::set(&object, &(*name).into(), value)?;
    }
    Ok(object)
}

fn or_null(text: Option<&str>) -> JsValue {
    text.map_or(JsValue::NULL, JsValue::from)
}

#[expect(clippy::needless_pass_by_value, reason = "it is the last stop of a refusal")]
fn refused(refusal: Refusal) -> JsValue {
    Error::new(&refusal.to_string()).into()
}

fn unexpected(answer: &Answer) -> JsValue {
    Error::new(&format!("the worker gave an answer to another question: {answer:?}")).into()
}

fn wanted(what: &str) -> JsValue {
    Error::new(&format!("expected {what}")).into()
}

/// A count as a number or a `BigInt`.
fn whole(value: &JsValue) -> Result<u64, JsValue> {
    // `BigInt(1.5)` throws, and so does `BigInt` of anything that is no number.
    let exact = value.as_f64().map(|_| BigInt::new(value)).transpose();
    let exact = exact.ok().flatten().map_or_else(|| value.clone(), JsValue::from);
    u64::try_from(exact).map_err(|_| wanted("a whole number from 0 on"))
}

fn read_speed(value: &JsValue) -> Result<Option<Speed>, JsValue> {
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    let text = value
        .as_string()
        .or_else(|| value.as_f64().map(|number| number.to_string()))
        .ok_or_else(|| wanted("a speed: 0.1 or \"1/10\""))?;
    text.parse().map(Some).map_err(|error: crate::protocol::SpeedError| wanted(&error.to_string()))
}
