//! Standing rules: what happens to every message that they are about.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::delay::Delay;
use super::links::{Links, MessageKind, Selector};
use crate::scenario::{Node, print_share, print_time};

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// This share is lost, in parts per million; of several rules the largest share counts.
    Loss(u32),
    /// They take longer; several rules add up.
    Delay(Delay),
    /// This share arrives twice, in parts per million.
    Duplicate(u32),
    /// This share leaves the order of its stream.
    Reorder {
        /// Parts per million.
        ppm: u32,
        /// They take up to this much longer, and later ones pass them by.
        by_ns: u64,
    },
    /// They wait until the rule ends, and then arrive in their order.
    Clog,
}

impl Effect {
    /// The name of the fault.
    pub fn name(self) -> &'static str {
        match self {
            Effect::Loss(_) => "loss",
            Effect::Delay(_) => "delay",
            Effect::Duplicate(_) => "duplicate",
            Effect::Reorder { .. } => "reorder",
            Effect::Clog => "clog",
        }
    }

    /// Whether it does nothing: setting such a rule ends the one that was there.
    fn is_none(self) -> bool {
        match self {
            Effect::Loss(ppm) | Effect::Duplicate(ppm) | Effect::Reorder { ppm, .. } => ppm == 0,
            Effect::Delay(delay) => delay.is_none(),
            Effect::Clog => false,
        }
    }
}

/// A rule; prints as the scenario line that sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What it does …
    pub effect: Effect,
    /// … to these messages.
    pub of: Selector,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.effect.name())?;
        match self.effect {
            Effect::Loss(ppm) | Effect::Duplicate(ppm) => write!(f, " {}", print_share(ppm))?,
            Effect::Delay(delay) => write!(f, " {delay}")?,
            Effect::Reorder { ppm, by_ns } => {
                write!(f, " {} by {}", print_share(ppm), print_time(by_ns))?;
            }
            Effect::Clog => {}
        }
        self.of.fmt(f)
    }
}

/// All rules, in the order in which they were set. Two rules never have effect and messages in
/// common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    /// Sets a rule in place of the one of that effect for these messages.
    pub(crate) fn set(&mut self, rule: Rule) {
        let same = |one: &Rule| one.effect.name() == rule.effect.name() && one.of == rule.of;
        self.0.retain(|one| !same(one));
        if !rule.effect.is_none() {
            self.0.push(rule);
        }
    }

    /// Ends the rules of one effect: on these links, or wherever they are.
    pub(crate) fn end(&mut self, effect: &str, links: Links) {
        let ends = |one: &Rule| {
            one.effect.name() == effect && (links == Links::All || one.of.links == links)
        };
        self.0.retain(|one| !ends(one));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// The effects on one message.
    pub(crate) fn of(
        &self,
        from: Node,
        to: Node,
        kind: MessageKind,
    ) -> impl Iterator<Item = Effect> {
        let about = move |rule: &&Rule| rule.of.contains(from, to, kind);
        self.0.iter().filter(about).map(|rule| rule.effect)
    }

    pub(crate) fn clog(&self, from: Node, to: Node, kind: MessageKind) -> bool {
        self.of(from, to, kind).any(|effect| effect == Effect::Clog)
    }
}
