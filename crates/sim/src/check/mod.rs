//! The cluster's promises, looked at after every event.
//!
//! [`Checks`] sees everything that a world does (steps of servers, syncs, power cuts, what clients
//! asked and got) and reports a broken promise as a [`Violation`]. It never changes the run.
//!
//! ```text
//! world ─→ Facts    what is known of the cluster: logs, members, the committed log replayed
//!            ↓
//!          Check    one file a group of promises; the table below has them all
//!            ↓
//!          Found    violations, and how often each promise was looked at
//! ```
//!
//! Facts are followed first and judged by nobody; then every check looks, with its own memory and
//! never at another check. A new one is a file and a line of the table; what it promises has its
//! rows in the table of `promise`.
//!
//! A check that saw nothing does not hold: its promise is *unknown*. What a check needs beyond its
//! bounds (a history that is too long to search) makes it unknown too, with the reason.
//!
//! A world that was resumed begins with empty checks: what happened before is not looked at again.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a check looks at the few kinds of things that it is about"
)]

mod answers;
mod facts;
mod group;
pub mod linearizability;
mod names;
mod promise;
mod violation;

pub(crate) use facts::shadow::Excuse;
pub(crate) use liveness::PATIENCE_ELECTIONS;
pub use promise::{PROMISES, Promise, PromiseGroup, PromiseInfo};
pub use violation::{Found, RecordPlace, State, Violation};

use etcd::request::WatchResponse;

use crate::machine::{Answer, Effects, Machine, Message, WatchAnswer, etcd_request};
use crate::scenario::{ClientCommand, Node};
use facts::configurations::has_quorum;
use facts::shadow::{Log, Shadow};
use facts::{Facts, News};
use group::{Answered, Check, Ended, LeftAlone, Received, Step};
pub(crate) use group::{Asked, WatchOpened};

macro_rules! checks {
    ($($file:ident $check:ident: $($promise:ident)*,)*) => {
        $(mod $file;)*

        /// All checks, in the order of the table.
        #[derive(Clone, Default)]
        struct Every {
            $($file: $file::$check,)*
        }

        /// Each file, its text, and what it reports on.
        #[cfg(test)]
        const FILES: &[(&str, &str, &[Promise])] = &[$((
            stringify!($file),
            include_str!(concat!(stringify!($file), ".rs")),
            &[$(Promise::$promise,)*],
        ),)*];

        impl Every {
            fn stepped(&mut self, facts: &Facts, step: &Step<'_>, news: &News, found: &mut Found) {
                $(self.$file.stepped(facts, step, news, found);)*
            }

            fn received(&mut self, facts: &Facts, received: &Received, found: &mut Found) {
                $(self.$file.received(facts, received, found);)*
            }

            fn died(&mut self, facts: &Facts, node: Node, reason: &str, found: &mut Found) {
                $(self.$file.died(facts, node, reason, found);)*
            }

            fn stopped(&mut self, node: Node) {
                $(self.$file.stopped(node);)*
            }

            fn disturbed(&mut self) {
                $(self.$file.disturbed();)*
            }

            fn left_alone(&mut self, facts: &Facts, alone: &LeftAlone, found: &mut Found) {
                $(self.$file.left_alone(facts, alone, found);)*
            }

            fn asked(&mut self, facts: &Facts, asked: &Asked<'_>) {
                $(self.$file.asked(facts, asked);)*
            }

            fn answered(&mut self, facts: &Facts, answered: &Answered<'_>, found: &mut Found) {
                $(self.$file.answered(facts, answered, found);)*
            }

            fn ended(&mut self, facts: &Facts, ended: &Ended<'_>, found: &mut Found) {
                $(self.$file.ended(facts, ended, found);)*
            }

            fn watch_opened(&mut self, opened: WatchOpened<'_>) {
                $(self.$file.watch_opened(opened);)*
            }

            fn watch_heard(
                &mut self,
                facts: &Facts,
                stream: u64,
                response: &WatchResponse,
                found: &mut Found,
            ) {
                $(self.$file.watch_heard(facts, stream, response, found);)*
            }

            fn at_end(&mut self, facts: &Facts, machines: &[Machine], found: &mut Found) {
                $(self.$file.at_end(facts, machines, found);)*
            }
        }
    };
}

