//! What the backend keeps of the members, for whoever reads the file alone: a row for each member,
//! one for each that was removed, and the cluster's version.
//!
//! Releases up to 3.5 boot from the v2 store and only write these; from 3.6 on they are what counts.
//! Source: etcd release-3.4, `etcdserver/api/membership/{cluster,store}.go`.

use bytes::Bytes;

use crate::membership::{Cluster, join_context};
use crate::mvcc::{Backend, Bucket, Store};

const CLUSTER_VERSION: &[u8] = b"clusterVersion";
const REMOVED: &[u8] = b"removed";

/// Writes what is different from before.
pub(super) fn save<B: Backend>(store: &mut Store<B>, before: &Cluster, after: &Cluster) {
    for member in after.members().filter(|member| before.member(member.id) != Some(member)) {
        store.set(Bucket::Members, &key(member.id), Bytes::from(join_context(member)));
    }
    for member in before.members().filter(|member| after.member(member.id).is_none()) {
        store.unset(Bucket::Members, &key(member.id));
        store.set(Bucket::MembersRemoved, &key(member.id), Bytes::from_static(REMOVED));
    }
    match after.version() {
        Some(version) if before.version() != Some(version) => {
            let version = Bytes::copy_from_slice(version.as_bytes());
            store.set(Bucket::Cluster, CLUSTER_VERSION, version);
        }
        Some(_) | None => {}
    }
}

fn key(id: u64) -> Vec<u8> {
    format!("{id:x}").into_bytes()
}
