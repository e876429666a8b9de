//! How one node behaves.

use crate::bugs::Bugs;
use crate::error::{Error, Result};
use crate::message::is_local_thread;
use crate::read_only::ReadOnlyOption;
use crate::types::{NONE, NodeId};

/// No limit on a size in bytes.
pub const NO_LIMIT: u64 = u64::MAX;

/// Where randomness comes from: the spread of election timeouts, nothing else.
pub trait Randomness {
    /// A number below `bound`, which is at least one, each as likely as the other.
    fn below(&mut self, bound: u32) -> u32;
}

/// How one node behaves. The defaults are those of upstream's examples: ten ticks to an election,
/// one to a heartbeat, no limits on sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own, named as upstream")]
pub struct Config {
    /// The node's own id.
    pub id: NodeId,
    /// Ticks without a leader until an election; the actual number is drawn anew each time from
    /// this one to just below its double.
    pub election_tick: u32,
    /// Ticks between heartbeats.
    pub heartbeat_tick: u32,
    /// The last index that the application applied before a restart.
    pub applied: u64,
    /// Bytes of entries per append; at least one entry is sent.
    pub max_size_per_msg: u64,
    /// Bytes of entries that are being applied at a time; zero means `max_size_per_msg`.
    pub max_committed_size_per_ready: u64,
    /// Payload bytes of uncommitted entries on a leader, beyond which proposals are dropped;
    /// zero means no limit.
    pub max_uncommitted_entries_size: u64,
    /// Appends on their way to one follower.
    pub max_inflight_msgs: usize,
    /// Payload bytes on their way to one follower; zero means no limit.
    pub max_inflight_bytes: u64,
    /// A leader that hears of no quorum for an election timeout steps down, and nodes that hear of
    /// a leader ignore candidates.
    pub check_quorum: bool,
    /// Candidates first ask whether they would win.
    pub pre_vote: bool,
    /// How reads are made linearizable.
    pub read_only_option: ReadOnlyOption,
    /// Followers drop proposals instead of forwarding them.
    pub disable_proposal_forwarding: bool,
    /// The leader does not check that configuration changes follow one another.
    pub disable_conf_change_validation: bool,
    /// A leader that is removed or demoted steps down when that is applied.
    pub step_down_on_removal: bool,
    /// Writes and applying are messages to local threads, see [`Ready`](crate::Ready).
    pub async_storage_writes: bool,
    /// What a leader would tell its followers at once, new entries and commit indexes, waits for the
    /// next [`Ready`](crate::Ready) and goes out in one message for all that came in between.
    ///
    /// Off by default: etcd sends a message for each. With it, many proposals before a `Ready` cost
    /// a follower one write and one answer; a proposal before each is sent as ever.
    pub coalesce_appends: bool,
    /// Rules to break on purpose; without the cargo feature `bugs` it has no effect.
    pub bugs: Bugs,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            id: NONE,
            election_tick: 10,
            heartbeat_tick: 1,
            applied: 0,
            max_size_per_msg: NO_LIMIT,
            max_committed_size_per_ready: 0,
            max_uncommitted_entries_size: 0,
            max_inflight_msgs: 256,
            max_inflight_bytes: 0,
            check_quorum: false,
            pre_vote: false,
            read_only_option: ReadOnlyOption::Safe,
            disable_proposal_forwarding: false,
            disable_conf_change_validation: false,
            step_down_on_removal: false,
            async_storage_writes: false,
            coalesce_appends: false,
            bugs: Bugs::default(),
        }
    }
}

impl Config {
    /// Defaults for this node.
    pub fn new(id: NodeId) -> Self {
        Self { id, ..Self::default() }
    }

    /// Fills in what zero stands for, and refuses what makes no sense.
    pub(crate) fn validated(mut self) -> Result<Self> {
        let refuse = |message: &str| Err(Error::Config(message.to_owned()));
        if self.id == NONE {
            return refuse("cannot use none as id");
        }
        if is_local_thread(self.id) {
            return refuse("cannot use local target as id");
        }
        if self.heartbeat_tick == 0 {
            return refuse("heartbeat tick must be greater than 0");
        }
        if self.election_tick <= self.heartbeat_tick {
            return refuse("election tick must be greater than heartbeat tick");
        }
        if self.election_tick > u32::MAX / 2 {
            return refuse("election tick must not be greater than half of its range");
        }
        if self.max_uncommitted_entries_size == 0 {
            self.max_uncommitted_entries_size = NO_LIMIT;
        }
        if self.max_committed_size_per_ready == 0 {
            self.max_committed_size_per_ready = self.max_size_per_msg;
        }
        // A page of zero bytes would be no page at all.
        self.max_committed_size_per_ready = self.max_committed_size_per_ready.max(1);
        if self.max_inflight_msgs == 0 {
            return refuse("max inflight messages must be greater than 0");
        }
        if self.max_inflight_bytes == 0 {
            self.max_inflight_bytes = NO_LIMIT;
        } else if self.max_inflight_bytes < self.max_size_per_msg {
            return refuse("max inflight bytes must be >= max message size");
        }
        if self.read_only_option == ReadOnlyOption::LeaseBased && !self.check_quorum {
            return refuse("CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased");
        }
        Ok(self)
    }
}
