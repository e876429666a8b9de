//! `cargo xtask dist`: the static site, ready for any web server or sub-path.

use crate::{Failure, process, tools, weight};
use std::process::ExitCode;

/// Builds `dist/` with relative addresses, so that it also works below a sub-path.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    tools::ensure(tools::FOR_THE_PAGE)?;
    build("dist")?;
    println!("The site is in dist/: any static web server can hold it.");
    Ok(ExitCode::SUCCESS)
}

/// Builds the optimised site into `folder`; fails when a program of it weighs too much.
pub(crate) fn build(folder: &str) -> Result<(), Failure> {
    process::run("trunk", &["build", "--release", "--public-url", "./", "--dist", folder])?;
    weight::check(folder)
}
