//! The members as the newest usable snapshot and the log after it tell of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use serde::Deserialize;

use super::snap;
use super::{DataDir, DataFile};
use crate::membership::{Cluster, Member, attributes_path, join_context};
use crate::proto::raftpb::ConfChangeType;
use crate::proto::{LoggedRequest, raftpb};

/// A node of the v2 store, which a `.snap` file holds as JSON.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    value: String,
    #[serde(default)]
    children: Option<BTreeMap<String, Node>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Store {
    root: Node,
}

/// What a member's `raftAttributes` hold.
#[derive(Debug, Deserialize)]
struct RaftAttributes {
    #[serde(rename = "peerURLs", default)]
    peer_urls: Option<Vec<String>>,
    #[serde(rename = "isLearner", default)]
    is_learner: bool,
}

impl Node {
    fn child(&self, name: &str) -> Option<&Node> {
        self.children.as_ref()?.get(name)
    }
}

/// The cluster in a snapshot of this term and index.
pub(super) fn of_snapshot(directory: &DataDir, term: u64, index: u64) -> Result<Cluster, String> {
    let is_it = |file: &&DataFile| snap::id(file) == Some((term, index));
    let file = directory.files().iter().find(is_it).ok_or("its .snap file is missing")?;
    let store = snap::data(file).map_err(|reason| format!("{}: {reason}", file.path))?;
    cluster_of(&store).map_err(|reason| format!("{}: {reason}", file.path))
}

fn cluster_of(store: &[u8]) -> Result<Cluster, String> {
    let store: Store = serde_json::from_slice(store).map_err(|error| error.to_string())?;
    let mut cluster = Cluster::default();
    let internal = store.root.child("0").ok_or("no /0 in the v2 store")?;
    let members = internal.child("members").and_then(|members| members.children.as_ref());
    for (name, node) in members.into_iter().flatten() {
        let id = u64::from_str_radix(name, 16).map_err(|_| format!("/0/members/{name}: no id"))?;
        add(&mut cluster, id, node).map_err(|reason| format!("/0/members/{name}: {reason}"))?;
    }
    if let Some(version) = internal.child("version") {
        let path = crate::membership::VERSION_PATH;
        cluster.apply_v2_put(path, &version.value).map_err(|error| error.to_string())?;
    }
    Ok(cluster)
}

fn add(cluster: &mut Cluster, id: u64, node: &Node) -> Result<(), String> {
    let raft = node.child("raftAttributes").ok_or("no raftAttributes")?;
    let raft: RaftAttributes =
        serde_json::from_str(&raft.value).map_err(|error| error.to_string())?;
    let member = Member {
        id,
        peer_urls: raft.peer_urls.unwrap_or_default(),
        is_learner: raft.is_learner,
        ..Member::default()
    };
    let joined = cluster.add(id, join_context(&member).as_bytes());
    joined.map_err(|error| error.to_string())?;
    let Some(attributes) = node.child("attributes") else { return Ok(()) };
    cluster.apply_v2_put(&attributes_path(id), &attributes.value).map_err(|error| error.to_string())
}

/// Takes what one committed entry says about the members.
pub(super) fn apply(entry: &raft::Entry, cluster: &mut Cluster) -> Result<(), String> {
    let at = |error: String| format!("entry {}: {error}", entry.index);
    match entry.entry_type {
        raft::EntryType::Normal => match LoggedRequest::decode(&entry.data) {
            Ok(LoggedRequest::V2(request)) if *request.method == *b"PUT" => {
                let path = String::from_utf8_lossy(&request.path);
                let value = String::from_utf8_lossy(&request.val);
                cluster.apply_v2_put(&path, &value).map_err(|error| at(error.to_string()))
            }
            Ok(_) | Err(_) => Ok(()),
        },
        raft::EntryType::ConfChange => apply_conf_change(&entry.data, cluster).map_err(at),
        raft::EntryType::ConfChangeV2 => Ok(()),
    }
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
