//! What panels are shown is what the world holds.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use sim::scenario::SECOND_NS;
use sim::view::{
    Condition, Endpoint, EntryState, MessageClass, Outcome, Query, Role, ServerView, TrailKind,
    Viewer, WalRow, Window, cluster_view,
};
use sim::{Node, World};
use support::{command, run_for, world};

fn query(node: u32) -> Query {
    Query { node: Some(Node(node)), ..Query::default() }
}

fn server(world: &World, node: u32) -> ServerView {
    Viewer::new().view(world, &query(node)).server.expect("it was asked for")
}

/// A cluster with some history, led by whoever won, with nothing under way.
fn settled() -> World {
    let mut world = world(
        "cluster etcd nodes=3 seed=42\n2s put a 1\n2.1s put a 2\n2.2s del a\n2.3s put b 'x y'\n2.4s put a 3\n",
    );
    world.run_until(4 * SECOND_NS);
    world
}

#[test]
fn the_stage_shows_one_leader_that_all_follow() {
    let view = cluster_view(&settled());
    let leader = view.leader.expect("somebody leads");
    for node in &view.nodes {
        let leads = node.node == leader;
        assert_eq!(node.role, if leads { Role::Leader } else { Role::Follower });
        assert_eq!((node.leader, node.vote), (Some(leader), Some(leader)));
        assert_eq!((node.commit, node.applied), (node.last_index, node.last_index));
        assert_eq!((node.revision, &node.condition, node.boots), (6, &Condition::Up, 1));
        assert!(node.next_tick_ns > view.now_ns && node.election.timeout >= 10, "{node:?}");
    }
    assert_eq!(view.groups, [[Node(1), Node(2), Node(3)]]);
    assert_eq!((view.clients.acknowledged, view.clients.in_flight), (5, 0));
    assert!(view.log.iter().any(|line| line.text.starts_with("leads in term")), "{:?}", view.log);
}

#[test]
fn messages_are_shown_between_their_ends_until_they_arrive() {
    let mut world = settled();
    world.perform(command("put c 4"));
    let mut classes = Vec::new();
    while world.clients().operations().acknowledged < 6 {
        world.step();
        for message in cluster_view(&world).messages {
            assert!(message.sent_ns <= world.now_ns() && message.arrives_ns >= world.now_ns());
            assert_ne!(message.from, message.to);
            let at_client = matches!(message.from, Endpoint::Client(_));
            assert_eq!(at_client, message.class == MessageClass::Request);
            if !classes.contains(&message.class) && message.class != MessageClass::Heartbeat {
                classes.push(message.class);
            }
        }
    }
    let expected = [MessageClass::Request, MessageClass::Append, MessageClass::Reply];
    for class in expected {
        assert!(classes.contains(&class), "{class:?} in {classes:?}");
    }
}

#[test]
fn the_raft_strip_begins_behind_its_sentinel_and_ends_applied() {
    let raft = server(&settled(), 1).raft;
    assert_eq!(
        (raft.sentinel_index + 1, raft.entries[0].index),
        (raft.first_index, raft.first_index)
    );
    let last = raft.entries.last().expect("there are entries");
    assert_eq!((last.index, last.state), (raft.last_index, EntryState::Applied));
    assert_eq!((last.kind.as_str(), last.summary.as_str()), ("put", "put a = 3"));
    assert!(raft.entries.iter().any(|entry| entry.summary == "delete a"));
    assert_eq!(raft.unstable_offset, raft.last_index + 1);
}

