//! The one table of promises: what each check is called and what it holds the cluster to.
//!
//! A new promise is a row here and the code that reports on it in the file of its group.

use serde::{Deserialize, Serialize};

/// What a promise is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PromiseGroup {
    /// Consensus.
    Raft,
    /// Changes of the configuration.
    Membership,
    /// The log on disk and what survives.
    Durability,
    /// Keys and their history.
    Mvcc,
    /// What watches tell.
    Watch,
    /// Leases.
    Lease,
    /// What clients see.
    Clients,
    /// The cluster as a whole.
    Cluster,
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromiseInfo {
    /// As scenarios and reports name it: `R1`.
    pub id: &'static str,
    /// The same in words: `one-leader-a-term`. Scenarios may use either.
    pub name: &'static str,
    /// The promise.
    pub says: &'static str,
    /// What it is about.
    pub group: PromiseGroup,
}

macro_rules! promises {
    ($($variant:ident $id:literal $name:literal $group:ident $says:literal;)*) => {
        /// A promise of the cluster, by its row in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Promise {
            $(#[doc = $says] $variant,)*
        }

        /// All promises, in the order of the table.
        pub const PROMISES: &[Promise] = &[$(Promise::$variant),*];

        const ROWS: &[PromiseInfo] = &[$(PromiseInfo {
            id: $id,
            name: $name,
            says: $says,
            group: PromiseGroup::$group,
        }),*];
    };
}

