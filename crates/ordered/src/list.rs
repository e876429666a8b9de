//! A row of blocks behind `Arc`s: a clone is one handle.

use std::fmt;
use std::sync::Arc;

/// Members of a block.
const BLOCK: usize = 64;

/// A long row that grows at its end, cheap to clone.
///
/// Invariant: every block but the last holds `BLOCK` members, and none is empty.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedList<T> {
    blocks: Arc<Vec<Arc<Vec<T>>>>,
}

impl<T> SharedList<T> {
    /// Nothing.
    pub fn new() -> Self {
        Self { blocks: Arc::new(Vec::new()) }
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// A member by its place.
    pub fn get(&self, place: usize) -> Option<&T> {
        self.blocks.get(place / BLOCK)?.get(place % BLOCK)
    }

    /// The last member.
    pub fn back(&self) -> Option<&T> {
        self.blocks.last()?.last()
    }

    /// All members.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.blocks.iter().flat_map(|block| block.iter())
    }
}

impl<T: Clone> SharedList<T> {
    /// A member by its place, to change it.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        let block = Arc::make_mut(&mut self.blocks).get_mut(place / BLOCK)?;
        Arc::make_mut(block).get_mut(place % BLOCK)
    }

    /// Puts a member at the end.
    pub fn push_back(&mut self, member: T) {
        let blocks = Arc::make_mut(&mut self.blocks);
        match blocks.last_mut().filter(|last| last.len() < BLOCK) {
            Some(last) => Arc::make_mut(last).push(member),
            None => blocks.push(Arc::new(vec![member])),
        }
    }

    /// Takes the last member.
    pub fn pop_back(&mut self) -> Option<T> {
        let last = self.back()?.clone();
        self.truncate(self.len() - 1);
        Some(last)
    }

    /// Keeps the first members.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        let blocks = Arc::make_mut(&mut self.blocks);
        blocks.truncate(len.div_ceil(BLOCK));
        if let Some(last) = blocks.last_mut()
            && !len.is_multiple_of(BLOCK)
        {
            Arc::make_mut(last).truncate(len % BLOCK);
        }
    }
}

impl<T> Default for SharedList<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SharedList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Clone> FromIterator<T> for SharedList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        let mut list = Self::new();
        for member in members {
            list.push_back(member);
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_does_what_a_vec_does_and_clones_stay_as_they_were(
            acts in proptest::collection::vec((0..5_u8, 0..600_usize), 0..600),
        ) {
            let (mut ours, mut theirs) = (SharedList::new(), Vec::new());
            let mut held = Vec::new();
            for (act, number) in acts {
                match act {
                    0 => {
                        ours.truncate(number);
                        theirs.truncate(number);
                        held.push((ours.clone(), theirs.clone()));
                    }
                    1 => prop_assert_eq!(ours.pop_back(), theirs.pop()),
                    2 => prop_assert_eq!(ours.get_mut(number), theirs.get_mut(number)),
                    _ => for member in 0..number / 8 {
                        ours.push_back(member);
                        theirs.push(member);
                    },
                }
                prop_assert_eq!(ours.len(), theirs.len());
                prop_assert_eq!(ours.back(), theirs.last());
            }
            held.push((ours, theirs));
            for (ours, theirs) in held {
                prop_assert!(ours.iter().eq(&theirs));
                prop_assert!(ours.iter().rev().eq(theirs.iter().rev()));
            }
        }
    }
}
