//! The picture of one server in depth.

use disk::{Disk, EntryKind};
use etcd::mvcc::key_index::KeyIndex;
use etcd::mvcc::{Backend, KeyRange, RangeOptions, Store};
use etcd::server::View as EtcdView;

use super::cluster::NodeView;
use super::server::{
    DiskView, EntryState, EntryView, FileView, KeyRevision, KeyView, RaftView, ServerView,
    StoreView,
};
use super::text::{excerpt, logged};
use super::{Query, Window, wal};
use crate::machine::Server;
use crate::scenario::Node;
use crate::world::World;

/// Earlier revisions of a key that are shown.
const EARLIER_SHOWN: usize = 16;
/// Files that are shown.
const FILES_SHOWN: usize = 256;

pub(super) fn server(
    cache: &mut wal::Cache,
    world: &World,
    node: Node,
    summary: NodeView,
    query: &Query,
) -> ServerView {
    let machine = world.machine(node);
    let etcd = machine.server().map(|Server::Etcd(process)| process.server().view());
    let store = etcd.and_then(EtcdView::store);
    ServerView {
        node,
        summary,
        raft: etcd.map_or_else(RaftView::default, |view| raft_log(view, query.log)),
        wal: wal::view(cache, node, &machine.disk, query.wal),
        store: store.map_or_else(StoreView::default, |store| store_view(store, 0, query.keys)),
        disk: DiskView { files: files(&machine.disk), syncs: machine.syncs() },
    }
}

fn raft_log(view: EtcdView<'_>, window: Window) -> RaftView {
    let log = view.log();
    let end = (log.last_index + 1).saturating_sub(u64::from(window.first));
    let start = end.saturating_sub(u64::from(window.rows));
    let state = |index| match index {
        _ if index <= log.applied => EntryState::Applied,
        _ if index <= log.committed => EntryState::Committed,
        _ if index < log.unstable_offset => EntryState::Appended,
        _ => EntryState::Unstable,
    };
    let entries = view.entries(start..end).into_iter().map(|entry| {
        let (kind, summary) = logged(entry_type(entry.entry_type), Some(&entry.data));
        EntryView {
            index: entry.index,
            term: entry.term,
            kind,
            summary,
            bytes: entry.payload_size(),
            state: state(entry.index),
        }
    });
    RaftView {
        sentinel_index: log.sentinel.index,
        sentinel_term: log.sentinel.term,
        first_index: log.first_index,
        last_index: log.last_index,
        committed: log.committed,
        applied: log.applied,
        unstable_offset: log.unstable_offset,
        entries: entries.collect(),
    }
}

fn entry_type(kind: raft::EntryType) -> i32 {
    match kind {
        raft::EntryType::Normal => 0,
        raft::EntryType::ConfChange => 1,
        raft::EntryType::ConfChangeV2 => 2,
    }
}

/// Keys of a store in key order, the part of them that a window asks for: as of a revision, or at 0
/// as they are now, deleted ones with history included. The revision is one that can be read.
pub fn store_view<B: Backend>(store: &Store<B>, revision: i64, window: Window) -> StoreView {
    let (first, rows) = (window.first as usize, window.rows as usize);
    let (keys, total) = if revision > 0 {
        let all = KeyRange::From(bytes::Bytes::new());
        let found = || store.index().range(&all, revision).map(|(key, _)| key);
        let shown = found().skip(first).take(rows);
        let indexed = shown.filter_map(|key| Some((key, store.index().key(key)?)));
        let views = indexed.map(|(key, index)| key_view(store, revision, key, index)).collect();
        (views, found().count())
    } else {
        let shown = store.index().iter().skip(first).take(rows);
        let views = shown.map(|(key, index)| key_view(store, 0, key, index)).collect();
        (views, store.index().len())
    };
    StoreView {
        revision: if revision > 0 { revision } else { store.revision() },
        compact_revision: store.compact_revision().max(0),
        keys,
        total: total as u64,
    }
}

fn key_view<B: Backend>(
    store: &Store<B>,
    revision: i64,
    key: &bytes::Bytes,
    index: &KeyIndex,
) -> KeyView {
    let at = |revision| {
        let options = RangeOptions { revision, ..RangeOptions::default() };
        let found = store.range(&KeyRange::One(key.clone()), options).ok()?;
        found.kvs.into_iter().next()
    };
    let current = at(revision);
    let mod_revision = match &current {
        Some(pair) => pair.mod_revision,
        None => index.modified().main,
    };
    let oldest = store.compact_revision();
    let earlier = index
        .revisions()
        .into_iter()
        .map(|revision| revision.main)
        .rev()
        .filter(|revision| *revision < mod_revision && *revision >= oldest)
        .take(EARLIER_SHOWN);
    KeyView {
        key: excerpt(key),
        create_revision: current.as_ref().map_or(0, |pair| pair.create_revision),
        version: current.as_ref().map_or(0, |pair| pair.version),
        value: current.map(|pair| excerpt(&pair.value)),
        mod_revision,
        earlier: earlier
            .map(|revision| {
                let value = at(revision).map(|pair| excerpt(&pair.value));
                KeyRevision { revision, value }
            })
            .collect(),
    }
}

/// All files by path.
fn files(disk: &Disk) -> Vec<FileView> {
    let mut files = Vec::new();
    let mut directories = vec![String::new()];
    while let Some(directory) = directories.pop() {
        let root = if directory.is_empty() { "/" } else { &directory };
        for entry in disk.list(root).unwrap_or_default() {
            let path = format!("{directory}/{}", entry.name);
            match entry.kind {
                EntryKind::Directory => directories.push(path),
                EntryKind::File if files.len() < FILES_SHOWN => files.push(FileView {
                    path,
                    bytes: entry.len,
                    written_bytes: disk.data_end(entry.file),
                }),
                EntryKind::File => {}
            }
        }
    }
    ordered::sort_by(&mut files, |one, other| one.path.cmp(&other.path));
    files
}
