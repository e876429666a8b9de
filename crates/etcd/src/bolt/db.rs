//! A database: a file of a disk, and the state that its last transaction left.
//!
//! Source of the rules: bbolt 1.3.6 `db.go`; the options are those that etcd sets.

use disk::{Disk, DiskError, FileId, Ticket};

use super::commit::Commit;
use super::free_pages::FreePages;
use super::meta::Meta;
use super::node::Node;
use super::tx::{BucketId, Tx};
use super::{File, OpenError, Problem, Stream, check, freelist};

/// How a database is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DbOptions {
    /// Bytes of a page of a new file: a power of two, 1 KiB to 64 KiB.
    pub page_bytes: u32,
    /// Whether free pages are listed in the file. etcd does not: it finds them by walking.
    pub has_freelist: bool,
    /// A file that becomes too short grows by so much more than is needed.
    pub grow_bytes: u64,
}

impl Default for DbOptions {
    /// As etcd on Linux.
    fn default() -> Self {
        Self { page_bytes: 4096, has_freelist: false, grow_bytes: 16 << 20 }
    }
}

/// Why a database cannot be opened, or not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no whole meta page.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A page is damaged. The first problem, and how many there are.
    #[error("{problem} ({count} in all)")]
    Damaged {
        /// The first one.
        problem: Problem,
        /// How many, up to [`super::PROBLEMS_MAX`].
        count: usize,
    },
}

/// An open database. Cloning it costs nothing: pages stay on the disk.
///
/// * Every page that `file` can reach was checked, or written by this database.
/// * `free` has every page below the high water mark that `file` cannot reach.
#[derive(Debug, Clone)]
pub struct Db {
    pub(super) id: FileId,
    pub(super) file: File,
    pub(super) free: FreePages,
    pub(super) options: DbOptions,
    /// Length that this process has given the file; 0 if it has not yet.
    pub(super) grown_bytes: u64,
}

impl Db {
    /// Makes a database in a file that has no bytes. It is there once the ticket is done; its name
    /// is the caller's to sync.
    pub fn create(
        disk: &mut Disk,
        id: FileId,
        options: DbOptions,
    ) -> Result<(Db, Ticket), DbError> {
        assert!(
            options.page_bytes.is_power_of_two()
                && (1 << 10..=64 << 10).contains(&options.page_bytes),
            "{} is no page size",
            options.page_bytes
        );
        disk.write(id, 0, &first_pages(options.page_bytes))?;
        let ticket = disk.sync_file(id)?;
        Ok((Db::open(disk, id, options)?, ticket))
    }

    /// Opens a database, checks every page, and finds the free ones. bbolt checks less: it opens some
    /// whose keys are out of order, or whose elements reach into others. A page size in the file goes
    /// before that of the options.
    pub fn open(disk: &Disk, id: FileId, options: DbOptions) -> Result<Db, DbError> {
        let file = File::open_mapped(disk.map(id)?)?;
        let (check, runs) = check::check_and_free(&file);
        let mut harmful = check.problems.iter().filter(|problem| !problem.fault.is_harmless());
        if let Some(problem) = harmful.next() {
            return Err(DbError::Damaged { problem: problem.clone(), count: 1 + harmful.count() });
        }
        let mut free = FreePages::default();
        for (first, pages) in runs {
            free.add(first, pages);
        }
        Ok(Db { id, file, free, options, grown_bytes: 0 })
    }

    /// The state that is read: that of the last commit whose data is written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file's identity.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Begins a transaction on the state that is read. Of several only one may be committed.
    pub fn begin(&self) -> Tx {
        Tx::new(self.file.clone(), self.free.clone())
    }

    /// Begins to write a transaction; no other may begin before the commit is done.
    pub fn commit(&mut self, tx: Tx, disk: &mut Disk) -> Result<Commit, DbError> {
        let is_next = tx.id() == self.file.meta().transaction + 1;
        assert!(is_next, "transaction {} is not the next one", tx.id());
        Commit::begin(self, tx.finish(self.options.has_freelist), disk)
    }

    /// Bytes of the pages below the high water mark: what etcd calls the size of the database.
    pub fn size_bytes(&self) -> u64 {
        self.file.size_bytes()
    }

    /// The same without the free pages.
    pub fn in_use_bytes(&self) -> u64 {
        let free = self.free.count().saturating_mul(self.file.page_bytes());
        self.size_bytes().saturating_sub(free)
    }

    /// The whole file as it is sent and saved.
    pub fn stream(&self) -> Stream {
        Stream::new(self.file.clone())
    }
}

/// Two meta pages, an empty freelist, an empty root.
fn first_pages(page_bytes: u32) -> Vec<u8> {
    let size = usize::try_from(page_bytes).expect("a page has at most 64 KiB");
    let mut bytes = vec![0; 4 * size];
    for page in 0..2 {
        let (freelist, transaction) = (Some(2), page);
        let meta = Meta { page_bytes, root: 3, sequence: 0, freelist, high_water: 4, transaction };
        let head = meta.to_bytes(page);
        let at = if page == 0 { 0 } else { size };
        bytes[at..at + head.len()].copy_from_slice(&head);
    }
    bytes[2 * size..3 * size].copy_from_slice(&freelist::write(2, &[], size, size));
    bytes[3 * size..].copy_from_slice(&Node::new(BucketId(0), true, None).to_page(3, size));
    bytes
}
