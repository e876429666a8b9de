//! What is wrong inside etcd's buckets.
//!
//! bbolt has no checksums for its pages, but revisions have a grammar: a value names its own
//! revision, versions of a key count up from its creation, and above the compact revision no main
//! revision is missing. A flipped bit in those fields breaks it.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;

use super::mapped::Pair;
use super::model::DamageAt;
use super::pages::{Contents, damage, unreadable};
use super::{Dies, hex};
use crate::mvcc::Revision;
use crate::mvcc::revision::StoredRevision;
use crate::proto::leasepb::Lease;
use crate::proto::mvccpb::KeyValue;
use crate::proto::strict;

/// All buckets that releases up to 3.6 make.
const BUCKETS: [&str; 10] = [
    "alarm",
    "auth",
    "authRoles",
    "authUsers",
    "cluster",
    "key",
    "lease",
    "members",
    "members_removed",
    "meta",
];
/// Damage of one kind that is listed.
const SHOWN: usize = 100;

/// Checks all buckets.
pub(super) fn check(path: &str, contents: &Contents, found: &mut Vec<DamageAt>) {
    let mut checker = Checker { path, page_bytes: contents.page_bytes, found: Vec::new() };
    let walk = checker.buckets(contents);
    found.append(&mut checker.found);
    found.extend(walk.err().map(|dies| unreadable(path, &dies)));
}

/// The revision up to which history may be missing.
pub(super) fn compact_revision(contents: &Contents) -> Result<i64, Dies> {
    let mut compact = 0;
    for name in [&b"finishedCompactRev"[..], b"scheduledCompactRev"] {
        let value = contents.value("meta", name)?;
        let stored = value.and_then(|value| Revision::from_bytes(&value));
        compact = stored.map_or(compact, |stored| stored.revision.main.max(compact));
    }
    Ok(compact)
}

struct Checker<'a> {
    path: &'a str,
    page_bytes: u64,
    found: Vec<DamageAt>,
}

/// All keys, with bytes of their own: those of a page would keep the page.
type Keys = BTreeMap<Box<[u8]>, Newest>;

/// The newest revision of a key so far.
struct Newest {
    main: i64,
    create: i64,
    version: i64,
    is_tombstone: bool,
}

