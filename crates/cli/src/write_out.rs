//! New files on the host's disk: only where nothing is yet.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use etcd::bolt::PIECE_BYTES;
use etcd::datadir::DataFile;

use crate::failure::Failure;

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
