//! The recent past, newest first.

use std::rc::Rc;

use sim::view::{LogLine, Tone};
use yew::prelude::*;

use super::quantity::time;
use super::words;

/// What is shown.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// Newest last.
    pub(crate) log: Rc<Vec<LogLine>>,
}

/// The list.
#[component]
pub(crate) fn EventLog(props: &Props) -> Html {
    html! {
        <section class="log" aria-label={words::LOG}>
            <div class="panel-head"><h2>{ words::LOG }</h2></div>
            if props.log.is_empty() { <p class="empty">{ words::LOG_EMPTY }</p> }
            <ol tabindex="0" aria-label={words::LOG}>{ for props.log.iter().rev().map(line) }</ol>
        </section>
    }
}

fn line(line: &LogLine) -> Html {
    let (kind, mark) = match line.tone {
        Tone::Plain => ("plain", "·"),
        Tone::Agreed => ("agreed", "◆"),
        Tone::Undecided => ("undecided", "△"),
        Tone::Broken => ("broken", "✖"),
    };
    html! {
        <li data-kind={kind} title={words::event(line.event)}>
            <time>{ time(line.at_ns) }</time><span class="mark" aria-hidden="true">{ mark }</span>
            <span>if let Some(node) = line.node { <b>{ node.to_string() }</b>{ " " } }{ &line.text }</span>
        </li>
    }
}
