//! Watches of clients: connecting, hearing, breaking off.

use std::sync::Arc;

use super::World;
use crate::check::WatchOpened;
use crate::client::CONSOLE;
use crate::machine::{Input, WatchAnswer, WatchSaid};
use crate::queue::Due;
use crate::scenario::{Node, Watch};
use crate::trace::TraceEvent;

impl World {
    /// A client begins to watch; gives the watcher's number, unless there are too many.
    pub(crate) fn watch(
        &mut self,
        client: u32,
        action: u64,
        node: Node,
        watch: Watch,
    ) -> Option<u64> {
        let watcher = self.clients.start_watch(client, action, node, Arc::new(watch))?;
        self.watch_connects(watcher);
        Some(watcher)
    }

    /// The console's watches end.
    pub(super) fn unwatch(&mut self) {
        for (stream, node) in self.clients.stop_watches(CONSOLE) {
            let said = WatchSaid::Close;
            self.queue.push(self.now_ns + 1, Due::WatchArrival { stream, node, said });
        }
    }

    pub(super) fn watch_connects(&mut self, watcher: u64) {
        let Some((stream, arrives_ns)) = self.clients.connect(self.now_ns, watcher) else { return };
        let one = self.clients.watcher(watcher).expect("it has just connected");
        let (node, from_revision) = (one.node, one.next_revision);
        let watch = &one.watch;
        self.checks.watch_opened(WatchOpened { watcher, stream, node, watch, from_revision });
        let said = WatchSaid::Open { watch: Arc::clone(&one.watch), from_revision };
        self.queue.push(arrives_ns, Due::WatchArrival { stream, node, said });
        self.tell(TraceEvent::WatchOpened { watcher, stream, node, from_revision });
    }

    pub(super) fn watch_arrives(&mut self, stream: u64, node: Node, said: WatchSaid) {
        if self.machine(node).is_up() {
            self.feed(node, Input::Watch { stream, said });
        } else {
            self.watch_ended(stream);
        }
    }

    /// A server did not take a stream, or ended it.
    pub(super) fn watch_ended(&mut self, stream: u64) {
        if let Some(again) = self.clients.refused(self.now_ns, stream) {
            self.tell(TraceEvent::WatchBroken { watcher: again.watcher });
            self.queue.push(again.at_ns, Due::WatchConnect { watcher: again.watcher });
        }
    }

    pub(super) fn watch_hears(&mut self, stream: u64, answer: Arc<WatchAnswer>) {
        let WatchAnswer::Etcd(response) = &*answer;
        let listening = self.clients.listening(stream).map(|one| (one.watcher, one.node));
        let Some((watcher, node)) = listening else { return };
        let compacted = response.compact_revision;
        self.clients.hear(stream, response);
        self.checks.watch_heard(stream, &answer);
        self.tell(TraceEvent::WatchHeard { stream, answer });
        if let Some(again) = self.clients.begin_anew(self.now_ns, watcher, compacted) {
            self.queue.push(again.at_ns, Due::WatchConnect { watcher: again.watcher });
        }
        let said = WatchSaid::Taken(1);
        self.queue.push(self.now_ns + 1, Due::WatchArrival { stream, node, said });
    }

    /// A server went away, and all its streams with it.
    pub(super) fn break_streams(&mut self, node: Node) {
        for again in self.clients.break_streams(self.now_ns, node) {
            self.tell(TraceEvent::WatchBroken { watcher: again.watcher });
            self.queue.push(again.at_ns, Due::WatchConnect { watcher: again.watcher });
        }
    }
}
