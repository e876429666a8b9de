//! The two walks that a server makes through its backend at a boot.
//!
//! First all pages: etcd keeps no list of free pages in the file, so bbolt walks everything that
//! can be reached and takes the rest as free. Then the keys, from the first one on, in whatever
//! order the pages have them. Pairs are visited, never collected: a database need not fit memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::Dies;
use super::mapped::{Mapped, PageAt, Pair, Root};

/// Called with each pair; what it returns ends the walk.
pub(super) type Visit<'a> = dyn FnMut(&Pair) -> Result<(), Dies> + 'a;

/// A leaf, by its number in the order of the tree, and an element in it.
pub(super) type Position = (usize, u16);

/// A bucket with the leaves of its tree in order. Cloning it costs nothing.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    root: Root,
    leaves: Arc<[PageAt]>,
}

/// The trees of buckets that have pages of their own, by the first page.
pub(super) type Trees = BTreeMap<u64, Tree>;

/// Walks all pages as `freepages` does, reads every pair, and gives the trees. An error is what that
/// panics with.
///
/// A server walks over each tree two or three times. Here once is enough, unless something is wrong:
/// then its own order tells what it dies of.
pub(super) fn free_pages(file: &Mapped) -> Result<Trees, Dies> {
    at_once(file).or_else(|_| in_steps(file))
}

fn at_once(file: &Mapped) -> Result<Trees, Dies> {
    let mut trees = Trees::new();
    let mut walk = Walk { file, reached: BTreeSet::new(), budget: file.elements_max() };
    let mut open = vec![Root::Page(file.meta().root)];
    while let Some(root) = open.pop() {
        let Root::Page(page) = root else { continue };
        let (leaves, buckets) = walk.tree(page)?;
        let tree = Tree { root, leaves: leaves.into() };
        for name in buckets.iter().rev() {
            open.extend(tree.child(file, name)?);
        }
        trees.insert(page, tree);
    }
    Ok(trees)
}

fn in_steps(file: &Mapped) -> Result<Trees, Dies> {
    let mut trees = Trees::new();
    let mut walk = Walk { file, reached: BTreeSet::new(), budget: file.elements_max() };
    let mut buckets = vec![Root::Page(file.meta().root)];
    while let Some(root) = buckets.pop() {
        let Root::Page(page) = root else { continue };
        let tree = Tree { root, leaves: walk.pages(page)?.into() };
        if file.is_strict() {
            walk.key_order(page)?;
        }
        let mut children = Vec::new();
        for leaf in tree.leaves.iter() {
            for index in 0..leaf.header.count {
                walk.spend(leaf)?;
                if is_bucket(file, leaf, index)? {
                    let key = file.key(leaf, index)?;
                    children.extend(tree.child(file, &key)?);
                }
            }
        }
        buckets.extend(children.into_iter().rev());
        trees.insert(page, tree);
    }
    Ok(trees)
}

fn is_bucket(file: &Mapped, leaf: &PageAt, index: u16) -> Result<bool, Dies> {
    file.pair(leaf, index).map(|pair| pair.is_bucket)
}

struct Walk<'a> {
    file: &'a Mapped,
    /// Numbers that the pages met say they have, overflow included.
    reached: BTreeSet<u64>,
    budget: u64,
}

