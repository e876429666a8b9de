//! Counting tests by what their runners print.
//!
//! Two forms are understood: libtest's `test result: ok. 3 passed; 0 failed; …` (also printed by
//! the runner of wasm-bindgen) and our own last line `3 passed, 0 failed`. A line that begins with
//! `SKIPPED:` is repeated at the end, so that nobody takes a partial run for a whole one.

/// What was counted so far.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: Vec<String>,
}

impl Tally {
    /// Takes one printed line into account.
    pub(crate) fn see(&mut self, line: &str) {
        let line = line.trim();
        if let Some(reason) = line.strip_prefix("SKIPPED:") {
            let reason = reason.trim().to_owned();
            if !self.skipped.contains(&reason) {
                self.skipped.push(reason);
            }
        } else if let Some(result) = line.strip_prefix("test result:") {
            let counts = result.split_once('.').map_or(result, |(_verdict, counts)| counts);
            self.add(counts.split(';'));
        } else if is_summary(line) {
            self.add(line.split(','));
        }
    }

    /// A part that could not report (it did not build, or died) counts as one failure.
    pub(crate) fn part_died(&mut self) {
        self.failed += 1;
    }

    fn add<'a>(&mut self, counts: impl Iterator<Item = &'a str>) {
        for count in counts {
            match count.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse::<u64>().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse::<u64>().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// Whether the line is exactly `N passed, N failed`.
fn is_summary(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    matches!(words[..], [passed, "passed,", failed, "failed"]
        if passed.parse::<u64>().is_ok() && failed.parse::<u64>().is_ok())
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for reason in &self.skipped {
            writeln!(f, "SKIPPED: {reason}")?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.see(line));
        tally
    }

    #[test]
    fn libtest_and_our_own_summaries_are_added_up() {
        let seen = tally(
            "running 3 tests\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored\n\
             14 passed, 1 failed\n",
        );
        assert_eq!(seen, Tally { passed: 18, failed: 3, skipped: vec![] });
    }

    #[test]
    fn prose_about_passing_is_not_counted() {
        assert_eq!(tally("the 3 passed, all of them failed\n5 passed\n"), Tally::default());
    }

    #[test]
    fn a_skip_is_repeated_once_before_the_last_line() {
        let seen = tally("SKIPPED: no corpus\nSKIPPED: no corpus\n2 passed, 0 failed");
        assert_eq!(seen.to_string(), "SKIPPED: no corpus\n2 passed, 0 failed");
    }
}
