//! The console: a typed line becomes an action, its outcome becomes text.
//!
//! Client commands answer as etcdctl prints them, once the cluster has answered; everything else
//! is done when it is recorded. `help` never reaches the world.

use crate::machine::print_reply;
use crate::scenario::{
    Action, ClientAction, ClientCommand, ClusterSpec, Context, Group, ParseError, Verb, find_verb,
    parse_command, verbs,
};
use crate::view::Outcome;
use crate::world::{Fate, Performed, World};

/// What a line led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entered {
    /// There is nothing to wait for.
    Answered(Answer),
    /// An action that is done as soon as it runs; this is what to say of it.
    Acted(Performed, Answer),
    /// A client command: [`answer`] knows when there is one.
    Asked(Performed),
}

/// What the console prints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// What to print; may have several lines.
    pub output: String,
    /// Why it was not done.
    pub error: Option<String>,
    /// Virtual time from the line to its answer.
    pub took_ns: u64,
}

impl Answer {
    fn of(output: impl Into<String>) -> Answer {
        Answer { ok: true, output: output.into(), ..Answer::default() }
    }
}

/// Takes up one line.
pub fn enter(world: &mut World, line: &str) -> Result<Entered, ParseError> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(Entered::Answered(Answer::of("")));
    }
    if let Some(topic) = help_topic(line) {
        return Ok(Entered::Answered(help(world.spec(), topic)));
    }
    let action = parse_command(line, Context { nodes: world.spec().nodes })?;
    let is_request =
        matches!(&action, Action::Client(ClientAction { command, .. }) if !command.is_stream());
    let said = said(&action, world);
    let performed = world.perform(action);
    Ok(if is_request { Entered::Asked(performed) } else { Entered::Acted(performed, said) })
}

/// The answer to a client command, once there is one.
pub fn answer(world: &World, performed: Performed) -> Option<Answer> {
    let ended = match world.fate(performed) {
        Fate::Waiting => return None,
        Fate::Ended(ended) => ended,
        Fate::Gone => {
            let error = "Error: the servers were reloaded before they answered".to_owned();
            return Some(Answer { error: Some(error), ..Answer::default() });
        }
    };
    let operation = &ended.operation;
    let took_ns = ended.at_ns - operation.started_ns;
    Some(match print_reply(&operation.command, operation.node, &ended.answer) {
        Ok(output) => Answer { ok: true, output, error: None, took_ns },
        Err(error) => {
            let doubt = match ended.outcome {
                Outcome::Unknown => "\nIt may still take effect: nobody knows.",
                Outcome::Acknowledged | Outcome::Failed => "",
            };
            let error = Some(format!("{error}{doubt}"));
            Answer { ok: false, output: String::new(), error, took_ns }
        }
    })
}

/// What to say of an action that needs no answer.
fn said(action: &Action, world: &World) -> Answer {
    match action {
        Action::Fault(_) if action.to_string().contains("leader") => match world.leader() {
            Some(leader) => Answer::of(format!("{action} ({leader})")),
            None => Answer::of(format!("{action}: nobody leads")),
        },
        Action::Client(ClientAction { command: ClientCommand::Watch(watch), .. }) => {
            Answer::of(format!("{watch}: changes are shown as they come, until `unwatch`"))
        }
        Action::Client(_)
        | Action::Load(_)
        | Action::Fault(_)
        | Action::Expect(_)
        | Action::Bug(_) => Answer::of(action.to_string()),
    }
}

// ---- help ----

fn help_topic(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("help").or_else(|| line.strip_prefix('?'))?;
    (rest.is_empty() || rest.starts_with(' ')).then(|| rest.trim())
}

fn help(spec: &ClusterSpec, topic: &str) -> Answer {
    match (topic, find_verb(topic)) {
        ("", _) => Answer::of(overview(spec)),
        (_, Some(verb)) => Answer::of(about(verb)),
        (_, None) => Answer {
            error: Some(format!("there is no command `{topic}`; `help` lists them all")),
            ..Answer::default()
        },
    }
}

fn overview(spec: &ClusterSpec) -> String {
    let groups = [
        Group::Client,
        Group::Load,
        Group::Machines,
        Group::Network,
        Group::Disks,
        Group::Plans,
        Group::Checks,
    ];
    let mut lines = vec![format!("Servers n1 to n{}. `help COMMAND` says more.", spec.nodes)];
    for group in groups {
        lines.push(format!("\n{}", group.title()));
        for verb in verbs().filter(|verb| verb.group == group) {
            lines.push(format!("  {:<15} {}", verb.name, verb.help));
        }
    }
    lines.join("\n")
}

fn about(verb: &Verb) -> String {
    format!("{}\n  {}\n  for example: {}", verb.usage, verb.help, verb.example)
}
