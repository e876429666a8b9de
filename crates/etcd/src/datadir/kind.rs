//! Recognising what a set of files is.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{DataDirError, DataFile};
use crate::wal::SegmentName;

/// Where an etcd data directory keeps its log.
pub(super) const WAL_DIRECTORY: &str = "member/wal/";
/// Where it keeps snapshots and the backend.
pub(super) const SNAP_DIRECTORY: &str = "member/snap/";

/// What the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A member's data directory.
    Etcd,
    /// What `etcdctl snapshot save` wrote: a bbolt file and its SHA-256.
    EtcdSnapshot,
    /// A bare bbolt file.
    Bbolt,
    /// A ZooKeeper data directory.
    Zookeeper,
}

impl Kind {
    /// Whether `repair` makes a directory or a snapshot file anew of such files.
    pub fn is_repairable(self) -> bool {
        matches!(self, Kind::Etcd | Kind::EtcdSnapshot)
    }
}

/// The kind, and the prefix of all paths that belong to it.
pub(super) fn recognise(files: &[DataFile]) -> Result<(Kind, String), DataDirError> {
    let kinds = [(Kind::Etcd, etcd_root as fn(&DataFile) -> _), (Kind::Zookeeper, zookeeper_root)];
    for (kind, root) in kinds {
        let roots: BTreeSet<String> = files.iter().filter_map(root).collect();
        if roots.len() > 1 && kind == Kind::Zookeeper {
            // Transactions and snapshots may lie in directories of their own.
            return Ok((kind, common_folder(&roots)));
        }
        if roots.len() > 1 {
            let roots =
                roots.into_iter().map(|root| if root.is_empty() { ".".into() } else { root });
            return Err(DataDirError::Several { roots: roots.collect() });
        }
        if let Some(root) = roots.into_iter().next() {
            return Ok((kind, root));
        }
    }
    match files {
        [file] if is_bbolt(file) && file.len() % 512 == 32 => {
            Ok((Kind::EtcdSnapshot, String::new()))
        }
        [file] if is_bbolt(file) => Ok((Kind::Bbolt, String::new())),
        _ => Err(DataDirError::NotFound { files: files.len() }),
    }
}

/// The folder that all of these lie in, with its final `/`, or nothing.
fn common_folder(roots: &BTreeSet<String>) -> String {
    let first = roots.first().map_or("", String::as_str);
    let mut ends = first.match_indices('/').map(|(at, _)| at + 1).rev();
    let is_common = |end: &usize| roots.iter().all(|root| root.starts_with(&first[..*end]));
    ends.find(is_common).map_or(String::new(), |end| first[..end].to_string())
}

fn etcd_root(file: &DataFile) -> Option<String> {
    let (directory, name) = file.path.rsplit_once('/')?;
    let root = match name {
        "db" => format!("{directory}/").strip_suffix(SNAP_DIRECTORY)?.to_string(),
        name => {
            SegmentName::parse(name)?;
            format!("{directory}/").strip_suffix(WAL_DIRECTORY)?.to_string()
        }
    };
    (root.is_empty() || root.ends_with('/')).then_some(root)
}

fn zookeeper_root(file: &DataFile) -> Option<String> {
    let (directory, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let zxid = name.strip_prefix("log.").or_else(|| name.strip_prefix("snapshot."))?;
    let is_hex = zxid.split('.').next().is_some_and(|zxid| u64::from_str_radix(zxid, 16).is_ok());
    let parent = directory.strip_suffix("version-2")?;
    (is_hex && (parent.is_empty() || parent.ends_with('/'))).then(|| parent.to_string())
}

/// Whether the first page, or one that may be the second, is a meta page of bbolt.
fn is_bbolt(file: &DataFile) -> bool {
    const MAGIC: [u8; 4] = 0xED0C_DAED_u32.to_le_bytes();
    let pages = std::iter::once(0).chain((9..=16).map(|bits| 1_u64 << bits));
    let magic = |page: u64| file.range(page + 16, 4).is_ok_and(|bytes| bytes[..] == MAGIC);
    pages.into_iter().any(magic)
}
