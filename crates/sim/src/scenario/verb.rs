//! The one table of verbs: reading, `help` and completion all go through it.
//!
//! A new verb is one row in the `VERBS` of its family's file; a new family is one row in
//! [`client::FAMILIES`]. A fault's verb stands in the fault's own file
//! ([`KINDS`]), the grammar of a workload in the workloads' table.

use super::error::Problem;
use super::node::Context;
use super::word::Words;
use super::{Action, bug, client, expect};
use crate::fault::KINDS;
use crate::workload;

/// A command of the language.
#[derive(Debug)]
pub struct Verb {
    /// The word that it begins with.
    pub name: &'static str,
    /// Where `help` lists it.
    pub group: Group,
    /// Its grammar, on one line.
    pub usage: &'static str,
    /// What it does, in half a sentence.
    pub help: &'static str,
    /// A line that can be typed.
    pub example: &'static str,
    pub(crate) parse: fn(&mut Words, Context) -> Result<Action, Problem>,
}

/// What verbs are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Requests to a server.
    Client,
    /// Load on its own.
    Load,
    /// Power.
    Machines,
    /// Links.
    Network,
    /// Bytes.
    Disks,
    /// Faults drawn at random.
    Plans,
    /// What should be true.
    Checks,
}

impl Group {
    /// The heading in `help`.
    pub fn title(self) -> &'static str {
        match self {
            Group::Client => "Ask a server",
            Group::Load => "Load",
            Group::Machines => "Machines",
            Group::Network => "Network",
            Group::Disks => "Disks",
            Group::Plans => "Plans",
            Group::Checks => "Checks",
        }
    }
}

/// All verbs in the order in which `help` lists them.
pub fn verbs() -> impl Iterator<Item = &'static Verb> {
    let groups = [Group::Machines, Group::Network, Group::Disks, Group::Plans];
    let faults = groups.into_iter().flat_map(|group| {
        let verbs = KINDS.iter().filter_map(|kind| kind.verb.as_ref());
        verbs.filter(move |verb| verb.group == group)
    });
    let clients = client::FAMILIES.into_iter().chain([workload::VERBS]).flatten();
    clients.chain(faults).chain(expect::VERBS).chain(bug::VERBS)
}

/// The verb of that name.
pub fn find(name: &str) -> Option<&'static Verb> {
    verbs().find(|verb| verb.name == name)
}

/// Reads one command, without a time, to its end.
pub(super) fn parse_action(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let mut word = words.expect("a command")?;
    // A few verbs have two words: `disk full`.
    if find(&word.text).is_none()
        && let Some(second) = words.peek()
        && verbs().any(|verb| verb.name.split(' ').next() == Some(word.text.as_str()))
    {
        word.text = format!("{} {second}", word.text);
        words.take();
    }
    let Some(verb) = find(&word.text) else {
        let names = verbs().map(|verb| verb.name).chain(["cluster", "end"]);
        return Err(word.problem("unknown command", "a command").suggest(&word.text, names));
    };
    let action = (verb.parse)(words, context).map_err(|mut problem| {
        if problem.expected.is_empty() {
            verb.usage.clone_into(&mut problem.expected);
        }
        problem
    })?;
    words.finish()?;
    Ok(action)
}
