//! The members as the newest usable snapshot and the log after it tell of them.

use bytes::Bytes;
use prost::Message;

use super::snap;
use super::{DataDir, DataFile};
use crate::membership::Cluster;
use crate::proto::etcdserverpb::Request as V2Request;
use crate::proto::raftpb::ConfChangeType;
use crate::proto::{LoggedRequest, raftpb};
use crate::snap::SnapName;
use crate::v2store::V2Store;

/// The cluster in a snapshot of this term and index.
pub(super) fn of_snapshot(directory: &DataDir, term: u64, index: u64) -> Result<Cluster, String> {
    let name = SnapName { term, index };
    let is_it = |file: &&DataFile| snap::name(file) == Some(name);
    let file = directory.files().iter().find(is_it).ok_or("its .snap file is missing")?;
    let snapshot = snap::read(file).map_err(|error| error.to_string())?;
    let in_file = |error: String| format!("{}: {error}", file.path);
    cluster_of(&snapshot.data).map_err(in_file)
}

/// The cluster in the newest snapshot that can be read.
pub(super) fn newest(directory: &DataDir) -> Option<Cluster> {
    let mut files = snap::files(directory).rev();
    files.find_map(|file| cluster_of(&snap::read(file).ok()?.data).ok())
}

/// The cluster in a v2 store, as JSON.
pub(super) fn cluster_of(store: &[u8]) -> Result<Cluster, String> {
    let store = V2Store::from_json(store).map_err(|error| format!("v2 store: {error}"))?;
    Cluster::try_from(store).map_err(|error| error.to_string())
}

/// Takes what one committed entry says about the members.
pub(super) fn apply(entry: &raft::Entry, cluster: &mut Cluster) -> Result<(), String> {
    let at = |error: String| format!("entry {}: {error}", entry.index);
    match entry.entry_type {
        raft::EntryType::Normal => match LoggedRequest::decode(&entry.data) {
            Ok(LoggedRequest::V2(request)) => apply_v2(&request, cluster).map_err(at),
            Ok(LoggedRequest::V3(request)) => {
                request.v2.map_or(Ok(()), |request| apply_v2(&request, cluster)).map_err(at)
            }
            Ok(LoggedRequest::Empty) | Err(_) => Ok(()),
        },
        raft::EntryType::ConfChange => apply_conf_change(&entry.data, cluster).map_err(at),
        raft::EntryType::ConfChangeV2 => Ok(()),
    }
}

/// Of requests on the users' part of the v2 store the cluster takes note.
fn apply_v2(request: &V2Request, cluster: &mut Cluster) -> Result<(), String> {
    let path = String::from_utf8_lossy(&request.path);
    let value = String::from_utf8_lossy(&request.val);
    cluster.apply_v2(&request.method, &path, &value).map_err(|error| error.to_string())
}

fn apply_conf_change(data: &Bytes, cluster: &mut Cluster) -> Result<(), String> {
    let change = raftpb::ConfChange::decode(data.clone()).map_err(|error| error.to_string())?;
    let context = change.context.clone().unwrap_or_default();
    let result = match ConfChangeType::try_from(change.r#type) {
        Ok(ConfChangeType::ConfChangeAddNode | ConfChangeType::ConfChangeAddLearnerNode) => {
            cluster.add(change.node_id, &context)
        }
        Ok(ConfChangeType::ConfChangeUpdateNode) => cluster.update(change.node_id, &context),
        Ok(ConfChangeType::ConfChangeRemoveNode) => {
            cluster.remove(change.node_id);
            Ok(())
        }
        Err(_) => Ok(()),
    };
    result.map_err(|error| error.to_string())
}
