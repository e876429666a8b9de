//! What a visitor downloads, and how much it may be.
//!
//! A program's weight is its WebAssembly, compressed as a web server does. The scripts, styles and
//! the document beside it are small, and their sum is printed.

use crate::Failure;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::path::Path;

/// A thousand bytes.
const KB: u64 = 1_000;

/// The programs of the site with their bounds, in KB; docs/performance.md says why.
const PROGRAMS: [(&str, u64); 3] = [("page", 250), ("worker", 602), ("reader", 352)];

/// Prints what the built site in `folder` weighs; fails when a program is above its bound.
pub(crate) fn check(folder: &str) -> Result<(), Failure> {
    let files = weigh(Path::new(folder))?;
    let mut over = Vec::new();
    for (program, bound) in PROGRAMS {
        let found = files.iter().find(|(name, _)| is_program(name) && name.starts_with(program));
        let Some((name, bytes)) = found else {
            return Err(format!("there is no {program} in {folder}").into());
        };
        println!("{program}: {} KB compressed, at most {bound}", bytes.div_ceil(KB));
        if *bytes > bound * KB {
            over.push(format!("{program} is above {bound} KB: {bytes} bytes of {name}"));
        }
    }
    let rest: u64 =
        files.iter().filter(|(name, _)| !is_program(name)).map(|(_, bytes)| bytes).sum();
    println!("scripts, styles and document: {} KB compressed", rest.div_ceil(KB));
    if over.is_empty() { Ok(()) } else { Err(over.join("\n").into()) }
}

/// The files of a built site with their compressed sizes.
fn weigh(folder: &Path) -> Result<Vec<(String, u64)>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if let Some(name) = name.filter(|_| path.is_file()) {
            files.push((name, compressed(&std::fs::read(&path)?)?));
        }
    }
    Ok(files)
}

fn compressed(bytes: &[u8]) -> Result<u64, Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len() as u64)
}

fn is_program(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "wasm")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(claim: &str, files: &[(&str, usize)]) -> Result<(), String> {
        let folder = std::env::temp_dir().join(format!("weight-{}-{claim}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, len) in files {
            std::fs::write(folder.join(name), noise(*len)).unwrap();
        }
        let verdict = check(folder.to_str().unwrap()).map_err(|failure| failure.to_string());
        std::fs::remove_dir_all(folder).unwrap();
        verdict
    }

    /// Bytes that do not compress.
    fn noise(len: usize) -> Vec<u8> {
        let mut state: u32 = 1;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn a_site_within_its_bounds_passes() {
        let files =
            [("page-1_bg.wasm", 9_000), ("worker_bg.wasm", 9_000), ("reader_bg.wasm", 9_000)];
        assert_eq!(verdict("light", &files), Ok(()));
    }

    #[test]
    fn a_program_above_its_bound_fails_with_its_size() {
        let files =
            [("page-1_bg.wasm", 260_000), ("worker_bg.wasm", 9_000), ("reader_bg.wasm", 9_000)];
        let failure = verdict("heavy", &files).unwrap_err();
        assert!(failure.contains("page is above 250 KB: 26"), "{failure}");
    }

    #[test]
    fn a_program_that_is_not_there_does_not_weigh_nothing() {
        let files = [("page-1_bg.wasm", 9_000), ("worker_bg.wasm", 9_000), ("reader.js", 9)];
        assert!(verdict("missing", &files).unwrap_err().contains("no reader"));
    }
}
