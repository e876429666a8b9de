//! Removing a bucket: all of its pages, and those of the buckets inside, are given up.
//!
//! The walk keeps its own stack: buckets may lie in each other as deep as a file allows.
//! Source: bbolt 1.3.6 `bucket.go` (`DeleteBucket`, `free`).

use super::node::NodeId;
use super::page::{Page, u64_at};
use super::place::Place;
use super::tx::{BucketId, Tx, sound};

/// A bucket to give up.
enum Tree {
    Open(BucketId),
    /// One that the transaction has not opened, at a page of its own.
    Closed(u64),
}

/// A page to give up.
enum Visit {
    Page(u64),
    Inline(Page),
    Node(NodeId),
}

impl Tx {
    /// Gives up all pages of a bucket, and of those inside.
    pub(super) fn free_bucket(&mut self, bucket: BucketId) {
        let mut trees = vec![Tree::Open(bucket)];
        while let Some(tree) = trees.pop() {
            let mut to_visit = Vec::new();
            match tree {
                Tree::Open(id) => {
                    to_visit.push(self.visit_root(id));
                    trees.extend(self.open(id).buckets.values().map(|id| Tree::Open(*id)));
                }
                Tree::Closed(root) => to_visit.push(Visit::Page(root)),
            }
            while let Some(visit) = to_visit.pop() {
                self.free_place(&tree, &visit, &mut to_visit, &mut trees);
            }
            if let Tree::Open(id) = tree {
                self.buckets[id.0].is_deleted = true;
            }
        }
    }

    /// Gives up one page of a bucket, and says what is below it.
    fn free_place(
        &mut self,
        tree: &Tree,
        visit: &Visit,
        to_visit: &mut Vec<Visit>,
        trees: &mut Vec<Tree>,
    ) {
        let place = match visit {
            Visit::Page(id) => Place::Page(sound(self.file.page(*id))),
            Visit::Inline(page) => Place::Page(page.clone()),
            Visit::Node(node) => Place::Node(&self.nodes[node.0]),
        };
        let known = |child: u64| match tree {
            Tree::Open(id) => self.open(*id).nodes.get(&child).copied(),
            Tree::Closed(_) => None,
        };
        for position in 0..place.len() {
            if !place.is_leaf() {
                let child = place.child(position);
                to_visit.push(known(child).map_or(Visit::Page(child), Visit::Node));
                continue;
            }
            let element = place.element(position).expect("a position in the leaf");
            let is_open = matches!(tree, Tree::Open(id)
                if self.open(*id).buckets.contains_key(&element.key));
            if element.is_bucket && !is_open && u64_at(&element.value, 0) != 0 {
                trees.push(Tree::Closed(u64_at(&element.value, 0)));
            }
        }
        if let Some((first, pages)) = place.extent() {
            self.free.free(first, pages);
        }
    }

    fn visit_root(&self, bucket: BucketId) -> Visit {
        let open = self.open(bucket);
        match (open.root_node, &open.inline) {
            (Some(node), _) => Visit::Node(node),
            (None, Some(page)) => Visit::Inline(page.clone()),
            (None, None) => Visit::Page(open.root),
        }
    }
}
