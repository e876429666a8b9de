//! The backend of an export, written by bbolt's rules page by page.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::{ExportError, Identity};
use crate::bolt::{Build, BuildError, PageStore};
use crate::datadir::State;
use crate::membership::join_context;
use crate::mvcc::{Backend as _, Bucket, Revision};

/// A bucket that fits memory.
type Pairs = BTreeMap<Bytes, Bytes>;

/// Writes the whole file, with the revisions of a history up to `last`.
pub(super) fn write(
    state: &State,
    history: &State,
    identity: &Identity,
    last: i64,
    store: &mut dyn PageStore,
) -> Result<(), ExportError> {
    let mut build = Build::begin(store);
    for bucket in Bucket::ALL {
        build.bucket(bucket.name().as_bytes())?;
        match bucket {
            Bucket::Key => revisions(&mut build, history, last)?,
            Bucket::Meta => put(&mut build, meta(state, history, identity))?,
            Bucket::Members => put(&mut build, members(identity))?,
            Bucket::MembersRemoved => put(&mut build, removed(state, identity))?,
            Bucket::Cluster => put(&mut build, cluster(state, identity))?,
            Bucket::Lease
            | Bucket::Alarm
            | Bucket::Auth
            | Bucket::AuthRoles
            | Bucket::AuthUsers => put(&mut build, pairs(state, bucket))?,
        }
    }
    build.finish()?;
    state.problem().map_or(Ok(()), |problem| Err(problem.into()))
}

fn put(build: &mut Build<'_>, pairs: Pairs) -> Result<(), BuildError> {
    pairs.into_iter().try_for_each(|(key, value)| build.put(&key, &value))
}

fn revisions(build: &mut Build<'_>, state: &State, last: i64) -> Result<(), BuildError> {
    let mut written = Ok(());
    state.store().backend().scan(Bucket::Key, &[], None, &mut |key, value| {
        let main = Revision::from_bytes(key).map_or(0, |stored| stored.revision.main);
        if main <= last {
            written = build.put(key, value);
        }
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    written
}

fn pairs(state: &State, bucket: Bucket) -> Pairs {
    state.store().backend().bucket(bucket).into_iter().collect()
}

fn cluster(state: &State, identity: &Identity) -> Pairs {
    let mut pairs = pairs(state, Bucket::Cluster);
    if let Some(version) = identity.cluster.version() {
        let version = Bytes::copy_from_slice(version.as_bytes());
        pairs.insert(Bytes::from_static(b"clusterVersion"), version);
    }
    pairs
}

fn meta(state: &State, history: &State, identity: &Identity) -> Pairs {
    let mut pairs = pairs(state, Bucket::Meta);
    if history.store().compact_revision() < 0 {
        // It has what the state had compacted.
        for name in [&b"finishedCompactRev"[..], b"scheduledCompactRev"] {
            pairs.remove(name);
        }
    }
    let number = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
    pairs.insert(Bytes::from_static(b"consistent_index"), number(identity.index));
    if identity.is_since_3_5() {
        pairs.insert(Bytes::from_static(b"term"), number(identity.term));
        pairs.insert(Bytes::from_static(b"confState"), identity.conf_state_json().into());
    }
    pairs
}

fn members(identity: &Identity) -> Pairs {
    let members = identity.cluster.members();
    members.map(|member| (format!("{:x}", member.id).into(), join_context(member).into())).collect()
}

/// Ids that were removed before, and those of the members that are left behind.
fn removed(state: &State, identity: &Identity) -> Pairs {
    let mut removed = pairs(state, Bucket::MembersRemoved);
    for (key, _) in state.store().backend().bucket(Bucket::Members) {
        let id = std::str::from_utf8(&key).ok().and_then(|key| u64::from_str_radix(key, 16).ok());
        if id.is_some_and(|id| identity.cluster.is_removed(id)) {
            removed.insert(key, Bytes::from_static(b"removed"));
        }
    }
    removed
}
