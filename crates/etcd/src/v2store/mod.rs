//! The tree of etcd's first two APIs, as far as a server of the third still keeps it.
//!
//! ```text
//! /                             whole tree: the data of a `.snap` file, as JSON
//! ├ 0                           the cluster's own part, applied from the log
//! │ ├ members/<id>/raftAttributes    {"peerURLs":[…]}        from a `ConfChange` entry
//! │ │             attributes         {"name":…,"clientURLs":[…]}   published by the member
//! │ ├ removed_members/<id>
//! │ └ version                   3.4.0
//! └ 1                           what users of API 2 wrote
//! ```
//!
//! Release 3.4 takes the members from here at its boot. Every change counts [`V2Store::index`] up
//! by one; a node carries the index at which it was created and last modified. A `set` of a node
//! that is there makes a new one, as in etcd.
//!
//! Left out: API 2 itself. Below `/1` a tree that was read is kept and written again as it was;
//! requests of the log that would change it are counted ([`V2Store::not_applied`]) and their effect
//! is missing from snapshots taken afterwards. Nor are `Stats` and the event history of the
//! watchers written, which etcd does without.
//! Source: etcd release-3.4, `etcdserver/api/v2store/{store,node}.go`, `api/membership/store.go`.

mod node;

pub use node::Node;

use serde::{Deserialize, Serialize};

/// Where the cluster's own part begins.
pub const CLUSTER_PREFIX: &str = "/0";
/// Where the users' part begins.
pub const KEYS_PREFIX: &str = "/1";

/// The tree with its index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct V2Store {
    root: Node,
    current_index: u64,
    current_version: i64,
    #[serde(skip)]
    not_applied: u64,
}

impl Default for V2Store {
    /// A tree with nothing but its two parts.
    fn default() -> Self {
        let mut root = Node::directory("/", 0);
        for prefix in [CLUSTER_PREFIX, KEYS_PREFIX] {
            root.insert(&prefix[1..], Node::directory(prefix, 0));
        }
        Self { root, current_index: 0, current_version: 2, not_applied: 0 }
    }
}

impl V2Store {
    /// Reads the JSON of a snapshot. 64-bit numbers are exact. Nodes may lie some sixty levels
    /// deep; what is deeper is refused with the place in the text, like any other error.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The JSON of a snapshot, as Go's encoder would write these fields.
    pub fn to_json(&self) -> String {
        crate::membership::go_json(self)
    }

    /// How many changes the tree has seen.
    pub fn index(&self) -> u64 {
        self.current_index
    }

    /// Requests on the users' part that had no effect here.
    pub fn not_applied(&self) -> u64 {
        self.not_applied
    }

    /// Whether users of API 2 have keys.
    pub fn has_keys(&self) -> bool {
        self.get(KEYS_PREFIX).is_some_and(|keys| keys.children().next().is_some())
    }

    /// The node at an absolute path.
    pub fn get(&self, path: &str) -> Option<&Node> {
        components(path).try_fold(&self.root, |node, name| node.child(name))
    }

    /// Puts a value at a path in place of whatever is there, and makes the directories above.
    pub(crate) fn set(&mut self, path: &str, value: &str) {
        let index = self.change();
        let Some((parent, name)) = path.rsplit_once('/') else { return };
        let mut at = String::new();
        let mut node = &mut self.root;
        for component in components(parent) {
            at = format!("{at}/{component}");
            node = node.child_directory(component, &at, index);
        }
        node.insert(name, Node::value(path, value, index));
    }

    /// Changes the value of a node that is there.
    pub(crate) fn update(&mut self, path: &str, value: &str) {
        let index = self.change();
        let found = components(path).try_fold(&mut self.root, |node, name| node.child_mut(name));
        if let Some(node) = found {
            node.change(value, index);
        }
    }

    /// Removes a node with all below it.
    pub(crate) fn remove(&mut self, path: &str) {
        self.change();
        let Some((parent, name)) = path.rsplit_once('/') else { return };
        let found = components(parent).try_fold(&mut self.root, |node, name| node.child_mut(name));
        if let Some(node) = found {
            node.remove(name);
        }
    }

    /// Takes note of a request on the users' part that is not carried out.
    pub(crate) fn pass_over(&mut self) {
        self.not_applied += 1;
    }

    fn change(&mut self) -> u64 {
        self.current_index += 1;
        self.current_index
    }
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_is_that_of_a_fresh_real_server() {
        let mut store = V2Store::default();
        store.set("/0/members/a/raftAttributes", r#"{"peerURLs":["http://a&b"]}"#);
        store.set("/0/version", "3.4.0");
        let time = r#""ExpireTime":"0001-01-01T00:00:00Z""#;
        let node = |path: &str, index: u64, value: &str, children: &str| {
            format!(
                r#"{{"Path":"{path}","CreatedIndex":{index},"ModifiedIndex":{index},{time},"Value":"{value}","Children":{children}}}"#
            )
        };
        let value = r#"{\"peerURLs\":[\"http://a\u0026b\"]}"#;
        let raft = node("/0/members/a/raftAttributes", 1, value, "null");
        let member = node("/0/members/a", 1, "", &format!(r#"{{"raftAttributes":{raft}}}"#));
        let members = node("/0/members", 1, "", &format!(r#"{{"a":{member}}}"#));
        let version = node("/0/version", 2, "3.4.0", "null");
        let cluster = node("/0", 0, "", &format!(r#"{{"members":{members},"version":{version}}}"#));
        let keys = node("/1", 0, "", "{}");
        let root = node("/", 0, "", &format!(r#"{{"0":{cluster},"1":{keys}}}"#));
        let expected = format!(r#"{{"Root":{root},"CurrentIndex":2,"CurrentVersion":2}}"#);
        assert_eq!(store.to_json(), expected, "field by field as etcd writes them");
        assert_eq!(V2Store::from_json(expected.as_bytes()).unwrap(), store, "and reads back");
    }

    #[test]
    fn numbers_above_two_to_the_53_are_exact() {
        let mut store = V2Store::default();
        store.set("/0/version", "3.4.0");
        let json =
            store.to_json().replace("\"CurrentIndex\":1", "\"CurrentIndex\":18446744073709551615");
        let read = V2Store::from_json(json.as_bytes()).unwrap();
        assert_eq!(read.index(), u64::MAX, "not rounded");
        assert_eq!(read.to_json(), json, "nor when it is written");
    }

    #[test]
    fn changes_count_and_a_set_makes_a_new_node() {
        let mut store = V2Store::default();
        store.set("/0/a/b", "1");
        store.set("/0/a/b", "2");
        store.update("/0/a/b", "3");
        let node = store.get("/0/a/b").unwrap();
        assert_eq!((node.text(), node.created_index(), node.modified_index()), ("3", 2, 3), "all");
        assert_eq!(store.get("/0/a").unwrap().created_index(), 1, "the directory is the first one");
        store.remove("/0/a");
        assert!(store.get("/0/a/b").is_none(), "gone with its directory");
        assert_eq!(store.index(), 4, "each change counted");
    }

    #[test]
    fn a_tree_deeper_than_any_stack_is_refused() {
        let depth = 100_000;
        let json = format!(r#"{{"Root":{}"#, r#"{"Children":{"x":"#.repeat(depth));
        let error = V2Store::from_json(json.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }
}
