//! The one table of verbs: reading, `help` and completion all go through it.
//!
//! A new verb is one row in the `VERBS` of its family's file; a new family is one row in
//! [`client::FAMILIES`] or [`GROUPS`].

use super::error::Problem;
use super::node::Context;
use super::word::Words;
use super::{Action, client, expect, fault, load};

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
    pub(super) parse: fn(&mut Words, Context) -> Result<Action, Problem>,
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
            Group::Checks => "Checks",
        }
    }
}

const GROUPS: [&[Verb]; 3] = [load::VERBS, fault::VERBS, expect::VERBS];

/// All verbs in the order in which `help` lists them.
pub fn verbs() -> impl Iterator<Item = &'static Verb> {
    client::FAMILIES.into_iter().chain(GROUPS).flatten()
}

/// The verb of that name.
pub fn find(name: &str) -> Option<&'static Verb> {
    verbs().find(|verb| verb.name == name)
}

/// Reads one command, without a time, to its end.
pub(super) fn parse_action(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let word = words.expect("a command")?;
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
