//! What checks remember of each server: where it stood, its log, and what of it is durable.
//!
//! A log is kept as one small record an entry; its `chain` is a hash over the entry and everything
//! before it, so that two logs agree up to an index exactly when their chains agree there. A log
//! goes on from life to life: what a server had when it lost power is what recovery is compared
//! with. What is durable is asked of the disk, never of the server.

use std::collections::VecDeque;
use std::sync::Arc;

use disk::{Disk, FileId};
use etcd::server::{Phase, ServerEvent as EtcdEvent, View};
use ordered::SharedList;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::machine::{LOG_DIR, Machine, Server, ServerEvent};
use crate::scenario::Node;
use crate::view::Role;

/// An entry as far as checks need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) term: u64,
    /// Hash of this entry and all before it.
    pub(crate) chain: u64,
    /// It changes the configuration.
    pub(crate) is_change: bool,
}

/// A log from index 1 on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(SharedList<Written>);

impl Log {
    pub(crate) fn last_index(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn get(&self, index: u64) -> Option<Written> {
        self.0.get(usize::try_from(index.checked_sub(1)?).ok()?).copied()
    }

    pub(crate) fn term(&self, index: u64) -> u64 {
        self.get(index).map_or(0, |written| written.term)
    }

    fn chain(&self, index: u64) -> u64 {
        self.get(index).map_or(0, |written| written.chain)
    }

    /// Whether both logs reach this index and agree up to it.
    pub(crate) fn agrees(&self, other: &Log, index: u64) -> bool {
        index == 0 || self.get(index).is_some_and(|written| other.get(index) == Some(written))
    }

    /// Whether both logs differ at or below this index because this one was written over the
    /// other: where they part it has an entry of a later term. A power cut in the middle of a step
    /// may leave what the step wrote, before anybody was told of it.
    pub(crate) fn overwrites(&self, other: &Log, index: u64) -> bool {
        let (mut agreed, mut differs) = (0, index + 1);
        while differs - agreed > 1 {
            let middle = agreed + (differs - agreed) / 2;
            if self.agrees(other, middle) {
                agreed = middle;
            } else {
                differs = middle;
            }
        }
        differs <= index && self.term(differs) > other.term(differs)
    }

    pub(crate) fn truncate(&mut self, last_index: u64) {
        self.0.truncate(usize::try_from(last_index).unwrap_or(usize::MAX));
    }

    pub(crate) fn push(&mut self, entry: &raft::Entry) {
        let before = self.chain(self.last_index());
        let is_change = entry.entry_type != raft::EntryType::Normal;
        let seed = before.rotate_left(7) ^ entry.term ^ (u64::from(is_change) << 63);
        let chain = xxh3_64_with_seed(&entry.data, seed);
        self.0.push_back(Written { term: entry.term, chain, is_change });
    }

    fn push_written(&mut self, written: Written) {
        self.0.push_back(written);
    }

    /// Takes over the other log up to an index, as far as that reaches.
    pub(crate) fn take_prefix(&mut self, other: &Log, last_index: u64) {
        self.0 = other.0.clone();
        self.truncate(last_index);
    }

    /// Entries behind `after` up to `to` from the other log.
    pub(crate) fn extend_from(&mut self, other: &Log, to: u64) {
        for index in self.last_index() + 1..=to {
            let Some(written) = other.get(index) else { return };
            self.push_written(written);
        }
    }
}

/// Where a server stands in consensus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) role: Role,
    pub(crate) term: u64,
    /// Member id of its leader; 0 for none.
    pub(crate) lead: u64,
    pub(crate) last_index: u64,
    pub(crate) last_term: u64,
    pub(crate) commit: u64,
    pub(crate) applied: u64,
    /// The entry before the first one that its log still has.
    pub(crate) sentinel: u64,
}

impl Stand {
    pub(crate) fn leads(&self) -> bool {
        self.role == Role::Leader
    }
}

/// Records of the log that may not be durable yet.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) path: Arc<str>,
    /// What has that name.
    file: FileId,
    offset: u64,
    length: u64,
    pub(crate) first_index: u64,
    entries: Arc<[Written]>,
}

impl Batch {
    pub(crate) fn last_index(&self) -> u64 {
        self.first_index + self.entries.len() as u64 - 1
    }

