//! The key-value state: every key with its revisions, and what it was before.

use std::rc::Rc;

use ordered::Set;
use sim::view::{KeyRevision, KeyView, StoreView};
use yew::prelude::*;

use crate::page::quantity::count;
use crate::page::state::Turn;
use crate::page::wire::{Wire, use_wire};
use crate::page::words;

/// What is shown.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) store: Rc<StoreView>,
    pub(super) open: Set<String>,
}

#[component]
pub(super) fn Keys(props: &Props) -> Html {
    let wire = use_wire();
    let store = &props.store;
    html! {
        <>
            <p class="keys-head">
                <span>{ "revision " }<b>{ store.revision }</b></span>
                <span>{ "keys " }<b>{ count(store.total) }</b></span>
                if store.compact_revision > 0 { <span>{ words::compacted(store.compact_revision) }</span> }
            </p>
            if store.keys.is_empty() {
                <div class="empty"><p>{ words::NO_KEYS }</p></div>
            } else {
                { table(&wire, props) }
            }
        </>
    }
}

fn table(wire: &Wire, props: &Props) -> Html {
    let more = (props.store.keys.len() as u64) < props.store.total;
    html! {
        <>
            { rows(&props.store.keys, &props.open, &wire.turning(Turn::ToggleKey)) }
            if more { <button class="plain" onclick={wire.turning(|_| Turn::MoreRows)}>{ words::MORE_KEYS }</button> }
        </>
    }
}

/// Keys, and the history of those that are open.
pub(crate) fn rows(keys: &[KeyView], open: &Set<String>, toggle: &Callback<String>) -> Html {
    html! {
        <table class="keys-table">
            <thead><tr>
                <th>{ "key" }</th><th>{ "value" }</th><th class="number">{ "create" }</th>
                <th class="number">{ "mod" }</th><th class="number">{ "version" }</th>
            </tr></thead>
            <tbody>
                { for keys.iter().map(|key| html! {
                    <Key key={key.key.clone()} view={key.clone()} open={open.contains(&key.key)} toggle={toggle.clone()} />
                }) }
            </tbody>
        </table>
    }
}

#[derive(Properties, PartialEq)]
struct KeyProps {
    view: KeyView,
    open: bool,
    toggle: Callback<String>,
}

#[component]
fn Key(props: &KeyProps) -> Html {
    let view = &props.view;
    html! {
        <>
            <tr class={classes!(view.value.is_none().then_some("tombstone"))}>
                <td class="key">{ toggle(&props.toggle, view, props.open) }</td>
                <td class="value" title={view.value.clone()}>{ value(view.value.as_ref()) }</td>
                <td class="number">{ positive(view.create_revision) }</td>
                <td class="number">{ view.mod_revision }</td>
                <td class="number">{ positive(view.version) }</td>
            </tr>
            if props.open { { for view.earlier.iter().map(earlier) } }
        </>
    }
}

/// Opens and closes the history of a key, when it has one.
fn toggle(toggle: &Callback<String>, view: &KeyView, open: bool) -> Html {
    if view.earlier.is_empty() {
        return html! { <span class="pick alone">{ &view.key }</span> };
    }
    let (key, toggle) = (view.key.clone(), toggle.clone());
    let click = Callback::from(move |_| toggle.emit(key.clone()));
    html! {
        <button class="pick" aria-expanded={open.to_string()} onclick={click}>{ &view.key }</button>
    }
}

fn earlier(revision: &KeyRevision) -> Html {
    html! {
        <tr class={classes!("past", revision.value.is_none().then_some("tombstone"))}>
            <td class="key">{ "before" }</td>
            <td class="value" title={revision.value.clone()}>{ value(revision.value.as_ref()) }</td>
            <td /><td class="number">{ revision.revision }</td><td />
        </tr>
    }
}

fn value(value: Option<&String>) -> Html {
    match value {
        Some(value) => html! { value },
        None => html! { <>{ "✖ " }{ words::DELETED }</> },
    }
}

fn positive(number: i64) -> String {
    if number > 0 { number.to_string() } else { "–".to_owned() }
}
