//! An order that the answers themselves suggest, tried before any search.
//!
//! Clients are told revisions; operations in the order of their revisions are an order like any
//! other, and one that explains the history proves it, whoever suggested it. Operations of unknown
//! outcome take effect just before the first operation that sees what they wrote. If the suggested
//! order explains nothing, that proves nothing: the search decides.

use ordered::Map;

use super::{Branch, Key, Operation, Sees, Value};

/// Operations of unknown outcome that one operation may need, one after the other: a put, and its
/// deletion with its lease.
const CHAIN_MAX: u32 = 3;

/// Whether the suggested order explains the history. False when an operation that returned has no
/// place in it.
pub(super) fn explains(operations: &[&Operation]) -> bool {
    let mut order: Vec<&Operation> = Vec::new();
    let mut lost: Vec<(&Operation, bool)> = Vec::new();
    for &operation in operations {
        match (operation.returned, operation.hint) {
            (Some(_), Some(_)) => order.push(operation),
            (Some(_), None) => return false,
            (None, _) => lost.push((operation, false)),
        }
    }
    ordered::sort_by_key(&mut order, |operation| (operation.hint, operation.invoked));
    let mut witness = Witness { state: Map::new(), latest: 0, lost, by_effect: Map::new() };
    witness.index_lost();
    order.into_iter().all(|operation| witness.takes_effect(operation))
}

struct Witness<'a> {
    state: Map<Key, Value>,
    /// The latest invocation of those that have taken effect: nobody who had returned by then may
    /// follow.
    latest: u64,
    /// Operations of unknown outcome, and whether they have taken effect.
    lost: Vec<(&'a Operation, bool)>,
    by_effect: Map<(Key, Value), Vec<usize>>,
}

impl Witness<'_> {
    fn index_lost(&mut self) {
        for (place, (operation, _)) in self.lost.iter().enumerate() {
            for write in operation.branches.iter().flat_map(|branch| &branch.writes) {
                self.by_effect.get_or_default(*write).push(place);
            }
        }
    }

    fn value(&self, key: Key) -> Value {
        self.state.get(&key).copied().unwrap_or(0)
    }

    fn holds(&self, (key, sees): (Key, Sees)) -> bool {
        match sees {
            Sees::Is(value) => self.value(key) == value,
            Sees::Not(value) => self.value(key) != value,
        }
    }

    fn takes_effect(&mut self, operation: &Operation) -> bool {
        self.latest = self.latest.max(operation.invoked);
        let goes = operation.branches.iter().any(|branch| self.goes(branch, CHAIN_MAX));
        goes && operation.returned.is_none_or(|returned| returned >= self.latest)
    }

    /// Goes that way, if what it sees is or can be made so.
    fn goes(&mut self, branch: &Branch, chain: u32) -> bool {
        for &(key, sees) in &branch.sees {
            if !self.holds((key, sees)) && !self.make(key, sees, chain) {
                return false;
            }
        }
        if !branch.sees.iter().all(|one| self.holds(*one)) {
            return false;
        }
        self.state.extend(branch.writes.iter().copied());
        true
    }

    /// Lets an operation of unknown outcome take effect, so that this is seen.
    fn make(&mut self, key: Key, sees: Sees, chain: u32) -> bool {
        let (Sees::Is(value), Some(chain)) = (sees, chain.checked_sub(1)) else { return false };
        let candidates = self.by_effect.get(&(key, value)).cloned().unwrap_or_default();
        for place in candidates {
            let (operation, is_used) = self.lost[place];
            if is_used {
                continue;
            }
            self.lost[place].1 = true;
            let writes = |branch: &&Branch| branch.writes.contains(&(key, value));
            if operation.branches.iter().filter(writes).any(|branch| self.goes(branch, chain)) {
                self.latest = self.latest.max(operation.invoked);
                return true;
            }
            self.lost[place].1 = false;
        }
        false
    }
}
