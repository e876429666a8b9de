//! Names: paths to inodes, and the changes that a process makes to them.

use std::sync::Arc;

use crate::crash::{Operation, Subject};
use crate::directory::{Change, ChangeKind, Directory};
use crate::disk::{DirEntry, EntryKind, Inode, ROOT};
use crate::file::File;
use crate::{Disk, DiskError, FileId};

impl Disk {
    /// Makes a directory; its parent must be there.
    pub fn create_dir(&mut self, path: &str) -> Result<(), DiskError> {
        self.add(path, Inode::Directory(Directory::default())).map(|_| ())
    }

    /// Makes a directory and those above it that are missing.
    pub fn create_dir_all(&mut self, path: &str) -> Result<(), DiskError> {
        let names = components(path)?;
        let mut prefix = String::new();
        for name in names {
            prefix.push('/');
            prefix.push_str(name);
            match self.resolve(&prefix) {
                Ok(found) => self.directory(found, &prefix).map(|_| ())?,
                Err(_) => self.create_dir(&prefix)?,
            }
        }
        Ok(())
    }

    /// Makes an empty file; the name must be free.
    pub fn create(&mut self, path: &str) -> Result<FileId, DiskError> {
        self.add(path, Inode::File(File::default()))
    }

    /// The file at `path`.
    pub fn open(&self, path: &str) -> Result<FileId, DiskError> {
        let found = self.resolve(path)?;
        match *self.inodes[&found] {
            Inode::File(_) => Ok(found),
            Inode::Directory(_) => Err(DiskError::IsADirectory { path: path.into() }),
        }
    }

    /// Whether a file or directory has this name.
    pub fn exists(&self, path: &str) -> bool {
        self.resolve(path).is_ok()
    }

    /// Whether a file or directory would still have this name after a power cut now.
    pub fn is_name_durable(&self, path: &str) -> bool {
        self.durable_name(path).is_some()
    }

    /// What has this name and would still have it after a power cut now.
    pub fn durable_name(&self, path: &str) -> Option<FileId> {
        self.walk(path, |directory, name| {
            let live = directory.live.get(name)?;
            (directory.durable.get(name) == Some(live)).then_some(*live)
        })
    }

    /// What a directory holds, by name.
    pub fn list(&self, path: &str) -> Result<Vec<DirEntry>, DiskError> {
        let directory = self.directory(self.resolve(path)?, path)?;
        Ok(directory.live.iter().map(|(name, file)| self.entry(name, *file)).collect())
    }

