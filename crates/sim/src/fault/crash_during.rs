//! The power goes when a server comes to a named point: see [`POINTS`].
//!
//! Waits until then, over restarts of the server, unless `disarm` ends it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::points::{POINTS, Point};
use super::{Crash, Disarm, Draw, HealOne, Isolate, Kind, Restart, Strike, Survival, Survivors};
use crate::scenario::Target;
use crate::scenario::error::Problem;
use crate::scenario::word::Words;
use crate::world::World;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashDuring {
    /// Which machine; each of them for `all`.
    pub target: Target,
    /// What survives of the things that were not synced.
    pub survivors: Survivors,
    /// Place in [`POINTS`].
    point: PointId,
    /// Which time it comes there, from 1.
    pub nth: u32,
}

/// A point of the table: what does not exist is not read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(crate) struct PointId(u32);

impl TryFrom<u32> for PointId {
    type Error = &'static str;

    fn try_from(place: u32) -> Result<PointId, &'static str> {
        if (place as usize) < POINTS.len() { Ok(PointId(place)) } else { Err("no such point") }
    }
}

impl From<PointId> for u32 {
    fn from(point: PointId) -> u32 {
        point.0
    }
}

impl PointId {
    pub(crate) fn point(self) -> &'static Point {
        &POINTS[self.0 as usize]
    }

    fn of(name: &str) -> Option<PointId> {
        let place = POINTS.iter().position(|point| point.name == name)?;
        u32::try_from(place).ok().map(PointId)
    }
}

pub(super) static KIND: Kind =
    Kind { name: "crash during", survival: Survival::Survived, verb: None, draw: Some(draw) };

/// Each point is in the plan or not; the server is started again and again until the time is over.
/// Those at the end of the table are rare, and choose their time first.
fn draw(plan: &mut Draw) {
    for point in POINTS.iter().rev() {
        if point.needs_snapshots() && !plan.sees_snapshots()
            || plan.members() < point.members_min()
            || !plan.is_on(point.fault)
        {
            continue;
        }
        let place = PointId::of(point.name).expect("it is in the table");
        // Where servers come often, what else happens there counts: there are several tries.
        let (windows, length_ms) = match (plan.insists(), point.is_frequent()) {
            (true, _) if point.needs_lag() => (1, 5_000..7_500),
            (false, _) if point.needs_lag() => (1, 6_000..10_000),
            (true, _) => (1, 1_500..3_500),
            (false, true) => (4, 1_500..5_000),
            (false, false) => (3, 3_000..7_000),
        };
        if plan.insists() || point.needs_election() {
            plan.blackouts(windows, length_ms, |plan, from_ns, until_ns| {
                let cut_off = plan.node();
                cut_off_first(plan, point, Target::Node(cut_off), from_ns, until_ns);
                wait_at(plan, place, Target::All, from_ns, until_ns);
            });
        } else {
            plan.outages(windows, length_ms, |plan, node, from_ns, until_ns| {
                let target = Target::Node(node);
                cut_off_first(plan, point, target, from_ns, until_ns);
                wait_at(plan, place, target, from_ns, until_ns);
            });
        }
    }
}

/// What brings servers to a point: the leader is cut off, or somebody falls behind.
fn cut_off_first(plan: &mut Draw, point: &Point, target: Target, from_ns: u64, until_ns: u64) {
    let length_ns = until_ns - from_ns;
    if point.needs_election() {
        plan.at(from_ns, Isolate { target: Target::Leader });
        plan.at(from_ns + length_ns / 2, HealOne::of("isolate"));
    } else if point.needs_lag() {
        plan.at(from_ns, Isolate { target });
        plan.at(until_ns - length_ns / 4, HealOne::of("isolate"));
    }
}

fn wait_at(plan: &mut Draw, point: PointId, target: Target, from_ns: u64, until_ns: u64) {
    let survivors = plan.survivors();
    let times = if plan.insists() { &[1] } else { point.point().times };
    let nth = plan.one_of(times);
    plan.at(from_ns, CrashDuring { target, survivors, point, nth });
    if point.point().needs_restart() {
        plan.at(from_ns + 1, Crash { target, survivors, at_disk_operation: None });
    }
    let mut at_ns = from_ns;
    while at_ns < until_ns {
        at_ns += plan.milliseconds(300..2_000);
        plan.at(at_ns.min(until_ns), Restart { target });
    }
    plan.at(until_ns, Disarm { target });
}

impl CrashDuring {
    /// The point that it waits for.
    pub fn point(&self) -> &'static Point {
        self.point.point()
    }

    pub(crate) fn point_id(&self) -> PointId {
        self.point
    }

    /// Reads what follows `during`.
    pub(super) fn parse(
        words: &mut Words,
        target: Target,
        survivors: Option<Survivors>,
    ) -> Result<CrashDuring, Problem> {
        let names = || POINTS.iter().map(|point| point.name);
        let expected = format!("one of {}", names().collect::<Vec<_>>().join(", "));
        let word = words.expect(&expected)?;
        let point = PointId::of(&word.text)
            .ok_or_else(|| word.problem("unknown point", &expected).suggest(&word.text, names()))?;
        let mut nth = 1;
        if words.take_if("nth") {
            nth = words.expect("a number")?.number_in(1, 1_000_000, "a number")?;
        }
        let survivors = survivors.or_else(|| Survivors::take(words)).unwrap_or_default();
        Ok(CrashDuring { target, survivors, point, nth: crate::scenario::small(nth) })
    }
}

impl Strike for CrashDuring {
    fn strike(self, world: &mut World) {
        for node in world.targets(self.target) {
            world.arm(node, self);
        }
    }
}

impl fmt::Display for CrashDuring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "crash {} during {}", self.target, self.point().name)?;
        if self.nth > 1 {
            write!(f, " nth {}", self.nth)?;
        }
        self.survivors.fmt(f)
    }
}
