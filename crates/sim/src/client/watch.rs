//! Watches of clients: streams that find another server when their own goes away.
//!
//! A watcher is one watch of one client. Each connection that it makes is a stream with a number of
//! its own; after a break it comes back a little later, at the next server, and asks for everything
//! after the last revision that it was told. It ends when the client says so, or when a server
//! refuses: then the history that it wanted is compacted.

use std::collections::VecDeque;
use std::sync::Arc;

use etcd::request::{Event, WatchResponse};
use serde::{Deserialize, Serialize};

use super::{CONSOLE, Clients};
use crate::scenario::{MILLISECOND_NS, Node, SECOND_NS, Span, Watch};

/// Watches at a time; a further one is refused.
pub const WATCHERS_MAX: usize = 256;
/// Events that a watcher still shows.
const EVENTS_KEPT: usize = 64;
/// How long a client waits before it connects again.
const RECONNECT_NS: u64 = 100 * MILLISECOND_NS;
/// How long a slow client is busy with what it heard before it hears more: less comes through than
/// a busy cluster has to tell …
const BUSY: Span = Span::milliseconds(100, 900);
/// … for the first part of every such time; then it hears all that has piled up.
const CYCLE_NS: u64 = 25 * SECOND_NS;
const SLOW_NS: u64 = 18 * SECOND_NS;

/// A watch of a client.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// Its number, unique in a run.
    pub watcher: u64,
    /// Whose.
    pub client: u32,
    /// The action that it came from; 0 for loads.
    pub action: u64,
    /// What it watches.
    pub watch: Arc<Watch>,
    /// The server that it is connected to, or tries.
    pub node: Node,
    /// The stream that it listens to; `None` between two connections.
    pub stream: Option<u64>,
    /// The next revision that it wants to hear of; 0 as long as any will do.
    pub next_revision: i64,
    /// Events so far.
    pub events: u64,
    /// The last of them, oldest first.
    pub latest: VecDeque<Event>,
    /// Why it ended, in the server's words.
    pub ended: Option<String>,
    /// Its client is slow now and then.
    is_slow: bool,
}

/// What of it goes into the head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WatcherHead {
    watcher: u64,
    client: u32,
    action: u64,
    #[serde(with = "crate::scenario::as_line")]
    watch: Watch,
    node: Node,
    next_revision: i64,
    events: u64,
    ended: Option<String>,
    is_slow: bool,
}

/// A connection that is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) watcher: u64,
    pub(crate) at_ns: u64,
}

impl Watcher {
    pub(crate) fn head(&self) -> WatcherHead {
        WatcherHead {
            watcher: self.watcher,
            client: self.client,
            action: self.action,
            watch: (*self.watch).clone(),
            node: self.node,
            next_revision: self.next_revision,
            events: self.events,
            ended: self.ended.clone(),
            is_slow: self.is_slow,
        }
    }

    pub(crate) fn resume(head: WatcherHead) -> Watcher {
        Watcher {
            watcher: head.watcher,
            client: head.client,
            action: head.action,
            watch: Arc::new(head.watch),
            node: head.node,
            stream: None,
            next_revision: head.next_revision,
            events: head.events,
            latest: VecDeque::new(),
            ended: head.ended,
            is_slow: head.is_slow,
        }
    }

    /// Until when its client is slow, if it is.
    fn busy_until_ns(&self, now_ns: u64) -> Option<u64> {
        let begins_ns = now_ns / CYCLE_NS * CYCLE_NS;
        let until_ns = begins_ns + SLOW_NS;
        (self.is_slow && now_ns < until_ns).then_some(until_ns)
    }

    fn hear(&mut self, response: &WatchResponse) {
        if response.canceled {
            self.stream = None;
            self.ended = Some(match response.compact_revision {
                0 => response.cancel_reason.clone(),
                revision => format!("compacted up to revision {revision}"),
            });
            return;
        }
        for event in &response.events {
            if self.latest.len() == EVENTS_KEPT {
                self.latest.pop_front();
            }
            self.latest.push_back(event.clone());
            self.events += 1;
        }
        // Events of one revision may come in fragments: only the last one ends it. That a watch is in
        // place says nothing of what it will tell, unless it asked for whatever comes next.
        if !response.fragment && (!response.created || self.next_revision == 0) {
            let told = response.events.last().map(|event| event.kv.mod_revision);
            let told = told.unwrap_or(response.header.revision);
            self.next_revision = self.next_revision.max(told + 1);
        }
    }
}

impl Clients {
    /// Begins a watch; `None` if there are too many.
    pub(crate) fn start_watch(
        &mut self,
        client: u32,
        action: u64,
        node: Node,
        watch: Arc<Watch>,
    ) -> Option<u64> {
        let running = self.watchers.values().filter(|one| one.ended.is_none()).count();
        if running >= WATCHERS_MAX {
            return None;
        }
        let watcher = self.next_watcher;
        self.next_watcher += 1;
        let next_revision = watch.revision;
        let one = Watcher {
            watcher,
            client,
            action,
            watch,
            node,
            stream: None,
            next_revision,
            events: 0,
            latest: VecDeque::new(),
            ended: None,
            is_slow: false,
        };
        self.watchers.insert(watcher, one);
        Some(watcher)
    }

