//! The write-ahead log: its records, newest last, beside the bytes of one of them.

use std::rc::Rc;

use sim::view::{SegmentView, WalRow, WalView};
use yew::prelude::*;

use crate::page::quantity::{count, offset, size};
use crate::page::state::{RecordPick, Turn};
use crate::page::wire::{Wire, use_wire};
use crate::page::words;

use super::hex::Record;

/// What is shown.
#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) wal: Rc<WalView>,
    pub(super) picked: Option<RecordPick>,
}

#[component]
pub(super) fn Wal(props: &Props) -> Html {
    let wal = &props.wal;
    let chosen = props.picked.and_then(|pick| wal.rows.iter().position(|row| place(row) == pick));
    let Some(shown) = chosen.or(wal.rows.len().checked_sub(1)) else {
        return html! { <div class="empty"><p>{ words::NO_RECORDS }</p></div> };
    };
    html! {
        <div class="wal">
            <List wal={wal.clone()} {shown} following={chosen.is_none()} />
            <Record row={wal.rows[shown].clone()} />
        </div>
    }
}

fn place(row: &WalRow) -> RecordPick {
    RecordPick { segment: row.segment, offset: row.offset }
}

#[derive(Properties, PartialEq)]
struct ListProps {
    wal: Rc<WalView>,
    shown: usize,
    /// Whether the list stays at its end while records come.
    following: bool,
}

#[component]
fn List(props: &ListProps) -> Html {
    let wire = use_wire();
    let list = use_node_ref();
    use_stay_at_end(&list, props.following, props.wal.total);
    let wal = &props.wal;
    let hidden = wal.total.saturating_sub(wal.rows.len() as u64);
    html! {
        <div class="wal-list" ref={list} tabindex="0" role="region" aria-label="Records">
            <table class="wal-table">
                <thead><tr>
                    <th>{ "offset" }</th><th>{ "kind" }</th>
                    <th class="number">{ "index/term" }</th><th>{ "crc" }</th><th>{ "synced" }</th>
                </tr></thead>
                <tbody>
                    if hidden > 0 { { older(&wire, hidden) } }
                    { for wal.rows.iter().enumerate().map(|(n, row)| html! {
                        <>
                            { segment_head(wal, n) }
                            <Row key={format!("{}-{}", row.segment, row.offset)} facts={RowFacts::of(row)} picked={n == props.shown} />
                        </>
                    }) }
                </tbody>
            </table>
            if let Some(damage) = &wal.damage { <p class="fatal"><b>{ "✖ damage: " }</b>{ damage }</p> }
        </div>
    }
}

#[hook]
fn use_stay_at_end(list: &NodeRef, following: bool, total: u64) {
    let list = list.clone();
    use_effect_with((following, total), move |(following, _)| {
        if let Some(list) = list.cast::<web_sys::Element>().filter(|_| *following) {
            list.set_scroll_top(list.scroll_height());
        }
    });
}

/// A picked row can be seen, whoever picked it.
#[hook]
pub(crate) fn use_bring_into_sight(row: &NodeRef, picked: bool) {
    let row = row.clone();
    use_effect_with(picked, move |picked| {
        if let Some(row) = row.cast::<web_sys::Element>().filter(|_| *picked) {
            let nearest = web_sys::ScrollIntoViewOptions::new();
            nearest.set_block(web_sys::ScrollLogicalPosition::Nearest);
            row.scroll_into_view_with_scroll_into_view_options(&nearest);
        }
    });
}

fn segment_head(wal: &WalView, n: usize) -> Html {
    let row = &wal.rows[n];
    let begins = n == 0 || wal.rows[n - 1].segment != row.segment;
    let segment = wal.segments.iter().find(|segment| segment.seq == row.segment);
    match segment.filter(|_| begins) {
        Some(segment) => segment_line(segment),
        None => html! {},
    }
}

fn segment_line(segment: &SegmentView) -> Html {
    html! {
        <tr class="segment"><td colspan="5" title={segment.name.clone()}>
            { format!("{} · {} of {}", segment.name, size(segment.used_bytes), size(segment.bytes)) }
        </td></tr>
    }
}

fn older(wire: &Wire, hidden: u64) -> Html {
    html! {
        <tr><td colspan="5">
            <button class="plain" onclick={wire.turning(|_| Turn::MoreRows)}>
                { format!("{} ({})", words::OLDER_ROWS, count(hidden)) }
            </button>
        </td></tr>
    }
}

/// A record as its row shows it, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RowFacts {
    place: RecordPick,
    kind: AttrValue,
    numbers: String,
    crc_ok: bool,
    synced: bool,
    summary: AttrValue,
}

impl RowFacts {
    fn of(row: &WalRow) -> RowFacts {
        RowFacts {
            place: place(row),
            kind: row.kind.clone().into(),
            numbers: numbers(row),
            crc_ok: row.crc_ok,
            synced: row.synced,
            summary: row.summary.clone().into(),
        }
    }
}

/// Index and term of a record.
pub(crate) fn numbers(row: &WalRow) -> String {
    match (row.index, row.term) {
        (Some(index), Some(term)) => format!("{index}/{term}"),
        (None, Some(term)) => format!("–/{term}"),
        (Some(index), None) => index.to_string(),
        (None, None) => String::new(),
    }
}

#[derive(Properties, PartialEq)]
struct RowProps {
    facts: RowFacts,
    picked: bool,
}

#[component]
fn Row(props: &RowProps) -> Html {
    let wire = use_wire();
    let facts = &props.facts;
    let at = facts.place;
    let pick = wire.turning(move |_: MouseEvent| Turn::PickRecord(at));
    let row = use_node_ref();
    use_bring_into_sight(&row, props.picked);
    html! {
        <tr ref={row} aria-selected={props.picked.to_string()} data-synced={facts.synced.to_string()} title={facts.summary.clone()} onclick={pick}>
            <td class="offset">{ offset(at.offset) }</td>
            <td><button class="pick" aria-pressed={props.picked.to_string()}>{ &facts.kind }</button></td>
            <td class="number">{ &facts.numbers }</td>
            <td>{ crc(facts.crc_ok) }</td>
            <td>{ synced(facts.synced) }</td>
        </tr>
    }
}

/// A checksum's mark.
pub(crate) fn crc(ok: bool) -> Html {
    if ok {
        html! { <span class="crc-ok" title="the checksum fits the records before it">{ "✓" }</span> }
    } else {
        html! { <span class="crc-bad" title="the checksum does not fit">{ "✗" }</span> }
    }
}

fn synced(synced: bool) -> Html {
    if synced {
        html! { <span class="quiet">{ "yes" }</span> }
    } else {
        html! { <span class="undecided" title="a power cut now would lose it">{ "not yet" }</span> }
    }
}
