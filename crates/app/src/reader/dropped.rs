//! What was dropped: files that are read where they lie, piece by piece.
//!
//! A database need not fit memory; an archive is unpacked while it is read, so that only what it
//! holds is kept, with the limits of the crate `archive`.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use archive::{ArchiveError, Collector};
use etcd::bolt::{PIECE_BYTES, PageSource, Paged};
use etcd::datadir::DataFile;

/// One file of what was dropped.
pub struct Dropped {
    /// Its name, with the folders that were dropped with it.
    pub path: String,
    /// Where its bytes are.
    pub source: Box<dyn PageSource>,
}

impl Dropped {
    /// A file whose bytes are had from a source.
    pub fn new(path: impl Into<String>, source: impl PageSource + 'static) -> Dropped {
        Dropped { path: path.into(), source: Box::new(source) }
    }
}

/// The files of a folder, those in an archive, or the one file that it is.
pub(super) fn files(name: &str, dropped: Vec<Dropped>) -> Result<Vec<DataFile>, ArchiveError> {
    let (mut collector, mut databases) = (Collector::new(name), Vec::new());
    let is_alone = dropped.len() == 1;
    for Dropped { path, source } in dropped {
        let mut stream = Stream { source, at: 0 };
        let is_archive = is_alone && archive::is_archive(&mut stream).unwrap_or(false);
        if is_archive {
            collector.file(stream.buffered(), &path)?;
            continue;
        }
        collector.count()?;
        if is_alone || archive::is_database(&path) {
            databases.push(DataFile::paged(path, Paged::new(stream.source)));
        } else {
            collector.add(&path, stream.buffered())?;
        }
    }
    databases.extend(collector.into_files());
    Ok(databases)
}

/// A source that is read in order.
struct Stream {
    source: Box<dyn PageSource>,
    at: u64,
}

impl Stream {
    fn buffered(self) -> BufReader<Stream> {
        BufReader::with_capacity(usize::try_from(PIECE_BYTES).expect("a small number"), self)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.at);
        let bytes = usize::try_from(left).map_or(into.len(), |left| left.min(into.len()));
        self.source.read_at(self.at, &mut into[..bytes]).map_err(io::Error::other)?;
        self.at += bytes as u64;
        Ok(bytes)
    }
}

impl Seek for Stream {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::other("before the beginning of the file"))?;
        Ok(self.at)
    }
}
