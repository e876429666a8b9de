//! Points at which a crash can wait for a server, one row each.
//!
//! A point is known from what a server does: an operation on its disk, an event that it tells, a
//! message that it sends or gets. The power goes right then; whether what the step had to say
//! still leaves the machine is part of the point.

use disk::Operation;
use etcd::server::ServerEvent as Etcd;
use raft::{MessageType, Role};

use crate::machine::{Effects, Message, ServerEvent};

/// See the module's head.
#[derive(Debug)]
pub struct Point {
    /// Its word in the language.
    pub name: &'static str,
    /// What a crash there is called in reports.
    pub fault: &'static str,
    /// When the power goes.
    pub help: &'static str,
    pub(crate) trigger: Trigger,
    /// Which of the times that a server comes there a plan waits for, each as likely.
    pub(super) times: &'static [u32],
}

/// How a point is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trigger {
    /// Right after an operation on such a path; what the step had to say is lost.
    Operation { operation: Operation, path_contains: &'static str },
    /// At the end of a step; what it had to say left, or is lost.
    Step { is_there: fn(&Moment) -> bool, lets_out: bool },
}

/// A step of a process: what came to it, and what it did.
pub(crate) struct Moment<'a> {
    pub(crate) is_boot: bool,
    pub(crate) boots: u32,
    pub(crate) effects: &'a Effects,
}

/// All points. Rows are only added at the end: their places travel.
pub static POINTS: &[Point] = &[
    Point {
        name: "vote-granted",
        fault: "crash during vote-granted",
        help: "a vote was granted, and the answer has left",
        trigger: Trigger::Step { is_there: |moment| moment.sends(grants_vote), lets_out: true },
        times: &[1],
    },
    Point {
        name: "wal-append",
        fault: "crash during wal-append",
        help: "entries were written to the log and not synced",
        trigger: Trigger::Step {
            is_there: |moment| moment.tells(|event| matches!(event, Etcd::Appended { .. })),
            lets_out: true,
        },
        times: &[1, 1, 1, 21],
    },
    Point {
        name: "before-send",
        fault: "crash during before-send",
        help: "entries are durable, and nobody was told",
        trigger: Trigger::Step {
            is_there: |moment| moment.tells(|event| matches!(event, Etcd::Synced { .. })),
            lets_out: false,
        },
        times: &[1, 1, 1, 21],
    },
    Point {
        name: "wal-rename",
        fault: "crash during wal-rename",
        help: "a segment got its name, and the directory is not synced",
        trigger: Trigger::Operation { operation: Operation::Rename, path_contains: "/member/wal" },
        times: &[1],
    },
    Point {
        name: "wal-cut",
        fault: "crash during wal-cut",
        help: "a segment is full, and the next one is not in place",
        trigger: Trigger::Operation {
            operation: Operation::SetLen,
            path_contains: "/member/wal/000",
        },
        times: &[1],
    },
    Point {
        name: "recovery",
        fault: "crash during recovery",
        help: "a server starts again and reads its log",
        trigger: Trigger::Step {
            is_there: |moment| moment.is_boot && moment.boots > 1,
            lets_out: false,
        },
        times: &[1],
    },
    Point {
        name: "apply",
        fault: "crash during apply",
        help: "an entry was applied, and its client was not told",
        trigger: Trigger::Step {
            is_there: |moment| moment.tells(|event| matches!(event, Etcd::Applied { .. })),
            lets_out: false,
        },
        times: &[1, 1, 1, 21],
    },
    Point {
        name: "elected",
        fault: "crash during elected",
        help: "a server became the leader, and has told others",
        trigger: Trigger::Step {
            is_there: |moment| {
                moment.tells(|event| matches!(event, Etcd::BecameRole { role: Role::Leader, .. }))
            },
            lets_out: true,
        },
        times: &[1],
    },
    Point {
        name: "snapshot-receive",
        fault: "crash during snapshot-receive",
        help: "a snapshot of another server is written and has no name that lasts",
        trigger: Trigger::Operation { operation: Operation::Rename, path_contains: ".snap.db" },
        times: &[1],
    },
    Point {
        name: "snapshot-save",
        fault: "crash during snapshot-save",
        help: "a snapshot's file is written and not synced",
        trigger: Trigger::Operation {
            operation: Operation::Write,
            path_contains: "/member/snap/00",
        },
        times: &[1],
    },
    Point {
        name: "compaction-batch",
        fault: "crash during compaction-batch",
        help: "a batch of a compaction is durable, and it is not the last one",
        trigger: Trigger::Step {
            is_there: |moment| moment.tells(|event| matches!(event, Etcd::CompactionBatch { .. })),
            lets_out: false,
        },
        times: &[1, 1, 2, 3],
    },
];

impl Point {
    /// Whether only a server that starts again comes there.
    pub(super) fn needs_restart(&self) -> bool {
        self.name == "recovery"
    }

    /// Whether servers come there only when the leader is gone.
    pub(super) fn needs_election(&self) -> bool {
        matches!(self.name, "vote-granted" | "elected")
    }

    /// Whether servers come there only where snapshots are taken often.
    pub(super) fn needs_snapshots(&self) -> bool {
        matches!(self.name, "snapshot-receive" | "snapshot-save")
    }

    /// Of fewer members none comes there: there is no vote to ask for, or nobody goes on while
    /// another falls behind.
    pub(super) fn members_min(&self) -> usize {
        match self.name {
            "vote-granted" => 2,
            "snapshot-receive" => 3,
            _ => 1,
        }
    }

    /// Whether only a server that fell behind comes there.
    pub(super) fn needs_lag(&self) -> bool {
        self.name == "snapshot-receive"
    }

    /// Whether a busy server comes there once a second or oftener.
    pub(super) fn is_frequent(&self) -> bool {
        matches!(self.name, "wal-append" | "before-send" | "apply" | "compaction-batch")
    }
}

impl Moment<'_> {
    fn tells(&self, is_it: fn(&Etcd) -> bool) -> bool {
        self.effects.trace.iter().any(|ServerEvent::Etcd(event)| is_it(event))
    }

    fn sends(&self, is_it: fn(&raft::Message) -> bool) -> bool {
        let etcd = |message: &Message| match message {
            Message::Etcd(message) => is_it(message),
            Message::EtcdSnapshot(snapshot) => is_it(&snapshot.message),
            Message::EtcdRemoved | Message::EtcdSnapshotStatus(_) | Message::EtcdHash(_) => false,
        };
        self.effects.messages.iter().any(|(_, message)| etcd(message))
    }
}

fn grants_vote(message: &raft::Message) -> bool {
    message.msg_type == MessageType::VoteResp && !message.reject
}
