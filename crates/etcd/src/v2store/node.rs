//! A node: a value, or a directory of nodes.

use ordered::Map;

use serde::{Deserialize, Serialize};

/// Go's zero time: the node never expires.
const PERMANENT: &str = "0001-01-01T00:00:00Z";

/// A node of the tree. Fields that JSON leaves out are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    path: String,
    created_index: u64,
    modified_index: u64,
    /// As it was read: times are kept, not judged.
    expire_time: String,
    value: String,
    /// `None` for a value.
    children: Option<Map<String, Node>>,
}

impl Node {
    pub(super) fn directory(path: &str, index: u64) -> Self {
        Self { children: Some(Map::new()), ..Self::value(path, "", index) }
    }

    pub(super) fn value(path: &str, value: &str, index: u64) -> Self {
        Self {
            path: path.to_owned(),
            created_index: index,
            modified_index: index,
            expire_time: PERMANENT.to_owned(),
            value: value.to_owned(),
            children: None,
        }
    }

    /// The absolute path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value; empty for a directory.
    pub fn text(&self) -> &str {
        &self.value
    }

    /// The index at which it was made.
    pub fn created_index(&self) -> u64 {
        self.created_index
    }

    /// The index at which its value changed last.
    pub fn modified_index(&self) -> u64 {
        self.modified_index
    }

    /// The node below, if this is a directory that has it.
    pub fn child(&self, name: &str) -> Option<&Node> {
        self.children.as_ref()?.get(name)
    }

    /// All nodes right below, by name.
    pub fn children(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.children.iter().flatten().map(|(name, node)| (name.as_str(), node))
    }

    pub(super) fn child_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.children.as_mut()?.get_mut(name)
    }

    pub(super) fn child_directory(&mut self, name: &str, path: &str, index: u64) -> &mut Node {
        let children = self.children.get_or_insert_default();
        children.get_or_insert_with(name.to_owned(), || Node::directory(path, index))
    }

    pub(super) fn insert(&mut self, name: &str, node: Node) {
        self.children.get_or_insert_default().insert(name.to_owned(), node);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.children.iter_mut().for_each(|children| _ = children.remove(name));
    }

    pub(super) fn change(&mut self, value: &str, index: u64) {
        value.clone_into(&mut self.value);
        self.modified_index = index;
    }
}
