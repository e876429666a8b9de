//! The search over one part of a history: see the module above.

use ordered::Map;
use std::collections::VecDeque;

use super::{Branch, Key, Operation, Sees, Value};

/// What is known of the state before the first operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// No key is there.
    Empty,
    /// Anything may be the case.
    Any,
}

/// Why a search ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing explains the return of this operation.
    Broken(u64),
    /// It would use too much.
    OutOfBounds(String),
}

/// A value that may be anything.
const ANY: Value = Value::MAX;

/// Open operations that have taken effect, by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Slots(Vec<u64>);

impl Slots {
    fn has(&self, slot: usize) -> bool {
        self.0.get(slot / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    fn with(&self, slot: usize) -> Slots {
        let mut slots = self.clone();
        if slots.0.len() <= slot / 64 {
            slots.0.resize(slot / 64 + 1, 0);
        }
        slots.0[slot / 64] |= 1 << (slot % 64);
        slots
    }

    fn without(&self, slot: usize) -> Slots {
        let mut slots = self.clone();
        slots.0[slot / 64] &= !(1 << (slot % 64));
        while slots.0.last() == Some(&0) {
            slots.0.pop();
        }
        slots
    }

    fn is_subset(&self, other: &Slots) -> bool {
        self.0.len() <= other.0.len()
            && self.0.iter().zip(&other.0).all(|(own, other)| own & !other == 0)
    }
}

/// The state, and the open operations with a return that have taken effect.
type Place = (Vec<Value>, Slots);

/// For each place, the operations of unknown outcome that were used up to get there. One that needs
/// fewer of them can do whatever one that needs more can.
#[derive(Default)]
struct Configurations {
    places: Map<Place, Vec<Slots>>,
    count: usize,
}

impl Configurations {
    /// False if it is there already, or something better.
    fn insert(&mut self, place: Place, used: Slots) -> bool {
        let all = self.places.get_or_default(place);
        if all.iter().any(|one| one.is_subset(&used)) {
            return false;
        }
        let before = all.len();
        all.retain(|one| !used.is_subset(one));
        all.push(used);
        self.count = self.count + all.len() - before;
        true
    }

    fn iter(&self) -> impl Iterator<Item = (&Place, &Slots)> {
        self.places.iter().flat_map(|(place, all)| all.iter().map(move |used| (place, used)))
    }
}

/// One search.
pub(super) struct Search<'a> {
    operations: &'a [&'a Operation],
    /// Invocations and returns in time.
    moments: Vec<(u64, Moment)>,
    keys: Map<Key, usize>,
    start: Start,
    configurations_max: usize,
    steps_left: &'a mut u64,
    /// Open operations that will return, by slot; slots are used again.
    open: Vec<Option<usize>>,
    /// Operations of unknown outcome that were invoked.
    unknown: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Moment {
    Invoked(usize),
    Returned(usize),
}

impl<'a> Search<'a> {
    pub(super) fn new(
        operations: &'a [&'a Operation],
        start: Start,
        configurations_max: usize,
        steps_left: &'a mut u64,
    ) -> Search<'a> {
        let mut moments = Vec::new();
        let mut keys = Map::new();
        for (place, operation) in operations.iter().enumerate() {
            if operation.returned.is_none() && !operation.has_effect() {
                continue;
            }
            moments.push((operation.invoked, Moment::Invoked(place)));
            if let Some(returned) = operation.returned {
                assert!(operation.invoked < returned, "an operation returns after it was invoked");
                moments.push((returned, Moment::Returned(place)));
            }
            for key in operation.keys() {
                let next = keys.len();
                keys.get_or_insert_with(key, || next);
            }
        }
        ordered::sort_by_key(&mut moments, |(at, _)| *at);
        let (open, unknown) = (Vec::new(), Vec::new());
        Search { operations, moments, keys, start, configurations_max, steps_left, open, unknown }
    }

    pub(super) fn run(mut self) -> Result<(), Stop> {
        let first = if self.start == Start::Any { ANY } else { 0 };
        let mut now = Configurations::default();
        now.insert((vec![first; self.keys.len()], Slots::default()), Slots::default());
        for (_, moment) in std::mem::take(&mut self.moments) {
            match moment {
                Moment::Invoked(place) => self.invoked(place),
                Moment::Returned(place) => now = self.returned(place, &now)?,
            }
        }
        Ok(())
    }

    fn invoked(&mut self, place: usize) {
        if self.operations[place].returned.is_none() {
            self.unknown.push(place);
        } else if let Some(free) = self.open.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(place);
        } else {
            self.open.push(Some(place));
        }
    }

    /// The configurations in which the operation has taken effect by now.
    fn returned(&mut self, place: usize, now: &Configurations) -> Result<Configurations, Stop> {
        let slot = self.open.iter().position(|open| *open == Some(place));
        let slot = slot.expect("what returns was invoked");
        let mut done = Configurations::default();
        let mut seen = Configurations::default();
        let mut to_visit = VecDeque::new();
        for ((state, taken), used) in now.iter() {
            if taken.has(slot) {
                done.insert((state.clone(), taken.without(slot)), used.clone());
            } else if seen.insert((state.clone(), taken.clone()), used.clone()) {
                to_visit.push_back(((state.clone(), taken.clone()), used.clone()));
            }
        }
        while let Some(((state, taken), used)) = to_visit.pop_front() {
            for state in self.after(&state, place)? {
                done.insert((state, taken.clone()), used.clone());
            }
            for other in 0..self.open.len() {
                let Some(open) = self.open[other].filter(|_| other != slot && !taken.has(other))
                else {
                    continue;
                };
                for state in self.after(&state, open)? {
                    let next = ((state, taken.with(other)), used.clone());
                    if seen.insert(next.0.clone(), next.1.clone()) {
                        to_visit.push_back(next);
                    }
                }
            }
            for number in (0..self.unknown.len()).filter(|number| !used.has(*number)) {
                for state in self.after(&state, self.unknown[number])? {
                    let next = ((state, taken.clone()), used.with(number));
                    if seen.insert(next.0.clone(), next.1.clone()) {
                        to_visit.push_back(next);
                    }
                }
            }
            if seen.count.max(done.count) > self.configurations_max {
                let most = self.configurations_max;
                return Err(Stop::OutOfBounds(format!("more than {most} configurations")));
            }
        }
        self.open[slot] = None;
        if done.count == 0 { Err(Stop::Broken(self.operations[place].id)) } else { Ok(done) }
    }

    /// The states that an operation can leave behind.
    fn after(&mut self, state: &[Value], place: usize) -> Result<Vec<Vec<Value>>, Stop> {
        let Some(left) = self.steps_left.checked_sub(1) else {
            return Err(Stop::OutOfBounds("too many steps".to_owned()));
        };
        *self.steps_left = left;
        let branches = &self.operations[place].branches;
        Ok(branches.iter().filter_map(|branch| self.take(state, branch)).collect())
    }

    fn take(&self, state: &[Value], branch: &Branch) -> Option<Vec<Value>> {
        let mut after = state.to_vec();
        for (key, sees) in &branch.sees {
            let value = &mut after[self.keys[key]];
            match sees {
                // What was anything is now known to have been this.
                Sees::Is(seen) if *value == ANY => *value = *seen,
                Sees::Is(seen) if value == seen => {}
                Sees::Not(other) if *value == ANY || value != other => {}
                Sees::Is(_) | Sees::Not(_) => return None,
            }
        }
        for (key, value) in &branch.writes {
            after[self.keys[key]] = *value;
        }
        Some(after)
    }
}
