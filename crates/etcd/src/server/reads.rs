//! Linearizable reads: one question to the leader for all reads that wait.
//!
//! ```text
//! reads that arrive ─→ waiting ─(round begins)─→ asked ─(ReadState: index)─→ confirmed
//!                                                  └ again every 500 ms      └ applied ≥ index: answer
//! ```
//!
//! One round is under way at a time; reads that arrive meanwhile wait for the next, since the index
//! that the leader names must be its commit index *after* they arrived. Each time the question is
//! asked it has a context of its own, and any answer to the round will do.
//! Source: etcd release-3.4, `etcdserver/v3_server.go` (`linearizableReadLoop`); asking again is
//! 3.5's.

use bytes::Bytes;

use crate::request::{LeaseTimeToLive, Range, RequestId, Txn};

/// After this time without an answer the question is asked again.
const RETRY_NS: u64 = 500_000_000;

/// A read and when it came.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) client: RequestId,
    pub(super) ask: Ask,
}

/// What is asked when the index is known and applied.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// A range.
    Range(Range),
    /// A transaction that only reads.
    Txn(Txn),
    /// To keep a lease alive.
    KeepAlive {
        /// The lease.
        lease: i64,
    },
    /// How long a lease has.
    TimeToLive(LeaseTimeToLive),
    /// The server itself, comparing the members' histories: no client waits.
    Corruption,
}

#[derive(Debug, Clone)]
struct Round {
    contexts: Vec<Bytes>,
    reads: Vec<Read>,
    asked_ns: u64,
    deadline_ns: u64,
    index: Option<u64>,
}

/// All linearizable reads of one server.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads {
    waiting: Vec<Read>,
    round: Option<Round>,
}

impl Reads {
    /// A read arrives.
    pub(super) fn push(&mut self, read: Read) {
        self.waiting.push(read);
    }

    /// Whether the leader is to be asked now.
    pub(super) fn must_ask(&self, now_ns: u64) -> bool {
        match &self.round {
            Some(round) => round.index.is_none() && now_ns >= round.asked_ns + RETRY_NS,
            None => !self.waiting.is_empty(),
        }
    }

    /// The question is asked with this context, which was never used before.
    pub(super) fn asked(&mut self, context: Bytes, now_ns: u64, timeout_ns: u64) {
        let reads = &mut self.waiting;
        let round = self.round.get_or_insert_with(|| Round {
            contexts: Vec::new(),
            reads: std::mem::take(reads),
            asked_ns: now_ns,
            deadline_ns: now_ns + timeout_ns,
            index: None,
        });
        round.contexts.push(context);
        round.asked_ns = now_ns;
    }

    /// The leader names an index. Answers to earlier rounds are ignored.
    pub(super) fn confirmed(&mut self, context: &[u8], index: u64) {
        if let Some(round) = &mut self.round
            && round.contexts.iter().any(|asked| asked == context)
        {
            round.index = Some(index);
        }
    }

    /// The reads that can be answered when everything up to `applied` is applied.
    pub(super) fn take_answerable(&mut self, applied: u64) -> Vec<Read> {
        self.take_round_if(|round| round.index.is_some_and(|index| index <= applied))
    }

    /// The reads whose question found no answer in time.
    pub(super) fn take_expired(&mut self, now_ns: u64) -> Vec<Read> {
        self.take_round_if(|round| round.index.is_none() && now_ns >= round.deadline_ns)
    }

    /// The reads whose question went to a leader that is none any more.
    pub(super) fn take_unconfirmed(&mut self) -> Vec<Read> {
        self.take_round_if(|round| round.index.is_none())
    }

    fn take_round_if(&mut self, condition: impl FnOnce(&mut Round) -> bool) -> Vec<Read> {
        self.round.take_if(condition).map_or_else(Vec::new, |round| round.reads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(number: u64) -> Read {
        Read { client: RequestId(number), ask: Ask::Range(Range::default()) }
    }

    fn numbers(reads: Vec<Read>) -> Vec<u64> {
        reads.into_iter().map(|read| read.client.0).collect()
    }

    #[test]
    fn reads_that_come_during_a_round_wait_for_the_next() {
        let mut reads = Reads::default();
        reads.push(read(1));
        reads.push(read(2));
        assert!(reads.must_ask(0), "somebody waits");
        reads.asked(Bytes::from_static(b"a"), 0, 100);
        reads.push(read(3));
        reads.confirmed(b"other", 5);
        assert!(reads.take_answerable(9).is_empty(), "not an answer to this round");
        reads.confirmed(b"a", 5);
        assert!(reads.take_answerable(4).is_empty(), "not applied yet");
        assert_eq!(numbers(reads.take_answerable(5)), [1, 2], "the round is answered");
        assert!(reads.must_ask(0), "for the third");
    }

    #[test]
    fn a_question_is_asked_again_and_any_answer_counts() {
        let mut reads = Reads::default();
        reads.push(read(1));
        reads.asked(Bytes::from_static(b"a"), 0, 7 * RETRY_NS);
        assert!(!reads.must_ask(RETRY_NS - 1), "patience");
        assert!(reads.must_ask(RETRY_NS), "no answer came");
        reads.asked(Bytes::from_static(b"b"), RETRY_NS, 7 * RETRY_NS);
        reads.confirmed(b"a", 1);
        assert_eq!(numbers(reads.take_answerable(1)), [1], "the first answer was only late");
    }

    #[test]
    fn unconfirmed_rounds_end_with_their_leader_or_their_time() {
        let mut reads = Reads::default();
        reads.push(read(1));
        reads.asked(Bytes::from_static(b"a"), 0, 100);
        assert!(reads.take_expired(99).is_empty(), "there is time");
        assert_eq!(numbers(reads.take_expired(100)), [1], "time is over");
        reads.push(read(2));
        reads.asked(Bytes::from_static(b"b"), 200, 100);
        assert_eq!(numbers(reads.take_unconfirmed()), [2], "the leader changed");
        reads.push(read(3));
        reads.asked(Bytes::from_static(b"c"), 300, 100);
        reads.confirmed(b"c", 9);
        assert!(reads.take_unconfirmed().is_empty(), "its index stands");
    }
}
