//! The files behind a PATH: a folder, an archive of one at any depth, a single file, or an
//! archive on standard input. Everything is read with limits, and nothing is written.
//!
//! Zeros at the end of a file are not kept: a log of 64 MB is mostly preallocated.

use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use etcd::datadir::{DataDir, DataFile};
use flate2::read::GzDecoder;

use crate::failure::Failure;

/// Bytes of all files together, holes included.
const TOTAL_BYTES_MAX: u64 = 4 << 30;
/// Bytes that are kept in memory, which holes are not.
const KEPT_BYTES_MAX: usize = 1 << 30;
/// How many files and folders are looked at.
const FILES_MAX: usize = 20_000;
/// How deep folders may nest.
const DEPTH_MAX: usize = 64;

/// Opens the data directory at `path`; `-` is an archive on standard input.
pub(crate) fn open(path: &Path) -> Result<DataDir, Failure> {
    let source_name = if path == Path::new("-") { "standard input".into() } else { show(path) };
    let mut collector = Collector::new(&source_name);
    if path == Path::new("-") {
        collector.stream(io::stdin().lock())?;
    } else if path.is_dir() {
        collector.folder(path, "", 0)?;
    } else {
        let file = File::open(path).map_err(|error| Failure::Read { path: path.into(), error })?;
        collector.file(BufReader::new(file), path)?;
    }
    DataDir::from_files(collector.files).map_err(|error| Failure::NoDataDir { source_name, error })
}

