//! A small key-value store on three servers, in one process and with nothing left to chance.
//!
//! `cargo run -p quorarium-raft --example kv` tells the story: an election, writes, a read, a
//! fourth server that joins (first as a learner), one that falls behind and gets a snapshot, one
//! that crashes and comes back, and a leader that hands over and is removed.
//!
//! `server` has the loop that drives a node, `store` what the entries mean, and this file the
//! network and the clock.

mod server;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raft::{ConfChange, ConfChangeType, Error, Message, NodeId};

use server::{Disk, Failure, Server};

/// Servers, and the network between them.
struct Cluster {
    servers: BTreeMap<NodeId, Server>,
    /// Messages on their way, oldest first.
    wires: VecDeque<Message>,
    /// Servers that nobody reaches.
    cut_off: BTreeSet<NodeId>,
    reads: u64,
    /// What happened so far.
    story: Vec<String>,
}

impl Cluster {
    fn new(founders: &[NodeId]) -> Result<Self, Failure> {
        let mut servers = BTreeMap::new();
        for id in founders {
            servers.insert(*id, Server::found(*id, founders)?);
        }
        let (wires, cut_off) = (VecDeque::new(), BTreeSet::new());
        Ok(Self { servers, wires, cut_off, reads: 0, story: Vec::new() })
    }

    fn at(&mut self, id: NodeId) -> &mut Server {
        self.servers.get_mut(&id).expect("the server runs")
    }

    fn tell(&mut self, event: impl Into<String>) {
        self.story.push(event.into());
    }

    /// Every server works and every message arrives, until nothing is left to do.
    fn settle(&mut self) -> Result<(), Failure> {
        loop {
            for server in self.servers.values_mut() {
                self.wires.extend(server.work()?);
                self.story.append(&mut server.events);
            }
            let Some(message) = self.wires.pop_front() else { return Ok(()) };
            self.deliver(message)?;
        }
    }

