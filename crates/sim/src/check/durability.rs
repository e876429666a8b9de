//! What survives: W1 to W8.
//!
//! What is durable is read from the disk's durable image; what a server claims is what its events
//! and answers say.

use disk::Disk;
use etcd::server::ServerEvent as EtcdEvent;
use etcd::snap::SnapName;
use etcd::wal::{Decoder, Segment, WalError};
use raft::MessageType;

use super::facts::durable::segments;
use super::facts::shadow::{Batch, Recovered, Shadow, list};
use super::facts::{Facts, News};
use super::promise::Promise;
use super::violation::Found;
use super::{Answered, Check, Step};
use crate::machine::{Certainty, DATA_DIR, Machine};
use crate::scenario::Node;

/// What is remembered of acknowledgements.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durability {
    /// The newest entry that a client knows to have happened.
    acknowledged: u64,
}

impl Check for Durability {
    fn stepped(&mut self, facts: &Facts, step: &Step<'_>, _: &News, found: &mut Found) {
        let shadow = facts.shadows.of(step.node);
        for batch in &shadow.claimed {
            claimed(shadow, batch.as_ref(), step.disk(), found);
        }
        for event in step.told() {
            snapshot_is_durable(step.node, event, step.disk(), found);
        }
        if shadow.sync_failed {
            says_nothing(shadow, step, found);
        }
        if let Some(recovered) = shadow.recovered {
            self.recovered(facts, shadow, recovered, found);
        }
    }

    /// W5: nothing of the step in which a process dies leaves it, so that one that dies of a failed
    /// fsync has said nothing. Those that go on are looked at step by step.
    fn died(&mut self, facts: &Facts, node: Node, _reason: &str, found: &mut Found) {
        if facts.shadows.of(node).sync_failed {
            found.looked(Promise::W5);
        }
    }

    /// W1, when a client is told that its write happened.
    fn answered(&mut self, facts: &Facts, answered: &Answered<'_>, found: &mut Found) {
        let Answered { node, request, .. } = *answered;
        let is_done = answered.answer.certainty == Certainty::Done;
        if answered.asked.is_none() || answered.is_read || !is_done {
            return;
        }
        let Some(placed) = facts.replay.placed(request) else { return };
        let index = placed.index;
        self.acknowledged = self.acknowledged.max(index);
        let shadows = &facts.shadows;
        let is_durable = |shadow: &Shadow| shadow.is_durable(&shadows.committed, index);
        match facts.configurations.quorum_could(shadows, index, is_durable) {
            None => return,
            Some(true) => return found.looked(Promise::W1),
            Some(false) => {}
        }
        let detail = format!(
            "{node} acknowledges a write in entry {index}, which is durable on {}",
            list(shadows, is_durable)
        );
        found.broken(Promise::W1, &[node], index, &[request], detail);
    }

    fn at_end(&mut self, _: &Facts, machines: &[Machine], found: &mut Found) {
        for machine in machines {
            chain(machine.node(), &machine.disk, found);
        }
    }
}

impl Durability {
    /// W2, W3, W8; and W1 once more, since now it is known what is left.
    fn recovered(&self, facts: &Facts, shadow: &Shadow, recovered: Recovered, found: &mut Found) {
        let (node, shadows) = (shadow.node, &facts.shadows);
        let Recovered { synced, holds, died_booting, .. } = recovered;
        let detail = || {
            let last = shadow.log.last_index();
            let cut = if shadow.repaired { ", cut by its repair" } else { "" };
            format!(
                "{node} had synced its log up to {synced} and came up with one up to {last}{cut}"
            )
        };
        // A flipped bit by hand may take entries with it; a server that goes on with less must not.
        let promise = if shadow.repaired { Promise::W3 } else { Promise::W2 };
        found.look(promise, holds, &[node], synced, detail);
        if died_booting {
            found.look(Promise::W8, holds, &[node], synced, detail);
        }
        let index = self.acknowledged;
        if holds || index == 0 {
            return;
        }
        let has = |shadow: &Shadow| shadow.is_durable(&shadows.committed, index);
        let Some(is_left) = facts.configurations.quorum_could(shadows, index, has) else { return };
        found.look(Promise::W1, is_left, &[node], index, || {
            format!(
                "entry {index} was acknowledged; after {node} recovered it is left on {}",
                list(shadows, has)
            )
        });
    }
}

