//! Whatever is changed in a real backend, reading it returns, and a walk that finds nothing wrong
//! leads to keys in order.

#![allow(clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod corpus;

use std::sync::OnceLock;

use bytes::Bytes;
use etcd::bolt::{Bucket, File};
use etcd::datadir::{DataDir, DataFile};
use etcd::request::Range;
use proptest::prelude::*;

/// The backends of real servers, small ones with a tree.
fn originals() -> &'static [Bytes] {
    static ORIGINALS: OnceLock<Vec<Bytes>> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let Some(folder) = corpus::folder() else { return Vec::new() };
        let cases = ["A1_single", "A8_compact_head_delete", "B1_lowsnap", "G1_v351_single"];
        let backend = |case: &&str| {
            let files = corpus::files(&folder, case);
            let file = files.into_iter().find(|file| file.path.ends_with("snap/db")).unwrap();
            let bytes = file.range(0, file.len()).unwrap().to_vec();
            Bytes::from(bytes)
        };
        cases.iter().map(backend).collect()
    })
}

/// A change of the bytes; places are counted modulo the length.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Zero(usize, usize),
    Cut(usize),
    /// A number in the header or an element of a page.
    Field(usize, usize, u32),
    /// A page in the place of another one.
    Copy(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..1_usize << 17;
    prop_oneof![
        (at.clone(), 1..=255u8).prop_map(|(at, xor)| Damage::Flip(at, xor)),
        (at.clone(), 1..5000usize).prop_map(|(at, len)| Damage::Zero(at, len)),
        at.prop_map(Damage::Cut),
        (2..32usize, 0..64usize, prop_oneof![0..64u32, any::<u32>()])
            .prop_map(|(page, field, value)| Damage::Field(page, field, value)),
        (2..32usize, 2..32usize).prop_map(|(from, to)| Damage::Copy(from, to)),
    ]
}

const PAGE: usize = 4096;

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let len = bytes.len();
    if len < 2 * PAGE {
        return;
    }
    match *damage {
        Damage::Flip(at, xor) => bytes[at % len] ^= xor,
        Damage::Zero(at, run) => {
            let at = at % len;
            bytes[at..(at + run).min(len)].fill(0);
        }
        Damage::Cut(at) => bytes.truncate(at % len),
        Damage::Field(page, field, value) => {
            let at = (page * PAGE + field * 4) % (len / 4 * 4 - 4);
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        Damage::Copy(from, to) => {
            let (pages, [from, to]) = (len / PAGE, [from, to]);
            let (from, to) = (from % pages * PAGE, to % pages * PAGE);
            bytes.copy_within(from..from + PAGE, to);
        }
    }
}

/// How deep buckets are followed: damage can put one into itself.
const DEPTH_MAX: usize = 6;

/// Walks a bucket both ways; how many keys that gave.
fn walk(bucket: &Bucket<'_>, depth: usize) -> Result<usize, etcd::bolt::Problem> {
    let (mut keys, mut cursor) = (Vec::new(), bucket.cursor());
    while let Some(item) = cursor.next()? {
        keys.push(item.key);
        if depth < DEPTH_MAX
            && let Some(inner) = cursor.bucket()?
        {
            walk(&inner, depth + 1)?;
        }
    }
    let (mut back, mut cursor) = (0, bucket.cursor());
    while cursor.prev()?.is_some() {
        back += 1;
    }
    assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "in order");
    assert_eq!(keys.len(), back, "the same both ways");
    Ok(back)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_backends_are_read_to_an_end(
        case in 0..4usize,
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let Some(original) = originals().get(case) else { return Ok(()) };
        let mut bytes = original.to_vec();
        for damage in &damages {
            apply(&mut bytes, damage);
        }
        let len = bytes.len() as u64;
        let bytes = Bytes::from(bytes);
        let path = "member/snap/db";
        let file = DataFile::new(path, bytes.clone(), len);
        let directory = DataDir::from_files([file]).unwrap();
        let summary = directory.inspect();
        prop_assert!(summary.revision.is_some() || !summary.not_read.is_empty());
        if let Ok(state) = directory.state() {
            let all = Range { range_end: Bytes::from_static(b"\0"), ..Range::default() };
            for revision in [0, 1, 60, i64::MAX] {
                let _ = state.hash_kv(revision);
                let _ = state.range(&Range { revision, ..all.clone() });
            }
        }
        if let Ok(file) = File::open(bytes, len) {
            let check = file.check();
            let walked = walk(&file.root(), 0);
            prop_assert!(walked.is_ok() || !check.problems.is_empty(), "{:?}", walked);
            let _ = file.freelist();
            let _ = file.root().bucket(b"key").map(|bucket| bucket.map(|b| b.get(b"a").is_ok()));
        }
    }
}
