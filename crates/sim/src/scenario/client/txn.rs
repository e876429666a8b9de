//! Transactions on one line, each comparison and request one quoted word.
//!
//! ```text
//! txn if 'mod("k") > "0"' 'value("k") = "a"' then 'put k b' 'get k' else 'put k a'
//! ```
//!
//! Comparisons and requests are etcdctl's own; so is that requests do not nest.

use std::fmt;

use serde::{Deserialize, Serialize};
use winnow::Parser;
use winnow::ascii::space0;
use winnow::combinator::{alt, delimited, preceded, repeat, terminated};
use winnow::error::{ContextError, ErrMode};
use winnow::token::{any, none_of, take_while};

use super::kv::{Delete, Get, Put};
use super::{ClientCommand, client, kv};
use crate::scenario::error::Problem;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::{Word, Words, quoted};

/// Most comparisons, and most requests in a branch: etcd's `--max-txn-ops`.
pub const TXN_OPS_MAX: usize = 128;

/// If all comparisons hold the first requests, else the second, as one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Txn {
    /// What must hold.
    pub compares: Vec<Compare>,
    /// What is done when it holds.
    pub success: Vec<TxnRequest>,
    /// What is done when it does not.
    pub failure: Vec<TxnRequest>,
}

/// `mod("key") > "0"`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// What of the key.
    pub target: CompareTarget,
    /// The key.
    pub key: String,
    /// How.
    pub result: CompareResult,
}

/// What of a key is compared, and with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompareTarget {
    /// Its version.
    Version(i64),
    /// The revision that created it.
    Create(i64),
    /// The revision of its last change.
    Mod(i64),
    /// Its value.
    Value(String),
    /// Its lease.
    Lease(i64),
}

/// How the two are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompareResult {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `<`
    Less,
}

/// One request of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TxnRequest {
    /// `put`
    Put(Put),
    /// `get`
    Get(Get),
    /// `del`
    Delete(Delete),
}

pub(super) const VERBS: &[Verb] = &[Verb {
    name: "txn",
    group: Group::Client,
    usage: "txn [if 'COMPARE'…] [then 'REQUEST'…] [else 'REQUEST'…]",
    help: "compares, then does one of two lists of put, get and del as one step",
    example: "txn if 'create(\"k\") = \"0\"' then 'put k first' else 'get k'",
    parse: |words, _| client(words, |words| txn(words).map(ClientCommand::Txn)),
}];

fn txn(words: &mut Words) -> Result<Txn, Problem> {
    let mut txn = Txn::default();
    if words.take_if("if") {
        txn.compares = until(words, &["then", "else"], compare)?;
    }
    if words.take_if("then") {
        txn.success = until(words, &["else"], request)?;
    }
    if words.take_if("else") {
        txn.failure = until(words, &[], request)?;
    }
    match words.take() {
        Some(word) => Err(word.problem("not part of a transaction:", "`if`, `then` or `else`")),
        None => Ok(txn),
    }
}

fn until<T>(
    words: &mut Words,
    ends: &[&str],
    read: fn(&Word) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let mut items = Vec::new();
    while words.peek().is_some_and(|word| !ends.contains(&word)) {
        let word = words.expect("a quoted comparison or request")?;
        if items.len() == TXN_OPS_MAX {
            return Err(word.problem("too many:", &format!("at most {TXN_OPS_MAX}")));
        }
        items.push(read(&word)?);
    }
    Ok(items)
}

fn request(word: &Word) -> Result<TxnRequest, Problem> {
    let expected = "`put …`, `get …` or `del …` in quotes";
    let inside = |mut problem: Problem| {
        problem.column = word.column;
        problem
    };
    let mut words = Words::split(&word.text).map_err(inside)?;
    let verb = words.expect(expected).map_err(inside)?;
    let request = match verb.text.as_str() {
        "put" => kv::put(&mut words).map(TxnRequest::Put),
        "get" => kv::get(&mut words).map(TxnRequest::Get),
        "del" => kv::delete(&mut words).map(TxnRequest::Delete),
        _ => Err(verb.problem("not a request of a transaction:", expected)),
    };
    request.map_err(inside)
}

fn compare(word: &Word) -> Result<Compare, Problem> {
    let expected = "a comparison such as `mod(\"key\") > \"0\"` in quotes";
    let wrong = || word.problem("not a comparison:", expected);
    let mut input = word.text.as_str();
    let (target, key, result, value) =
        parts.parse_next(&mut input).ok().filter(|_| input.is_empty()).ok_or_else(wrong)?;
    let number = || value.parse::<i64>().map_err(|_| wrong());
    let target = match target {
        "c" | "create" => CompareTarget::Create(number()?),
        "m" | "mod" => CompareTarget::Mod(number()?),
        "ver" | "version" => CompareTarget::Version(number()?),
        "val" | "value" => CompareTarget::Value(value),
        "lease" => CompareTarget::Lease(i64::from_str_radix(&value, 16).map_err(|_| wrong())?),
        _ => return Err(wrong()),
    };
    Ok(Compare { target, key, result })
}

type Parts<'a> = (&'a str, String, CompareResult, String);

fn parts<'a>(input: &mut &'a str) -> Result<Parts<'a>, ErrMode<ContextError>> {
    let target = take_while(1.., 'a'..='z');
    let key = delimited('(', text, ')');
    let result = alt((
        "!=".value(CompareResult::NotEqual),
        "=".value(CompareResult::Equal),
        ">".value(CompareResult::Greater),
        "<".value(CompareResult::Less),
    ));
    let result = delimited(space0, result, space0);
    terminated((target, key, result, text), space0).parse_next(input)
}

/// `"…"` with `\"` and `\\`.
fn text(input: &mut &str) -> Result<String, ErrMode<ContextError>> {
    let inside = repeat(0.., alt((preceded('\\', any), none_of(['"', '\\']))));
    delimited('"', inside, '"').parse_next(input)
}

impl Txn {
    /// Whether any of its requests could change something.
    pub fn writes(&self) -> bool {
        let requests = self.success.iter().chain(&self.failure);
        requests.into_iter().any(|request| !matches!(request, TxnRequest::Get(_)))
    }
}

impl fmt::Display for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("txn")?;
        print_all(f, "if", &self.compares)?;
        print_all(f, "then", &self.success)?;
        print_all(f, "else", &self.failure)
    }
}

fn print_all<T: fmt::Display>(f: &mut fmt::Formatter<'_>, word: &str, all: &[T]) -> fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    write!(f, " {word}")?;
    all.iter().try_for_each(|one| write!(f, " {}", quoted(&one.to_string())))
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (target, value) = match &self.target {
            CompareTarget::Version(version) => ("version", version.to_string()),
            CompareTarget::Create(revision) => ("create", revision.to_string()),
            CompareTarget::Mod(revision) => ("mod", revision.to_string()),
            CompareTarget::Value(value) => ("value", value.clone()),
            CompareTarget::Lease(lease) => ("lease", format!("{lease:x}")),
        };
        let result = match self.result {
            CompareResult::Equal => "=",
            CompareResult::NotEqual => "!=",
            CompareResult::Greater => ">",
            CompareResult::Less => "<",
        };
        write!(f, "{target}({}) {result} {}", escaped(&self.key), escaped(&value))
    }
}

fn escaped(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for TxnRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TxnRequest::Put(put) => put.fmt(f),
            TxnRequest::Get(get) => get.fmt(f),
            TxnRequest::Delete(delete) => delete.fmt(f),
        }
    }
}
