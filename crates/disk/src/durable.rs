//! What becomes durable of names, and what nobody can reach any more.

use ordered::Set;
use std::sync::Arc;

use crate::directory::{Change, ChangeKind};
use crate::disk::{Inode, ROOT};
use crate::{Disk, FileId};

impl Disk {
    /// Applies one change of a name to the durable image.
    pub(crate) fn make_durable(&mut self, change: &Change) {
        let at_name = |disk: &Disk| disk.durable_entry(change) == Some(change.file);
        match change.kind {
            ChangeKind::Place { .. } => {
                self.take_durable_name(change.file);
                if self.inodes.contains_key(&change.directory) {
                    let directory = self.directory_mut(change.directory);
                    directory.durable.insert(change.name.clone(), change.file);
                }
            }
            ChangeKind::Remove if at_name(self) => {
                self.directory_mut(change.directory).durable.remove(&change.name);
            }
            ChangeKind::Remove => {}
        }
    }

    fn durable_entry(&self, change: &Change) -> Option<FileId> {
        match self.inodes.get(&change.directory).map(Arc::as_ref) {
            Some(Inode::Directory(directory)) => directory.durable.get(&change.name).copied(),
            Some(Inode::File(_)) | None => None,
        }
    }

    fn take_durable_name(&mut self, file: FileId) {
        let named = |inode: &Inode| match inode {
            Inode::Directory(directory) => directory.durable.values().any(|entry| *entry == file),
            Inode::File(_) => false,
        };
        let holders: Vec<FileId> =
            self.inodes.iter().filter(|(_, inode)| named(inode)).map(|(id, _)| *id).collect();
        for holder in holders {
            self.directory_mut(holder).durable.retain(|_, entry| *entry != file);
        }
    }

    /// Frees what neither image nor a change that may still become durable can reach.
    pub(crate) fn free_unreachable(&mut self) {
        let mut reached = Set::from([ROOT]);
        let mut to_visit = vec![ROOT];
        let journaled = self.journal.changes.values();
        to_visit.extend(journaled.flat_map(|change| [change.file, change.directory]));
        while let Some(id) = to_visit.pop() {
            reached.insert(id);
            if let Some(Inode::Directory(directory)) = self.inodes.get(&id).map(Arc::as_ref) {
                let entries = directory.live.values().chain(directory.durable.values());
                to_visit.extend(entries.filter(|entry| !reached.contains(entry)));
            }
        }
        let freed: Vec<FileId> =
            self.inodes.keys().copied().filter(|id| !reached.contains(id)).collect();
        for id in freed {
            self.free(id);
        }
    }

    fn free(&mut self, id: FileId) {
        if let Some(Inode::File(file)) = self.inodes.remove(&id).as_deref() {
            self.feed.touch(id, file.page_numbers());
        }
        self.feed.metadata = true;
    }
}
