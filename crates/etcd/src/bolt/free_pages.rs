//! Which pages are free, and which will be once the transaction that gave them up is durable.
//!
//! Source of the rules: bbolt `freelist.go`, `array.go`: the lowest run that is long enough is
//! taken, from its front. Readers keep what they read by themselves (see [`disk::Mapping`]), so
//! pending pages wait for their own transaction only.

use ordered::SharedMap;

/// Free pages as runs. Cloning costs nothing.
///
/// * Runs do not touch each other, and no page is in two of them.
/// * A pending page is not in a run: nobody gets it before [`FreePages::release`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FreePages {
    /// First page of a run to the number of its pages.
    runs: SharedMap<u64, u64>,
    pending: SharedMap<u64, u64>,
}

impl FreePages {
    /// Takes a run that nobody uses.
    pub(super) fn add(&mut self, first: u64, pages: u64) {
        add(&mut self.runs, first, pages);
    }

    /// Takes a run that the open transaction gives up.
    pub(super) fn free(&mut self, first: u64, pages: u64) {
        assert!(first > 1, "page {first} is a meta page: it cannot be freed");
        let before = self.runs.range(..first + pages).next_back();
        let is_free = before.is_some_and(|(start, len)| start + len > first);
        assert!(!is_free, "page {first} was free already");
        add(&mut self.pending, first, pages);
    }

    /// What the last transaction gave up can be used from now on.
    pub(super) fn release(&mut self) {
        for (&first, &pages) in &std::mem::take(&mut self.pending) {
            self.add(first, pages);
        }
    }

    /// Takes `pages` pages in a row, the lowest there are.
    pub(super) fn allocate(&mut self, pages: u64) -> Option<u64> {
        assert!(pages > 0, "nothing is no allocation");
        let (&first, &len) = self.runs.iter().find(|(_, len)| **len >= pages)?;
        self.runs.remove(&first);
        if len > pages {
            self.runs.insert(first + pages, len - pages);
        }
        Some(first)
    }

    /// How many pages are free or pending: what a freelist lists.
    pub(super) fn count(&self) -> u64 {
        self.runs.values().chain(self.pending.values()).sum()
    }

    /// All of them, ascending.
    pub(super) fn listed(&self) -> Vec<u64> {
        let runs = self.runs.iter().chain(self.pending.iter());
        let mut ids: Vec<u64> = runs.flat_map(|(first, pages)| *first..*first + *pages).collect();
        ordered::sort_by_key(&mut ids, |id| *id);
        ids
    }
}

fn add(runs: &mut SharedMap<u64, u64>, mut first: u64, mut pages: u64) {
    if pages == 0 {
        return;
    }
    let before = runs.range(..=first).next_back().map(|(first, len)| (*first, *len));
    if let Some((before, len)) = before {
        assert!(before + len <= first, "page {first} was freed already");
        if before + len == first {
            runs.remove(&before);
            (first, pages) = (before, len + pages);
        }
    }
    let after = runs.range(first..).next().map(|(first, len)| (*first, *len));
    if let Some((after, len)) = after {
        assert!(first + pages <= after, "page {after} was freed already");
        if first + pages == after {
            runs.remove(&after);
            pages += len;
        }
    }
    runs.insert(first, pages);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_run_that_is_long_enough_is_taken() {
        let mut free = FreePages::default();
        free.add(9, 3);
        free.add(4, 1);
        free.add(6, 2);
        assert_eq!(free.allocate(2), Some(6), "4 is too short");
        assert_eq!(free.allocate(1), Some(4));
        assert_eq!(free.allocate(2), Some(9));
        assert_eq!(free.allocate(2), None, "one is left");
        assert_eq!(free.allocate(1), Some(11));
        assert_eq!(free.count(), 0);
    }

    #[test]
    fn what_was_given_up_is_free_only_after_its_release() {
        let mut free = FreePages::default();
        free.free(5, 2);
        free.free(7, 1);
        assert_eq!(free.allocate(1), None, "pending");
        assert_eq!(free.listed(), [5, 6, 7], "listed all the same");
        free.release();
        assert_eq!(free.allocate(3), Some(5), "runs that touch are one");
    }

    #[test]
    #[should_panic(expected = "freed already")]
    fn a_page_is_freed_once() {
        let mut free = FreePages::default();
        free.free(5, 2);
        free.free(6, 1);
    }
}
