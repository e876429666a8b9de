//! The backend beside the log: where the log goes back to the first entry, every revision can be
//! made again, and a value without a checksum has a witness after all.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Release;
use super::content::{compact_revision, excerpt};
use super::mapped::Pair;
use super::model::DamageAt;
use super::pages::{Contents, damage};
use crate::datadir::inspect::whole_log;
use crate::datadir::state::until;
use crate::datadir::{DataDir, State};
use crate::mvcc::{Bucket, FileBackend, Revision, Store};
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
    let Some(consistent) = consistent_index(contents) else { return };
    match replayed(directory, consistent, release) {
        Ok(state) => {
            if !compare(path, contents, &state, found) {
                let reason = "the store is older than the log, as after a restore";
                not_checked.push(format!("values beside the log: {reason}"));
            }
        }
        Err(reason) => not_checked.push(format!("values beside the log: {reason}")),
    }
}

fn consistent_index(contents: &Contents) -> Option<u64> {
    let is_it = |pair: &&Pair| pair.key[..] == *b"consistent_index";
    let pair = contents.bucket("meta").iter().find(is_it)?;
    Some(u64::from_be_bytes(pair.value[..].try_into().ok()?))
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

/// Compares revision by revision. False if the two have nothing to do with each other.
fn compare(path: &str, contents: &Contents, state: &State, found: &mut Vec<DamageAt>) -> bool {
    let pairs = contents.bucket("key");
    let compact = compact_revision(contents).max(state.store().compact_revision());
    let made: BTreeMap<Bytes, Bytes> =
        state.store().backend().bucket(Bucket::Key).into_iter().collect();
    // A log that ends early makes the first revisions only.
    let newest = state.store().revision();
    let is_told = |pair: &&Pair| {
        let stored = Revision::from_bytes(&pair.key);
        stored.is_some_and(|stored| (compact + 1..=newest).contains(&stored.revision.main))
    };
    let told = pairs.iter().filter(is_told);
    let shared = told.clone().filter(|pair| made.contains_key(&pair.key)).count();
    if shared * 2 < told.clone().count() || !is_of_same_keys(pairs, &made) {
        return false;
    }
    let before = found.len();
    for pair in pairs {
        if found.len() >= before + SHOWN {
            break;
        }
        match made.get(&pair.key) {
            Some(value) if *value == pair.value => {}
            Some(value) => found.push(differs(path, contents, pair, value)),
            None if is_told(&pair) => found.push(extra(path, contents, pair)),
            None => {}
        }
    }
    true
}

/// Whether most revisions that both have are of the same keys. After `etcdctl snapshot restore` they
/// are not: the log begins anew at entry 1, and the store does not.
fn is_of_same_keys(pairs: &[Pair], made: &BTreeMap<Bytes, Bytes>) -> bool {
    use prost::Message as _;
    let key = |value: &Bytes| KeyValue::decode(value.clone()).ok().map(|pair| pair.key);
    let both = pairs.iter().filter_map(|pair| Some((&pair.value, made.get(&pair.key)?)));
    let (mut same, mut others) = (0_usize, 0_usize);
    for (ours, theirs) in both {
        match (key(ours), key(theirs)) {
            (Some(ours), Some(theirs)) if ours != theirs => others += 1,
            _ => same += 1,
        }
    }
    others <= same
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
