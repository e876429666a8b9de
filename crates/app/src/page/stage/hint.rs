//! One sentence that says what to try, and does it when asked to.

use yew::prelude::*;

use crate::page::glyph::Icon;
use crate::page::state::{Hint, Panel, Turn};
use crate::page::wire::{Wire, use_wire};
use crate::page::words;

/// What is said.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// What to try.
    pub(crate) hint: Option<Hint>,
}

/// The sentence; its place is kept when there is none.
#[component]
pub(crate) fn HintLine(props: &Props) -> Html {
    let wire = use_wire();
    let Some(hint) = props.hint else { return html! { <p class="hint" /> } };
    let (sentence, line) = words::hint(hint);
    html! {
        <p class="hint">
            <span>{ sentence }</span>
            if let Some(line) = line { { doing(&wire, line) } }
            if matches!(hint, Hint::Leave | Hint::Look(_)) {
                <button class="plain" aria-label={words::NO_HINTS} title={words::NO_HINTS}
                    onclick={wire.turning(|_| Turn::NoHints)}>{ Icon::Close.draw() }</button>
            }
        </p>
    }
}

/// Runs the line in the console, where the visitor sees what it was.
fn doing(wire: &Wire, line: String) -> Html {
    let (wire, word) = (wire.clone(), line.clone());
    let click = Callback::from(move |_| {
        wire.turn(Turn::Show(Panel::Console));
        wire.console(None, &line);
    });
    html! { <button class="mono" onclick={click}>{ word }</button> }
}
