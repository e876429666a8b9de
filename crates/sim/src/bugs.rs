//! Known bugs as toggles: the one table of them.
//!
//! Each was in a real system, or is a classic mistake, and breaks one promise that is named here.
//! A toggle is off unless a scenario (`bug ID`) or the command line (`--bug ID`) switches it on; it
//! holds for every server from its next start, and for clients at once. The rule that it breaks is
//! one condition in `raft::bugs`, `etcd::bugs` or the world's clients.

use etcd::bugs::{Bug as Server, Bugs};
use raft::Bug as Core;
use serde::{Deserialize, Serialize};

use crate::check::Promise;

/// A toggle, by its stable number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Toggle(u16);

/// Whose rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Core(Core),
    Server(Server),
    Client,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToggleInfo {
    /// As scenarios name it: `vote-not-persisted`.
    pub id: &'static str,
    /// Its stable number.
    pub number: u16,
    /// What goes wrong.
    pub title: &'static str,
    /// The promise that catches it.
    pub promise: Promise,
    places: &'static [Place],
}

const fn row(
    number: u16,
    id: &'static str,
    promise: Promise,
    places: &'static [Place],
    title: &'static str,
) -> ToggleInfo {
    ToggleInfo { id, number, title, promise, places }
}

/// All toggles, by number.
pub const TOGGLES: &[ToggleInfo] = &[
    row(
        1,
        "commit-prior-term",
        Promise::R10,
        &[Place::Core(Core::CommitPriorTerm)],
        "a leader commits an entry of an earlier term by counting replicas (Raft paper, figure 8)",
    ),
    row(
        2,
        "vote-not-persisted",
        Promise::R8,
        &[Place::Core(Core::VoteNotPersisted)],
        "the vote is not made durable",
    ),
    row(
        3,
        "vote-without-log-check",
        Promise::R11,
        &[Place::Core(Core::VoteWithoutLogCheck)],
        "votes are granted to candidates whose log is behind",
    ),
    row(
        4,
        "acknowledge-before-fsync",
        Promise::R7,
        &[Place::Server(Server::AcknowledgeBeforeSync)],
        "a follower answers an append before its own fsync is done",
    ),
    row(
        5,
        "change-before-commit",
        Promise::C2,
        &[Place::Core(Core::ChangeBeforeCommit)],
        "a new leader proposes a change of members at once (raft-dev, 2015)",
    ),
    row(
        7,
        "removed-server-campaigns",
        Promise::C6,
        &[Place::Core(Core::VoteInLease), Place::Server(Server::RemovedHeard)],
        "a removed server that missed the news deposes leaders (Raft thesis 4.2.3)",
    ),
    row(
        8,
        "pre-vote-unanswered",
        Promise::Liveness,
        &[Place::Core(Core::PreVoteUnanswered)],
        "a pre-vote of a lower term is dropped silently (etcd 8243, 8501)",
    ),
    row(
        10,
        "read-before-commit",
        Promise::Replay,
        &[Place::Core(Core::ReadBeforeCommit)],
        "a new leader serves reads before it committed in its term (etcd 7331)",
    ),
    row(
        12,
        "lease-read",
        Promise::Replay,
        &[Place::Server(Server::ReadByLease)],
        "a leader serves reads by a lease that a slow clock outlives",
    ),
    row(
        13,
        "local-read",
        Promise::Replay,
        &[Place::Core(Core::ReadWithoutQuorum)],
        "a leader serves reads without asking a quorum",
    ),
    row(
        16,
        "snapshot-without-configuration",
        Promise::C5,
        &[Place::Core(Core::SnapshotWithoutConfiguration)],
        "a snapshot's configuration is not taken over",
    ),
    row(
        17,
        "own-append-not-awaited",
        Promise::W1,
        &[Place::Core(Core::OwnAppendNotAwaited)],
        "a leader commits before its own append is durable (etcd 14370)",
    ),
    row(
        18,
        "index-apart-from-data",
        Promise::M2,
        &[Place::Server(Server::IndexApartFromData)],
        "the consistent index is committed before the data that it counts (etcd 13766)",
    ),
    row(
        21,
        "cut-at-any-damage",
        Promise::W3,
        &[Place::Server(Server::CutAtAnyDamage)],
        "the log is cut at any checksum error, not only at a torn tail",
    ),
    row(
        23,
        "segment-name-not-synced",
        Promise::W6,
        &[Place::Server(Server::SegmentNameNotSynced)],
        "the log's directory is not synced after a segment was cut (etcd 6368)",
    ),
    row(
        24,
        "snapshot-name-not-synced",
        Promise::W7,
        &[Place::Server(Server::SnapshotNameNotSynced)],
        "the directory of snapshots is not synced after one was saved (etcd 22340)",
    ),
    row(
        25,
        "fsync-retried",
        Promise::W5,
        &[Place::Server(Server::SyncRetried)],
        "an fsync that failed is called again, and its success believed",
    ),
    row(
        27,
        "revision-goes-back",
        Promise::M1,
        &[Place::Server(Server::ScheduledRevisionForgotten)],
        "a crash during a compaction at a tombstone takes revisions back (etcd 17780)",
    ),
    row(
        28,
        "tombstone-removed",
        Promise::M4,
        &[Place::Server(Server::TombstoneRemoved)],
        "a compaction removes the tombstone at its revision (etcd 18089)",
    ),
    row(
        31,
        "slow-watcher-skips",
        Promise::WatchReliable,
        &[Place::Server(Server::SlowWatcherSkips)],
        "a watch that fell below the compact revision goes on at the present (etcd 17529)",
    ),
    row(
        34,
        "former-leader-revokes",
        Promise::L2,
        &[Place::Server(Server::FormerLeaderRevokes)],
        "a leader that was replaced goes on to revoke leases (etcd 15247)",
    ),
    row(
        36,
        "retry-without-deduplication",
        Promise::AtMostOnce,
        &[Place::Client],
        "a client that got no answer sends its write again",
    ),
];