    /// Moves a file or directory, replacing a file or an empty directory of the new name.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.operate(Operation::Rename, &Subject::Path(to))?;
        let (from_directory, from_name) = self.parent(from)?;
        let (to_directory, to_name) = self.parent(to)?;
        let file = self.resolve(from)?;
        if self.is_within(to, file) {
            return Err(DiskError::InvalidPath { path: to.into() });
        }
        if let Ok(replaced) = self.resolve(to) {
            if replaced == file {
                return Ok(());
            }
            self.check_replaceable(file, replaced, to)?;
        }
        self.directory_mut(from_directory).live.remove(&from_name);
        self.directory_mut(to_directory).live.insert(to_name.clone(), file);
        let kind = ChangeKind::Place { from: Some(from_directory) };
        self.changed_names(Change { file, directory: to_directory, name: to_name, kind });
        Ok(())
    }

    /// Takes away the name of a file or of an empty directory.
    pub fn remove(&mut self, path: &str) -> Result<(), DiskError> {
        self.operate(Operation::Remove, &Subject::Path(path))?;
        let (directory, name) = self.parent(path)?;
        let file = self.resolve(path)?;
        if self.has_entries(file) {
            return Err(DiskError::NotEmpty { path: path.into() });
        }
        self.directory_mut(directory).live.remove(&name);
        self.changed_names(Change { file, directory, name, kind: ChangeKind::Remove });
        Ok(())
    }

    fn add(&mut self, path: &str, inode: Inode) -> Result<FileId, DiskError> {
        self.operate(Operation::Create, &Subject::Path(path))?;
        self.check_room()?;
        let (directory, name) = self.parent(path)?;
        if self.resolve(path).is_ok() {
            return Err(DiskError::Exists { path: path.into() });
        }
        let file = FileId(self.next_file);
        self.next_file = self.next_file.checked_add(1).ok_or(DiskError::NoSpace)?;
        self.inodes.insert(file, Arc::new(inode));
        self.directory_mut(directory).live.insert(name.clone(), file);
        self.changed_names(Change {
            file,
            directory,
            name,
            kind: ChangeKind::Place { from: None },
        });
        Ok(file)
    }

    fn changed_names(&mut self, change: Change) {
        self.journal.push(change);
        self.feed.metadata = true;
    }

    fn entry(&self, name: &str, file: FileId) -> DirEntry {
        let kind = match *self.inodes[&file] {
            Inode::File(_) => EntryKind::File,
            Inode::Directory(_) => EntryKind::Directory,
        };
        DirEntry { name: name.into(), kind, file, len: self.len(file) }
    }

    pub(crate) fn directory(&self, file: FileId, path: &str) -> Result<&Directory, DiskError> {
        match self.inodes[&file].as_ref() {
            Inode::Directory(directory) => Ok(directory),
            Inode::File(_) => Err(DiskError::NotADirectory { path: path.into() }),
        }
    }

    pub(crate) fn directory_mut(&mut self, file: FileId) -> &mut Directory {
        match self.inodes.get_mut(&file).map(Arc::make_mut) {
            Some(Inode::Directory(directory)) => directory,
            Some(Inode::File(_)) | None => panic!("inode {} is no directory", file.0),
        }
    }

    fn has_entries(&self, file: FileId) -> bool {
        match self.inodes[&file].as_ref() {
            Inode::Directory(directory) => !directory.live.is_empty(),
            Inode::File(_) => false,
        }
    }

    fn check_replaceable(&self, file: FileId, old: FileId, path: &str) -> Result<(), DiskError> {
        match (self.inodes[&file].as_ref(), self.inodes[&old].as_ref()) {
            (Inode::File(_), Inode::Directory(_)) => {
                Err(DiskError::IsADirectory { path: path.into() })
            }
            (Inode::Directory(_), Inode::File(_)) => {
                Err(DiskError::NotADirectory { path: path.into() })
            }
            (Inode::Directory(_), Inode::Directory(_)) if self.has_entries(old) => {
                Err(DiskError::NotEmpty { path: path.into() })
            }
            (Inode::File(_), Inode::File(_)) | (Inode::Directory(_), Inode::Directory(_)) => Ok(()),
        }
    }

    /// Whether `path` leads through (not to) the inode.
    fn is_within(&self, path: &str, inode: FileId) -> bool {
        let parents = path.char_indices().filter(|(at, c)| *c == '/' && *at > 0);
        parents.into_iter().any(|(at, _)| self.resolve(&path[..at]) == Ok(inode))
    }

    pub(crate) fn resolve(&self, path: &str) -> Result<FileId, DiskError> {
        let found = self.walk(path, |directory, name| directory.live.get(name).copied());
        found.map_or_else(|| self.resolve_in_words(path), Ok)
    }

    /// Follows a path from name to name; `None` where one of them leads nowhere.
    fn walk<'p>(
        &self,
        path: &'p str,
        next: impl Fn(&Directory, &'p str) -> Option<FileId>,
    ) -> Option<FileId> {
        let rest = path.strip_prefix('/')?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let mut names = rest.split('/').filter(|_| !rest.is_empty());
        // No entry is called "", "." or "..": a path with those ends here too.
        names.try_fold(ROOT, |at, name| match self.inodes[&at].as_ref() {
            Inode::Directory(directory) => next(directory, name),
            Inode::File(_) => None,
        })
    }

    /// The same step by step, for the words when it does not succeed.
    fn resolve_in_words(&self, path: &str) -> Result<FileId, DiskError> {
        let mut at = ROOT;
        for name in components(path)? {
            let directory = self.directory(at, path)?;
            let found = directory.live.get(name);
            at = *found.ok_or_else(|| DiskError::NotFound { path: path.into() })?;
        }
        Ok(at)
    }

    fn parent(&self, path: &str) -> Result<(FileId, String), DiskError> {
        let name = components(path)?.next_back();
        let name = name.ok_or_else(|| DiskError::InvalidPath { path: path.into() })?;
        let end = path.trim_end_matches('/').len() - name.len();
        let parent = self.resolve(&path[..end])?;
        self.directory(parent, path)?;
        Ok((parent, name.into()))
    }
}

/// The names of an absolute path; `/` has none. No `.` and no `..`.
fn components(path: &str) -> Result<impl DoubleEndedIterator<Item = &str>, DiskError> {
    let invalid = || DiskError::InvalidPath { path: path.into() };
    let rest = path.strip_prefix('/').ok_or_else(invalid)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let is_plain = |name: &str| !matches!(name, "" | "." | "..");
    let is_valid = rest.is_empty() || rest.split('/').all(is_plain);
    let names = rest.split('/').filter(|name| !name.is_empty());
    if is_valid { Ok(names) } else { Err(invalid()) }
}
