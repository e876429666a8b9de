//! The floor: a group that moves the same payloads and as many messages as a round needs, and
//! knows no rule. Nothing that replicates in memory can be faster by much.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::shared::cluster::{Cluster, Log, Setup};

/// An entry with nothing but what must be kept.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "what is kept is not read: it is moved and held")]
pub struct Record {
    index: u64,
    payload: Bytes,
}

/// A message with nothing but what must be sent.
#[derive(Debug)]
struct Parcel {
    to: usize,
    acknowledges: bool,
    records: Vec<Record>,
}

/// A log with nothing but its records.
#[derive(Debug, Default)]
pub struct Row(VecDeque<Record>);

/// Followers that keep what they get, and a leader that counts answers.
#[derive(Debug)]
pub struct Group {
    logs: Vec<Row>,
    applied: Vec<u64>,
    wire: VecDeque<Parcel>,
    leader: usize,
    cut: Option<u64>,
    last: u64,
}

impl Group {
    fn send(&mut self, records: &[Record]) {
        for to in (0..self.logs.len()).filter(|to| *to != self.leader) {
            if self.cut != Some(to as u64 + 1) {
                self.wire.push_back(Parcel { to, acknowledges: false, records: records.to_vec() });
            }
        }
    }

    fn keep(&mut self, at: usize, records: Vec<Record>) {
        self.applied[at] += records.len() as u64;
        self.logs[at].0.extend(records);
    }
}

impl Cluster for Group {
    fn start(setup: Setup) -> Self {
        Self {
            logs: (0..setup.nodes).map(|_| Row::default()).collect(),
            applied: (0..setup.nodes).map(|_| 0).collect(),
            wire: VecDeque::new(),
            leader: 0,
            cut: None,
            last: 0,
        }
    }

    fn campaign(&mut self, node: u64) {
        self.leader = usize::try_from(node - 1).expect("a group is small");
        self.send(&[]);
        self.propose_together(&[], 1);
    }

    fn propose(&mut self, payload: &[u8]) {
        self.propose_together(payload, 1);
    }

    fn propose_together(&mut self, payload: &[u8], count: usize) {
        let records: Vec<Record> = (self.last + 1..)
            .take(count)
            .map(|index| Record { index, payload: Bytes::copy_from_slice(payload) })
            .collect();
        self.last += count as u64;
        self.send(&records);
        self.keep(self.leader, records);
    }

    fn tick(&mut self) {
        if self.cut.is_none() && self.applied[self.logs.len() - 1] < self.applied[0] {
            let late = self.logs.len() - 1;
            let records = self.logs[0].0.range(self.logs[late].0.len()..).cloned().collect();
            self.wire.push_back(Parcel { to: late, acknowledges: false, records });
        }
        self.send(&[]);
    }

    fn settle(&mut self) {
        while let Some(parcel) = self.wire.pop_front() {
            if !parcel.acknowledges {
                self.keep(parcel.to, parcel.records);
                let to = self.leader;
                self.wire.push_back(Parcel { to, acknowledges: true, records: Vec::new() });
            }
        }
    }

    fn cut(&mut self, node: Option<u64>) {
        self.cut = node;
    }

    fn applied(&self, node: u64) -> u64 {
        self.applied[usize::try_from(node - 1).expect("a group is small")]
    }

    fn is_leader(&self, node: u64) -> bool {
        self.leader as u64 + 1 == node
    }

    fn compact(&mut self) {
        for Row(log) in &mut self.logs {
            let keep = log.len().min(8);
            log.drain(..log.len() - keep);
        }
    }
}

impl Log for Row {
    type Batch = Vec<Record>;

    fn new() -> Self {
        Self::default()
    }

    fn batch(first: u64, count: u64, payload: &[u8], shared_chunks: bool) -> Self::Batch {
        let all = Bytes::from(payload.repeat(usize::try_from(count).expect("a batch is small")));
        let own = |_| Bytes::copy_from_slice(payload);
        let part = |k| {
            let at = usize::try_from(k).expect("a batch is small") * payload.len();
            all.slice(at..at + payload.len())
        };
        let payload = |k| if shared_chunks { part(k) } else { own(k) };
        (0..count).map(|k| Record { index: first + k, payload: payload(k) }).collect()
    }

    fn append(&mut self, batch: &Self::Batch) {
        self.0.extend(batch.iter().cloned());
    }

    fn compact(&mut self, index: u64) {
        while self.0.front().is_some_and(|record| record.index <= index) {
            self.0.pop_front();
        }
    }

    fn last(&self) -> u64 {
        self.0.back().map_or(0, |record| record.index)
    }
}
