//! Keys and values: `put`, `get`, `del`, `compact`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::arguments::{Arguments, arguments, flag, natural, number};
use super::{ClientCommand, client};
use crate::scenario::error::Problem;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;

/// A write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    /// The key.
    pub key: String,
    /// The value; empty with `ignore_value`.
    pub value: String,
    /// The lease to attach to; 0 for none.
    pub lease: i64,
    /// Tell what was there before.
    pub prev_kv: bool,
    /// Keep the value that is there.
    pub ignore_value: bool,
    /// Keep the lease that is there.
    pub ignore_lease: bool,
}

/// Which keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// First key.
    pub key: String,
    /// How far from there.
    pub until: Until,
}

/// How far a range of keys goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// The key alone.
    #[default]
    One,
    /// Up to this key, not included.
    End(String),
    /// All keys that begin with the key.
    Prefix,
    /// All keys from the key on.
    FromKey,
}

/// A read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Get {
    /// Of which keys.
    pub keys: Keys,
    /// As of this revision; 0 for now.
    pub revision: i64,
    /// The server answers from what it has, without asking the others.
    pub serializable: bool,
    /// At most this many; 0 for all.
    pub limit: i64,
    /// In which order.
    pub order: Order,
    /// By what.
    pub sort_by: SortBy,
    /// What to print of each.
    pub print: Print,
}

/// In which order a read answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// As stored.
    #[default]
    Stored,
    /// Lowest first.
    Ascend,
    /// Highest first.
    Descend,
}

/// What a read is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SortBy {
    /// The key.
    #[default]
    Key,
    /// The revision that created the key.
    Create,
    /// The revision of its last change.
    Modify,
    /// The value.
    Value,
    /// Its version.
    Version,
}

/// What is printed of each key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Print {
    /// Key and value.
    #[default]
    Both,
    /// Only the key; the server leaves the value out.
    Keys,
    /// Only the value.
    Values,
    /// Only how many there are.
    Count,
}

/// A deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// Of which keys.
    pub keys: Keys,
    /// Tell what was there.
    pub prev_kv: bool,
}

