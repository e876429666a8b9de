//! What our interface promises where upstream's has nothing of the kind.

use raft::{Config, Entry, Message, MessageType, Ready, SoftState};

use crate::group::{self, Node};

fn follower_of_two() -> Node {
    group::node(Config::new(1), &[1, 2])
}

fn append() -> Message {
    let entries = [Entry { term: 1, index: 1, ..Entry::normal("x") }].into();
    Message { to: 1, from: 2, term: 1, entries, ..Message::new(MessageType::App) }
}

#[test]
fn a_message_lent_does_what_the_same_message_given_does() {
    let (mut lent, mut given) = (follower_of_two(), follower_of_two());
    let mut message = append();
    lent.step(&mut message).unwrap();
    given.step(append()).unwrap();
    assert_eq!(format!("{lent:?}"), format!("{given:?}"), "the same state");
    assert!(message.entries.is_empty(), "what the node keeps was taken out");
}

#[test]
fn ready_into_says_whether_there_was_anything_and_leaves_nothing_of_the_ready_before() {
    let mut one = follower_of_two();
    let mut ready = Ready::default();
    assert_eq!(one.ready_into(&mut ready), Ok(false), "nothing happened");
    assert!(ready.is_empty(), "and nothing is said");
    one.step(append()).unwrap();
    let expected = one.clone().ready().unwrap();
    assert_eq!(one.ready_into(&mut ready), Ok(true), "there are entries to write");
    assert_eq!(ready, expected, "the same as ready gives");
    group::store(&mut one, &ready);
    one.advance().unwrap();
    let heartbeat = Message { to: 1, from: 2, term: 1, ..Message::new(MessageType::Heartbeat) };
    one.step(heartbeat).unwrap();
    assert_eq!(one.ready_into(&mut ready), Ok(true), "an answer is to be sent");
    let messages = std::mem::take(&mut ready.messages);
    assert_eq!(messages.len(), 1, "one answer");
    assert!(ready.is_empty(), "nothing else, although the Ready before had more: {ready:?}");
}

#[test]
fn a_leader_that_is_lost_and_found_between_two_readys_is_no_news() {
    let mut one = follower_of_two();
    one.step(append()).unwrap();
    let ready = one.ready().unwrap();
    assert_eq!(ready.soft_state.map(|SoftState { lead, .. }| lead), Some(2), "a leader");
    group::store(&mut one, &ready);
    one.advance().unwrap();
    one.forget_leader().unwrap();
    assert!(one.has_ready(), "it is lost");
    let again = Message { index: 1, log_term: 1, entries: [].into(), ..append() };
    one.step(again).unwrap();
    assert_eq!(one.ready().unwrap().soft_state, None, "it is the same as before");
}
