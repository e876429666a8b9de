//! `cargo xtask fmt`: rustfmt over every file, also of modules that a table declares.
//!
//! `cargo fmt` follows `mod` items, and does not look into macros for them.

use std::path::Path;
use std::process::ExitCode;

use crate::{Failure, process};

/// Every Rust file that git knows of or would take.
const FILES: &[&str] = &["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.rs"];

/// Rewrites the files, or says with `--check` what is to be rewritten.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let listed =
        process::output_of("git", FILES).ok_or("git does not list this checkout's files")?;
    let files = listed.split('\0').filter(|path| Path::new(path).is_file());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(files).collect();
    process::exit_code_of("rustfmt", &arguments)
}