fn show(path: &Path) -> String {
    path.display().to_string()
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

/// Bytes that tell the format: a header of tar.
const HEAD_BYTES: u64 = 512;

struct Collector {
    source_name: String,
    files: Vec<DataFile>,
    seen: usize,
    total_bytes: u64,
    kept_bytes: usize,
}

impl Collector {
    fn new(source_name: &str) -> Collector {
        let source_name = source_name.to_string();
        Collector { source_name, files: Vec::new(), seen: 0, total_bytes: 0, kept_bytes: 0 }
    }

    /// A file that can be read twice.
    fn file(&mut self, mut file: impl Read + Seek, path: &Path) -> Result<(), Failure> {
        let read = |error| Failure::Read { path: path.into(), error };
        let mut head = Vec::new();
        file.by_ref().take(HEAD_BYTES).read_to_end(&mut head).map_err(read)?;
        file.rewind().map_err(read)?;
        match Format::of(&head) {
            Format::Gzip => self.gzip(file),
            Format::Zip => self.zip(file),
            Format::Tar => self.tar(file),
            Format::Other => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                self.add(&name, file)
            }
        }
    }

    /// A stream that cannot be read twice.
    fn stream(&mut self, mut stream: impl Read) -> Result<(), Failure> {
        let mut head = Vec::new();
        let read = stream.by_ref().take(HEAD_BYTES).read_to_end(&mut head);
        read.map_err(|error| self.damaged("", &error))?;
        let format = Format::of(&head);
        let mut stream = Cursor::new(head).chain(stream);
        match format {
            Format::Gzip => self.gzip(stream),
            Format::Tar => self.tar(stream),
            Format::Zip => {
                // A zip's table of contents is at its end.
                let mut bytes = Vec::new();
                let limit = KEPT_BYTES_MAX as u64;
                let read = stream.by_ref().take(limit + 1).read_to_end(&mut bytes);
                read.map_err(|error| self.damaged("", &error))?;
                if bytes.len() > KEPT_BYTES_MAX {
                    return Err(self.too_large("1 GiB of archive"));
                }
                self.zip(Cursor::new(bytes))
            }
            Format::Other => Err(self.damaged("", &"neither .tar.gz, .tar nor .zip")),
        }
    }

    /// A gzipped tar, or a single gzipped file.
    fn gzip(&mut self, source: impl Read) -> Result<(), Failure> {
        let mut stream = BufReader::new(GzDecoder::new(source));
        let mut head = Vec::new();
        let read = stream.by_ref().take(HEAD_BYTES).read_to_end(&mut head);
        read.map_err(|error| self.damaged("", &error))?;
        let is_tar = matches!(Format::of(&head), Format::Tar);
        let stream = Cursor::new(head).chain(stream);
        if is_tar { self.tar(stream) } else { self.add("file", stream) }
    }

    fn tar(&mut self, source: impl Read) -> Result<(), Failure> {
        let mut archive = tar::Archive::new(source);
        let entries = archive.entries().map_err(|error| self.damaged("", &error))?;
        for entry in entries {
            let mut entry = entry.map_err(|error| self.damaged("", &error))?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            self.count()?;
            let kind = entry.header().entry_type();
            if kind.is_file() || kind.is_gnu_sparse() {
                self.add(&path, &mut entry)?;
            }
        }
        Ok(())
    }

    fn zip(&mut self, source: impl Read + Seek) -> Result<(), Failure> {
        let mut archive = zip::ZipArchive::new(source).map_err(|error| self.damaged("", &error))?;
        for number in 0..archive.len() {
            self.count()?;
            let entry = archive.by_index(number);
            let mut entry = entry.map_err(|error| self.damaged("", &error))?;
            if entry.is_file() {
                let path = entry.name().map_err(|error| self.damaged("", &error))?.into_owned();
                self.add(&path, &mut entry)?;
            }
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), Failure> {
        if depth > DEPTH_MAX {
            return Err(self.too_large(&format!("{DEPTH_MAX} folders inside each other")));
        }
        for path in sorted_entries(folder)? {
            self.count()?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = format!("{prefix}{name}");
            let read = |error| Failure::Read { path: path.clone(), error };
            let kind = fs::symlink_metadata(&path).map_err(read)?.file_type();
            if kind.is_dir() {
                self.folder(&path, &format!("{name}/"), depth + 1)?;
            } else if kind.is_file() {
                self.add(&name, File::open(&path).map_err(read)?)?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Failure> {
        self.seen += 1;
        if self.seen > FILES_MAX {
            return Err(self.too_large(&format!("{FILES_MAX} files")));
        }
        Ok(())
    }

    /// Reads one file, without the zeros at its end.
    fn add(&mut self, path: &str, mut source: impl Read) -> Result<(), Failure> {
        let zeros = vec![0; 256 << 10];
        let (mut chunk, mut bytes, mut len) = (zeros.clone(), Vec::new(), 0_usize);
        loop {
            let read = match source.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.damaged(path, &error)),
            };
            self.total_bytes += read as u64;
            if self.total_bytes > TOTAL_BYTES_MAX {
                return Err(self.too_large("4 GiB of files"));
            }
            if chunk[..read] != zeros[..read] {
                self.check_kept(len + read)?;
                bytes.resize(len, 0);
                bytes.extend(&chunk[..read]);
            }
            len += read;
        }
        self.kept_bytes += bytes.len();
        let path = path.trim_start_matches("./").to_string();
        self.files.push(DataFile { path, bytes: bytes.into(), len: len as u64 });
        Ok(())
    }

    fn check_kept(&self, bytes: usize) -> Result<(), Failure> {
        if self.kept_bytes + bytes > KEPT_BYTES_MAX {
            return Err(self.too_large("1 GiB of data"));
        }
        Ok(())
    }

    fn damaged(&self, entry: &str, detail: &dyn std::fmt::Display) -> Failure {
        let separator = if entry.is_empty() { "" } else { ": " };
        let source_name = format!("{}{separator}{entry}", self.source_name);
        Failure::Archive { source_name, detail: detail.to_string() }
    }

    fn too_large(&self, limit: &str) -> Failure {
        Failure::TooLarge { source_name: self.source_name.clone(), limit: limit.into() }
    }
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = |error| Failure::Read { path: folder.into(), error };
    let entries = fs::read_dir(folder).map_err(read)?.take(FILES_MAX + 1);
    let paths: Result<Vec<PathBuf>, io::Error> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(read)?;
    paths.sort();
    Ok(paths)
}
