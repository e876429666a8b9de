//! What a boot drops without a word.

use bytes::Bytes;

use super::boot::Boot;
use super::content::excerpt;
use super::log_damage::{Good, Scan};
use super::model::{Lost, Verdict};
use super::pages::Contents;
use crate::datadir::inspect::{entries_after, whole_log};
use crate::datadir::kind::WAL_DIRECTORY;
use crate::datadir::request::request_of;
use crate::datadir::{DataDir, snap};
use crate::mvcc::{Backend as _, Bucket, Revision};
use crate::proto::raftpb::EntryType;

/// Revisions that are listed one by one.
const SHOWN: usize = 1000;

/// What a boot that comes to its end drops.
pub(super) fn lost(
    directory: &DataDir,
    boot: &Boot,
    scan: &Scan,
    backend: Option<&Contents>,
    not_checked: &mut Vec<String>,
) -> Vec<Lost> {
    let mut found = Vec::new();
    if boot.verdict == Some(Verdict::Refuses) {
        return found;
    }
    entries_behind(directory, boot, scan, &mut found);
    ahead_of_log(directory, boot, &mut found);
    hidden_revisions(boot, &mut found);
    if backend.is_some() {
        missing_revisions(directory, boot, &mut found, not_checked);
    }
    resurrected(directory, boot, &mut found);
    found
}

/// Where the boot's log ends: the last index, and the place.
fn end(directory: &DataDir, boot: &Boot) -> Option<(u64, usize, u64)> {
    let read = boot.read.as_ref()?;
    let last = read.entries.last().map_or(boot.snapshot.index, |entry| entry.index);
    let segment = directory.segments().len().checked_sub(1)?;
    Some((last, segment, read.end.offset))
}

