//! `cargo xtask compare A..B`: runs these seeds of `www/scenarios/chaos.scn` twice natively and once in wasm
//! under Node, and compares the fingerprints of the runs.

use crate::{Failure, bench, process};

/// Ends with a sentence of how many were the same, or with the first seed that was not.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let seeds = match arguments {
        [seeds] => seeds.split_once(".."),
        _ => None,
    };
    let (from, to) = seeds.ok_or("compare takes the seeds from A up to but without B: A..B")?;
    bench::build("sim")?;
    let folder = bench::build_wasm("sim")?;
    let natively = || fingerprints(bench::PROGRAM, &["fingerprints", from, to]);
    let first = natively()?;
    let wasm = ["crates/bench/fingerprints.mjs", folder.as_str(), from, to];
    for (how, lines) in [("again", natively()?), ("in wasm", fingerprints("node", &wasm)?)] {
        if lines.len() != first.len() {
            return Err(format!("{} runs natively, {} {how}", first.len(), lines.len()).into());
        }
        let differs = first.iter().zip(&lines).find(|(one, other)| one != other);
        if let Some((one, other)) = differs {
            return Err(format!("seed, events, fingerprint: {one} natively, {other} {how}").into());
        }
    }
    println!("{} seeds: two native runs and one in wasm are the same", first.len());
    Ok(())
}

fn fingerprints(program: &str, arguments: &[&str]) -> Result<Vec<String>, Failure> {
    let printed = process::output_of(program, arguments);
    let printed = printed.ok_or_else(|| format!("`{program} {}` failed", arguments.join(" ")))?;
    Ok(printed.lines().map(str::to_owned).collect())
}
