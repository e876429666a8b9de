//! Who belongs to the cluster: ids as etcd computes them, and the members as the log tells of them.
//!
//! An id is the first eight bytes of a SHA-1: a member's over its sorted peer URLs and the
//! cluster's token, the cluster's over the ids of its first members. The log adds a member by a
//! `ConfChange` entry with the member as JSON in its context; the member's name and client URLs
//! follow with the v2 request `PUT /0/members/<id>/attributes` that each server publishes at its
//! start, and the cluster's version with `PUT /0/version`. All of it is kept in the v2 store too,
//! which is what a snapshot holds and what a server that boots from one begins with.
//! Source: etcd release-3.4, `etcdserver/api/membership/`.

use ordered::{Map, Set};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};

use raft::{ConfChange, ConfChangeType};

use crate::request::RequestError;
use crate::v2store::{CLUSTER_PREFIX, Node, V2Store};

/// One member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name; empty until it has published it.
    pub name: String,
    /// Where the others reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty until it has published them.
    pub client_urls: Vec<String>,
    /// Whether it has no vote.
    pub is_learner: bool,
}

/// The id of a member that the cluster began with.
pub fn member_id(peer_urls: &[String], token: &str) -> u64 {
    let mut sorted: Vec<&str> = peer_urls.iter().map(String::as_str).collect();
    ordered::sort_by_key(&mut sorted, |url| *url);
    sorted.push(token);
    first_eight_of_sha1(sorted.concat().as_bytes())
}

/// The id of a member that joins at run time: the second counts, so that a member that was removed
/// can come back under another id. The token does not.
pub fn joining_member_id(peer_urls: &[String], now_ns: u64) -> u64 {
    member_id(peer_urls, &(now_ns / 1_000_000_000).to_string())
}

/// The id of a cluster that began with these members.
pub fn cluster_id(member_ids: &[u64]) -> u64 {
    let mut sorted = member_ids.to_vec();
    ordered::sort_by_key(&mut sorted, |id| *id);
    let bytes: Vec<u8> = sorted.into_iter().flat_map(u64::to_be_bytes).collect();
    first_eight_of_sha1(&bytes)
}

fn first_eight_of_sha1(bytes: &[u8]) -> u64 {
    let digest = Sha1::digest(bytes);
    digest[..8].iter().fold(0, |id, &byte| id << 8 | u64::from(byte))
}

/// The context of a `ConfChange` entry. Field order is that of etcd's JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Context {
    id: u64,
    #[serde(rename = "peerURLs")]
    peer_urls: Option<Vec<String>>,
    #[serde(rename = "isLearner", default, skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "clientURLs", default, skip_serializing_if = "Option::is_none")]
    client_urls: Option<Vec<String>>,
    #[serde(rename = "isPromote", default, skip_serializing_if = "std::ops::Not::not")]
    is_promote: bool,
}

/// What a server publishes of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Attributes {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(rename = "clientURLs", default, skip_serializing_if = "Option::is_none")]
    client_urls: Option<Vec<String>>,
}

/// The part of a member that raft needs, as the v2 store keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RaftAttributes {
    #[serde(rename = "peerURLs", default)]
    peer_urls: Option<Vec<String>>,
    #[serde(rename = "isLearner", default, skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
}

