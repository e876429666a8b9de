//! What is wrong with a bbolt file, whether or not a server minds.

use bytes::Bytes;

use super::backend::Opened;
use super::mapped::{Mapped, Pair};
use super::model::{DamageAt, Verdict, Verification};
use super::walk::{Tree, Visit};
use super::{Dies, Release, content};
use crate::bolt::{Fault, File, OpenError, Problem};
use crate::datadir::backend::check_digest;
use crate::datadir::{DataDir, DataFile, Kind};

/// Problems of pages that are listed.
const PROBLEMS_SHOWN: usize = 100;

/// What a file's buckets hold, as the pages have it. It is read whenever it is asked for: a
/// database need not fit memory.
#[derive(Debug, Clone)]
pub(super) struct Contents {
    pub(super) page_bytes: u64,
    mapped: Mapped,
    /// Names of the buckets with their trees, in the order of the pages.
    buckets: Vec<(String, Tree)>,
}

impl Contents {
    /// Visits the pairs of a bucket, in the order of the pages.
    pub(super) fn each(&self, name: &str, visit: &mut Visit<'_>) -> Result<(), Dies> {
        let found = self.buckets.iter().find(|bucket| bucket.0 == name);
        found.map_or(Ok(()), |(_, tree)| tree.each(&self.mapped, visit))
    }

    /// The buckets' names, and how many pairs each has.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (&str, u64)> {
        self.buckets.iter().map(|(name, tree)| (name.as_str(), tree.len()))
    }

    /// The value of a key of a bucket.
    pub(super) fn value(&self, bucket: &str, key: &[u8]) -> Result<Option<Bytes>, Dies> {
        let mut value = None;
        self.each(bucket, &mut |pair| {
            if value.is_none() && pair.key[..] == *key {
                value = Some(Bytes::copy_from_slice(&pair.value));
            }
            Ok(())
        })?;
        Ok(value)
    }

    /// Whether the file is etcd's.
    pub(super) fn is_of_etcd(&self) -> bool {
        self.buckets.iter().any(|bucket| bucket.0 == "key" || bucket.0 == "meta")
    }
}

/// What was read once and cannot be read again.
pub(super) fn unreadable(path: &str, dies: &Dies) -> DamageAt {
    let detail = format!("it cannot be read again: {}", dies.reason);
    damage(path, (dies.offset.unwrap_or(0), 0), "page", "the tree of pages".into(), detail)
}

/// Verifies a snapshot file or a bare bbolt file.
pub(super) fn file(directory: &DataDir, release: Release) -> Verification {
    let mut found = Verification {
        verdict: Verdict::Boots,
        reason: String::new(),
        release: release.to_string(),
        damage: Vec::new(),
        lost: Vec::new(),
        served: None,
        not_checked: Vec::new(),
    };
    let [only] = directory.files() else {
        found.verdict = Verdict::Refuses;
        found.reason = "no such file".into();
        return found;
    };
    let is_snapshot = directory.kind() == Kind::EtcdSnapshot;
    if is_snapshot && let Err(error) = check_digest(only) {
        let (_, detail) = error.parts();
        found.verdict = Verdict::Refuses;
        found.reason.clone_from(&detail);
        let record = "sha256 of all bytes before it".into();
        let at = (error.offset().unwrap_or(0), 32);
        found.damage.push(damage(&only.path, at, "digest", record, detail));
    }
    let contents = check(directory, &only.path, &mut found.damage);
    if let Some(contents) = contents.as_ref().filter(|contents| contents.is_of_etcd()) {
        content::check(&only.path, contents, &mut found.damage);
    }
    match served(directory, only, release, contents.as_ref()) {
        Ok(served) if found.verdict == Verdict::Boots => found.served = served,
        Ok(_) => {}
        Err(dies) => {
            found.verdict = Verdict::Refuses;
            if found.reason.is_empty() {
                found.reason.clone_from(&dies.reason);
            }
            if let Some((file, offset)) = dies.place() {
                super::name_death(&dies.reason, &file, offset, &mut found.damage);
            }
        }
    }
    if found.reason.is_empty() {
        found.reason = "the database opens".into();
    }
    found
}

fn served(
    directory: &DataDir,
    only: &DataFile,
    release: Release,
    contents: Option<&Contents>,
) -> Result<Option<i64>, Dies> {
    let opened = Opened::open(directory, &only.path, release)?;
    if !contents.is_some_and(Contents::is_of_etcd) {
        return Ok(None);
    }
    let restored = opened.restore(release, &|_| false).map_err(|dies| dies.in_file(&only.path))?;
    Ok(Some(restored.revision))
}