/// Entries that can still be read and lie behind what the server takes for the end.
fn entries_behind(directory: &DataDir, boot: &Boot, scan: &Scan, found: &mut Vec<Lost>) {
    let Some((last, segment, offset)) = end(directory, boot) else { return };
    let consistent = boot.backend.as_ref().map_or(0, |backend| backend.0);
    let is_behind = |good: &&Good| (good.segment, good.offset) >= (segment, offset);
    let mut held = 0_u64;
    for good in scan.records.iter().filter(is_behind) {
        let Some(entry) = &good.entry else { continue };
        if entry.index <= consistent {
            held += 1;
            continue;
        }
        let name = directory.segments()[good.segment].name;
        let kind = EntryType::try_from(entry.r#type).unwrap_or(EntryType::EntryNormal);
        let data = entry.data.clone().unwrap_or_default();
        let text = request_of(kind, &data).map_or_else(|reason| reason, |request| request.text);
        let mut one = Lost::new("entry", &format!("{WAL_DIRECTORY}{name}"), cut(&text));
        one.offset = Some(good.offset);
        one.index = Some(entry.index);
        one.term = Some(entry.term);
        found.push(one);
    }
    if held > 0 {
        let name = directory.segments()[segment].name;
        let detail = format!(
            "{held} entries behind the end that the server sees; the backend has their changes"
        );
        let mut one = Lost::new("entries", &format!("{WAL_DIRECTORY}{name}"), detail);
        one.index = Some(last + 1);
        one.last_index = Some(consistent);
        one.offset = Some(offset);
        found.push(one);
    }
}

/// The backend or a snapshot knows of entries that the log does not have.
fn ahead_of_log(directory: &DataDir, boot: &Boot, found: &mut Vec<Lost>) {
    let Some((last, ..)) = end(directory, boot) else { return };
    if let Some((consistent, path)) = boot.backend.as_ref().filter(|backend| backend.0 > last) {
        let detail = format!(
            "the consistent index is {consistent}, the log ends at {last}: entries between are \
             gone from the log, and new writes up to index {consistent} will be taken for applied \
             and dropped"
        );
        let mut one = Lost::new("entries", path, detail);
        one.index = Some(last + 1);
        one.last_index = Some(*consistent);
        found.push(one);
    }
    for file in snap::files(directory) {
        let Some(name) = snap::name(file).filter(|name| name.index > last) else { continue };
        let detail = format!(
            "a snapshot of index {}, term {}, while the log ends at {last}",
            name.index, name.term
        );
        let mut one = Lost::new("snapshot", &file.path, detail);
        one.index = Some(last + 1);
        one.last_index = Some(name.index);
        found.push(one);
    }
}

/// Revisions on the pages that the restore does not come to.
fn hidden_revisions(boot: &Boot, found: &mut Vec<Lost>) {
    let path = boot.backend.as_ref().map_or("member/snap/db", |backend| backend.1.as_str());
    for pair in &boot.hidden.shown {
        let stored = Revision::from_bytes(&pair.key);
        let revision = stored.map(|stored| stored.revision.main);
        let detail = stored.map_or_else(
            || format!("the key {} hides what follows", excerpt(&pair.key)),
            |stored| {
                let Revision { main, sub } = stored.revision;
                format!("revision {main}_{sub} of {}: out of the server's reach", key(&pair.value))
            },
        );
        let mut one = Lost::new("revision", path, detail);
        one.offset = Some(pair.offset);
        one.revision = revision;
        found.push(one);
    }
    let more = boot.hidden.count - boot.hidden.shown.len();
    if more > 0 {
        found.push(Lost::new("revisions", path, format!("{more} more revisions")));
    }
}

/// Revisions between what was compacted and the last one that nothing holds any more.
fn missing_revisions(
    directory: &DataDir,
    boot: &Boot,
    found: &mut Vec<Lost>,
    not_checked: &mut Vec<String>,
) {
    let Some(state) = &boot.state else { return };
    // Where the log has everything, it tells what should be there.
    let log = whole_log(directory);
    let (Some(first), Some(last)) = (log.first(), log.last()) else { return };
    let consistent = boot.backend.as_ref().map_or(0, |backend| backend.0);
    let is_all_shown = boot.hidden.count == boot.hidden.shown.len();
    if first.index != 1 || consistent > last.index || !is_all_shown {
        return;
    }
    let rules = state.store().rules();
    let empty = crate::mvcc::FileBackend::default();
    let Ok(store) = crate::mvcc::Store::restore(empty, rules) else { return };
    let Ok(made) = super::super::State::boot(store, false, &log) else { return };
    let compact = made.store().compact_revision().max(state.store().compact_revision());
    let served = state.store().backend();
    let (mut missing, mut is_of_this_log) = (Vec::new(), false);
    made.store().backend().each(Bucket::Key, &mut |key, _| {
        if served.get(Bucket::Key, key).is_some() {
            is_of_this_log = true;
        } else if missing.len() < SHOWN && !boot.hidden.has(key) {
            let stored = Revision::from_bytes(key).map(|stored| stored.revision);
            missing.extend(stored.filter(|revision| revision.main > compact));
        }
    });
    if let Some(problem) = state.problem() {
        not_checked.push(format!("revisions beside the log: {problem}"));
    } else if is_of_this_log {
        let path = boot.backend.as_ref().map_or("member/snap/db", |backend| backend.1.as_str());
        found.extend(missing.into_iter().map(|revision| missing_revision(path, revision)));
    }
}

fn missing_revision(path: &str, Revision { main, sub }: Revision) -> Lost {
    let detail = format!("the log makes revision {main}_{sub}, the server has none");
    Lost { revision: Some(main), ..Lost::new("revision", path, detail) }
}

/// Entries that raft took back, and that releases up to 3.6 take for good again (issue 22442).
fn resurrected(directory: &DataDir, boot: &Boot, found: &mut Vec<Lost>) {
    let Some(read) = &boot.read else { return };
    let Some(right) = entries_after(directory, &boot.snapshot) else { return };
    let first = right.first().map_or(0, |entry| entry.index);
    let term_of = |index: u64| {
        let at = usize::try_from(index.checked_sub(first)?).ok()?;
        right.get(at).map(|entry| entry.term)
    };
    let is_ghost = |entry: &&raft::Entry| term_of(entry.index) != Some(entry.term);
    for entry in read.entries.iter().filter(is_ghost).take(SHOWN) {
        let kind = EntryType::EntryNormal;
        let text =
            request_of(kind, &entry.data).map_or_else(|reason| reason, |request| request.text);
        let detail = format!(
            "an entry that was overwritten comes back in place of what the cluster agreed on \
             (etcd issue 22442): {}",
            cut(&text)
        );
        let mut one = Lost::new("resurrected", WAL_DIRECTORY, detail);
        one.index = Some(entry.index);
        one.term = Some(entry.term);
        found.push(one);
    }
}

fn key(value: &Bytes) -> String {
    use prost::Message as _;
    crate::proto::mvccpb::KeyValue::decode(value.clone())
        .map_or_else(|_| "a key that cannot be read".into(), |kv| excerpt(&kv.key))
}

fn cut(text: &str) -> String {
    const SHOWN: usize = 200;
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into(),
    }
}
