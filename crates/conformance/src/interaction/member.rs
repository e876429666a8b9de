//! One node of the cluster with its storage, its state machine and its storage threads.
//!
//! The state machine appends what it applies to its state; so the state after each entry is known,
//! and with the configuration of that moment makes a snapshot that is always up to date.

use std::collections::VecDeque;

use bytes::Bytes;
use raft::{
    AnyConfChange, ConfState, Config, Entries, Entry, EntryType, Error, HardState, MemoryStorage,
    Message, Randomness, RawNode, Snapshot, SnapshotMetadata, Storage, StorageError,
};

use super::output::Output;

/// No spread: elections begin after exactly the election timeout, unless a command says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread;

impl Randomness for Spread {
    fn below(&mut self, _bound: u32) -> u32 {
        0
    }
}

/// A log in memory whose snapshot is the state machine's newest state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) log: MemoryStorage,
    newest: Snapshot,
}

impl Storage for Disk {
    fn initial_state(&self) -> Result<(HardState, ConfState), StorageError> {
        self.log.initial_state()
    }

    fn entries(&self, lo: u64, hi: u64, max_size: u64) -> Result<Entries, StorageError> {
        self.log.entries(lo, hi, max_size)
    }

    fn term(&self, index: u64) -> Result<u64, StorageError> {
        self.log.term(index)
    }

    fn last_index(&self) -> Result<u64, StorageError> {
        self.log.last_index()
    }

    fn first_index(&self) -> Result<u64, StorageError> {
        self.log.first_index()
    }

    fn snapshot(&self) -> Result<Snapshot, StorageError> {
        Ok(self.newest.clone())
    }
}

/// One node with all that belongs to it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) node: RawNode<Disk, Spread, Output>,
    pub(crate) config: Config,
    /// What the append thread is still to do; only with asynchronous writes.
    pub(crate) append_work: VecDeque<Message>,
    /// What the apply thread is still to do; only with asynchronous writes.
    pub(crate) apply_work: VecDeque<Message>,
}

impl Member {
    /// A node that begins with this snapshot, unless that is empty.
    pub(crate) fn new(config: Config, snapshot: &Snapshot, output: Output) -> Result<Self, Error> {
        let mut disk = Disk { newest: snapshot.clone(), ..Disk::default() };
        if !snapshot.is_empty() {
            disk.log.apply_snapshot(snapshot.clone())?;
        }
        Self::boot(config, disk, output)
    }

    fn boot(config: Config, disk: Disk, output: Output) -> Result<Self, Error> {
        let node = RawNode::with_logger(config.clone(), disk, Spread, output)?;
        let (append_work, apply_work) = (VecDeque::new(), VecDeque::new());
        Ok(Self { node, config, append_work, apply_work })
    }

    /// The node stops and begins again from what it stored; what was applied stays so.
    pub(crate) fn restart(&mut self) -> Result<(), Error> {
        let disk = self.node.storage().clone();
        let mut config = self.config.clone();
        config.applied = disk.newest.metadata.index;
        let output = self.node.logger().clone();
        *self = Self::boot(config, disk, output)?;
        Ok(())
    }

    pub(crate) fn append(
        &mut self,
        hard_state: Option<HardState>,
        entries: &[Entry],
        snapshot: Option<&Snapshot>,
    ) -> Result<(), Error> {
        let disk = self.node.storage_mut();
        if let Some(hard_state) = hard_state {
            disk.log.set_hard_state(hard_state);
        }
        match snapshot {
            Some(snapshot) if entries.is_empty() => {
                disk.log.apply_snapshot(snapshot.clone())?;
                disk.newest = snapshot.clone();
                Ok(())
            }
            Some(_) => {
                Err(Error::Fatal("can't apply snapshot and entries at the same time".to_owned()))
            }
            None => Ok(disk.log.append(entries)?),
        }
    }

    pub(crate) fn apply(&mut self, entries: &[Entry]) -> Result<(), Error> {
        for entry in entries {
            let mut update = entry.data.clone();
            let mut conf_state = self.node.storage().newest.metadata.conf_state.clone();
            if entry.entry_type != EntryType::Normal {
                let change = AnyConfChange::of_entry(entry)
                    .map_err(|error| Error::Fatal(error.to_string()))?;
                update = match &change {
                    AnyConfChange::V1(change) => change.context.clone(),
                    AnyConfChange::V2(change) => change.context.clone(),
                };
                conf_state = self.node.apply_conf_change(change)?;
            }
            let newest = &mut self.node.storage_mut().newest;
            newest.data = Bytes::from([&newest.data[..], &update[..]].concat());
            newest.metadata = SnapshotMetadata { conf_state, index: entry.index, term: entry.term };
        }
        Ok(())
    }
}
