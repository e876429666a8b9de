//! What the backend adds to the summary of a directory.

use super::{BackendError, BackendFile, auth, check_digest, status};
use crate::bolt::Check;
use crate::datadir::inspect::summarise_member;
use crate::datadir::summary::{
    AlarmSummary, BackendSummary, FileDamage, Inspection, LeaseSummary, MemberSummary, NotRead,
};
use crate::datadir::{DataDir, Kind};
use crate::membership::Cluster;
use crate::mvcc::{Bucket, Rules};
use crate::proto::leasepb::Lease;
use crate::proto::rpc::{AlarmMember, AlarmType};

/// Problems of pages that a summary lists.
const PROBLEMS_SHOWN: usize = 100;

/// Fills in what the backend tells.
pub(in crate::datadir) fn inspect(directory: &DataDir, inspection: &mut Inspection) {
    if directory.kind() == Kind::EtcdSnapshot {
        let digests = directory.files().iter().filter_map(|file| check_digest(file).err());
        inspection.damage.extend(digests.map(|error| damage(&error)));
    }
    let backend = match BackendFile::of(directory) {
        Ok(backend) => backend,
        Err(error) => return not_read(inspection, &ALL_FIELDS, &error),
    };
    let check = backend.file().check();
    inspection.damage.extend(damaged_pages(&backend, &check));
    inspection.backend = Some(summarise(&backend, &check));
    if directory.kind() == Kind::EtcdSnapshot {
        match backend.snapshot_hash() {
            Ok(hash) => inspection.snapshot_hash = Some(hash),
            Err(error) => not_read(inspection, &["snapshot_hash"], &error),
        }
    }
    if matches!(backend.file().root().bucket(Bucket::Key.name().as_bytes()), Ok(None)) {
        let (fields, reason) = (KEY_FIELDS.to_vec(), "no bucket key: not a file of etcd".into());
        return inspection.not_read.push(NotRead { fields, reason });
    }
    fill(&backend, directory.kind(), inspection);
}

const KEY_FIELDS: [&str; 4] = ["revision", "compact_revision", "consistent_index", "hash_kv"];
const ALL_FIELDS: [&str; 8] = [
    "backend",
    "revision",
    "compact_revision",
    "consistent_index",
    "hash_kv",
    "leases",
    "alarms",
    "auth",
];

fn fill(backend: &BackendFile, kind: Kind, inspection: &mut Inspection) {
    match backend.survey(Rules::CURRENT) {
        Ok(found) => {
            inspection.revision = Some(found.hash.revision);
            inspection.compact_revision = Some(found.hash.compact_revision);
            inspection.consistent_index = Some(found.consistent_index);
            inspection.hash_kv = Some(found.hash.hash);
        }
        Err(error) => not_read(inspection, &KEY_FIELDS, &error),
    }
    match backend.leases() {
        Ok(leases) => inspection.leases = Some(leases.iter().map(lease).collect()),
        Err(error) => not_read(inspection, &["leases"], &error),
    }
    match backend.alarms() {
        Ok(alarms) => inspection.alarms = Some(alarms.iter().map(alarm).collect()),
        Err(error) => not_read(inspection, &["alarms"], &error),
    }
    match auth::read(backend) {
        Ok(auth) => inspection.auth = Some(auth),
        Err(error) => not_read(inspection, &["auth"], &error),
    }
    match versions(backend) {
        Ok(versions) => {
            for version in versions {
                if !inspection.versions.contains(&version) {
                    inspection.versions.push(version);
                }
            }
        }
        Err(error) => not_read(inspection, &["versions"], &error),
    }
    if kind != Kind::Etcd {
        match members(backend) {
            Ok(members) => inspection.members = Some(members),
            Err(error) => not_read(inspection, &["members"], &error),
        }
    }
}

/// Says what is missing and, unless it is told already, where the damage lies.
fn not_read(inspection: &mut Inspection, fields: &[&'static str], error: &BackendError) {
    let is_damage = !matches!(error, BackendError::Missing { .. } | BackendError::Zookeeper);
    let found = damage(error);
    if is_damage && !inspection.damage.contains(&found) {
        inspection.damage.push(found);
    }
    let (fields, reason) = (fields.to_vec(), error.to_string());
    inspection.not_read.push(NotRead { fields, reason });
}

fn damage(error: &BackendError) -> FileDamage {
    let (file, detail) = error.parts();
    FileDamage { file, offset: error.offset(), detail }
}

/// Meta pages of which the other one is used, and what the walk over all pages met.
fn damaged_pages(backend: &BackendFile, check: &Check) -> Vec<FileDamage> {
    let page_bytes = u64::from(backend.file().meta().page_bytes);
    let metas = backend.file().meta_faults().map(|(page, fault)| FileDamage {
        file: backend.path().into(),
        offset: Some(page * page_bytes),
        detail: format!("meta page {page}: {fault}; the other meta page is used"),
    });
    let pages = check.problems.iter().take(PROBLEMS_SHOWN).map(|problem| FileDamage {
        file: backend.path().into(),
        offset: Some(problem.offset),
        detail: format!("page {}: {}", problem.page, problem.fault),
    });
    metas.chain(pages).collect()
}

fn summarise(backend: &BackendFile, check: &Check) -> BackendSummary {
    let (file, found) = (backend.file(), &check.statistics);
    let page_size = file.meta().page_bytes;
    BackendSummary {
        file: backend.path().into(),
        page_size,
        transaction: file.meta().transaction,
        size: file.size_bytes(),
        size_in_use: file.size_bytes().saturating_sub(found.free_pages * u64::from(page_size)),
        total_keys: status::total_keys(backend).ok(),
        free_pages: found.free_pages,
        buckets: found.buckets,
    }
}

pub(in crate::datadir) fn versions(backend: &BackendFile) -> Result<Vec<String>, BackendError> {
    let cluster = backend.value("cluster", "clusterVersion")?;
    let storage = backend.value("meta", "storageVersion")?;
    let text = |bytes: bytes::Bytes| String::from_utf8_lossy(&bytes).into_owned();
    Ok(cluster.into_iter().chain(storage).map(text).collect())
}

fn members(backend: &BackendFile) -> Result<Vec<MemberSummary>, BackendError> {
    let mut cluster = Cluster::default();
    super::contents::each(backend, Bucket::Members.name(), &mut |item| {
        let name = String::from_utf8_lossy(&item.key);
        let id = u64::from_str_radix(&name, 16).map_err(|_| format!("{name} is no id"))?;
        cluster.add(id, &item.value).map_err(|error| error.to_string())
    })?;
    Ok(cluster.members().map(summarise_member).collect())
}

fn lease(lease: &Lease) -> LeaseSummary {
    let Lease { id, ttl, remaining_ttl } = *lease;
    LeaseSummary { id, ttl, remaining_ttl: Some(remaining_ttl).filter(|left| *left != 0) }
}

fn alarm(alarm: &AlarmMember) -> AlarmSummary {
    let name = match alarm.alarm() {
        AlarmType::None => "NONE",
        AlarmType::Nospace => "NOSPACE",
        AlarmType::Corrupt => "CORRUPT",
    };
    AlarmSummary { member_id: alarm.member_id, alarm: name }
}
