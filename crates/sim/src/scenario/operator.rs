//! An operator: somebody who changes the cluster while it runs.
//!
//! ```text
//! load operator think=1s..5s for=30s
//! ```
//!
//! Does one thing after the other, as a mixed load does: adds machines that are no members and
//! starts them, as learners or with a vote, promotes learners, removes members, hands leadership
//! over. The machine of a removed member gets an empty disk after a while and may join again.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::cluster::Span;
use super::error::Problem;
use super::load::LoadEnd;
use super::quantity::SECOND_NS;
use super::word::Words;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// Time from an answer to the next change.
    pub think: Span,
    /// When it ends.
    pub until: LoadEnd,
}

const SETTINGS: [&str; 3] = ["think", "for", "count"];

pub(super) fn parse(words: &mut Words) -> Result<Operator, Problem> {
    let think = Span { low_ns: SECOND_NS, high_ns: 5 * SECOND_NS };
    let mut operator = Operator { think, until: LoadEnd::Never };
    while let Some(word) = words.take() {
        let (name, value) = word.key_value("`think=1s..5s`")?;
        match name {
            "think" => {
                let (low_ns, high_ns) = value.time_span()?;
                operator.think = Span { low_ns, high_ns };
            }
            "for" | "count" => operator.until.set(name, &value, &word)?,
            _ => {
                let expected = format!("one of {}", SETTINGS.join(", "));
                return Err(word.problem("unknown setting", &expected).suggest(name, SETTINGS));
            }
        }
    }
    Ok(operator)
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "load operator think={}", self.think)?;
        self.until.print(f)
    }
}
