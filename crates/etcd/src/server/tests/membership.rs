//! Changes of the cluster while it runs.

use super::lab::Lab;
use crate::request::{MemberAdd, MemberChangeReply, Reply, Request, RequestError};
use crate::server::ServerConfig;

fn change(lab: &mut Lab, node: usize, request: Request) -> Result<MemberChangeReply, RequestError> {
    let reply = lab.call(node, request)?;
    let Reply::MemberChange(reply) = reply else { panic!("not a change: {reply:?}") };
    Ok(reply)
}

fn add(lab: &mut Lab, node: usize, name: &str, is_learner: bool) -> Result<u64, RequestError> {
    let peer_urls = vec![format!("http://{name}:2380")];
    let reply = change(lab, node, Request::MemberAdd(MemberAdd { peer_urls, is_learner }))?;
    Ok(reply.member.expect("the member that was added").id)
}

/// Switches on the server of a member that was added.
fn join(lab: &mut Lab, id: u64, name: &str) -> usize {
    let first = lab.configs[0].clone();
    let client_url = format!("http://{name}:2379");
    lab.add_machine(ServerConfig { id, name: name.to_owned(), client_url, joins: true, ..first })
}

/// Members must have been connected for five seconds.
fn healthy(size: usize) -> (Lab, usize) {
    let mut lab = Lab::new(size);
    lab.elect();
    lab.ticks(60);
    let leader = lab.elect();
    (lab, leader)
}

#[test]
fn a_learner_joins_catches_up_and_is_promoted() {
    let (mut lab, leader) = healthy(3);
    lab.put(leader, "a", "1").unwrap();
    let id = add(&mut lab, leader, "n4", true).unwrap();
    let not_ready = change(&mut lab, leader, Request::MemberPromote { id });
    assert_eq!(not_ready, Err(RequestError::LearnerNotReady), "nobody has heard of it");
    let second = add(&mut lab, leader, "n5", true);
    assert_eq!(second, Err(RequestError::TooManyLearners), "one at a time");

    let new = join(&mut lab, id, "n4");
    lab.ticks(20);
    assert_eq!(lab.local(new, "a").as_deref(), Some("1"), "it has the log");
    let refused = lab.put(new, "b", "1");
    assert_eq!(refused, Err(RequestError::NotSupportedForLearner), "and answers little");
    let follower = (leader + 1) % 3;
    let elsewhere = change(&mut lab, follower, Request::MemberPromote { id });
    assert_eq!(elsewhere, Err(RequestError::NotLeader), "only the leader sees how far it is");
    change(&mut lab, leader, Request::MemberPromote { id }).unwrap();
    lab.ticks(3);
    lab.put(new, "b", "1").unwrap();
    let again = change(&mut lab, leader, Request::MemberPromote { id });
    assert_eq!(again, Err(RequestError::MemberNotLearner), "it has a vote");
    let voters = lab.view(new).cluster().unwrap().voters().count();
    assert_eq!(voters, 4, "as the new member sees it");
    assert_eq!(lab.hashes().len(), 1, "all four agree");
}

#[test]
fn a_removed_member_stops_and_the_others_go_on() {
    let (mut lab, leader) = healthy(3);
    let gone = (leader + 1) % 3;
    let id = lab.configs[gone].id;
    let reply = change(&mut lab, leader, Request::MemberRemove { id }).unwrap();
    assert_eq!(reply.members.len(), 2, "two are left");
    lab.ticks(20);
    let fatal = lab.machines[gone].died_of.clone().expect("it stops").reason;
    assert_eq!(fatal, "the member has been permanently removed from the cluster", "and says why");
    lab.put(leader, "a", "1").unwrap();
    let again = change(&mut lab, leader, Request::MemberRemove { id });
    assert_eq!(again, Err(RequestError::MemberNotFound), "it is gone for good");
}

#[test]
fn a_member_that_missed_its_removal_learns_it_from_the_others() {
    let (mut lab, leader) = healthy(3);
    let gone = (leader + 1) % 3;
    lab.cut_off.insert(gone);
    lab.ticks(3);
    let id = lab.configs[gone].id;
    change(&mut lab, leader, Request::MemberRemove { id }).unwrap();
    lab.ticks(20);
    assert!(lab.machines[gone].died_of.is_none(), "it knows nothing");
    lab.cut_off.remove(&gone);
    lab.ticks(30);
    assert!(lab.machines[gone].died_of.is_some(), "it is told");
    assert_eq!(lab.leaders(), [leader], "C6: it deposed nobody");
}

#[test]
fn changes_that_may_cost_the_quorum_are_refused() {
    let (mut lab, leader) = healthy(3);
    let down = (leader + 1) % 3;
    lab.power_cut(down, true);
    lab.ticks(60);
    let unhealthy = add(&mut lab, leader, "n4", false);
    assert_eq!(unhealthy, Err(RequestError::Unhealthy), "not all are connected");
    let up = lab.configs[(leader + 2) % 3].id;
    let other = change(&mut lab, leader, Request::MemberRemove { id: up });
    assert_eq!(other, Err(RequestError::Unhealthy), "one of two would be left connected");
    let id = lab.configs[down].id;
    change(&mut lab, leader, Request::MemberRemove { id }).unwrap();
    let bad = MemberAdd { peer_urls: vec!["n4".to_owned()], is_learner: false };
    let bad = change(&mut lab, leader, Request::MemberAdd(bad));
    assert_eq!(bad, Err(RequestError::MemberBadUrls), "no URL");
    let peer_urls = vec!["http://n1:2380".to_owned(), "http://n2:2380".to_owned()];
    let taken = Request::MemberAdd(MemberAdd { peer_urls, is_learner: true });
    assert_eq!(change(&mut lab, leader, taken), Err(RequestError::PeerUrlExists), "theirs");
}

#[test]
fn one_member_grows_to_two_and_leadership_moves() {
    let (mut lab, leader) = healthy(1);
    let id = add(&mut lab, leader, "n2", false).unwrap();
    let new = join(&mut lab, id, "n2");
    lab.ticks(30);
    lab.put(leader, "a", "1").unwrap();
    let nowhere = lab.call(leader, Request::MoveLeader { target: 99 });
    assert_eq!(nowhere, Err(RequestError::BadLeaderTransferee), "no such member");
    let asked = lab.call(leader, Request::MoveLeader { target: id });
    assert!(matches!(asked, Ok(Reply::MoveLeader(_))), "{asked:?}");
    assert_eq!(lab.elect(), new, "the other leads");
    let back = lab.call(leader, Request::MoveLeader { target: id });
    assert_eq!(back, Err(RequestError::NotLeader), "only a leader can give it away");
}
