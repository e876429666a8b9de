//! The cases for a host that runs wasm; `node.mjs` is one.

use wasm_bindgen::prelude::wasm_bindgen;

use crate::Selection;
use crate::shared::measure::Effort;

/// Measures an area's cases, or their floor, whose names contain `filter`; gives the lines that the native program
/// would print, or throws what is wrong.
#[wasm_bindgen]
pub fn measure(area: &str, filter: &str, budget_ms: f64, floor: bool) -> Result<String, String> {
    let effort = Effort { budget_ms, blocks: None };
    let selection = Selection { filter: filter.to_owned(), floor, effort };
    let mut lines = String::new();
    (crate::area(area)?.run)(&selection, &mut |measurement| {
        lines.push_str(&measurement.line());
        lines.push('\n');
    });
    Ok(lines)
}

/// The fingerprints of the hunting ground's runs with the seeds from `from` up to but without `to`.
#[cfg(feature = "sim")]
#[wasm_bindgen]
pub fn fingerprints(from: u64, to: u64) -> String {
    crate::sim::fingerprints(from..to)
}
