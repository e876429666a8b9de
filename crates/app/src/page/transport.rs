//! Time: play, pause, one event, speed, and what time it is.

use wasm_bindgen::JsCast;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

use crate::protocol::{Command, Playback, Speed};

use super::glyph::Icon;
use super::quantity;
use super::wire::{Wire, use_wire};
use super::words;

/// What the transport shows.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// How time runs.
    pub(crate) playback: Playback,
    /// Virtual time.
    pub(crate) now_ns: u64,
    /// Events that have happened.
    pub(crate) event: u64,
    /// Whether there is a world.
    pub(crate) ready: bool,
}

/// The time controls.
#[component]
pub(crate) fn Transport(props: &Props) -> Html {
    html! {
        <div class="transport" role="group" aria-label="Time">
            <Controls playback={props.playback} ready={props.ready} />
            <div class="clock">
                <span class="time">{ props.ready.then(|| quantity::time(props.now_ns)) }</span>
                <span class="event">{ props.ready.then(|| note(props)) }</span>
            </div>
        </div>
    }
}

fn note(props: &Props) -> String {
    match props.playback {
        Playback { stalled: true, .. } => words::STALLED.to_owned(),
        Playback { behind: true, .. } => words::BEHIND.to_owned(),
        _ => words::event(props.event),
    }
}

#[derive(Properties, PartialEq)]
struct ControlsProps {
    playback: Playback,
    ready: bool,
}

#[component]
fn Controls(props: &ControlsProps) -> Html {
    let wire = use_wire();
    let Playback { playing, speed, .. } = props.playback;
    let toggle = acting(&wire, move |wire| play_or_pause(wire, playing));
    let step = acting(&wire, step);
    let (icon, word) =
        if playing { (Icon::Pause, words::PAUSE) } else { (Icon::Play, words::PLAY) };
    html! {
        <>
            <button class={classes!("play", (!playing && props.ready).then_some("strong"))}
                disabled={!props.ready} onclick={toggle} aria-keyshortcuts="Space">
                { icon.draw() }{ word }
            </button>
            <button disabled={!props.ready} onclick={step} aria-label={words::STEP} title={words::STEP}
                aria-keyshortcuts=".">
                { Icon::Step.draw() }
            </button>
            { speed_choice(&wire, speed, playing) }
        </>
    }
}

fn speed_choice(wire: &Wire, shown: Speed, playing: bool) -> Html {
    let wire = wire.clone();
    let change = Callback::from(move |event: Event| {
        let select = event.target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok());
        let rung = select.and_then(|select| usize::try_from(select.selected_index()).ok());
        if let Some(speed) = rung.and_then(|rung| Speed::LADDER.get(rung)) {
            set_speed(&wire, *speed, playing);
        }
    });
    html! {
        <select class="speed" aria-label={words::SPEED} title={words::SPEED} onchange={change}>
            { for Speed::LADDER.iter().map(|speed| html! {
                <option key={speed.to_string()} selected={*speed == shown}>{ speed.to_string() }</option>
            }) }
            // A speed that came by `window.quorarium` is shown and offered as long as it lasts.
            if !Speed::LADDER.contains(&shown) {
                <option selected=true>{ shown.to_string() }</option>
            }
        </select>
    }
}

fn acting(wire: &Wire, act: impl Fn(&Wire) + 'static) -> Callback<MouseEvent> {
    let wire = wire.clone();
    Callback::from(move |_| act(&wire))
}

/// Lets time run, or stops it.
pub(crate) fn play_or_pause(wire: &Wire, playing: bool) {
    wire.send(if playing { Command::Pause } else { Command::Play { speed: None } });
}

/// One event.
pub(crate) fn step(wire: &Wire) {
    wire.ask(|id| Command::Step { id, count: 1 });
}

/// Another speed; a paused world stays paused.
pub(crate) fn set_speed(wire: &Wire, speed: Speed, playing: bool) {
    wire.send(Command::Play { speed: Some(speed) });
    if !playing {
        wire.send(Command::Pause);
    }
}

/// The next rung of the ladder, up or down; the last one stays.
pub(crate) fn rung(speed: Speed, up: bool) -> Speed {
    let is_below = |one: &Speed, other: &Speed| {
        u64::from(one.num) * u64::from(other.den) < u64::from(other.num) * u64::from(one.den)
    };
    let [slowest, .., fastest] = Speed::LADDER;
    if up {
        Speed::LADDER.into_iter().find(|rung| is_below(&speed, rung)).unwrap_or(fastest)
    } else {
        Speed::LADDER.into_iter().rfind(|rung| is_below(rung, &speed)).unwrap_or(slowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_ends_at_both_ends() {
        let [slowest, .., fastest] = Speed::LADDER;
        assert_eq!(rung(slowest, false), slowest);
        assert_eq!(rung(fastest, true), fastest);
        assert_eq!(rung(rung(Speed::DEFAULT, true), false), Speed::DEFAULT);
    }

    #[test]
    fn a_speed_between_two_rungs_goes_to_its_neighbours() {
        let between = Speed { num: 1, den: 5 };
        assert_eq!(rung(between, true), Speed { num: 1, den: 3 });
        assert_eq!(rung(between, false), Speed { num: 1, den: 10 });
    }
}
