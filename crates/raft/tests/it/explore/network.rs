//! Messages on their way: some arrive late, twice, or never.

use raft::{Message, MessageType, NodeId, Randomness as _};

use super::{Bug, World};

/// Messages on their way beyond which the oldest are lost.
const MAX_WIRES: usize = 150;

impl World {
    pub(super) fn put_on_wire(&mut self, id: NodeId, mut message: Message) {
        let is_async = self.config(id).async_storage_writes;
        let server = &self.servers[&id];
        self.promises.sent(&message, server, is_async);
        match (self.bug, message.msg_type) {
            (Some(Bug::CommitByCounting), MessageType::App | MessageType::Heartbeat) => {
                let config = server.node.status().config;
                let acked = |id| server.node.progress(id).map(|progress| progress.match_index);
                let counted = config.voters.committed_index(acked);
                let has =
                    server.node.progress(message.to).map_or(0, |progress| progress.match_index);
                message.commit = message.commit.max(counted.min(has));
            }
            (Some(Bug::HeartbeatCommit), MessageType::Heartbeat) => {
                let reaches = self.servers[&message.to].node.log().last_index();
                message.commit = server.node.log().committed().min(reaches);
            }
            (Some(Bug::NoUpToDateCheck), MessageType::Vote | MessageType::PreVote) => {
                (message.log_term, message.index) = (message.term, u64::MAX / 4);
            }
            _ => {}
        }
        self.promises.told(&message, server);
        self.promises.sent_snapshot(&message);
        self.wires.push(message);
        if self.wires.len() > MAX_WIRES {
            self.wires.remove(0);
        }
    }

    /// One of the messages on their way arrives, gets lost, or arrives and comes once more.
    pub(super) fn deliver_one(&mut self) {
        let Ok(count @ 1..) = u32::try_from(self.wires.len()) else { return };
        let slot = self.dice.below(count.min(8)) as usize;
        let message = self.wires.remove(slot);
        match self.dice.below(12) {
            0 => {}
            1 => {
                self.wires.push(message.clone());
                self.deliver(&message);
            }
            _ => self.deliver(&message),
        }
    }

    pub(super) fn deliver(&mut self, message: &Message) {
        let id = message.to;
        let Some(server) = self.servers.get(&id) else { return };
        let config = self.is_protected(id).then(|| server.node.conf_state());
        self.accept(id, |node| node.step(message.clone()));
        let server = &self.servers[&id];
        self.promises.asked(message, server);
        if let Some(config) = config.filter(|_| !server.is_leader()) {
            self.promises.deposed(message, &config);
        }
        self.check(id);
    }
}
