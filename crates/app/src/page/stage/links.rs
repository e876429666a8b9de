//! Lines between servers: thin where they hear each other, broken with a cross where they do not.

use std::rc::Rc;

use sim::scenario::Node;
use yew::prelude::*;

use crate::page::ring::{Point, Ring};

/// What is drawn.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) ring: Rc<Ring>,
    /// One group or none: the network is whole.
    pub(super) groups: Rc<Vec<Vec<Node>>>,
}

/// More servers than this, and only what is cut is drawn.
const MESH_MAX: usize = 9;

#[component]
pub(super) fn Links(props: &Props) -> Html {
    let servers = props.ring.places.len();
    let pairs = (0..servers).flat_map(|one| (one + 1..servers).map(move |other| (one, other)));
    html! {
        <g aria-hidden="true">
            { for pairs.filter_map(|(one, other)| link(props, one, other)) }
        </g>
    }
}

fn link(props: &Props, one: usize, other: usize) -> Option<Html> {
    let (from, to) = props.ring.lane(one, other)?;
    let cut = !hear_each_other(&props.groups, Node::at(one), Node::at(other));
    let few = props.ring.places.len() <= MESH_MAX;
    (cut || few).then(|| html! {
        <g key={format!("{one}-{other}")}>
            <line class={classes!("link", cut.then_some("cut"))} x1={px(from.x)} y1={px(from.y)} x2={px(to.x)} y2={px(to.y)} />
            if cut && few { { cross(from.towards(to, 0.5)) } }
        </g>
    })
}

fn hear_each_other(groups: &[Vec<Node>], one: Node, other: Node) -> bool {
    groups.len() < 2 || groups.iter().any(|group| group.contains(&one) && group.contains(&other))
}

fn cross(at: Point) -> Html {
    html! {
        <g transform={format!("translate({} {})", px(at.x), px(at.y))}>
            <circle class="cut-mark-back" r="8" />
            <path class="cut-mark" d="M-4 -4L4 4M4 -4L-4 4" />
        </g>
    }
}

fn px(length: f64) -> String {
    format!("{length:.1}")
}
