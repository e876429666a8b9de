//! A snapshot from the leader in place of everything that this server had.
//!
//! Its `.snap` file, its record in the log and the commit index are durable by now, so that a boot
//! begins with it. What a crash leaves undone here the boot does: a backend behind the snapshot is
//! replaced by the received one. Source: etcd release-3.4, `etcdserver/{server,backend}.go`.

use std::fmt;

use disk::Disk;
use raft::Snapshot;

use super::running::Running;
use super::{Effects, Fatal, ServerConfig, ServerEvent};
use crate::membership::Cluster;
use crate::mvcc::backend::Opening;
use crate::mvcc::{DiskBackend, Store};
use crate::snap::DatabaseName;
use crate::v2store::V2Store;

impl Running {
    /// Puts the snapshot in place.
    pub(super) fn install(
        &mut self,
        snapshot: Snapshot,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        let (metadata, id) = (snapshot.metadata.clone(), snapshot.id());
        if id.index <= self.applier.applied().index {
            return Err(Fatal {
                reason: "unexpected leader snapshot from outdated index".to_owned(),
            });
        }
        let cluster = cluster_of(&snapshot.data)?;
        self.node.storage_mut().apply_snapshot(snapshot).map_err(raft::Error::from)?;
        self.release(id.index, disk, effects)?;
        let backend = received_database(&self.config, id.index, disk).map_err(|error| Fatal {
            reason: format!("failed to open snapshot backend: {error}"),
        })?;
        let store = restore(&self.config, backend)?;
        let (index, revision) = (id.index, store.revision());
        let restored = ServerEvent::restored(&store);
        self.applier.replace(store, cluster, id);
        self.snapshot_installed(&metadata);
        effects.trace.push(ServerEvent::SnapshotInstalled { index, revision });
        effects.trace.push(restored);
        Ok(())
    }
}

/// The members that a snapshot tells of.
pub(super) fn cluster_of(data: &[u8]) -> Result<Cluster, Fatal> {
    let failed = |error: &dyn fmt::Display| Fatal {
        reason: format!("failed to recover from snapshot: {error}"),
    };
    let store = V2Store::from_json(data).map_err(|error| failed(&error))?;
    Cluster::try_from(store).map_err(|error| failed(&error))
}

/// Puts the backend that came with a snapshot in the place of ours.
pub(super) fn received_database(
    config: &ServerConfig,
    index: u64,
    disk: &mut Disk,
) -> Result<DiskBackend, String> {
    let received = format!("{}/{}", config.snap_dir(), DatabaseName { index });
    if !disk.exists(&received) {
        let missing = "failed to find database snapshot file (snap: snapshot file doesn't exist)";
        return Err(missing.to_owned());
    }
    let renamed = disk.rename(&received, &config.db_path());
    renamed.map_err(|error| format!("failed to rename database snapshot file ({error})"))?;
    let backend = Opening::of_durable(disk, &config.db_path(), config.backend_options());
    backend.map_err(|error| error.to_string())
}

/// The store in a backend.
pub(super) fn restore(
    config: &ServerConfig,
    backend: DiskBackend,
) -> Result<Store<DiskBackend>, Fatal> {
    Store::restore(backend, config.rules())
        .map_err(|error| Fatal { reason: format!("failed to recover store from backend: {error}") })
}

/// Dies of a snapshot from the leader that cannot be saved.
pub(super) fn snapshot_failed(error: &impl fmt::Display) -> Fatal {
    Fatal { reason: format!("failed to save Raft snapshot: {error}") }
}
