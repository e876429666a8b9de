//! Faults: everything that breaks a world or mends it, one short file a kind.
//!
//! A kind has a payload, which is the scenario line as data, and a [`Kind`]: its name, its place in
//! the language, whether a correct cluster survives it, and how a plan (`chaos`) draws it. The
//! table below is the only other place that knows of it: a new kind is one file and one row (at
//! the end: fingerprints, which links carry, take in its place).
//!
//! What a plan draws and what does something is counted by name ([`World::faults_drawn`],
//! [`World::faults_fired`]), so that a run without an alarm can be told from one in which nothing
//! happened.
//!
//! [`World::faults_drawn`]: crate::World::faults_drawn
//! [`World::faults_fired`]: crate::World::faults_fired

mod names;
mod plan;
mod points;
mod select;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use chaos::Choice;
pub use crash::Survivors;
pub(crate) use crash_during::PointId;
pub use deliver::Chosen;
pub use names::Names;
pub(crate) use plan::{Draw, Ground};
pub(crate) use points::{Moment, Trigger};
pub use points::{POINTS, Point};

use crate::scenario::Target;
use crate::scenario::verb::Verb;
use crate::world::World;

/// A kind of fault.
#[derive(Debug)]
pub struct Kind {
    /// What it is called in reports.
    pub name: &'static str,
    /// Whether a correct cluster survives it.
    pub survival: Survival,
    /// Its place in the language; none when another kind's verb reads it too.
    pub verb: Option<Verb>,
    /// How a plan draws it; none when no plan does.
    pub(crate) draw: Option<fn(&mut Draw)>,
}

/// Whether a correct cluster survives a fault without losing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// It mends, or is none.
    NoFault,
    /// Masked, or some servers stop or are away for a while.
    Survived,
    /// Not even the real system does, because of this.
    NotSurvived(&'static str),
}

/// What a payload can do.
pub(crate) trait Strike {
    /// Breaks or mends.
    fn strike(self, world: &mut World);

    /// False for a payload that ends what others of its kind began.
    fn breaks(&self) -> bool {
        true
    }

    /// Which servers it is about, if it names them: without any, it is not in play.
    fn target(&self) -> Option<Target> {
        None
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $variant:ident = $module:ident,)*) => {
        $(mod $module;)*
        $(pub use $module::$variant;)*

        /// Something that breaks or mends.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Fault {
            $($(#[doc = $doc])* $variant($variant),)*
        }

        /// All kinds, in the order of the table.
        pub static KINDS: &[&Kind] = &[$(&$module::KIND,)*];

        impl Fault {
            /// Its kind.
            pub fn kind(&self) -> &'static Kind {
                match self { $(Fault::$variant(_) => &$module::KIND,)* }
            }

            /// Whether it breaks something; otherwise it mends.
            pub fn breaks(&self) -> bool {
                self.kind().survival != Survival::NoFault
                    && match self { $(Fault::$variant(fault) => fault.breaks(),)* }
            }

            pub(crate) fn target(&self) -> Option<Target> {
                match self { $(Fault::$variant(fault) => fault.target(),)* }
            }

            pub(crate) fn strike(self, world: &mut World) {
                match self { $(Fault::$variant(fault) => fault.strike(world),)* }
            }
        }

        impl fmt::Display for Fault {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Fault::$variant(fault) => fault.fmt(f),)* }
            }
        }

        $(impl From<$variant> for Fault {
            fn from(fault: $variant) -> Fault { Fault::$variant(fault) }
        })*
    };
}

kinds! {
    /// The power of a machine goes.
    Crash = crash,
    /// A server starts.
    Restart = restart,
    /// Groups that do not hear each other.
    Partition = partition,
    /// One server hears nobody.
    Isolate = isolate,
    /// The network is whole again.
    Heal = heal,
    /// Messages get lost.
    Loss = loss,
    /// Messages take longer.
    Delay = delay,
    /// A bit rots.
    Flip = flip,
    /// What closing and opening the page does.
    Reload = reload,
    /// The power goes when a server comes to a point.
    CrashDuring = crash_during,
    /// No crash waits any more.
    Disarm = disarm,
    /// A process ends, its machine goes on.
    Kill = kill,
    /// A process stands still.
    Pause = pause,
    /// It goes on.
    Resume = resume,
    /// A clock runs fast or slow.
    Skew = skew,
    /// A clock jumps.
    Jump = jump,
    /// Links are cut, one way or both.
    Cut = cut,
    /// They are whole again.
    Mend = mend,
    /// Two halves that meet in one server.
    Bridge = bridge,
    /// Every server hears a majority, each a different one.
    Ring = ring,
    /// Messages arrive twice.
    Duplicate = duplicate,
    /// Messages overtake others.
    Reorder = reorder,
    /// Messages wait.
    Clog = clog,
    /// They go on.
    Unclog = unclog,
    /// One message waits.
    Hold = hold,
    /// One message arrives now.
    Deliver = deliver,
    /// One message is lost.
    Lose = lose,
    /// One kind of fault of the network ends.
    HealOne = heal_one,
    /// A plan draws faults.
    Chaos = chaos,
    /// Syncs take longer.
    DiskSlow = disk_slow,
    /// There is no space left.
    DiskFull = disk_full,
    /// Syncs fail.
    DiskFailSync = disk_fail_sync,
    /// Syncs lie.
    DiskLie = disk_lie,
    /// A write goes elsewhere.
    DiskMisdirect = disk_misdirect,
    /// A sector cannot be read.
    DiskBadSector = disk_bad_sector,
    /// A page is written early.
    DiskFlush = disk_flush,
    /// A page is never written.
    DiskForget = disk_forget,
    /// A disk works again.
    DiskMend = disk_mend,
    /// A machine gets an empty disk.
    Wipe = wipe,
    /// A bit in the log rots until the disk is mended.
    DiskRot = disk_rot,
}

/// The names of all faults: of the kinds that break something, and of the points of crashes.
pub fn names() -> impl Iterator<Item = &'static str> {
    let breaking = KINDS.iter().filter(|kind| kind.survival != Survival::NoFault);
    breaking.map(|kind| kind.name).chain(POINTS.iter().map(|point| point.fault))
}

impl Fault {
    /// The name that it is counted by.
    pub fn name(&self) -> &'static str {
        if let Fault::CrashDuring(crash) = self { crash.point().fault } else { self.kind().name }
    }
}
