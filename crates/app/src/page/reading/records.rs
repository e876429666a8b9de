//! The records of a log, a window of them, beside the bytes of one.

use std::rc::Rc;

use sim::view::WalRow;
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;
use yew::prelude::*;

use crate::page::quantity::{offset, size};
use crate::page::server::hex::Record;
use crate::page::server::wal::{crc, numbers, use_bring_into_sight};
use crate::page::wire::use_wire;
use crate::page::words;
use crate::reader::protocol::{Question, Records};

use super::reader::Reader;
use super::state::ROWS;
use super::window::pager;

/// What is shown.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    /// Records of the whole log; `None` without a log.
    pub(super) total: Option<u64>,
    pub(super) window: Rc<Records>,
    pub(super) record: Option<Rc<(u64, WalRow)>>,
}

#[component]
pub(super) fn RecordList(props: &Props) -> Html {
    let wire = use_wire();
    if props.total.is_none() {
        return html! { <div class="empty"><p>{ words::NO_LOG }</p></div> };
    }
    let window = &props.window;
    let reader = wire.reader().clone();
    let go = {
        let reader = reader.clone();
        Callback::from(move |first| reader.ask(Question::Records { first, rows: ROWS }))
    };
    let pick = {
        let reader = reader.clone();
        Callback::from(move |number| reader.ask(Question::Record { number }))
    };
    let chosen = props.record.as_ref().map(|record| record.0);
    html! {
        <>
            <div class="reading-bar">
                { pager(window.first, window.rows.len(), window.total, &go) }
                { number_field(words::GO_TO_INDEX, 0, move |index| reader.ask(Question::Index { index })) }
            </div>
            <div class="wal">
                <div class="wal-list" tabindex="0" role="region" aria-label="Records">
                    <table class="wal-table">
                        <thead><tr>
                            <th>{ "offset" }</th><th>{ "kind" }</th>
                            <th class="number">{ "index/term" }</th><th>{ "crc" }</th><th>{ "says" }</th>
                        </tr></thead>
                        <tbody>{ for window.rows.iter().zip(window.first..).enumerate().map(|(n, (row, number))| html! {
                            <>
                                { segment_head(window, n) }
                                <Row key={number} {number} row={row.clone()} picked={chosen == Some(number)} pick={pick.clone()} />
                            </>
                        }) }</tbody>
                    </table>
                </div>
                if let Some(record) = &props.record {
                    <Record row={record.1.clone()} />
                } else {
                    <div class="empty"><p>{ words::PICK_A_RECORD }</p></div>
                }
            </div>
        </>
    }
}

fn segment_head(window: &Records, n: usize) -> Html {
    let sequence = window.rows[n].segment;
    let begins = n == 0 || window.rows[n - 1].segment != sequence;
    let segment = window.segments.iter().find(|segment| begins && segment.seq == sequence);
    match segment {
        Some(segment) => html! {
            <tr class="segment"><td colspan="5" title={segment.name.clone()}>
                { format!("{} · {} of {}", segment.name, size(segment.used_bytes), size(segment.bytes)) }
            </td></tr>
        },
        None => html! {},
    }
}

#[derive(Properties, PartialEq)]
pub(super) struct RowProps {
    pub(super) number: u64,
    pub(super) row: WalRow,
    pub(super) picked: bool,
    /// Called with the number.
    pub(super) pick: Callback<u64>,
    /// Whether it is a record of the log: others have no index and no chained checksum.
    #[prop_or(true)]
    pub(super) is_of_log: bool,
}

#[component]
pub(super) fn Row(props: &RowProps) -> Html {
    let (row, number) = (&props.row, props.number);
    let pick = props.pick.reform(move |_: MouseEvent| number);
    let place = use_node_ref();
    use_bring_into_sight(&place, props.picked);
    html! {
        <tr ref={place} aria-selected={props.picked.to_string()} title={row.summary.clone()} onclick={pick}>
            <td class="offset">{ offset(row.offset) }</td>
            <td><button class="pick" aria-pressed={props.picked.to_string()}>{ &row.kind }</button></td>
            if props.is_of_log {
                <td class="number">{ numbers(row) }</td>
                <td>{ crc(row.crc_ok) }</td>
            } else {
                <td class="number">{ size(row.length) }</td>
            }
            <td>{ &row.summary }</td>
        </tr>
    }
}

/// A field that takes a number with Enter.
pub(super) fn number_field(label: &'static str, value: i64, take: impl Fn(u64) + 'static) -> Html {
    let pressed = Callback::from(move |event: KeyboardEvent| {
        let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        if let Some(input) = input.filter(|_| event.key() == "Enter") {
            let text = input.value();
            take(text.trim().parse().unwrap_or(0));
        }
        if event.key() != "Escape" {
            event.stop_propagation();
        }
    });
    let value = if value > 0 { value.to_string() } else { String::new() };
    html! {
        <label class="number-field">{ label }
            <input type="text" inputmode="numeric" {value} onkeydown={pressed} autocomplete="off" enterkeyhint="go" />
        </label>
    }
}

/// Shows the record with its neighbours.
pub(super) fn jump(reader: &Reader, number: u64) {
    let first = super::reader::window_of(number);
    reader.turn(super::ReadTurn::Look(super::Look::Records));
    reader.ask(Question::Records { first, rows: ROWS });
    reader.ask(Question::Record { number });
}
