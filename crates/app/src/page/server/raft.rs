//! Raft: what the server believes, and its log as a strip from the sentinel to the newest entry.

use std::rc::Rc;

use sim::scenario::Node;
use sim::view::{EntryState, EntryView, NodeView, RaftView};
use yew::prelude::*;

use crate::page::quantity;
use crate::page::scene::Part;
use crate::page::state::Turn;
use crate::page::wire::{Wire, use_wire};
use crate::page::words;

/// What stands above the strip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    part: Part,
    term: u64,
    vote: Option<Node>,
    leader: Option<Node>,
    commit: u64,
    applied: u64,
}

impl Facts {
    pub(super) fn of(node: &NodeView) -> Facts {
        Facts {
            part: Part::of(node),
            term: node.term,
            vote: node.vote,
            leader: node.leader,
            commit: node.commit,
            applied: node.applied,
        }
    }
}

/// What is shown.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) raft: Rc<RaftView>,
    pub(super) facts: Facts,
    pub(super) picked: Option<u64>,
}

#[component]
pub(super) fn Raft(props: &Props) -> Html {
    let wire = use_wire();
    let raft = &props.raft;
    let shown = props.picked.and_then(|index| raft.entries.iter().find(|one| one.index == index));
    let shown = shown.or(raft.entries.last());
    html! {
        <>
            { fact_list(&props.facts) }
            <div class="strip-wrap">
                <h3>{ range(raft) }</h3>
                <ol class="strip">
                    { sentinel(&wire, raft) }
                    { for raft.entries.iter().map(|entry| html! {
                        <Entry key={entry.index} index={entry.index} term={entry.term} state={entry.state}
                            label={label(entry)} picked={shown.is_some_and(|shown| shown.index == entry.index)} />
                    }) }
                </ol>
                { strip_legend() }
            </div>
            if let Some(entry) = shown { { detail(entry) } }
        </>
    }
}

fn fact_list(facts: &Facts) -> Html {
    let Facts { part, term, vote, leader, commit, applied } = *facts;
    let named = |node: Option<Node>| node.map_or_else(|| "—".to_owned(), |node| node.to_string());
    let facts = [
        ("role", words::part(part).to_owned()),
        ("term", term.to_string()),
        ("vote", named(vote)),
        ("leader", named(leader)),
        ("commit", commit.to_string()),
        ("applied", applied.to_string()),
    ];
    html! {
        <dl class="facts">
            { for facts.into_iter().map(|(name, value)| html! { <div><dt>{ name }</dt><dd>{ value }</dd></div> }) }
        </dl>
    }
}

fn range(raft: &RaftView) -> String {
    if raft.last_index < raft.first_index {
        return format!("log empty after {}", raft.sentinel_index);
    }
    format!(
        "log {} … {}, unstable from {}",
        raft.first_index, raft.last_index, raft.unstable_offset
    )
}

fn sentinel(wire: &Wire, raft: &RaftView) -> Html {
    let hidden = raft.entries.first().map_or(0, |first| first.index - raft.first_index);
    html! {
        <>
            <li>
                <span class="entry" data-state="sentinel" title="sentinel: the entry before the first one">
                    <span class="index">{ "◇ " }{ raft.sentinel_index }</span>
                    <span class="term">{ format!("t{}", raft.sentinel_term) }</span>
                </span>
            </li>
            if hidden > 0 { <li>{ older(wire, hidden) }</li> }
        </>
    }
}

fn older(wire: &Wire, hidden: u64) -> Html {
    html! {
        <button class="plain" onclick={wire.turning(|_| Turn::MoreRows)} title={words::OLDER_ROWS}>
            { format!("… {}", quantity::count(hidden)) }
        </button>
    }
}

#[derive(Properties, PartialEq)]
struct EntryProps {
    index: u64,
    term: u64,
    state: EntryState,
    label: String,
    picked: bool,
}

#[component]
fn Entry(props: &EntryProps) -> Html {
    let wire = use_wire();
    let index = props.index;
    html! {
        <li>
            <button class="entry" data-state={style(props.state)} aria-pressed={props.picked.to_string()}
                aria-label={props.label.clone()} title={props.label.clone()}
                onclick={wire.turning(move |_| Turn::PickEntry(index))}>
                <span class="index">{ index }</span>
                <span class="term">{ format!("t{}", props.term) }</span>
            </button>
        </li>
    }
}

fn label(entry: &EntryView) -> String {
    format!(
        "{} in term {}: {}, {}",
        entry.index,
        entry.term,
        entry.summary,
        words::entry_word(entry.state)
    )
}

fn style(state: EntryState) -> &'static str {
    match state {
        EntryState::Unstable => "unstable",
        EntryState::Appended => "stable",
        EntryState::Committed => "committed",
        EntryState::Applied => "applied",
    }
}

fn strip_legend() -> Html {
    let states =
        [EntryState::Applied, EntryState::Committed, EntryState::Appended, EntryState::Unstable];
    html! {
        <div class="legend-row" aria-hidden="true">
            { for states.into_iter().map(|state| html! {
                <span><i data-state={style(state)} />{ words::entry_word(state) }</span>
            }) }
        </div>
    }
}

fn detail(entry: &EntryView) -> Html {
    let rows = [
        ("entry", format!("{} in term {}", entry.index, entry.term)),
        ("kind", entry.kind.clone()),
        ("says", entry.summary.clone()),
        ("data", quantity::size(entry.bytes)),
        ("state", words::entry_state(entry.state).to_owned()),
    ];
    html! {
        <dl class="entry-detail">
            { for rows.into_iter().map(|(name, value)| html! { <><dt>{ name }</dt><dd>{ value }</dd></> }) }
        </dl>
    }
}
