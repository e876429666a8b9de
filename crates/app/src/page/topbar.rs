//! Name, scenario, storage, share, theme, help.

use yew::prelude::*;

use crate::protocol::{Command, StorageStatus};

use super::glyph::{Icon, mark};
use super::reading::ReadTurn;
use super::state::{Theme, Turn};
use super::wire::use_wire;
use super::words;

/// What the bar shows.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// The run's title, when it has one.
    pub(crate) title: Option<AttrValue>,
    /// Where the session is kept, once known.
    pub(crate) storage: Option<StorageStatus>,
    /// Light or dark.
    pub(crate) theme: Theme,
}

/// The bar at the top.
#[component]
pub(crate) fn TopBar(props: &Props) -> Html {
    let wire = use_wire();
    let theme = props.theme;
    let share = {
        let wire = wire.clone();
        Callback::from(move |_| {
            let id = wire.ask(|id| Command::Link { id });
            wire.turn(Turn::ShareAsked(id));
        })
    };
    html! {
        <header class="topbar">
            <h1 class="brand">{ mark() }{ words::NAME }</h1>
            if let Some(title) = &props.title { <span class="scenario">{ title }</span> }
            <div class="end">
                if let Some(status) = &props.storage { { storage(status) } }
                <button class="plain" onclick={wire.turning(|_| Turn::Reading(ReadTurn::Choose))}
                    aria-label={words::OPEN} title={words::OPEN_TITLE}>
                    { Icon::Open.draw() }<span class="word">{ words::OPEN }</span>
                </button>
                <button class="plain" onclick={share} aria-label={words::SHARE}>
                    { Icon::Share.draw() }<span class="word">{ words::SHARE }</span>
                </button>
                <button class="plain" aria-label={words::theme(theme)} title={words::theme(theme)}
                    onclick={wire.turning(move |_| Turn::Theme(theme.next()))}>
                    { theme_icon(theme).draw() }
                </button>
                <button class="plain" aria-label={words::HELP} title={words::HELP} aria-keyshortcuts="?"
                    onclick={wire.turning(|_| Turn::Help(true))}>
                    { Icon::Help.draw() }
                </button>
            </div>
        </header>
    }
}

fn theme_icon(theme: Theme) -> Icon {
    match theme {
        Theme::Auto => Icon::ThemeAuto,
        Theme::Light => Icon::ThemeLight,
        Theme::Dark => Icon::ThemeDark,
    }
}

/// Says in a word where the session is kept, and in its title why.
fn storage(status: &StorageStatus) -> Html {
    let (word, title, state) = words::storage(status);
    html! {
        <span class="storage" data-state={state} {title}>
            <span class="dot" aria-hidden="true" />{ word }
        </span>
    }
}