impl Walk<'_> {
    fn spend(&mut self, page: &PageAt) -> Result<(), Dies> {
        self.budget = self.budget.checked_sub(1).ok_or_else(|| {
            Dies::at("elements lie over each other without end".into(), page.offset)
        })?;
        Ok(())
    }

    /// Every page of a tree with all that is asked of it: its leaves in order, and the names of the
    /// buckets in them.
    fn tree(&mut self, root: u64) -> Result<(Vec<PageAt>, Vec<Bytes>), Dies> {
        let mut open = vec![(root, Bytes::new(), None)];
        let (mut leaves, mut buckets) = (Vec::new(), Vec::new());
        while let Some((id, from, to)) = open.pop() {
            let page = self.file.page(id)?;
            self.reach(&page)?;
            let is_strict = self.file.is_strict();
            let keys = if is_strict {
                self.ordered_keys(id, &page, &from, to.as_ref())?
            } else {
                Vec::new()
            };
            if page.header.is_branch() {
                for index in (0..page.header.count).rev() {
                    self.spend(&page)?;
                    let (at, child) = (usize::from(index), self.file.child(&page, index)?);
                    let next = keys.get(at + 1).cloned().or_else(|| to.clone());
                    open.push((child, keys.get(at).cloned().unwrap_or_default(), next));
                }
                continue;
            }
            for index in 0..page.header.count {
                self.spend(&page)?;
                let pair = self.file.pair(&page, index)?;
                buckets.extend(pair.is_bucket.then(|| Bytes::copy_from_slice(&pair.key)));
            }
            leaves.push(page);
        }
        Ok((leaves, buckets))
    }

    /// Every page of a tree, parents first; its leaves in order.
    fn pages(&mut self, root: u64) -> Result<Vec<PageAt>, Dies> {
        let (mut open, mut leaves) = (vec![root], Vec::new());
        while let Some(id) = open.pop() {
            let page = self.file.page(id)?;
            self.reach(&page)?;
            if page.header.is_branch() {
                let mut children = Vec::new();
                for index in 0..page.header.count {
                    self.spend(&page)?;
                    children.push(self.file.child(&page, index)?);
                }
                open.extend(children.into_iter().rev());
            } else {
                leaves.push(page);
            }
        }
        Ok(leaves)
    }

    fn reach(&mut self, page: &PageAt) -> Result<(), Dies> {
        let (header, high_water) = (page.header, self.file.meta().high_water);
        let id = header.id;
        let fails = |words: String| {
            let words =
                format!("freepages: failed to get all reachable pages (page {id}: {words})");
            Err(Dies::at(words, page.offset))
        };
        if id > high_water {
            return fails(format!("out of bounds: {high_water}"));
        }
        // A page cannot continue over more than there is, whatever it says.
        let end = id.saturating_add(u64::from(header.overflow)).min(self.file.pages().max(id));
        for number in id..=end {
            if !self.reached.insert(number) {
                let words = format!(
                    "freepages: failed to get all reachable pages (page {number}: multiple \
                     references)"
                );
                return Err(Dies::at(words, page.offset));
            }
        }
        if !header.is_branch() && !header.is_leaf() {
            let kind = match header.flags {
                flags if flags & 4 != 0 => "meta".to_string(),
                flags if flags & 16 != 0 => "freelist".to_string(),
                flags => format!("unknown<{flags:02x}>"),
            };
            return fails(format!("invalid type: {kind}"));
        }
        Ok(())
    }

    /// bbolt 1.3.7 and later: keys ascend in pages and lie within what the branch above says.
    fn key_order(&mut self, root: u64) -> Result<(), Dies> {
        let mut open = vec![(root, Bytes::new(), None)];
        while let Some((id, from, to)) = open.pop() {
            let page = self.file.page(id)?;
            let keys = self.ordered_keys(id, &page, &from, to.as_ref())?;
            if page.header.is_branch() {
                for (index, key) in (0..page.header.count).zip(&keys).rev() {
                    let next = keys.get(usize::from(index) + 1).cloned().or_else(|| to.clone());
                    open.push((self.file.child(&page, index)?, key.clone(), next));
                }
            }
        }
        Ok(())
    }

    /// The keys of a page, none below `from` and all below `to`.
    fn ordered_keys(
        &mut self,
        id: u64,
        page: &PageAt,
        from: &Bytes,
        to: Option<&Bytes>,
    ) -> Result<Vec<Bytes>, Dies> {
        let mut keys: Vec<Bytes> = Vec::new();
        for index in 0..page.header.count {
            self.spend(page)?;
            let key = self.file.key(page, index)?;
            let before = keys.last().unwrap_or(from);
            let is_first = index == 0;
            let words = if is_first && *before > key {
                "needs to be >= the key in the ancestor"
            } else if !is_first && *before > key {
                "needs to be > (found <) than previous element"
            } else if !is_first && *before == key {
                "needs to be > (found =) than previous element"
            } else if to.is_some_and(|to| key >= *to) {
                "needs to be < than key of the next element in ancestor"
            } else {
                keys.push(key);
                continue;
            };
            let kind = if page.header.is_branch() { "branch" } else { "leaf" };
            let words = format!(
                "freepages: failed to get all reachable pages (key[{index}]=(hex){} on {kind} \
                 page({id}) {words})",
                super::hex(&key)
            );
            return Err(Dies::at(words, page.offset + 16 + 16 * u64::from(index)));
        }
        Ok(keys)
    }
}

impl Tree {
    /// The tree of a bucket, whose pages [`free_pages`] has found sound.
    pub(super) fn of(file: &Mapped, root: Root) -> Result<Tree, Dies> {
        let first = file.root_page(root)?;
        let (mut open, mut leaves) = (vec![first], Vec::new());
        let mut budget = file.elements_max();
        while let Some(page) = open.pop() {
            if !page.header.is_branch() {
                leaves.push(page);
                continue;
            }
            for index in (0..page.header.count).rev() {
                budget = budget.checked_sub(1).ok_or_else(|| Dies::bus_error(page.offset))?;
                open.push(file.page(file.child(&page, index)?)?);
            }
        }
        Ok(Tree { root, leaves: leaves.into() })
    }

