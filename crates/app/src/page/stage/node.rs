//! A server on the stage: a disc with the glyph of its role, its name, and what it stands for.

use sim::scenario::Node;
use sim::view::NodeView;
use yew::prelude::*;

use crate::page::glyph::role_path;
use crate::page::ring::{Detail, Point};
use crate::page::scene::Part;
use crate::page::words;

/// As much of a server as its disc shows; timers are drawn elsewhere, sixty times a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    node: Node,
    name: AttrValue,
    part: Part,
    term: u64,
    last: u64,
    commit: u64,
    applied: u64,
}

impl Standing {
    pub(super) fn of(view: &NodeView) -> Standing {
        Standing {
            node: view.node,
            name: AttrValue::from(view.name.clone()),
            part: Part::of(view),
            term: view.term,
            last: view.last_index,
            commit: view.commit,
            applied: view.applied,
        }
    }
}

/// What is drawn.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) standing: Standing,
    pub(super) place: Point,
    pub(super) radius: f64,
    pub(super) detail: Detail,
    pub(super) selected: bool,
    pub(super) marked: bool,
    pub(super) choose: Callback<Node>,
    pub(super) mark: Callback<Node>,
}

#[component]
pub(super) fn ServerDisc(props: &Props) -> Html {
    let Standing { node, part, term, commit, applied, ref name, .. } = props.standing;
    let (choose, mark) = (props.choose.clone(), props.mark.clone());
    let click = Callback::from(
        move |event: MouseEvent| {
            if event.shift_key() { mark.emit(node) } else { choose.emit(node) }
        },
    );
    let choose = props.choose.clone();
    let focus = Callback::from(move |_: FocusEvent| choose.emit(node));
    html! {
        <g class={classes!("node", part.class(), (props.radius < TINY).then_some("tiny"))} role="option" id={format!("server-{node}")}
            aria-selected={props.selected.to_string()} tabindex={if props.selected { "0" } else { "-1" }}
            aria-label={words::server_label(name, part, term, commit, applied)}
            transform={format!("translate({:.1} {:.1})", props.place.x, props.place.y)}
            onclick={click} onfocus={focus}>
            { disc(props) }
            { labels(props) }
        </g>
    }
}

/// Discs below this radius have room for a number alone; then the disc itself takes the shape.
const TINY: f64 = 18.0;

fn disc(props: &Props) -> Html {
    let Props { radius, standing, .. } = props;
    html! {
        <>
            <circle class="halo" r={px(radius + 11.0)} />
            if props.marked { <circle class="marked" r={px(radius + 15.0)} /> }
            if standing.part.is_up() { <circle class="track" r={px(radius + 5.0)} /> }
            if *radius < TINY {
                <path class="body" d={role_path(standing.part, radius * 1.12)} />
            } else {
                <circle class="body" r={px(*radius)} />
                <path class="glyph" d={role_path(standing.part, (radius * 0.26).clamp(5.0, 11.0))}
                    transform={format!("translate(0 {:.1})", radius * -0.34)} />
            }
        </>
    }
}

fn labels(props: &Props) -> Html {
    let Props { radius, standing, detail, .. } = props;
    let tiny = *radius < TINY;
    let name = if tiny { standing.node.0.to_string() } else { standing.name.to_string() };
    let below = if tiny { 3.5 } else { radius * 0.46 };
    html! {
        <>
            <text class="name" y={px(below)}>{ name }</text>
            if *detail != Detail::Name {
                <text class="under" y={px(radius + 25.0)}>{ words::server_line(standing.part, standing.term) }</text>
            }
            if *detail == Detail::Full && standing.part.is_up() {
                <text class="under fine" y={px(radius + 41.0)}>{ words::server_fine(standing.last, standing.commit) }</text>
            }
        </>
    }
}

fn px(length: f64) -> String {
    format!("{length:.1}")
}