    fn is_durable(&self, disk: &Disk) -> bool {
        let range = self.offset..self.offset + self.length;
        disk.is_durable(self.file, range) && disk.durable_name(&self.path) == Some(self.file)
    }
}

/// Records of the log that were written at once.
#[derive(Clone, Debug)]
pub(in crate::check) struct Append {
    pub(in crate::check) path: Arc<str>,
    pub(in crate::check) offset: u64,
    pub(in crate::check) length: u64,
    first_index: u64,
    last_index: u64,
}

/// What was done to a disk excuses the death of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Excuse {
    /// As long as the disk is not mended.
    UntilMended,
    /// What is lost stays lost.
    ForGood,
}

/// How a server came up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovered {
    /// The last entry that it had synced.
    pub(crate) synced: u64,
    /// Whether it came up with all that, or wrote over it.
    pub(crate) holds: bool,
    /// Since it was last up it had no power: what it came up with is durable.
    pub(crate) lost_power: bool,
    /// Power or process had gone while it read its disk before.
    pub(crate) died_booting: bool,
}

/// One server.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Shadow {
    pub(crate) node: Node,
    pub(crate) member_id: u64,
    /// It takes part in consensus.
    pub(crate) is_up: bool,
    /// How often it was started.
    pub(crate) boots: u32,
    /// In this step it began to take part, for the first time in this life.
    pub(crate) recovered: Option<Recovered>,
    /// Before this step, of the same life.
    pub(crate) before: Stand,
    pub(crate) now: Stand,
    /// Its log; of a server that is down, what it had last.
    pub(crate) log: Log,
    /// In this step its log was cut to this index, before anything was appended.
    pub(crate) cut_to: Option<u64>,
    /// What a power cut would leave of its log.
    pub(crate) durable: Log,
    pub(crate) batches: VecDeque<Batch>,
    /// All that this member ever wrote.
    appends: SharedList<Append>,
    /// For each time in this step that it took its log for durable: what of it was not.
    pub(crate) claimed: Vec<Option<Batch>>,
    /// What it came up with after its process alone had died: as real servers do, it takes what it
    /// reads for durable, although some may only be in the machine's cache.
    pub(crate) cached: Log,
    /// In this life its torn log was repaired.
    pub(crate) repaired: bool,
    /// In this life an fsync failed.
    pub(crate) sync_failed: bool,
    /// Since it was last up it had no power.
    lost_power: bool,
    /// Since it was last up, power or process went while it read its disk.
    died_booting: bool,
    /// Why it may die.
    pub(crate) excuse: Option<Excuse>,
}

impl Shadow {
    fn new(node: Node, member_id: u64) -> Shadow {
        Shadow {
            node,
            member_id,
            is_up: false,
            boots: 0,
            recovered: None,
            before: Stand::default(),
            now: Stand::default(),
            log: Log::default(),
            cut_to: None,
            durable: Log::default(),
            batches: VecDeque::new(),
            appends: SharedList::new(),
            claimed: Vec::new(),
            cached: Log::default(),
            repaired: false,
            sync_failed: false,
            lost_power: false,
            died_booting: false,
            excuse: None,
        }
    }

    /// The log that it can still come up with: its own while it is up, else what is durable.
    pub(crate) fn holds(&self) -> &Log {
        if self.is_up { &self.log } else { &self.durable }
    }

    /// Whether its log is durable up to this index and agrees there, as far as it can know.
    pub(crate) fn is_durable(&self, log: &Log, index: u64) -> bool {
        self.durable.agrees(log, index) || self.cached.agrees(log, index)
    }

    /// Where it last wrote an entry.
    pub(in crate::check) fn append_of(&self, index: u64) -> Option<&Append> {
        let has_it = |one: &&Append| (one.first_index..=one.last_index).contains(&index);
        self.appends.iter().rev().find(has_it)
    }

    /// Compares what it came up with with what it had synced; from now on it is what it has.
    fn recover(&mut self) -> Recovered {
        let synced = self.durable.last_index();
        let holds =
            self.log.agrees(&self.durable, synced) || self.log.overwrites(&self.durable, synced);
        let lost_power = std::mem::take(&mut self.lost_power);
        let died_booting = std::mem::take(&mut self.died_booting);
        if lost_power {
            self.batches.clear();
        } else {
            self.cached = self.log.clone();
            let log = &self.log;
            let last_is_there =
                |batch: &Batch| log.get(batch.last_index()) == batch.entries.last().copied();
            self.batches.retain(last_is_there);
        }
        if lost_power || !holds {
            self.durable = self.log.clone();
        }
        Recovered { synced, holds, lost_power, died_booting }
    }

