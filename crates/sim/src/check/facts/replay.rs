//! The committed log, applied once and in order to the [`Model`]: what each entry did, and which
//! request of a client it came from.

use bytes::Bytes;
use etcd::server::ServerEvent as EtcdEvent;
use ordered::{SharedList, SharedMap};

use super::News;
use super::model::{Effect, Model};
use super::shadow::view;
use crate::machine::{Machine, ServerEvent};

/// An entry's effect and where it is in the log.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct Placed {
    pub(in crate::check) index: u64,
    pub(in crate::check) effect: Effect,
}

/// A request of the v3 API that is committed.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct Replayed {
    pub(in crate::check) placed: Placed,
    pub(in crate::check) term: u64,
    /// The client's request that was proposed so.
    pub(in crate::check) request: Option<u64>,
    /// The entry before it that is the same proposal.
    pub(in crate::check) twin: Option<u64>,
}

/// See the module's head.
#[derive(Clone, Debug)]
pub(in crate::check) struct Replay {
    pub(in crate::check) model: Model,
    /// The revision after each entry, from index 1 on.
    revisions: SharedList<i64>,
    /// Requests by the proposals that they became.
    proposals: SharedMap<u64, u64>,
    by_proposal: SharedMap<u64, u64>,
    effects: SharedMap<u64, Placed>,
    /// Requests by the entries that they are.
    requests: SharedMap<u64, u64>,
}

impl Replay {
    pub(in crate::check) fn new() -> Replay {
        Replay {
            model: Model::new(),
            revisions: SharedList::new(),
            proposals: SharedMap::new(),
            by_proposal: SharedMap::new(),
            effects: SharedMap::new(),
            requests: SharedMap::new(),
        }
    }

    /// The last entry that was replayed.
    pub(in crate::check) fn last_index(&self) -> u64 {
        self.revisions.len() as u64
    }

    /// The revision after an entry, once it was replayed.
    pub(in crate::check) fn revision_after(&self, index: u64) -> Option<i64> {
        self.revisions.get(usize::try_from(index.checked_sub(1)?).ok()?).copied()
    }

    /// The entry that made a revision.
    pub(in crate::check) fn entry_of(&self, revision: i64) -> Option<u64> {
        let (mut before, mut made) = (0, self.last_index() + 1);
        while made - before > 1 {
            let middle = before + (made - before) / 2;
            if self.revision_after(middle).is_some_and(|after| after >= revision) {
                made = middle;
            } else {
                before = middle;
            }
        }
        (revision > 1 && made <= self.last_index()).then_some(made)
    }

    /// The request that an entry is.
    pub(in crate::check) fn request_of(&self, index: u64) -> Option<u64> {
        self.requests.get(&index).copied()
    }

    /// Where the request's effect is in the log.
    pub(in crate::check) fn placed(&self, request: u64) -> Option<Placed> {
        self.effects.get(self.proposals.get(&request)?).copied()
    }

    /// A server proposes what clients asked for.
    pub(super) fn proposed(&mut self, told: &[ServerEvent]) {
        for ServerEvent::Etcd(event) in told {
            if let EtcdEvent::Proposed { proposal_id, request: Some(request), .. } = event {
                self.link(request.0, *proposal_id);
            }
        }
    }

    pub(in crate::check) fn link(&mut self, request: u64, proposal: u64) {
        self.proposals.insert(request, proposal);
        self.by_proposal.insert(proposal, request);
    }

    /// Replays what is committed now, from the log of the server that was the first to know.
    pub(super) fn follow(&mut self, committed: u64, machine: &Machine, news: &mut News) {
        if self.last_index() == committed {
            return;
        }
        let entries = view(machine).map(|view| view.entries(self.last_index() + 1..committed + 1));
        for entry in entries.unwrap_or_default() {
            if entry.index != self.last_index() + 1 {
                news.is_lost = true;
                return;
            }
            let data = (entry.entry_type == raft::EntryType::Normal).then_some(&entry.data);
            news.replayed.extend(self.next(entry.term, data));
        }
    }

    /// The next committed entry, with its data if it is no change of members; gives what it did, if
    /// it is a request of the v3 API.
    pub(in crate::check) fn next(&mut self, term: u64, data: Option<&Bytes>) -> Option<Replayed> {
        let index = self.last_index() + 1;
        let effect = data.and_then(|data| self.model.apply(data));
        self.revisions.push_back(self.model.revision());
        let effect = effect?;
        let placed = Placed { index, effect };
        let request = self.by_proposal.get(&effect.proposal).copied();
        if let Some(request) = request {
            self.requests.insert(index, request);
        }
        let twin = self.effects.insert(effect.proposal, placed).map(|before| before.index);
        Some(Replayed { placed, term, request, twin })
    }
}
