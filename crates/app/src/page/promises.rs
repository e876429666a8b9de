//! The promises of the cluster: how many hold, which are broken and where to look, which nobody can
//! tell of yet.

use sim::check::{Promise, PromiseGroup, PromiseInfo, State, Violation};
use sim::view::PromiseView;
use yew::prelude::*;

use super::quantity::{count, time};
use super::state::Turn;
use super::wire::Wire;
use super::words;

/// How many promises are kept, broken, unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) kept: u64,
    pub(crate) broken: u64,
    pub(crate) unknown: u64,
}

impl Tally {
    /// Counts them.
    pub(crate) fn of(promises: &[PromiseView]) -> Tally {
        let mut tally = Tally::default();
        for promise in promises {
            match promise.state {
                State::Holds { .. } => tally.kept += 1,
                State::Broken { .. } => tally.broken += 1,
                State::Unknown { .. } => tally.unknown += 1,
            }
        }
        tally
    }
}

/// `PROMISES ✓ 18 ✗ 0 ? 3`, and the way to their list.
pub(crate) fn summary(wire: &Wire, tally: Tally) -> Html {
    let Tally { kept, broken, unknown } = tally;
    let kinds = [("agreed", "✓", kept), ("broken", "✗", broken), ("undecided", "?", unknown)];
    html! {
        <button class={classes!("promises", "end", (broken > 0).then_some("alarm"))} title={words::PROMISES_TITLE}
            aria-label={words::promises(kept, broken, unknown)}
            onclick={wire.turning(|_| Turn::Promises(true))}>
            <span class="title">{ words::PROMISES }</span>
            { for kinds.into_iter().map(|(kind, mark, number)| html! {
                <span data-kind={kind} data-none={(number == 0).to_string()}><b>{ format!("{mark} {}", count(number)) }</b></span>
            }) }
        </button>
    }
}

/// What was broken, then every promise by group.
pub(crate) fn list(wire: &Wire, promises: &[PromiseView], violations: &[Violation]) -> Html {
    html! {
        <div class="promise-list">
            <p>{ words::PROMISES_TEXT }</p>
            if !violations.is_empty() {
                <ul class="violations">{ for violations.iter().map(|one| violation(wire, one)) }</ul>
            }
            { for words::PROMISE_GROUPS.iter().map(|(group, title)| html! {
                <section><h3>{ *title }</h3><ul>{ for promises.iter().filter_map(|one| row(*group, one)) }</ul></section>
            }) }
        </div>
    }
}

#[expect(clippy::similar_names, reason = "the macro's own bindings")]
fn row(group: PromiseGroup, promise: &PromiseView) -> Option<Html> {
    let info: &PromiseInfo = Promise::find(&promise.id)?.info();
    if info.group != group {
        return None;
    }
    let (kind, mark, note) = match &promise.state {
        State::Holds { looked } => ("agreed", "✓", words::looked(*looked)),
        State::Broken { times } => ("broken", "✗", words::broken_times(*times)),
        State::Unknown { why } => ("undecided", "?", why.clone()),
    };
    Some(html! {
        <li key={info.id} data-kind={kind} title={info.name}>
            <b class={kind}>{ mark }</b><span class="id">{ info.id }</span>
            <span>{ info.says }{ " " }<span class="quiet">{ note }</span></span>
        </li>
    })
}

fn violation(wire: &Wire, violation: &Violation) -> Html {
    let info = violation.promise.info();
    let servers: Vec<String> = violation.nodes.iter().map(ToString::to_string).collect();
    let wire = wire.clone();
    let event = violation.event;
    let look = Callback::from(move |_| wire.look_before(event));
    html! {
        <li>
            <p><b class="broken">{ format!("✗ {} ", info.id) }</b>{ info.says }</p>
            <p class="fatal">{ &violation.detail }</p>
            <p class="tag">{ format!("{} · {} · {}", time(violation.virtual_ns), words::event(event), servers.join(", ")) }</p>
            { for words::evidence(violation).map(|line| html! { <p class="tag">{ line }</p> }) }
            <button onclick={look}>{ words::LOOK_BEFORE }</button>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_counts_once() {
        let promise = |state| PromiseView { id: "R1".into(), says: String::new(), state };
        let promises = [
            promise(State::Holds { looked: 3 }),
            promise(State::Broken { times: 1 }),
            promise(State::Unknown { why: "nothing".into() }),
            promise(State::Holds { looked: 1 }),
        ];
        assert_eq!(Tally::of(&promises), Tally { kept: 2, broken: 1, unknown: 1 });
    }

    #[test]
    fn every_group_of_promises_has_a_title() {
        for promise in sim::check::PROMISES {
            let group = promise.info().group;
            assert!(words::PROMISE_GROUPS.iter().any(|(known, _)| *known == group), "{group:?}");
        }
    }
}