    /// The bucket of all buckets.
    pub(super) fn top(file: &Mapped) -> Result<Tree, Dies> {
        Tree::of(file, Root::Page(file.meta().root))
    }

    /// The bucket of that name, as a search finds it.
    pub(super) fn child(&self, file: &Mapped, name: &[u8]) -> Result<Option<Root>, Dies> {
        let Some((leaf, index)) = self.seek(file, name)? else { return Ok(None) };
        let pair = file.pair(&self.leaves[leaf], index)?;
        if pair.key[..] != *name || !pair.is_bucket {
            return Ok(None);
        }
        file.bucket(&pair).map(Some)
    }

    /// How many pairs there are.
    pub(super) fn len(&self) -> u64 {
        self.leaves.iter().map(|leaf| u64::from(leaf.header.count)).sum()
    }

    /// From the first pair to behind the last one.
    pub(super) fn positions(&self) -> Range<Position> {
        self.normal((0, 0))..(self.leaves.len(), 0)
    }

    /// Visits all pairs in the order of the pages.
    pub(super) fn each(&self, file: &Mapped, visit: &mut Visit<'_>) -> Result<(), Dies> {
        self.each_at(file, &mut |_, pair| visit(pair))
    }

    /// The same with their positions.
    pub(super) fn each_at(
        &self,
        file: &Mapped,
        visit: &mut dyn FnMut(Position, &Pair) -> Result<(), Dies>,
    ) -> Result<(), Dies> {
        let mut budget = file.elements_max();
        for (number, leaf) in self.leaves.iter().enumerate() {
            for index in 0..leaf.header.count {
                budget = budget.checked_sub(1).ok_or_else(|| Dies::bus_error(leaf.offset))?;
                visit((number, index), &file.pair(leaf, index)?)?;
            }
        }
        Ok(())
    }

    /// Visits what a range from `from` up to `to` gives: from where the search ends, on to the
    /// first key that is not below `to`, and not more than `limit`. Gives the positions.
    pub(super) fn range(
        &self,
        file: &Mapped,
        (from, to): (&[u8], &[u8]),
        limit: u64,
        visit: &mut Visit<'_>,
    ) -> Result<Range<Position>, Dies> {
        let end = (self.leaves.len(), 0);
        let Some(start) = self.seek(file, from)? else { return Ok(end..end) };
        let (mut leaf, mut index) = start;
        let mut left = limit;
        while left > 0 && leaf < self.leaves.len() {
            let page = &self.leaves[leaf];
            if index >= page.header.count {
                (leaf, index) = (leaf + 1, 0);
                continue;
            }
            let pair = file.pair(page, index)?;
            if pair.key[..] >= *to {
                break;
            }
            visit(&pair)?;
            (index, left) = (index + 1, left - 1);
        }
        Ok(start..self.normal((leaf, index)))
    }

    /// A position behind a leaf's last element is that of the next element.
    fn normal(&self, (mut leaf, mut index): Position) -> Position {
        while self.leaves.get(leaf).is_some_and(|at| index >= at.header.count) {
            (leaf, index) = (leaf + 1, 0);
        }
        (leaf, index)
    }

    /// Leaf and element where a cursor stops that looks for `key`.
    fn seek(&self, file: &Mapped, key: &[u8]) -> Result<Option<Position>, Dies> {
        let mut page = file.root_page(self.root)?;
        // As many steps as any tree has; a tree without a cycle ends before.
        for _ in 0..64 {
            let (mut index, is_exact) = search(file, &page, key)?;
            if !page.header.is_branch() {
                let leaf = self.leaves.iter().position(|leaf| leaf.offset == page.offset);
                let found = leaf.map(|leaf| self.normal((leaf, index)));
                return Ok(found.filter(|found| found.0 < self.leaves.len()));
            }
            if page.header.count == 0 {
                return Ok(None);
            }
            if !is_exact && index > 0 {
                index -= 1;
            }
            page = file.page(file.child(&page, index.min(page.header.count - 1))?)?;
        }
        Ok(None)
    }
}

/// Go's `sort.Search` for the first element that is not below: in a page out of order it ends
/// where it ends.
fn search(file: &Mapped, page: &PageAt, key: &[u8]) -> Result<(u16, bool), Dies> {
    let (mut low, mut high, mut is_exact) = (0, page.header.count, false);
    while low < high {
        let middle = low.midpoint(high);
        let found = file.key(page, middle)?;
        is_exact |= found[..] == *key;
        if found[..] < *key { low = middle + 1 } else { high = middle }
    }
    Ok((low, is_exact))
}
