//! A place in a bucket that moves both ways.
//!
//! Keys must ascend on the way, strictly: a tree that leads back into itself, or whose pages lie
//! out of order, ends the walk with a problem. So every walk ends, whatever the bytes are.

use bytes::Bytes;

use super::bucket::Root;
use super::page::Page;
use super::{Bucket, Fault, File, PageKind, Problem};

/// More pages from a root to a leaf than any file needs.
pub(super) const DEPTH_MAX: usize = 64;

/// A key of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The key.
    pub key: Bytes,
    /// Its value; of a bucket the raw one.
    pub value: Bytes,
    /// Whether the value is a bucket.
    pub is_bucket: bool,
    /// Where the value begins in the file.
    pub offset: u64,
}

/// A place in a bucket. After a problem, and after either end, it is in front of the first key.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    file: &'a File,
    root: Root,
    /// From the root to a leaf, with the element taken in each; empty in front of the first key.
    path: Vec<(Page, usize)>,
}

/// Which element to take on the way down.
#[derive(Clone, Copy)]
enum Pick<'k> {
    First,
    Last,
    AtOrAbove(&'k [u8]),
}

impl<'a> Cursor<'a> {
    pub(super) fn new(file: &'a File, root: Root) -> Cursor<'a> {
        Cursor { file, root, path: Vec::new() }
    }

    /// Goes to the first key.
    pub fn first(&mut self) -> Result<Option<Item>, Problem> {
        self.go(|cursor| cursor.enter(Pick::First))
    }

    /// Goes to the last key.
    pub fn last(&mut self) -> Result<Option<Item>, Problem> {
        self.go(|cursor| cursor.enter(Pick::Last))
    }

    /// Goes to `key`, or if it is not there to the first one above.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Item>, Problem> {
        self.go(|cursor| {
            cursor.enter(Pick::AtOrAbove(key))?;
            match cursor.path.last() {
                Some((leaf, index)) if *index == leaf.len() && *index > 0 => cursor.step_forward(),
                Some(_) | None => Ok(()),
            }
        })
    }

    /// Goes to the next key; to the first one from the beginning.
    #[expect(clippy::should_implement_trait, reason = "a cursor also goes back, and may fail")]
    pub fn next(&mut self) -> Result<Option<Item>, Problem> {
        let Some(before) = self.key()? else { return self.first() };
        self.go(|cursor| {
            cursor.step_forward()?;
            cursor.check_order(|key| *key > before)
        })
    }

    /// Goes to the key before; to the last one from the beginning.
    pub fn prev(&mut self) -> Result<Option<Item>, Problem> {
        let Some(before) = self.key()? else { return self.last() };
        self.go(|cursor| {
            cursor.step_back()?;
            cursor.check_order(|key| *key < before)
        })
    }

    /// The bucket at this place, if there is one.
    pub fn bucket(&self) -> Result<Option<Bucket<'a>>, Problem> {
        let Some((leaf, index)) = self.path.last() else { return Ok(None) };
        let element = leaf.leaf(*index)?;
        if !element.is_bucket {
            return Ok(None);
        }
        Bucket::of_element(self.file, leaf, *index, &element).map(Some)
    }

    /// Moves, and says where that led. A problem leaves the cursor at the beginning.
    fn go(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<(), Problem>,
    ) -> Result<Option<Item>, Problem> {
        let item = step(self).and_then(|()| self.item());
        if !matches!(item, Ok(Some(_))) {
            self.path.clear();
        }
        item
    }

    fn item(&self) -> Result<Option<Item>, Problem> {
        let Some((leaf, index)) = self.path.last().filter(|(leaf, index)| *index < leaf.len())
        else {
            return Ok(None);
        };
        let element = leaf.leaf(*index)?;
        let (key, value) = (element.key, element.value);
        Ok(Some(Item { key, value, is_bucket: element.is_bucket, offset: element.value_offset }))
    }

    fn key(&self) -> Result<Option<Bytes>, Problem> {
        self.path.last().map(|(leaf, index)| leaf.key(*index)).transpose()
    }

    fn check_order(&self, is_right: impl FnOnce(&Bytes) -> bool) -> Result<(), Problem> {
        match (self.key()?, self.path.last()) {
            (Some(key), Some((leaf, index))) if !is_right(&key) => {
                Err(leaf.element_problem(*index, Fault::KeyOrder { index: *index }))
            }
            _ => Ok(()),
        }
    }

    fn enter(&mut self, pick: Pick<'_>) -> Result<(), Problem> {
        self.path.clear();
        let root = match &self.root {
            Root::Page(id) => self.file.page(*id)?,
            Root::Inline(page) => page.clone(),
        };
        self.descend(root, pick)
    }

    fn descend(&mut self, mut page: Page, pick: Pick<'_>) -> Result<(), Problem> {
        loop {
            if self.path.len() == DEPTH_MAX {
                return Err(page.problem(Fault::TooDeep { limit: DEPTH_MAX }));
            }
            let is_root = self.path.is_empty();
            let index = choose(&page, pick, is_root)?;
            match page.kind {
                PageKind::Leaf => {
                    self.path.push((page, index));
                    return Ok(());
                }
                PageKind::Branch => {
                    let child = page.branch(index)?.child;
                    self.path.push((page, index));
                    page = self.file.page(child)?;
                }
                PageKind::Meta | PageKind::Freelist => {
                    unreachable!("{:?} has nothing to choose from", page.kind)
                }
            }
        }
    }

    fn step_forward(&mut self) -> Result<(), Problem> {
        while let Some((page, index)) = self.path.pop() {
            if index + 1 < page.len() {
                return self.enter_child(page, index + 1, Pick::First);
            }
        }
        Ok(())
    }

    fn step_back(&mut self) -> Result<(), Problem> {
        while let Some((page, index)) = self.path.pop() {
            if index > 0 {
                return self.enter_child(page, index - 1, Pick::Last);
            }
        }
        Ok(())
    }

    fn enter_child(&mut self, page: Page, index: usize, pick: Pick<'_>) -> Result<(), Problem> {
        let child = match page.kind {
            PageKind::Branch => Some(self.file.page(page.branch(index)?.child)?),
            PageKind::Leaf | PageKind::Meta | PageKind::Freelist => None,
        };
        self.path.push((page, index));
        child.map_or(Ok(()), |child| self.descend(child, pick))
    }
}

/// The element to take; of a leaf it may be the one after the last. Pages of other kinds have none:
/// nothing is known of what stands where elements would.
fn choose(page: &Page, pick: Pick<'_>, is_root: bool) -> Result<usize, Problem> {
    if !matches!(page.kind, PageKind::Branch | PageKind::Leaf) {
        let (expected, found) = ("a branch or leaf", page.kind);
        return Err(page.problem(Fault::WrongType { expected, found }));
    }
    let is_leaf = page.kind == PageKind::Leaf;
    if page.len() == 0 {
        let is_fine = is_root && is_leaf;
        return if is_fine { Ok(0) } else { Err(page.problem(Fault::Empty)) };
    }
    match pick {
        Pick::First => Ok(0),
        Pick::Last => Ok(page.len() - 1),
        Pick::AtOrAbove(key) if is_leaf => page.partition(|other| other < key),
        // The last child whose first key is not above.
        Pick::AtOrAbove(key) => Ok(page.partition(|other| other <= key)?.saturating_sub(1)),
    }
}