pub(super) const VERBS: &[Verb] = &[
    Verb {
        name: "put",
        group: Group::Client,
        usage: "put KEY VALUE [--lease ID] [--prev-kv] · put KEY --ignore-value · \
                put KEY VALUE --ignore-lease",
        help: "writes a value; acknowledged once a majority holds it",
        example: "put greeting hello",
        parse: |words, _| client(words, |words| put(words).map(ClientCommand::Put)),
    },
    Verb {
        name: "get",
        group: Group::Client,
        usage: "get KEY [RANGE_END] [--prefix|--from-key] [--rev N] [--consistency=l|s] \
                [--limit N] [--order=ASCEND|DESCEND] [--sort-by=KEY|CREATE|MODIFY|VALUE|VERSION] \
                [--keys-only|--print-value-only|--count-only]",
        help: "reads keys, now or as of a revision",
        example: "get greeting --rev 2",
        parse: |words, _| client(words, |words| get(words).map(ClientCommand::Get)),
    },
    Verb {
        name: "del",
        group: Group::Client,
        usage: "del KEY [RANGE_END] [--prefix|--from-key] [--prev-kv]",
        help: "deletes keys; their history stays until it is compacted",
        example: "del user/ --prefix",
        parse: |words, _| client(words, |words| delete(words).map(ClientCommand::Delete)),
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
];

pub(super) fn put(words: &mut Words) -> Result<Put, Problem> {
    let flags = ["--prev-kv", "--ignore-value", "--ignore-lease"];
    let arguments = Arguments::read(words, &flags, &["--lease"])?;
    let mut put = Put {
        lease: arguments.lease("--lease")?,
        prev_kv: arguments.has("--prev-kv"),
        ignore_value: arguments.has("--ignore-value"),
        ignore_lease: arguments.has("--ignore-lease"),
        ..Put::default()
    };
    if put.ignore_value {
        let [key] = arguments.plain(1, ["a key"])?;
        put.key = key.unwrap_or_default();
        return Ok(put);
    }
    let [key, value] = arguments.plain(2, ["a key", "a value"])?;
    put.key = key.unwrap_or_default();
    put.value = value.unwrap_or_default();
    Ok(put)
}

const ORDERS: [(&str, Order); 3] =
    [("", Order::Stored), ("ASCEND", Order::Ascend), ("DESCEND", Order::Descend)];
const SORTS: [(&str, SortBy); 5] = [
    ("KEY", SortBy::Key),
    ("CREATE", SortBy::Create),
    ("MODIFY", SortBy::Modify),
    ("VALUE", SortBy::Value),
    ("VERSION", SortBy::Version),
];
const PRINTS: [(&str, Print); 3] = [
    ("--keys-only", Print::Keys),
    ("--print-value-only", Print::Values),
    ("--count-only", Print::Count),
];

pub(super) fn get(words: &mut Words) -> Result<Get, Problem> {
    let flags = ["--prefix", "--from-key", "--keys-only", "--print-value-only", "--count-only"];
    let valued = ["--rev", "--consistency", "--limit", "--order", "--sort-by"];
    let arguments = Arguments::read(words, &flags, &valued)?;
    let print = PRINTS.iter().find(|(name, _)| arguments.has(name));
    Ok(Get {
        revision: arguments.number("--rev")?,
        serializable: arguments.one_of("--consistency", &[("l", false), ("s", true)])?,
        limit: arguments.number("--limit")?,
        order: arguments.one_of("--order", &ORDERS)?,
        sort_by: arguments.one_of("--sort-by", &SORTS)?,
        print: print.map_or(Print::Both, |(_, print)| *print),
        keys: keys(arguments)?,
    })
}

pub(super) fn delete(words: &mut Words) -> Result<Delete, Problem> {
    let arguments = Arguments::read(words, &["--prefix", "--from-key", "--prev-kv"], &[])?;
    let prev_kv = arguments.has("--prev-kv");
    Ok(Delete { keys: keys(arguments)?, prev_kv })
}

/// `KEY [RANGE_END]`, `KEY --prefix` or `KEY --from-key`.
pub(super) fn keys(arguments: Arguments) -> Result<Keys, Problem> {
    let (prefix, from_key) = (arguments.has("--prefix"), arguments.has("--from-key"));
    if (prefix || from_key)
        && let Some(word) = arguments.word(1)
    {
        return Err(word.problem("a range end beside `--prefix` or `--from-key`:", "one of them"));
    }
    let [key, end] = arguments.plain(1, ["a key", "the end of the range"])?;
    let until = match (prefix, from_key, end) {
        (true, _, _) => Until::Prefix,
        (false, true, _) => Until::FromKey,
        (false, false, Some(end)) => Until::End(end),
        (false, false, None) => Until::One,
    };
    Ok(Keys { key: key.unwrap_or_default(), until })
}

fn compact(words: &mut Words) -> Result<ClientCommand, Problem> {
    let arguments = Arguments::read(words, &["--physical"], &[])?;
    let physical = arguments.has("--physical");
    let revision = natural(arguments.required(0, "a revision")?)?;
    arguments.at_most(1)?;
    Ok(ClientCommand::Compact { revision, physical })
}

impl Keys {
    /// One key.
    pub fn one(key: impl Into<String>) -> Keys {
        Keys { key: key.into(), until: Until::One }
    }

    /// All keys that begin so.
    pub fn prefix(key: impl Into<String>) -> Keys {
        Keys { key: key.into(), until: Until::Prefix }
    }

    pub(super) fn print_flags(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        flag(f, "--prefix", self.until == Until::Prefix)?;
        flag(f, "--from-key", self.until == Until::FromKey)
    }

    pub(super) fn print_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if let Until::End(end) = &self.until { Some(end.as_str()) } else { None };
        arguments(f, std::iter::once(self.key.as_str()).chain(end))
    }
}

impl fmt::Display for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("put")?;
        if self.lease != 0 {
            write!(f, " --lease {:x}", self.lease)?;
        }
        flag(f, "--prev-kv", self.prev_kv)?;
        flag(f, "--ignore-value", self.ignore_value)?;
        flag(f, "--ignore-lease", self.ignore_lease)?;
        let value = (!self.ignore_value).then_some(self.value.as_str());
        arguments(f, std::iter::once(self.key.as_str()).chain(value))
    }
}

impl fmt::Display for Get {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("get")?;
        self.keys.print_flags(f)?;
        number(f, "--rev", self.revision)?;
        flag(f, "--consistency=s", self.serializable)?;
        number(f, "--limit", self.limit)?;
        if let Some((name, _)) = ORDERS[1..].iter().find(|(_, order)| *order == self.order) {
            write!(f, " --order={name}")?;
        }
        if let Some((name, _)) = SORTS[1..].iter().find(|(_, by)| *by == self.sort_by) {
            write!(f, " --sort-by={name}")?;
        }
        if let Some((name, _)) = PRINTS.iter().find(|(_, print)| *print == self.print) {
            write!(f, " {name}")?;
        }
        self.keys.print_words(f)
    }
}

impl fmt::Display for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("del")?;
        self.keys.print_flags(f)?;
        flag(f, "--prev-kv", self.prev_kv)?;
        self.keys.print_words(f)
    }
}
