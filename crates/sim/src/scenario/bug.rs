//! `bug ID`: a known bug, switched on.

use super::Action;
use super::error::Problem;
use super::node::Context;
use super::verb::{Group, Verb};
use super::word::Words;
use crate::bugs::{TOGGLES, Toggle};

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "bug",
    group: Group::Checks,
    usage: "bug ID",
    help: "switches a known bug on, for every server from its next start",
    example: "bug vote-not-persisted",
    parse,
}];

fn parse(words: &mut Words, _: Context) -> Result<Action, Problem> {
    let word = words.expect("a bug, such as `vote-not-persisted`")?;
    let ids = || TOGGLES.iter().map(|info| info.id);
    Toggle::find(&word.text).map(Action::Bug).ok_or_else(|| {
        word.problem("there is no bug", "a bug of the list (`quorarium bugs`)")
            .suggest(&word.text, ids())
    })
}