impl Toggle {
    /// The toggle of that id, or of that number.
    pub fn find(word: &str) -> Option<Toggle> {
        let is = |row: &&ToggleInfo| row.id == word || row.number.to_string() == word;
        TOGGLES.iter().find(is).map(|row| Toggle(row.number))
    }

    /// Its row; `None` for a number of another version.
    pub fn info(self) -> Option<&'static ToggleInfo> {
        TOGGLES.iter().find(|row| row.number == self.0)
    }
}

impl std::fmt::Display for Toggle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.info() {
            Some(info) => f.write_str(info.id),
            None => write!(f, "{}", self.0),
        }
    }
}

/// What servers are to break, of these toggles.
pub(crate) fn of_servers<'a>(on: impl IntoIterator<Item = &'a Toggle>) -> Bugs {
    let places = on.into_iter().filter_map(|toggle| toggle.info()).flat_map(|info| info.places);
    places.fold(Bugs::default(), |bugs, place| match *place {
        Place::Core(bug) => bugs.with_core(bug),
        Place::Server(bug) => bugs.with(bug),
        Place::Client => bugs,
    })
}

/// Whether clients ask again for what they got no answer to.
pub(crate) fn retries<'a>(on: impl IntoIterator<Item = &'a Toggle>) -> bool {
    on.into_iter()
        .filter_map(|toggle| toggle.info())
        .any(|info| info.places.contains(&Place::Client))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_toggle_is_found_by_its_id_and_number_and_numbers_ascend() {
        for info in TOGGLES {
            assert_eq!(Toggle::find(info.id), Some(Toggle(info.number)), "{}", info.id);
            let number = info.number.to_string();
            assert_eq!(Toggle::find(&number), Some(Toggle(info.number)), "{}", info.id);
        }
        assert!(TOGGLES.is_sorted_by_key(|info| info.number), "in the order of their numbers");
        assert_eq!(Toggle::find("9"), None, "kept aside");
    }
}