/// Walks over all pages, and gives what the buckets hold if the tree can be followed.
pub(super) fn check(
    directory: &DataDir,
    path: &str,
    found: &mut Vec<DamageAt>,
) -> Option<Contents> {
    let file = directory.files().iter().find(|file| file.path == path)?;
    let digest = if directory.kind() == Kind::EtcdSnapshot { 32 } else { 0 };
    let len = file.len() - digest;
    let bolt = match file.until(len).open() {
        Ok(bolt) => bolt,
        Err(error) => {
            found.extend(metas(path, len, &error));
            return None;
        }
    };
    let page_bytes = u64::from(bolt.meta().page_bytes);
    for (page, fault) in bolt.meta_faults() {
        let record = format!("meta page {page}");
        let detail = format!("{fault}; the other meta page is used");
        found.push(damage(path, (page * page_bytes, page_bytes), "meta_page", record, detail));
    }
    length(path, len, &bolt, found);
    let check = bolt.check();
    let shown = check.problems.iter().take(PROBLEMS_SHOWN);
    found.extend(shown.map(|problem| of_problem(path, problem, page_bytes)));
    let contents = contents(directory, path);
    if contents.is_none() && check.problems.is_empty() {
        let (record, detail) = ("the tree of pages".into(), "it cannot be followed".into());
        found.push(damage(path, (0, 0), "page", record, detail));
    }
    contents
}

fn contents(directory: &DataDir, path: &str) -> Option<Contents> {
    let oldest = Release::of_cluster_version("3.4.0").expect("a known version");
    let (mapped, top) = Opened::open(directory, path, oldest).ok()?.mapped?;
    let mut buckets = Vec::new();
    let mut open = |pair: &Pair| {
        if pair.is_bucket {
            let tree = Tree::of(&mapped, mapped.bucket(pair)?)?;
            tree.each(&mapped, &mut |_| Ok(()))?;
            buckets.push((String::from_utf8_lossy(&pair.key).into_owned(), tree));
        }
        Ok(())
    };
    top.each(&mapped, &mut open).ok()?;
    Some(Contents { page_bytes: u64::from(mapped.meta().page_bytes), mapped, buckets })
}

/// The file has as many bytes as its pages, or more.
fn length(path: &str, len: u64, bolt: &File, found: &mut Vec<DamageAt>) {
    let (page_bytes, expected) = (u64::from(bolt.meta().page_bytes), bolt.size_bytes());
    let (kind, detail) = if len < expected {
        ("truncated", format!("the file ends after {len} of {expected} bytes"))
    } else if !len.is_multiple_of(page_bytes) {
        ("length", format!("{len} bytes are no whole number of pages of {page_bytes}"))
    } else {
        return;
    };
    let record = format!("page {}", len / page_bytes);
    let missing = expected.saturating_sub(len);
    found.push(damage(path, (len, missing), kind, record, detail));
}

fn metas(path: &str, len: u64, error: &OpenError) -> Vec<DamageAt> {
    let page_bytes = 4096.min(len);
    let of = |page: u64, fault: &dyn std::fmt::Display| {
        let detail = format!("{fault}; neither meta page can be used");
        damage(
            path,
            (page * page_bytes, page_bytes),
            "meta_page",
            format!("meta page {page}"),
            detail,
        )
    };
    vec![of(0, &error.first), of(1, &error.second)]
}

fn of_problem(path: &str, problem: &Problem, page_bytes: u64) -> DamageAt {
    let in_page = problem.offset % page_bytes;
    let is_order = matches!(problem.fault, Fault::KeyOrder { .. } | Fault::KeyBounds { .. });
    let (kind, length) = match (is_order, in_page) {
        (true, _) => ("key_order", 16),
        (false, 0) => ("page", page_bytes),
        (false, _) => ("element", 16),
    };
    let record = match (in_page.checked_sub(16), kind) {
        (Some(elements), "element" | "key_order") => {
            format!("page {} element {}", problem.page, elements / 16)
        }
        _ => format!("page {}", problem.page),
    };
    damage(path, (problem.offset, length), kind, record, problem.fault.to_string())
}

/// Damage in one file.
pub(super) fn damage(
    file: &str,
    (offset, length): (u64, u64),
    kind: &'static str,
    record: String,
    detail: String,
) -> DamageAt {
    DamageAt { file: file.into(), offset, length, kind, record, detail, follows: None }
}
