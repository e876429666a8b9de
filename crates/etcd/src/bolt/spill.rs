//! From nodes to new pages.
//!
//! Bottom up: the children first, since their new pages stand in the parent. A node that is too
//! large is split; a root that is split gets a new root above. A bucket that is one small leaf
//! without buckets inside is written into its parent's value, any other gets pages.
//! Source: bbolt 1.3.6 `node.go` (`spill`), `bucket.go` (`spill`, `inlineable`), `tx.go`
//! (`Commit`, `allocate`), `freelist.go` (`write`).

use bytes::Bytes;

use super::Meta;
use super::bucket::BUCKET_BYTES;
use super::free_pages::FreePages;
use super::freelist;
use super::node::{Inode, Node, NodeId};
use super::tx::{BucketId, Tx};

/// All that a transaction has to write.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Pages with their overflow, ascending.
    pub(super) pages: Vec<(u64, Bytes)>,
    pub(super) meta: Meta,
    pub(super) free: FreePages,
}

impl Tx {
    /// Makes pages of everything that was changed. With a freelist, or without.
    pub(super) fn finish(mut self, has_freelist: bool) -> Plan {
        self.rebalance();
        self.spill_bucket(BucketId(0));
        self.meta.root = self.buckets[0].root;
        self.meta.sequence = self.buckets[0].sequence;
        self.free_old_freelist();
        self.meta.freelist = has_freelist.then(|| self.write_freelist());
        let Tx { meta, free, written, .. } = self;
        let pages = written.into_iter().map(|(id, bytes)| (id, bytes.into())).collect();
        Plan { pages, meta, free }
    }

    fn free_old_freelist(&mut self) {
        if let Some(id) = self.meta.freelist {
            let page = super::tx::sound(self.file.page(id));
            self.free.free(id, u64::from(page.overflow) + 1);
        }
    }

    /// Writes the freelist as it is before its own page is taken from it.
    fn write_freelist(&mut self) -> u64 {
        let page_bytes = self.page_bytes();
        let bytes = freelist::bytes(self.free.count());
        let pages = bytes / page_bytes + 1;
        let id = self.allocate(pages);
        let page = freelist::write(id, &self.free.listed(), pages * page_bytes, page_bytes);
        self.written.insert(id, page);
        id
    }

    fn spill_bucket(&mut self, bucket: BucketId) {
        let children: Vec<(Bytes, BucketId)> =
            self.open(bucket).buckets.iter().map(|(name, id)| (name.clone(), *id)).collect();
        for (name, child) in children {
            let mut value = Vec::with_capacity(BUCKET_BYTES);
            let inline = self.inline_node(child);
            match inline {
                Some(_) => self.free_inlined(child),
                None => self.spill_bucket(child),
            }
            let open = self.open(child);
            if open.root_node.is_none() {
                continue;
            }
            value.extend_from_slice(&open.root.to_le_bytes());
            value.extend_from_slice(&open.sequence.to_le_bytes());
            if let Some(node) = inline {
                value.extend_from_slice(&self.nodes[node.0].to_inline());
            }
            let leaf = self.leaf_node(bucket, &name);
            self.put_in(leaf, &name, value.into(), true);
        }
        if let Some(root) = self.open(bucket).root_node {
            let root = self.spill_node(root);
            let page = self.nodes[root.0].page;
            let open = self.open_mut(bucket);
            (open.root, open.root_node) = (page, Some(root));
        }
    }

    /// The root of a changed bucket that is small enough to lie in a value.
    fn inline_node(&self, bucket: BucketId) -> Option<NodeId> {
        let id = self.open(bucket).root_node?;
        let node = &self.nodes[id.0];
        let fits = node.is_leaf
            && node.inodes.iter().all(|inode| !inode.is_bucket)
            && node.bytes() <= self.page_bytes() / 4;
        fits.then_some(id)
    }

    /// Gives up the pages of a bucket that becomes inline.
    fn free_inlined(&mut self, bucket: BucketId) {
        let open = self.open_mut(bucket);
        open.root = 0;
        let nodes: Vec<NodeId> = open.nodes.values().copied().collect();
        for node in nodes {
            self.free_node(node);
        }
    }

    /// Writes a node and those below; returns the topmost one there is then.
    fn spill_node(&mut self, id: NodeId) -> NodeId {
        if !self.nodes[id.0].is_spilled {
            let mut children = std::mem::take(&mut self.nodes[id.0].children);
            ordered::sort_by(&mut children, |a, b| {
                let first = |id: &NodeId| self.nodes[id.0].inodes.first().map(|first| &first.key);
                first(a).cmp(&first(b))
            });
            for child in children {
                self.spill_node(child);
            }
            for part in self.split(id) {
                self.write_node(part);
            }
        }
        match self.nodes[id.0].parent {
            Some(parent) if self.nodes[parent.0].page == 0 && !self.is_written(parent) => {
                self.nodes[parent.0].children.clear();
                self.spill_node(parent)
            }
            _ => id,
        }
    }

    fn is_written(&self, id: NodeId) -> bool {
        self.nodes[id.0].is_spilled
    }

    /// Cuts a node that is too large; the first part is the node itself.
    fn split(&mut self, id: NodeId) -> Vec<NodeId> {
        let page_bytes = self.page_bytes();
        let bucket = self.nodes[id.0].bucket;
        let fill_percent = self.open(bucket).fill_percent;
        let others = self.nodes[id.0].split(page_bytes, fill_percent);
        let mut parts = vec![id];
        if others.is_empty() {
            return parts;
        }
        let Node { is_leaf, parent, .. } = self.nodes[id.0];
        let parent = parent.unwrap_or_else(|| self.add_node(Node::new(bucket, false, None)));
        self.nodes[id.0].parent = Some(parent);
        for inodes in others {
            let node = Node { inodes, ..Node::new(bucket, is_leaf, Some(parent)) };
            parts.push(self.add_node(node));
        }
        parts
    }

    /// Gives a node a new page, and tells its parent.
    fn write_node(&mut self, id: NodeId) {
        let before = self.nodes[id.0].page;
        self.free_node(id);
        let page_bytes = self.page_bytes();
        let pages = self.nodes[id.0].bytes().div_ceil(page_bytes);
        let page = self.allocate(pages);
        let node = &mut self.nodes[id.0];
        (node.page, node.pages) = (page, pages as u64);
        node.is_spilled = true;
        self.written.insert(page, node.to_page(page, page_bytes));
        let Some(parent) = node.parent else { return };
        let key = node.inodes.first().expect("only a root has no elements").key.clone();
        let known = std::mem::replace(&mut node.key, key.clone());
        let inode = Inode { key, value: Bytes::new(), page, is_bucket: false };
        let parent = &mut self.nodes[parent.0];
        if before == 0 || parent.inodes.is_empty() {
            parent.put(inode);
        } else {
            let position = parent.position_of(before, &known);
            parent.inodes[position] = inode;
        }
    }

    fn allocate(&mut self, pages: usize) -> u64 {
        let pages = pages as u64;
        self.free.allocate(pages).unwrap_or_else(|| {
            let id = self.meta.high_water;
            self.meta.high_water += pages;
            id
        })
    }
}
