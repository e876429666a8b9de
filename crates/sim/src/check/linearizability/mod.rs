//! Whether some order of concurrent operations explains all that they returned.
//!
//! A self-standing search over a history: it knows when each operation was invoked and returned,
//! what it saw and what it wrote, and nothing of any server. An order explains the history if every
//! operation sees what those before it wrote, and none is moved before one that had returned when
//! it was invoked (Herlihy and Wing 1990). An operation of unknown outcome never returned: it takes
//! effect at some later time, at most once, or not at all.
//!
//! The search is Wing and Gong's (1993) in Lowe's form (2017, *just-in-time linearization*): it goes
//! through the history once and keeps every configuration that explains it so far, which is the
//! state and the open operations that have already taken effect; an operation takes effect only
//! when the return of one needs it. Keys that no operation joins are searched apart.
//! Configurations that another one makes superfluous are dropped. Both memory and steps are
//! bounded; a history beyond the bounds is *unknown*, never *ok*.
//!
//! ```
//! use sim::check::linearizability::{Bounds, Branch, Operation, Verdict, decide};
//!
//! let put = Operation::new(1, 0, Some(2), Branch::write(7, 1));
//! let stale = Operation::new(2, 3, Some(4), Branch::read(7, 0));
//! let Verdict::Broken(window) = decide(&[put, stale], Bounds::default()) else { panic!() };
//! assert_eq!(window.operations, [1, 2]);
//! ```

mod search;
mod witness;

use ordered::{Map, Set};

use search::{Search, Start, Stop};

/// A key, by number.
pub type Key = u32;

/// A value, by number; 0 is the absence of the key.
pub type Value = u32;

/// What an operation saw of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sees {
    /// This value.
    Is(Value),
    /// Any other than this.
    Not(Value),
}

/// One way in which an operation can have gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branch {
    /// What must be the case before.
    pub sees: Vec<(Key, Sees)>,
    /// What is the case after.
    pub writes: Vec<(Key, Value)>,
}

impl Branch {
    /// Sees one key.
    pub fn read(key: Key, value: Value) -> Branch {
        Branch { sees: vec![(key, Sees::Is(value))], writes: Vec::new() }
    }

    /// Sets one key, whatever was there.
    pub fn write(key: Key, value: Value) -> Branch {
        Branch { sees: Vec::new(), writes: vec![(key, value)] }
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        let sees = self.sees.iter().map(|(key, _)| *key);
        sees.chain(self.writes.iter().map(|(key, _)| *key))
    }
}

/// An operation of a history. Times are any numbers that order invocations and returns; no two of
/// them are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The caller's name for it.
    pub id: u64,
    /// When it was invoked.
    pub invoked: u64,
    /// When it returned; `None` when nobody knows how it ended.
    pub returned: Option<u64>,
    /// The ways in which it can have gone; one of them did.
    pub branches: Vec<Branch>,
    /// Where it says that it stands in the order, if it says so: equal ones in any order. It is a
    /// suggestion and proves nothing.
    pub hint: Option<u64>,
}

impl Operation {
    /// An operation that can have gone one way only.
    pub fn new(id: u64, invoked: u64, returned: Option<u64>, branch: Branch) -> Operation {
        Operation { id, invoked, returned, branches: vec![branch], hint: None }
    }

    fn keys(&self) -> impl Iterator<Item = Key> {
        self.branches.iter().flat_map(Branch::keys)
    }

    fn has_effect(&self) -> bool {
        self.branches.iter().any(|branch| !branch.writes.is_empty())
    }
}

/// How much a search may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Configurations kept at a time.
    pub configurations: usize,
    /// Attempts to let an operation take effect.
    pub steps: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { configurations: 100_000, steps: 5_000_000 }
    }
}

/// A part of the history that no order explains, whatever was the case before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its operations, by return.
    pub operations: Vec<u64>,
    /// The operation whose return cannot be explained.
    pub last: u64,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is such an order.
    Ok,
    /// There is none.
    Broken(Window),
    /// The bounds did not suffice.
    Unknown(String),
}

