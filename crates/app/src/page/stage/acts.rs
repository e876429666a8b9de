//! Acts at hand: always the same buttons in the same places, for the selected server.

use ordered::Set;
use sim::scenario::Node;
use sim::view::NodeView;
use yew::prelude::*;

use crate::page::glyph::message_path;
use crate::page::scene::Part;
use crate::page::state::Turn;
use crate::page::wire::{Wire, use_wire};
use crate::page::words;

/// What the acts are about.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// The selected server.
    pub(crate) selected: Option<NodeView>,
    /// Servers that a partition would cut off.
    pub(crate) marked: Set<Node>,
    /// The partition as a line.
    pub(crate) partition: Option<AttrValue>,
    /// Whether there is nothing to heal.
    pub(crate) whole: bool,
}

/// The row of acts.
#[component]
pub(crate) fn Acts(props: &Props) -> Html {
    let wire = use_wire();
    let Some(selected) = &props.selected else { return html! { <div class="acts" /> } };
    let (node, part) = (selected.node, Part::of(selected));
    let marked = props.marked.contains(&node);
    let cut = if props.marked.is_empty() { words::ISOLATE } else { words::CUT_OFF };
    let cut_title = props.partition.as_deref().map_or_else(String::new, words::partition_title);
    html! {
        <div class="acts" role="toolbar" aria-label={selected.name.clone()}>
            <span class="who">{ &selected.name }</span>
            { act(&wire, "c", words::CRASH, words::CRASH_TITLE, part.is_up().then(|| format!("crash {node}"))) }
            { act(&wire, "r", words::RESTART, words::RESTART_TITLE, (!part.is_up()).then(|| format!("restart {node}"))) }
            { act(&wire, "p", cut, &cut_title, props.partition.as_deref().map(ToOwned::to_owned)) }
            { act(&wire, "h", words::HEAL, words::HEAL_TITLE, (!props.whole).then(|| "heal".to_owned())) }
            <button class="plain" aria-pressed={marked.to_string()} title={words::MARK_TITLE} aria-keyshortcuts="x"
                onclick={wire.turning(move |_| Turn::Mark(node))}>
                { words::MARK }<kbd aria-hidden="true">{ "x" }</kbd>
            </button>
            { legend() }
        </div>
    }
}

/// A button that does a line; without one it would do nothing, and says so.
fn act(
    wire: &Wire,
    key: &'static str,
    word: &'static str,
    title: &str,
    line: Option<String>,
) -> Html {
    let (wire, idle) = (wire.clone(), line.is_none());
    let click = Callback::from(move |_| line.iter().for_each(|line| wire.perform(line.clone())));
    html! {
        <button disabled={idle} title={title.to_owned()} onclick={click} aria-keyshortcuts={key}>
            { word }<kbd aria-hidden="true">{ key }</kbd>
        </button>
    }
}

/// What the letters on moving messages mean.
fn legend() -> Html {
    let shown = [("append", "entries"), ("heartbeat", "heartbeat"), ("vote", "vote")];
    html! {
        <div class="legend" aria-hidden="true">
            { for shown.iter().map(|(class, word)| html! {
                <span><svg class={classes!("msg-key", "msg", *class)} viewBox="-12 -12 24 24"><path class="shape" d={message_path(class)} /></svg>{ word }</span>
            }) }
        </div>
    }
}
