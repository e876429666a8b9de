//! `quorarium hunt FILE.scn --seeds A..B`: one run a seed, on all cores, in search of a broken
//! promise.
//!
//! Standard output has a JSON line for each seed that failed (with `--every-seed` for each), by seed,
//! and a summary at the end; the outputs of shards can be put together. Progress goes to standard error when that is a
//! terminal.
//!
//! A run that panics is a failure of its own, with the words of the panic; the hunt goes on. Runs
//! share nothing that a panic could leave half done.

mod ranges;

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use sim::check::{PROMISES, Promise};
use sim::hunt::{self, Run};
use sim::scenario::Scenario;

use crate::failure::Failure;
use crate::output::Output;
use crate::run::read_scenario;
use crate::{bugs, violation};

/// Arguments of `hunt`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The scenario
    #[arg(value_name = "FILE.scn")]
    file: PathBuf,
    /// Seeds from A up to but without B
    #[arg(long, value_name = "A..B")]
    seeds: String,
    /// Runs at a time; as many as there are cores unless said
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Switches a known bug on; see `quorarium bugs`
    #[arg(long, value_name = "ID")]
    bug: Vec<String>,
    /// Counts only seeds that break this promise; runs end there. Panics are reported all the same
    #[arg(long, value_name = "CHECK")]
    check: Vec<String>,
    /// Stops when a seed has failed: no later seed is begun
    #[arg(long)]
    stop_at_first: bool,
    /// Splits the seeds into N ranges, stops in each at the first that fails, and tells how many
    /// seeds that took: the median and the 95th percentile
    #[arg(long, value_name = "N")]
    ranges: Option<NonZeroU32>,
    /// Also tells of seeds that did not fail: two runs of the same seeds must say the same
    #[arg(long)]
    every_seed: bool,
    /// JSON lines, also of the summary
    #[arg(long)]
    json: bool,
}

/// A run that came to its end.
#[derive(Serialize)]
struct Ended<'a> {
    seed: u64,
    fingerprint: String,
    violations: &'a [violation::Row],
    acknowledged: u64,
    undecided: Vec<&'static str>,
    unfired: Vec<&'static str>,
}

#[derive(Serialize)]
struct Panicking<'a> {
    seed: u64,
    panic: &'a str,
}

#[derive(Serialize)]
struct Summarized<'a> {
    summary: &'a Summary,
}

#[derive(Default, Serialize)]
struct Summary {
    seeds: u64,
    failing: u64,
    /// Of all seeds, those whose runs panicked.
    panicked: u64,
    /// Runs in which a check could not decide.
    undecided: u64,
    /// Runs in which a fault that was drawn did nothing.
    unfired: u64,
    acknowledged: u64,
    failed: u64,
    unknown: u64,
    events: u64,
    /// By promise: runs that had something to look at for it.
    looked: BTreeMap<&'static str, u64>,
    /// The first seed that failed, of those run.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    seconds: f64,
    seeds_per_core_hour: u64,
}

/// How one seed is run.
type Runner = fn(&Scenario, u64, &[Promise]) -> Run;

/// What came of one seed.
struct Outcome {
    seed: u64,
    /// The run, or the words of the panic that ended it.
    run: Result<Run, String>,
}

/// What all threads need.
struct Shared {
    runner: Runner,
    scenario: Scenario,
    checks: Vec<Promise>,
    seeds: Range<u64>,
    next: AtomicU64,
    /// Seeds from here on need not be run.
    end: AtomicU64,
    stop_at_first: bool,
    every_seed: bool,
    busy_nanos: AtomicU64,
    is_over: AtomicBool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let scenario = read_scenario(&arguments.file)?;
    let scenario = hunt::with_bugs(&scenario, &bugs::parse(&arguments.bug)?);
    let seeds = parse_seeds(&arguments.seeds)?;
    let is_clean = match arguments.ranges {
        None => hunt_in(arguments, &scenario, seeds)?.is_clean(),
        Some(ranges) => {
            let ranges = ranges::split(&seeds, ranges).ok_or_else(|| {
                Failure::Usage(format!("--ranges {ranges}: there are fewer seeds than that"))
            })?;
            let hunts = ranges.into_iter().map(|seeds| hunt_in(arguments, &scenario, seeds));
            let hunts: Vec<Summary> = hunts.collect::<Result<_, _>>()?;
            ranges::report(&hunts, arguments.json)?;
            hunts.iter().all(Summary::is_clean)
        }
    };
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Runs these seeds on as many threads as are wanted, and tells of them.
fn hunt_in(
    arguments: &Arguments,
    scenario: &Scenario,
    seeds: Range<u64>,
) -> Result<Summary, Failure> {
    let shared = Shared {
        runner: hunt::run,
        scenario: scenario.clone(),
        checks: parse_checks(&arguments.check)?,
        next: AtomicU64::new(seeds.start),
        end: AtomicU64::new(seeds.end),
        seeds,
        stop_at_first: arguments.stop_at_first || arguments.ranges.is_some(),
        every_seed: arguments.every_seed,
        busy_nanos: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
    };
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let jobs = arguments.jobs.map_or(cores, NonZeroUsize::get);
    let (sender, receiver) = channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, shared) = (sender.clone(), &shared);
            scope.spawn(move || work(shared, &sender));
        }
        drop(sender);
        let summary = report(&shared, &receiver, arguments.json);
        shared.is_over.store(true, Ordering::Relaxed);
        summary
    })
}

