//! Files other than the log, piece by piece: pages of a database and the rows on them, the message of
//! a `.snap` file, beside their bytes.

use std::rc::Rc;

use sim::view::WalRow;
use wasm_bindgen::JsCast;
use web_sys::HtmlSelectElement;
use yew::prelude::*;

use crate::page::server::hex::Record;
use crate::page::wire::use_wire;
use crate::page::words;
use crate::reader::protocol::{Question, Records};

use super::records::Row;
use super::state::ROWS;
use super::window::pager;

/// What is shown.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    /// Files that can be looked into.
    pub(super) files: Vec<String>,
    /// The one that is, and a window of its pieces.
    pub(super) window: Option<Rc<(String, Records)>>,
    /// The piece that is shown.
    pub(super) piece: Option<Rc<(u64, WalRow)>>,
}

#[component]
pub(super) fn PieceList(props: &Props) -> Html {
    let wire = use_wire();
    let reader = wire.reader().clone();
    let ask = Callback::from(move |(file, first)| {
        reader.ask(Question::Pieces { file, first, rows: ROWS });
    });
    let first_file = props.files.first().cloned();
    let is_open = props.window.is_some();
    {
        let ask = ask.clone();
        use_effect_with((), move |()| {
            if let Some(file) = first_file.filter(|_| !is_open) {
                ask.emit((file, 0));
            }
        });
    }
    if props.files.is_empty() {
        return html! { <div class="empty"><p>{ words::NO_PAGES }</p></div> };
    }
    let Some(window) = &props.window else {
        return html! { <div class="empty"><p role="status">{ words::READING_PAGES }</p></div> };
    };
    let (file, records) = &**window;
    let go = {
        let file = file.clone();
        ask.reform(move |first| (file.clone(), first))
    };
    let pick = {
        let (reader, file) = (wire.reader().clone(), file.clone());
        Callback::from(move |number| reader.ask(Question::Piece { file: file.clone(), number }))
    };
    let chosen = props.piece.as_ref().map(|piece| piece.0);
    html! {
        <>
            <div class="reading-bar">
                { pager(records.first, records.rows.len(), records.total, &go) }
                { choice(&props.files, file, &ask) }
            </div>
            <div class="wal">
                <div class="wal-list" tabindex="0" role="region" aria-label="Pages">
                    <table class="wal-table pieces">
                        <thead><tr>
                            <th>{ "offset" }</th><th>{ "kind" }</th><th class="number">{ "size" }</th><th>{ "holds" }</th>
                        </tr></thead>
                        <tbody>{ for records.rows.iter().zip(records.first..).map(|(row, number)| html! {
                            <Row key={number} {number} row={row.clone()} picked={chosen == Some(number)} pick={pick.clone()} is_of_log=false />
                        }) }</tbody>
                    </table>
                </div>
                if let Some(piece) = &props.piece {
                    <Record row={piece.1.clone()} is_of_log=false />
                } else {
                    <div class="empty"><p>{ words::PICK_A_PAGE }</p></div>
                }
            </div>
        </>
    }
}

fn choice(files: &[String], chosen: &str, ask: &Callback<(String, u64)>) -> Html {
    let changed = ask.reform(|event: Event| {
        let select = event.target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok());
        (select.map(|select| select.value()).unwrap_or_default(), 0)
    });
    let option = |file: &String| html! { <option value={file.clone()} selected={file == chosen}>{ file }</option> };
    html! {
        <label class="number-field">{ words::FILE }
            <select onchange={changed}>{ for files.iter().map(option) }</select>
        </label>
    }
}
