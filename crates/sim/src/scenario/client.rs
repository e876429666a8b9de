//! What a client asks a server, written as for etcdctl.
//!
//! Without an address the first server that is up answers; `on n2 put …` names one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Action;
use super::error::Problem;
use super::node::{Context, Node};
use super::verb::{Group, Verb};
use super::word::{Word, Words, quoted};

/// A client command and the server that it goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientAction {
    /// The server; `None` for the first one that is up.
    pub on: Option<Node>,
    /// What is asked.
    pub command: ClientCommand,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientCommand {
    /// `put KEY VALUE`
    Put {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// `get KEY [RANGE_END]`
    Get(Get),
    /// `del KEY [RANGE_END]`
    Delete {
        /// First key.
        key: String,
        /// End of the range, not included.
        range_end: Option<String>,
        /// All keys that begin with `key`.
        prefix: bool,
    },
    /// `compact REVISION`
    Compact {
        /// Everything that was overwritten before it goes.
        revision: i64,
        /// Answer only when the space is free.
        physical: bool,
    },
    /// `member list`
    MemberList,
    /// `endpoint status`
    EndpointStatus,
}

/// A read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "they are etcdctl's flags")]
pub struct Get {
    /// First key.
    pub key: String,
    /// End of the range, not included.
    pub range_end: Option<String>,
    /// All keys that begin with `key`.
    pub prefix: bool,
    /// As of this revision; 0 for now.
    pub revision: i64,
    /// The server answers from what it has, without asking the others.
    pub serializable: bool,
    /// At most this many; 0 for all.
    pub limit: i64,
    /// Without values.
    pub keys_only: bool,
    /// Only their number.
    pub count_only: bool,
}

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "put",
        group: Group::Client,
        usage: "put KEY VALUE",
        help: "writes a value; acknowledged once a majority holds it",
        example: "put greeting hello",
        parse: |words, _| client(words, put),
    },
    Verb {
        name: "get",
        group: Group::Client,
        usage: "get KEY [RANGE_END] [--prefix] [--rev N] [--consistency=l|s] [--limit N] \
                [--keys-only] [--count-only]",
        help: "reads keys, now or as of a revision",
        example: "get greeting --rev 2",
        parse: |words, _| client(words, get),
    },
    Verb {
        name: "del",
        group: Group::Client,
        usage: "del KEY [RANGE_END] [--prefix]",
        help: "deletes keys; their history stays until it is compacted",
        example: "del user/ --prefix",
        parse: |words, _| client(words, delete),
    },
    Verb {
        name: "compact",
        group: Group::Client,
        usage: "compact REVISION [--physical]",
        help: "forgets what was overwritten before a revision",
        example: "compact 3",
        parse: |words, _| client(words, compact),
    },
    Verb {
        name: "compaction",
        group: Group::Client,
        usage: "compaction REVISION [--physical]",
        help: "the same as compact",
        example: "compaction 3 --physical",
        parse: |words, _| client(words, compact),
    },
    Verb {
        name: "member",
        group: Group::Client,
        usage: "member list",
        help: "lists the members of the cluster",
        example: "member list",
        parse: |words, _| {
            client(words, |words| sub_command(words, "list", ClientCommand::MemberList))
        },
    },
    Verb {
        name: "endpoint",
        group: Group::Client,
        usage: "endpoint status",
        help: "what one server says of itself",
        example: "on n2 endpoint status",
        parse: |words, _| {
            client(words, |words| sub_command(words, "status", ClientCommand::EndpointStatus))
        },
    },
    Verb {
        name: "on",
        group: Group::Client,
        usage: "on SERVER COMMAND",
        help: "sends a client command to one server",
        example: "on n2 get greeting --consistency=s",
        parse: parse_on,
    },
];

fn client(
    words: &mut Words,
    read: fn(&mut Words) -> Result<ClientCommand, Problem>,
) -> Result<Action, Problem> {
    Ok(Action::Client(ClientAction { on: None, command: read(words)? }))
}

