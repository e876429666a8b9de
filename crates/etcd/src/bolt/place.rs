//! A page as a transaction sees it: as it is in the file, or taken apart.

use std::ops::Bound;

use super::PageKind;
use super::node::{Inode, Node};
use super::page::Page;
use super::tx::{Element, sound};

/// A page as it is in the file, or taken apart.
#[derive(Clone)]
pub(super) enum Place<'a> {
    Page(Page),
    Node(&'a Node),
}

impl Place<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Place::Page(page) => page.len(),
            Place::Node(node) => node.inodes.len(),
        }
    }

    pub(super) fn is_leaf(&self) -> bool {
        match self {
            Place::Page(page) => page.kind == PageKind::Leaf,
            Place::Node(node) => node.is_leaf,
        }
    }

    /// Of a leaf the first element at or above, of a branch the child to look in.
    pub(super) fn position(&self, from: Bound<&[u8]>) -> usize {
        let is_below = |key: &[u8]| match from {
            Bound::Included(from) if self.is_leaf() => key < from,
            Bound::Included(from) | Bound::Excluded(from) => key <= from,
            Bound::Unbounded => false,
        };
        let below = match self {
            Place::Page(page) => sound(page.partition(is_below)),
            Place::Node(node) => node.inodes.partition_point(|inode| is_below(&inode.key)),
        };
        if self.is_leaf() { below } else { below.saturating_sub(1) }
    }

    pub(super) fn child(&self, position: usize) -> u64 {
        match self {
            Place::Page(page) => sound(page.branch(position)).child,
            Place::Node(node) => node.inodes[position].page,
        }
    }

    pub(super) fn element(&self, position: usize) -> Option<Element> {
        match self {
            Place::Page(page) if position < page.len() => {
                let element = sound(page.leaf(position));
                let (key, value) = (element.key, element.value);
                Some(Element { key, value, is_bucket: element.is_bucket })
            }
            Place::Page(_) => None,
            Place::Node(node) => {
                let Inode { key, value, is_bucket, .. } = node.inodes.get(position)?.clone();
                Some(Element { key, value, is_bucket })
            }
        }
    }

    /// Where it is in the file: first page, and how many.
    pub(super) fn extent(&self) -> Option<(u64, u64)> {
        let (first, pages) = match self {
            Place::Page(page) => (page.id, u64::from(page.overflow) + 1),
            Place::Node(node) => (node.page, node.pages),
        };
        (first != 0).then_some((first, pages))
    }
}