    /// What became durable since the last look.
    pub(crate) fn settle(&mut self, disk: &Disk) {
        while self.batches.front().is_some_and(|batch| batch.is_durable(disk)) {
            let batch = self.batches.pop_front().expect("there is a front");
            self.durable.truncate(batch.first_index - 1);
            for written in batch.entries.iter() {
                self.durable.push_written(*written);
            }
        }
    }

    /// The process is gone; without power also what was not durable.
    pub(crate) fn stopped(&mut self, has_power: bool) {
        self.died_booting |= !self.is_up;
        self.is_up = false;
        self.lost_power |= !has_power;
        (self.before, self.now) = (Stand::default(), Stand::default());
        if !has_power {
            self.batches.clear();
            self.cached = Log::default();
        }
    }

    /// A machine that joins anew is another member, which knows nothing yet.
    pub(crate) fn booted(&mut self, boots: u32, member_id: u64) {
        if self.member_id != member_id {
            *self = Shadow::new(self.node, member_id);
        }
        self.boots = boots;
        (self.repaired, self.sync_failed) = (false, false);
    }

    fn appended(&mut self, event: &EtcdEvent, disk: &Disk) {
        let EtcdEvent::Appended { segment, offset, length, first_index, last_index, .. } = event
        else {
            return;
        };
        let entries = (*first_index..=*last_index).filter_map(|index| self.log.get(index));
        let entries: Arc<[Written]> = entries.collect();
        if entries.is_empty() {
            return;
        }
        let is_same = |last: &&Batch| last.path.ends_with(segment.as_str());
        let known = self.batches.back().filter(is_same);
        let (path, file) = known.map_or_else(
            || {
                let path = format!("{LOG_DIR}/{segment}");
                let file = disk.open(&path).expect("a segment that was written has its name");
                (path.into(), file)
            },
            |last| (Arc::clone(&last.path), last.file),
        );
        self.appends.push_back(Append {
            path: Arc::clone(&path),
            offset: *offset,
            length: *length,
            first_index: *first_index,
            last_index: *last_index,
        });
        self.batches.push_back(Batch {
            path,
            file,
            offset: *offset,
            length: *length,
            first_index: *first_index,
            entries,
        });
    }
}

/// All servers, and what is committed.
#[derive(Clone, Debug)]
pub(crate) struct Shadows {
    all: Vec<Shadow>,
    /// The log as far as anybody knows it to be committed.
    pub(crate) committed: Log,
    /// Indexes up to which the log was known to be committed, with the highest term in which
    /// somebody knew.
    pub(crate) marks: SharedList<(u64, u64)>,
}

impl Shadows {
    pub(crate) fn new(machines: &[Machine]) -> Shadows {
        let all = machines.iter().map(|machine| Shadow::new(machine.node(), machine.member_id()));
        Shadows { all: all.collect(), committed: Log::default(), marks: SharedList::new() }
    }

    pub(crate) fn of(&self, node: Node) -> &Shadow {
        &self.all[node.index()]
    }