fn parse_on(words: &mut Words, context: Context) -> Result<Action, Problem> {
    let node = words.node(context)?;
    let expected = "a client command such as `put` or `get`";
    let verb = words.expect(expected)?;
    let known = || VERBS.iter().filter(|known| known.name != "on");
    let found = known().find(|known| known.name == verb.text).ok_or_else(|| {
        verb.problem("not a client command:", expected)
            .suggest(&verb.text, known().map(|known| known.name))
    })?;
    match (found.parse)(words, context)? {
        Action::Client(action) => Ok(Action::Client(ClientAction { on: Some(node), ..action })),
        other @ (Action::Load(_) | Action::Fault(_) | Action::Expect(_)) => Ok(other),
    }
}

fn sub_command(
    words: &mut Words,
    name: &str,
    command: ClientCommand,
) -> Result<ClientCommand, Problem> {
    let expected = format!("`{name}`");
    let word = words.expect(&expected)?;
    if word.text == name {
        return Ok(command);
    }
    Err(word.problem("unknown command", &expected).suggest(&word.text, [name]))
}

/// Sorts words into arguments and options as etcdctl does: anywhere, until `--`.
struct Arguments {
    plain: Vec<Word>,
    options: Vec<(String, Option<Word>, u32)>,
    end_column: u32,
}

impl Arguments {
    /// `valued` are the options that take the next word when they have no `=`.
    fn read(words: &mut Words, known: &[&str], valued: &[&str]) -> Result<Arguments, Problem> {
        let mut plain = Vec::new();
        let mut options = Vec::new();
        let mut only_plain = false;
        while let Some(word) = words.take() {
            if only_plain || !word.text.starts_with('-') || word.text == "-" {
                plain.push(word);
            } else if word.text == "--" {
                only_plain = true;
            } else {
                options.push(read_option(words, &word, known, valued)?);
            }
        }
        Ok(Arguments { plain, options, end_column: words.column() })
    }

    fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(option, value, _)| {
            option == name && value.as_ref().is_none_or(|value| value.text != "false")
        })
    }

    fn value(&self, name: &str) -> Option<&Word> {
        self.options.iter().rev().find(|(option, ..)| option == name)?.1.as_ref()
    }

    fn number(&self, name: &str) -> Result<i64, Problem> {
        self.value(name).map_or(Ok(0), natural)
    }

    fn plain<const N: usize>(
        self,
        required: usize,
        names: [&str; N],
    ) -> Result<[Option<String>; N], Problem> {
        if self.plain.len() < required {
            let expected = names[self.plain.len()];
            return Err(Problem::new(self.end_column, "the line ends too early", expected));
        }
        if let Some(word) = self.plain.get(N) {
            return Err(word.problem("one word too many:", "the end of the line"));
        }
        let mut plain = self.plain.into_iter().map(|word| word.text);
        Ok(std::array::from_fn(|_| plain.next()))
    }
}

fn read_option(
    words: &mut Words,
    word: &Word,
    known: &[&str],
    valued: &[&str],
) -> Result<(String, Option<Word>, u32), Problem> {
    let (name, value) = match word.text.split_once('=') {
        Some((name, _)) => (name.to_owned(), Some(word.key_value("")?.1)),
        None => (word.text.clone(), None),
    };
    if !known.contains(&name.as_str()) && !valued.contains(&name.as_str()) {
        let all = || known.iter().chain(valued).copied();
        let expected = all().collect::<Vec<_>>().join(", ");
        let expected = if expected.is_empty() { "no option".to_owned() } else { expected };
        return Err(word.problem("unknown option", &expected).suggest(&name, all()));
    }
    let value = match value {
        None if valued.contains(&name.as_str()) => {
            Some(words.expect(&format!("a value for `{name}`"))?)
        }
        value => value,
    };
    Ok((name, value, word.column))
}

fn natural(word: &Word) -> Result<i64, Problem> {
    let number = word.number_in(0, i64::MAX.unsigned_abs(), "a number")?;
    Ok(number.cast_signed())
}

fn put(words: &mut Words) -> Result<ClientCommand, Problem> {
    let [key, value] = Arguments::read(words, &[], &[])?.plain(2, ["a key", "a value"])?;
    Ok(ClientCommand::Put { key: key.unwrap_or_default(), value: value.unwrap_or_default() })
}

