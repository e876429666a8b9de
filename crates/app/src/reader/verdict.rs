//! What `verify` found, as the page shows it.

use etcd::datadir::{Follows, Lost, Verdict as Does, Verification};

use super::protocol::{DamageRow, LostRow, ROWS_MAX, Verdict};

/// In plain data; `record_at` knows which record of the log holds a byte of a file.
pub(super) fn of(found: &Verification, record_at: impl Fn(&str, u64) -> Option<u64>) -> Verdict {
    let rows = ROWS_MAX as usize;
    let number_at =
        |file: &str, offset: Option<u64>| offset.and_then(|offset| record_at(file, offset));
    let damage = found.damage.iter().take(rows).map(|damage| DamageRow {
        file: damage.file.clone(),
        offset: damage.offset,
        length: damage.length,
        kind: damage.kind.to_owned(),
        what: damage.record.clone(),
        detail: damage.detail.clone(),
        follows: damage.follows.as_ref().map(follows),
        number: number_at(&damage.file, Some(damage.offset)),
    });
    let lost = found.lost.iter().take(rows).map(|lost| LostRow {
        what: what(lost),
        file: lost.file.clone(),
        offset: lost.offset,
        detail: lost.detail.clone(),
        number: number_at(&lost.file, lost.offset),
    });
    Verdict {
        does: match found.verdict {
            Does::Boots => "boots",
            Does::Repairs => "repairs the log and boots",
            Does::Refuses => "refuses to start",
        }
        .to_owned(),
        reason: found.reason.clone(),
        release: found.release.clone(),
        served: found.served,
        damage: damage.collect(),
        damage_total: found.damage.len() as u64,
        lost: lost.collect(),
        lost_total: found.lost.len() as u64,
        not_checked: found.not_checked.clone(),
    }
}

fn follows(follows: &Follows) -> String {
    let Follows { records, offset, first_index, last_index } = follows;
    let entries = match (first_index, last_index) {
        (Some(first), Some(last)) => format!(", entries {first} to {last} among them"),
        _ => String::new(),
    };
    format!("{records} good records follow, from {offset:#x} on{entries}")
}

fn what(lost: &Lost) -> String {
    let Lost { what, index, last_index, revision, last_revision, .. } = lost;
    let span = |first: String, end: Option<String>| match end {
        Some(end) if end != first => format!("{what} {first} to {end}"),
        _ => format!("{what} {first}"),
    };
    match (index, revision) {
        (Some(index), _) => span(index.to_string(), last_index.map(|last| last.to_string())),
        (None, Some(revision)) => {
            span(revision.to_string(), last_revision.map(|last| last.to_string()))
        }
        (None, None) => (*what).to_owned(),
    }
}
