//! Syncs of a disk take longer.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::delay::distribution;
use super::{Draw, Kind, Strike, Survival};
use crate::network::Delay as Distribution;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::{Action, Span, Target};
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSlow {
    /// Whose disk.
    pub target: Target,
    /// Added to each sync; nothing ends it.
    pub delay: Distribution,
}

pub(super) static KIND: Kind = Kind {
    name: "disk slow",
    survival: Survival::Survived,
    verb: Some(Verb {
        name: "disk slow",
        group: Group::Disks,
        usage: "disk slow SERVER|leader|all TIME|TIME..TIME|tail:TIME",
        help: "makes every sync take longer: by a time, between two, or with a heavy tail; 0s \
               ends it",
        example: "disk slow n2 200ms",
        parse: |words, context| {
            let target = words.target(context)?;
            let delay = distribution(words)?;
            Ok(Action::Fault(DiskSlow { target, delay }.into()))
        },
    }),
    draw: Some(draw),
};

fn draw(plan: &mut Draw) {
    plan.windows(3, 500..8_000, |plan, from_ns, until_ns| {
        let node = Target::Node(plan.node());
        let target = plan.one_of(&[Target::Leader, Target::All, node, node]);
        let delay = plan.one_of(&[
            Distribution::Uniform(Span::milliseconds(5, 50)),
            Distribution::Tail(Span::milliseconds(20, 20).low_ns),
            Distribution::Uniform(Span::milliseconds(200, 1_500)),
        ]);
        plan.at(from_ns, DiskSlow { target, delay });
        plan.at(until_ns, DiskSlow { target: Target::All, delay: Distribution::fixed(0) });
    });
}

impl Strike for DiskSlow {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.machine_mut(node).slow_down(self.delay);
        }
    }

    fn breaks(&self) -> bool {
        !self.delay.is_none()
    }

    fn target(&self) -> Option<Target> {
        Some(self.target)
    }
}

impl fmt::Display for DiskSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk slow {} {}", self.target, self.delay)
    }
}
