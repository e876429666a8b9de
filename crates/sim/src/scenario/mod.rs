//! The one language: console lines, scenario files, links, golden tests and the command line.
//!
//! ```text
//! # Lost leader: the others take over, nothing that was acknowledged is lost.
//! cluster etcd nodes=3 seed=42
//! 0s      load put key=user/{0..99} value=16B rate=200/s
//! 2s      crash leader
//! 4s      restart all
//! expect leader within 3s
//! ```
//!
//! A scenario is a console transcript with times. Lines that begin with `#` are comments and stay;
//! the first of them is the title. The cluster comes first. A command without a time happens at
//! the time of the line before it; an `expect` without a time is judged at the end of the run,
//! which is the `end` line or 5 s after the last time. Times do not go backwards.
//!
//! Reading is pure and bounded ([`TEXT_BYTES_MAX`], [`LINES_MAX`]); errors name line, column, what
//! was expected and the nearest words. Printing is canonical: `parse` and `print` are inverse on
//! what `print` gives. One file per group of verbs, one table of them all ([`verbs`]).

pub(crate) mod as_line;
mod bug;
mod client;
mod cluster;
pub(crate) mod error;
mod expect;
pub(crate) mod node;
mod pattern;
mod quantity;
pub(crate) mod verb;
pub(crate) mod word;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::fault::Fault;
pub use crate::workload::{
    CLIENTS_MAX, Distribution, Load, LoadCommand, LoadEnd, Mix, Operator, RATE_MAX, Weights,
    ZIPF_KEYS_MAX,
};
pub use client::{
    ClientAction, ClientCommand, Compare, CompareResult, CompareTarget, Delete, Get, Keys,
    LeaseCommand, Maintenance, MemberCommand, Order, Print, Put, SortBy, TXN_OPS_MAX, Txn,
    TxnRequest, Until, Watch,
};
pub(crate) use cluster::small;
pub use cluster::{ClusterSpec, Count, Engine, NODES_MAX, PreVote, Span};
pub use error::ParseError;
pub use expect::{Expectation, Expected};
pub use node::{Context, Node, Target};
pub use pattern::{KeyPattern, VALUE_BYTES_MAX};
pub use quantity::{
    MILLISECOND_NS, SECOND_NS, TIME_MAX_NS, parse_time, print_share, print_size, print_time,
};
pub use verb::{Group, Verb, find as find_verb, verbs};

use crate::bugs::Toggle;
use error::Problem;
use word::Words;

/// Longest scenario text.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// Most lines in a scenario.
pub const LINES_MAX: usize = 10_000;
/// How long a run goes on after its last timed line.
pub const AFTERMATH_NS: u64 = 5 * SECOND_NS;

/// What a visitor, a console line or a scenario line does to the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Asks a server.
    Client(ClientAction),
    /// Starts or stops load.
    Load(LoadCommand),
    /// Breaks or mends.
    Fault(Fault),
    /// Says what should be true.
    Expect(Expectation),
    /// Switches a known bug on.
    Bug(Toggle),
}

/// A cluster and what happens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Comments before the cluster line, without their `#`.
    pub heading: Vec<String>,
    /// The cluster.
    pub cluster: ClusterSpec,
    /// Everything after it.
    pub lines: Vec<Line>,
}

/// One line after the cluster line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Where it stood in the text, from 1; 0 when it never stood in one.
    pub number: u32,
    /// What it says.
    pub statement: Statement,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Statement {
    /// `# text`
    Comment(String),
    /// An action at a virtual time.
    At(u64, Action),
    /// An `expect` that is judged at the end of the run.
    AtEnd(Expectation),
    /// The run ends here.
    End(u64),
}

impl Scenario {
    /// A cluster that nothing happens to.
    pub fn new(cluster: ClusterSpec) -> Scenario {
        Scenario { heading: Vec::new(), cluster, lines: Vec::new() }
    }

    /// Reads a scenario.
    pub fn parse(text: &str) -> Result<Scenario, ParseError> {
        if text.len() > TEXT_BYTES_MAX {
            let problem = format!("the text has {} bytes", text.len());
            return Err(Problem::new(1, problem, format!("at most {TEXT_BYTES_MAX}")).at_line(1));
        }
        let mut reader = Reader::default();
        for (index, line) in text.lines().enumerate() {
            let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
            reader.line(number, line).map_err(|problem| problem.at_line(number))?;
        }
        reader.finish()
    }

    /// When the run ends unless told otherwise.
    pub fn ends_ns(&self) -> u64 {
        let mut last_ns = 0;
        for line in &self.lines {
            match &line.statement {
                Statement::End(at_ns) => return *at_ns,
                Statement::At(at_ns, _) => last_ns = *at_ns,
                Statement::Comment(_) | Statement::AtEnd(_) => {}
            }
        }
        last_ns + AFTERMATH_NS
    }

