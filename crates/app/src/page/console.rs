//! The console: a transcript over a prompt. Lines are sent as they come; the worker answers in its
//! own time, and nothing typed meanwhile is lost.

use std::rc::Rc;

use sim::scenario::Node;
use sim::view::ClientsView;
use wasm_bindgen::JsCast;
use web_sys::{HtmlInputElement, HtmlSelectElement};
use yew::prelude::*;

use crate::protocol::Usage;

use super::completion;
use super::promises::{Tally, summary};
use super::quantity::{count, span};
use super::state::Turn;
use super::transcript::{Exchange, Transcript, lines};
use super::watches::Watches;
use super::wire::{Wire, use_wire};
use super::words;

/// The prompt's element id: `/` goes there.
pub(crate) const PROMPT: &str = "prompt";

/// What the console shows.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// What was asked and said.
    pub(crate) transcript: Rc<Transcript>,
    /// Servers that the prompt can name.
    pub(crate) servers: Rc<Vec<Node>>,
    /// What can be typed.
    pub(crate) verbs: Rc<Vec<Usage>>,
    /// Keys that completion can offer.
    pub(crate) keys: Rc<Vec<String>>,
    /// What clients were promised.
    pub(crate) clients: Option<Rc<ClientsView>>,
    /// How the cluster's promises stand.
    pub(crate) promises: Tally,
}

/// The console.
#[component]
pub(crate) fn Console(props: &Props) -> Html {
    let (wire, list) = (use_wire(), use_node_ref());
    let (lines, waiting) = (props.transcript.exchanges.len(), props.transcript.waiting());
    let last = props.transcript.exchanges.back().map(|exchange| exchange.id);
    use_scroll_to_end(&list, (lines, waiting, last));
    html! {
        <section class="console" aria-label={words::CONSOLE}>
            <div class="panel-head">
                <h2>{ words::CONSOLE }</h2>
                if let Some(clients) = &props.clients { { outcomes(clients) } }
                { summary(&wire, props.promises) }
            </div>
            <div class="transcript" ref={list} role="log" tabindex="0" aria-label={words::CONSOLE}>
                if lines == 0 { <p class="quiet">{ words::CONSOLE_HELLO }</p> }
                { for props.transcript.exchanges.iter().map(|exchange| html! {
                    <Said key={exchange.id} exchange={exchange.clone()} />
                }) }
            </div>
            if let Some(clients) = &props.clients { <Watches clients={clients.clone()} /> }
            <Prompt draft={props.transcript.draft.clone()} at={props.transcript.at}
                verbs={props.verbs.clone()} servers={props.servers.clone()} keys={props.keys.clone()} />
        </section>
    }
}

/// How the operations of all clients ended so far.
fn outcomes(clients: &ClientsView) -> Html {
    let kinds = [
        ("agreed", "✓", clients.acknowledged, words::ACKNOWLEDGED),
        ("broken", "✗", clients.failed, words::FAILED),
        ("undecided", "?", clients.unknown, words::UNKNOWN),
    ];
    html! {
        <div class="outcomes">
            { for kinds.into_iter().map(|(kind, mark, number, word)| html! {
                <span data-kind={kind}><b>{ format!("{mark} {}", count(number)) }</b>{ " " }{ word }</span>
            }) }
        </div>
    }
}

#[hook]
fn use_scroll_to_end(list: &NodeRef, changed: (usize, usize, Option<u32>)) {
    let list = list.clone();
    use_effect_with(changed, move |_| {
        if let Some(list) = list.cast::<web_sys::Element>() {
            list.set_scroll_top(list.scroll_height());
        }
    });
}

#[derive(Properties, PartialEq)]
struct SaidProps {
    exchange: Exchange,
}

#[component]
fn Said(props: &SaidProps) -> Html {
    let Exchange { at, line, answer, .. } = &props.exchange;
    let took = answer.as_ref().map(|answer| answer.took_ns).filter(|took| *took > 0);
    html! {
        <div class="exchange">
            <div class="asked">
                <span class="prompt">{ words::prompt(*at) }{ ">" }</span><span>{ line }</span>
                if let Some(took) = took { <span class="took">{ span(took) }</span> }
            </div>
            { reply(&props.exchange) }
        </div>
    }
}

fn reply(exchange: &Exchange) -> Html {
    let Some(answer) = &exchange.answer else {
        return html! { <div class="waiting">{ words::WAITING }</div> };
    };
    html! {
        <>
            if !answer.output.is_empty() { <pre class="said">{ answer.output.trim_end() }</pre> }
            if let Some(error) = &answer.error { <pre class="said error">{ error }</pre> }
        </>
    }
}

