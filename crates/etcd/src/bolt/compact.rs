//! Copying a database into a new file, without what is free: etcd's defragmentation.
//!
//! Bucket by bucket in order of their names, key by key, with pages filled to 90 %, in
//! transactions of at most [`ITEMS_PER_TX`] items. The copy is built under a temporary name, and
//! takes the place of the original when all of it is durable: a power cut leaves the one or the
//! other. Buckets inside buckets and counters are copied too, which etcd has no use for.
//!
//! One step more than etcd: the copy counts only once the directory is synced, since what is
//! written to it later would else be lost with its name. Source: etcd release-3.4,
//! `mvcc/backend/backend.go` (`defrag`, `defragdb`).

use bytes::Bytes;
use disk::{Disk, DiskError, Ticket};

use super::commit::{Commit, Progress};
use super::db::{Db, DbError};
use super::tx::{BucketId, Tx, sound};
use super::{Bucket, Cursor, File, Item};

/// Items of one transaction.
pub const ITEMS_PER_TX: usize = 10_000;
/// How full pages are made, in percent.
const FILL_PERCENT: u32 = 90;

/// A copy that waits for the disk. The original must not change meanwhile.
#[derive(Debug, Clone)]
pub struct Compact {
    source: File,
    copy: Db,
    path: String,
    temporary: String,
    /// Names of the buckets around the place, and the last key that was copied there.
    place: Vec<(Bytes, Option<Bytes>)>,
    /// The last bucket that was copied or begun in the root.
    root_after: Option<Bytes>,
    phase: Phase,
}

#[derive(Debug, Clone)]
enum Phase {
    Create(Ticket),
    Commit { commit: Commit, is_last: bool },
    Rename(Ticket),
}

/// What a completed sync meant to a copy.
#[derive(Debug, Clone)]
pub enum CompactProgress {
    /// It goes on.
    Waiting(Box<Compact>),
    /// The copy has taken the place of the original.
    Done(Db),
}

impl Compact {
    /// Begins to copy the database at `path` by way of a file named `temporary`, which must not be
    /// there, in the same directory.
    pub fn begin(
        db: &Db,
        disk: &mut Disk,
        path: &str,
        temporary: &str,
    ) -> Result<Compact, DbError> {
        let id = disk.create(temporary)?;
        let mut options = db.options;
        options.page_bytes = db.file.meta().page_bytes;
        let (copy, ticket) = Db::create(disk, id, options)?;
        Ok(Compact {
            source: db.file.clone(),
            copy,
            path: path.into(),
            temporary: temporary.into(),
            place: Vec::new(),
            root_after: None,
            phase: Phase::Create(ticket),
        })
    }

    /// The sync that it waits for.
    pub fn ticket(&self) -> Ticket {
        match &self.phase {
            Phase::Create(ticket) | Phase::Rename(ticket) => *ticket,
            Phase::Commit { commit, .. } => commit.ticket(),
        }
    }

    /// The name of the copy until it takes the place of the original.
    pub fn temporary(&self) -> &str {
        &self.temporary
    }

    /// Whether the copy is durable and has the name of the original.
    pub fn is_whole(&self) -> bool {
        matches!(self.phase, Phase::Rename(_))
    }

    /// Takes a completed sync; others than its own change nothing.
    pub fn on_synced(
        mut self,
        ticket: Ticket,
        disk: &mut Disk,
    ) -> Result<CompactProgress, DbError> {
        if ticket != self.ticket() {
            return Ok(CompactProgress::Waiting(Box::new(self)));
        }
        self.phase = match self.phase.clone() {
            Phase::Create(_) => self.copy_some(disk)?,
            Phase::Commit { commit, is_last } => {
                match commit.on_synced(ticket, &mut self.copy, disk)? {
                    Progress::Waiting(commit) => Phase::Commit { commit, is_last },
                    Progress::Done if is_last => self.rename(disk)?,
                    Progress::Done => self.copy_some(disk)?,
                }
            }
            Phase::Rename(_) => {
                let options = self.copy.options;
                let db = Db::open(disk, self.copy.id, options)?;
                return Ok(CompactProgress::Done(db));
            }
        };
        Ok(CompactProgress::Waiting(Box::new(self)))
    }

