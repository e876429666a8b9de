//! The stage: servers on a ring, what travels between them, and the acts at hand.

mod acts;
mod clients;
mod extent;
mod hint;
mod links;
mod moving;
mod node;

use std::rc::Rc;

use ordered::Set;
use sim::scenario::Node;
use sim::view::NodeView;
use yew::prelude::*;

use super::motion::SharedMotion;
use super::ring::Ring;
use super::scene::Scene;
use super::state::{Hint, Turn};
use super::wire::use_wire;
use super::words;

pub(crate) use acts::Acts;
pub(crate) use hint::HintLine;

use clients::Clients;
use extent::use_extent;
use links::Links;
use moving::Moving;
use node::ServerDisc;

/// What the stage shows.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// The newest picture.
    pub(crate) scene: Scene,
    /// The server that the panels show.
    pub(crate) selected: Option<Node>,
    /// Servers that the next partition cuts off.
    pub(crate) marked: Set<Node>,
    /// What a partition would do.
    pub(crate) partition: Option<AttrValue>,
    /// What to try.
    pub(crate) hint: Option<Hint>,
    /// What flies, between pictures.
    pub(crate) motion: SharedMotion,
    /// Whether a notice stands where the hint would.
    pub(crate) noticed: bool,
}

/// More servers than this, and everything is drawn smaller.
const MANY: usize = 9;

/// The stage.
#[component]
pub(crate) fn Stage(props: &Props) -> Html {
    let place = use_node_ref();
    let extent = use_extent(&place);
    let servers = props.scene.nodes.len();
    let ring = use_memo((servers, extent), |(servers, extent)| Ring::new(*servers, *extent));
    let selected = props.selected.and_then(|node| props.scene.node(node)).cloned();
    let hint = props.hint.filter(|_| !props.noticed);
    html! {
        <section class="stage" ref={place} aria-label={words::STAGE}>
            <svg class={classes!((servers > MANY).then_some("many"))} aria-hidden={(servers == 0).then_some("true")}>
                <Links ring={ring.clone()} groups={props.scene.groups.clone()} />
                <Clients ring={ring.clone()} clients={props.scene.clients.clone()} />
                <Servers ring={ring.clone()} nodes={props.scene.nodes.clone()} selected={props.selected}
                    marked={props.marked.clone()} />
                <Moving {ring} motion={props.motion.clone()}
                    nodes={props.scene.nodes.clone()} tick_ns={props.scene.tick_ns} />
            </svg>
            <HintLine {hint} />
            <Acts {selected} marked={props.marked.clone()} partition={props.partition.clone()}
                whole={props.scene.groups.len() < 2 && props.scene.rules.is_empty()} />
        </section>
    }
}

#[derive(Properties, PartialEq)]
struct ServersProps {
    ring: Rc<Ring>,
    nodes: Rc<Vec<NodeView>>,
    selected: Option<Node>,
    marked: Set<Node>,
}

/// A list of which one is selected: one stop of the tab key, arrows inside.
#[component]
fn Servers(props: &ServersProps) -> Html {
    let wire = use_wire();
    let choose = wire.turning(Turn::Select);
    let mark = wire.turning(Turn::Mark);
    html! {
        <g role="listbox" aria-label={words::SERVERS}>
            { for props.nodes.iter().zip(&props.ring.places).map(|(view, place)| html! {
                <ServerDisc key={view.node.0} place={*place} radius={props.ring.radius}
                    detail={props.ring.detail} standing={node::Standing::of(view)}
                    selected={props.selected == Some(view.node)}
                    marked={props.marked.contains(&view.node)}
                    choose={choose.clone()} mark={mark.clone()} />
            }) }
        </g>
    }
}