checks! {
    membership Membership: C1 C2 C5 C6,
    elections Elections: R1 R4 R8 R11 C3 C4,
    durability Durability: W1 W2 W3 W4 W5 W6 W7 W8,
    logs Logs: R2 R3 R5 R6 R7 R9 R10,
    clients Clients: Replay Serializable AtMostOnce M3 M6,
    lease Leases: L1 L2 L3 L4 L5,
    store Stores: M1 M2 M4 M5 M6 M7 M8,
    watch Watches: WatchOrdered WatchUnique WatchReliable WatchAtomic WatchResumable WatchBookmarkable WatchExact,
    history History: Linearizable,
    liveness Liveness: Liveness,
    deaths Deaths: Fatal,
}

/// All checks of one world.
#[derive(Clone)]
pub struct Checks {
    found: Found,
    facts: Facts,
    every: Every,
    is_finished: bool,
}

/// What a world tells.
impl Checks {
    pub(crate) fn new(machines: &[Machine]) -> Checks {
        Checks {
            found: Found::new(),
            facts: Facts::new(machines),
            every: Every::default(),
            is_finished: false,
        }
    }

    fn look(&mut self, look: impl FnOnce(&mut Every, &Facts, &mut Found)) {
        look(&mut self.every, &self.facts, &mut self.found);
        if self.found.has_unexplained() {
            self.found.explain(&self.facts);
        }
    }

    /// Everything from now on belongs to this event.
    pub(crate) fn begin_event(&mut self, event: u64, now_ns: u64) {
        self.found.event = event;
        self.found.now_ns = now_ns;
    }

    // ---- machines ----

    pub(crate) fn booted(&mut self, machine: &Machine) {
        self.facts.shadows.of_mut(machine.node()).booted(machine.boots(), machine.member_id());
        self.every.disturbed();
    }

    /// A disk made something durable.
    pub(crate) fn synced(&mut self, machine: &Machine, succeeded: bool) {
        let shadow = self.facts.shadows.of_mut(machine.node());
        shadow.settle(&machine.disk);
        shadow.sync_failed |= !succeeded;
    }

    /// The process ended by itself.
    pub(crate) fn died(&mut self, machine: &Machine, reason: &str) {
        let node = machine.node();
        self.look(|every, facts, found| every.died(facts, node, reason, found));
        self.stopped(node, true);
    }

    pub(crate) fn power_cut(&mut self, node: Node) {
        self.stopped(node, false);
    }

    fn stopped(&mut self, node: Node, has_power: bool) {
        self.facts.shadows.of_mut(node).stopped(has_power);
        self.every.stopped(node);
        self.every.disturbed();
    }

    /// Something was done to a disk that its server need not survive.
    pub(crate) fn excuse(&mut self, node: Node, excuse: Excuse) {
        let shadow = self.facts.shadows.of_mut(node);
        shadow.excuse = shadow.excuse.max(Some(excuse));
        self.every.disturbed();
    }

    /// Its disk works again.
    pub(crate) fn mended(&mut self, node: Node) {
        let shadow = self.facts.shadows.of_mut(node);
        shadow.excuse = shadow.excuse.filter(|excuse| *excuse == Excuse::ForGood);
    }

    /// Its disk was replaced by an empty one.
    pub(crate) fn wiped(&mut self, node: Node) {
        self.excuse(node, Excuse::ForGood);
        self.facts.shadows.of_mut(node).durable = Log::default();
    }

    /// Something was done to the cluster.
    pub(crate) fn disturbed(&mut self) {
        self.every.disturbed();
    }

    /// A server did what an input made it do.
    pub(crate) fn after_step(&mut self, machine: &Machine, effects: &Effects) {
        let step = Step { node: machine.node(), machine, effects };
        if let Some(news) = self.facts.follow(&step) {
            self.look(|every, facts, found| every.stepped(facts, &step, &news, found));
        }
    }

    /// A message arrived and its receiver has taken it.
    pub(crate) fn received(&mut self, from: Node, to: Node, message: &Message) {
        if let Message::Etcd(message) = message {
            let received = Received { from, to, msg_type: message.msg_type };
            self.look(|every, facts, found| every.received(facts, &received, found));
        }
    }

