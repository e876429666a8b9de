//! Compactions while the server runs: one at a time, in the order in which they were applied.
//!
//! The walk over the index is one go; the backend loses its revisions in batches
//! (`--experimental-compaction-batch-limit`) with a commit after each and a pause of 10 ms, so that writes get their turn. Pauses that pass between two inputs of
//! the server are made up for, as far as [`STEPS`] goes. A client that asked for `physical` is
//! answered when its own compaction is done, or the store was replaced and nothing below it is left
//! to do. Source: etcd release-3.4, `mvcc/{kvstore,kvstore_compaction}.go`, `pkg/schedule`.

use disk::Disk;

use super::running::Running;
use super::{Effects, Fatal, ServerEvent};
use crate::mvcc::Step;
use crate::request::{CompactReply, Reply, RequestId};

/// The pause after a batch.
const PAUSE_NS: u64 = 10_000_000;
/// Steps in one step of the server at most.
const STEPS: u64 = 16;

/// The compactions of one server, as far as it has clients and a clock.
#[derive(Debug, Clone, Default)]
pub(super) struct Compactions {
    /// Clients that wait for the walk of a compaction.
    physical: Vec<Physical>,
    /// When the next batch may be walked; `None` while there is nothing to do.
    due_ns: Option<u64>,
    /// A batch was walked that is not the last one, and is being committed.
    has_open_batch: bool,
}

#[derive(Debug, Clone, Copy)]
struct Physical {
    client: RequestId,
    reply: CompactReply,
    revision: i64,
}

impl Running {
    /// A compaction was applied whose client waits for the walk.
    pub(super) fn wait_for_walk(&mut self, client: RequestId, reply: CompactReply) {
        let revision = self.applier.store().compact_revision();
        self.compactions.physical.push(Physical { client, reply, revision });
    }

    /// Walks what is due, and tells who waited for it.
    pub(super) fn walk_compactions(
        &mut self,
        now_ns: u64,
        disk: &mut Disk,
        effects: &mut Effects,
    ) -> Result<(), Fatal> {
        for _ in 0..STEPS {
            let Some(revision) = self.applier.compaction() else { break };
            if self.compactions.has_open_batch && !self.is_closing_batch() {
                self.compactions.has_open_batch = false;
                effects.trace.push(ServerEvent::CompactionBatch { revision });
            }
            let made_up_ns = now_ns.saturating_sub(STEPS * PAUSE_NS);
            let due_ns = self.compactions.due_ns.unwrap_or(now_ns).max(made_up_ns);
            self.compactions.due_ns = Some(due_ns);
            if due_ns > now_ns || self.is_closing_batch() {
                return Ok(());
            }
            let step = self.applier.step_compaction(self.config.compaction_batch);
            if step == Some(Step::Backend) {
                self.compactions.due_ns = Some(due_ns + PAUSE_NS);
            }
            self.close_wanted_batch(disk)?;
            let is_finished = self.applier.compaction() != Some(revision);
            self.compactions.has_open_batch = step == Some(Step::Backend) && !is_finished;
            if is_finished {
                self.compactions.due_ns = None;
                effects.trace.push(ServerEvent::CompactionFinished { revision });
            }
        }
        // The end of the walk is durable before anybody hears of it.
        if !self.is_closing_batch() {
            self.answer_physical(effects);
        }
        Ok(())
    }

    fn answer_physical(&mut self, effects: &mut Effects) {
        if self.compactions.physical.is_empty() {
            return;
        }
        let oldest = self.applier.compaction().unwrap_or(i64::MAX);
        let waiting = std::mem::take(&mut self.compactions.physical);
        let (done, left) = waiting.into_iter().partition(|one| one.revision < oldest);
        self.compactions.physical = left;
        let done: Vec<Physical> = done;
        for Physical { client, reply, .. } in done {
            self.reply(client, Ok(Reply::Compact(reply)), effects);
        }
    }
}