#[derive(Properties, PartialEq)]
struct PromptProps {
    draft: String,
    at: Option<Node>,
    verbs: Rc<Vec<Usage>>,
    servers: Rc<Vec<Node>>,
    keys: Rc<Vec<String>>,
}

#[component]
fn Prompt(props: &PromptProps) -> Html {
    let wire = use_wire();
    let typed = {
        let wire = wire.clone();
        Callback::from(move |event: InputEvent| {
            let input =
                event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
            if let Some(input) = input {
                wire.turn(Turn::Type(input.value()));
            }
        })
    };
    html! {
        <div class="ask">
            { spoken_to(&wire, props.at, &props.servers) }
            <input id={PROMPT} aria-label={words::PROMPT_INPUT} placeholder={words::PROMPT_PLACEHOLDER}
                value={props.draft.clone()} oninput={typed}
                onkeydown={pressed(&wire, props)} onpaste={pasted(&wire, props.at)}
                autocomplete="off" autocapitalize="off" autocorrect="off" spellcheck="false" enterkeyhint="send" />
            { offers(&wire, props) }
        </div>
    }
}

fn pressed(wire: &Wire, props: &PromptProps) -> Callback<KeyboardEvent> {
    let (wire, at, draft) = (wire.clone(), props.at, props.draft.clone());
    let verbs = Rc::clone(&props.verbs);
    let (servers, keys) = (Rc::clone(&props.servers), Rc::clone(&props.keys));
    Callback::from(move |event: KeyboardEvent| {
        let tab = || completion::tab(&draft, &verbs, &servers, &keys);
        let act = match event.key().as_str() {
            "Enter" => run(&wire, at, &draft),
            "ArrowUp" => turn(&wire, Turn::Older),
            "ArrowDown" => turn(&wire, Turn::Newer),
            // A tab that completes nothing goes on to the next control.
            "Tab" if !event.shift_key() && !draft.is_empty() => {
                tab().is_some_and(|completed| turn(&wire, Turn::Type(completed)))
            }
            "Escape" => leave(&event),
            _ => false,
        };
        if act {
            event.prevent_default();
        }
        event.stop_propagation();
    })
}

fn turn(wire: &Wire, turn: Turn) -> bool {
    wire.turn(turn);
    true
}

fn run(wire: &Wire, at: Option<Node>, text: &str) -> bool {
    for line in lines(text) {
        wire.console(at, line);
    }
    true
}

fn leave(event: &KeyboardEvent) -> bool {
    let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
    input.is_some_and(|input| input.blur().is_ok())
}

/// A paste of several lines runs them in order; one line is pasted as everywhere.
fn pasted(wire: &Wire, at: Option<Node>) -> Callback<Event> {
    let wire = wire.clone();
    Callback::from(move |event: Event| {
        let clipboard = event
            .dyn_ref::<web_sys::ClipboardEvent>()
            .and_then(web_sys::ClipboardEvent::clipboard_data);
        let text = clipboard.and_then(|data| data.get_data("text/plain").ok()).unwrap_or_default();
        if lines(&text).len() > 1 {
            event.prevent_default();
            run(&wire, at, &text);
        }
    })
}

/// Which server the prompt speaks to.
fn spoken_to(wire: &Wire, at: Option<Node>, servers: &Rc<Vec<Node>>) -> Html {
    let (wire, named) = (wire.clone(), Rc::clone(servers));
    let change = Callback::from(move |event: Event| {
        let select = event.target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok());
        let chosen = select.and_then(|select| usize::try_from(select.selected_index()).ok());
        let node = chosen.and_then(|chosen| chosen.checked_sub(1)).and_then(|n| named.get(n));
        wire.turn(Turn::Prompt(node.copied()));
    });
    html! {
        <select class="at" aria-label={words::PROMPT_TITLE} title={words::PROMPT_TITLE} onchange={change}>
            <option selected={at.is_none()}>{ words::prompt(None) }{ ">" }</option>
            { for servers.iter().map(|node| html! {
                <option key={node.0} selected={at == Some(*node)}>{ words::prompt(Some(*node)) }{ ">" }</option>
            }) }
        </select>
    }
}

/// What could stand at the cursor.
fn offers(wire: &Wire, props: &PromptProps) -> Html {
    if props.draft.is_empty() {
        return html! {};
    }
    let offers = completion::offers(&props.draft, &props.verbs, &props.servers, &props.keys);
    html! {
        <div class="offers">
            { for offers.into_iter().map(|offer| {
                let completed = completion::complete(&props.draft, &offer);
                html! { <button class="plain" tabindex="-1" onclick={wire.turning(move |_| Turn::Type(completed.clone()))}>{ offer }</button> }
            }) }
        </div>
    }
}
