//! Going through a long list window by window.

use yew::prelude::*;

use crate::page::quantity::count;

use super::state::ROWS;

/// First rows of the windows that the four buttons lead to.
pub(super) fn places(first: u64, total: u64) -> [u64; 4] {
    let rows = u64::from(ROWS);
    let last = total.saturating_sub(1) / rows * rows;
    [0, first.saturating_sub(rows), (first + rows).min(last), last]
}

/// `1 – 200 of 3,000` between buttons; `go` takes the number of the first row.
pub(super) fn pager(first: u64, shown: usize, total: u64, go: &Callback<u64>) -> Html {
    let words = ["First rows", "Earlier rows", "Later rows", "Last rows"];
    let marks = ["«", "‹", "›", "»"];
    let places = places(first, total);
    let button = |n: usize| {
        let (go, to) = (go.clone(), places[n]);
        html! {
            <button aria-label={words[n]} title={words[n]} disabled={to == first} onclick={Callback::from(move |_| go.emit(to))}>{ marks[n] }</button>
        }
    };
    let from = if shown == 0 { 0 } else { first + 1 };
    html! {
        <div class="pager">
            { button(0) }{ button(1) }
            <span>{ format!("{} – {} of {}", count(from), count(first + shown as u64), count(total)) }</span>
            { button(2) }{ button(3) }
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_window_ends_with_the_last_row_and_no_button_leads_beyond_it() {
        assert_eq!(places(0, 450), [0, 0, 200, 400]);
        assert_eq!(places(400, 450), [0, 200, 400, 400]);
        assert_eq!(places(0, 0), [0, 0, 0, 0]);
        assert_eq!(places(0, 200), [0, 0, 0, 0], "one window holds all");
    }
}
