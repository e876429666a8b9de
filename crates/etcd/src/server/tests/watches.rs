//! Watches on a running cluster.

use super::lab::Lab;
use crate::request::{
    LeaseGrant, Put, Reply, Request, RequestError, WatchCreate, WatchRequest, WatchResponse,
    WatchStreamId,
};
use crate::server::Input;

const STREAM: WatchStreamId = WatchStreamId(1);

fn watch(lab: &mut Lab, node: usize) {
    let range_end = "\0".into();
    let request = WatchRequest::Create(WatchCreate { range_end, ..WatchCreate::default() });
    lab.input(node, Input::Watch { stream: STREAM, request });
}

fn revisions(lab: &Lab, node: usize) -> Vec<i64> {
    let own = lab.watched.iter().filter(|(from, _, _)| *from == node);
    own.flat_map(|(_, _, told)| told.events.iter().map(|event| event.kv.mod_revision)).collect()
}

#[test]
fn every_member_tells_of_every_change_in_order() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    (0..3).for_each(|node| watch(&mut lab, node));
    for number in 0..10 {
        lab.put(number % 3, "a", "v").unwrap();
    }
    lab.ticks(2);
    for node in 0..3 {
        assert_eq!(revisions(&lab, node), (2..12).collect::<Vec<_>>(), "n{}", node + 1);
    }
    let (_, _, last): &(usize, WatchStreamId, WatchResponse) = lab.watched.last().unwrap();
    assert_eq!(last.header.cluster_id, lab.configs[leader].cluster_id, "who says it");
}

#[test]
fn the_end_of_a_lease_is_told_to_those_who_watch() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let granted = lab.call(leader, Request::LeaseGrant(LeaseGrant { ttl: 2, id: 9 })).unwrap();
    assert!(matches!(granted, Reply::LeaseGrant(reply) if reply.ttl == 2), "{granted:?}");
    lab.call(leader, Request::Put(Put { key: "a".into(), lease: 9, ..Put::default() })).unwrap();
    watch(&mut lab, (leader + 1) % 3);
    lab.ticks(40);
    assert_eq!(revisions(&lab, (leader + 1) % 3), [3], "the deletion");
}

#[test]
fn a_server_that_does_not_serve_opens_no_stream() {
    let mut lab = Lab::new(3);
    watch(&mut lab, 0);
    assert_eq!(lab.ended, [(0, STREAM, RequestError::ConnectionRefused)], "nobody listens");
    lab.elect();
    watch(&mut lab, 0);
    lab.power_cut(0, true);
    lab.elect();
    lab.boot(0);
    lab.elect();
    lab.put(0, "a", "v").unwrap();
    assert_eq!(revisions(&lab, 0), Vec::<i64>::new(), "streams end with their server");
}
