//! How large the stage is on this screen.

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, ResizeObserver};
use yew::prelude::*;

use crate::page::ring::Extent;

/// The extent of an element, and again whenever it changes.
#[hook]
pub(super) fn use_extent(place: &NodeRef) -> Extent {
    let extent = use_state_eq(Extent::default);
    let set = extent.setter();
    use_effect_with(place.clone(), move |place| {
        let watched = place.cast::<Element>().and_then(|element| watch(&element, set));
        move || drop(watched)
    });
    *extent
}

/// Stops watching when dropped.
struct Watch {
    observer: ResizeObserver,
    _callback: Closure<dyn FnMut(JsValue)>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.observer.disconnect();
    }
}

fn watch(element: &Element, set: UseStateSetter<Extent>) -> Option<Watch> {
    let measured = element.clone();
    let callback = Closure::<dyn FnMut(JsValue)>::new(move |_| set.set(extent_of(&measured)));
    let observer = ResizeObserver::new(callback.as_ref().unchecked_ref()).ok()?;
    observer.observe(element);
    Some(Watch { observer, _callback: callback })
}

fn extent_of(element: &Element) -> Extent {
    Extent {
        width: f64::from(element.client_width().max(1)),
        height: f64::from(element.client_height().max(1)),
    }
}
