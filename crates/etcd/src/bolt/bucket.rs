//! A bucket: a tree of pages, or one leaf inside a value.

use bytes::Bytes;

use super::cursor::DEPTH_MAX;
use super::page::{HEADER_BYTES, LeafElement, Page, u64_at};
use super::{Cursor, Fault, File, Item, PageKind, Problem, Visit, lookup::Finger, walk};

/// Bytes of a bucket's value in front of an inline page.
pub(super) const BUCKET_BYTES: usize = 16;

/// A bucket of a file.
#[derive(Debug, Clone)]
pub struct Bucket<'a> {
    file: &'a File,
    root: Root,
    sequence: u64,
}

/// Where a bucket's keys are, in the state that it was taken from.
#[derive(Debug, Clone)]
pub struct Tree(Root, u64);

#[derive(Debug, Clone)]
pub(super) enum Root {
    /// The tree begins at this page.
    Page(u64),
    /// All of it.
    Inline(Page),
}

/// What a key of a bucket holds.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// Bytes.
    Bytes(Bytes),
    /// Another bucket.
    Bucket(Bucket<'a>),
}

impl<'a> Bucket<'a> {
    pub(super) fn root_of(file: &'a File) -> Bucket<'a> {
        let meta = file.meta();
        Bucket { file, root: Root::Page(meta.root), sequence: meta.sequence }
    }

    /// The bucket that an element of a leaf holds.
    pub(super) fn of_element(
        file: &'a File,
        page: &Page,
        index: usize,
        element: &LeafElement,
    ) -> Result<Bucket<'a>, Problem> {
        let LeafElement { value, value_offset, .. } = element;
        let short = || {
            let bytes = value.len();
            page.element_problem(index, Fault::ShortBucket { index, bytes })
        };
        if value.len() < BUCKET_BYTES {
            return Err(short());
        }
        let (root, sequence) = (u64_at(value, 0), u64_at(value, 8));
        if root != 0 {
            return Ok(Bucket { file, root: Root::Page(root), sequence });
        }
        if value.len() < BUCKET_BYTES + HEADER_BYTES {
            return Err(short());
        }
        let offset = value_offset + BUCKET_BYTES as u64;
        let inline = Page::new(page.id, offset, value.slice(BUCKET_BYTES..))?;
        Ok(Bucket { file, root: Root::Inline(inline), sequence })
    }

    /// Where its keys are: finds it again in the same state without its name.
    pub fn tree(&self) -> Tree {
        Tree(self.root.clone(), self.sequence)
    }

    pub(super) fn of_tree(file: &'a File, tree: &Tree) -> Bucket<'a> {
        Bucket { file, root: tree.0.clone(), sequence: tree.1 }
    }

    /// The bucket's counter, which etcd does not use.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The page that the tree begins at; `None` for an inline bucket.
    pub fn root_page(&self) -> Option<u64> {
        match self.root {
            Root::Page(page) => Some(page),
            Root::Inline(_) => None,
        }
    }

    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    /// A cursor in front of the first key.
    pub fn cursor(&self) -> Cursor<'a> {
        Cursor::new(self.file, self.root.clone())
    }

    /// Visits the keys from `from` on, in order, with values that are only lent; those that hold
    /// buckets are left out.
    pub fn walk(&self, from: &[u8], visit: &mut Visit<'_>) -> Result<(), Problem> {
        let root = match &self.root {
            Root::Page(id) => self.file.page(*id)?,
            Root::Inline(page) => page.clone(),
        };
        walk::walk(self.file, root, from, visit)
    }

    /// What `key` holds.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value<'a>>, Problem> {
        let mut cursor = self.cursor();
        match cursor.seek(key)? {
            Some(Item { key: found, .. }) if found[..] != *key => Ok(None),
            Some(item) if item.is_bucket => cursor.bucket().map(|bucket| bucket.map(Value::Bucket)),
            Some(item) => Ok(Some(Value::Bytes(item.value))),
            None => Ok(None),
        }
    }

    /// The bytes under `key`; `None` also if it holds a bucket.
    pub fn value(&self, key: &[u8]) -> Result<Option<Bytes>, Problem> {
        let mut value = None;
        self.lend(key, &mut |lent| value = Some(Bytes::copy_from_slice(lent)))?;
        Ok(value)
    }

    /// Calls `read` with the bytes under `key`, only lent; not if there is none, or a bucket.
    pub fn lend(&self, key: &[u8], read: &mut dyn FnMut(&[u8])) -> Result<(), Problem> {
        self.lend_each(&mut std::iter::once(key), &mut |_, value| read(value))
    }

    /// Calls `read` with the bytes under each of the keys, only lent, and which key of them it is.
    /// Ascending keys are found with less.
    pub fn lend_each(
        &self,
        keys: &mut dyn Iterator<Item = &[u8]>,
        read: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), Problem> {
        let mut finger = match &self.root {
            Root::Page(id) => Some(Finger::new(self.file, *id)),
            Root::Inline(_) => None,
        };
        for (number, key) in keys.enumerate() {
            if let Some(Ok(found)) = finger.as_mut().map(|finger| finger.value(key)) {
                if let Some(value) = found {
                    read(number, value);
                }
            } else if let Some(value) = self.value_in_pages(key)? {
                read(number, &value);
            }
        }
        Ok(())
    }

    /// The long way to the bytes under `key`, over pages of any form.
    fn value_in_pages(&self, key: &[u8]) -> Result<Option<Bytes>, Problem> {
        let mut page = match &self.root {
            Root::Page(id) => self.file.page(*id)?,
            Root::Inline(page) => page.clone(),
        };
        for _ in 0..DEPTH_MAX {
            if page.kind == PageKind::Leaf {
                let index = page.partition(|other| other < key)?;
                if index == page.len() {
                    return Ok(None);
                }
                return page.value_of(index, key);
            }
            if page.kind != PageKind::Branch {
                let (expected, found) = ("a branch or leaf", page.kind);
                return Err(page.problem(Fault::WrongType { expected, found }));
            }
            if page.len() == 0 {
                return Err(page.problem(Fault::Empty));
            }
            let index = page.partition(|other| other <= key)?.saturating_sub(1);
            page = self.file.page(page.child(index))?;
        }
        Err(page.problem(Fault::TooDeep { limit: DEPTH_MAX }))
    }

    /// The bucket of that name inside this one.
    pub fn bucket(&self, name: &[u8]) -> Result<Option<Bucket<'a>>, Problem> {
        Ok(match self.get(name)? {
            Some(Value::Bucket(bucket)) => Some(bucket),
            Some(Value::Bytes(_)) | None => None,
        })
    }
}
