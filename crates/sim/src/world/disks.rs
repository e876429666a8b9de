//! What is done to disks: bytes turned over, sectors spoiled, pages written early or never.

use disk::{DiskError, Faults};

use super::World;
use crate::check::Excuse;
use crate::fault::Survivors;
use crate::machine::{LOG_DIR, Rotten, absolute_path, rot};
use crate::scenario::Node;
use crate::trace::TraceEvent;

impl World {
    pub(crate) fn flip(&mut self, node: Node, path: &str, offset: u64, bit: u8) {
        let path = self.path(node, path);
        let flipped = self.machine_mut(node).disk.corrupt(&path, offset, 1 << bit);
        if flipped.is_ok() {
            self.checks.excuse(node, Excuse::ForGood);
            self.fired.insert("flip");
        }
        self.tell(TraceEvent::Flipped { node, ok: flipped.is_ok() });
    }

    /// Changes the standing faults of a disk: of some nothing is left when it is mended.
    pub(crate) fn set_disk_faults(
        &mut self,
        node: Node,
        excuse: Excuse,
        set: impl FnOnce(&mut Faults),
    ) {
        self.checks.excuse(node, excuse);
        let disk = &mut self.machine_mut(node).disk;
        let mut faults = disk.faults().clone();
        set(&mut faults);
        disk.set_faults(faults);
    }

    pub(crate) fn mend_disk(&mut self, node: Node) {
        self.machine_mut(node).mend_disk();
        self.checks.mended(node);
    }

    /// A sector cannot be read any more. Counted once somebody reads there.
    pub(crate) fn spoil(&mut self, node: Node, path: &str, sector: u64) {
        let path = self.path(node, path);
        let ok = self.machine_mut(node).disk.spoil(&path, sector) == Ok(true);
        if ok {
            self.checks.excuse(node, Excuse::UntilMended);
        }
        self.tell(TraceEvent::DiskTouched { node, ok });
    }

    /// A record of the newest segment of the log does not read back as it was written.
    pub(crate) fn rot(&mut self, node: Node, record: u32) {
        let path = self.path(node, "wal");
        let machine = self.machine_mut(node);
        machine.mend_disk();
        let rotten = rot::choose(&machine.disk, &path, record);
        let ok = rotten.is_some();
        if let Some((offset, mask)) = rotten {
            machine.rot(Rotten { path, offset, mask });
            self.checks.excuse(node, Excuse::UntilMended);
        }
        self.tell(TraceEvent::DiskTouched { node, ok });
    }

    pub(crate) fn flush_page(&mut self, node: Node, path: &str, page: u32) {
        let path = self.path(node, path);
        let flushed = self.machine_mut(node).disk.flush_page(&path, page);
        self.touched(node, "disk flush", &flushed);
    }

    pub(crate) fn forget_page(&mut self, node: Node, path: &str, page: u32) {
        let path = self.path(node, path);
        let forgotten = self.machine_mut(node).disk.forget_page(&path, page);
        if forgotten == Ok(true) {
            self.checks.excuse(node, Excuse::ForGood);
        }
        self.touched(node, "disk forget", &forgotten);
    }

    fn touched(&mut self, node: Node, name: &'static str, done: &Result<bool, DiskError>) {
        let ok = *done == Ok(true);
        if ok {
            self.fired.insert(name);
        }
        self.tell(TraceEvent::DiskTouched { node, ok });
    }

    pub(crate) fn wipe(&mut self, node: Node) {
        self.fired.insert("wipe");
        self.cut_power(node, Survivors::Nothing);
        self.machine_mut(node).wipe();
        self.checks.wiped(node);
    }

    /// A machine with an empty disk takes the place of one whose server was removed: it starts
    /// only as a member that was added since.
    pub(crate) fn replace(&mut self, node: Node) {
        self.machine_mut(node).forget_identity();
        self.cut_power(node, Survivors::Nothing);
        self.machine_mut(node).wipe();
        self.checks.wiped(node);
    }

    /// Absolute; `wal` is the newest segment of the log.
    fn path(&self, node: Node, path: &str) -> String {
        if path != "wal" {
            return absolute_path(path);
        }
        self.machine(node).newest_segment().unwrap_or_else(|| LOG_DIR.to_owned())
    }
}
