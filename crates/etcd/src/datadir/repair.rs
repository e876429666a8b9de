//! A directory that a real server accepts, made of a damaged one.
//!
//! Two ways, the gentle one first:
//!
//! 1. The files stay as they are, but: the log is cut where it is damaged, as etcd's own repair
//!    does it (the whole segment is kept as `.broken`); `.snap` files that cannot be read get
//!    `.broken` too; files that do not belong there are left out.
//! 2. Where that would lose what can still be read (entries behind a hole, a backend that is ahead
//!    of the log, a backend with damaged pages and a log that has everything), state is put together
//!    from all that is whole and written anew, as an export, with all members.
//!
//! The result is verified before it is given out. What could not be kept is listed.

use std::collections::BTreeMap;

use super::export::{self, ExportError, Identity};
use super::inspect::Contents;
use super::kind::{SNAP_DIRECTORY, WAL_DIRECTORY};
use super::verify::{self, Scan};
use super::{
    DamageAt, DataDir, DataDirError, DataFile, ExportAs, Kind, Release, State, StateError, Verdict,
    snap,
};
use crate::bolt::PageStore;
use crate::mvcc::{FileBackend, Store};

/// Entries that are listed one by one.
const SHOWN: usize = 1000;

/// The files of a mended directory.
#[derive(Debug, Clone)]
pub struct Repaired {
    /// Paths are relative to the new directory.
    pub files: Vec<DataFile>,
    /// The revision that a server will serve, if it is known.
    pub served: Option<i64>,
    /// What was done.
    pub done: Vec<String>,
    /// What could not be kept.
    pub given_up: Vec<String>,
}

/// Why a directory cannot be mended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepairError {
    /// No server of etcd would read it.
    #[error("only etcd's directories and snapshot files can be repaired")]
    NotEtcd,
    /// Neither the backend nor the log has all of the state.
    #[error("{0}; and the log does not go back to the first entry")]
    NothingLeft(String),
    /// What is left cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// What is left makes no state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The files that are left are no directory.
    #[error(transparent)]
    Files(#[from] DataDirError),
    /// The result is still not right.
    #[error("after the repair a server still says: {0}")]
    NotMended(String),
}

/// Mends a directory for servers of a release.
pub(super) fn repair(
    directory: &DataDir,
    release: Option<Release>,
    store: impl PageStore + 'static,
) -> Result<Repaired, RepairError> {
    let release = release.unwrap_or_else(|| verify::release_of(directory));
    if !directory.kind().is_repairable() {
        return Err(RepairError::NotEtcd);
    }
    if directory.kind() == Kind::EtcdSnapshot {
        return snapshot(directory, store);
    }
    let scan = verify::scan(directory.segments());
    let gentle = cut(directory, &scan);
    match gentle {
        Some(repaired) if is_mended(&repaired.files, release) => checked(repaired, release),
        Some(_) | None => checked(rebuilt(directory, &scan, release, store)?, release),
    }
}

/// A snapshot file is written anew, with its own digest.
fn snapshot(directory: &DataDir, store: impl PageStore + 'static) -> Result<Repaired, RepairError> {
    let state = State::despite_digest(directory)?;
    let exported = export::export_state(directory, &state, ExportAs::Snapshot, 0, store)?;
    let done = vec!["the file was written anew, with a digest that is right".into()];
    let (files, given_up) = (exported.files, exported.given_up);
    Ok(Repaired { files, served: Some(exported.revision), done, given_up })
}

/// The gentle way; nothing if entries that can be read lie behind the damage.
fn cut(directory: &DataDir, scan: &Scan) -> Option<Repaired> {
    let mut repaired =
        Repaired { files: Vec::new(), served: None, done: Vec::new(), given_up: Vec::new() };
    let place = scan.damage.first().map(|damage| (damage.file.clone(), damage.offset));
    let behind =
        |damage: &DamageAt| damage.follows.as_ref().is_some_and(|it| it.last_index.is_some());
    if scan.damage.iter().any(behind) {
        return None;
    }
    let mut is_behind = false;
    for file in directory.files() {
        let damaged = place.as_ref().filter(|place| place.0 == file.path).map(|place| place.1);
        let broken = || DataFile { path: format!("{}.broken", file.path), ..file.clone() };
        if let Some(offset) = damaged {
            repaired.done.push(format!("{} is cut at {offset}, the whole is kept", file.path));
            repaired.files.push(broken());
            repaired.files.extend((offset > 0).then(|| file.until(offset)));
            is_behind = true;
        } else if is_behind && is_segment(directory, file) {
            repaired.given_up.push(format!("{}: behind the damage", file.path));
            repaired.files.push(broken());
        } else if snap::name(file).is_some() && snap::read(file).is_err() {
            repaired.done.push(format!("{} is set aside as .broken", file.path));
            repaired.files.push(broken());
        } else if verify::is_stray(file) {
            repaired.done.push(format!("{} is left out", file.path));
        } else {
            repaired.files.push(file.clone());
        }
    }
    let torn = scan.damage.iter().filter(|damage| damage.kind != "garbage");
    repaired.given_up.extend(torn.map(|damage| {
        format!("{} at {}: {} ({})", damage.file, damage.offset, damage.record, damage.kind)
    }));
    Some(repaired)
}

fn is_segment(directory: &DataDir, file: &DataFile) -> bool {
    let name = file.path.strip_prefix(WAL_DIRECTORY);
    name.is_some_and(|name| directory.segment(name).is_some())
}