    fn rename(&self, disk: &mut Disk) -> Result<Phase, DbError> {
        disk.rename(&self.temporary, &self.path)?;
        Ok(Phase::Rename(disk.sync_dir(directory_of(&self.path))?))
    }

    /// Copies what one transaction holds.
    fn copy_some(&mut self, disk: &mut Disk) -> Result<Phase, DbError> {
        let source = self.source.clone();
        let mut tx = self.copy.begin();
        let mut left = ITEMS_PER_TX;
        let is_last = self.copy_items(&source, &mut tx, &mut left);
        let commit = self.copy.commit(tx, disk)?;
        Ok(Phase::Commit { commit, is_last })
    }

    /// Copies up to `left` items; `true` if there are no more.
    fn copy_items(&mut self, source: &File, tx: &mut Tx, left: &mut usize) -> bool {
        loop {
            let (bucket, after) = self.here(source);
            let target = self.target(tx, &bucket);
            let mut cursor = bucket.cursor();
            let mut item = go_after(&mut cursor, after.as_deref());
            loop {
                let Some(Item { key, value, is_bucket, .. }) = item else {
                    if self.place.pop().is_none() {
                        return true;
                    }
                    break;
                };
                if *left == 0 {
                    return false;
                }
                *left -= 1;
                self.set_after(key.clone());
                if is_bucket {
                    self.place.push((key, None));
                    break;
                }
                tx.put_bytes(target, &key, value).expect("what a database holds can be put");
                item = sound(cursor.next());
            }
        }
    }

    fn set_after(&mut self, key: Bytes) {
        match self.place.last_mut() {
            Some((_, after)) => *after = Some(key),
            None => self.root_after = Some(key),
        }
    }

    /// The bucket at the place, and the last key that was copied of it.
    fn here<'a>(&self, source: &'a File) -> (Bucket<'a>, Option<Bytes>) {
        let mut bucket = source.root();
        for (name, _) in &self.place {
            bucket = sound(bucket.bucket(name)).expect("the source does not change");
        }
        let after = self.place.last().map_or(&self.root_after, |(_, after)| after);
        (bucket, after.clone())
    }

    /// The bucket at the place, in the copy.
    fn target(&self, tx: &mut Tx, source: &Bucket<'_>) -> BucketId {
        let mut bucket = tx.root();
        for (name, _) in &self.place {
            let made = tx.create_bucket_if_missing(bucket, name);
            bucket = made.expect("a name of the source is a name");
        }
        if tx.sequence(bucket) != source.sequence() {
            tx.set_sequence(bucket, source.sequence());
        }
        tx.set_fill_percent(bucket, FILL_PERCENT);
        bucket
    }
}

/// The directory that an absolute path names something in.
pub(crate) fn directory_of(path: &str) -> &str {
    path.rsplit_once('/')
        .map(|(directory, _)| directory)
        .filter(|name| !name.is_empty())
        .unwrap_or("/")
}

fn go_after(cursor: &mut Cursor<'_>, after: Option<&[u8]>) -> Option<Item> {
    let Some(after) = after else { return sound(cursor.first()) };
    match sound(cursor.seek(after)) {
        Some(found) if found.key[..] == *after => sound(cursor.next()),
        found => found,
    }
}

/// Removes what defragmentations that did not finish have left in a directory; gives the names.
pub fn remove_leftovers(disk: &mut Disk, directory: &str) -> Result<Vec<String>, DiskError> {
    let mut removed = Vec::new();
    let prefix = directory.trim_end_matches('/');
    for entry in disk.list(directory)? {
        if entry.name.starts_with("db.tmp") {
            disk.remove(&format!("{prefix}/{}", entry.name))?;
            removed.push(entry.name);
        }
    }
    Ok(removed)
}