impl Shared {
    /// Whether a seed counts: in search of certain promises a panic is none of them.
    fn fails(&self, outcome: &Outcome) -> bool {
        let counts = |promise: &Promise| self.checks.is_empty() || self.checks.contains(promise);
        match &outcome.run {
            Ok(run) => run.violations.iter().any(|violation| counts(&violation.promise)),
            Err(_) => self.checks.is_empty(),
        }
    }

    fn outcome(&self, seed: u64) -> Outcome {
        let run = || (self.runner)(&self.scenario, seed, &self.checks);
        let run = catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
            let words = payload.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
            words.unwrap_or("a panic without words").to_owned()
        });
        Outcome { seed, run }
    }
}

/// Takes seeds until there are none.
fn work(shared: &Shared, sender: &Sender<Outcome>) {
    loop {
        let seed = shared.next.fetch_add(1, Ordering::Relaxed);
        let is_over = shared.is_over.load(Ordering::Relaxed);
        if is_over || seed >= shared.end.load(Ordering::Relaxed) {
            return;
        }
        let started = Instant::now();
        let outcome = shared.outcome(seed);
        let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        shared.busy_nanos.fetch_add(nanos, Ordering::Relaxed);
        if shared.stop_at_first && shared.fails(&outcome) {
            // Earlier seeds that others have begun are finished, so that the first is the first.
            shared.end.fetch_min(seed + 1, Ordering::Relaxed);
        }
        if sender.send(outcome).is_err() {
            return;
        }
    }
}

