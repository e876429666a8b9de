//! What must be on disk before anybody is told.

use raft::MessageType;

use super::lab::Lab;
use crate::request::Request;
use crate::server::ServerEvent;

fn followers(leader: usize) -> [usize; 2] {
    [(leader + 1) % 3, (leader + 2) % 3]
}

#[test]
fn a_write_is_acknowledged_when_a_quorum_has_it_on_disk() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let [near, far] = followers(leader);
    lab.machines[near].is_slow = true;
    lab.machines[far].is_slow = true;
    let put = lab.ask(leader, Request::put("a", "1"));
    lab.settle();
    assert_eq!(lab.answer(put), None, "only the leader has it");
    lab.sync(near);
    lab.settle();
    assert!(lab.answer(put).is_some_and(Result::is_ok), "two of three have it");
}

#[test]
fn a_leader_counts_itself_only_after_its_own_sync() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let [_, far] = followers(leader);
    lab.machines[leader].is_slow = true;
    lab.machines[far].is_slow = true;
    let put = lab.ask(leader, Request::put("a", "1"));
    lab.settle();
    assert_eq!(lab.answer(put), None, "one follower alone is no quorum");
    lab.sync(leader);
    lab.settle();
    assert!(lab.answer(put).is_some_and(Result::is_ok), "now there are two");
}

#[test]
fn a_leader_sends_while_it_syncs_and_a_follower_only_after() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let [near, _] = followers(leader);
    let (leader_id, near_id) = (lab.configs[leader].id, lab.configs[near].id);
    lab.machines[leader].is_slow = true;
    lab.machines[near].is_slow = true;
    lab.ask(leader, Request::put("a", "1"));
    let appends = lab.wire.iter().filter(|message| message.msg_type == MessageType::App).count();
    assert_eq!(appends, 2, "before the leader's sync");
    assert!(lab.view(leader).is_syncing(), "which is under way");

    while lab.wire.iter().any(|message| message.to == near_id) {
        lab.deliver_one();
    }
    let answers = |lab: &Lab| {
        let from_near = |message: &&raft::Message| {
            (message.from, message.to, message.msg_type)
                == (near_id, leader_id, MessageType::AppResp)
        };
        lab.wire.iter().filter(from_near).count()
    };
    assert_eq!(answers(&lab), 0, "the follower's sync is under way");
    lab.sync(near);
    assert_eq!(answers(&lab), 1, "now it may answer");
}

#[test]
fn what_was_not_synced_is_lost_and_comes_back_from_the_leader() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let [near, _] = followers(leader);
    lab.machines[near].is_slow = true;
    lab.put(leader, "a", "1").unwrap();
    let written = lab.view(near).log().last_index;
    lab.power_cut(near, false);
    lab.machines[near].is_slow = false;
    lab.boot(near);
    assert!(lab.view(near).log().last_index < written, "the entry was not on disk");
    lab.elect();
    assert_eq!(lab.local(near, "a").as_deref(), Some("1"), "it came again");
}

#[test]
fn what_survived_by_luck_is_taken_up() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let [near, _] = followers(leader);
    lab.machines[near].is_slow = true;
    lab.put(leader, "a", "1").unwrap();
    let written = lab.view(near).log().last_index;
    lab.power_cut(near, true);
    lab.machines[near].is_slow = false;
    lab.cut_off.insert(near);
    lab.boot(near);
    lab.settle();
    assert_eq!(lab.view(near).log().last_index, written, "the entry was there after all");
}

#[test]
fn proposals_that_come_during_a_sync_are_written_together() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    lab.machines[leader].is_slow = true;
    let ids: Vec<_> =
        (0..5).map(|number| lab.ask(leader, Request::put(format!("k{number}"), "v"))).collect();
    lab.events.clear();
    lab.settle();
    lab.sync(leader);
    let appended: Vec<u64> = lab
        .events
        .iter()
        .filter(|(node, _)| *node == leader)
        .filter_map(|(_, event)| {
            let ServerEvent::Appended { first_index, last_index, .. } = event else { return None };
            Some(last_index - first_index + 1)
        })
        .collect();
    assert_eq!(appended, [4], "the first went alone, the other four together");
    lab.machines[leader].is_slow = false;
    lab.settle();
    assert!(ids.iter().all(|id| lab.answer(*id).is_some_and(Result::is_ok)), "all are answered");
}

#[test]
fn a_tick_that_comes_during_a_sync_is_remembered_once() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    let [near, _] = followers(leader);
    lab.machines[near].is_slow = true;
    lab.ask(leader, Request::put("a", "1"));
    lab.settle();
    assert!(lab.view(near).is_syncing(), "the disk is slow");
    let before = lab.view(near).election().elapsed;
    lab.cut_off.insert(near);
    lab.ticks(30);
    assert_eq!(lab.view(near).election().elapsed, before, "the clock stands");
    lab.sync(near);
    assert_eq!(lab.view(near).election().elapsed, before + 1, "one tick was owed");
}

#[test]
fn a_failed_sync_kills_the_server() {
    let mut lab = Lab::new(3);
    let leader = lab.elect();
    lab.machines[leader].is_slow = true;
    let put = lab.ask(leader, Request::put("a", "1"));
    let ticket = lab.machines[leader].syncs.pop_front().expect("a sync is under way");
    let error = disk::DiskError::Io { detail: String::new() };
    lab.input(leader, crate::server::Input::SyncFailed(ticket, error));
    let reason = &lab.machines[leader].died_of.as_ref().expect("it died").reason;
    assert_eq!(
        reason, "failed to save Raft hard state and entries: input/output error",
        "with a real server's words"
    );
    lab.settle();
    assert_eq!(lab.answer(put), None, "it acknowledged nothing");
}
