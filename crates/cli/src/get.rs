//! `quorarium get PATH`: the keys that a directory holds, at any revision that is left.

use std::path::PathBuf;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etcd::request::{KeyValue, Range};
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
    let fails = |error| Failure::state(arguments.path.display().to_string(), &error);
    let mut listing = archive::open(&arguments.path)?.list(&range(arguments)).map_err(fails)?;
    let first = listing.next_page(PAGE_KEYS).map_err(fails)?.unwrap_or_default();
    let (revision, count) = (first.header.revision, first.count);
    let mut output = Output::new();
    let mut shape = Shape { is_json: arguments.json, has_keys: false };
    shape.head(revision, &mut output)?;
    let mut page = Some(first);
    while let Some(reply) = page {
        for kv in &reply.kvs {
            shape.key(kv, &mut output)?;
        }
        page = listing.next_page(PAGE_KEYS).map_err(fails)?;
    }
    shape.foot(count, &mut output)?;
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Keys in memory at a time.
const PAGE_KEYS: i64 = 256;

/// Keys and values a line each, or one document in the shape of etcdctl, written as it is read.
struct Shape {
    is_json: bool,
    has_keys: bool,
}

impl Shape {
    fn head(&self, revision: i64, output: &mut Output) -> Result<(), Failure> {
        if self.is_json {
            output.text(&format!("{{\"header\":{{\"revision\":{revision}}},\"kvs\":["))?;
        }
        Ok(())
    }

    fn key(&mut self, kv: &KeyValue, output: &mut Output) -> Result<(), Failure> {
        if self.is_json {
            if std::mem::replace(&mut self.has_keys, true) {
                output.text(",")?;
            }
            return output.part(&Kv::of(kv));
        }
        output.line(&String::from_utf8_lossy(&kv.key))?;
        output.line(&String::from_utf8_lossy(&kv.value))
    }

    fn foot(&self, count: i64, output: &mut Output) -> Result<(), Failure> {
        if self.is_json {
            output.line(&format!("],\"count\":{count}}}"))?;
        }
        Ok(())
    }
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

impl Kv {
    fn of(kv: &KeyValue) -> Kv {
        let &KeyValue { create_revision, mod_revision, version, lease, .. } = kv;
        let lease = Some(lease).filter(|lease| *lease != 0);
        let (key, value) = (STANDARD.encode(&kv.key), STANDARD.encode(&kv.value));
        Kv { key, create_revision, mod_revision, version, value, lease }
    }
}
