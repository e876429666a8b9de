//! The short way to one value: over lent bytes, without a page or an element being made, and lent
//! itself.
//!
//! It knows what nearly every page is like (in one page of the disk, without overflow) and gives up
//! on everything else: [`super::Bucket::value`] then goes the long way, which also finds the words
//! for damage.

use std::cmp::Ordering;

use super::cursor::DEPTH_MAX;
use super::file::File;
use super::page::{ELEMENT_BYTES, HEADER_BYTES, Header, u32_at, u64_at};

const BRANCH: u16 = 1;
const LEAF: u16 = 2;

/// A page that is not like nearly every other.
pub(super) struct Unusual;

/// What a key of the tree at page `root` holds.
pub(super) fn value<'a>(
    file: &'a File,
    root: u64,
    key: &[u8],
) -> Result<Option<&'a [u8]>, Unusual> {
    let sought = Sought::new(key);
    let mut id = root;
    for _ in 0..DEPTH_MAX {
        let page = file.lent(id).ok_or(Unusual)?;
        let header = Header::parse(page);
        let count = usize::from(header.count);
        let is_plain = header.id == id && header.overflow == 0;
        if !is_plain || HEADER_BYTES + count * ELEMENT_BYTES > page.len() {
            return Err(Unusual);
        }
        match header.flags {
            BRANCH if count > 0 => {
                let above = partition(page, count, 0, |other| sought.compare(other).is_ge())?;
                id = u64_at(page, element_at(above.saturating_sub(1)) + 8);
            }
            LEAF => {
                let at = partition(page, count, 4, |other| sought.compare(other).is_gt())?;
                return if at == count { Ok(None) } else { value_at(page, at, key) };
            }
            _ => return Err(Unusual),
        }
    }
    Err(Unusual)
}

/// A key, and its first eight bytes as a number: nearly always that is enough to tell revisions
/// apart.
struct Sought<'k> {
    key: &'k [u8],
    head: Option<u64>,
}

impl Sought<'_> {
    fn new(key: &[u8]) -> Sought<'_> {
        Sought { key, head: head(key) }
    }

    fn compare(&self, other: &[u8]) -> Ordering {
        match self.head.zip(head(other)) {
            Some((own, other)) if own != other => own.cmp(&other),
            _ => self.key.cmp(other),
        }
    }
}

fn head(key: &[u8]) -> Option<u64> {
    key.first_chunk().map(|head| u64::from_be_bytes(*head))
}

fn element_at(index: usize) -> usize {
    HEADER_BYTES + index * ELEMENT_BYTES
}

/// How many elements are below; `skip` is where an element says where its key is.
fn partition(
    page: &[u8],
    count: usize,
    skip: usize,
    is_below: impl Fn(&[u8]) -> bool,
) -> Result<usize, Unusual> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if is_below(key_at(page, middle, skip)?) { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

fn key_at(page: &[u8], index: usize, skip: usize) -> Result<&[u8], Unusual> {
    let at = element_at(index);
    slice(page, at, u32_at(page, at + skip), 0, u32_at(page, at + skip + 4))
}

fn value_at<'a>(page: &'a [u8], index: usize, key: &[u8]) -> Result<Option<&'a [u8]>, Unusual> {
    let at = element_at(index);
    if key_at(page, index, 4)? != key || u32_at(page, at) & 1 != 0 {
        return Ok(None);
    }
    slice(page, at, u32_at(page, at + 4), key.len(), u32_at(page, at + 12)).map(Some)
}

/// `len` bytes at `pos + skip` from an element on.
fn slice(page: &[u8], at: usize, pos: u32, skip: usize, len: u32) -> Result<&[u8], Unusual> {
    let pos = usize::try_from(pos).ok();
    let start = pos.and_then(|pos| at.checked_add(skip)?.checked_add(pos)).ok_or(Unusual)?;
    let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len));
    end.and_then(|end| page.get(start..end)).ok_or(Unusual)
}
