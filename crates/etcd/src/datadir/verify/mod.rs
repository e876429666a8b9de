//! What a server makes of a directory, and what is wrong with it.
//!
//! Two questions that have different answers. [`boot`] follows a real server of a given release
//! step by step and comes to its verdict and its message: servers believe much, and a hole in the
//! log or a bit in a page does not keep them from starting. The other modules read everything and
//! believe nothing: each record with its checksum, each page, each revision beside the ones before
//! it and, where the log goes back to the beginning, beside what the log says. What they find is
//! `damage`; what a boot drops without a word is `lost`.
//!
//! Everything is a function of bytes. It ends on any bytes, and panics on none.

mod backend;
mod bit;
mod boot;
mod content;
mod cross;
mod files;
mod grammar;
mod log_damage;
mod lost;
mod mapped;
mod model;
mod pages;
mod reading;
mod release;
mod walk;

use super::kind::SNAP_DIRECTORY;
use super::{DataDir, Kind};

pub(super) use files::is_stray;
pub(super) use log_damage::{Scan, scan};
pub use model::{DamageAt, Follows, Lost, Verdict, Verification};
use pages::Walked;
pub use release::{Release, UnknownRelease};

/// A server's last words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dies {
    reason: String,
    file: Option<String>,
    offset: Option<u64>,
}

impl Dies {
    fn new(reason: String) -> Dies {
        Dies { reason, file: None, offset: None }
    }

    fn at(reason: String, offset: u64) -> Dies {
        Dies { reason, file: None, offset: Some(offset) }
    }

    /// What is read lies behind the end of the file.
    fn bus_error(offset: u64) -> Dies {
        let reason = "fatal error: fault (unexpected fault address, SIGBUS: bus error)";
        Dies::at(reason.into(), offset)
    }

    /// Names the file, unless it is known.
    fn in_file(mut self, file: &str) -> Dies {
        self.file.get_or_insert_with(|| file.into());
        self
    }

    fn placed(self, file: &str, offset: u64) -> Dies {
        Dies { file: Some(file.into()), offset: Some(offset), ..self }
    }

    fn place(&self) -> Option<(String, u64)> {
        Some((self.file.clone()?, self.offset?))
    }
}

/// Verifies a directory as a server of a release would meet it; without one, of the release that
/// wrote it as far as the files tell.
pub(super) fn verify(directory: &DataDir, release: Option<Release>) -> Verification {
    let release = release.unwrap_or_else(|| release_of(directory));
    match directory.kind() {
        Kind::Etcd => member(directory, release),
        Kind::EtcdSnapshot | Kind::Bbolt => pages::file(directory, release),
        Kind::Zookeeper => zookeeper(release),
    }
}

fn member(directory: &DataDir, release: Release) -> Verification {
    let path = format!("{SNAP_DIRECTORY}db");
    let walked = Walked::over(directory, &path);
    let mut boot = boot::boot(directory, release, walked.as_ref().map(Walked::is_whole));
    let scan = log_damage::scan(directory.segments());
    let mut damage = files::check(directory, &scan);
    damage.extend(scan.damage.iter().cloned());
    let mut not_checked = boot.not_checked.clone();
    let opened = boot.opened.take();
    let backend = walked.and_then(|walked| pages::check(directory, &walked, opened, &mut damage));
    if let Some(contents) = &backend {
        content::check(&path, contents, &mut damage);
        cross::check(directory, &path, contents, release, &mut damage, &mut not_checked);
    }
    let lost = lost::lost(directory, &boot, &scan, backend.as_ref(), &mut not_checked);
    if let Some((file, offset)) = &boot.died {
        name_death(&boot.reason, file, *offset, &mut damage);
    }
    ordered::sort_by(&mut damage, |a, b| (&a.file, a.offset).cmp(&(&b.file, b.offset)));
    Verification {
        verdict: boot.verdict.expect("a boot comes to an end"),
        reason: boot.reason,
        release: release.to_string(),
        damage,
        lost,
        served: boot.served,
        not_checked,
    }
}

/// What is wrong with a backend, beside the log too.
pub(super) fn backend_damage(directory: &DataDir, path: &str, release: Release) -> Vec<DamageAt> {
    let mut damage = Vec::new();
    let walked = Walked::over(directory, path);
    if let Some(contents) =
        walked.and_then(|walked| pages::check(directory, &walked, None, &mut damage))
    {
        content::check(path, &contents, &mut damage);
        cross::check(directory, path, &contents, release, &mut damage, &mut Vec::new());
    }
    damage
}

/// What kills a server is damage, even if nothing else found it.
fn name_death(reason: &str, file: &str, offset: u64, damage: &mut Vec<DamageAt>) {
    let is_named = |known: &DamageAt| {
        known.file == file
            && (known.offset..=known.offset.saturating_add(known.length)).contains(&offset)
    };
    if !damage.iter().any(is_named) {
        damage.push(DamageAt {
            file: file.into(),
            offset,
            length: 0,
            kind: "fatal",
            record: String::new(),
            detail: reason.into(),
            follows: None,
        });
    }
}

/// The release that wrote a directory, as far as its cluster's version tells.
pub(super) fn release_of(directory: &DataDir) -> Release {
    let versions = super::inspect::versions(directory);
    let known = versions.iter().filter_map(|version| Release::of_cluster_version(version));
    known.max().unwrap_or(Release::DEFAULT)
}

fn zookeeper(release: Release) -> Verification {
    Verification {
        verdict: Verdict::Refuses,
        reason: "not a directory of etcd".into(),
        release: release.to_string(),
        damage: Vec::new(),
        lost: Vec::new(),
        served: None,
        not_checked: vec!["ZooKeeper's files are not verified here".into()],
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
