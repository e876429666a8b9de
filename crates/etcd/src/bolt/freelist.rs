//! The list of free pages, in both of its encodings.

use super::page::{HEADER_BYTES, Page, u64_at};
use super::{Fault, PageKind, Problem};

/// A count that says that the real one follows.
const COUNT_FOLLOWS: usize = 0xFFFF;
const ID_BYTES: usize = 8;

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
