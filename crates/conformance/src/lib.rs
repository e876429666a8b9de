//! Runs data-driven cases of etcd-io/raft over our core and compares the output word for word.
//!
//! A folder holds up to three kinds of cases, each in a folder of its own: `interaction` (a cluster
//! under commands), `quorum` (indexes and votes over configurations) and `confchange` (a
//! configuration under changes). Nothing is normalised: a command passes when what it prints is
//! what the file says, byte for byte.

mod case;
mod confchange;
mod interaction;
mod quorum;

use std::fmt;
use std::path::Path;

use case::Command;

/// What became of the cases of one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Commands that printed what was expected.
    pub passed: usize,
    /// Commands that did not, and files that could not be read.
    pub failed: usize,
    /// The first failure of each file.
    pub mismatches: Vec<Mismatch>,
}

/// A command that printed something else than was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// File, line and command.
    pub place: String,
    /// What the file says.
    pub expected: String,
    /// What our core did.
    pub actual: String,
}

/// Runs every case under a folder; none when it is missing.
pub fn run_dir(folder: &Path) -> Option<Report> {
    if !folder.is_dir() {
        return None;
    }
    let mut report = Report::default();
    report.run_kind(&folder.join("interaction"), interaction::Cluster::new);
    report.run_kind(&folder.join("quorum"), || quorum::Quorum);
    report.run_kind(&folder.join("confchange"), confchange::Changes::new);
    Some(report)
}

/// Runs interaction cases that stand in the folder itself.
pub fn run_interactions(folder: &Path) -> Report {
    let mut report = Report::default();
    report.run_kind(folder, interaction::Cluster::new);
    report
}

/// What a command is done to; fresh for each file.
trait Subject {
    fn run(&mut self, command: &Command) -> String;
}

impl Report {
    fn run_kind<S: Subject>(&mut self, folder: &Path, start: impl Fn() -> S) {
        let Ok(files) = std::fs::read_dir(folder) else { return };
        let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        paths.sort();
        for path in paths {
            match std::fs::read_to_string(&path) {
                Ok(text) => self.run_file(&path.display().to_string(), &text, start()),
                Err(error) => {
                    self.failed += 1;
                    let (place, actual) = (path.display().to_string(), error.to_string());
                    self.mismatches.push(Mismatch { place, expected: String::new(), actual });
                }
            }
        }
    }

    fn run_file(&mut self, name: &str, text: &str, mut subject: impl Subject) {
        let mut is_first = true;
        for command in case::parse(text) {
            let mut actual = subject.run(&command);
            if !actual.is_empty() && !actual.ends_with('\n') {
                actual.push('\n');
            }
            if actual == command.expected {
                self.passed += 1;
                continue;
            }
            self.failed += 1;
            if std::mem::take(&mut is_first) {
                let place = format!("{name}:{}: {}", command.line, command.name);
                self.mismatches.push(Mismatch { place, expected: command.expected, actual });
            }
        }
    }
}

/// The diffs, and a last line with the numbers.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mismatches.iter().try_for_each(|mismatch| writeln!(f, "{mismatch}"))?;
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Lines of both sides that differ, between what they have in common at the ends.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.place)?;
        let expected: Vec<_> = self.expected.lines().collect();
        let actual: Vec<_> = self.actual.lines().collect();
        let shorter = expected.len().min(actual.len());
        let same = |(left, right): &(&&str, &&str)| left == right;
        let head = expected.iter().zip(&actual).take_while(same).count();
        let pairs_from_end = expected.iter().rev().zip(actual.iter().rev());
        let tail = pairs_from_end.take(shorter - head).take_while(same).count();
        for line in &expected[..head] {
            writeln!(f, "    {line}")?;
        }
        for line in &expected[head..expected.len() - tail] {
            writeln!(f, "  - {line}")?;
        }
        for line in &actual[head..actual.len() - tail] {
            writeln!(f, "  + {line}")?;
        }
        for line in &expected[expected.len() - tail..] {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_output_fails_and_shows_where() {
        let mut report = Report::default();
        let text =
            "vote cfg=(1) votes=(y)\n----\nVoteWon\n\nvote cfg=(1) votes=(n)\n----\nVoteWon\n";
        report.run_file("file", text, quorum::Quorum);
        let expected = "file:5: vote\n  - VoteWon\n  + VoteLost\n\n1 passed, 1 failed";
        assert_eq!(report.to_string(), expected, "a diff, then the numbers");
    }

    #[test]
    fn a_missing_folder_is_none() {
        assert_eq!(run_dir(Path::new("/nowhere/at/all")), None, "not a pass");
    }
}
