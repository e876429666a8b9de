//! The files behind a PATH: a folder, an archive of one at any depth, a single file, or an
//! archive on standard input. Everything is read with the limits of the crate `archive`, and
//! nothing is written.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use archive::{Collector, FILES_MAX};
use etcd::datadir::DataDir;

use crate::failure::Failure;

/// How deep folders may nest.
const DEPTH_MAX: usize = 64;

/// Opens the data directory at `path`; `-` is an archive on standard input.
pub(crate) fn open(path: &Path) -> Result<DataDir, Failure> {
    let is_stdin = path == Path::new("-");
    let source_name = if is_stdin { "standard input".into() } else { path.display().to_string() };
    let mut collector = Collector::new(&source_name);
    if is_stdin {
        collector.stream(io::stdin().lock())?;
    } else if path.is_dir() {
        folder(&mut collector, path, "", 0)?;
    } else {
        let file = File::open(path).map_err(|error| Failure::Read { path: path.into(), error })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        collector.file(BufReader::new(file), &name)?;
    }
    DataDir::from_files(collector.into_files())
        .map_err(|error| Failure::NoDataDir { source_name, error })
}

/// All files below a folder. Links are not followed.
fn folder(
    collector: &mut Collector,
    folder_path: &Path,
    prefix: &str,
    depth: usize,
) -> Result<(), Failure> {
    if depth > DEPTH_MAX {
        return Err(collector.too_large(&format!("{DEPTH_MAX} folders inside each other")).into());
    }
    for path in sorted_entries(folder_path)? {
        collector.count()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = format!("{prefix}{name}");
        let read = |error| Failure::Read { path: path.clone(), error };
        let kind = fs::symlink_metadata(&path).map_err(read)?.file_type();
        if kind.is_dir() {
            folder(collector, &path, &format!("{name}/"), depth + 1)?;
        } else if kind.is_file() {
            collector.add(&name, File::open(&path).map_err(read)?)?;
        }
    }
    Ok(())
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