    /// The first comment, for lists of scenarios.
    pub fn title(&self) -> Option<&str> {
        self.heading.first().map(String::as_str)
    }
}

/// Reads one command as typed in the console: without a time.
pub fn parse_command(text: &str, context: Context) -> Result<Action, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Problem::new(1, "the line is too long", "a command").at_line(1));
    }
    Words::split(text)
        .and_then(|mut words| verb::parse_action(&mut words, context))
        .map_err(|problem| problem.at_line(1))
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    heading: Vec<String>,
    cluster: Option<ClusterSpec>,
    lines: Vec<Line>,
    last_ns: u64,
    ended: bool,
    number: u32,
}

impl Reader {
    fn line(&mut self, number: u32, text: &str) -> Result<(), Problem> {
        self.number = number;
        if number as usize > LINES_MAX {
            return Err(Problem::new(1, "too many lines", format!("at most {LINES_MAX}")));
        }
        if let Some(comment) = text.trim_start().strip_prefix('#') {
            self.comment(comment.trim());
            return Ok(());
        }
        let mut words = Words::split(text)?;
        if words.is_empty() {
            return Ok(());
        }
        let statement = match &self.cluster {
            None => return self.cluster(&mut words),
            Some(cluster) => {
                let context = Context { nodes: cluster.nodes };
                self.statement(&mut words, context)?
            }
        };
        self.lines.push(Line { number, statement });
        Ok(())
    }

    fn comment(&mut self, text: &str) {
        // A control character would not survive being read back as a line.
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let text = text.trim().to_owned();
        if self.cluster.is_none() {
            self.heading.push(text);
        } else {
            self.lines.push(Line { number: self.number, statement: Statement::Comment(text) });
        }
    }

    fn cluster(&mut self, words: &mut Words) -> Result<(), Problem> {
        let word = words.expect("`cluster etcd nodes=3 seed=1`")?;
        if word.text != "cluster" {
            return Err(word.problem("no cluster before", cluster::USAGE));
        }
        self.cluster = Some(ClusterSpec::parse(words)?);
        Ok(())
    }

    fn statement(&mut self, words: &mut Words, context: Context) -> Result<Statement, Problem> {
        let column = words.column();
        if self.ended && words.peek() != Some("expect") {
            let expected = "only `expect` lines without a time, judged at the end";
            return Err(Problem::new(column, "a line after `end`", expected));
        }
        let at_ns = self.time(words)?;
        let at_or_last_ns = at_ns.unwrap_or(self.last_ns);
        self.last_ns = at_or_last_ns;
        if words.peek() == Some("cluster") {
            return Err(Problem::new(words.column(), "a second cluster", "a command"));
        }
        if words.take_if("end") {
            words.finish()?;
            self.ended = true;
            return Ok(Statement::End(at_or_last_ns));
        }
        match verb::parse_action(words, context)? {
            Action::Expect(expectation) if at_ns.is_none() => Ok(Statement::AtEnd(expectation)),
            action @ (Action::Client(_)
            | Action::Load(_)
            | Action::Fault(_)
            | Action::Expect(_)
            | Action::Bug(_)) => Ok(Statement::At(at_or_last_ns, action)),
        }
    }

    fn time(&self, words: &mut Words) -> Result<Option<u64>, Problem> {
        if !words.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
            return Ok(None);
        }
        let word = words.expect("a time")?;
        let at_ns = word.time()?;
        if at_ns < self.last_ns {
            let expected =
                format!("{} or later: times do not go backwards", print_time(self.last_ns));
            return Err(word.problem("too early:", &expected));
        }
        Ok(Some(at_ns))
    }

    fn finish(self) -> Result<Scenario, ParseError> {
        let Reader { heading, cluster, lines, number, .. } = self;
        let missing =
            || Problem::new(1, "there is no cluster", cluster::USAGE).at_line(number.max(1));
        Ok(Scenario { heading, cluster: cluster.ok_or_else(missing)?, lines })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Client(action) => action.fmt(f),
            Action::Load(load) => load.fmt(f),
            Action::Fault(fault) => fault.fmt(f),
            Action::Expect(expectation) => expectation.fmt(f),
            Action::Bug(bug) => write!(f, "bug {bug}"),
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statement::Comment(text) => write_comment(f, text),
            Statement::At(at_ns, action) => write!(f, "{:<7} {action}", print_time(*at_ns)),
            Statement::AtEnd(expectation) => expectation.fmt(f),
            Statement::End(at_ns) => write!(f, "{:<7} end", print_time(*at_ns)),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.statement.fmt(f)
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for comment in &self.heading {
            write_comment(f, comment)?;
            f.write_str("\n")?;
        }
        writeln!(f, "{}", self.cluster)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn write_comment(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.is_empty() { f.write_str("#") } else { write!(f, "# {text}") }
}
