//! A file of the host, read where it lies: databases need not fit memory.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use etcd::bolt::{PageSource, PageStore, Paged};

use crate::failure::Failure;

/// Opens a file to be read piece by piece.
pub(crate) fn open(path: &Path) -> Result<Paged, Failure> {
    let read = |error| Failure::Read { path: path.into(), error };
    let file = File::open(path).map_err(read)?;
    let len = file.metadata().map_err(read)?.len();
    Ok(Paged::new(HostFile { file, len }))
}

/// A file by positions.
pub(crate) struct HostFile {
    file: File,
    /// When it was opened, and what was written since.
    len: u64,
}

impl HostFile {
    /// A file that has no bytes yet.
    pub(crate) fn empty(file: File) -> HostFile {
        HostFile { file, len: 0 }
    }
}

impl PageStore for HostFile {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let written = self.file.seek(SeekFrom::Start(offset));
        written.and_then(|_| self.file.write_all(bytes)).map_err(|error| error.to_string())?;
        self.len = self.len.max(offset + bytes.len() as u64);
        Ok(())
    }
}

impl PageSource for HostFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        let read = self.file.seek(SeekFrom::Start(offset)).and_then(|_| self.file.read_exact(into));
        read.map_err(|error| error.to_string())
    }
}
