//! What a leader knows of one follower's log.
//!
//! ```text
//!            snapshot needed             acknowledged
//!  Probe ───────────────────▶ Snapshot ─────────────▶ Probe
//!    │ ▲                                                │
//!    │ └── rejected, unreachable ── Replicate ◀─────────┘
//!    └───────── acknowledged ────────▶
//! ```

use std::fmt;

use crate::inflights::Inflights;

/// How entries are sent to a follower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressState {
    /// One message at a time, until it is known where the logs agree.
    #[default]
    Probe,
    /// Message after message, without waiting for answers.
    Replicate,
    /// Nothing: the follower waits for a snapshot.
    Snapshot,
}

impl fmt::Display for ProgressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probe => "StateProbe",
            Self::Replicate => "StateReplicate",
            Self::Snapshot => "StateSnapshot",
        })
    }
}

/// A follower as the leader sees it.
///
/// Invariants: `match_index < next_index`; `pending_snapshot` is zero unless in `Snapshot`;
/// nothing is in flight unless in `Replicate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last index at which both logs are known to agree.
    pub match_index: u64,
    /// The first index to send next.
    pub next_index: u64,
    /// The highest commit index sent so far in this state.
    sent_commit: u64,
    /// How entries are sent.
    pub state: ProgressState,
    /// The index of the snapshot on its way.
    pub pending_snapshot: u64,
    /// Whether the follower was heard of since the last look at the quorum.
    pub recent_active: bool,
    /// Whether to wait for an answer before the next append.
    pub flow_paused: bool,
    /// What is on its way.
    pub inflights: Inflights,
    /// Whether the follower is a learner.
    pub is_learner: bool,
}

impl Progress {
    pub(crate) fn new(next_index: u64, inflights: Inflights, is_learner: bool) -> Self {
        Self { next_index, inflights, is_learner, ..Self::default() }
    }

    /// Whether nothing may be sent now.
    pub fn is_paused(&self) -> bool {
        match self.state {
            ProgressState::Probe | ProgressState::Replicate => self.flow_paused,
            ProgressState::Snapshot => true,
        }
    }

    fn reset(&mut self, state: ProgressState) {
        self.flow_paused = false;
        self.pending_snapshot = 0;
        self.state = state;
        self.inflights.reset();
    }

    pub(crate) fn become_probe(&mut self) {
        // A snapshot that arrived saves probing below it.
        let after_snapshot = match self.state {
            ProgressState::Snapshot => self.pending_snapshot + 1,
            ProgressState::Probe | ProgressState::Replicate => 0,
        };
        self.reset(ProgressState::Probe);
        self.next_index = after_snapshot.max(self.match_index + 1);
        self.limit_sent_commit();
    }

    pub(crate) fn become_replicate(&mut self) {
        self.reset(ProgressState::Replicate);
        self.next_index = self.match_index + 1;
    }

    pub(crate) fn become_snapshot(&mut self, index: u64) {
        self.reset(ProgressState::Snapshot);
        self.pending_snapshot = index;
        self.next_index = index + 1;
        self.sent_commit = index;
    }

    /// An append with that many entries was sent.
    #[inline]
    pub(crate) fn sent_entries(&mut self, entries: u64, bytes: u64) {
        match self.state {
            ProgressState::Replicate => {
                if entries > 0 {
                    self.next_index += entries;
                    self.inflights.add(self.next_index - 1, bytes);
                }
                self.flow_paused = self.inflights.is_full();
            }
            ProgressState::Probe => self.flow_paused |= entries > 0,
            ProgressState::Snapshot => panic!("sending append in unhandled state StateSnapshot"),
        }
    }

    /// Whether telling `commit` would move the follower's commit index.
    pub(crate) fn can_bump_commit(&self, commit: u64) -> bool {
        commit > self.sent_commit && self.sent_commit < self.next_index - 1
    }

    pub(crate) fn set_sent_commit(&mut self, commit: u64) {
        self.sent_commit = commit;
    }

    /// The follower has everything up to `index`; says whether that is news.
    #[inline]
    pub(crate) fn maybe_update(&mut self, index: u64) -> bool {
        if index <= self.match_index {
            return false;
        }
        self.match_index = index;
        self.next_index = self.next_index.max(index + 1);
        self.flow_paused = false;
        true
    }

    /// The follower refused an append behind `rejected` and guesses that the logs agree at `hint`;
    /// says whether that is news.
    pub(crate) fn maybe_decrease(&mut self, rejected: u64, hint: u64) -> bool {
        if self.state == ProgressState::Replicate {
            if rejected <= self.match_index {
                return false;
            }
            self.next_index = self.match_index + 1;
            self.limit_sent_commit();
            return true;
        }
        // One append at a time is sent: an answer to any other is old.
        if self.next_index - 1 != rejected {
            return false;
        }
        self.next_index = rejected.min(hint.saturating_add(1)).max(self.match_index + 1);
        self.limit_sent_commit();
        self.flow_paused = false;
        true
    }

    /// What was sent beyond the next index probably did not arrive.
    fn limit_sent_commit(&mut self) {
        assert!(self.match_index < self.next_index, "what matches is not sent again");
        self.sent_commit = self.sent_commit.min(self.next_index - 1);
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} match={} next={}", self.state, self.match_index, self.next_index)?;
        if self.is_learner {
            f.write_str(" learner")?;
        }
        if self.is_paused() {
            f.write_str(" paused")?;
        }
        if self.pending_snapshot > 0 {
            write!(f, " pendingSnap={}", self.pending_snapshot)?;
        }
        if !self.recent_active {
            f.write_str(" inactive")?;
        }
        if self.inflights.count() > 0 {
            write!(f, " inflight={}", self.inflights.count())?;
            if self.inflights.is_full() {
                f.write_str("[full]")?;
            }
        }
        Ok(())
    }
}
