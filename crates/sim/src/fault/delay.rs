//! Messages between servers take longer: always as much, evenly spread, or with a heavy tail.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Draw, HealOne, Kind, Strike, Survival, select};
use crate::network::{Delay as Distribution, Effect, Rule, Selector};
use crate::scenario::error::Problem;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::scenario::{Action, Span};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// Added to the latency; nothing ends it.
    pub delay: Distribution,
    /// Which messages.
    pub of: Selector,
}

pub(super) static KIND: Kind = Kind {
    name: "delay",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "delay",
        group: Group::Network,
        usage: "delay TIME|TIME..TIME|tail:TIME [SERVER|SERVER->SERVER|SERVER<->SERVER] \
                [kinds=KIND,…]",
        help: "makes messages between servers slower: by a time, between two, or with a heavy \
               tail; 0s ends it",
        example: "delay 200ms n3",
        parse: |words, context| {
            let delay = distribution(words)?;
            let of = select::selector(words, context)?;
            Ok(Action::Fault(Delay { delay, of }.into()))
        },
    }),
    draw: Some(draw),
};

/// A time, a span of times, or `tail:` and a time.
pub(super) fn distribution(words: &mut Words) -> Result<Distribution, Problem> {
    let word = words.expect("a time such as `200ms`, `10ms..50ms` or `tail:20ms`")?;
    if let Some(scale) = word.text.strip_prefix("tail:") {
        return word.part(scale, 5).time().map(Distribution::Tail);
    }
    let (low_ns, high_ns) =
        if word.text.contains("..") { word.time_span()? } else { (word.time()?, word.time()?) };
    Ok(Distribution::Uniform(Span { low_ns, high_ns }))
}

fn draw(plan: &mut Draw) {
    plan.windows(4, 500..8_000, |plan, from_ns, until_ns| {
        let delay = plan.one_of(&[
            Distribution::fixed(Span::milliseconds(20, 20).low_ns),
            Distribution::Uniform(Span::milliseconds(0, 100)),
            Distribution::Uniform(Span::milliseconds(100, 1_000)),
            Distribution::Tail(Span::milliseconds(20, 20).low_ns),
            Distribution::Tail(Span::milliseconds(200, 200).low_ns),
        ]);
        let of = plan.messages();
        plan.at(from_ns, Delay { delay, of });
        plan.at(until_ns, HealOne::of("delay"));
    });
}

impl Delay {
    fn rule(self) -> Rule {
        Rule { effect: Effect::Delay(self.delay), of: self.of }
    }
}

impl Strike for Delay {
    fn strike(self, world: &mut World) {
        world.network_mut().set(self.rule());
    }

    fn breaks(&self) -> bool {
        !self.delay.is_none()
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rule().fmt(f)
    }
}
