//! Keys and values as IndexedDB takes and gives them.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use super::layout::{Address, Key, Store};
use super::stored::Records;

/// Puts a record where it belongs; keys that are none of ours are passed over.
pub(super) fn sort_in(records: &mut Records, store: Store, key: &Array, record: Vec<u8>) {
    let number = |at: u32| key.get(at).as_f64().and_then(whole_number);
    let small = |at: u32| number(at).and_then(|number| u32::try_from(number).ok());
    match (store, key.get(0).as_string().as_deref()) {
        (Store::Meta, Some("writer")) => records.writer = Some(record),
        (Store::Meta, Some("checkpoint")) => {
            records.checkpoint.extend(small(1).map(|part| (part, record)));
        }
        (Store::Slices, None) => {
            records.slices.extend(number(0).zip(small(1)).map(|key| (key, record)));
        }
        (Store::Pages, None) => {
            let address = small(0).zip(small(1)).zip(small(2));
            records
                .pages
                .extend(address.map(|((node, file), page)| (Address { node, file, page }, record)));
        }
        (Store::Actions, None) => records.actions.extend(small(0).map(|piece| (piece, record))),
        (Store::Meta | Store::Slices | Store::Pages | Store::Actions, _) => {}
    }
}

/// A number of JavaScript's that counts something.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
#[expect(clippy::cast_sign_loss, reason = "checked to be in range")]
pub(super) fn whole_number(number: f64) -> Option<u64> {
    const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;
    ((0.0..=WHOLE_MAX).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// A key as an array.
#[expect(clippy::cast_precision_loss, reason = "slices stay far below 2^53")]
pub(super) fn js_key(key: Key) -> JsValue {
    let small = |number: u32| JsValue::from(number);
    let parts: Vec<JsValue> = match key {
        Key::Writer => vec!["writer".into()],
        Key::Checkpoint(part) => vec!["checkpoint".into(), small(part)],
        Key::Slice(number, part) => vec![JsValue::from(number as f64), small(part)],
        Key::Page(Address { node, file, page }) => vec![small(node), small(file), small(page)],
        Key::Actions(piece) => vec![small(piece)],
    };
    parts.into_iter().collect::<Array>().into()
}

/// A record. What is not a `Uint8Array` reads as no bytes, which no record is.
pub(super) fn bytes(value: &JsValue) -> Vec<u8> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default()
}