/// Decides a history.
pub fn decide(operations: &[Operation], bounds: Bounds) -> Verdict {
    let mut unknown = None;
    for part in parts(operations) {
        if witness::explains(&part) {
            continue;
        }
        let mut steps = bounds.steps;
        match Search::new(&part, Start::Empty, bounds.configurations, &mut steps).run() {
            Ok(()) => {}
            Err(Stop::Broken(last)) => return Verdict::Broken(shortest(&part, last, bounds)),
            Err(Stop::OutOfBounds(why)) => unknown = Some(why),
        }
    }
    unknown.map_or(Verdict::Ok, Verdict::Unknown)
}

/// Operations on keys that others join, directly or not; those without any effect that is known or
/// seen are left out.
fn parts(operations: &[Operation]) -> Vec<Vec<&Operation>> {
    let mut joined = Joined::default();
    for operation in operations {
        let mut keys = operation.keys();
        if let Some(first) = keys.next() {
            keys.for_each(|key| joined.join(first, key));
        }
    }
    let mut parts: Map<Key, Vec<&Operation>> = Map::new();
    for operation in operations {
        if let Some(key) = operation.keys().next() {
            parts.get_or_default(joined.root(key)).push(operation);
        }
    }
    parts.into_values().map(without_useless).collect()
}

/// An operation that never returned matters only if somebody may have seen what it wrote.
fn without_useless(mut part: Vec<&Operation>) -> Vec<&Operation> {
    let mut seen: Set<(Key, Option<Value>)> = Set::new();
    for (key, sees) in part.iter().flat_map(|one| &one.branches).flat_map(|branch| &branch.sees) {
        seen.insert((*key, if let Sees::Is(value) = sees { Some(*value) } else { None }));
    }
    let may_be_seen = |(key, value): &(Key, Value)| {
        seen.contains(&(*key, Some(*value))) || seen.contains(&(*key, None))
    };
    part.retain(|operation| {
        operation.returned.is_some()
            || operation.branches.iter().flat_map(|branch| &branch.writes).any(may_be_seen)
    });
    part
}

/// The shortest run of operations up to `last` that nothing before it can explain.
fn shortest(part: &[&Operation], last: u64, bounds: Bounds) -> Window {
    let end = part.iter().find(|one| one.id == last).and_then(|one| one.returned);
    let end = end.expect("an operation that cannot be explained has returned");
    let mut returned: Vec<&Operation> =
        part.iter().copied().filter(|one| one.returned.is_some_and(|at| at <= end)).collect();
    ordered::sort_by_key(&mut returned, |one| one.returned);
    let is_broken = |from: usize| {
        let since = returned[from].returned;
        let in_window = |one: &&&Operation| {
            one.invoked < end && (one.returned.is_none() || one.returned >= since)
        };
        let window: Vec<&Operation> = part.iter().filter(in_window).copied().collect();
        let mut steps = bounds.steps;
        let search = Search::new(&window, Start::Any, bounds.configurations, &mut steps);
        matches!(search.run(), Err(Stop::Broken(_)))
    };
    let (mut good, mut bad) = (0, returned.len());
    // What is broken stays broken with more before it.
    while good + 1 < bad {
        let middle = usize::midpoint(good, bad);
        if is_broken(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Window { operations: returned[good..].iter().map(|one| one.id).collect(), last }
}

/// Sets of keys, each with one of its keys as its name.
#[derive(Default)]
struct Joined(Map<Key, Key>);

impl Joined {
    fn root(&self, key: Key) -> Key {
        let mut at = key;
        while let Some(&next) = self.0.get(&at) {
            at = next;
        }
        at
    }

    fn join(&mut self, one: Key, other: Key) {
        let (one, other) = (self.root(one), self.root(other));
        if one != other {
            self.0.insert(one.max(other), one.min(other));
        }
    }
}

#[cfg(test)]
mod tests;
