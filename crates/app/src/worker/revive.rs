//! From a stored session back to a world whose servers are about to boot.
//!
//! Every disk is imported from its pages. A page whose record is damaged is imported as it was
//! found when it still has the shape of a page, and as a page of junk otherwise: either way it is
//! the server's own boot that meets it and says so, and the other servers go on. What follows is
//! the `reload` action: power cut of all, restart of all.

use ordered::{Map, Set};

use disk::{Disk, FileId, ImportError, PAGE_BYTES, PageKey};
use sim::head::Head;
use sim::scenario::{Action, Fault, Node, Scenario};
use sim::world::World;
use thiserror::Error;

use super::keeper::Keeper;
use crate::protocol::Recovery;
use crate::store::{Backlog, Stored, StoredDisk};

/// Why a stored session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReviveError {
    /// The head.
    #[error("the stored head: {0}")]
    Head(#[from] sim::HeadError),
    /// A disk, undamaged as far as checksums tell.
    #[error("the stored disk of {node}: {error}")]
    Disk {
        /// Whose.
        node: Node,
        /// What the disk says.
        error: ImportError,
    },
}

/// A world that was revived.
pub struct Revived {
    /// The power is back; all servers are about to boot.
    pub world: World,
    /// Keeps it from the reload on.
    pub keeper: Keeper,
    /// For the page.
    pub recovery: Recovery,
}

/// See the module.
pub fn revive(stored: Stored) -> Result<Revived, ReviveError> {
    let head = Head::decode(&stored.head.world)?;
    let mut recovery = Recovery {
        servers: head.spec.nodes,
        event: head.event,
        now_ns: head.now_ns,
        pages: u32::try_from(stored.disks.iter().map(|disk| disk.pages.len()).sum::<usize>())
            .unwrap_or(u32::MAX),
        damaged: stored.damaged_pages().map(|(at, damage)| named(at.node, damage)).collect(),
        actions_complete: false,
    };
    let cluster = head.spec.to_string();
    let disks = stored.disks.iter().enumerate().map(|(index, disk)| {
        import(disk).map_err(|error| ReviveError::Disk { node: Node::at(index), error })
    });
    let mut world = World::resume(head, disks.collect::<Result<_, _>>()?)?;
    let actions = stored.actions.unwrap_or_default();
    // Actions that no longer parse are as good as lost: the run goes on, without a link.
    if let Ok(scenario) = Scenario::parse(&format!("{cluster}\n{actions}")) {
        world.remember(scenario.lines);
    }
    recovery.actions_complete = world.remembers_all();
    let backlog = Backlog::resumed(stored.slice, stored.loose, stored.lists, actions.into_bytes());
    // Before the reload: that action is news to the store.
    let keeper = Keeper::new(backlog, &world);
    reload(&mut world);
    Ok(Revived { world, keeper, recovery })
}

/// The first action of a revived world: it takes place before anything is shown.
fn reload(world: &mut World) {
    let recorded = world.recorded_count();
    world.perform(Action::Fault(Fault::Reload(sim::fault::Reload)));
    while world.recorded_count() == recorded {
        world.step().expect("the action is ahead");
    }
}

fn named(node: u32, damage: &crate::store::Damage) -> String {
    format!("{}: {damage}", Node(node + 1))
}

fn import(stored: &StoredDisk) -> Result<Disk, ImportError> {
    let key = |(file, page): (u32, u32)| PageKey { file: FileId(file), page };
    let damaged: Set<PageKey> = stored
        .pages
        .iter()
        .filter(|(_, page)| page.damage.is_some())
        .map(|(at, _)| key(*at))
        .collect();
    let mut pages: Map<PageKey, Vec<u8>> =
        stored.pages.iter().map(|(at, page)| (key(*at), page.bytes.clone())).collect();
    let mut junked = Set::new();
    loop {
        match Disk::import(&stored.metadata, pages.clone()) {
            Err(ImportError::Page { key, .. }) if damaged.contains(&key) && junked.insert(key) => {
                pages.insert(key, junk());
            }
            outcome => return outcome,
        }
    }
}

/// A page of junk, as a disk exports it.
fn junk() -> Vec<u8> {
    let mut disk = Disk::new(1 << 20);
    let written = disk.create("/junk").and_then(|file| {
        disk.write(file, 0, &[0xdb; PAGE_BYTES])?;
        let ticket = disk.sync_file(file)?;
        disk.complete(ticket);
        Ok(file)
    });
    let file = written.expect("an empty disk has room for a page");
    disk.export_page(PageKey { file, page: 0 }).expect("the page is there")
}
