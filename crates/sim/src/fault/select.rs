//! Words that several faults read: links, kinds of messages, shares.

use super::super::network::{Kinds, Links, MessageKind, Selector};
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::word::{Word, Words};

/// Links if any are named, then `kinds=` if there is one.
pub(super) fn selector(words: &mut Words, context: Context) -> Result<Selector, Problem> {
    let mut of = Selector::default();
    if words.peek().is_some_and(|word| !word.starts_with("kinds=")) {
        of.links = links(&words.expect("a link")?, context)?;
    }
    if let Some(word) = words.take() {
        let (key, value) = word.key_value("`kinds=append,vote`")?;
        if key != "kinds" {
            return Err(word.problem("unknown setting", "`kinds=`").suggest(key, ["kinds"]));
        }
        of.kinds = kinds(&value)?;
    }
    Ok(of)
}

/// Links if any are named, all otherwise.
pub(super) fn optional_links(words: &mut Words, context: Context) -> Result<Links, Problem> {
    words.take().map_or(Ok(Links::All), |word| links(&word, context))
}

pub(super) fn links(word: &Word, context: Context) -> Result<Links, Problem> {
    let (name, two_way) = match word.text.split_once("<->") {
        Some(pair) => (Some(pair), true),
        None => (word.text.split_once("->"), false),
    };
    let Some((one, other)) = name else { return word.node(context).map(Links::Of) };
    let arrow = if two_way { 3 } else { 2 };
    let skip = u32::try_from(one.chars().count() + arrow).unwrap_or(0);
    let (one, other) = (word.part(one, 0).node(context)?, word.part(other, skip).node(context)?);
    if one == other {
        return Err(word.problem("a server has no link to itself:", "two servers: `n1->n2`"));
    }
    Ok(if two_way { Links::Between(one, other) } else { Links::From(one, other) })
}

fn kinds(value: &Word) -> Result<Kinds, Problem> {
    let names = || MessageKind::ALL.iter().map(|(_, name)| *name);
    let mut kinds = Kinds::ALL;
    let mut skip = 0;
    for name in value.text.split(',') {
        let word = value.part(name, skip);
        let found = MessageKind::ALL.iter().find(|(_, known)| *known == name);
        let Some((kind, _)) = found else {
            let expected = format!("some of {}", names().collect::<Vec<_>>().join(","));
            return Err(word.problem("unknown kind of message", &expected).suggest(name, names()));
        };
        if !kinds.insert(*kind) {
            return Err(word.problem("named twice:", "each kind once"));
        }
        skip += u32::try_from(name.chars().count() + 1).unwrap_or(0);
    }
    Ok(kinds)
}
