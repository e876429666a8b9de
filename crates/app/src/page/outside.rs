//! What the page has to do with the browser around it: the address, the theme, the clipboard, the
//! keyboard. Everything that can fail there is allowed to: the page goes on.

use gloo::events::{EventListener, EventListenerOptions};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, File, HtmlElement, KeyboardEvent, Storage, Window};
use yew::prelude::*;

use crate::api::Imported;
use crate::bridge::Bridge;
use crate::protocol::Command;

use super::cards;
use super::console::PROMPT;
use super::keyboard::{Deed, Wish, wish};
use super::scene::Part;
use super::state::{Page, Panel, Share, Theme, Turn};
use super::transport::{play_or_pause, rung, set_speed, step};
use super::wire::Wire;

const THEME_KEY: &str = "quorarium-theme";

fn window() -> Window {
    web_sys::window().expect("the page runs in a window")
}

fn document() -> Document {
    window().document().expect("the page is a document")
}

/// Real time, milliseconds since the page was opened.
pub(crate) fn now_ms() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now())
}

/// The link in the address, if there is one.
pub(crate) fn link() -> Option<String> {
    window().location().hash().ok().filter(|hash| hash.len() > 1)
}

/// `window.quorarium`.
pub(crate) fn offer_api(bridge: &Bridge, import: impl Fn(File) -> Imported + 'static) {
    if let Err(error) = crate::api::install(bridge, import) {
        web_sys::console::error_2(&"window.quorarium could not be offered:".into(), &error);
    }
}

fn storage() -> Option<Storage> {
    window().local_storage().ok().flatten()
}

/// The theme of last time.
pub(crate) fn stored_theme() -> Theme {
    let stored = storage().and_then(|storage| storage.get_item(THEME_KEY).ok().flatten());
    Theme::named(stored.as_deref().unwrap_or_default())
}

/// Writes the theme on the root element and remembers it.
#[hook]
pub(crate) fn use_theme(theme: Theme) {
    use_effect_with(theme, |theme| {
        let root = document().document_element();
        let applied = root.and_then(|root| root.set_attribute("data-theme", theme.name()).ok());
        let kept = storage().and_then(|storage| storage.set_item(THEME_KEY, theme.name()).ok());
        // Without storage the choice lasts as long as the page.
        let _ = (applied, kept);
    });
}

/// Opens a link that is put into the address later, and takes a link out of the address once the
/// visitor is back in the own session.
#[hook]
pub(crate) fn use_address(page: &Page, wire: &Wire) {
    let opener = wire.clone();
    use_effect_with((), move |()| {
        let listener = EventListener::new(&window(), "hashchange", move |_| {
            if let Some(text) = link() {
                opener.ask(|id| Command::Load { id, text });
            }
        });
        move || drop(listener)
    });
    let home = page.storage.is_some() && !page.visiting();
    use_effect_with(home, |home| {
        if *home && link().is_some() {
            forget_link();
        }
    });
}

fn forget_link() {
    let location = window().location();
    let parts = (location.pathname().unwrap_or_default(), location.search().unwrap_or_default());
    let bare = format!("{}{}", parts.0, parts.1);
    let history = window().history();
    // Where history is forbidden (a sandboxed frame) the address keeps the link.
    let _ = history.map(|history| history.replace_state_with_url(&JsValue::NULL, "", Some(&bare)));
}

/// Puts a link into the clipboard as soon as it is made.
#[hook]
pub(crate) fn use_clipboard(page: &Page, wire: &Wire) {
    let wire = wire.clone();
    use_effect_with(page.share.clone(), move |share| {
        if let Share::Made { hash, copied: None } = share {
            cards::copy(&wire, cards::whole(hash));
        }
    });
}

/// Listens to keys on the whole page.
#[hook]
pub(crate) fn use_keyboard(page: &UseReducerHandle<Page>, wire: &Wire) {
    let newest = use_mut_ref(|| page.clone());
    *newest.borrow_mut() = page.clone();
    let wire = wire.clone();
    use_effect_with((), move |()| {
        let options = EventListenerOptions::enable_prevent_default();
        let listener =
            EventListener::new_with_options(&document(), "keydown", options, move |event| {
                let Some(event) = event.dyn_ref::<KeyboardEvent>() else { return };
                let page = newest.borrow().clone();
                if let Some(wish) = wish(&event.key()).filter(|wish| wanted(event, *wish, &page)) {
                    event.prevent_default();
                    grant(wish, &page, &wire);
                }
            });
        move || drop(listener)
    });
}