#[test]
fn keys_show_their_history_as_far_as_it_is_held() {
    let mut world = settled();
    let store = server(&world, 2).store;
    assert_eq!((store.revision, store.total), (6, 2));
    let a = &store.keys[0];
    assert_eq!((a.key.as_str(), a.value.as_deref()), ("a", Some("3")));
    assert_eq!((a.create_revision, a.mod_revision, a.version), (6, 6, 1));
    let earlier: Vec<(i64, Option<&str>)> =
        a.earlier.iter().map(|one| (one.revision, one.value.as_deref())).collect();
    assert_eq!(earlier, [(4, None), (3, Some("2")), (2, Some("1"))]);
    world.perform(command("compact 5"));
    run_for(&mut world, 1);
    let store = server(&world, 2).store;
    assert_eq!((store.compact_revision, store.keys[0].earlier.len()), (5, 0));
    assert_eq!(store.keys[1].value.as_deref(), Some("x y"));
}

#[test]
fn log_rows_are_the_bytes_on_the_disk_with_every_byte_named() {
    let world = settled();
    for node in 1..=3 {
        let wal = server(&world, node).wal;
        assert_eq!((wal.damage.as_deref(), wal.total), (None, wal.rows.len() as u64));
        let mut end = 0;
        for row in &wal.rows {
            assert_eq!(row.offset, end, "rows touch");
            end += row.length;
            assert!(row.crc_ok, "{row:?}");
            // A commit index alone is not worth a sync to etcd.
            assert!(row.synced || row.kind == "state" && end == wal.segments[0].used_bytes);
            assert_eq!(row.bytes.len() as u64, row.length);
            let whole = row.fields.iter().filter(|field| !field.name.contains('.'));
            let named: u32 = whole.map(|field| field.end - field.start).sum();
            assert_eq!(u64::from(named), row.length, "{row:?}");
        }
        assert_eq!(wal.segments[0].used_bytes, end);
        let kinds: Vec<&str> = wal.rows.iter().map(|row| row.kind.as_str()).take(3).collect();
        assert_eq!(kinds, ["crc", "metadata", "snapshot"]);
        let names =
            |row: &WalRow| row.fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
        assert!(names(&wal.rows[3]).contains(&"request.node id".to_owned()), "{:?}", wal.rows[3]);
        let put = wal.rows.iter().find(|row| row.summary == "put b = x y").expect("it is there");
        assert!(put.fields.iter().any(|field| field.value == "x y"), "{:?}", put.fields);
    }
}

#[test]
fn a_viewer_that_follows_sees_what_a_fresh_one_sees() {
    let mut world = world(
        "cluster etcd nodes=3 seed=9 segment=4KB\n0s load put key=k/{0..9} value=90B rate=60/s\n",
    );
    let mut viewer = Viewer::new();
    let mut early = None;
    for round in 0..120 {
        for _ in 0..37 {
            world.step();
        }
        match round {
            40 => drop(world.perform(command("crash n1 torn"))),
            50 => drop(world.perform(command("restart n1"))),
            60 => early = Some(world.clone()),
            70 => drop(world.perform(command(
                "flip n1 member/wal/0000000000000000-0000000000000000.wal 0x200",
            ))),
            _ => {}
        }
        assert_eq!(viewer.view(&world, &query(1)), Viewer::new().view(&world, &query(1)));
    }
    let early = early.expect("it was taken");
    assert_eq!(
        viewer.view(&early, &query(1)),
        Viewer::new().view(&early, &query(1)),
        "back in time"
    );
}

#[test]
fn an_append_is_shown_unsynced_until_its_sync_is_done() {
    let mut world = settled();
    world.perform(command("put c 4"));
    let mut seen = (false, false);
    while world.clients().operations().acknowledged < 6 {
        world.step();
        let rows = server(&world, 1).wal.rows;
        if let Some(row) = rows.iter().find(|row| row.summary == "put c = 4") {
            if row.synced {
                seen.1 = true;
            } else {
                seen.0 = true;
            }
            assert!(!seen.1 || row.synced, "what is synced stays synced");
        }
    }
    assert_eq!(seen, (true, true));
}

