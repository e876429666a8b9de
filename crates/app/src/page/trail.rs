//! The way of the last write, from the request to the reply; each step leads to the place in the
//! panels where it can be seen.

use std::rc::Rc;

use sim::view::Trail;
use yew::prelude::*;

use super::chain::{Passed, Stage, reads, stages};
use super::state::{Panel, RecordPick, Turn};
use super::wire::{Wire, use_wire};
use super::words;

/// What is shown.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// The last console request's way.
    pub(crate) trail: Option<Rc<Trail>>,
    /// Servers in the cluster.
    pub(crate) servers: usize,
}

/// The strip.
#[component]
pub(crate) fn TrailStrip(props: &Props) -> Html {
    let wire = use_wire();
    let trail = props.trail.as_ref();
    let name = words::trail(trail.is_some_and(|trail| reads(trail)));
    html! {
        <section class="trail" aria-label={name}>
            <div class="panel-head">
                <h2>{ name }</h2>
                if let Some(trail) = trail { <span class="what" title={trail.command.clone()}>{ &trail.command }</span> }
            </div>
            if let Some(trail) = trail {
                <ol class="steps">
                    { for stages(trail, props.servers).into_iter().map(|passed| {
                        step(&wire, &passed, props.servers)
                    }) }
                </ol>
            } else {
                <p class="empty">{ words::TRAIL_EMPTY }</p>
            }
        </section>
    }
}

fn step(wire: &Wire, passed: &Passed, servers: usize) -> Html {
    let go = {
        let (wire, passed) = (wire.clone(), passed.clone());
        Callback::from(move |_| lead(&wire, &passed))
    };
    let Passed { stage, done, .. } = *passed;
    html! {
        <li key={words::stage(stage)} data-done={done.to_string()}>
            <button disabled={!done} onclick={go}>
                <span class="pip" aria-hidden="true" />
                <span class="name">{ words::stage(stage) }<span class="after">{ words::stage_after(passed) }</span></span>
                <span class="fact">{ if done { words::stage_fact(passed, servers) } else { "…".to_owned() } }</span>
            </button>
        </li>
    }
}

/// Opens the panel in which a stage can be seen.
fn lead(wire: &Wire, passed: &Passed) {
    if let Some(node) = passed.node {
        wire.turn(Turn::Select(node));
    }
    match passed.stage {
        Stage::Request | Stage::Reply => wire.turn(Turn::Show(Panel::Console)),
        Stage::Entry | Stage::Committed => {
            wire.turn(Turn::Show(Panel::Raft));
            passed.index.into_iter().for_each(|index| wire.turn(Turn::PickEntry(index)));
        }
        Stage::Record | Stage::Synced => {
            wire.turn(Turn::Show(Panel::Wal));
            if let Some(at) = passed.record {
                wire.turn(Turn::PickRecord(RecordPick { segment: at.segment, offset: at.offset }));
            }
        }
        Stage::Revision => wire.turn(Turn::Show(Panel::Keys)),
    }
}