promises! {
    R1 "R1" "one-leader-a-term" Raft "There is at most one leader, ever, in a term.";
    R2 "R2" "leader-appends-only" Raft "A leader only appends to its log.";
    R3 "R3" "logs-match" Raft "Two logs that agree in index and term of an entry agree up to it.";
    R4 "R4" "leader-complete" Raft "What was committed in a term is in the log of every leader of a later term.";
    R5 "R5" "committed-prefixes" Raft "Committed parts of logs are prefixes of each other.";
    R6 "R6" "quorum-holds-committed" Raft "Every quorum has a member that holds all that is committed.";
    R7 "R7" "commit-is-durable" Raft "A leader commits only what is durable on a quorum.";
    R8 "R8" "vote-is-durable" Raft "Term and vote are durable before a message carries them; there is one vote a term.";
    R9 "R9" "nothing-goes-back" Raft "Term and commit index never go back; applied is at most committed.";
    R10 "R10" "commits-own-term" Raft "A leader moves its commit index only to an entry of its own term.";
    R11 "R11" "leader-up-to-date" Raft "A leader's log was at least as up to date as that of each of its voters.";
    C1 "C1" "quorums-intersect" Membership "Configurations that follow one another have intersecting quorums.";
    C2 "C2" "change-after-inherited" Membership "A leader proposes a change only when all that it inherited is applied.";
    C3 "C3" "no-campaign-with-change" Membership "Nobody campaigns with a committed change that is not applied.";
    C4 "C4" "learners-never-count" Membership "A leader has the votes of a quorum of voters; learners do not count.";
    C5 "C5" "snapshot-configuration" Membership "A snapshot carries the configuration that was in force at its index.";
    C6 "C6" "removed-cannot-depose" Membership "A removed server cannot depose a live leader.";
    W1 "W1" "acknowledged-is-durable" Durability "What was acknowledged is recoverable after any crash.";
    W2 "W2" "recovered-prefix" Durability "What is recovered is what was written, and all that was synced.";
    W3 "W3" "only-torn-tail-cut" Durability "Only a torn tail is cut from a log; any other damage stops the server.";
    W4 "W4" "chain-spans-segments" Durability "The chain of checksums goes on from segment to segment.";
    W5 "W5" "no-ack-after-sync-error" Durability "After an fsync failed nothing is acknowledged.";
    W6 "W6" "names-are-synced" Durability "A file counts only when its name is durable.";
    W7 "W7" "snapshot-before-record" Durability "A snapshot's file is durable before the record that names it.";
    W8 "W8" "recovery-repeats" Durability "A crash during recovery changes nothing of what is recovered.";
    M1 "M1" "one-revision-a-write" Mvcc "Each write makes one revision, the same on every server, also after a restart.";
    M2 "M2" "index-with-data" Mvcc "Data and consistent index move together.";
    M3 "M3" "old-reads-stay" Mvcc "Reads at or above the compact revision do not change; below it they fail.";
    M4 "M4" "compaction-keeps" Mvcc "Compaction keeps the latest version, and a tombstone at its revision.";
    M5 "M5" "equal-hashes" Mvcc "Servers with equal revisions have equal hashes.";
    M6 "M6" "version-arithmetic" Mvcc "Version, create and mod revisions are exact.";
    M7 "M7" "index-from-backend" Mvcc "An index rebuilt from the backend equals the live one.";
    M8 "M8" "pages-once" Mvcc "Every page of the backend is reachable or free, exactly once.";
    WatchOrdered "watch-ordered" "revisions-ascend" Watch "A watch tells of revisions in their order.";
    WatchUnique "watch-unique" "told-once" Watch "A watch tells of each change once.";
    WatchReliable "watch-reliable" "nothing-skipped" Watch "A watch skips no change; what is compacted it says.";
    WatchAtomic "watch-atomic" "revisions-whole" Watch "A watch tells of a revision as a whole.";
    WatchResumable "watch-resumable" "goes-on-after-break" Watch "A watch that comes back is told of all that happened meanwhile.";
    WatchBookmarkable "watch-bookmarkable" "progress-is-true" Watch "Progress is told only when everything up to there was.";
    WatchExact "watch-exact" "events-are-right" Watch "Events are what was asked for, from the start on: kind, key, value, revisions and previous value.";
    L1 "L1" "lives-its-time" Lease "A lease does not expire before its time by the clock of the leader that counts.";
    L2 "L2" "leader-revokes" Lease "Only the leader of the term ends leases that expired.";
    L3 "L3" "keys-go-together" Lease "The end of a lease deletes all its keys in one revision.";
    L4 "L4" "kept-alive-is-there" Lease "A keep-alive that succeeded means that the lease is there.";
    L5 "L5" "time-is-bounded" Lease "The time that a lease has left is at most what it was granted, or its checkpoint, and an election timeout.";
    Linearizable "linearizable" "black-box" Clients "Some order of all operations explains every answer (searched).";
    Replay "replay" "strict-serializable" Clients "The order in which entries were applied explains every answer.";
    Serializable "serializable" "past-state" Clients "A serializable read matches some past state.";
    AtMostOnce "at-most-once" "no-second-effect" Clients "An operation takes effect at most once, whatever its client was told.";
    Liveness "liveness" "progress" Cluster "A quorum that is up and connected makes progress.";
    Fatal "fatal" "no-reasonless-death" Cluster "No server dies of a state that no fault gives reason for.";
}

impl Promise {
    /// Its row.
    pub fn info(self) -> &'static PromiseInfo {
        &ROWS[self.place()]
    }

    /// As reports name it.
    pub fn id(self) -> &'static str {
        self.info().id
    }

    /// Its place in the table.
    pub(crate) fn place(self) -> usize {
        self as usize
    }

    /// The promise of that id or name, in whatever case.
    pub fn find(word: &str) -> Option<Promise> {
        let is = |name: &str| name.eq_ignore_ascii_case(word);
        PROMISES.iter().copied().find(|promise| is(promise.id()) || is(promise.info().name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_is_found_by_its_id_and_by_its_name_and_no_word_means_two() {
        for &promise in PROMISES {
            let info = promise.info();
            assert_eq!(Promise::find(info.id), Some(promise), "{}", info.id);
            assert_eq!(Promise::find(&info.name.to_uppercase()), Some(promise), "{}", info.name);
        }
        assert_eq!(Promise::find("R12"), None, "there is no such promise");
    }
}
