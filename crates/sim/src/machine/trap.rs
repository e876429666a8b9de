//! Crashes that wait for their point.

use disk::{Disk, Watch};
use serde::{Deserialize, Serialize};

use crate::fault::{CrashDuring, Moment, Point, PointId, Survivors, Trigger};

/// One crash that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trap {
    point: PointId,
    /// How often the server still comes there until the power goes, at least 1.
    left: u32,
    survivors: Survivors,
}

/// A trap that closed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) point: &'static Point,
    pub(crate) survivors: Survivors,
    /// Whether what the step had to say left the machine.
    pub(crate) lets_out: bool,
}

/// All that wait on one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Traps(Vec<Trap>);

impl Traps {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, crash: CrashDuring) {
        let CrashDuring { survivors, nth, .. } = crash;
        self.0.push(Trap { point: crash.point_id(), left: nth.max(1), survivors });
    }

    /// Whether it could have come to be.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.iter().all(|trap| trap.left > 0)
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Lets the disk watch for the operations among them.
    pub(crate) fn set_on(&self, disk: &mut Disk) {
        disk.watch(self.0.iter().filter_map(Trap::watch).collect());
    }

    /// After the disk tripped: the trap whose operation came, if it was one. The others keep
    /// their counts.
    pub(crate) fn take_tripped(&mut self, disk: &Disk) -> Option<Closed> {
        let mut waiting = disk.watches().iter();
        let mut closed = None;
        self.0.retain_mut(|trap| {
            let Some(watch) = trap.watch() else { return true };
            let mut rest = waiting.clone();
            let is_same = |left: &&Watch| {
                (left.operation, left.path_contains) == (watch.operation, watch.path_contains)
            };
            if let Some(left) = rest.next().filter(is_same) {
                trap.left = left.nth;
                waiting = rest;
                return true;
            }
            closed = Some(trap.close(false));
            false
        });
        closed
    }

    /// At the end of a step: the first trap that closes.
    pub(crate) fn take_reached(&mut self, moment: &Moment) -> Option<Closed> {
        let mut closed = None;
        self.0.retain_mut(|trap| {
            let Trigger::Step { is_there, lets_out } = trap.point.point().trigger else {
                return true;
            };
            if closed.is_some() || !is_there(moment) {
                return true;
            }
            trap.left -= 1;
            if trap.left == 0 {
                closed = Some(trap.close(lets_out));
            }
            trap.left > 0
        });
        closed
    }
}

impl Trap {
    fn watch(&self) -> Option<Watch> {
        match self.point.point().trigger {
            Trigger::Operation { operation, path_contains } => {
                Some(Watch { operation, path_contains, nth: self.left })
            }
            Trigger::Step { .. } => None,
        }
    }

    fn close(&self, lets_out: bool) -> Closed {
        Closed { point: self.point.point(), survivors: self.survivors, lets_out }
    }
}
