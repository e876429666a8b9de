//! Removing files that nothing needs: every 30 s, and right after the start, all but the newest of
//! each kind.
//!
//! A segment goes only after a snapshot gave it up ([`crate::wal::Wal::release_to`]). Files go one
//! at a time, and the next one after the directory was synced: the log reads all its segments at a
//! boot, and one that is gone between two that are not would break the chain of checksums. Real
//! servers rely on file systems that keep the order of removals; the disk below keeps none. And the
//! snapshot that a boot would begin with stays, even when crashes left newer files without records.
//! Source: etcd release-3.4, `etcdserver/server.go` (`purgeFile`), `pkg/fileutil/purge.go`.

use disk::{Disk, DiskError, Ticket};

use super::running::Running;
use super::{Effects, Fatal, ServerEvent};
use crate::snap::SnapName;
use crate::wal::SegmentName;

/// Time between two purges.
const INTERVAL_NS: u64 = 30_000_000_000;

/// When the next purge is, and what the one under way waits for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Purge {
    next_ns: u64,
    waits_for: Option<Ticket>,
}

/// A file to remove.
struct Victim {
    directory: String,
    name: String,
    /// What a real server calls its kind.
    kind: &'static str,
}

impl Running {
    /// Begins a purge when its time has come.
    pub(super) fn purge(
        &mut self,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        if now_ns < self.purge.next_ns || self.purge.waits_for.is_some() {
            return Ok(());
        }
        self.purge.next_ns = now_ns + INTERVAL_NS;
        self.purge_next(disk, effects)
    }

    /// Takes a completed sync of a directory from which a file was removed.
    pub(super) fn purge_synced(
        &mut self,
        ticket: Ticket,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<bool, Fatal> {
        if self.purge.waits_for.take_if(|waits_for| *waits_for == ticket).is_none() {
            return Ok(false);
        }
        self.purge_next(disk, effects)?;
        Ok(true)
    }

    fn purge_next(&mut self, disk: &mut Disk, effects: &mut Effects) -> Result<(), Fatal> {
        let Some(victim) = self.victim(disk) else { return Ok(()) };
        let Victim { directory, name, kind } = victim;
        let failed =
            |error: DiskError| Fatal { reason: format!("failed to purge {kind} file: {error}") };
        disk.remove(&format!("{directory}/{name}")).map_err(failed)?;
        self.purge.waits_for = Some(disk.sync_dir(&directory).map_err(failed)?);
        effects.trace.push(ServerEvent::FilePurged { file: name });
        Ok(())
    }

    /// The oldest file of the first kind of which there are too many.
    fn victim(&self, disk: &Disk) -> Option<Victim> {
        let (snap, wal) = (self.config.snap_dir(), self.config.wal_dir());
        let first_held = self.wal.first_held();
        let is_free =
            |name: &str| SegmentName::parse(name).is_some_and(|segment| segment < first_held);
        let any = |_: &str| true;
        let saved = self.snapshots.saved;
        let is_old = |name: &str| SnapName::parse(name).is_none_or(|name| Some(name) < saved);
        let max = self.config.max_snapshots;
        oldest(disk, snap.clone(), ".snap.db", "snap db", max, any)
            .or_else(|| oldest(disk, snap, ".snap", "snap", max, is_old))
            .or_else(|| oldest(disk, wal, ".wal", "wal", self.config.max_wals, is_free))
    }
}

fn oldest(
    disk: &Disk,
    directory: String,
    suffix: &str,
    kind: &'static str,
    max: usize,
    may_go: impl Fn(&str) -> bool,
) -> Option<Victim> {
    let entries = disk.list(&directory).ok()?;
    let mut names = entries.into_iter().map(|entry| entry.name);
    let name = names.find(|name| name.strip_suffix(suffix).is_some())?;
    let others = names.filter(|name| name.strip_suffix(suffix).is_some()).count();
    let is_too_many = max > 0 && others >= max;
    (is_too_many && may_go(&name)).then_some(Victim { directory, name, kind })
}