/// Why the log's word on membership cannot be taken. The server stops on it, as etcd does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The JSON of a member or of its attributes cannot be read.
    #[error("failed to unmarshal {what}: {detail}")]
    BadJson {
        /// What the JSON is of.
        what: &'static str,
        /// What the parser says.
        detail: String,
    },
    /// A member is not what its entry says it is.
    #[error("got different member ID: conf change {conf_change:x}, context {context:x}")]
    DifferentId {
        /// The id in the entry.
        conf_change: u64,
        /// The id in its context.
        context: u64,
    },
    /// The v2 store of a snapshot has members that are none.
    #[error("{path}: {detail}")]
    BadNode {
        /// The node.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// The context with which a member joins.
pub fn join_context(member: &Member) -> String {
    let client_urls = Some(member.client_urls.clone()).filter(|urls| !urls.is_empty());
    go_json(&Context {
        id: member.id,
        peer_urls: Some(member.peer_urls.clone()),
        is_learner: member.is_learner,
        name: member.name.clone(),
        client_urls,
        is_promote: false,
    })
}

/// The context with which a learner gets its vote.
pub fn promote_context(id: u64) -> String {
    go_json(&Context {
        id,
        peer_urls: None,
        is_learner: false,
        name: String::new(),
        client_urls: None,
        is_promote: true,
    })
}

/// The value that a member publishes.
pub fn attributes(name: &str, client_urls: &[String]) -> String {
    let client_urls = Some(client_urls.to_vec()).filter(|urls| !urls.is_empty());
    go_json(&Attributes { name: name.to_owned(), client_urls })
}

/// The path in the v2 store under which a member publishes its attributes.
pub fn attributes_path(id: u64) -> String {
    format!("/0/members/{id:x}/attributes")
}

/// The path in the v2 store of the cluster's version.
pub const VERSION_PATH: &str = "/0/version";

const MEMBERS_PATH: &str = "/0/members";
const REMOVED_MEMBERS_PATH: &str = "/0/removed_members";

/// JSON as Go's encoder writes it: compact, with the characters escaped that HTML and JavaScript
/// mind.
pub(crate) fn go_json(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("plain data is JSON");
    let minded = [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ];
    minded.into_iter().fold(json, |json, (character, escape)| {
        if json.contains(character) { json.replace(character, escape) } else { json }
    })
}

/// The cluster as far as the log was applied. What it says of members and version is in `v2` too,
/// except the name and client URLs that an entry may bring for a member that joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    members: Map<u64, Member>,
    removed: Set<u64>,
    version: Option<String>,
    v2: Arc<V2Store>,
}

impl Cluster {
    /// All members by id.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// One member.
    pub fn member(&self, id: u64) -> Option<&Member> {
        self.members.get(&id)
    }

    /// Whether the id was removed for good.
    pub fn is_removed(&self, id: u64) -> bool {
        self.removed.contains(&id)
    }

    /// The version that the cluster has agreed on, such as `3.4.0`.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The v2 store that a snapshot would hold.
    pub fn v2(&self) -> &V2Store {
        &self.v2
    }

