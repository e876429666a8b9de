//! The first start, and who is in the cluster.

use raft::Role;

use super::lab::Lab;
use crate::request::{Reply, Request};
use crate::server::{Phase, ServerEvent};

#[test]
fn three_new_servers_elect_one_leader_and_serve() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    assert_eq!(lab.leaders(), [leader], "one leader");
    for node in 0..3 {
        let view = lab.view(node);
        assert_eq!(view.leader(), lab.configs[leader].id, "everybody knows it");
        assert_eq!(view.term(), lab.view(leader).term(), "in the same term");
        assert_eq!(view.phase(), Phase::Serving, "everybody serves");
        let expected = if node == leader { Role::Leader } else { Role::Follower };
        assert_eq!(view.role(), expected, "roles");
    }
    let ready = lab.events.iter().filter(|(_, event)| *event == ServerEvent::Ready).count();
    assert_eq!(ready, 3, "each said so once");
}

#[test]
fn members_publish_their_names_and_the_leader_the_version() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    lab.ticks(3);
    for node in 0..3 {
        let Ok(Reply::MemberList(list)) = lab.call(node, Request::MemberList) else {
            panic!("a member list answers a member list");
        };
        let mut ids: Vec<u64> = lab.configs.iter().map(|config| config.id).collect();
        ids.sort_unstable();
        let listed: Vec<u64> = list.members.iter().map(|member| member.id).collect();
        assert_eq!(listed, ids, "all members by id");
        for member in &list.members {
            let client_url = format!("http://{}:2379", member.name);
            assert_eq!(member.client_urls, [client_url], "published");
        }
        assert_eq!(list.header.cluster_id, lab.configs[0].cluster_id, "the cluster's id");
        let version = lab.view(node).cluster().and_then(|cluster| cluster.version());
        assert_eq!(version, Some("3.4.0"), "agreed by all");
    }
    let entries = lab.view(leader).entries(1..5);
    let kinds: Vec<bool> =
        entries.iter().map(|entry| entry.entry_type == raft::EntryType::ConfChange).collect();
    assert_eq!(kinds, [true, true, true, false], "the log begins with the members");
}

#[test]
fn status_tells_what_the_server_knows() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    lab.put(leader, "a", "1").unwrap();
    let Ok(Reply::Status(status)) = lab.call(leader, Request::Status) else {
        panic!("a status answers a status");
    };
    assert_eq!(status.version, "3.4.34", "its release");
    assert_eq!(status.leader, lab.configs[leader].id, "the leader");
    assert_eq!(status.header.revision, 2, "one write");
    assert_eq!(status.raft_index, status.raft_applied_index, "all is applied");
    assert_eq!(status.raft_term, lab.view(leader).term(), "the term");
    assert!(status.db_size_bytes > 16_384 && status.errors.is_empty(), "{status:?}");
}

#[test]
fn a_lone_server_leads_itself() {
    let mut lab = Lab::new(1);
    assert_eq!(lab.elect(), 0, "nobody else");
    lab.put(0, "a", "1").unwrap();
    assert_eq!(lab.get(0, "a").as_deref(), Some("1"), "reads need no other");
    lab.power_cut(0, false);
    lab.boot(0);
    lab.elect();
    assert_eq!(lab.get(0, "a").as_deref(), Some("1"), "and nothing is lost");
}
