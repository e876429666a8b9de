//! The files behind a PATH: a folder, an archive of one at any depth, a single file, or an
//! archive on standard input. Everything is read with the limits of the crate `archive`, but for
//! databases that are no part of an archive: they are read where they lie, page by page. Nothing is
//! written.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use archive::{Collector, FILES_MAX};
use etcd::datadir::{DataDir, DataFile};

use crate::failure::Failure;
use crate::host_file;

/// How deep folders may nest.
const DEPTH_MAX: usize = 64;

/// Opens the data directory at `path`; `-` is an archive on standard input.
pub(crate) fn open(path: &Path) -> Result<DataDir, Failure> {
    let is_stdin = path == Path::new("-");
    let source_name = if is_stdin { "standard input".into() } else { path.display().to_string() };
    let mut sources = Sources { collector: Collector::new(&source_name), databases: Vec::new() };
    if is_stdin {
        sources.collector.stream(io::stdin().lock())?;
    } else if path.is_dir() {
        sources.folder(path, "", 0)?;
    } else {
        sources.file(path)?;
    }
    let Sources { collector, mut databases } = sources;
    databases.extend(collector.into_files());
    DataDir::from_files(databases).map_err(|error| Failure::NoDataDir { source_name, error })
}

struct Sources {
    collector: Collector,
    /// Files that are read where they lie.
    databases: Vec<DataFile>,
}

impl Sources {
    /// An archive, or the one file that it is.
    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let read = |error| Failure::Read { path: path.into(), error };
        let mut file = File::open(path).map_err(read)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if archive::is_archive(&mut file).map_err(read)? {
            self.collector.file(BufReader::new(file), &name)?;
        } else {
            self.databases.push(DataFile::paged(name, host_file::open(path)?));
        }
        Ok(())
    }

    /// All files below a folder. Links are not followed.
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) -> Result<(), Failure> {
        if depth > DEPTH_MAX {
            let limit = format!("{DEPTH_MAX} folders inside each other");
            return Err(self.collector.too_large(&limit).into());
        }
        for path in sorted_entries(folder)? {
            self.collector.count()?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = format!("{prefix}{name}");
            let read = |error| Failure::Read { path: path.clone(), error };
            let kind = fs::symlink_metadata(&path).map_err(read)?.file_type();
            if kind.is_dir() {
                self.folder(&path, &format!("{name}/"), depth + 1)?;
            } else if kind.is_file() && archive::is_database(&name) {
                self.databases.push(DataFile::paged(name, host_file::open(&path)?));
            } else if kind.is_file() {
                self.collector.add(&name, File::open(&path).map_err(read)?)?;
            }
        }
        Ok(())
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
