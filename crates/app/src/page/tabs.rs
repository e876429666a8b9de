//! Tabs: the looks inside a server when the screen is wide, every panel when it is narrow.

use yew::prelude::*;

use super::state::{Panel, Turn};
use super::wire::use_wire;
use super::words;

/// What is offered.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// Class name of the row.
    pub(crate) class: &'static str,
    /// In their order.
    pub(crate) panels: &'static [Panel],
    /// The one that is shown.
    pub(crate) shown: Panel,
    /// What the row is about.
    pub(crate) label: &'static str,
}

/// A row of tabs; arrow keys go along it.
#[component]
pub(crate) fn Tabs(props: &Props) -> Html {
    let wire = use_wire();
    let (panels, shown) = (props.panels, props.shown);
    let along = Callback::from(move |event: KeyboardEvent| {
        if let Some(next) = next(panels, shown, &event.key()) {
            event.prevent_default();
            event.stop_propagation();
            wire.turn(Turn::Show(next));
        }
    });
    html! {
        <div class={props.class} role="tablist" aria-label={props.label} onkeydown={along}>
            { for panels.iter().map(|panel| html! { <Tab key={panel.id()} panel={*panel} shown={shown == *panel} /> }) }
        </div>
    }
}

fn next(panels: &[Panel], shown: Panel, key: &str) -> Option<Panel> {
    let at = panels.iter().position(|panel| *panel == shown)?;
    match key {
        "ArrowRight" => panels.get(at + 1).copied(),
        "ArrowLeft" => at.checked_sub(1).map(|before| panels[before]),
        _ => None,
    }
}

#[derive(Properties, PartialEq)]
struct TabProps {
    panel: Panel,
    shown: bool,
}

#[component]
fn Tab(props: &TabProps) -> Html {
    let wire = use_wire();
    let panel = props.panel;
    let button = use_node_ref();
    // Focus goes along with the arrows, not with a choice that came from elsewhere.
    {
        let button = button.clone();
        use_effect_with(props.shown, move |shown| {
            let Some(button) = button.cast::<web_sys::HtmlElement>().filter(|_| *shown) else {
                return;
            };
            let active = button.owner_document().and_then(|document| document.active_element());
            if active.is_some_and(|active| active.parent_element() == button.parent_element()) {
                // An element that is on the page can be focused.
                let _ = button.focus();
            }
        });
    }
    html! {
        <button ref={button} role="tab" aria-selected={props.shown.to_string()}
            tabindex={if props.shown { "0" } else { "-1" }}
            onclick={wire.turning(move |_| Turn::Show(panel))}>{ words::panel(panel) }</button>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_stop_at_the_ends() {
        let panels = &Panel::OF_SERVER;
        assert_eq!(next(panels, Panel::Raft, "ArrowLeft"), None);
        assert_eq!(next(panels, Panel::Raft, "ArrowRight"), Some(Panel::Wal));
        assert_eq!(next(panels, Panel::Keys, "ArrowRight"), None);
    }
}
