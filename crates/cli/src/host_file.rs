//! A file of the host, read where it lies: databases need not fit memory.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use etcd::bolt::{PageSource, Paged};

use crate::failure::Failure;

/// Opens a file to be read piece by piece.
pub(crate) fn open(path: &Path) -> Result<Paged, Failure> {
    let read = |error| Failure::Read { path: path.into(), error };
    let file = File::open(path).map_err(read)?;
    let len = file.metadata().map_err(read)?.len();
    Ok(Paged::new(HostFile { file, len }))
}

struct HostFile {
    file: File,
    /// When it was opened.
    len: u64,
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
