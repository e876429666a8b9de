//! The way of one write, as seven stages: what the trail of a request proves so far.

use sim::scenario::Node;
use sim::view::{Outcome, RecordPlace, Trail, TrailKind, TrailStep};

/// A stage, in the order in which a write passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The client asked.
    Request,
    /// The leader made it a raft entry.
    Entry,
    /// Its bytes are in a write-ahead log.
    Record,
    /// A majority has it on disk.
    Synced,
    /// It is committed.
    Committed,
    /// It is a revision of the key-value store.
    Revision,
    /// The client knows.
    Reply,
}

impl Stage {
    /// All of them.
    pub(crate) const ALL: [Stage; 7] = [
        Stage::Request,
        Stage::Entry,
        Stage::Record,
        Stage::Synced,
        Stage::Committed,
        Stage::Revision,
        Stage::Reply,
    ];
}

/// What is known of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Which.
    pub(crate) stage: Stage,
    /// Whether it is behind us.
    pub(crate) done: bool,
    /// When, counted from the request.
    pub(crate) after_ns: Option<u64>,
    /// The server to look at.
    pub(crate) node: Option<Node>,
    /// The leader that it was passed on to, when the client asked another server.
    pub(crate) forwarded_to: Option<Node>,
    /// The record to look at.
    pub(crate) record: Option<RecordPlace>,
    /// The raft index to look at.
    pub(crate) index: Option<u64>,
    /// Its raft term.
    pub(crate) term: Option<u64>,
    /// The revision.
    pub(crate) revision: Option<i64>,
    /// Servers that have it on disk.
    pub(crate) synced: usize,
    /// How it ended.
    pub(crate) outcome: Option<Outcome>,
}

/// The stages of a trail in a cluster of `servers`: seven of a write; of a request that leaves no
/// entry behind (a read, or one that was refused) the first and the last.
pub(crate) fn stages(trail: &Trail, servers: usize) -> Vec<Passed> {
    let ended_without = trail.outcome.is_some() && trail.index.is_none();
    let ends = [Stage::Request, Stage::Reply];
    let through = if reads(trail) || ended_without { &ends[..] } else { &Stage::ALL[..] };
    through.iter().map(|stage| passed(trail, *stage, servers)).collect()
}

/// Whether a trail's request only asks.
pub(crate) fn reads(trail: &Trail) -> bool {
    let mut words = trail.command.split_whitespace();
    let verb = words.next().filter(|verb| *verb != "on").or_else(|| words.nth(1));
    matches!(verb, Some("get" | "member" | "endpoint"))
}

fn passed(trail: &Trail, stage: Stage, servers: usize) -> Passed {
    let synced = servers_synced(trail);
    let step = proof(trail, stage, servers);
    let began = trail.steps.first().map_or(0, |first| first.at_ns);
    let leader_record = first(trail, TrailKind::Appended).and_then(|appended| appended.record);
    Passed {
        stage,
        done: step.is_some(),
        after_ns: step.map(|step| step.at_ns.saturating_sub(began)),
        node: step.and_then(|step| step.node.or_else(|| receiver(trail))),
        forwarded_to: forwarded_to(trail),
        record: step.and_then(|step| step.record).or(leader_record),
        index: trail.index,
        term: trail.term,
        revision: trail.revision,
        synced,
        outcome: trail.outcome,
    }
}

/// The step that shows that a stage is passed.
fn proof(trail: &Trail, stage: Stage, servers: usize) -> Option<&TrailStep> {
    match stage {
        Stage::Request => first(trail, TrailKind::Sent).or(trail.steps.first()),
        // A follower proposes by passing it on; the leader has made it an entry when it writes it
        // to its log or sends it to a peer, whichever comes first.
        Stage::Entry => trail.steps.iter().find(|step| is_entry(step)),
        Stage::Record => first(trail, TrailKind::Appended),
        Stage::Synced => {
            trail.steps.iter().filter(|step| step.kind == TrailKind::Synced).nth(servers / 2)
        }
        Stage::Committed => first(trail, TrailKind::Committed),
        Stage::Revision => first(trail, TrailKind::Applied),
        Stage::Reply => first(trail, TrailKind::Ended),
    }
}

fn is_entry(step: &TrailStep) -> bool {
    matches!(step.kind, TrailKind::Appended | TrailKind::Replicated)
}

fn forwarded_to(trail: &Trail) -> Option<Node> {
    let leader = trail.steps.iter().find(|step| is_entry(step))?.node;
    leader.filter(|_| leader != receiver(trail))
}

/// The server that a client's request reached.
fn receiver(trail: &Trail) -> Option<Node> {
    first(trail, TrailKind::Received).and_then(|step| step.node)
}

fn first(trail: &Trail, kind: TrailKind) -> Option<&TrailStep> {
    trail.steps.iter().find(|step| step.kind == kind)
}

fn servers_synced(trail: &Trail) -> usize {
    trail.steps.iter().filter(|step| step.kind == TrailKind::Synced).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: TrailKind, at_ns: u64, node: u32) -> TrailStep {
        TrailStep { event: at_ns, at_ns, node: Some(Node(node)), kind, peer: None, record: None }
    }

    fn trail(kinds: &[(TrailKind, u32)]) -> Trail {
        let steps = kinds.iter().zip(100..).map(|(&(kind, node), at)| step(kind, at, node));
        Trail { steps: steps.collect(), ..Trail::default() }
    }

    #[test]
    fn one_synced_server_of_three_is_no_majority() {
        let mut kinds = vec![
            (TrailKind::Sent, 1),
            (TrailKind::Proposed, 1),
            (TrailKind::Appended, 1),
            (TrailKind::Synced, 1),
        ];
        assert!(!stages(&trail(&kinds), 3)[3].done);
        kinds.push((TrailKind::Synced, 2));
        let passed = &stages(&trail(&kinds), 3)[3];
        assert!(passed.done);
        assert_eq!((passed.node, passed.after_ns), (Some(Node(2)), Some(4)));
    }

    #[test]
    fn a_request_to_a_follower_is_an_entry_only_at_the_leader() {
        let mut kinds =
            vec![(TrailKind::Sent, 1), (TrailKind::Received, 1), (TrailKind::Proposed, 1)];
        assert!(!stages(&trail(&kinds), 3)[1].done);
        kinds.push((TrailKind::Appended, 2));
        let stages = stages(&trail(&kinds), 3);
        assert_eq!((stages[1].done, stages[1].node), (true, Some(Node(2))));
        assert_eq!(stages[0].forwarded_to, Some(Node(2)));
    }

    #[test]
    fn a_read_leaves_no_entry_behind() {
        for command in ["get greeting", "on n2 get greeting", "member list"] {
            let trail = Trail { command: command.into(), ..trail(&[(TrailKind::Sent, 1)]) };
            assert_eq!(stages(&trail, 3).len(), 2, "{command}");
        }
        let put = Trail { command: "on n2 put get get".into(), ..trail(&[(TrailKind::Sent, 1)]) };
        assert_eq!(stages(&put, 3).len(), 7);
    }

    #[test]
    fn nothing_is_done_before_it_happened() {
        let done: Vec<bool> =
            stages(&trail(&[(TrailKind::Sent, 1)]), 3).iter().map(|stage| stage.done).collect();
        assert_eq!(done, [true, false, false, false, false, false, false]);
    }
}
