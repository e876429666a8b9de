//! What a server would make of the directory, what is wrong with it and where.

use yew::prelude::*;

use crate::page::quantity::{count, offset, size};
use crate::page::server::hex::Bytes;
use crate::page::wire::Wire;
use crate::page::words;
use crate::reader::protocol::{DamageRow, LostRow, Piece, Question, Verdict};

use super::records::jump;
use super::state::Directory;

pub(super) fn draw(wire: &Wire, directory: &Directory) -> Html {
    let Some(found) = &directory.verdict else {
        return html! { <div class="empty"><p role="status">{ words::VERIFYING }</p></div> };
    };
    let piece = directory.piece.as_deref();
    html! {
        <div class="found">
            { verdict(found) }
            if found.damage_total + found.lost_total == 0 { <p class="clean agreed">{ "✓ " }{ words::NOTHING_WRONG }</p> }
            <ul>
                { for found.damage.iter().map(|row| damage(wire, row, piece)) }
                { for found.lost.iter().map(|row| lost(wire, row)) }
            </ul>
            { left_out(found.damage.len(), found.damage_total) }
            { left_out(found.lost.len(), found.lost_total) }
            { for found.not_checked.iter().map(|why| html! { <p class="tag">{ format!("not checked: {why}") }</p> }) }
        </div>
    }
}

fn verdict(found: &Verdict) -> Html {
    let kind = match found.does.as_str() {
        "boots" => "agreed",
        "refuses to start" => "broken",
        _ => "undecided",
    };
    html! {
        <div class="verdict" data-kind={kind}>
            <p><b>{ format!("etcd {} {}", found.release, found.does) }</b>
                if let Some(served) = found.served { { format!(" and serves revision {served}") } }
            </p>
            <pre>{ &found.reason }</pre>
        </div>
    }
}

fn damage(wire: &Wire, row: &DamageRow, piece: Option<&Piece>) -> Html {
    let piece = piece.filter(|piece| piece.file == row.file && piece.offset == row.offset);
    html! {
        <li data-kind="broken">
            <p><b class="broken">{ format!("✗ {}", row.kind) }</b>{ " " }{ &row.what }</p>
            <p class="place mono">{ format!("{} at {}, {}", row.file, offset(row.offset), size(row.length)) }</p>
            <p>{ &row.detail }</p>
            if let Some(follows) = &row.follows { <p class="tag">{ follows }</p> }
            { show(wire, &row.file, Some(row.offset), row.number) }
            if let Some(piece) = piece { <Bytes from={piece.offset} bytes={shown(piece, row)} /> }
        </li>
    }
}

/// A page's first bytes say what it is; more is for those who look closer.
fn shown(piece: &Piece, row: &DamageRow) -> Vec<u8> {
    let wanted = usize::try_from(row.length.clamp(64, 512)).unwrap_or(512);
    piece.bytes[..wanted.min(piece.bytes.len())].to_vec()
}

fn lost(wire: &Wire, row: &LostRow) -> Html {
    let place = row.offset.map_or_else(String::new, |at| format!(" at {}", offset(at)));
    html! {
        <li data-kind="undecided">
            <p><b class="undecided">{ "lost without a word:" }</b>{ " " }{ &row.what }</p>
            <p class="place mono">{ format!("{}{place}", row.file) }</p>
            <p>{ &row.detail }</p>
            if row.number.is_some() { { show(wire, &row.file, row.offset, row.number) } }
        </li>
    }
}

/// A jump to the record, or the bytes of a file that has no records.
fn show(wire: &Wire, file: &str, offset: Option<u64>, number: Option<u64>) -> Html {
    let reader = wire.reader().clone();
    let Some(offset) = offset else { return html! {} };
    let file = file.to_owned();
    let act = Callback::from(move |_| match number {
        Some(number) => jump(&reader, number),
        None => reader.ask(Question::Bytes { file: file.clone(), offset }),
    });
    html! { <button class="show" onclick={act}>{ words::SHOW_BYTES }</button> }
}

fn left_out(shown: usize, total: u64) -> Html {
    let left = total.saturating_sub(shown as u64);
    if left == 0 {
        return html! {};
    }
    html! { <p class="tag">{ format!("and {} more", count(left)) }</p> }
}
