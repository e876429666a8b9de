//! Clients on the stage: the console, and a tag for each load that runs.

use std::rc::Rc;

use sim::view::ClientsView;
use yew::prelude::*;

use crate::page::ring::Ring;
use crate::page::words;

/// What is drawn.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) ring: Rc<Ring>,
    pub(super) clients: Rc<ClientsView>,
}

#[component]
pub(super) fn Clients(props: &Props) -> Html {
    html! {
        <g aria-hidden="true">
            { tag(&props.ring, 0, words::CONSOLE_TAG.to_owned(), None) }
            { for props.clients.loads.iter().map(|load| {
                tag(&props.ring, load.client, words::load(load.client), Some(&load.command))
            }) }
        </g>
    }
}

fn tag(ring: &Ring, client: u32, word: String, title: Option<&String>) -> Html {
    let at = ring.client(client);
    html! {
        <g class="client" key={client} transform={format!("translate({:.1} {:.1})", at.x, at.y)}>
            if let Some(title) = title { <title>{ title }</title> }
            <rect x="-30" y="-11" width="60" height="22" rx="4" /><text>{ word }</text>
        </g>
    }
}
