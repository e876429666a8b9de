//! New files on the host's disk: only where nothing is yet.
//!
//! A database is made in a [`Scratch`] file beside the place where it will be, and copied there when
//! all of it is known to be right.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use etcd::bolt::{PIECE_BYTES, PageSource, PageStore};
use etcd::datadir::DataFile;

use crate::failure::Failure;
use crate::host_file::HostFile;

/// Refuses a place inside the source, to which nothing is ever written.
pub(crate) fn check_outside(source: &Path, out: &Path) -> Result<(), Failure> {
    let fails = |error| Failure::Write { path: out.to_path_buf(), error };
    // A source that is not there is a matter of whoever reads it.
    let Ok(source) = source.canonicalize() else { return Ok(()) };
    let mut folders = out.ancestors().filter(|folder| folder.exists());
    let folder = folders.next().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).canonicalize().map_err(fails)?;
    if folder.starts_with(&source) {
        return Err(fails(std::io::Error::other("it lies in what is read")));
    }
    Ok(())
}

/// Writes files below a new or empty folder, whose modes are those that etcd gives.
pub(crate) fn directory(out: &Path, files: &[DataFile]) -> Result<(), Failure> {
    let fails = |path: &Path| {
        let path = path.to_path_buf();
        move |error| Failure::Write { path, error }
    };
    if out.exists() {
        let mut entries = fs::read_dir(out).map_err(fails(out))?;
        if entries.next().is_some() {
            let message = "it is there already and not empty";
            return Err(fails(out)(std::io::Error::other(message)));
        }
    }
    for file in files {
        let path = out.join(&file.path);
        let parent = path.parent().unwrap_or(out).to_path_buf();
        folder(&parent).map_err(fails(&parent))?;
        one(&path, file).map_err(fails(&path))?;
    }
    Ok(())
}

/// Writes one file: at a path where there is none, or below a folder by its own name.
pub(crate) fn file(out: &Path, file: &DataFile) -> Result<PathBuf, Failure> {
    let path = if out.is_dir() { out.join(&file.path) } else { out.to_path_buf() };
    one(&path, file).map_err(|error| Failure::Write { path: path.clone(), error })?;
    Ok(path)
}

/// A file without a name for long: gone with the process, however that ends.
pub(crate) struct Scratch {
    file: HostFile,
    /// Where files that are open cannot do without one.
    path: Option<PathBuf>,
}

impl Scratch {
    /// Makes one on the disk that `out` will be on.
    pub(crate) fn beside(out: &Path) -> Result<Scratch, Failure> {
        let is_folder = |path: &&Path| path.is_dir();
        let folder = out.ancestors().skip(1).find(is_folder).unwrap_or(Path::new("."));
        let path = folder.join(format!(".quorarium-{}.part", std::process::id()));
        let fails = |error| Failure::Write { path: path.clone(), error };
        let options = OpenOptions::new().read(true).write(true).create_new(true).clone();
        let file = HostFile::empty(options.open(&path).map_err(fails)?);
        if cfg!(unix) {
            fs::remove_file(&path).map_err(fails)?;
            return Ok(Scratch { file, path: None });
        }
        Ok(Scratch { file, path: Some(path) })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody is left to be told when it stays.
        self.path.take().map(fs::remove_file);
    }
}

impl PageSource for Scratch {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn read_at(&mut self, offset: u64, into: &mut [u8]) -> Result<(), String> {
        self.file.read_at(offset, into)
    }
}

impl PageStore for Scratch {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        self.file.write_at(offset, bytes)
    }
}

fn one(path: &Path, file: &DataFile) -> std::io::Result<()> {
    let mut target = create(path)?;
    match file.kept() {
        Some(bytes) => target.write_all(bytes)?,
        None => copy(file, &mut target)?,
    }
    // What lies behind the bytes is a hole.
    target.set_len(file.len())?;
    target.sync_all()
}

fn copy(file: &DataFile, target: &mut File) -> std::io::Result<()> {
    let mut at = 0;
    while at < file.len() {
        let piece = file.range(at, PIECE_BYTES.min(file.len() - at));
        let piece = piece.map_err(std::io::Error::other)?;
        target.write_all(&piece)?;
        at += piece.len() as u64;
    }
    Ok(())
}

#[cfg(unix)]
fn folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(unix)]
fn create(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
