//! The reader in its browser: messages in, answers out.

use std::cell::RefCell;

use js_sys::{Array, Uint8Array};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, File, MessageEvent};

use super::dropped::Dropped;
use super::file::BrowserFile;
use super::opened::Opened;
use super::protocol::{Question, Told};
use crate::bridge::unpack;

/// Starts the reader.
pub fn start() {
    console_error_panic_hook::set_once();
    let Ok(scope) = js_sys::global().dyn_into::<DedicatedWorkerGlobalScope>() else { return };
    let shell = RefCell::new(None);
    let hear = Closure::<dyn FnMut(MessageEvent)>::new({
        let scope = scope.clone();
        move |event: MessageEvent| hear(&scope, &mut shell.borrow_mut(), &event.data())
    });
    scope.set_onmessage(Some(hear.into_js_value().unchecked_ref()));
    // The first word: messages that are posted before somebody listens are lost in module workers.
    let _ = scope.post_message(&"ready".into());
}

fn hear(scope: &DedicatedWorkerGlobalScope, opened: &mut Option<Opened>, data: &JsValue) {
    if let Some(message) = data.dyn_ref::<Array>() {
        let (told, inspection) = open(opened, message);
        post(scope, &told, Some(&inspection));
        return;
    }
    let question: Question = unpack(data).expect("page and reader are of one build");
    let told = match opened {
        Some(opened) => opened.answer(&question),
        None => Told::Refused("nothing is open".to_owned()),
    };
    post(scope, &told, None);
}

/// `["open", name, [[path, file], …]]`.
fn open(opened: &mut Option<Opened>, message: &Array) -> (Told, JsValue) {
    let name = message.get(1).as_string().unwrap_or_default();
    let files = Array::from(&message.get(2));
    let files = files.iter().map(|pair| dropped(&Array::from(&pair)));
    match Opened::open(&name, files.collect()) {
        Ok(found) => {
            let inspection = plain_object(found.inspection());
            let told = Told::Opened(found.overview());
            *opened = Some(found);
            (told, inspection)
        }
        Err(error) => (Told::Refused(error.to_string()), JsValue::NULL),
    }
}

fn dropped(pair: &Array) -> Dropped {
    let file = pair.get(1).dyn_into::<File>().expect("bytes come as a file");
    Dropped::new(pair.get(0).as_string().unwrap_or_default(), BrowserFile::new(file))
}

fn post(scope: &DedicatedWorkerGlobalScope, told: &Told, inspection: Option<&JsValue>) {
    let bytes = postcard::to_allocvec(told).expect("plain data");
    let buffer = Uint8Array::from(&bytes[..]).buffer();
    let transferred = Array::of1(&buffer);
    let message: JsValue = match inspection {
        Some(inspection) => Array::of2(&buffer, inspection).into(),
        None => buffer.into(),
    };
    // Nobody is left to be told when this fails.
    let _ = scope.post_message_with_transfer(&message, &transferred);
}

/// With 64-bit integers as `BigInt` and nothing as `null`.
fn plain_object(value: &impl Serialize) -> JsValue {
    let serializer = Serializer::new()
        .serialize_large_number_types_as_bigints(true)
        .serialize_missing_as_null(true);
    value.serialize(&serializer).expect("plain data becomes plain objects")
}
