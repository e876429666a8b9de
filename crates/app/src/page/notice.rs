//! What must be said above the work: how the session began, trouble with storage, a refused act.

use sim::check::Violation;
use yew::prelude::*;

use crate::protocol::{Command, Opening, StorageStatus};

use super::state::Turn;
use super::wire::{Wire, use_wire};
use super::words;

/// What there is to say.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// How the session began, until it was read.
    pub(crate) opening: Option<Opening>,
    /// Where the session is kept.
    pub(crate) storage: Option<StorageStatus>,
    /// What the last act was refused for.
    pub(crate) refusal: Option<AttrValue>,
    /// A promise that was broken, until that was read.
    pub(crate) violation: Option<Violation>,
    /// Whether the run is not the visitor's own.
    pub(crate) visiting: bool,
}

impl Props {
    /// Whether anything is said.
    pub(crate) fn any(&self) -> bool {
        self.refusal.is_some()
            || self.violation.is_some()
            || self.opening.as_ref().and_then(words::opening).is_some()
            || self.storage.as_ref().and_then(words::storage_notice).is_some()
    }
}

/// The notices, one below the other.
#[component]
pub(crate) fn Notices(props: &Props) -> Html {
    let wire = use_wire();
    html! {
        <div class="notices">
            if let Some(status) = &props.storage { { storage(&wire, status) } }
            if let Some(began) = &props.opening { { opening(&wire, began, props.visiting) } }
            if let Some(broken) = &props.violation {
                { notice("broken", &words::violation(broken), violation(&wire)) }
            }
            if let Some(refusal) = &props.refusal {
                { notice("broken", refusal, dismiss(&wire, words::DISMISS, || Turn::RefusalRead)) }
            }
        </div>
    }
}

fn violation(wire: &Wire) -> Html {
    html! {
        <>
            { dismiss(wire, words::PROMISES, || Turn::Promises(true)) }
            { dismiss(wire, words::DISMISS, || Turn::ViolationsRead) }
        </>
    }
}

fn notice(kind: &'static str, said: &str, acts: Html) -> Html {
    html! {
        <div class="notice" data-kind={kind} role={if kind == "broken" { "alert" } else { "status" }}>
            <p>{ said }</p><div class="acts-inline">{ acts }</div>
        </div>
    }
}

fn opening(wire: &Wire, opening: &Opening, visiting: bool) -> Html {
    let Some(said) = words::opening(opening) else { return html! {} };
    let kind = match opening {
        Opening::LinkRefused { .. } => "broken",
        Opening::Recovered(recovery) if recovery.damaged.is_empty() => "agreed",
        Opening::Recovered(_) | Opening::Link { differs: true } => "undecided",
        Opening::Fresh | Opening::Link { .. } | Opening::Scenario | Opening::Waiting => "plain",
    };
    let acts = html! {
        if visiting {
            { act(wire, words::BACK_TO_MINE, false, |wire| { wire.ask(|id| Command::Return { id }); }) }
            { dismiss(wire, words::STAY, || Turn::OpeningRead) }
        } else {
            { dismiss(wire, words::DISMISS, || Turn::OpeningRead) }
        }
    };
    notice(kind, &said, acts)
}

fn storage(wire: &Wire, status: &StorageStatus) -> Html {
    let Some(said) = words::storage_notice(status) else { return html! {} };
    let memory =
        || act(wire, words::USE_MEMORY, false, |wire| wire.send(Command::ContinueInMemory));
    let acts = match status {
        StorageStatus::HeldByOtherTab => html! {
            <>{ memory() }{ act(wire, words::TAKE_OVER, true, |wire| wire.send(Command::TakeOver)) }</>
        },
        StorageStatus::Full { .. } | StorageStatus::Missing { .. } => memory(),
        StorageStatus::Damaged { .. } => html! {
            <>{ memory() }{ act(wire, words::START_FRESH, false, |wire| { wire.ask(|id| Command::Reset { id }); }) }</>
        },
        StorageStatus::InMemory { .. } => {
            act(wire, words::TAKE_OVER, false, |wire| wire.send(Command::TakeOver))
        }
        StorageStatus::Persistent { .. } => html! {},
    };
    notice("undecided", said, acts)
}

fn act(wire: &Wire, word: &'static str, strong: bool, act: impl Fn(&Wire) + 'static) -> Html {
    let wire = wire.clone();
    html! {
        <button class={classes!(strong.then_some("strong"))} onclick={Callback::from(move |_| act(&wire))}>{ word }</button>
    }
}

fn dismiss(wire: &Wire, word: &'static str, turn: fn() -> Turn) -> Html {
    html! { <button onclick={wire.turning(move |_| turn())}>{ word }</button> }
}