    /// A message to somebody who is not there is lost; so is one that the receiver has no use for.
    fn deliver(&mut self, message: Message) -> Result<(), Failure> {
        let is_cut = |id| self.cut_off.contains(&id);
        if is_cut(message.from) || is_cut(message.to) {
            return Ok(());
        }
        let Some(server) = self.servers.get_mut(&message.to) else { return Ok(()) };
        match server.node.step(message) {
            Err(error @ Error::Fatal(_)) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Time passes for everybody.
    fn pass(&mut self, ticks: u32) -> Result<(), Failure> {
        for _ in 0..ticks {
            for server in self.servers.values_mut() {
                server.node.tick()?;
            }
            self.settle()?;
        }
        Ok(())
    }

    /// Waits for a leader among those that are reached.
    fn leader(&mut self) -> Result<NodeId, Failure> {
        for _ in 0..200 {
            let reached = |id: &NodeId| !self.cut_off.contains(id);
            let leads = self.servers.values().filter(|server| server.is_leader());
            if let Some(id) = leads.map(|server| server.id).find(reached) {
                return Ok(id);
            }
            self.pass(1)?;
        }
        Err("no leader".into())
    }

    /// A client writes by any server.
    fn put(&mut self, by: NodeId, key: &str, value: &str) -> Result<(), Failure> {
        self.at(by).node.propose(format!("{key}={value}"))?;
        self.settle()
    }

    /// A client reads, linearizably, by any server.
    fn get(&mut self, by: NodeId, key: &str) -> Result<Option<String>, Failure> {
        self.reads += 1;
        let context = format!("{}:{key}", self.reads);
        self.at(by).node.read_index(context)?;
        self.settle()?;
        self.at(by).answers.pop().map(|(_, value)| value).ok_or_else(|| "no answer".into())
    }

    fn change(&mut self, change_type: ConfChangeType, node_id: NodeId) -> Result<(), Failure> {
        let leader = self.leader()?;
        let change = ConfChange { change_type, node_id, ..ConfChange::default() };
        self.at(leader).node.propose_conf_change(change)?;
        self.settle()
    }

    fn restart(&mut self, id: NodeId) -> Result<(), Failure> {
        let disk = self.servers.remove(&id).expect("the server runs").crash();
        self.servers.insert(id, Server::boot(id, disk)?);
        self.settle()
    }
}

/// The whole story; gives what it told.
fn run() -> Result<Cluster, Failure> {
    let mut cluster = Cluster::new(&[1, 2, 3])?;
    let first = cluster.leader()?;
    cluster.tell(format!("server {first} is elected"));
    write_and_read(&mut cluster, first)?;
    join(&mut cluster)?;
    fall_behind(&mut cluster)?;
    crash(&mut cluster)?;
    leave(&mut cluster)?;
    Ok(cluster)
}

fn write_and_read(cluster: &mut Cluster, leader: NodeId) -> Result<(), Failure> {
    let follower = leader % 3 + 1;
    cluster.put(follower, "greeting", "hello")?;
    let value = cluster.get(follower, "greeting")?;
    cluster.tell(format!("server {follower} forwards a write, then reads greeting: {value:?}"));
    Ok(())
}

/// A new server first learns the log without a vote, so that it is of use when it gets one.
fn join(cluster: &mut Cluster) -> Result<(), Failure> {
    cluster.tell("server 4 joins");
    cluster.servers.insert(4, Server::boot(4, Disk::default())?);
    cluster.change(ConfChangeType::AddLearnerNode, 4)?;
    cluster.pass(2)?;
    cluster.change(ConfChangeType::AddNode, 4)?;
    cluster.pass(2)
}

/// While a server is away, the others write so much that their logs no longer begin where it is.
fn fall_behind(cluster: &mut Cluster) -> Result<(), Failure> {
    cluster.tell("nobody reaches server 3; the others write 25 keys");
    cluster.cut_off.insert(3);
    cluster.pass(30)?;
    let leader = cluster.leader()?;
    for number in 0..25 {
        cluster.put(leader, &format!("key{number:02}"), &number.to_string())?;
    }
    cluster.cut_off.clear();
    cluster.tell("server 3 is back");
    cluster.pass(30)?;
    let keys = cluster.at(3).store.len();
    cluster.tell(format!("server 3 has {keys} keys"));
    Ok(())
}

fn crash(cluster: &mut Cluster) -> Result<(), Failure> {
    let leader = cluster.leader()?;
    let victim = (1..=4).find(|id| *id != leader).expect("there are four");
    cluster.tell(format!("server {victim} crashes and starts again from its disk"));
    cluster.restart(victim)?;
    let keys = cluster.at(victim).store.len();
    cluster.tell(format!("server {victim} has {keys} keys from its snapshot and log"));
    cluster.pass(3)?;
    let value = cluster.get(victim, "key24")?;
    cluster.tell(format!("server {victim} reads key24: {value:?}"));
    Ok(())
}

/// A leader that shall go hands over first, so that nobody waits for an election.
fn leave(cluster: &mut Cluster) -> Result<(), Failure> {
    let leader = cluster.leader()?;
    let successor = (1..=4).find(|id| *id != leader).expect("there are four");
    cluster.at(leader).node.transfer_leader(successor)?;
    cluster.settle()?;
    let now = cluster.leader()?;
    cluster.tell(format!("server {leader} hands over to server {now}, and leaves"));
    cluster.change(ConfChangeType::RemoveNode, leader)?;
    cluster.servers.remove(&leader);
    cluster.put(now, "greeting", "goodbye")?;
    cluster.pass(2)
}

fn main() -> Result<(), Failure> {
    for line in run()?.story {
        println!("{line}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_ends_with_equal_stores_of_three_servers() {
        let cluster = run().expect("nothing fails");
        let stores: Vec<_> = cluster.servers.values().map(|server| &server.store).collect();
        assert_eq!(stores.len(), 3, "one came, one left");
        assert!(stores.windows(2).all(|pair| pair[0] == pair[1]), "{stores:?}");
        assert_eq!(stores[0].get("greeting"), Some("goodbye"), "the last write is there");
        assert_eq!(stores[0].len(), 26, "and all before it");
        for event in ["server 3: takes a snapshot", "makes a snapshot", "learners [4]"] {
            let told = cluster.story.iter().any(|line| line.contains(event));
            assert!(told, "{event} is in {:#?}", cluster.story);
        }
    }

    #[test]
    fn the_story_is_told_the_same_each_time() {
        let story = || run().expect("nothing fails").story;
        assert_eq!(story(), story(), "nothing is left to chance");
    }
}
