//! Hand-made histories, random ones against brute force, and a large one within its bounds.

use super::*;
use crate::rng::{Consumer, Stream};

fn put(id: u64, from: u64, to: u64, value: Value) -> Operation {
    Operation::new(id, from, Some(to), Branch::write(0, value))
}

fn lost_put(id: u64, from: u64, value: Value) -> Operation {
    Operation::new(id, from, None, Branch::write(0, value))
}

fn get(id: u64, from: u64, to: u64, value: Value) -> Operation {
    Operation::new(id, from, Some(to), Branch::read(0, value))
}

fn is_ok(operations: &[Operation]) -> bool {
    match decide(operations, Bounds::default()) {
        Verdict::Ok => true,
        Verdict::Broken(_) => false,
        Verdict::Unknown(why) => panic!("small histories are decided: {why}"),
    }
}

#[test]
fn operations_at_the_same_time_may_go_in_either_order() {
    let puts = [put(1, 0, 10, 1), put(2, 1, 11, 2)];
    for seen in [1, 2] {
        let mut history = puts.to_vec();
        history.push(get(3, 12, 13, seen));
        assert!(is_ok(&history), "{seen} was put last");
    }
    let mut history = puts.to_vec();
    history.extend([get(3, 12, 13, 1), get(4, 14, 15, 2)]);
    assert!(!is_ok(&history), "they were not put in both orders");
}

#[test]
fn a_read_sees_what_returned_before_it_was_asked() {
    assert!(!is_ok(&[put(1, 0, 1, 1), get(2, 2, 3, 0)]), "the put was done");
    assert!(is_ok(&[put(1, 0, 3, 1), get(2, 1, 2, 0)]), "the put may come after");
    assert!(is_ok(&[put(1, 0, 3, 1), get(2, 1, 2, 1)]), "or before");
    assert!(!is_ok(&[put(1, 0, 9, 1), get(2, 1, 2, 1), get(3, 3, 4, 0)]), "but not both");
}

#[test]
fn what_nobody_knows_happens_once_at_any_later_time_or_never() {
    assert!(is_ok(&[lost_put(1, 0, 1), get(2, 2, 3, 0)]), "never, so far");
    assert!(is_ok(&[lost_put(1, 0, 1), get(2, 2, 3, 0), get(3, 4, 5, 1)]), "later");
    assert!(!is_ok(&[get(1, 0, 1, 1), lost_put(2, 2, 1)]), "not before it was asked for");
    let twice = [lost_put(1, 0, 1), get(2, 2, 3, 1), put(3, 4, 5, 2), get(4, 6, 7, 1)];
    assert!(!is_ok(&twice), "not a second time");
}

#[test]
fn deletions_and_transactions_see_what_they_say() {
    let delete = |id, from, to, found: bool| {
        let sees = vec![(0, if found { Sees::Not(0) } else { Sees::Is(0) })];
        Operation::new(id, from, Some(to), Branch { sees, writes: vec![(0, 0)] })
    };
    assert!(is_ok(&[put(1, 0, 1, 1), delete(2, 2, 3, true), get(3, 4, 5, 0)]), "it was there");
    assert!(!is_ok(&[put(1, 0, 1, 1), delete(2, 2, 3, false)]), "it was not missing");
    let swap = |id, from, to, old, new| {
        let branch = Branch { sees: vec![(0, Sees::Is(old))], writes: vec![(0, new)] };
        Operation::new(id, from, Some(to), branch)
    };
    assert!(is_ok(&[swap(1, 0, 5, 0, 1), swap(2, 1, 6, 1, 2)]), "one after the other");
    assert!(!is_ok(&[swap(1, 0, 5, 0, 1), swap(2, 1, 6, 0, 2)]), "both cannot have been first");
}

#[test]
fn keys_that_an_operation_joins_are_searched_together() {
    let both = |id, from, to, one, other| {
        let sees = vec![(0, Sees::Is(one)), (1, Sees::Is(other))];
        Operation::new(id, from, Some(to), Branch { sees, writes: Vec::new() })
    };
    let write = |id, from, to, key| Operation::new(id, from, Some(to), Branch::write(key, 1));
    let writes = [write(1, 0, 9, 0), write(2, 1, 10, 1)];
    let with = |reads: &[Operation]| [&writes[..], reads].concat();
    assert!(is_ok(&with(&[both(3, 2, 3, 1, 0), both(4, 4, 5, 1, 1)])), "first one, then the other");
    assert!(!is_ok(&with(&[both(3, 2, 3, 1, 0), both(4, 4, 5, 0, 1)])), "not back again");
}

#[test]
fn a_broken_history_is_told_by_the_shortest_part_that_shows_it() {
    let mut history: Vec<Operation> =
        (0..100).map(|n| put(n, 2 * n, 2 * n + 1, u32::try_from(n).unwrap() + 1)).collect();
    history.extend([put(200, 300, 301, 500), get(201, 302, 303, 7)]);
    history.push(get(202, 304, 305, 500));
    let Verdict::Broken(window) = decide(&history, Bounds::default()) else {
        panic!("nothing explains 7")
    };
    assert_eq!((window.operations.as_slice(), window.last), (&[200, 201][..], 201));
}

#[test]
fn a_history_beyond_the_bounds_is_unknown_and_never_ok() {
    let open: Vec<Operation> =
        (0..30).map(|n| lost_put(n, n, 1 + u32::try_from(n).unwrap())).collect();
    let reads =
        (0..30).map(|n| get(100 + n, 100 + 2 * n, 101 + 2 * n, 30 - u32::try_from(n).unwrap()));
    let history: Vec<Operation> = open.into_iter().chain(reads).collect();
    let few = Bounds { configurations: 100_000, steps: 20 };
    assert!(matches!(decide(&history, few), Verdict::Unknown(_)), "too few steps");
    let small = Bounds { configurations: 3, steps: 1_000_000 };
    assert!(matches!(decide(&history, small), Verdict::Unknown(_)), "too little memory");
    assert_eq!(decide(&history, Bounds::default()), Verdict::Ok, "it can be decided");
}

