//! The list of free pages, in both of its encodings.

use super::page::{HEADER_BYTES, Page, u64_at};
use super::{Fault, PageKind, Problem};

/// A count that says that the real one follows.
const COUNT_FOLLOWS: usize = 0xFFFF;
const ID_BYTES: usize = 8;
const FLAG: u16 = 0x10;

/// The numbers in a freelist page.
pub(super) fn read(page: &Page) -> Result<Vec<u64>, Problem> {
    if page.kind != PageKind::Freelist {
        let (expected, found) = ("a freelist", page.kind);
        return Err(page.problem(Fault::WrongType { expected, found }));
    }
    let ids = &page.bytes()[HEADER_BYTES..];
    let too_many = |count| {
        let bytes = page.bytes().len() as u64;
        page.problem(Fault::TooManyElements { count, bytes })
    };
    let (stated, ids) = match page.len() {
        COUNT_FOLLOWS if ids.len() < ID_BYTES => return Err(too_many(COUNT_FOLLOWS as u64)),
        COUNT_FOLLOWS => (u64_at(ids, 0), &ids[ID_BYTES..]),
        count => (count as u64, ids),
    };
    let room = ids.len() / ID_BYTES;
    let count = usize::try_from(stated).ok().filter(|count| *count <= room);
    let count = count.ok_or_else(|| too_many(stated))?;
    Ok(ids.chunks_exact(ID_BYTES).take(count).map(|id| u64_at(id, 0)).collect())
}

/// Bytes of a page that lists so many pages.
pub(super) fn bytes(count: u64) -> usize {
    let count = usize::try_from(count).expect("a list of free pages fits memory");
    let extra = usize::from(count >= COUNT_FOLLOWS);
    HEADER_BYTES + (count + extra) * ID_BYTES
}

/// A freelist page of `bytes` bytes.
pub(super) fn write(id: u64, listed: &[u64], bytes: usize, page_bytes: usize) -> Vec<u8> {
    let mut page = Vec::with_capacity(bytes);
    let overflow = u32::try_from(bytes / page_bytes - 1).expect("a freelist is at most 2 GiB");
    let count =
        u16::try_from(listed.len()).ok().filter(|count| usize::from(*count) < COUNT_FOLLOWS);
    page.extend_from_slice(&id.to_le_bytes());
    page.extend_from_slice(&FLAG.to_le_bytes());
    page.extend_from_slice(&count.unwrap_or(u16::MAX).to_le_bytes());
    page.extend_from_slice(&overflow.to_le_bytes());
    if count.is_none() {
        page.extend_from_slice(&(listed.len() as u64).to_le_bytes());
    }
    page.extend(listed.iter().flat_map(|id| id.to_le_bytes()));
    page.resize(bytes, 0);
    page
}
