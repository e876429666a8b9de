//! Watches of the console, live: what each one hears, and why it ended.

use std::rc::Rc;

use sim::view::{ClientsView, WatcherView};
use yew::prelude::*;

use super::quantity::count;
use super::words;

/// Lines of a watch that are shown.
const LINES: usize = 4;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// All clients.
    pub(crate) clients: Rc<ClientsView>,
}

/// The console's watches; nothing without one.
#[component]
pub(crate) fn Watches(props: &Props) -> Html {
    let own = || props.clients.watchers.iter().filter(|watcher| watcher.client == 0);
    if own().next().is_none() {
        return html! {};
    }
    html! {
        <ul class="watches" aria-label={words::WATCHES}>{ for own().map(watch) }</ul>
    }
}

fn watch(watcher: &WatcherView) -> Html {
    let (kind, state) = match (&watcher.ended, watcher.connected) {
        (Some(why), _) => ("broken", format!("ended: {why}")),
        (None, true) => ("agreed", format!("at {}", watcher.node)),
        (None, false) => ("undecided", format!("looking for {}", watcher.node)),
    };
    let skipped = watcher.latest.len().saturating_sub(LINES);
    html! {
        <li key={watcher.watcher}>
            <p><b>{ &watcher.command }</b>{ " " }<span class={kind}>{ state }</span>
                <span class="quiet">{ format!(" · {} events", count(watcher.events)) }</span></p>
            { for watcher.latest.iter().skip(skipped).map(|event| html! { <pre>{ event.trim_end().replace('\n', "  ") }</pre> }) }
        </li>
    }
}