    /// Whether it is up to these servers alone who leads. It is not while all follow one that is
    /// none of them; nor while nobody leads, they are `hasty`, which is to campaign without asking
    /// first, and one of them could not win: as long as chance lets it come first, the others wait
    /// anew.
    pub(crate) fn is_on_its_own(&self, quorum: &[Node], hasty: bool) -> bool {
        let shadows = || quorum.iter().map(|node| self.facts.shadows.of(*node));
        let is_one = |id: u64| shadows().any(|shadow| shadow.member_id == id);
        let follows_another = |shadow: &Shadow| shadow.now.lead != 0 && !is_one(shadow.now.lead);
        let log_end = |shadow: &Shadow| (shadow.now.last_term, shadow.now.last_index);
        let newest = shadows().map(log_end).max();
        let is_led = shadows().any(|shadow| shadow.now.leads());
        let all_could_win = shadows().all(|shadow| Some(log_end(shadow)) == newest);
        !shadows().all(follows_another) && (is_led || !hasty || all_could_win)
    }

    /// The servers that are left alone; whether they are a quorum is found out here.
    pub(crate) fn look_at_quorum(&mut self, quorum: Vec<Node>, patience_ns: u64) {
        let Facts { shadows, configurations, .. } = &self.facts;
        let best = quorum.iter().max_by_key(|node| shadows.of(**node).now.applied);
        let conf = best.and_then(|node| configurations.of(*node));
        let is_in = |shadow: &Shadow| quorum.contains(&shadow.node);
        let is_quorum = conf.is_some_and(|conf| has_quorum(shadows, conf, is_in));
        let quorum = if is_quorum { quorum } else { Vec::new() };
        let alone = LeftAlone { quorum, patience_ns };
        self.look(|every, facts, found| every.left_alone(facts, &alone, found));
    }

    // ---- clients ----

    pub(crate) fn asked(&mut self, asked: &Asked<'_>) {
        self.every.asked(&self.facts, asked);
    }

    pub(crate) fn answered(
        &mut self,
        node: Node,
        request: u64,
        command: &ClientCommand,
        answer: &Answer,
    ) {
        let (asked, is_read) = (etcd_request(command), command.is_read());
        let answered = Answered { node, request, asked, is_read, answer };
        self.look(|every, facts, found| every.answered(facts, &answered, found));
    }

    pub(crate) fn ended(&mut self, node: Node, request: u64, answer: &Answer) {
        let ended = Ended { node, request, answer };
        self.look(|every, facts, found| every.ended(facts, &ended, found));
    }

    pub(crate) fn watch_opened(&mut self, opened: WatchOpened<'_>) {
        self.every.watch_opened(opened);
    }

    pub(crate) fn watch_heard(&mut self, stream: u64, answer: &WatchAnswer) {
        let WatchAnswer::Etcd(response) = answer;
        self.look(|every, facts, found| every.watch_heard(facts, stream, response, found));
    }

    /// The run is at its end; it is looked at once.
    pub(crate) fn finish(&mut self, machines: &[Machine]) {
        if !std::mem::replace(&mut self.is_finished, true) {
            self.look(|every, facts, found| every.at_end(facts, machines, found));
        }
    }
}

/// What a world asks.
impl Checks {
    /// What was found so far.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Whether an order explains what clients saw so far.
    pub(crate) fn linearizable(&self) -> Result<(), String> {
        let mut found = Found::new();
        self.every.history.decide(&mut found);
        match (found.violations().first(), found.state(Promise::Linearizable)) {
            (Some(violation), _) => Err(violation.detail.clone()),
            (None, State::Unknown { why }) => Err(why),
            (None, State::Holds { .. } | State::Broken { .. }) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_each_file_reports_on_and_every_promise_is_reported_on() {
        for (file, text, promises) in FILES {
            let code = text.split("#[cfg(test)]").next().expect("there is a first part");
            for promise in PROMISES {
                let variant = format!("{promise:?}");
                let names = code.split("Promise::").skip(1);
                let is_reported = names.into_iter().any(|rest| {
                    let name = rest.split(|c: char| !c.is_alphanumeric()).next();
                    name == Some(&variant)
                });
                assert_eq!(promises.contains(promise), is_reported, "{file}: {variant}");
            }
        }
        let is_some = |promise: &Promise| FILES.iter().any(|(.., all)| all.contains(promise));
        assert!(PROMISES.iter().all(is_some), "a promise that nobody looks at");
    }
}
