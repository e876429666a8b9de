//! Merging what removals have left too small.
//!
//! A node at or below a quarter of a page, or with too few keys, is merged with a neighbour: with
//! the next one if it is its parent's first child, else with the one before. That takes a key from
//! the parent, which may then be too small itself. A merged node that is too large is split again
//! when it is spilled. Source: bbolt 1.3.6 `node.go` (`rebalance`), `bucket.go`.

use super::node::{Node, NodeId};
use super::tx::{BucketId, Tx};

impl Tx {
    /// Merges small nodes of all buckets.
    pub(super) fn rebalance(&mut self) {
        for bucket in (0..self.buckets.len()).map(BucketId) {
            if self.buckets[bucket.0].is_deleted {
                continue;
            }
            let nodes: Vec<(u64, NodeId)> =
                self.open(bucket).nodes.iter().map(|(page, node)| (*page, *node)).collect();
            for (page, node) in nodes {
                // It may have been merged into another one meanwhile.
                if self.open(bucket).nodes.get(&page) == Some(&node) {
                    self.rebalance_up(node);
                }
            }
        }
    }

    fn rebalance_up(&mut self, node: NodeId) {
        let mut next = Some(node);
        while let Some(node) = next {
            next = self.rebalance_node(node);
        }
    }

    /// Merges a node if it is small; returns the parent that lost a key.
    fn rebalance_node(&mut self, id: NodeId) -> Option<NodeId> {
        let page_bytes = self.page_bytes();
        let node = &mut self.nodes[id.0];
        if !std::mem::take(&mut node.is_unbalanced) || !node.is_small(page_bytes) {
            return None;
        }
        let Some(parent) = node.parent else {
            if !node.is_leaf && node.inodes.len() == 1 {
                self.collapse_root(id);
            }
            return None;
        };
        if node.inodes.is_empty() {
            self.remove_node(id, parent);
            return Some(parent);
        }
        if self.nodes[parent.0].inodes.len() < 2 {
            // No neighbour: bbolt writes no such branch, but others may.
            return Some(parent);
        }
        let Node { page, key, .. } = &self.nodes[id.0];
        let position = self.nodes[parent.0].position_of(*page, key);
        if position == 0 {
            let next = self.child_node(parent, 1);
            self.merge(id, next, parent);
        } else {
            let before = self.child_node(parent, position - 1);
            self.merge(before, id, parent);
        }
        Some(parent)
    }

    /// The only child of a root takes its place.
    fn collapse_root(&mut self, root: NodeId) {
        let child = self.child_node(root, 0);
        let Node { is_leaf, inodes, children, bucket, .. } = self.nodes[child.0].clone();
        for grandchild in &children {
            self.nodes[grandchild.0].parent = Some(root);
        }
        let node = &mut self.nodes[root.0];
        (node.is_leaf, node.inodes, node.children) = (is_leaf, inodes, children);
        self.discard(child, bucket);
    }

    /// Appends the right one of two neighbours to the left one.
    fn merge(&mut self, left: NodeId, right: NodeId, parent: NodeId) {
        let inodes = std::mem::take(&mut self.nodes[right.0].inodes);
        let children = std::mem::take(&mut self.nodes[right.0].children);
        for child in &children {
            self.nodes[child.0].parent = Some(left);
        }
        let node = &mut self.nodes[left.0];
        node.inodes.extend(inodes);
        node.children.extend(children);
        self.remove_node(right, parent);
    }

    fn remove_node(&mut self, id: NodeId, parent: NodeId) {
        let Node { page, key, bucket, .. } = &self.nodes[id.0];
        let (position, bucket) = (self.nodes[parent.0].position_of(*page, key), *bucket);
        let above = &mut self.nodes[parent.0];
        above.inodes.remove(position);
        above.is_unbalanced = true;
        above.children.retain(|child| *child != id);
        self.discard(id, bucket);
    }

    /// Gives up a node's page; the node is not used any more.
    fn discard(&mut self, id: NodeId, bucket: BucketId) {
        let page = self.nodes[id.0].page;
        self.open_mut(bucket).nodes.remove(&page);
        self.free_node(id);
    }

    /// Gives up the page that a node was read from.
    pub(super) fn free_node(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.0];
        if node.page != 0 {
            self.free.free(node.page, node.pages);
            (node.page, node.pages) = (0, 0);
        }
    }
}