/// Every order that respects returns, tried out.
fn brute_force(operations: &[Operation], taken: &mut Vec<usize>, value: Value) -> bool {
    let must = |place: &usize| operations[*place].returned.is_some();
    if (0..operations.len()).filter(must).all(|place| taken.contains(&place)) {
        return true;
    }
    for place in 0..operations.len() {
        let operation = &operations[place];
        let waits = (0..operations.len()).any(|other| {
            !taken.contains(&other)
                && operations[other].returned.is_some_and(|at| at < operation.invoked)
        });
        if taken.contains(&place) || waits {
            continue;
        }
        for branch in &operation.branches {
            let sees = branch.sees.iter().all(|(_, sees)| match sees {
                Sees::Is(seen) => value == *seen,
                Sees::Not(other) => value != *other,
            });
            if !sees {
                continue;
            }
            let after = branch.writes.last().map_or(value, |(_, value)| *value);
            taken.push(place);
            let found = brute_force(operations, taken, after);
            taken.pop();
            if found {
                return true;
            }
        }
    }
    false
}

fn random_history(stream: &mut Stream) -> Vec<Operation> {
    let count = 2 + stream.below(5);
    let mut moments: Vec<u64> = (0..2 * count).collect();
    for place in (1..moments.len()).rev() {
        let other = usize::try_from(stream.below(place as u64 + 1)).unwrap();
        moments.swap(place, other);
    }
    let operation = |id: u64, stream: &mut Stream| {
        let at = usize::try_from(2 * id).unwrap();
        let (one, other) = (moments[at], moments[at + 1]);
        let value = u32::try_from(stream.below(3)).unwrap();
        let returned = (stream.below(5) > 0).then_some(one.max(other));
        let branch = match stream.below(5) {
            0 | 1 => Branch::write(0, 1 + value % 2),
            2 | 3 => Branch::read(0, value),
            _ => Branch { sees: vec![(0, Sees::Not(value))], writes: vec![(0, 0)] },
        };
        Operation::new(id, one.min(other), returned, branch)
    };
    (0..count).map(|id| operation(id, stream)).collect()
}

#[test]
fn random_histories_are_decided_as_by_trying_every_order() {
    let mut stream = Stream::new(7, Consumer::Clients);
    let (mut ok, mut broken) = (0, 0);
    for round in 0..5_000 {
        let history = random_history(&mut stream);
        let expected = brute_force(&history, &mut Vec::new(), 0);
        assert_eq!(is_ok(&history), expected, "round {round}: {history:?}");
        if expected { ok += 1 } else { broken += 1 }
    }
    assert!(ok > 500 && broken > 500, "both kinds came up: {ok} and {broken}");
}

/// The same with hints as good or bad as chance has them: they decide nothing.
#[test]
fn hints_prove_orders_and_never_hide_that_there_is_none() {
    let mut stream = Stream::new(23, Consumer::Clients);
    let (mut proven, mut misled) = (0, 0);
    for _ in 0..5_000 {
        let mut history = random_history(&mut stream);
        for operation in &mut history {
            operation.hint = Some(stream.below(6));
        }
        let expected = brute_force(&history, &mut Vec::new(), 0);
        let all: Vec<&Operation> = history.iter().collect();
        let is_explained = super::witness::explains(&all);
        assert!(expected || !is_explained, "an order that is none: {history:?}");
        assert_eq!(is_ok(&history), expected, "{history:?}");
        proven += u32::from(is_explained);
        misled += u32::from(expected && !is_explained);
    }
    assert!(proven > 100 && misled > 100, "{proven} proven by their hints, {misled} misled");
}

/// Ten keys, ten clients, one operation in twenty of unknown outcome: a real register decides.
fn large_history(operations: u64) -> Vec<Operation> {
    let mut stream = Stream::new(1, Consumer::Clients);
    let mut values = [0_u32; 10];
    let mut history = Vec::new();
    for id in 0..operations {
        let key = u32::try_from(stream.below(10)).unwrap();
        let value = &mut values[key as usize];
        // It takes effect in the middle of its time, which overlaps those of its neighbours.
        let effect = 1_000 * id + 500;
        let (invoked, returned) = (effect - stream.below(500), effect + stream.below(8_000));
        let (invoked, returned) = (invoked * 32_768 + 2 * id, returned * 32_768 + 2 * id + 1);
        let is_lost = stream.below(20) == 0;
        let branch = if stream.below(2) == 0 {
            let new = u32::try_from(id).unwrap() + 1;
            if !is_lost || stream.below(2) == 0 {
                *value = new;
            }
            Branch::write(key, new)
        } else {
            Branch::read(key, *value)
        };
        history.push(Operation::new(id, invoked, (!is_lost).then_some(returned), branch));
    }
    history
}

#[test]
fn ten_thousand_operations_on_ten_keys_are_decided_within_the_bounds() {
    let mut history = large_history(10_000);
    assert_eq!(decide(&history, Bounds::default()), Verdict::Ok, "a register answered");
    let read = |one: &&mut Operation| one.returned.is_some() && one.branches[0].writes.is_empty();
    let last = history.iter_mut().rev().find(read).unwrap();
    last.branches[0].sees[0].1 = Sees::Is(u32::MAX - 1);
    assert!(matches!(decide(&history, Bounds::default()), Verdict::Broken(_)), "nobody wrote that");
}
