//! The first boot of a server writes what the first boot of a real one wrote.

#![allow(
    clippy::unwrap_used,
    clippy::missing_assert_message,
    reason = "a test stops where it cannot go on; the comparison is the claim"
)]

mod corpus;

use disk::Disk;
use etcd::proto::LoggedRequest;
use etcd::server::{Effects, Input, Peer, Phase, Server, ServerConfig};
use etcd::wal::{ReadMode, SnapshotMark, replay};

/// The flags of the real server behind case A1.
fn config() -> ServerConfig {
    let (id, cluster_id) = (0xd366_510a_9fa5_7738, 0x7988_d658_42f0_aa67);
    let peer_url = "http://127.0.0.1:24001".to_owned();
    ServerConfig {
        id,
        cluster_id,
        name: "alpha".to_owned(),
        peers: vec![Peer { id, name: "alpha".to_owned(), peer_url }],
        client_url: "http://127.0.0.1:24000".to_owned(),
        ..ServerConfig::for_cluster(&["alpha"], "").remove(0)
    }
}

/// Runs a lone server until it serves.
fn boot(server: &mut Server, disk: &mut Disk) {
    let mut inputs = vec![Input::Boot];
    for _ in 0..100 {
        while let Some(input) = inputs.pop() {
            server.step(0, input, disk, &mut Effects::default()).unwrap();
            for ticket in disk.take_issued() {
                disk.complete(ticket);
                inputs.push(Input::Synced(ticket));
            }
        }
        if server.view().phase() == Phase::Serving {
            return;
        }
        inputs.push(Input::Tick);
    }
    panic!("it never served");
}

const SEGMENT: &str = "member/wal/0000000000000000-0000000000000000.wal";
/// Up to here both logs hold the checksum record, the metadata, the snapshot mark, the member and the
/// hard state. Then the core of 3.4 lets a lone server elect itself before it writes anything; newer
/// ones write its vote first.
const SAME_BYTES: usize = 0xe8;

#[test]
fn a_new_log_begins_with_the_bytes_of_a_real_one() {
    let Some(folder) = corpus::folder() else { return };
    let (mut server, mut disk) = (Server::new(config(), 1), Disk::new(1 << 30));
    boot(&mut server, &mut disk);
    let file = disk.open(&format!("/var/lib/etcd/{SEGMENT}")).unwrap();
    let ours = disk.read_range(file, 0..SAME_BYTES as u64).unwrap();
    let files = corpus::files(&folder, "A1_single");
    let theirs = files.iter().find(|file| file.path.ends_with(SEGMENT)).unwrap();
    assert_eq!(ours, theirs.kept().unwrap()[..SAME_BYTES]);
    assert_eq!(disk.len(file), theirs.len(), "and is preallocated alike");
}

#[test]
fn a_server_publishes_what_a_real_one_publishes() {
    let Some(folder) = corpus::folder() else { return };
    let (mut server, mut disk) = (Server::new(config(), 1), Disk::new(1 << 30));
    boot(&mut server, &mut disk);
    let directory = corpus::open(&folder, "A1_single");
    let log = replay(directory.segments(), &SnapshotMark::default(), ReadMode::Read).unwrap();
    let request = |entry: &raft::Entry| match LoggedRequest::decode(&entry.data).unwrap() {
        LoggedRequest::V2(request) => etcd::proto::etcdserverpb::Request { id: 0, ..*request },
        other @ (LoggedRequest::Empty | LoggedRequest::V3(_)) => panic!("no v2 request: {other:?}"),
    };
    let ours: Vec<_> = server.view().entries(3..5).iter().map(request).collect();
    let theirs: Vec<_> = log.entries[2..4].iter().map(request).collect();
    assert_eq!(ours, theirs, "its name, then the cluster's version");
}