fn get(words: &mut Words) -> Result<ClientCommand, Problem> {
    let flags = ["--prefix", "--keys-only", "--count-only"];
    let arguments = Arguments::read(words, &flags, &["--rev", "--consistency", "--limit"])?;
    let serializable = match arguments.value("--consistency") {
        None => false,
        Some(word) if word.text == "l" => false,
        Some(word) if word.text == "s" => true,
        Some(word) => return Err(word.problem("unknown consistency", "`l` or `s`")),
    };
    let mut get = Get {
        prefix: arguments.has("--prefix"),
        revision: arguments.number("--rev")?,
        serializable,
        limit: arguments.number("--limit")?,
        keys_only: arguments.has("--keys-only"),
        count_only: arguments.has("--count-only"),
        ..Get::default()
    };
    let [key, range_end] = range(arguments, get.prefix)?;
    get.key = key.unwrap_or_default();
    get.range_end = range_end;
    Ok(ClientCommand::Get(get))
}

fn delete(words: &mut Words) -> Result<ClientCommand, Problem> {
    let arguments = Arguments::read(words, &["--prefix"], &[])?;
    let prefix = arguments.has("--prefix");
    let [key, range_end] = range(arguments, prefix)?;
    Ok(ClientCommand::Delete { key: key.unwrap_or_default(), range_end, prefix })
}

fn range(arguments: Arguments, prefix: bool) -> Result<[Option<String>; 2], Problem> {
    if prefix && let Some(word) = arguments.plain.get(1) {
        return Err(word.problem("a range end beside `--prefix`:", "one of the two"));
    }
    arguments.plain(1, ["a key", "the end of the range"])
}

fn compact(words: &mut Words) -> Result<ClientCommand, Problem> {
    let arguments = Arguments::read(words, &["--physical"], &[])?;
    let physical = arguments.has("--physical");
    let revision = arguments.plain.first().map(natural).transpose()?;
    let [_] = arguments.plain(1, ["a revision"])?;
    Ok(ClientCommand::Compact { revision: revision.unwrap_or_default(), physical })
}

impl fmt::Display for ClientAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(node) = self.on {
            write!(f, "on {node} ")?;
        }
        self.command.fmt(f)
    }
}

impl fmt::Display for ClientCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientCommand::Put { key, value } => {
                f.write_str("put")?;
                arguments(f, [key.as_str(), value.as_str()])
            }
            ClientCommand::Get(get) => print_get(f, get),
            ClientCommand::Delete { key, range_end, prefix } => {
                f.write_str("del")?;
                flag(f, "--prefix", *prefix)?;
                arguments(f, std::iter::once(key.as_str()).chain(range_end.as_deref()))
            }
            ClientCommand::Compact { revision, physical } => {
                write!(f, "compact {revision}")?;
                flag(f, "--physical", *physical)
            }
            ClientCommand::MemberList => f.write_str("member list"),
            ClientCommand::EndpointStatus => f.write_str("endpoint status"),
        }
    }
}

fn print_get(f: &mut fmt::Formatter<'_>, get: &Get) -> fmt::Result {
    f.write_str("get")?;
    flag(f, "--prefix", get.prefix)?;
    if get.revision != 0 {
        write!(f, " --rev {}", get.revision)?;
    }
    flag(f, "--consistency=s", get.serializable)?;
    if get.limit != 0 {
        write!(f, " --limit {}", get.limit)?;
    }
    flag(f, "--keys-only", get.keys_only)?;
    flag(f, "--count-only", get.count_only)?;
    arguments(f, std::iter::once(get.key.as_str()).chain(get.range_end.as_deref()))
}

fn flag(f: &mut fmt::Formatter<'_>, name: &str, given: bool) -> fmt::Result {
    if given { write!(f, " {name}") } else { Ok(()) }
}

/// The plain words; `--` goes before them when one looks like an option.
fn arguments<'a>(
    f: &mut fmt::Formatter<'_>,
    words: impl IntoIterator<Item = &'a str>,
) -> fmt::Result {
    let words: Vec<&str> = words.into_iter().collect();
    if words.iter().any(|word| word.starts_with('-') && *word != "-") {
        f.write_str(" --")?;
    }
    words.iter().try_for_each(|word| write!(f, " {}", quoted(word)))
}