/// Whether a key is the page's and not that of what has the focus.
fn wanted(event: &KeyboardEvent, wish: Wish, page: &Page) -> bool {
    let held = event.ctrl_key() || event.meta_key() || event.alt_key();
    let card = page.covered();
    let at = event.target().and_then(|target| target.dyn_into::<Element>().ok());
    let within =
        |selector| at.as_ref().is_some_and(|at| matches!(at.closest(selector), Ok(Some(_))));
    let typing = within("input, select, textarea");
    let scrolls = "[role=tablist], [role=region], [role=log], [role=tabpanel], ol";
    let free = match wish {
        Wish::Close => true,
        Wish::Help => !typing,
        Wish::PlayPause => !card && !typing && !within("button, a"),
        Wish::Previous | Wish::Next => !card && !typing && !within(scrolls),
        Wish::Step
        | Wish::Slower
        | Wish::Faster
        | Wish::Select(_)
        | Wish::Act(_)
        | Wish::Console => !card && !typing,
    };
    free && !held
}

fn grant(wish: Wish, page: &Page, wire: &Wire) {
    let playback = page.scene.as_ref().map(|scene| scene.playback).unwrap_or_default();
    match wish {
        Wish::PlayPause => play_or_pause(wire, playback.playing),
        Wish::Step => step(wire),
        Wish::Slower => set_speed(wire, rung(playback.speed, false), playback.playing),
        Wish::Faster => set_speed(wire, rung(playback.speed, true), playback.playing),
        Wish::Select(number) => select(page, wire, |_| number),
        Wish::Previous => select(page, wire, |at| at.wrapping_sub(1)),
        Wish::Next => select(page, wire, |at| at + 1),
        Wish::Act(deed) => act(deed, page, wire),
        Wish::Console => go_to_prompt(wire),
        Wish::Help => wire.turn(Turn::Help(!page.help)),
        Wish::Close => close(page, wire),
    }
}

/// Selects a server by its place, counted around the ring.
fn select(page: &Page, wire: &Wire, place: impl Fn(usize) -> usize) {
    let (servers, at) = (&page.servers, page.looked_at().map_or(0, |node| node.node.index()));
    let chosen = match place(at) {
        usize::MAX => servers.len().checked_sub(1),
        past if past == at + 1 && past == servers.len() => Some(0),
        number => Some(number),
    };
    if let Some(node) = chosen.and_then(|chosen| servers.get(chosen)) {
        wire.turn(Turn::Select(*node));
        take_focus_along(&format!("server-{node}"));
    }
}

/// When a server has the focus, the selected one gets it.
fn take_focus_along(id: &str) {
    let on_a_server = document()
        .active_element()
        .is_some_and(|active| active.get_attribute("role").is_some_and(|role| role == "option"));
    if let Some(server) = document().get_element_by_id(id).filter(|_| on_a_server) {
        focus(&server);
    }
}

fn focus(element: &Element) {
    // SVG elements have `focus` as well, but web-sys binds it for HTML alone.
    // An element that is on the page can be focused.
    let _ = element.unchecked_ref::<HtmlElement>().focus();
}

fn act(deed: Deed, page: &Page, wire: &Wire) {
    let Some(node) = page.looked_at() else { return };
    let (name, up) = (node.node, Part::of(node).is_up());
    let line = match deed {
        Deed::Crash => up.then(|| format!("crash {name}")),
        Deed::Restart => (!up).then(|| format!("restart {name}")),
        Deed::Partition => page.partition_line(),
        Deed::Heal => Some("heal".to_owned()),
        Deed::Mark => {
            wire.turn(Turn::Mark(name));
            None
        }
    };
    if let Some(line) = line {
        wire.perform(line);
    }
}

fn go_to_prompt(wire: &Wire) {
    wire.turn(Turn::Show(Panel::Console));
    if let Some(prompt) = document().get_element_by_id(PROMPT) {
        focus(&prompt);
    }
}

fn close(page: &Page, wire: &Wire) {
    match page {
        Page { help: true, .. } => wire.turn(Turn::Help(false)),
        Page { promises: true, .. } => wire.turn(Turn::Promises(false)),
        Page { reading, share: Share::Closed, .. } if reading.covers() => wire.reader().close(),
        Page { share: Share::Closed, refusal: Some(_), .. } => wire.turn(Turn::RefusalRead),
        Page { share: Share::Closed, .. } => {
            page.marked.iter().for_each(|node| wire.turn(Turn::Mark(*node)));
        }
        _ => wire.turn(Turn::ShareClosed),
    }
}