impl Checker<'_> {
    fn buckets(&mut self, contents: &Contents) -> Result<(), Dies> {
        for (name, keys) in contents.buckets().filter(|bucket| !BUCKETS.contains(&bucket.0)) {
            let mut first = None;
            contents.each(name, &mut |pair| {
                first.get_or_insert(pair.offset);
                Ok(())
            })?;
            let detail = format!("{keys} keys in a bucket that etcd does not know");
            let record = format!("bucket {name:?}");
            let at = (first.unwrap_or(0), 0);
            self.found.push(damage(self.path, at, "bucket", record, detail));
        }
        contents.each("meta", &mut |pair| {
            self.meta(pair);
            Ok(())
        })?;
        contents.each("lease", &mut |pair| {
            self.lease(pair);
            Ok(())
        })?;
        contents.each("members", &mut |pair| {
            self.member(pair);
            Ok(())
        })?;
        self.history(contents, compact_revision(contents)?)
    }

    fn add(&mut self, pair: &Pair, kind: &'static str, what: &str, detail: String) {
        let of_kind = self.found.iter().filter(|found| found.kind == kind).count();
        if of_kind < SHOWN {
            let page = pair.offset / self.page_bytes;
            let record = format!("page {page} element {}: {what}", pair.index);
            let length = pair.value_offset + pair.value.len() as u64;
            let at = pair.value_offset - pair.key.len() as u64;
            let place = (at, length.saturating_sub(at));
            self.found.push(damage(self.path, place, kind, record, detail));
        }
    }

    fn meta(&mut self, pair: &Pair) {
        let name = String::from_utf8_lossy(&pair.key).into_owned();
        let is_right = match &pair.key[..] {
            b"consistent_index" | b"term" => pair.value.len() == 8,
            b"finishedCompactRev" | b"scheduledCompactRev" => {
                Revision::from_bytes(&pair.value).is_some_and(|stored| !stored.tombstone)
            }
            b"confState" => serde_json::from_slice::<serde_json::Value>(&pair.value).is_ok(),
            b"storageVersion" => pair.value.is_ascii(),
            _ => {
                let detail = "a key that etcd does not know".into();
                return self.add(pair, "meta", &format!("meta {name:?}"), detail);
            }
        };
        if !is_right {
            let detail = format!("it holds {}", excerpt(&pair.value));
            self.add(pair, "meta", &format!("meta {name}"), detail);
        }
    }

    fn lease(&mut self, pair: &Pair) {
        let lease = strict::check(&strict::LEASE, &pair.value)
            .map_err(|refused| refused.words().to_string())
            .and_then(|()| Lease::decode(pair.value.clone()).map_err(|error| error.to_string()));
        let what = format!("lease {}", hex(&pair.key));
        match lease {
            Ok(lease) if lease.id.to_be_bytes()[..] == pair.key[..] => {}
            Ok(lease) => {
                self.add(pair, "lease", &what, format!("the value names lease {:x}", lease.id));
            }
            Err(words) => self.add(pair, "lease", &what, words),
        }
    }

    fn member(&mut self, pair: &Pair) {
        let name = String::from_utf8_lossy(&pair.key).into_owned();
        let what = format!("member {name}");
        let Ok(id) = u64::from_str_radix(&name, 16) else {
            return self.add(pair, "member", &what, "the key is no id".into());
        };
        let mut cluster = crate::membership::Cluster::default();
        if let Err(error) = cluster.add(id, &pair.value) {
            self.add(pair, "member", &what, error.to_string());
        }
    }

    fn history(&mut self, contents: &Contents, compact: i64) -> Result<(), Dies> {
        let mut keys = Keys::new();
        let mut before: Option<Revision> = None;
        contents.each("key", &mut |pair| {
            let Some(stored) = Revision::from_bytes(&pair.key) else {
                let detail = format!("{} is no revision", excerpt(&pair.key));
                self.add(pair, "revision", "bucket key", detail);
                return Ok(());
            };
            self.gap(pair, stored, before, compact);
            // Out of order, which the walk over the pages has reported.
            if before.is_none_or(|before| before < stored.revision) {
                before = Some(stored.revision);
            }
            match key_value(&pair.value) {
                Ok(kv) => self.version(pair, stored, &kv, &mut keys, compact),
                Err(words) => {
                    let Revision { main, sub } = stored.revision;
                    let detail = format!("failed to unmarshal mvccpb.KeyValue: {words}");
                    self.add(pair, "value", &format!("revision {main}_{sub}"), detail);
                }
            }
            Ok(())
        })
    }

    /// Above the compact revision every main revision is there, from sub 0 on.
    fn gap(&mut self, pair: &Pair, stored: StoredRevision, before: Option<Revision>, compact: i64) {
        let Revision { main, sub } = stored.revision;
        let expected = match before {
            Some(before) if before.main == main && before.sub < sub => {
                Revision::new(main, before.sub + 1)
            }
            Some(before) if before.main < main => Revision::new(before.main + 1, 0),
            Some(_) => return,
            None => Revision::new(2, 0),
        };
        // Compacted revisions may be missing.
        let expected = expected.max(Revision::new(compact.saturating_add(1), 0));
        if stored.revision > expected && main > compact {
            let detail = format!(
                "revisions {}_{} to before {main}_{sub} are missing",
                expected.main, expected.sub
            );
            self.add(pair, "missing_revision", &format!("revision {main}_{sub}"), detail);
        }
    }

    /// A value is the next version of its key.
    fn version(
        &mut self,
        pair: &Pair,
        stored: StoredRevision,
        kv: &KeyValue,
        keys: &mut Keys,
        compact: i64,
    ) {
        let Revision { main, sub } = stored.revision;
        let is_tombstone = stored.tombstone;
        let before = keys.get(&kv.key[..]);
        let is_first = before.is_none_or(|before| before.is_tombstone);
        let wrong = if is_tombstone {
            let rest = KeyValue { key: Bytes::new(), ..kv.clone() };
            if rest != KeyValue::default() {
                Some("a tombstone holds more than its key".to_string())
            } else if before.is_none() && main > compact {
                Some("it deletes a key that was never set".to_string())
            } else {
                None
            }
        } else if kv.mod_revision != main {
            Some(format!("the value says mod_revision {}", kv.mod_revision))
        } else if kv.create_revision > main || kv.create_revision < 1 || kv.version < 1 {
            Some(format!("create_revision {}, version {}", kv.create_revision, kv.version))
        } else if (kv.version == 1) != (kv.create_revision == main) && sub == 0 {
            Some(format!("version {} with create_revision {}", kv.version, kv.create_revision))
        } else if is_first && kv.version > 1 && main > compact {
            Some(format!("version {} of a key whose version before is missing", kv.version))
        } else {
            before.filter(|_| !is_first).and_then(|before| follows(before, kv))
        };
        if let Some(detail) = wrong {
            let key = excerpt(&kv.key);
            self.add(pair, "value", &format!("revision {main}_{sub} of key {key}"), detail);
        }
        let newest = Newest { main, create: kv.create_revision, version: kv.version, is_tombstone };
        match keys.get_mut(&kv.key[..]) {
            Some(known) => *known = newest,
            None => _ = keys.insert(kv.key[..].into(), newest),
        }
    }
}

fn key_value(value: &Bytes) -> Result<KeyValue, String> {
    strict::check(&strict::KEY_VALUE, value).map_err(|refused| refused.words().to_string())?;
    KeyValue::decode(value.clone()).map_err(|error| error.to_string())
}

fn follows(before: &Newest, kv: &KeyValue) -> Option<String> {
    let is_next = before.version.checked_add(1) == Some(kv.version);
    let is_right = is_next && before.create == kv.create_revision;
    (!is_right).then(|| {
        format!(
            "create_revision {}, version {}, after create_revision {}, version {} at revision {}",
            kv.create_revision, kv.version, before.create, before.version, before.main
        )
    })
}

/// Bytes for people: as text where they are text.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(48)];
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    if !shown.is_empty() && shown.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        return format!("{}{more}", String::from_utf8_lossy(shown));
    }
    format!("0x{}{more}", hex(shown))
}
