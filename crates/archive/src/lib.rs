//! The files in an archive of a data directory: `.tar.gz`, `.tar`, `.zip`, or a single file.
//!
//! Whoever sends an archive is not trusted. Entries, bytes and kept bytes are counted while
//! reading, never taken from what the archive says of itself; links, absolute paths and paths that
//! lead out are errors. Runs of zeros are holes, which are counted and not kept: a log of 64 MB is
//! mostly preallocated, and real directories compress a thousandfold. Only a log segment or a `.snap`
//! file, which are read whole, gets the zeros in front of its data back.
//!
//! Nothing here knows a file system: the command line adds folders by [`Collector::add`], the page
//! hands over the bytes that were dropped on it ([`read`]).

mod error;
mod sparse;

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read, Seek};

use etcd::datadir::DataFile;
use flate2::read::GzDecoder;

pub use error::ArchiveError;
use sparse::Sparse;

/// Bytes of all files together, holes included.
pub const TOTAL_BYTES_MAX: u64 = 4 << 30;
/// Bytes that are kept in memory, which holes are not.
pub const KEPT_BYTES_MAX: usize = 1 << 30;
/// How many files and folders are looked at.
pub const FILES_MAX: usize = 20_000;

/// What an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together, holes included.
    pub total_bytes: u64,
    /// Bytes that are kept in memory, which holes are not.
    pub kept_bytes: usize,
    /// Files and folders.
    pub files: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        let (total_bytes, kept_bytes) = (TOTAL_BYTES_MAX, KEPT_BYTES_MAX);
        Limits { total_bytes, kept_bytes, files: FILES_MAX }
    }
}

/// Bytes that tell the format: a header of tar.
const HEAD_BYTES: u64 = 512;
/// Bytes of a tar in front of a file's own: its headers, which are read whole, a long name among them.
const HEADERS_BYTES_MAX: u64 = 1 << 20;
/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// The files in the bytes of an archive, or the one file that they are.
pub fn read(name: &str, bytes: &[u8]) -> Result<Vec<DataFile>, ArchiveError> {
    let mut collector = Collector::new(name);
    collector.file(Cursor::new(bytes), name)?;
    Ok(collector.into_files())
}

/// Whether a file begins as an archive does; it is left at its beginning.
pub fn is_archive(file: &mut (impl Read + Seek)) -> io::Result<bool> {
    let mut head = Vec::new();
    file.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(!matches!(Format::of(&head), Format::Other))
}

/// Whether a file of a data directory is a database by its name, received ones too: those are read
/// where they lie.
pub fn is_database(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "db" || name.ends_with(".snap.db")
}

/// Whether a file of a data directory is read whole, by its name.
fn is_read_whole(path: &str) -> bool {
    let extension = path.rsplit('.').next();
    matches!(extension, Some("wal" | "snap"))
}

/// A source of which only so many bytes may be read.
struct Metered<'a, R> {
    source: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        let left = self.left.get().checked_sub(read as u64);
        let left = left.ok_or_else(|| io::Error::other("headers of more than 1 MiB"))?;
        self.left.set(left);
        Ok(read)
    }
}

/// What the first bytes of a file say.
enum Format {
    Gzip,
    Zip,
    Tar,
    Other,
}

impl Format {
    fn of(head: &[u8]) -> Format {
        match head {
            [0x1f, 0x8b, ..] => Format::Gzip,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Format::Zip,
            head if head.get(257..262) == Some(b"ustar") => Format::Tar,
            _ => Format::Other,
        }
    }
}

/// Collects files within the limits.
#[derive(Debug)]
pub struct Collector {
    source_name: String,
    limits: Limits,
    files: Vec<DataFile>,
    seen: usize,
    total_bytes: u64,
    kept_bytes: usize,
}

impl Collector {
    /// Collects what comes from a source of this name.
    pub fn new(source_name: &str) -> Collector {
        Collector::within(source_name, Limits::default())
    }

    /// The same within other limits.
    pub fn within(source_name: &str, limits: Limits) -> Collector {
        let (source_name, files) = (source_name.to_string(), Vec::new());
        Collector { source_name, limits, files, seen: 0, total_bytes: 0, kept_bytes: 0 }
    }

    /// What was collected.
    pub fn into_files(self) -> Vec<DataFile> {
        self.files
    }

    /// A file that can be read twice: an archive, or itself under its name.
    pub fn file(&mut self, mut file: impl Read + Seek, name: &str) -> Result<(), ArchiveError> {
        let head = self.head(&mut file)?;
        file.rewind().map_err(|error| self.damaged("", &error))?;
        match Format::of(&head) {
            Format::Gzip => self.gzip(file),
            Format::Zip => self.zip(file),
            Format::Tar => self.tar(file),
            Format::Other => self.add(name, file),
        }
    }

    /// An archive as a stream that cannot be read twice.
    pub fn stream(&mut self, mut stream: impl Read) -> Result<(), ArchiveError> {
        let head = self.head(&mut stream)?;
        let format = Format::of(&head);
        let mut stream = Cursor::new(head).chain(stream);
        match format {
            Format::Gzip => self.gzip(stream),
            Format::Tar => self.tar(stream),
            Format::Zip => {
                // A zip's table of contents is at its end.
                let mut bytes = Vec::new();
                let limit = self.limits.kept_bytes;
                let read = stream.by_ref().take(limit as u64 + 1).read_to_end(&mut bytes);
                read.map_err(|error| self.damaged("", &error))?;
                if bytes.len() > limit {
                    return Err(self.too_large(&format!("{limit} bytes of archive")));
                }
                self.zip(Cursor::new(bytes))
            }
            Format::Other => Err(self.damaged("", &"neither .tar.gz, .tar nor .zip")),
        }
    }

