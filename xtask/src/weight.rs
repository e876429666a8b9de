//! What a visitor downloads, and how much it may be.
//!
//! A program's weight is its WebAssembly and its script, each compressed as a web server does.
//! The page's bound also covers styles and the document: it is what lies before the first screen that
//! lives.

use crate::Failure;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;
use std::path::Path;

/// A thousand bytes.
const KB: u64 = 1_000;

/// The programs of the site with their bounds, in KB; docs/performance.md says why.
const PROGRAMS: [(&str, u64); 3] = [("page", 250), ("worker", 500), ("reader", 350)];

/// Prints what the built site in `folder` weighs; fails when a program is above its bound.
pub(crate) fn check(folder: &str) -> Result<(), Failure> {
    let files = weigh(Path::new(folder))?;
    let mut over = Vec::new();
    for (program, bound) in PROGRAMS {
        let parts: Vec<&(String, u64)> =
            files.iter().filter(|(name, _)| program_of(name) == Some(program)).collect();
        if !parts.iter().any(|(name, _)| is_wasm(name)) {
            return Err(format!("there is no {program} in {folder}").into());
        }
        let bytes: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
        println!("{program}: {} KB compressed, at most {bound}", bytes.div_ceil(KB));
        if bytes > bound * KB {
            let parts = parts.iter().map(|(name, bytes)| format!("\n    {bytes:>8} {name}"));
            over.push(format!("{program} is above {bound} KB:{}", parts.collect::<String>()));
        }
    }
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

/// The program that a file belongs to. Documents, styles and start scripts are the page's.
fn program_of(name: &str) -> Option<&'static str> {
    let starts = |(program, _): &(&'static str, u64)| name.starts_with(program);
    match PROGRAMS.iter().find(|program| starts(program)) {
        Some((program, _)) => Some(program),
        None if [".html", ".css", ".js"].iter().any(|end| name.ends_with(end)) => Some("page"),
        None => None,
    }
}

fn is_wasm(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "wasm")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(files: &[(&str, usize)]) -> std::path::PathBuf {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("weight-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, len) in files {
            // Bytes that do not compress.
            let mut state: u32 = 1;
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .take(*len)
            .collect();
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        folder
    }

    const SMALL: [(&str, usize); 3] =
        [("page-1_bg.wasm", 10_000), ("worker_bg.wasm", 10_000), ("reader_bg.wasm", 10_000)];

    #[test]
    fn a_site_within_its_bounds_passes() {
        let folder = site(&SMALL);
        assert!(check(folder.to_str().unwrap()).is_ok());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_the_document_needs_counts_for_the_page() {
        let folder =
            site(&[&SMALL[..], &[("base-1.css", 150_000), ("start.js", 100_000)]].concat());
        let failure = check(folder.to_str().unwrap()).unwrap_err().to_string();
        assert!(failure.contains("page is above 250 KB"), "{failure}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_program_that_is_not_there_does_not_weigh_nothing() {
        let folder = site(&SMALL[..2]);
        assert!(check(folder.to_str().unwrap()).is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