/// Writes what fails, seed by seed in their order, and the summary.
fn report(
    shared: &Shared,
    receiver: &Receiver<Outcome>,
    is_json: bool,
) -> Result<Summary, Failure> {
    let started = Instant::now();
    let mut output = Output::new();
    let mut summary = Summary::default();
    let mut waiting = BTreeMap::new();
    let mut next = shared.seeds.start;
    let mut progress = Progress::new(shared.seeds.end - shared.seeds.start);
    for outcome in receiver {
        waiting.insert(outcome.seed, outcome);
        while let Some(outcome) = waiting.remove(&next) {
            next += 1;
            if next <= shared.end.load(Ordering::Relaxed) {
                summary.take(shared, &outcome);
                write(shared, &outcome, is_json, &mut output)?;
            }
            progress.show(&summary);
        }
    }
    let busy = Duration::from_nanos(shared.busy_nanos.load(Ordering::Relaxed));
    summary.seconds = started.elapsed().as_secs_f64();
    let hours = busy.as_secs_f64() / 3600.0;
    let ran = u32::try_from(summary.seeds).unwrap_or(u32::MAX);
    summary.seeds_per_core_hour = rate(f64::from(ran), hours);
    progress.end();
    write_summary(&summary, is_json, &mut output)?;
    output.finish()?;
    Ok(summary)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate to read")]
fn rate(count: f64, hours: f64) -> u64 {
    if hours > 0.0 { (count / hours) as u64 } else { 0 }
}

impl Summary {
    fn is_clean(&self) -> bool {
        self.failing == 0 && self.panicked == 0
    }

    fn take(&mut self, shared: &Shared, outcome: &Outcome) {
        self.seeds += 1;
        if shared.fails(outcome) {
            self.failing += 1;
            self.first.get_or_insert(outcome.seed);
        }
        let Ok(run) = &outcome.run else {
            self.panicked += 1;
            return;
        };
        self.events += run.events;
        self.acknowledged += run.operations.acknowledged;
        self.failed += run.operations.failed;
        self.unknown += run.operations.unknown;
        self.undecided += u64::from(!run.undecided.is_empty());
        self.unfired += u64::from(!run.unfired.is_empty());
        for promise in &run.looked {
            *self.looked.entry(promise.id()).or_default() += 1;
        }
    }
}

fn write(
    shared: &Shared,
    outcome: &Outcome,
    is_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let run = match &outcome.run {
        Ok(run) if shared.every_seed || shared.fails(outcome) => run,
        Ok(_) => return Ok(()),
        Err(panic) => return write_panic(outcome.seed, panic, is_json, output),
    };
    let mut scenario = shared.scenario.clone();
    scenario.cluster.seed = run.seed;
    let rows = run.violations.iter().map(|one| violation::Row::of(one, &scenario));
    let rows: Vec<violation::Row> = rows.collect();
    let fingerprint = format!("{:016x}", run.fingerprint);
    if is_json {
        return output.json(&Ended {
            seed: run.seed,
            fingerprint,
            violations: &rows,
            acknowledged: run.operations.acknowledged,
            undecided: run.undecided.iter().map(|(promise, _)| promise.id()).collect(),
            unfired: run.unfired.iter().collect(),
        });
    }
    output.line(&format!("seed {} fingerprint {fingerprint}", run.seed))?;
    rows.iter().try_for_each(|row| output.line(&row.line()))
}

fn write_panic(seed: u64, panic: &str, is_json: bool, output: &mut Output) -> Result<(), Failure> {
    if is_json {
        return output.json(&Panicking { seed, panic });
    }
    output.line(&format!("seed {seed} panicked: {panic}"))
}

fn write_summary(summary: &Summary, is_json: bool, output: &mut Output) -> Result<(), Failure> {
    if is_json {
        return output.json(&Summarized { summary });
    }
    let Summary { seeds, failing, undecided, seconds, seeds_per_core_hour, .. } = summary;
    let Summary { acknowledged, failed, unknown, panicked, unfired, .. } = summary;
    output.line(&format!(
        "{seeds} seeds, {failing} failing, {panicked} panicked, {undecided} with a check undecided, \
         {unfired} with a fault that did nothing; {acknowledged} operations acknowledged, {failed} failed, {unknown} unknown; {seconds:.1} s, \
         {seeds_per_core_hour} seeds per core-hour"
    ))?;
    let ids = PROMISES.iter().map(|promise| promise.id());
    let never: Vec<&str> = ids.filter(|id| !summary.looked.contains_key(id)).collect();
    if never.is_empty() {
        return Ok(());
    }
    output.line(&format!("never looked at: {}", never.join(" ")))
}

fn parse_seeds(text: &str) -> Result<Range<u64>, Failure> {
    let usage = || Failure::Usage(format!("--seeds {text}: not a range such as 1..1001"));
    let (from, to) = text.split_once("..").ok_or_else(usage)?;
    let from: u64 = from.parse().map_err(|_| usage())?;
    let to: u64 = to.parse().map_err(|_| usage())?;
    if from < to { Ok(from..to) } else { Err(usage()) }
}

fn parse_checks(words: &[String]) -> Result<Vec<Promise>, Failure> {
    let find = |word: &String| {
        let usage = || Failure::Usage(format!("--check {word}: there is no such check"));
        Promise::find(word).ok_or_else(usage)
    };
    words.iter().map(find).collect()
}

/// A line that is written over, when somebody sees it.
struct Progress {
    total: u64,
    shown: Option<Instant>,
}

impl Progress {
    fn new(total: u64) -> Progress {
        let shown = std::io::stderr().is_terminal().then(Instant::now);
        Progress { total, shown }
    }

    fn show(&mut self, summary: &Summary) {
        let Some(shown) = &mut self.shown else { return };
        if shown.elapsed() > Duration::from_millis(200) {
            *shown = Instant::now();
            let Summary { seeds, failing, .. } = summary;
            eprint!("\r{seeds} of {} seeds, {failing} failing ", self.total);
        }
    }

    fn end(&self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every third run panics.
    fn runner(scenario: &Scenario, seed: u64, checks: &[Promise]) -> Run {
        assert!(!seed.is_multiple_of(3), "seed {seed} is one of three");
        let scenario = Scenario { lines: Vec::new(), ..scenario.clone() };
        hunt::run(&scenario, seed, checks)
    }

    fn hunted(checks: Vec<Promise>) -> Summary {
        let scenario = Scenario::parse("cluster etcd nodes=3 seed=1\n").expect("a scenario");
        let seeds = 1..8;
        let shared = Shared {
            runner,
            scenario,
            checks,
            next: AtomicU64::new(seeds.start),
            end: AtomicU64::new(seeds.end),
            seeds,
            stop_at_first: false,
            every_seed: false,
            busy_nanos: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        };
        let (sender, receiver) = channel();
        work(&shared, &sender);
        drop(sender);
        report(&shared, &receiver, true).expect("standard output is there")
    }

    #[test]
    fn a_run_that_panics_fails_and_the_hunt_goes_on() {
        let summary = hunted(Vec::new());
        assert_eq!((summary.seeds, summary.panicked, summary.failing), (7, 2, 2), "3 and 6");
        assert_eq!(summary.first, Some(3), "the first of them");
        assert_eq!(summary.looked.get("R1"), Some(&5), "in the runs that ended somebody led");
        assert_eq!(summary.looked.get("L1"), None, "there was no lease");
    }

    #[test]
    fn a_panic_is_no_find_of_a_promise_and_is_counted_all_the_same() {
        let summary = hunted(vec![Promise::R1]);
        assert_eq!((summary.seeds, summary.panicked, summary.failing), (7, 2, 0), "3 and 6");
    }
}
