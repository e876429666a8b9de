//! The `quorarium` command: one file per command, no logic that the page would need too.
//!
//! Exit codes: 0, all well; 1, it ran and an expectation or a check failed; 2, bad usage or
//! unreadable input, with one line on standard error that names the place.

mod archive;
mod bugs;
mod commands;
mod export;
mod failure;
mod get;
mod hashkv;
mod host_file;
mod hunt;
mod inspect;
mod link;
mod log;
mod node_disk;
mod open;
mod output;
mod repair;
mod run;
mod verify;
mod violation;
mod write_out;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser;

use crate::commands::{Command, Options};
use crate::failure::Failure;

/// A hunt is a million small pieces of memory a second.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return usage(&error),
    };
    match run(options.command) {
        Ok(code) => code,
        // Who reads our output has seen enough.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("quorarium: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Get(arguments) => get::run(&arguments),
        Command::Hashkv(arguments) => hashkv::run(&arguments),
        Command::Log(arguments) => log::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Repair(arguments) => repair::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Hunt(arguments) => hunt::run(&arguments),
        Command::Bugs(arguments) => bugs::run(&arguments),
        Command::Link(arguments) => link::run(&arguments),
        Command::Open(arguments) => open::run(&arguments),
    }
}

/// Help goes to standard output and is no failure; all else is one line and the way to the help.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        print!("{error}");
        return ExitCode::SUCCESS;
    }
    let message = error.to_string();
    let lines: Vec<&str> = message.lines().take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    eprintln!("quorarium: {}; see quorarium --help", line.trim_start_matches("error: "));
    ExitCode::from(2)
}
