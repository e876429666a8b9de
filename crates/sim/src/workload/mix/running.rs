//! Mixed loads that run: their sessions, and when each acts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Mix;
use super::session::{Session, SessionHead};
use super::zipf::Zipf;
use crate::client::Ended;
use crate::scenario::{Node, Watch};
use crate::workload::{LoadCommand, Quota, Running, Stored};
use crate::world::{Asking, World};

/// A mixed load that runs.
#[derive(Clone, Debug)]
pub(crate) struct RunningMix {
    mix: Arc<Mix>,
    /// The client number of its first session.
    first_client: u32,
    quota: Quota,
    zipf: Zipf,
    sessions: Vec<Session>,
}

/// What of it goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MixHead {
    #[serde(with = "crate::scenario::as_line")]
    mix: Mix,
    first_client: u32,
    quota: Quota,
    sessions: Vec<SessionHead>,
}

impl RunningMix {
    pub(super) fn start(mix: Mix, world: &mut World, first_client: u32) -> RunningMix {
        let (now_ns, spec) = (world.now_ns(), world.spec());
        let clients = first_client..first_client + mix.clients;
        let session = |client| Session::new(spec.seed, client, spec.nodes, now_ns + 1);
        let running = RunningMix {
            first_client,
            quota: Quota::new(now_ns, mix.until),
            zipf: Zipf::new(mix.distribution, mix.keys()),
            sessions: clients.map(session).collect(),
            mix: Arc::new(mix),
        };
        for (client, at_ns) in running.turns() {
            world.turn_at(client, at_ns);
        }
        running.start_watches(world);
        running
    }

    /// Each at another server that the cluster began with.
    fn start_watches(&self, world: &mut World) {
        let Mix { watches, slow_watches, .. } = *self.mix;
        for number in 0..watches + slow_watches {
            let node = Node(1 + number % world.founders());
            let (keys, prev_kv, progress_notify) = (self.mix.all_keys(), true, true);
            let watch = Watch { keys, revision: 0, prev_kv, progress_notify };
            let watcher = world.watch(self.first_client, 0, node, watch);
            if let Some(watcher) = watcher.filter(|_| number >= watches) {
                world.clients_mut().slow_down(watcher);
            }
        }
    }

    /// When each session acts next, by client.
    fn turns(&self) -> impl Iterator<Item = (u32, u64)> {
        let sessions = (self.first_client..).zip(&self.sessions);
        sessions.filter_map(|(client, session)| Some((client, session.next_ns?)))
    }

    fn session(&mut self, client: u32) -> &mut Session {
        &mut self.sessions[(client - self.first_client) as usize]
    }
}

impl Running for RunningMix {
    fn payload(&self) -> LoadCommand {
        LoadCommand::Mix((*self.mix).clone())
    }

    fn quota(&self) -> &Quota {
        &self.quota
    }

    fn clients(&self) -> (u32, u32) {
        (self.first_client, self.mix.clients)
    }

    fn turn(&mut self, world: &mut World, client: u32) {
        let (mix, place) = (Arc::clone(&self.mix), (client - self.first_client) as usize);
        let turn = self.sessions[place].turn(world.now_ns(), &mix, &self.zipf);
        match turn.tried {
            Some(tried) => world.clients_mut().goes_on(tried.outcome),
            None => _ = self.quota.begin(),
        }
        let leader = if turn.command.is_for_leader() { world.leader() } else { None };
        let retry_of = turn.tried.map(|tried| tried.first);
        let asking = Asking { client, action: 0, retry_of, patience_ns: turn.patience_ns };
        world.send_request(asking, leader.unwrap_or(turn.node), &turn.command);
    }

    fn ended(&mut self, world: &mut World, ended: &Ended, careless: bool) {
        let (now_ns, nodes) = (world.now_ns(), world.spec().nodes);
        let (client, mix) = (ended.operation.client, Arc::clone(&self.mix));
        let session = self.session(client);
        session.came_back(now_ns, &mix, ended, nodes, careless);
        if let Some(at_ns) = session.next_ns {
            world.turn_at(client, at_ns);
        }
    }

    fn tries_again(&self) -> bool {
        true
    }

    /// Sessions whose operation nobody will answer think, and go on.
    fn wake(&mut self, now_ns: u64) -> Vec<(u32, u64)> {
        let idle = self.sessions.iter_mut().filter(|session| session.next_ns.is_none());
        idle.for_each(|session| session.abandon(now_ns, &self.mix));
        self.turns().collect()
    }
}

impl Stored for RunningMix {
    type Head = MixHead;

    fn head(&self) -> MixHead {
        MixHead {
            mix: (*self.mix).clone(),
            first_client: self.first_client,
            quota: self.quota,
            sessions: self.sessions.iter().map(Session::head).collect(),
        }
    }

    fn resume(seed: u64, head: MixHead) -> RunningMix {
        let MixHead { mix, first_client, quota, sessions } = head;
        let zipf = Zipf::new(mix.distribution, mix.keys());
        let sessions = (first_client..).zip(sessions);
        let sessions = sessions.map(|(client, head)| Session::resume(seed, client, head));
        let sessions = sessions.collect();
        RunningMix { first_client, quota, zipf, sessions, mix: Arc::new(mix) }
    }
}
