//! A commit under way: what is written when, and what it waits for.
//!
//! ```text
//! begin ─ file too short ─→ longer → sync ─┐
//!       └────────────────────────────────→ data pages → sync → meta page → sync → done
//! ```
//!
//! Data pages go where the older state has nothing, and the meta page is one sector: until that
//! sector is durable a power cut leaves the old state, afterwards the new one. Source: bbolt 1.3.6
//! `tx.go` (`Commit`), `db.go` (`grow`).

use std::sync::Arc;

use disk::{Disk, Ticket};

use super::db::{Db, DbError};
use super::spill::Plan;

/// A commit that waits for the disk.
#[derive(Debug, Clone)]
pub struct Commit {
    plan: Arc<Plan>,
    ticket: Ticket,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Grow,
    Data,
    Meta,
}

/// What a completed sync meant to a commit.
#[derive(Debug, Clone)]
pub enum Progress {
    /// It goes on.
    Waiting(Commit),
    /// The transaction is durable.
    Done,
}

impl Commit {
    pub(super) fn begin(db: &mut Db, plan: Plan, disk: &mut Disk) -> Result<Commit, DbError> {
        let plan = Arc::new(plan);
        if let Some(len) = wanted_bytes(db, &plan) {
            disk.set_len(db.id, len)?;
            db.grown_bytes = len;
            let ticket = disk.sync_file(db.id)?;
            return Ok(Commit { plan, ticket, phase: Phase::Grow });
        }
        Commit::write_data(db, plan, disk)
    }

    /// The sync that it waits for.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Takes a completed sync; others than its own change nothing.
    pub fn on_synced(
        self,
        ticket: Ticket,
        db: &mut Db,
        disk: &mut Disk,
    ) -> Result<Progress, DbError> {
        if ticket != self.ticket {
            return Ok(Progress::Waiting(self));
        }
        match self.phase {
            Phase::Grow => Commit::write_data(db, self.plan, disk).map(Progress::Waiting),
            Phase::Data => self.write_meta(db, disk).map(Progress::Waiting),
            Phase::Meta => Ok(Progress::Done),
        }
    }

    fn write_data(db: &mut Db, plan: Arc<Plan>, disk: &mut Disk) -> Result<Commit, DbError> {
        let page_bytes = u64::from(plan.meta.page_bytes);
        let mut ranges = Vec::new();
        for (id, bytes) in &plan.pages {
            let offset = id.saturating_mul(page_bytes);
            disk.write(db.id, offset, bytes)?;
            ranges.push(offset..offset + bytes.len() as u64);
        }
        let ticket = disk.sync_file(db.id)?;
        db.file.refresh(disk, db.id, ranges, plan.meta)?;
        db.free = plan.free.clone();
        Ok(Commit { plan, ticket, phase: Phase::Data })
    }

    fn write_meta(self, db: &Db, disk: &mut Disk) -> Result<Commit, DbError> {
        let meta = self.plan.meta;
        let size = usize::try_from(meta.page_bytes).expect("a page has at most 64 KiB");
        let mut page = vec![0; size];
        let head = meta.to_bytes(meta.number());
        page[..head.len()].copy_from_slice(&head);
        disk.write(db.id, meta.number() * u64::from(meta.page_bytes), &page)?;
        let ticket = disk.sync_file(db.id)?;
        Ok(Commit { ticket, phase: Phase::Meta, ..self })
    }
}

/// The length that the file must get, if a higher high water mark makes it too short.
fn wanted_bytes(db: &Db, plan: &Plan) -> Option<u64> {
    if plan.meta.high_water <= db.file.meta().high_water {
        return None;
    }
    let page_bytes = u64::from(plan.meta.page_bytes);
    let needed = plan.meta.high_water.saturating_add(1).saturating_mul(page_bytes);
    (needed > db.grown_bytes).then(|| needed.saturating_add(db.options.grow_bytes))
}
