//! `quorarium run FILE.scn`: one scenario to its end, judged.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use sim::check::{Found, PROMISES, Promise, State, Violation};
use sim::hunt;
use sim::scenario::{Expected, Scenario, TEXT_BYTES_MAX, parse_time, print_time};
use sim::trace::Record;
use sim::{World, judge};

use crate::failure::Failure;
use crate::output::Output;
use crate::{bugs, node_disk, violation};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The scenario
    #[arg(value_name = "FILE.scn")]
    file: PathBuf,
    /// Another seed than the scenario's own
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Switches a known bug on; see `quorarium bugs`
    #[arg(long, value_name = "ID")]
    bug: Vec<String>,
    /// Ends the run at this virtual time, such as 10s
    #[arg(long, value_name = "T")]
    until: Option<String>,
    /// Writes every event as a JSON line
    #[arg(long, value_name = "OUT")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    node: node_disk::NodeDisk,
    /// Prints one JSON document
    #[arg(long)]
    json: bool,
}

/// What came of a run; the names are those of the command line's promise.
#[derive(Debug, Serialize)]
struct Report {
    fingerprint: String,
    events: u64,
    virtual_ns: u64,
    expects: Vec<Expect>,
    violations: Vec<violation::Row>,
    #[serde(skip)]
    unannounced: bool,
    ops: Ops,
    unknown_checks: Vec<String>,
    faults: Faults,
}

/// Which faults were in play, and which of them did something.
#[derive(Debug, Serialize)]
struct Faults {
    drawn: Vec<&'static str>,
    fired: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Expect {
    line: u32,
    text: String,
    ok: bool,
    detail: String,
}

#[derive(Debug, Serialize)]
struct Ops {
    acknowledged: u64,
    failed: u64,
    unknown: u64,
}

/// Reads a scenario file, and no more of it than a scenario may have.
pub(crate) fn read_scenario(path: &Path) -> Result<Scenario, Failure> {
    let read = || {
        let mut text = String::new();
        File::open(path)?.take(TEXT_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| Failure::Read { path: path.to_owned(), error })?;
    Scenario::parse(&text).map_err(|error| Failure::Scenario { path: path.to_owned(), error })
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut scenario = read_scenario(&arguments.file)?;
    if let Some(seed) = arguments.seed {
        scenario.cluster.seed = seed;
    }
    scenario = hunt::with_bugs(&scenario, &bugs::parse(&arguments.bug)?);
    let until_ns = arguments.until_ns(&scenario)?;
    let node = arguments.node.node(&scenario)?;
    let world = match &arguments.trace {
        None => run_watched(&scenario, until_ns, &mut |_| {}),
        Some(path) => run_traced(&scenario, until_ns, path)?,
    };
    if let Some(node) = node {
        arguments.node.write(&world, node)?;
    }
    let report = Report::of(&world, &scenario);
    let mut output = Output::new();
    if arguments.json {
        output.json(&report)?;
    } else {
        output.line(&arguments.file.display().to_string())?;
        for line in report.lines() {
            output.line(&line)?;
        }
    }
    output.finish()?;
    Ok(if report.is_well() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

impl Arguments {
    fn until_ns(&self, scenario: &Scenario) -> Result<u64, Failure> {
        let Some(text) = &self.until else { return Ok(scenario.ends_ns()) };
        let usage =
            || Failure::Usage(format!("--until {text}: not a time such as 10s, up to 720h"));
        parse_time(text).ok_or_else(usage)
    }
}

fn run_watched(scenario: &Scenario, until_ns: u64, look: &mut dyn FnMut(&World)) -> World {
    let mut world = World::of_scenario(scenario);
    world.run_scenario(scenario, until_ns, look);
    world
}

fn run_traced(scenario: &Scenario, until_ns: u64, path: &Path) -> Result<World, Failure> {
    let failure = |error| Failure::Write { path: path.to_owned(), error };
    let mut out = BufWriter::new(File::create(path).map_err(failure)?);
    let mut written = Ok(());
    let world = run_watched(scenario, until_ns, &mut |world| {
        for record in world.trace().of_event(world.event()) {
            if written.is_ok() {
                written = write_record(&mut out, record);
            }
        }
    });
    written.and_then(|()| out.flush()).map_err(failure)?;
    Ok(world)
}

fn write_record(out: &mut impl Write, record: &Record) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

impl Report {
    fn of(world: &World, scenario: &Scenario) -> Report {
        let operations = world.operations_at_end();
        let found = world.checks().found();
        Report {
            fingerprint: format!("{:016x}", world.fingerprint()),
            events: world.event(),
            virtual_ns: world.now_ns(),
            expects: world.judgements().iter().map(Expect::of).collect(),
            violations: violations(found, scenario),
            unannounced: found.violations().iter().any(|one| !is_announced(one, world)),
            ops: Ops {
                acknowledged: operations.acknowledged,
                failed: operations.failed,
                unknown: operations.unknown,
            },
            unknown_checks: unknown_checks(found),
            faults: Faults {
                drawn: world.faults_drawn().iter().collect(),
                fired: world.faults_fired().iter().collect(),
            },
        }
    }

    /// For people.
    fn lines(&self) -> Vec<String> {
        let Report { fingerprint, events, virtual_ns, ops, .. } = self;
        let Ops { acknowledged, failed, unknown } = ops;
        let time = print_time(*virtual_ns);
        let mut lines = vec![
            format!("  {time} virtual, {events} events, fingerprint {fingerprint}"),
            format!("  {acknowledged} operations acknowledged, {failed} failed, {unknown} unknown"),
        ];
        if !self.faults.drawn.is_empty() {
            let (drawn, fired) = (self.faults.drawn.join(", "), self.faults.fired.join(", "));
            lines.push(format!("  faults in play: {drawn}"));
            lines.push(format!("  faults that did something: {fired}"));
        }
        lines.extend(self.expects.iter().map(|Expect { line, text, ok, detail }| {
            format!("  {} line {line}: {text}: {detail}", if *ok { "✓" } else { "✗" })
        }));
        lines.extend(self.violations.iter().map(violation::Row::line));
        lines
    }

    fn is_well(&self) -> bool {
        !self.unannounced && self.expects.iter().all(|expect| expect.ok)
    }
}

fn violations(found: &Found, scenario: &Scenario) -> Vec<violation::Row> {
    found.violations().iter().map(|one| violation::Row::of(one, scenario)).collect()
}

/// Whether the scenario says that this promise will be broken.
fn is_announced(violation: &Violation, world: &World) -> bool {
    let id = violation.promise.id();
    let announces = |judgement: &judge::Judgement| matches!(&judgement.expectation.what, Expected::Violation(check) if check == id);
    world.judgements().iter().any(announces)
}

/// Promises that were neither kept nor broken as far as the run shows.
fn unknown_checks(found: &Found) -> Vec<String> {
    let is_unknown = |promise: &&Promise| matches!(found.state(**promise), State::Unknown { .. });
    PROMISES.iter().filter(is_unknown).map(|promise| promise.id().to_owned()).collect()
}

impl Expect {
    fn of(judgement: &judge::Judgement) -> Expect {
        Expect {
            line: judgement.line,
            text: judgement.expectation.to_string(),
            ok: judgement.ok == Some(true),
            detail: judgement.detail.clone(),
        }
    }
}