#[test]
fn a_flipped_bit_shows_in_its_row_at_once() {
    let mut world = settled();
    world.perform(command("flip n2 member/wal/0000000000000000-0000000000000000.wal 0x190 2"));
    world.step();
    let rows = server(&world, 2).wal.rows;
    let bad: Vec<u64> = rows.iter().filter(|row| !row.crc_ok).map(|row| row.offset).collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    let row = rows.iter().find(|row| row.offset == bad[0]).expect("it is one of them");
    assert!((row.offset..row.offset + row.length).contains(&0x190), "{row:?}");
}

#[test]
fn windows_count_back_from_the_newest() {
    let world = settled();
    let all = server(&world, 1);
    let window = Window { first: 2, rows: 3 };
    let query =
        Query { node: Some(Node(1)), log: window, wal: window, keys: Window { first: 1, rows: 1 } };
    let part = Viewer::new().view(&world, &query).server.expect("it was asked for");
    let rows = all.wal.rows.len();
    assert_eq!(part.wal.rows, all.wal.rows[rows - 5..rows - 2]);
    let entries = all.raft.entries.len();
    assert_eq!(part.raft.entries, all.raft.entries[entries - 5..entries - 2]);
    assert_eq!(part.store.keys, all.store.keys[1..]);
}

#[test]
fn a_server_without_power_still_shows_its_disk() {
    let mut world = settled();
    let before = server(&world, 1);
    world.perform(command("crash n1"));
    run_for(&mut world, 1);
    let after = server(&world, 1);
    assert_eq!(after.summary.condition, Condition::Down);
    let synced = |rows: Vec<WalRow>| rows.into_iter().filter(|row| row.synced).collect::<Vec<_>>();
    assert_eq!(after.wal.rows, synced(before.wal.rows), "what was not synced is gone");
    assert_eq!(after.store.total, 0);
    assert_eq!(after.summary.term, before.summary.term, "its last words");
}

#[test]
fn the_write_travels_from_the_console_to_every_server_and_back() {
    let mut world = settled();
    let leader = world.leader().expect("somebody leads");
    let follower = (1..=3).map(Node).find(|node| *node != leader).expect("there are three");
    world.perform(command(&format!("on {follower} put d 5")));
    run_for(&mut world, 1);
    let trail = world.trails().last().expect("there was a request");
    assert_eq!(trail.outcome, Some(Outcome::Acknowledged));
    assert_eq!((trail.command.as_str(), trail.revision), ("put d 5", Some(7)));
    let place = |node: Option<Node>, kind| {
        let found = trail.steps.iter().position(|step| (step.node, step.kind) == (node, kind));
        found.unwrap_or_else(|| panic!("{kind:?} on {node:?} in {:#?}", trail.steps))
    };
    let (client, at_leader, at_follower) = (None, Some(leader), Some(follower));
    let chain = [
        place(client, TrailKind::Sent),
        place(at_follower, TrailKind::Received),
        place(at_follower, TrailKind::Proposed),
        place(at_leader, TrailKind::Appended),
        place(at_leader, TrailKind::Replicated),
        place(at_follower, TrailKind::Appended),
        place(at_follower, TrailKind::Synced),
        place(at_leader, TrailKind::Acked),
        place(at_leader, TrailKind::Committed),
        place(at_leader, TrailKind::Applied),
        place(at_follower, TrailKind::Applied),
        place(at_follower, TrailKind::Replied),
        place(client, TrailKind::Ended),
    ];
    assert!(chain.is_sorted(), "{:#?}", trail.steps);
    let index = trail.index.expect("it became an entry");
    for node in 1..=3 {
        let appended = trail
            .steps
            .iter()
            .find(|step| (step.node, step.kind) == (Some(Node(node)), TrailKind::Appended));
        let record = appended.and_then(|step| step.record).expect("it knows where");
        let rows = server(&world, node).wal.rows;
        let row = rows.iter().find(|row| row.index == Some(index)).expect("it is in the log");
        assert!((record.offset..record.offset + record.length).contains(&row.offset));
    }
}
