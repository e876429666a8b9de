//! The backend beside the log: where the log goes back to the first entry, every revision can be
//! made again, and a value without a checksum has a witness after all.

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::content::{compact_revision, excerpt};
use super::mapped::Pair;
use super::model::DamageAt;
use super::pages::{Contents, damage};
use super::{Dies, Release};
use crate::datadir::inspect::whole_log;
use crate::datadir::state::until;
use crate::datadir::{DataDir, State};
use crate::mvcc::{Backend as _, Bucket, FileBackend, Revision, Store};
use crate::proto::mvccpb::KeyValue;

const SHOWN: usize = 100;

/// Compares, or says why it could not.
pub(super) fn check(
    directory: &DataDir,
    path: &str,
    contents: &Contents,
    release: Release,
    found: &mut Vec<DamageAt>,
    not_checked: &mut Vec<String>,
) {
    match beside_log(directory, path, contents, release) {
        Ok(differences) => found.extend(differences),
        Err(reason) => not_checked.push(format!("values beside the log: {reason}")),
    }
}

fn beside_log(
    directory: &DataDir,
    path: &str,
    contents: &Contents,
    release: Release,
) -> Result<Vec<DamageAt>, String> {
    let unreadable = |dies: Dies| dies.reason;
    let index = contents.value("meta", b"consistent_index").map_err(unreadable)?;
    let index = index.and_then(|value| Some(u64::from_be_bytes(value[..].try_into().ok()?)));
    let Some(consistent) = index else { return Ok(Vec::new()) };
    let state = replayed(directory, consistent, release)?;
    let compact = compact_revision(contents).map_err(unreadable)?;
    let compact = compact.max(state.store().compact_revision());
    let mut comparison = Comparison::new(path, contents, &state, compact);
    let compared = contents.each("key", &mut |pair| {
        comparison.take(pair);
        Ok(())
    });
    compared.map_err(unreadable)?;
    let reason = "the store is older than the log, as after a restore";
    comparison.finish().ok_or_else(|| reason.into())
}

/// The store that the log makes, up to the backend's last entry.
fn replayed(directory: &DataDir, consistent: u64, release: Release) -> Result<State, String> {
    let entries = whole_log(directory);
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Err("the log has no entries".into());
    };
    if first.index != 1 {
        return Err(format!("the log begins at index {}", first.index));
    }
    let end = consistent.min(last.index);
    let store = Store::restore(FileBackend::default(), release.rules())
        .map_err(|error| error.to_string())?;
    State::boot(store, false, until(&entries, end)).map_err(|error| error.to_string())
}

/// A comparison revision by revision.
struct Comparison<'a> {
    path: &'a str,
    contents: &'a Contents,
    made: &'a FileBackend,
    /// Revisions that the log tells of.
    told: RangeInclusive<i64>,
    /// How many of those there are, and how many the log makes.
    counts: (usize, usize),
    /// Revisions that both have, of the same keys and of others.
    same: (usize, usize),
    found: Vec<DamageAt>,
}

impl<'a> Comparison<'a> {
    fn new(path: &'a str, contents: &'a Contents, state: &'a State, compact: i64) -> Self {
        // A log that ends early makes the first revisions only.
        let told = compact + 1..=state.store().revision();
        let made = state.store().backend();
        Comparison { path, contents, made, told, counts: (0, 0), same: (0, 0), found: Vec::new() }
    }

    fn take(&mut self, pair: &Pair) {
        let made = self.made.get(Bucket::Key, &pair.key);
        let stored = Revision::from_bytes(&pair.key);
        let is_told = stored.is_some_and(|stored| self.told.contains(&stored.revision.main));
        self.counts.0 += usize::from(is_told);
        self.counts.1 += usize::from(is_told && made.is_some());
        if let Some(value) = &made {
            let is_other = key(&pair.value).zip(key(value)).is_some_and(|(ours, its)| ours != its);
            if is_other { self.same.1 += 1 } else { self.same.0 += 1 }
        }
        if self.found.len() >= SHOWN {
            return;
        }
        match made {
            Some(value) if value == pair.value => {}
            Some(value) => self.found.push(differs(self.path, self.contents, pair, &value)),
            None if is_told => self.found.push(extra(self.path, self.contents, pair)),
            None => {}
        }
    }

    /// What differs; nothing if the two have nothing to do with each other. After `etcdctl snapshot
    /// restore` they have not: the log begins anew at entry 1, and the store does not.
    fn finish(self) -> Option<Vec<DamageAt>> {
        let (told, shared) = self.counts;
        let (same, others) = self.same;
        (shared * 2 >= told && others <= same).then_some(self.found)
    }
}

fn key(value: &Bytes) -> Option<Bytes> {
    use prost::Message as _;
    KeyValue::decode(value.clone()).ok().map(|pair| pair.key)
}

fn differs(path: &str, contents: &Contents, pair: &Pair, expected: &Bytes) -> DamageAt {
    let is_same = |(ours, theirs): &(&u8, &u8)| ours == theirs;
    let same = pair.value.iter().zip(expected.iter()).take_while(is_same).count();
    let same_behind = |(ours, theirs): &(&u8, &u8)| ours == theirs;
    let behind = pair.value.iter().rev().zip(expected.iter().rev()).take_while(same_behind).count();
    let length = pair.value.len().saturating_sub(same + behind).max(1);
    let at = pair.value_offset + same as u64;
    let byte = |bytes: &Bytes| bytes.get(same).map_or("nothing".into(), |b| format!("0x{b:02x}"));
    let detail = format!(
        "the log says otherwise: byte {at} is {}, expected {}; the server cannot tell, pages have \
         no checksum",
        byte(&pair.value),
        byte(expected)
    );
    damage(path, (at, length as u64), "value", record(contents, pair), detail)
}

/// A revision that the log does not make.
fn extra(path: &str, contents: &Contents, pair: &Pair) -> DamageAt {
    let at = pair.value_offset - pair.key.len() as u64;
    let detail = "no entry of the log makes this revision".into();
    let length = (pair.key.len() + pair.value.len()) as u64;
    damage(path, (at, length), "revision", record(contents, pair), detail)
}

fn record(contents: &Contents, pair: &Pair) -> String {
    use prost::Message as _;
    let page = pair.offset / contents.page_bytes;
    let revision = Revision::from_bytes(&pair.key).map_or_else(
        || excerpt(&pair.key),
        |stored| format!("{}_{}", stored.revision.main, stored.revision.sub),
    );
    let key = crate::proto::mvccpb::KeyValue::decode(pair.value.clone())
        .map_or_else(|_| String::new(), |kv| format!(" of key {}", excerpt(&kv.key)));
    format!("page {page} element {}: revision {revision}{key}", pair.index)
}
