//! The short way to values: over lent bytes, without a page or an element being made, and lent
//! themselves.
//!
//! It knows what nearly every page is like (in one page of the disk, without overflow) and gives up
//! on everything else: [`super::Bucket::lend`] then goes the long way, which also finds the words
//! for damage.

use std::cmp::Ordering;

use super::cursor::DEPTH_MAX;
use super::file::File;
use super::page::{ELEMENT_BYTES, HEADER_BYTES, Header, u32_at, u64_at};

const BRANCH: u16 = 1;
const LEAF: u16 = 2;

/// Children that are looked at before all are searched.
const GUESSES: usize = 4;

/// A page that is not like nearly every other.
pub(super) struct Unusual;

/// Looks keys of one tree up. Of ascending keys the next one is mostly found from the branch that
/// led to the one before.
pub(super) struct Finger<'a> {
    file: &'a File,
    root: u64,
    last: Option<Parent<'a>>,
}

/// The branch above the last leaf.
struct Parent<'a> {
    page: Plain<'a>,
    /// The child that was taken.
    index: usize,
    /// All keys below the branch are below; `None` for the last branch.
    bound: Option<&'a [u8]>,
    /// All keys from here on are at or behind the child that was taken.
    from: Head,
}

/// A page without overflow whose elements lie in it.
#[derive(Clone, Copy)]
struct Plain<'a> {
    bytes: &'a [u8],
    count: usize,
    is_leaf: bool,
}

/// The first eight bytes of a key as a number: nearly always they are enough to tell revisions
/// apart.
type Head = Option<u64>;

impl<'a> Finger<'a> {
    pub(super) fn new(file: &'a File, root: u64) -> Finger<'a> {
        Finger { file, root, last: None }
    }

    /// What a key holds; nothing also if that is a bucket.
    pub(super) fn value(&mut self, key: &[u8]) -> Result<Option<&'a [u8]>, Unusual> {
        let sought = Sought::new(key);
        let leaf = match &mut self.last {
            Some(parent) if parent.leads_to(&sought) => {
                parent.index = parent.page.way(parent.index, &sought)?;
                parent.from = sought.head;
                Plain::read(self.file, parent.page.child(parent.index)?)?
            }
            _ => self.descend(&sought)?,
        };
        if !leaf.is_leaf {
            return Err(Unusual);
        }
        match leaf.position(&sought)? {
            Some(at) => leaf.value(at, key.len()),
            None => Ok(None),
        }
    }

    fn descend(&mut self, sought: &Sought<'_>) -> Result<Plain<'a>, Unusual> {
        self.last = None;
        let (mut page, mut bound) = (Plain::read(self.file, self.root)?, None);
        for _ in 0..DEPTH_MAX {
            if page.is_leaf {
                return Ok(page);
            }
            let index = page.way(0, sought)?;
            self.last = Some(Parent { page, index, bound, from: sought.head });
            if index + 1 < page.count {
                bound = Some(page.key(index + 1)?);
            }
            page = Plain::read(self.file, page.child(index)?)?;
        }
        Err(Unusual)
    }
}

impl Parent<'_> {
    /// Whether the way to a key leads over the branch, at or behind the child that was taken.
    fn leads_to(&self, sought: &Sought<'_>) -> bool {
        let is_behind = self.from.zip(sought.head).is_some_and(|(from, head)| from < head);
        is_behind && self.bound.is_none_or(|bound| sought.compare(bound).is_lt())
    }
}

