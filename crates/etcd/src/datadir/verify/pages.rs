//! What is wrong with a bbolt file, whether or not a server minds.

use bytes::Bytes;

use super::backend::Opened;
use super::mapped::{Mapped, Pair};
use super::model::{DamageAt, Verdict, Verification};
use super::walk::{Tree, Visit};
use super::{Dies, Release, content};
use crate::bolt::{Check, Fault, File, OpenError, Problem};
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

/// A file whose pages were all looked at, once for all who ask.
pub(super) struct Walked {
    path: String,
    /// Without a digest at the end.
    len: u64,
    file: Result<File, OpenError>,
    check: Check,
}

impl Walked {
    /// Walks over all pages of the file at a path, if there is one.
    pub(super) fn over(directory: &DataDir, path: &str) -> Option<Walked> {
        let file = directory.files().iter().find(|file| file.path == path)?;
        let digest = if directory.kind() == Kind::EtcdSnapshot { 32 } else { 0 };
        let len = file.len() - digest;
        let file = file.until(len).open();
        let check = file.as_ref().map_or_else(|_| Check::default(), File::check);
        Some(Walked { path: path.into(), len, file, check })
    }

    /// Whether nothing is wrong with any page.
    pub(super) fn is_whole(&self) -> bool {
        self.file.is_ok() && self.check.problems.is_empty()
    }

    fn damage(&self) -> Vec<DamageAt> {
        let bolt = match &self.file {
            Ok(bolt) => bolt,
            Err(error) => return metas(&self.path, self.len, error),
        };
        let page_bytes = u64::from(bolt.meta().page_bytes);
        let mut found = Vec::new();
        for (page, fault) in bolt.meta_faults() {
            let record = format!("meta page {page}");
            let detail = format!("{fault}; the other meta page is used");
            let at = (page * page_bytes, page_bytes);
            found.push(damage(&self.path, at, "meta_page", record, detail));
        }
        length(&self.path, self.len, bolt, &mut found);
        let shown = self.check.problems.iter().take(PROBLEMS_SHOWN);
        found.extend(shown.map(|problem| of_problem(&self.path, problem, page_bytes)));
        found
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
    let opened = Opened::open(directory, &only.path, release);
    let walked = Walked::over(directory, &only.path);
    let contents = walked
        .as_ref()
        .and_then(|walked| check(directory, walked, opened.clone().ok(), &mut found.damage));
    let opened = opened.map(|opened| opened.known(walked.map(|walked| walked.is_whole())));
    if let Some(contents) = contents.as_ref().filter(|contents| contents.is_of_etcd()) {
        content::check(&only.path, contents, &mut found.damage);
    }
    match opened.and_then(|opened| served(&opened, only, release, contents.as_ref())) {
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
    opened: &Opened,
    only: &DataFile,
    release: Release,
    contents: Option<&Contents>,
) -> Result<Option<i64>, Dies> {
    if !contents.is_some_and(Contents::is_of_etcd) {
        return Ok(None);
    }
    let restored = opened.restore(release, &|_| false).map_err(|dies| dies.in_file(&only.path))?;
    Ok(Some(restored.revision))
}

/// Tells what is wrong with the pages, and gives what the buckets hold if the tree can be followed.
/// `opened` is the file as a server has opened it, if one has.
pub(super) fn check(
    directory: &DataDir,
    walked: &Walked,
    opened: Option<Opened>,
    found: &mut Vec<DamageAt>,
) -> Option<Contents> {
    found.extend(walked.damage());
    if walked.file.is_err() {
        return None;
    }
    let contents = contents(directory, &walked.path, opened);
    if contents.is_none() && walked.check.problems.is_empty() {
        let (record, detail) = ("the tree of pages".into(), "it cannot be followed".into());
        found.push(damage(&walked.path, (0, 0), "page", record, detail));
    }
    contents
}

fn contents(directory: &DataDir, path: &str, opened: Option<Opened>) -> Option<Contents> {
    let oldest = Release::of_cluster_version("3.4.0").expect("a known version");
    let opened = match opened.filter(|opened| opened.path == path) {
        Some(opened) => opened,
        None => Opened::open(directory, path, oldest).ok()?,
    };
    let (mapped, top) = opened.mapped.as_ref()?;
    let mut buckets = Vec::new();
    let mut open = |pair: &Pair| {
        if pair.is_bucket {
            let tree = opened.tree_at(mapped, mapped.bucket(pair)?)?;
            if !opened.is_walked() {
                tree.each(mapped, &mut |_| Ok(()))?;
            }
            buckets.push((String::from_utf8_lossy(&pair.key).into_owned(), tree));
        }
        Ok(())
    };
    top.each(mapped, &mut open).ok()?;
    let page_bytes = u64::from(mapped.meta().page_bytes);
    Some(Contents { page_bytes, mapped: mapped.clone(), buckets })
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
