//! `quorarium get PATH`: the keys that a directory holds, at any revision that is left.

use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etcd::request::{KeyValue, Range, RangeReply};
use serde::Serialize;

use crate::archive;
use crate::failure::Failure;
use crate::output::Output;

/// Arguments of `get`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A data directory, an archive of one (.tar.gz, .tar, .zip), a snapshot file, or - for an
    /// archive on standard input.
    path: PathBuf,
    /// The key; without it all keys.
    key: Option<String>,
    /// With it, the keys from KEY up to but without this one.
    #[arg(conflicts_with = "prefix")]
    range_end: Option<String>,
    /// All keys that begin with KEY.
    #[arg(long)]
    prefix: bool,
    /// Read at this revision instead of the last one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    rev: i64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The answer in the shape of etcdctl.
#[derive(Debug, Serialize)]
struct Answer {
    header: Header,
    kvs: Vec<Kv>,
    count: i64,
}

#[derive(Debug, Serialize)]
struct Header {
    revision: i64,
}

#[derive(Debug, Serialize)]
struct Kv {
    key: String,
    create_revision: i64,
    mod_revision: i64,
    version: i64,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<i64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let source_name = || arguments.path.display().to_string();
    let state = archive::open(&arguments.path)?.state();
    let state = state.map_err(|error| Failure::state(source_name(), &error))?;
    let reply = state.range(&range(arguments));
    let reply = reply.map_err(|error| Failure::state(source_name(), &error))?;
    let mut output = Output::new();
    if arguments.json {
        output.json(&Answer::of(&reply))?;
    } else {
        for kv in &reply.kvs {
            output.line(&String::from_utf8_lossy(&kv.key))?;
            output.line(&String::from_utf8_lossy(&kv.value))?;
        }
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn range(arguments: &Arguments) -> Range {
    let key = arguments.key.clone().unwrap_or_default().into_bytes();
    let is_all = arguments.key.is_none() || (key.is_empty() && arguments.prefix);
    let range_end = match &arguments.range_end {
        Some(end) => end.clone().into_bytes(),
        None if is_all => vec![0],
        None if arguments.prefix => prefix_end(&key),
        None => Vec::new(),
    };
    let (key, range_end) = (key.into(), range_end.into());
    Range { key, range_end, revision: arguments.rev, ..Range::default() }
}

/// The first key behind all that begin with `prefix`; "\0" if there is none.
fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let Some(last) = prefix.iter().rposition(|byte| *byte < u8::MAX) else { return vec![0] };
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    end
}

impl Answer {
    fn of(reply: &RangeReply) -> Answer {
        let header = Header { revision: reply.header.revision };
        Answer { header, kvs: reply.kvs.iter().map(Kv::of).collect(), count: reply.count }
    }
}

impl Kv {
    fn of(kv: &KeyValue) -> Kv {
        let &KeyValue { create_revision, mod_revision, version, lease, .. } = kv;
        let lease = Some(lease).filter(|lease| *lease != 0);
        let (key, value) = (STANDARD.encode(&kv.key), STANDARD.encode(&kv.value));
        Kv { key, create_revision, mod_revision, version, value, lease }
    }
}