impl<'a> Plain<'a> {
    fn read(file: &'a File, id: u64) -> Result<Plain<'a>, Unusual> {
        let bytes = file.lent(id).ok_or(Unusual)?;
        let header = Header::parse(bytes);
        let count = usize::from(header.count);
        let is_known = header.flags == LEAF || (header.flags == BRANCH && count > 0);
        let is_plain = header.id == id && header.overflow == 0 && is_known;
        if !is_plain || HEADER_BYTES + count * ELEMENT_BYTES > bytes.len() {
            return Err(Unusual);
        }
        Ok(Plain { bytes, count, is_leaf: header.flags == LEAF })
    }

    /// The child of a branch in which a key would be, at or behind `first`.
    fn way(&self, first: usize, sought: &Sought<'_>) -> Result<usize, Unusual> {
        if let Some(guess) = self.guess(first, sought)? {
            return Ok(guess);
        }
        let above = self.partition(first, |other| sought.compare(other).is_ge())?;
        Ok(above.saturating_sub(1).max(first))
    }

    /// The same where pages hold about as many revisions each, as mostly: then the way is as far
    /// behind the first child as the key is behind its first key.
    fn guess(&self, first: usize, sought: &Sought<'_>) -> Result<Option<usize>, Unusual> {
        let last = self.count - 1;
        let heads = (sought.head, head(self.key(first)?), head(self.key(last)?));
        let (Some(head), Some(low), Some(high)) = heads else { return Ok(None) };
        let children = (last - first) as u64;
        let behind = head.checked_sub(low).and_then(|behind| behind.checked_mul(children));
        let behind = behind.and_then(|behind| behind.checked_div(high.saturating_sub(low)));
        let Some(Ok(behind)) = behind.map(|behind| usize::try_from(behind.min(children))) else {
            return Ok(None);
        };
        let mut at = first + behind;
        for _ in 0..GUESSES {
            if sought.compare(self.key(at)?).is_lt() {
                if at == first {
                    break;
                }
                at -= 1;
            } else if at < last && sought.compare(self.key(at + 1)?).is_ge() {
                at += 1;
            } else {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Where a key is in a leaf. Revisions mostly stand in a row: then it is as far from the first one
    /// as their numbers are.
    fn position(&self, sought: &Sought<'_>) -> Result<Option<usize>, Unusual> {
        if self.count > 0
            && let (Some(head), Some(first)) = (sought.head, head(self.key(0)?))
            && let Ok(guess) = usize::try_from(head.wrapping_sub(first))
            && guess < self.count
            && self.key(guess)? == sought.key
        {
            return Ok(Some(guess));
        }
        let at = self.partition(0, |other| sought.compare(other).is_gt())?;
        Ok(if at < self.count && self.key(at)? == sought.key { Some(at) } else { None })
    }

    /// How many elements are below, those before `first` included.
    fn partition(&self, first: usize, is_below: impl Fn(&[u8]) -> bool) -> Result<usize, Unusual> {
        let (mut low, mut high) = (first, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if is_below(self.key(middle)?) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    fn child(&self, index: usize) -> Result<u64, Unusual> {
        if index < self.count {
            Ok(u64_at(self.bytes, element_at(index) + 8))
        } else {
            Err(Unusual)
        }
    }

    #[inline]
    fn key(&self, index: usize) -> Result<&'a [u8], Unusual> {
        let at = element_at(index);
        // Position and size stand side by side.
        let both = u64_at(self.bytes, at + if self.is_leaf { 4 } else { 0 });
        let [pos, size] = [both & u64::from(u32::MAX), both >> 32];
        slice(self.bytes, at, pos, size)
    }

    /// What an element of a leaf holds, unless that is a bucket.
    fn value(&self, index: usize, key_bytes: usize) -> Result<Option<&'a [u8]>, Unusual> {
        let at = element_at(index);
        if u32_at(self.bytes, at) & 1 != 0 {
            return Ok(None);
        }
        let pos = u64::from(u32_at(self.bytes, at + 4)) + key_bytes as u64;
        slice(self.bytes, at, pos, u32_at(self.bytes, at + 12).into()).map(Some)
    }
}

/// A key, and its head.
struct Sought<'k> {
    key: &'k [u8],
    head: Head,
}

impl Sought<'_> {
    fn new(key: &[u8]) -> Sought<'_> {
        Sought { key, head: head(key) }
    }

    #[inline]
    fn compare(&self, other: &[u8]) -> Ordering {
        if let (Some(own), Some(other)) = (self.head, head(other))
            && own != other
        {
            return own.cmp(&other);
        }
        self.key.cmp(other)
    }
}

#[inline]
fn head(key: &[u8]) -> Head {
    key.first_chunk().map(|head| u64::from_be_bytes(*head))
}

fn element_at(index: usize) -> usize {
    HEADER_BYTES + index * ELEMENT_BYTES
}

/// `len` bytes at `pos` from an element on; both come from 32 bits, so that no sum overflows.
#[inline]
fn slice(page: &[u8], at: usize, pos: u64, len: u64) -> Result<&[u8], Unusual> {
    let start = at as u64 + pos;
    let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(start + len)) else {
        return Err(Unusual);
    };
    page.get(start..end).ok_or(Unusual)
}
