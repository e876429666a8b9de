//! What a contender must be able to do: a whole group in memory, and a log in memory.

/// How a group begins.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Members, from 1 on, all voters.
    pub nodes: u64,
    /// Whether candidates ask first whether they would win.
    pub pre_vote: bool,
    /// Bytes of entries in a message.
    pub max_message_bytes: u64,
    /// The contender may use what it has for sending fewer messages than etcd would.
    pub may_batch: bool,
    /// Payloads are cut from larger pieces of memory where the contender can share them.
    pub shared_chunks: bool,
}

impl Setup {
    /// Messages of up to 1 MiB, each payload in memory of its own, nothing special.
    pub const fn of(nodes: u64) -> Self {
        Self {
            nodes,
            pre_vote: false,
            max_message_bytes: 1 << 20,
            may_batch: false,
            shared_chunks: false,
        }
    }
}

/// A group in memory: messages travel in a queue and are never lost, unless a member is cut off.
///
/// Each node has storage in memory, which it writes to as the contender's documentation asks for.
pub trait Cluster: Sized {
    /// A group in which nothing has happened; node 1 is elected by [`campaign`](Self::campaign).
    fn start(setup: Setup) -> Self;

    /// The node campaigns. [`settle`](Self::settle) does the rest.
    fn campaign(&mut self, node: u64);

    /// One entry with a copy of this payload is proposed to node 1.
    fn propose(&mut self, payload: &[u8]);

    /// So many entries with a copy of this payload each are proposed to node 1 in one message.
    fn propose_together(&mut self, payload: &[u8], count: usize);

    /// A tick of node 1, which is the leader: heartbeats go out.
    fn tick(&mut self);

    /// Takes every node's work and delivers every message, until there is neither.
    fn settle(&mut self);

    /// Messages to and from the node are lost from now on, or no longer.
    fn cut(&mut self, node: Option<u64>);

    /// How many entries the node has applied.
    fn applied(&self, node: u64) -> u64;

    /// Whether the node is leader.
    fn is_leader(&self, node: u64) -> bool;

    /// Drops from each node's log what it has applied, but for a few.
    fn compact(&mut self);
}

/// The contender's log in memory, alone.
pub trait Log: Sized {
    /// What is appended at a time, made beforehand.
    type Batch;

    /// A log without entries.
    fn new() -> Self;

    /// Entries from this index on with a payload each; `shared_chunks` as in [`Setup`].
    fn batch(first: u64, count: u64, payload: &[u8], shared_chunks: bool) -> Self::Batch;

    /// Appends what was made.
    fn append(&mut self, batch: &Self::Batch);

    /// Drops entries up to and with this index.
    fn compact(&mut self, index: u64);

    /// The last index.
    fn last(&self) -> u64;
}
