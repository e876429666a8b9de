//! What is wrong with a scenario, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A line that could not be read: the place, what stood there, what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParseError {
    /// Line number, from 1.
    pub line: u32,
    /// Column of the offending word in characters, from 1.
    pub column: u32,
    /// What is wrong, as half a sentence: ``unknown command `crsh` ``.
    pub problem: String,
    /// What would have been right at this place.
    pub expected: String,
    /// Known words nearest to the one that stood there, best first.
    pub suggestions: Vec<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.problem)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        match self.suggestions.as_slice() {
            [] => Ok(()),
            [one] => write!(f, "; did you mean `{one}`?"),
            [first, second, ..] => write!(f, "; did you mean `{first}` or `{second}`?"),
        }
    }
}

impl std::error::Error for ParseError {}

/// A [`ParseError`] before its line number is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) column: u32,
    pub(crate) what: String,
    pub(crate) expected: String,
    pub(crate) suggestions: Vec<String>,
}

impl Problem {
    pub(crate) fn new(column: u32, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Problem { column, what: what.into(), expected: expected.into(), suggestions: Vec::new() }
    }

    /// Names the known words that look most like `word`.
    pub(crate) fn suggest<'a>(
        mut self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        self.suggestions = nearest(word, known);
        self
    }

    pub(crate) fn at_line(self, line: u32) -> ParseError {
        let Problem { column, what, expected, suggestions } = self;
        ParseError { line, column, problem: what, expected, suggestions }
    }
}

/// At most two known words within an edit distance of a third of the word (at least 2).
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let word: String = word.chars().take(64).collect();
    let reach = (word.chars().count() / 3).max(2);
    let mut scored: Vec<(usize, &str)> = known
        .into_iter()
        .map(|candidate| {
            let prefix = word.len() > 2
                && (candidate.starts_with(&word)
                    || candidate.len() > 2 && word.starts_with(candidate));
            (if prefix { 0 } else { strsim::levenshtein(&word, candidate) }, candidate)
        })
        .filter(|(distance, _)| *distance <= reach)
        .collect();
    ordered::sort_by_key(&mut scored, |row| *row);
    scored.dedup();
    scored.into_iter().take(2).map(|(_, candidate)| candidate.to_owned()).collect()
}