    pub(crate) fn of_mut(&mut self, node: Node) -> &mut Shadow {
        &mut self.all[node.index()]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Shadow> {
        self.all.iter()
    }

    pub(crate) fn of_member(&self, id: u64) -> Option<&Shadow> {
        self.all.iter().find(|shadow| shadow.member_id == id)
    }

    /// Follows one server through one step, with what it told.
    pub(crate) fn follow(&mut self, machine: &Machine, told: &[ServerEvent]) {
        let Some(view) = view(machine) else { return };
        let is_running = !matches!(view.phase(), Phase::Off | Phase::Booting);
        let Shadows { all, committed, .. } = self;
        let shadow = &mut all[machine.node().index()];
        let recovers = is_running && !shadow.is_up;
        (shadow.recovered, shadow.cut_to) = (None, None);
        shadow.repaired |= told.iter().any(|event| {
            let ServerEvent::Etcd(event) = event;
            matches!(event, EtcdEvent::Repaired { .. })
        });
        if !is_running {
            return;
        }
        shadow.is_up = true;
        shadow.before = shadow.now;
        shadow.follow_log(view, recovers, committed);
        shadow.claimed.clear();
        for ServerEvent::Etcd(event) in told {
            shadow.appended(event, &machine.disk);
            if let EtcdEvent::Synced { last_index } = event {
                let is_claimed = |batch: &&Batch| batch.last_index() <= *last_index;
                shadow.claimed.push(shadow.batches.iter().find(is_claimed).cloned());
            }
        }
        shadow.recovered = recovers.then(|| shadow.recover());
    }

    /// Takes up what this server is the first to know to be committed.
    pub(super) fn commit(&mut self, node: Node) {
        let Shadows { all, committed, marks } = self;
        let Shadow { before, now, log, .. } = &all[node.index()];
        if now.commit <= before.commit {
            return;
        }
        committed.extend_from(log, now.commit);
        if marks.back().is_none_or(|(index, _)| *index < now.commit) {
            marks.push_back((now.commit, now.term));
        }
    }
}

impl Shadow {
    fn follow_log(&mut self, view: View<'_>, recovers: bool, committed: &Log) {
        let log = view.log();
        let last_term = view.term_at(log.last_index).unwrap_or(0);
        self.now = Stand {
            role: view.role().into(),
            term: view.term(),
            lead: view.leader(),
            last_index: log.last_index,
            last_term,
            commit: log.committed,
            applied: log.applied,
            sentinel: log.sentinel.index,
        };
        self.follow_stored(view.stored_sentinel().index, committed);
        let is_same = self.log.last_index() == log.last_index
            && self.log.term(log.last_index) == last_term
            && !recovers;
        if is_same {
            return;
        }
        self.follow_snapshot(log.sentinel, committed);
        let mut keep = self.log.last_index().min(log.last_index);
        while keep > log.sentinel.index && view.term_at(keep) != Some(self.log.term(keep)) {
            keep -= 1;
        }
        if recovers {
            // Recovery may bring back anything: every entry is read anew.
            keep = log.sentinel.index;
        }
        if keep < self.log.last_index() {
            self.cut_to = Some(keep);
            self.log.truncate(keep);
        }
        for entry in view.entries(keep + 1..log.last_index + 1) {
            self.log.push(&entry);
        }
    }

    /// What lies before the log's first entry came in a snapshot: it is what was committed.
    fn follow_snapshot(&mut self, sentinel: raft::EntryId, committed: &Log) {
        let index = sentinel.index;
        if index == 0 {
            return;
        }
        if self.log.get(index).is_none_or(|written| written.term != sentinel.term) {
            self.log.take_prefix(committed, index);
        }
    }

    /// A snapshot that was installed is durable, and with it what was committed up to there.
    fn follow_stored(&mut self, index: u64, committed: &Log) {
        if self.durable.last_index() < index {
            self.durable.take_prefix(committed, index);
        }
    }
}

/// The view of a machine's server, while its process runs.
pub(crate) fn view(machine: &Machine) -> Option<View<'_>> {
    machine.server().map(|server| match server {
        Server::Etcd(process) => process.server().view(),
    })
}

/// The servers for which it is true, in words.
pub(in crate::check) fn list(shadows: &Shadows, is: impl Fn(&Shadow) -> bool) -> String {
    let names: Vec<String> =
        shadows.iter().filter(|shadow| is(shadow)).map(|shadow| shadow.node.to_string()).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(terms: &[u64]) -> Log {
        let mut log = Log::default();
        for term in terms {
            log.push(&raft::Entry { term: *term, ..raft::Entry::default() });
        }
        log
    }

    #[test]
    fn a_log_overwrites_another_where_its_term_is_later() {
        let synced = log(&[1, 1, 2, 2]);
        assert!(log(&[1, 1, 3]).overwrites(&synced, 4), "raft took 3 and 4 back");
        assert!(log(&[1, 1, 2, 2, 3]).agrees(&synced, 4), "this one goes on");
        assert!(!log(&[1, 1, 2, 2, 3]).overwrites(&synced, 4), "so it takes nothing back");
        assert!(!log(&[1, 1, 2]).overwrites(&synced, 4), "an entry is lost");
        assert!(!log(&[1, 1, 1, 3]).overwrites(&synced, 4), "an older entry came back");
        assert!(!log(&[]).overwrites(&synced, 4), "all is lost");
    }
}