    /// A watcher connects: gives the new stream's number and when its request arrives.
    pub(crate) fn connect(&mut self, now_ns: u64, watcher: u64) -> Option<(u64, u64)> {
        let arrives_ns = now_ns + self.travel_ns();
        let stream = self.next_stream;
        let one = self.watchers.get_mut(&watcher)?;
        if one.ended.is_some() || one.stream.is_some() {
            return None;
        }
        one.stream = Some(stream);
        self.next_stream += 1;
        Some((stream, arrives_ns))
    }

    /// When something that a server says on a stream arrives: after what it said before.
    pub(crate) fn stream_arrival(&mut self, now_ns: u64, stream: u64) -> u64 {
        let arrives_ns = now_ns + self.travel_ns();
        let busy_until_ns = self.listening(stream).and_then(|one| one.busy_until_ns(now_ns));
        let busy_ns = busy_until_ns.map_or(0, |_| self.stream.within(BUSY));
        let free_ns = self.stream_free_ns.get_or_default(stream);
        let takes_ns = busy_until_ns.map_or(0, |ns| ns.saturating_sub(*free_ns).min(busy_ns));
        *free_ns = arrives_ns.max(*free_ns + takes_ns + 1);
        *free_ns
    }

    /// From now on its client is slow to listen now and then.
    pub(crate) fn slow_down(&mut self, watcher: u64) {
        if let Some(one) = self.watchers.get_mut(&watcher) {
            one.is_slow = true;
        }
    }

    /// A response arrived; gives whether anybody listens.
    pub(crate) fn hear(&mut self, stream: u64, response: &WatchResponse) -> bool {
        match self.listening_mut(stream) {
            Some(watcher) => {
                watcher.hear(response);
                true
            }
            None => false,
        }
    }

    /// The streams to a server broke; gives when their watchers connect again.
    pub(crate) fn break_streams(&mut self, now_ns: u64, node: Node) -> Vec<Connect> {
        let (nodes, streams) = (self.nodes, &mut self.stream_free_ns);
        let broken = self.watchers.values_mut().filter(|one| one.node == node);
        let broken = broken.filter_map(|one| Some((one.stream.take()?, one)));
        broken
            .map(|(stream, one)| {
                streams.remove(&stream);
                one.node = Node(one.node.0 % nodes + 1);
                Connect { watcher: one.watcher, at_ns: now_ns + RECONNECT_NS }
            })
            .collect()
    }

    /// One stream was refused: nobody is there.
    pub(crate) fn refused(&mut self, now_ns: u64, stream: u64) -> Option<Connect> {
        let nodes = self.nodes;
        self.stream_free_ns.remove(&stream);
        let one = self.listening_mut(stream)?;
        one.stream = None;
        one.node = Node(one.node.0 % nodes + 1);
        Some(Connect { watcher: one.watcher, at_ns: now_ns + RECONNECT_NS })
    }

    /// A watch of a load that was refused because of a compaction begins anew behind it, as another.
    pub(crate) fn begin_anew(
        &mut self,
        now_ns: u64,
        watcher: u64,
        compacted: i64,
    ) -> Option<Connect> {
        let one = self.watchers.get(&watcher)?;
        if one.client == CONSOLE || one.ended.is_none() || compacted == 0 {
            return None;
        }
        let (client, node, is_slow) = (one.client, one.node, one.is_slow);
        let watch = Arc::new(Watch { revision: compacted, ..(*one.watch).clone() });
        let again = self.start_watch(client, 0, node, watch)?;
        if is_slow {
            self.slow_down(again);
        }
        Some(Connect { watcher: again, at_ns: now_ns + RECONNECT_NS })
    }

    /// Ends the watches of a client; gives the streams to close, and where.
    pub(crate) fn stop_watches(&mut self, client: u32) -> Vec<(u64, Node)> {
        let own = self.watchers.values_mut().filter(|one| one.client == client);
        let open = own.filter(|one| one.ended.is_none());
        open.filter_map(|one| {
            one.ended = Some("ended by the client".to_owned());
            Some((one.stream.take()?, one.node))
        })
        .collect()
    }

    /// After a reload: every watcher connects again.
    pub(crate) fn reconnect_all(&mut self, now_ns: u64) -> Vec<Connect> {
        self.stream_free_ns.clear();
        let running = self.watchers.values_mut().filter(|one| one.ended.is_none());
        running
            .map(|one| {
                one.stream = None;
                Connect { watcher: one.watcher, at_ns: now_ns + RECONNECT_NS }
            })
            .collect()
    }

    /// The watcher that listens to a stream.
    pub(crate) fn listening(&self, stream: u64) -> Option<&Watcher> {
        self.watchers.values().find(|one| one.stream == Some(stream))
    }

    fn listening_mut(&mut self, stream: u64) -> Option<&mut Watcher> {
        self.watchers.values_mut().find(|one| one.stream == Some(stream))
    }

    /// A watcher by its number.
    pub fn watcher(&self, watcher: u64) -> Option<&Watcher> {
        self.watchers.get(&watcher)
    }

    /// All watchers, oldest first.
    pub fn watchers(&self) -> impl DoubleEndedIterator<Item = &Watcher> {
        self.watchers.values()
    }
}
