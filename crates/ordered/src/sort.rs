//! Sorting with one sorting algorithm in the program: the standard library's takes 4 KiB a type.

use std::cmp::Ordering;

/// Sorts; equal rows keep their order.
pub fn sort_by<T>(rows: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    sort_places(&mut order, &|one, other| compare(&rows[one], &rows[other]));
    put_in_order(rows, order);
}

/// Sorts by a key; equal rows keep their order.
pub fn sort_by_key<T, K: Ord>(rows: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(rows, |one, other| key(one).cmp(&key(other)));
}

fn sort_places(places: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    places.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
}

/// Brings the row of `order[n]` to place `n`, for all `n`, cycle by cycle.
fn put_in_order<T>(rows: &mut [T], mut order: Vec<usize>) {
    for start in 0..order.len() {
        let mut hole = start;
        loop {
            let from = std::mem::replace(&mut order[hole], hole);
            if from == start {
                break;
            }
            rows.swap(hole, from);
            hole = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(rows: Vec<(u8, u16)>) {
            let (mut ours, mut theirs) = (rows.clone(), rows);
            sort_by_key(&mut ours, |row| row.0);
            theirs.sort_by_key(|row| row.0);
            prop_assert_eq!(ours, theirs);
        }
    }
}
