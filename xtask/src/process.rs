//! Starting programs: pass their output through, or read it while it passes.

use crate::Failure;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

/// Runs a program to its end with our own input and output; an exit code other than 0 is a failure.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), Failure> {
    let status =
        Command::new(program).args(arguments).status().map_err(|e| cannot_start(program, &e))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{}` failed ({status})", line(program, arguments)).into())
    }
}

/// Runs a program to its end and gives its exit code on.
pub(crate) fn exit_code_of(program: &str, arguments: &[&str]) -> Result<ExitCode, Failure> {
    let status =
        Command::new(program).args(arguments).status().map_err(|e| cannot_start(program, &e))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// What a program prints on standard output, or `None` when it is not there or fails.
pub(crate) fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a command, prints both of its streams as they come and shows every line to `see`.
/// Returns whether it exited with 0.
pub(crate) fn watch(command: &mut Command, mut see: impl FnMut(&str)) -> Result<bool, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| cannot_start(&program, &e))?;
    let (sender, lines) = std::sync::mpsc::channel();
    let streams: [Box<dyn std::io::Read + Send>; 2] = [
        Box::new(child.stdout.take().ok_or("no standard output")?),
        Box::new(child.stderr.take().ok_or("no standard error")?),
    ];
    for stream in streams {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }
    drop(sender);
    for line in lines {
        println!("{line}");
        see(&line);
    }
    Ok(child.wait()?.success())
}

fn line(program: &str, arguments: &[&str]) -> String {
    format!("{program} {}", arguments.join(" "))
}

fn cannot_start(program: &str, error: &std::io::Error) -> Failure {
    format!("cannot start `{program}`: {error}").into()
}