/// Whether a server boots from the files, loses nothing, and nothing is damaged but for files that
/// are not there and not needed.
fn is_mended(files: &[DataFile], release: Release) -> bool {
    let Ok(directory) = DataDir::from_files(files.to_vec()) else { return false };
    let found = directory.verify(Some(release));
    let db = format!("{SNAP_DIRECTORY}db");
    let is_needless = |damage: &DamageAt| damage.kind == "missing_file" && damage.file != db;
    found.verdict == Verdict::Boots && found.lost.is_empty() && found.damage.iter().all(is_needless)
}

/// Gives out what a server boots from.
fn checked(mut repaired: Repaired, release: Release) -> Result<Repaired, RepairError> {
    let found = DataDir::from_files(repaired.files.clone())?.verify(Some(release));
    if found.verdict != Verdict::Boots || !found.lost.is_empty() {
        return Err(RepairError::NotMended(found.reason));
    }
    repaired.served = found.served;
    Ok(repaired)
}

/// The thorough way: state from all that is whole.
fn rebuilt(
    directory: &DataDir,
    scan: &Scan,
    release: Release,
    store: impl PageStore + 'static,
) -> Result<Repaired, RepairError> {
    let entries = held(scan);
    let mut done = Vec::new();
    let (base, from) = base(directory, &entries, release, &mut done)?;
    let log = Contents::of(directory);
    let identity = Identity::of_member(directory, &log, &entries).map_err(ExportError::Members)?;
    let end = if identity.is_lone(&entries) { u64::MAX } else { scan.commit };
    let following: Vec<raft::Entry> = consecutive(&entries, from).cloned().collect();
    let state = State::boot(base, false, super::state::until(&following, end))?;
    let applied = state.applied_index();
    let mut given_up = lost_entries(&entries, applied, &following);
    let damaged = scan.damage.iter().filter(|damage| damage.kind != "garbage");
    given_up.extend(damaged.filter_map(|damage| unread(damage, applied)));
    let tail: Vec<raft::Entry> =
        following.into_iter().filter(|entry| entry.index > applied).collect();
    let identity = identity.at(applied, &entries, tail);
    given_up.extend(identity.passed_over());
    let last = state.store().revision();
    let files = export::write(&state, &state, &identity, ExportAs::Directory, last, store)?;
    done.push(format!("backend, log and snapshot are written anew as of entry {applied}"));
    Ok(Repaired { files, served: None, done, given_up })
}

/// What raft holds after all good records, later ones in place of earlier ones.
fn held(scan: &Scan) -> BTreeMap<u64, raft::Entry> {
    let mut held = BTreeMap::new();
    for entry in scan.records.iter().filter_map(|good| good.entry.clone()) {
        let Ok(entry) = raft::Entry::try_from(entry) else { continue };
        held.split_off(&entry.index);
        held.insert(entry.index, entry);
    }
    held
}

/// The entries that follow an index without a gap.
fn consecutive(
    entries: &BTreeMap<u64, raft::Entry>,
    from: u64,
) -> impl Iterator<Item = &raft::Entry> {
    let following = entries.range(from.saturating_add(1)..).map(|(_, entry)| entry);
    let expected = from.saturating_add(1)..;
    following.zip(expected).take_while(|(entry, index)| entry.index == *index).map(|pair| pair.0)
}

/// The store to begin with, and the last entry that it has: the backend's if that is whole, an
/// empty one if the log has everything.
fn base(
    directory: &DataDir,
    entries: &BTreeMap<u64, raft::Entry>,
    release: Release,
    done: &mut Vec<String>,
) -> Result<(Store<FileBackend>, u64), RepairError> {
    let path = format!("{SNAP_DIRECTORY}db");
    let damage = verify::backend_damage(directory, &path, release);
    let is_there = directory.files().iter().any(|file| file.path == path && !file.is_empty());
    // Of the meta pages one is enough.
    let is_whole = is_there && damage.iter().all(|damage| damage.kind == "meta_page");
    let opened = directory.backend().and_then(|backend| backend.store(release.rules()));
    match opened {
        Ok(store) if is_whole => {
            let index = store.consistent_index();
            return Ok((store, index));
        }
        Ok(_) | Err(_) => {}
    }
    let all = consecutive(entries, 0).count();
    let is_all = all > 0 && all == entries.len();
    if !is_all {
        let words = damage.first().map_or_else(
            || format!("{path} is missing"),
            |damage| format!("{path}: {}: {}", damage.record, damage.detail),
        );
        return Err(RepairError::NothingLeft(words));
    }
    done.push(format!("{path} is made again from the log's {all} entries"));
    let store = Store::restore(FileBackend::default(), release.rules());
    Ok((store.expect("nothing to restore"), 0))
}

fn lost_entries(
    entries: &BTreeMap<u64, raft::Entry>,
    applied: u64,
    following: &[raft::Entry],
) -> Vec<String> {
    let kept = following.last().map_or(applied, |entry| entry.index).max(applied);
    let gone = entries.range(kept.saturating_add(1)..);
    gone.take(SHOWN)
        .map(|(index, _)| format!("entry {index}: entries before it are missing"))
        .collect()
}

/// A record that cannot be read, unless what it asked for is in the state anyway.
fn unread(damage: &DamageAt, applied: u64) -> Option<String> {
    let words = damage.record.split_once("index ").map(|(_, rest)| rest);
    let index: Option<u64> = words.and_then(|rest| rest.split(',').next()?.parse().ok());
    if index.is_some_and(|index| index <= applied) {
        return None;
    }
    Some(format!("{} at {}: {} ({})", damage.file, damage.offset, damage.record, damage.kind))
}
