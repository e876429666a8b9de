//! Mixed loads that run: their sessions, and when each acts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::session::{Session, SessionHead, Tried};
use super::zipf::Zipf;
use super::{Clients, Ended};
use crate::scenario::{ClientCommand, LoadEnd, Mix, Node};

/// A mixed load that runs.
#[derive(Clone, Debug)]
pub struct RunningMix {
    /// What it does.
    pub mix: Arc<Mix>,
    /// The client number of its first session.
    pub first_client: u32,
    /// Operations begun.
    pub begun: u64,
    ends_ns: u64,
    zipf: Zipf,
    sessions: Vec<Session>,
}

/// What of it goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MixHead {
    mix: Mix,
    first_client: u32,
    begun: u64,
    ends_ns: u64,
    sessions: Vec<SessionHead>,
}

impl RunningMix {
    pub(crate) fn head(&self) -> MixHead {
        MixHead {
            mix: (*self.mix).clone(),
            first_client: self.first_client,
            begun: self.begun,
            ends_ns: self.ends_ns,
            sessions: self.sessions.iter().map(Session::head).collect(),
        }
    }

    pub(crate) fn resume(seed: u64, head: MixHead) -> RunningMix {
        let MixHead { mix, first_client, begun, ends_ns, sessions } = head;
        let zipf = Zipf::new(mix.distribution, mix.keys());
        let sessions = (first_client..).zip(sessions);
        let sessions = sessions.map(|(client, head)| Session::resume(seed, client, head));
        RunningMix {
            first_client,
            begun,
            ends_ns,
            zipf,
            sessions: sessions.collect(),
            mix: Arc::new(mix),
        }
    }

    fn is_over(&self, now_ns: u64) -> bool {
        let counted = matches!(self.mix.until, LoadEnd::Count(count) if self.begun >= count);
        counted || now_ns >= self.ends_ns
    }

    /// When each session acts next, by client.
    pub(crate) fn turns(&self) -> impl Iterator<Item = (u32, u64)> {
        let sessions = (self.first_client..).zip(&self.sessions);
        sessions.filter_map(|(client, session)| Some((client, session.next_ns?)))
    }
}

impl Clients {
    /// One more mixed load, unless there are [`super::LOADS_MAX`]; gives its sessions' first turns.
    pub(crate) fn start_mix(&mut self, now_ns: u64, mix: Mix) -> Vec<(u32, u64)> {
        if self.mixes.len() == super::LOADS_MAX {
            return Vec::new();
        }
        let first_client = self.next_client;
        self.next_client += mix.clients;
        let ends_ns = match mix.until {
            LoadEnd::For(time_ns) => now_ns + time_ns,
            LoadEnd::Never | LoadEnd::Count(_) => u64::MAX,
        };
        let clients = first_client..first_client + mix.clients;
        let sessions =
            clients.map(|client| Session::new(self.seed, client, self.nodes, now_ns + 1));
        let zipf = Zipf::new(mix.distribution, mix.keys());
        let sessions = sessions.collect();
        let running =
            RunningMix { mix: Arc::new(mix), first_client, begun: 0, ends_ns, zipf, sessions };
        let turns = running.turns().collect();
        self.mixes.insert(first_client, running);
        turns
    }

    /// A session's turn: what it asks now, and whom. `None` when its load has ended.
    pub(crate) fn session_turn(&mut self, now_ns: u64, client: u32) -> Option<SessionTurn> {
        let running = self.mix_of(client)?;
        if running.is_over(now_ns) {
            let first_client = running.first_client;
            self.mixes.remove(&first_client);
            return None;
        }
        let (mix, place) = (Arc::clone(&running.mix), (client - running.first_client) as usize);
        let turn = running.sessions[place].turn(now_ns, &mix, &running.zipf);
        match turn.tried {
            Some(tried) => self.operations.goes_on(tried.outcome),
            None => running.begun += 1,
        }
        Some(turn)
    }

    /// A request of a session came back; gives when the session acts again.
    pub(crate) fn session_ended(
        &mut self,
        now_ns: u64,
        ended: &Ended,
        careless: bool,
    ) -> Option<u64> {
        let client = ended.operation.client;
        let nodes = self.nodes;
        let running = self.mix_of(client)?;
        let session = &mut running.sessions[(client - running.first_client) as usize];
        session.came_back(now_ns, &running.mix, ended, nodes, careless);
        session.next_ns
    }

    /// After a reload: sessions whose operation nobody will answer think, and go on.
    pub(crate) fn wake_sessions(&mut self, now_ns: u64) -> Vec<(u32, u64)> {
        for running in self.mixes.values_mut() {
            let idle = running.sessions.iter_mut().filter(|session| session.next_ns.is_none());
            idle.for_each(|session| session.abandon(now_ns, &running.mix));
        }
        self.mixes.values().flat_map(RunningMix::turns).collect()
    }

    fn mix_of(&mut self, client: u32) -> Option<&mut RunningMix> {
        let (first, running) = self.mixes.range_mut(..=client).next_back()?;
        (client - first < running.mix.clients).then_some(running)
    }

    /// The client that stands for this one in pictures: a mixed load for its sessions, the console
    /// for whoever renews its leases.
    pub fn shown_as(&self, client: u32) -> u32 {
        if self.loads.contains_key(&client) || self.operators.contains_key(&client) {
            return client;
        }
        let before = self.mixes.range(..=client).next_back();
        let running = before.filter(|(first, running)| client - *first < running.mix.clients);
        running.map_or(super::CONSOLE, |(first, _)| *first)
    }

    /// Mixed loads that run.
    pub fn mixes(&self) -> impl Iterator<Item = &RunningMix> {
        self.mixes.values()
    }
}

/// What a session does in its turn.
pub(crate) struct SessionTurn {
    pub(crate) node: Node,
    pub(crate) command: Arc<ClientCommand>,
    /// If it tries again.
    pub(crate) tried: Option<Tried>,
    pub(crate) patience_ns: u64,
}
