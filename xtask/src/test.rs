//! `cargo xtask test`: every test there is, and one last line `N passed, N failed`.
//!
//! Three parts: `native` (libtest and documentation examples on this machine), `wasm` (the same
//! claims and the storage tests inside a headless browser's worker) and `page` (the built site,
//! end to end). A part that fails does not keep the next one from running.

use crate::tally::Tally;
use crate::{Failure, dist, process, tools};
use std::process::{Command, ExitCode};

/// Packages with tests that run in a browser's worker.
const IN_THE_BROWSER: &[&str] = &["quorarium-sim", "quorarium-app"];

/// Where the page under test is built; apart from `dist/`, which belongs to the person.
const PAGE_UNDER_TEST: &str = "target/page-under-test";

/// Runs the named part, or all of them.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let mut tally = Tally::default();
    match arguments {
        [] => {
            tools::ensure(tools::EVERYTHING)?;
            native(&mut tally)?;
            wasm(&mut tally)?;
            page(&mut tally)?;
        }
        [part] if part == "native" => native(&mut tally)?,
        [part] if part == "wasm" => {
            tools::ensure(tools::EVERYTHING)?;
            wasm(&mut tally)?;
        }
        [part] if part == "page" => {
            tools::ensure(tools::EVERYTHING)?;
            page(&mut tally)?;
        }
        _ => return Err("test takes one of: native, wasm, page; or nothing for all".into()),
    }
    println!("\n{tally}");
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn native(tally: &mut Tally) -> Result<(), Failure> {
    count(tally, Command::new("cargo").args(["test", "--workspace", "--no-fail-fast"]))
}

fn wasm(tally: &mut Tally) -> Result<(), Failure> {
    let browser = tools::Browser::find().ok_or("no Chromium, although it was just installed")?;
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--no-fail-fast", "--target", "wasm32-unknown-unknown"]);
    for package in IN_THE_BROWSER {
        cargo.args(["--package", package]);
    }
    cargo
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner")
        .env("CHROMEDRIVER", browser.driver)
        .env("WASM_BINDGEN_TEST_TIMEOUT", "300");
    count(tally, &mut cargo)
}

fn page(tally: &mut Tally) -> Result<(), Failure> {
    let browser = tools::Browser::find().ok_or("no Chromium, although it was just installed")?;
    dist::build(PAGE_UNDER_TEST)?;
    // The page's reading of a directory is compared with the command's.
    process::run("cargo", &["build", "--package", "quorarium"])?;
    let mut node = Command::new("node");
    node.args(["tests/e2e/run.mjs", PAGE_UNDER_TEST]).env("CHROMIUM", browser.program);
    count(tally, &mut node)
}

/// Runs one part. One that exits with an error but reported no failure did not build or died:
/// that is a failure of its own, never silence.
fn count(tally: &mut Tally, command: &mut Command) -> Result<(), Failure> {
    let failed_before = tally.failed;
    let well = process::watch(command, |line| tally.see(line))?;
    if !well && tally.failed == failed_before {
        tally.part_died();
    }
    Ok(())
}