    /// Members with a vote.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.is_learner)
    }

    /// Why the cluster does not accept a change that was committed: the same on every member.
    /// Removed ids never come back; only members can be changed or removed; no two members share
    /// a peer URL; there is one learner at most.
    /// Source: etcd release-3.4, `etcdserver/api/membership/cluster.go`
    /// (`ValidateConfigurationChange`).
    pub fn judge(&self, change: &ConfChange) -> Result<Option<RequestError>, MembershipError> {
        let id = change.node_id;
        let known = self.members.get(&id);
        if self.is_removed(id) {
            return Ok(Some(RequestError::MemberNotFound));
        }
        let refused = match change.change_type {
            ConfChangeType::AddNode | ConfChangeType::AddLearnerNode => {
                let context = parse_context(id, &change.context)?;
                match known {
                    None if context.is_promote => Some(RequestError::MemberNotFound),
                    Some(member) if context.is_promote => {
                        (!member.is_learner).then_some(RequestError::MemberNotLearner)
                    }
                    Some(_) => Some(RequestError::MemberExists),
                    None if self.has_peer_url(context.peer_urls.as_deref(), id) => {
                        Some(RequestError::PeerUrlExists)
                    }
                    None if context.is_learner && self.members.values().any(|m| m.is_learner) => {
                        Some(RequestError::TooManyLearners)
                    }
                    None => None,
                }
            }
            ConfChangeType::RemoveNode | ConfChangeType::UpdateNode if known.is_none() => {
                Some(RequestError::MemberNotFound)
            }
            ConfChangeType::RemoveNode => None,
            ConfChangeType::UpdateNode => {
                let context = parse_context(id, &change.context)?;
                self.has_peer_url(context.peer_urls.as_deref(), id)
                    .then_some(RequestError::PeerUrlExists)
            }
        };
        Ok(refused)
    }

    /// Whether a member other than `id` has one of the URLs.
    fn has_peer_url(&self, urls: Option<&[String]>, id: u64) -> bool {
        let urls = urls.unwrap_or_default();
        let others = self.members.values().filter(|member| member.id != id);
        others.flat_map(|member| &member.peer_urls).any(|url| urls.contains(url))
    }

    /// Takes a member's entry: adds it, or promotes a learner.
    pub fn add(&mut self, conf_change_id: u64, context: &[u8]) -> Result<(), MembershipError> {
        let context = parse_context(conf_change_id, context)?;
        if context.is_promote {
            if let Some(member) = self.members.get_mut(&context.id) {
                member.is_learner = false;
                self.update_raft_attributes(context.id);
            }
            return Ok(());
        }
        let member = Member {
            id: context.id,
            name: context.name,
            peer_urls: context.peer_urls.unwrap_or_default(),
            client_urls: context.client_urls.unwrap_or_default(),
            is_learner: context.is_learner,
        };
        self.store_mut().set(&raft_attributes_path(member.id), &raft_attributes(&member));
        self.members.insert(member.id, member);
        Ok(())
    }

    /// Takes new peer URLs of a member.
    pub fn update(&mut self, conf_change_id: u64, context: &[u8]) -> Result<(), MembershipError> {
        let context = parse_context(conf_change_id, context)?;
        if let Some(member) = self.members.get_mut(&context.id) {
            member.peer_urls = context.peer_urls.unwrap_or_default();
            self.update_raft_attributes(context.id);
        }
        Ok(())
    }

    /// Removes a member for good.
    pub fn remove(&mut self, id: u64) {
        self.members.remove(&id);
        self.removed.insert(id);
        let store = self.store_mut();
        store.remove(&format!("{MEMBERS_PATH}/{id:x}"));
        store.set(&format!("{REMOVED_MEMBERS_PATH}/{id:x}"), "");
    }

    /// Takes a v2 request of the log. Those that say something about the cluster count; of the
    /// others the v2 store takes note.
    pub fn apply_v2(
        &mut self,
        method: &[u8],
        path: &str,
        value: &str,
    ) -> Result<(), MembershipError> {
        let is_internal = path == CLUSTER_PREFIX || path.starts_with("/0/");
        match method {
            b"PUT" if is_internal => self.apply_v2_put(path, value),
            b"PUT" | b"POST" | b"DELETE" if !is_internal => {
                self.store_mut().pass_over();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes a value that was put into the v2 store, if it says something about the cluster.
    pub fn apply_v2_put(&mut self, path: &str, value: &str) -> Result<(), MembershipError> {
        if path == VERSION_PATH {
            self.version = Some(value.to_owned());
            self.store_mut().set(path, value);
        } else if let Some(id) = id_of_attributes_path(path) {
            let attributes: Attributes = parse("attributes", value.as_bytes())?;
            if let Some(member) = self.members.get_mut(&id) {
                let value = go_json(&attributes);
                member.name = attributes.name;
                member.client_urls = attributes.client_urls.unwrap_or_default();
                self.store_mut().set(path, &value);
            }
        }
        Ok(())
    }

    fn store_mut(&mut self) -> &mut V2Store {
        Arc::make_mut(&mut self.v2)
    }

    fn update_raft_attributes(&mut self, id: u64) {
        let Some(member) = self.members.get(&id) else { return };
        let value = raft_attributes(member);
        self.store_mut().update(&raft_attributes_path(id), &value);
    }
}

/// The cluster that a snapshot tells of.
impl TryFrom<V2Store> for Cluster {
    type Error = MembershipError;

    fn try_from(store: V2Store) -> Result<Self, MembershipError> {
        let mut cluster = Self::default();
        for (name, node) in store.get(MEMBERS_PATH).into_iter().flat_map(Node::children) {
            let member = stored_member(name, node)?;
            cluster.members.insert(member.id, member);
        }
        for (name, node) in store.get(REMOVED_MEMBERS_PATH).into_iter().flat_map(Node::children) {
            cluster.removed.insert(stored_id(name, node)?);
        }
        cluster.version = store.get(VERSION_PATH).map(|node| node.text().to_owned());
        cluster.v2 = Arc::new(store);
        Ok(cluster)
    }
}

fn stored_member(name: &str, node: &Node) -> Result<Member, MembershipError> {
    let bad = |detail: String| MembershipError::BadNode { path: node.path().to_owned(), detail };
    let json = |error: serde_json::Error| bad(error.to_string());
    let id = stored_id(name, node)?;
    let raft = node.child("raftAttributes");
    let raft = raft.ok_or_else(|| bad("raftAttributes key doesn't exist".to_owned()))?;
    let raft: RaftAttributes = serde_json::from_str(raft.text()).map_err(json)?;
    let attributes = match node.child("attributes") {
        Some(attributes) => serde_json::from_str(attributes.text()).map_err(json)?,
        None => Attributes::default(),
    };
    Ok(Member {
        id,
        name: attributes.name,
        peer_urls: raft.peer_urls.unwrap_or_default(),
        client_urls: attributes.client_urls.unwrap_or_default(),
        is_learner: raft.is_learner,
    })
}

fn stored_id(name: &str, node: &Node) -> Result<u64, MembershipError> {
    u64::from_str_radix(name, 16).map_err(|error| MembershipError::BadNode {
        path: node.path().to_owned(),
        detail: format!("{name}: {error}"),
    })
}

fn raft_attributes(member: &Member) -> String {
    let peer_urls = Some(member.peer_urls.clone());
    go_json(&RaftAttributes { peer_urls, is_learner: member.is_learner })
}

fn raft_attributes_path(id: u64) -> String {
    format!("{MEMBERS_PATH}/{id:x}/raftAttributes")
}

fn id_of_attributes_path(path: &str) -> Option<u64> {
    let id = path.strip_prefix("/0/members/")?.strip_suffix("/attributes")?;
    u64::from_str_radix(id, 16).ok()
}

fn parse_context(id: u64, bytes: &[u8]) -> Result<Context, MembershipError> {
    let context: Context = parse("member", bytes)?;
    if context.id == id {
        Ok(context)
    } else {
        Err(MembershipError::DifferentId { conf_change: id, context: context.id })
    }
}

fn parse<'a, T: Deserialize<'a>>(
    what: &'static str,
    bytes: &'a [u8],
) -> Result<T, MembershipError> {
    serde_json::from_slice(bytes)
        .map_err(|error| MembershipError::BadJson { what, detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(url: &str, token: &str) -> u64 {
        member_id(&[url.to_owned()], token)
    }

    #[test]
    fn ids_are_those_of_etcds_own_examples() {
        let token = "etcd-cluster-1";
        let ids = [12380, 22380, 32380].map(|port| id(&format!("http://127.0.0.1:{port}"), token));
        assert_eq!(
            ids,
            [0x8211_f1d0_f64f_3269, 0x91bc_3c39_8fb3_c146, 0xfd42_2379_fda5_0e48],
            "the three members of etcd's Procfile"
        );
        assert_eq!(cluster_id(&ids), 0xef37_ad9d_c622_a7c4, "and their cluster");
        let alone = id("http://localhost:2380", "etcd-cluster");
        assert_eq!(alone, 0x8e9e_05c5_2164_694d, "a server started without flags");
        assert_eq!(cluster_id(&[alone]), 0xcdf8_1819_4e3a_8c32, "and its cluster");
    }

    #[test]
    fn a_join_context_is_the_json_that_etcd_writes() {
        let member = Member {
            id: 15_232_951_895_697_225_528,
            name: "alpha".to_owned(),
            peer_urls: vec!["http://127.0.0.1:24001".to_owned()],
            ..Member::default()
        };
        let context = join_context(&member);
        assert_eq!(
            context,
            r#"{"id":15232951895697225528,"peerURLs":["http://127.0.0.1:24001"],"name":"alpha"}"#,
            "as in a real log"
        );
        let mut cluster = Cluster::default();
        cluster.add(member.id, context.as_bytes()).unwrap();
        assert_eq!(cluster.member(member.id), Some(&member), "and reads back");
        let other = cluster.add(1, context.as_bytes()).unwrap_err();
        assert!(other.to_string().starts_with("got different member ID"), "{other}");
    }

    #[test]
    fn published_attributes_and_version_reach_the_cluster() {
        let mut cluster = Cluster::default();
        let member = Member { id: 0xa, peer_urls: vec!["p".to_owned()], ..Member::default() };
        cluster.add(0xa, join_context(&member).as_bytes()).unwrap();
        let value = attributes("a&b", &["http://n1:2379".to_owned()]);
        assert_eq!(value, r#"{"name":"a\u0026b","clientURLs":["http://n1:2379"]}"#, "Go's JSON");
        cluster.apply_v2_put(&attributes_path(0xa), &value).unwrap();
        cluster.apply_v2_put(VERSION_PATH, "3.4.0").unwrap();
        cluster.apply_v2_put("/1/user", "ignored").unwrap();
        let member = cluster.member(0xa).unwrap();
        assert_eq!(member.name, "a&b", "the name");
        assert_eq!(member.client_urls, ["http://n1:2379"], "where clients connect");
        assert_eq!(cluster.version(), Some("3.4.0"), "the agreed version");
    }

    #[test]
    fn removed_ids_stay_removed_and_learners_are_promoted() {
        let mut cluster = Cluster::default();
        let learner = r#"{"id":7,"peerURLs":["http://x"],"isLearner":true}"#;
        cluster.add(7, learner.as_bytes()).unwrap();
        assert!(cluster.member(7).unwrap().is_learner, "it joined without a vote");
        cluster.add(7, br#"{"id":7,"peerURLs":null,"isPromote":true}"#).unwrap();
        assert!(!cluster.member(7).unwrap().is_learner, "now it has one");
        cluster.remove(7);
        assert!(cluster.is_removed(7) && cluster.member(7).is_none(), "gone");
    }

    #[test]
    fn the_v2_store_of_a_snapshot_gives_the_same_cluster() {
        let mut cluster = Cluster::default();
        for id in [0xa, 0xd366_510a_9fa5_7738, 7] {
            let peer_urls = vec![format!("http://{id}")];
            let member = Member { id, peer_urls, is_learner: id == 7, ..Member::default() };
            cluster.add(id, join_context(&member).as_bytes()).unwrap();
        }
        cluster.apply_v2_put(&attributes_path(0xa), &attributes("n1", &["c".to_owned()])).unwrap();
        cluster.apply_v2_put(VERSION_PATH, "3.4.0").unwrap();
        cluster.add(7, br#"{"id":7,"peerURLs":null,"isPromote":true}"#).unwrap();
        cluster.update(0xa, br#"{"id":10,"peerURLs":["http://other"]}"#).unwrap();
        cluster.remove(0xd366_510a_9fa5_7738);
        let read = V2Store::from_json(cluster.v2().to_json().as_bytes()).unwrap();
        assert_eq!(Cluster::try_from(read).unwrap(), cluster, "members, removed, version, tree");
        assert_eq!(cluster.v2().index(), 9, "a removal changes the tree twice");
    }

    #[test]
    fn a_snapshot_with_members_that_are_none_is_refused_with_the_node() {
        let mut store = V2Store::default();
        store.set("/0/members/a/attributes", "{}");
        let error = Cluster::try_from(store.clone()).unwrap_err().to_string();
        assert_eq!(error, "/0/members/a: raftAttributes key doesn't exist", "as etcd says it");
        store.set("/0/members/x/raftAttributes", "{}");
        store.remove("/0/members/a");
        let error = Cluster::try_from(store).unwrap_err().to_string();
        assert!(error.starts_with("/0/members/x: x: "), "{error}");
    }
}
