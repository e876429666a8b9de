//! What should be true: judged by polling, at its time or within a bound of it.
//!
//! A line without a time is judged at the end of the run.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Action;
use super::error::Problem;
use super::node::{Context, Node};
use super::quantity::print_time;
use super::verb::{Group, Verb};
use super::word::{Words, quoted};
use crate::check::{PROMISES, Promise};

/// Something that should be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// What.
    pub what: Expected,
    /// How long it may take to become true; 0 for at once.
    pub within_ns: u64,
}

/// What should be true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expected {
    /// There is a leader, and this one if named.
    Leader(Option<Node>),
    /// The key has this value (on the leader; without one, on the server that applied most).
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// The key is not there.
    Absent {
        /// The key.
        key: String,
    },
    /// The store's revision is exactly this.
    Revision(i64),
    /// The server runs.
    Up(Node),
    /// The server is without power.
    Down(Node),
    /// The server stopped by itself and said why.
    Failed(Node),
    /// This promise of the cluster is broken, by its id.
    Violation(String),
    /// No promise is broken.
    NoViolation,
    /// Some order of the operations so far explains all their answers.
    Linearizable,
}

const WHAT: [&str; 10] = [
    "leader",
    "value",
    "absent",
    "revision",
    "up",
    "down",
    "failed",
    "violation",
    "no-violation",
    "linearizable",
];

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "expect",
    group: Group::Checks,
    usage: "expect leader [SERVER] | value KEY VALUE | absent KEY | revision N | \
            up|down|failed SERVER | violation CHECK | no-violation | linearizable [within TIME]",
    help: "says what should be true, now or within a time",
    example: "expect leader within 3s",
    parse,
}];

fn parse(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let expected = format!("one of {}", WHAT.join(", "));
    let word = words.expect(&expected)?;
    let what = match word.text.as_str() {
        "leader" if matches!(words.peek(), None | Some("within")) => Expected::Leader(None),
        "leader" => Expected::Leader(Some(words.node(context)?)),
        "value" => Expected::Value {
            key: words.expect("a key")?.text,
            value: words.expect("a value")?.text,
        },
        "absent" => Expected::Absent { key: words.expect("a key")?.text },
        "revision" => Expected::Revision(
            words.expect("a revision")?.number_in(0, 1 << 62, "a revision")?.cast_signed(),
        ),
        "up" => Expected::Up(words.node(context)?),
        "down" => Expected::Down(words.node(context)?),
        "failed" => Expected::Failed(words.node(context)?),
        "violation" => violation(words)?,
        "no-violation" => Expected::NoViolation,
        "linearizable" => Expected::Linearizable,
        _ => return Err(word.problem("cannot expect", &expected).suggest(&word.text, WHAT)),
    };
    let within_ns =
        if words.take_if("within") { words.expect("a time such as `3s`")?.time()? } else { 0 };
    Ok(Action::Expect(Expectation { what, within_ns }))
}

fn violation(words: &mut Words) -> Result<Expected, Problem> {
    let word = words.expect("a check such as `R7`")?;
    let ids = || PROMISES.iter().map(|promise| promise.id());
    match Promise::find(&word.text) {
        Some(promise) => Ok(Expected::Violation(promise.id().to_owned())),
        None => Err(word
            .problem("there is no check", "a check such as `R7`")
            .suggest(&word.text, ids())),
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expect ")?;
        match &self.what {
            Expected::Leader(None) => f.write_str("leader")?,
            Expected::Leader(Some(node)) => write!(f, "leader {node}")?,
            Expected::Value { key, value } => write!(f, "value {} {}", quoted(key), quoted(value))?,
            Expected::Absent { key } => write!(f, "absent {}", quoted(key))?,
            Expected::Revision(revision) => write!(f, "revision {revision}")?,
            Expected::Up(node) => write!(f, "up {node}")?,
            Expected::Down(node) => write!(f, "down {node}")?,
            Expected::Failed(node) => write!(f, "failed {node}")?,
            Expected::Violation(check) => write!(f, "violation {check}")?,
            Expected::NoViolation => f.write_str("no-violation")?,
            Expected::Linearizable => f.write_str("linearizable")?,
        }
        if self.within_ns > 0 {
            write!(f, " within {}", print_time(self.within_ns))?;
        }
        Ok(())
    }
}
