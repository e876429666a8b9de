//! The keys of a directory, now or as of a revision.

use yew::prelude::*;

use crate::page::quantity::count;
use crate::page::server::keys::rows;
use crate::page::wire::Wire;
use crate::page::words;
use crate::reader::protocol::{Keys, Question};

use super::ReadTurn;
use super::records::number_field;
use super::state::{Directory, ROWS};
use super::window::pager;

pub(super) fn draw(wire: &Wire, directory: &Directory) -> Html {
    html! {
        <>
            if let Some(why) = &directory.keys_refused {
                <p class="fatal" role="alert">{ why }</p>
                if directory.keys.is_none() && directory.overview.is_repairable { <p class="advice">{ words::KEYS_REFUSED }{ " " }<code>{ words::REPAIR }</code></p> }
            }
            if let Some(keys) = &directory.keys {
                { head(wire, keys) }
                { table(wire, directory, keys) }
            } else if directory.keys_refused.is_none() {
                <div class="empty"><p role="status">{ words::READING_KEYS }</p></div>
            }
        </>
    }
}

fn head(wire: &Wire, keys: &Keys) -> Html {
    let store = &keys.store;
    let (reader, revision) = (wire.reader().clone(), keys.revision);
    let go = Callback::from(move |first: u64| {
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        reader.ask(Question::Keys { revision, first, rows: ROWS });
    });
    let reader = wire.reader().clone();
    let at = move |revision: u64| {
        let revision = i64::try_from(revision).unwrap_or(i64::MAX);
        reader.ask(Question::Keys { revision, first: 0, rows: ROWS });
    };
    html! {
        <>
            <p class="keys-head">
                <span>{ "revision " }<b>{ store.revision }</b>{ format!(" of {}", keys.last_revision) }</span>
                <span>{ "keys " }<b>{ count(store.total) }</b></span>
                if store.compact_revision > 0 { <span>{ words::compacted(store.compact_revision) }</span> }
            </p>
            <div class="reading-bar">
                { pager(keys.first.into(), store.keys.len(), store.total, &go) }
                { number_field(words::AT_REVISION, keys.revision, at) }
            </div>
        </>
    }
}

fn table(wire: &Wire, directory: &Directory, keys: &Keys) -> Html {
    if keys.store.keys.is_empty() {
        return html! { <div class="empty"><p>{ words::NO_KEYS }</p></div> };
    }
    let reader = wire.reader().clone();
    let toggle = Callback::from(move |key| reader.turn(ReadTurn::ToggleKey(key)));
    rows(&keys.store.keys, &directory.open_keys, &toggle)
}
