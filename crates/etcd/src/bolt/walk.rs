//! A walk over a bucket that lends keys and values, page by page, without taking elements apart.
//!
//! For trees that were checked: see [`super::Db`]. It still ends on any bytes: a page is at most
//! [`DEPTH_MAX`] below the root, and keys must ascend.

use std::ops::ControlFlow;

use super::cursor::DEPTH_MAX;
use super::page::Page;
use super::{Fault, File, PageKind, Problem};

/// Called with each key and value; ends the walk with `Break`.
pub type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// Visits the keys from `from` on, in order; those of buckets are left out.
pub(super) fn walk(
    file: &File,
    root: Page,
    from: &[u8],
    visit: &mut Visit<'_>,
) -> Result<(), Problem> {
    // Branches on the way, with the child to go on with.
    let mut path: Vec<(Page, usize)> = Vec::new();
    let mut before = Vec::new();
    let (mut page, mut from) = (root, Some(from));
    loop {
        while page.kind == PageKind::Branch {
            if path.len() == DEPTH_MAX {
                return Err(page.problem(Fault::TooDeep { limit: DEPTH_MAX }));
            }
            if page.len() == 0 {
                return Err(page.problem(Fault::Empty));
            }
            let position = match from {
                Some(from) => page.partition(|key| key <= from)?.saturating_sub(1),
                None => 0,
            };
            let child = file.page(page.child(position))?;
            path.push((page, position + 1));
            page = child;
        }
        let first = match from.take() {
            Some(from) => page.partition(|key| key < from)?,
            None => 0,
        };
        if leaf(&page, first, &mut before, visit)?.is_break() {
            return Ok(());
        }
        page = loop {
            let Some((branch, next)) = path.last_mut() else { return Ok(()) };
            if *next < branch.len() {
                *next += 1;
                break file.page(branch.child(*next - 1))?;
            }
            path.pop();
        };
    }
}

/// Visits a leaf's elements; `before` is the last key of the leaf before, and becomes this one's.
fn leaf(
    page: &Page,
    first: usize,
    before: &mut Vec<u8>,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Problem> {
    if page.kind != PageKind::Leaf {
        let (expected, found) = ("a branch or leaf", page.kind);
        return Err(page.problem(Fault::WrongType { expected, found }));
    }
    let mut last: &[u8] = before;
    for index in first..page.len() {
        let (key, value, is_bucket) = page.lent(index)?;
        if key <= last {
            return Err(page.element_problem(index, Fault::KeyOrder { index }));
        }
        if !is_bucket && visit(key, value).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        last = key;
    }
    let last = last.to_vec();
    *before = last;
    Ok(ControlFlow::Continue(()))
}