/// W6, W5, W1: what a server takes for durable is so.
fn claimed(shadow: &Shadow, batch: Option<&Batch>, disk: &Disk, found: &mut Found) {
    let Some(batch) = batch else {
        found.looked(Promise::W6);
        return;
    };
    let (node, index, path) = (shadow.node, batch.last_index(), &batch.path);
    let (promise, why) = if !disk.is_name_durable(path) {
        (Promise::W6, "the name of its file is not")
    } else if shadow.sync_failed {
        (Promise::W5, "its fsync had failed")
    } else {
        (Promise::W1, "its bytes are not")
    };
    let detail = format!("{node} takes its log up to {index} for durable; {why} ({path})");
    found.broken(promise, &[node], index, &[], detail);
}

/// W7: the record of a snapshot is in the log now; so is its file on the disk.
fn snapshot_is_durable(node: Node, event: &EtcdEvent, disk: &Disk, found: &mut Found) {
    let (index, saved) = match event {
        EtcdEvent::SnapshotSaved { file, index } => (*index, Some(file)),
        EtcdEvent::SnapshotInstalled { index, .. } => (*index, None),
        _ => return,
    };
    let is_its_file = |name: &str| match saved {
        Some(file) => name == file,
        None => SnapName::parse(name).is_some_and(|name| name.index == index),
    };
    let directory = format!("{DATA_DIR}/member/snap");
    let entries = disk.list(&directory).unwrap_or_default();
    let paths = entries.iter().filter(|entry| is_its_file(&entry.name));
    let is_durable = |path: String| {
        let has_bytes = |file| disk.is_durable(file, 0..disk.len(file));
        disk.is_name_durable(&path) && disk.open(&path).is_ok_and(has_bytes)
    };
    let holds = paths.map(|entry| format!("{directory}/{}", entry.name)).any(is_durable);
    found.look(Promise::W7, holds, &[node], index, || {
        format!(
            "{node} has a record of a snapshot at entry {index}; the snapshot's file is not durable"
        )
    });
}

/// W5.
fn says_nothing(shadow: &Shadow, step: &Step<'_>, found: &mut Found) {
    let acknowledges = |message: &raft::Message| {
        message.msg_type == MessageType::AppResp
            && !message.reject
            && message.index > shadow.durable.last_index().max(shadow.cached.last_index())
    };
    let node = shadow.node;
    let told = step.messages().find(|(_, message)| acknowledges(message));
    found.look(Promise::W5, told.is_none(), &[node], 0, || {
        let index = told.map_or(0, |(_, message)| message.index);
        format!("{node} acknowledges its log up to {index} after an fsync of it failed")
    });
}

/// W4: the segments that are left, read as one log. An error that a server is to stop at is none.
fn chain(node: Node, disk: &Disk, found: &mut Found) {
    let segments: Vec<Segment> = segments(disk).into();
    if segments.len() < 2 {
        return;
    }
    let mut decoder = Decoder::new(&segments);
    let error = loop {
        match decoder.next_record() {
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let breaks = matches!(error, Some(WalError::ChainCrc { .. }));
    found.look(Promise::W4, !breaks, &[node], 0, || {
        error.map_or_else(String::new, |error| format!("{node}: {error}"))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::LOG_DIR;
    use crate::scenario::Scenario;
    use crate::world::World;

    #[test]
    fn a_segment_that_begins_with_another_checksum_breaks_w4() {
        let text = "cluster etcd nodes=1 seed=1 segment=4KiB\n0s load put rate=50/s\n5s end\n";
        let scenario = Scenario::parse(text).expect("it is a scenario");
        let mut world = World::of_scenario(&scenario);
        world.run_until(scenario.ends_ns());
        let mut disk = world.machine(Node(1)).disk.clone();
        let broken = |disk: &Disk| {
            let mut found = Found::new();
            chain(Node(1), disk, &mut found);
            found.violations().iter().map(|one| one.promise).collect::<Vec<_>>()
        };
        assert_eq!(broken(&disk), [], "as the server wrote it");
        let second = segments(&disk)[1].name;
        // Behind the frame, the record's type and the tag of its checksum.
        let path = format!("{LOG_DIR}/{second}");
        disk.corrupt(&path, 8 + 2 + 1, 1).expect("it is there");
        assert_eq!(broken(&disk), [Promise::W4]);
    }
}
