//! Which bucket each page belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bucket::{Bucket, Root};
use super::{File, PageKind};

/// What leads to a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Names of the buckets from the root on, '/' between them; empty for the bucket of all
    /// buckets.
    pub bucket: Arc<str>,
}

/// The first page of every branch and leaf that can be reached. Damage ends the way that leads over
/// it; a page that two buckets lead to is the first one's.
pub(super) fn owners(file: &File) -> BTreeMap<u64, Owner> {
    let mut owners = BTreeMap::new();
    let mut open: Vec<(u64, Arc<str>)> = vec![(file.meta().root, Arc::from(""))];
    while let Some((id, bucket)) = open.pop() {
        let Ok(page) = file.page(id) else { continue };
        let is_tree = matches!(page.kind, PageKind::Branch | PageKind::Leaf);
        if !is_tree || owners.contains_key(&id) {
            continue;
        }
        owners.insert(id, Owner { bucket: Arc::clone(&bucket) });
        for index in 0..page.len() {
            if page.kind == PageKind::Branch {
                open.push((page.child(index), Arc::clone(&bucket)));
                continue;
            }
            let Ok((key, _, true)) = page.lent(index) else { continue };
            let name = String::from_utf8_lossy(key);
            let name = if bucket.is_empty() { name.into() } else { format!("{bucket}/{name}") };
            let Ok(element) = page.leaf(index) else { continue };
            if let Ok(found) = Bucket::of_element(file, &page, index, &element)
                && let Root::Page(root) = found.root()
            {
                open.push((*root, name.into()));
            }
        }
    }
    owners
}
