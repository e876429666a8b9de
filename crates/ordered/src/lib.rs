//! Ordered tables whose code is small.
//!
//! The worker holds some hundred tables of different keys and values, and a visitor downloads the
//! code of each: a B-tree takes 4 to 6 KiB of WebAssembly a type, a sorted row of pairs a tenth.
//!
//! | type | is | for |
//! |---|---|---|
//! | [`Map`], [`Set`] | one sorted `Vec` | what stays in the hundreds, or grows at its end |
//! | [`SharedMap`], [`SharedSet`] | sorted blocks behind `Arc`s | large tables, and clones that are cheap |
//! | [`SharedList`] | blocks behind `Arc`s | long rows that grow at their end, and their clones |
//!
//! All iterate in the order of their keys and look the same in serde's eyes as the standard
//! library's. Lookups take logarithmic time. An insertion or a removal moves what lies behind it: in
//! a [`Map`] all of it, in a [`SharedMap`] at most a block's pairs and a handle for each block.

mod flat;
mod list;
mod shared;
mod sort;

pub use flat::{Iter, Map, Set};
pub use list::SharedList;
pub use shared::{Iter as SharedIter, SharedMap, SharedSet};
pub use sort::{sort_by, sort_by_key};

use std::ops::{Bound, RangeBounds};

/// First place in a row of `len` sorted keys that lies within the bounds, and the first behind them;
/// `below` counts the keys below a key, `up_to` those below it and itself.
fn places<Q: ?Sized>(
    bounds: &impl RangeBounds<Q>,
    len: usize,
    below: impl Fn(&Q) -> usize,
    up_to: impl Fn(&Q) -> usize,
) -> (usize, usize) {
    let from = match bounds.start_bound() {
        Bound::Included(key) => below(key),
        Bound::Excluded(key) => up_to(key),
        Bound::Unbounded => 0,
    };
    let to = match bounds.end_bound() {
        Bound::Included(key) => up_to(key),
        Bound::Excluded(key) => below(key),
        Bound::Unbounded => len,
    };
    (from, to.max(from))
}
