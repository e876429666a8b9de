//! The selected server: who it is, and three looks inside.

pub(crate) mod hex;
pub(crate) mod keys;
mod raft;
pub(crate) mod wal;

use std::rc::Rc;

use ordered::Set;
use sim::view::{Condition, NodeView};
use yew::prelude::*;

use super::glyph::role_inline;
use super::scene::{Depth, Part};
use super::state::{Panel, RecordPick};
use super::tabs::Tabs;
use super::words;

use keys::Keys;
use raft::Raft;
use wal::Wal;

/// What the panel shows.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// The server as on the stage.
    pub(crate) node: Option<Rc<NodeView>>,
    /// The server in depth, once a picture has it.
    pub(crate) depth: Option<Depth>,
    /// Which look.
    pub(crate) tab: Panel,
    /// The chosen record.
    pub(crate) record: Option<RecordPick>,
    /// The chosen entry.
    pub(crate) entry: Option<u64>,
    /// Keys with open history.
    pub(crate) open_keys: Set<String>,
}

/// The panel.
#[component]
pub(crate) fn Server(props: &Props) -> Html {
    let Some(node) = &props.node else { return html! { <section class="server" /> } };
    html! {
        <section class="server" aria-label={node.name.clone()}>
            <div class="server-head">
                { who(node) }
                <Tabs class="tabs" panels={&Panel::OF_SERVER[..]} shown={props.tab} label={words::LOOK_INSIDE} />
            </div>
            <div class="server-body" role="tabpanel" tabindex="0" aria-label={words::panel(props.tab)}>
                if let Condition::Failed { reason } = &node.condition {
                    <p class="fatal"><b>{ "✖ stopped by itself: " }</b>{ reason }</p>
                }
                if let Some(depth) = &props.depth { { inside(props, node, depth) } }
            </div>
        </section>
    }
}

fn who(node: &NodeView) -> Html {
    let part = Part::of(node);
    html! {
        <div class="who">
            { role_inline(part) }
            <h2>{ &node.name }</h2>
            <span class="role">{ words::server_line(part, node.term) }</span>
        </div>
    }
}

fn inside(props: &Props, node: &NodeView, depth: &Depth) -> Html {
    let up = Part::of(node).is_up();
    match props.tab {
        Panel::Wal => html! { <Wal wal={depth.wal.clone()} picked={props.record} /> },
        _ if !up => switched_off(),
        Panel::Keys => {
            html! { <Keys store={depth.store.clone()} open={props.open_keys.clone()} /> }
        }
        Panel::Raft | Panel::Trail | Panel::Console | Panel::Log => html! {
            <Raft raft={depth.raft.clone()} picked={props.entry} facts={raft::Facts::of(node)} />
        },
    }
}

fn switched_off() -> Html {
    html! {
        <div class="empty"><p>{ words::SWITCHED_OFF }</p><p>{ words::SWITCHED_OFF_MORE }</p></div>
    }
}
