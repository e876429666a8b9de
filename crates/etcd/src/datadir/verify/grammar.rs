//! What record may follow which. The checksum does not cover a record's type: a bit flipped there
//! makes another record of it, and the row tells.
//!
//! A segment begins with a checksum and metadata, and has neither again. Terms and commit indices
//! of hard states never go back. An entry follows the last one or takes its place, but never that
//! of a committed one; only behind a snapshot's mark may there be a leap.

use prost::Message as _;

use crate::proto::strict::{self, Shape};
use crate::proto::{raftpb, walpb};
use crate::wal::RecordKind;

/// Where a log stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Grammar {
    /// Records so far in the segment.
    count: u64,
    /// The last entry or mark; nothing where it is not known.
    last_index: Option<u64>,
    term: u64,
    commit: u64,
}

impl Grammar {
    /// The highest commit index so far.
    pub(super) fn commit(&self) -> u64 {
        self.commit
    }

    /// A segment begins.
    pub(super) fn begin(&mut self) {
        self.count = 0;
    }

    /// A record could not be read.
    pub(super) fn skip(&mut self) {
        self.count += 1;
        self.last_index = None;
    }

    /// Takes a record with the right checksum, and says what is wrong with it here.
    pub(super) fn take(&mut self, kind: RecordKind, data: &[u8]) -> Option<String> {
        let number = self.count;
        self.count += 1;
        let is_placed = match kind {
            RecordKind::Crc => number == 0,
            RecordKind::Metadata => number == 1,
            RecordKind::Entry | RecordKind::State | RecordKind::Snapshot => number > 1,
        };
        if !is_placed {
            return Some(format!("a record of type {} as number {number}", kind.as_str()));
        }
        let (shape, name): (&Shape, _) = match kind {
            RecordKind::Crc => return None,
            RecordKind::Metadata => (&strict::METADATA, "etcdserverpb.Metadata"),
            RecordKind::Entry => (&strict::ENTRY, "raftpb.Entry"),
            RecordKind::State => (&strict::HARD_STATE, "raftpb.HardState"),
            RecordKind::Snapshot => (&strict::SNAPSHOT_MARK, "walpb.Snapshot"),
        };
        if let Err(refused) = strict::check(shape, data) {
            return Some(format!("no {name}: {}", refused.words()));
        }
        match kind {
            RecordKind::Entry => self.entry(&raftpb::Entry::decode(data).ok()?),
            RecordKind::State => self.state(&raftpb::HardState::decode(data).ok()?),
            RecordKind::Snapshot => {
                let mark = walpb::Snapshot::decode(data).ok()?;
                let last = self.last_index.unwrap_or(mark.index);
                self.last_index = Some(last.max(mark.index));
                None
            }
            RecordKind::Crc | RecordKind::Metadata => None,
        }
    }

    fn entry(&mut self, entry: &raftpb::Entry) -> Option<String> {
        let before = self.last_index.replace(entry.index);
        let index = entry.index;
        if !(0..=2).contains(&entry.r#type) {
            return Some(format!("an entry of type {}", entry.r#type));
        }
        if index <= self.commit {
            return Some(format!("entry {index} in place of one that is committed"));
        }
        let leap = before.filter(|before| index > before.saturating_add(1))?;
        Some(format!("entry {index} after {leap}"))
    }

    fn state(&mut self, state: &raftpb::HardState) -> Option<String> {
        let (term, commit) = (self.term, self.commit);
        (self.term, self.commit) = (term.max(state.term), commit.max(state.commit));
        if state.term < term || state.commit < commit {
            return Some(format!(
                "term {} and commit {} after term {term} and commit {commit}",
                state.term, state.commit
            ));
        }
        None
    }
}
