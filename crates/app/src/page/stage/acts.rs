//! Acts at hand: always the same buttons in the same places, for the selected server.

use std::collections::BTreeSet;

use sim::scenario::Node;
use sim::view::NodeView;
use yew::prelude::*;

use crate::page::glyph::message_path;
use crate::page::scene::Part;
use crate::page::state::Turn;
use crate::page::wire::use_wire;
use crate::page::words;

/// What the acts are about.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// The selected server.
    pub(crate) selected: Option<NodeView>,
    /// Servers that a partition would cut off.
    pub(crate) marked: BTreeSet<Node>,
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
            <Act word={words::CRASH} title={words::CRASH_TITLE} shortcut="c" line={part.is_up().then(|| format!("crash {node}"))} />
            <Act word={words::RESTART} title={words::RESTART_TITLE} shortcut="r" line={(!part.is_up()).then(|| format!("restart {node}"))} />
            <Act word={cut} title={cut_title} shortcut="p" line={props.partition.clone().map(|line| line.to_string())} />
            <Act word={words::HEAL} title={words::HEAL_TITLE} shortcut="h" line={(!props.whole).then(|| "heal".to_owned())} />
            <button class="plain" aria-pressed={marked.to_string()} title={words::MARK_TITLE} aria-keyshortcuts="x"
                onclick={wire.turning(move |_| Turn::Mark(node))}>
                { words::MARK }<kbd aria-hidden="true">{ "x" }</kbd>
            </button>
            <Legend />
        </div>
    }
}

#[derive(Properties, PartialEq)]
struct ActProps {
    word: AttrValue,
    title: AttrValue,
    shortcut: AttrValue,
    /// What it does; nothing when it would do nothing.
    line: Option<String>,
}

#[component]
fn Act(props: &ActProps) -> Html {
    let wire = use_wire();
    let line = props.line.clone();
    let click = Callback::from(move |_| {
        if let Some(line) = &line {
            wire.perform(line.clone());
        }
    });
    html! {
        <button disabled={props.line.is_none()} title={props.title.clone()} onclick={click}
            aria-keyshortcuts={props.shortcut.clone()}>
            { &props.word }<kbd aria-hidden="true">{ &props.shortcut }</kbd>
        </button>
    }
}

/// What the letters on moving messages mean.
#[component]
fn Legend() -> Html {
    let shown = [("append", "entries"), ("heartbeat", "heartbeat"), ("vote", "vote")];
    html! {
        <div class="legend" aria-hidden="true">
            { for shown.iter().map(|(class, word)| html! {
                <span><svg class={classes!("msg-key", "msg", *class)} viewBox="-12 -12 24 24"><path class="shape" d={message_path(class)} /></svg>{ word }</span>
            }) }
        </div>
    }
}