    /// Counts a file or folder against the limit.
    pub fn count(&mut self) -> Result<(), ArchiveError> {
        self.seen += 1;
        if self.seen > self.limits.files {
            return Err(self.too_large(&format!("{} files", self.limits.files)));
        }
        Ok(())
    }

    /// Reads one file. The path is relative.
    pub fn add(&mut self, path: &str, mut source: impl Read) -> Result<(), ArchiveError> {
        let path = path.trim_start_matches("./");
        let is_read_whole = is_read_whole(path);
        let (mut chunk, mut file) = (vec![0; CHUNK_BYTES], Sparse::default());
        loop {
            let read = self.fill(path, &mut source, &mut chunk)?;
            self.total_bytes += read as u64;
            if self.total_bytes > self.limits.total_bytes {
                return Err(self.too_large(&format!("{} bytes of files", self.limits.total_bytes)));
            }
            let limit = self.limits.kept_bytes;
            if !file.push(&chunk[..read], is_read_whole, limit - self.kept_bytes) {
                return Err(self.too_large(&format!("{limit} bytes of data")));
            }
            if read < chunk.len() {
                break;
            }
        }
        self.kept_bytes += file.kept_bytes();
        self.files.push(file.into_file(path));
        Ok(())
    }

    /// Fills a chunk, or as much of it as there is left.
    fn fill(
        &self,
        path: &str,
        source: &mut impl Read,
        chunk: &mut [u8],
    ) -> Result<usize, ArchiveError> {
        let mut filled = 0;
        while filled < chunk.len() {
            match source.read(&mut chunk[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.damaged(path, &error)),
            }
        }
        Ok(filled)
    }

    /// Says that the source holds more than is sensible.
    pub fn too_large(&self, limit: &str) -> ArchiveError {
        ArchiveError::TooLarge { source_name: self.source_name.clone(), limit: limit.into() }
    }

    fn head(&self, source: &mut impl Read) -> Result<Vec<u8>, ArchiveError> {
        let mut head = Vec::new();
        let read = source.by_ref().take(HEAD_BYTES).read_to_end(&mut head);
        read.map_err(|error| self.damaged("", &error))?;
        Ok(head)
    }

    /// A gzipped tar, or a single gzipped file.
    fn gzip(&mut self, source: impl Read) -> Result<(), ArchiveError> {
        let mut stream = BufReader::new(GzDecoder::new(source));
        let head = self.head(&mut stream)?;
        let is_tar = matches!(Format::of(&head), Format::Tar);
        let stream = Cursor::new(head).chain(stream);
        if is_tar { self.tar(stream) } else { self.add("file", stream) }
    }

    fn tar(&mut self, source: impl Read) -> Result<(), ArchiveError> {
        let left = Cell::new(HEADERS_BYTES_MAX);
        let mut archive = tar::Archive::new(Metered { source, left: &left });
        let mut entries = archive.entries().map_err(|error| self.damaged("", &error))?;
        loop {
            left.set(HEADERS_BYTES_MAX);
            let Some(entry) = entries.next() else { return Ok(()) };
            let mut entry = entry.map_err(|error| self.damaged("", &error))?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            self.count()?;
            self.check_path(&path)?;
            let kind = entry.header().entry_type();
            if kind.is_symlink() || kind.is_hard_link() {
                return Err(self.damaged(&path, &LINK));
            }
            if kind.is_file() || kind.is_gnu_sparse() {
                // What comes out is counted instead.
                left.set(u64::MAX);
                self.add(&path, &mut entry)?;
            }
        }
    }

    fn zip(&mut self, source: impl Read + Seek) -> Result<(), ArchiveError> {
        let mut archive = zip::ZipArchive::new(source).map_err(|error| self.damaged("", &error))?;
        for number in 0..archive.len() {
            self.count()?;
            let entry = archive.by_index(number);
            let mut entry = entry.map_err(|error| self.damaged("", &error))?;
            let path = entry.name().map_err(|error| self.damaged("", &error))?.into_owned();
            self.check_path(&path)?;
            if entry.is_symlink() {
                return Err(self.damaged(&path, &LINK));
            }
            if entry.is_file() {
                self.add(&path, &mut entry)?;
            }
        }
        Ok(())
    }

    /// Paths stay below where they are unpacked.
    fn check_path(&self, path: &str) -> Result<(), ArchiveError> {
        let leads_out = path.starts_with(['/', '\\'])
            || path.split(['/', '\\']).any(|part| part == "..")
            || path.as_bytes().get(1) == Some(&b':');
        if leads_out {
            return Err(self.damaged(path, &"an absolute path, or one that leads out"));
        }
        Ok(())
    }

    fn damaged(&self, entry: &str, detail: &dyn std::fmt::Display) -> ArchiveError {
        let separator = if entry.is_empty() { "" } else { ": " };
        let source_name = format!("{}{separator}{entry}", self.source_name);
        ArchiveError::Damaged { source_name, detail: detail.to_string() }
    }
}

const LINK: &str = "a link, which is not followed";

#[cfg(test)]
mod tests;
