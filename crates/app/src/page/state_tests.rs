use sim::scenario::Node;
use sim::view::{Condition, LogLine, NodeView, Role, Timer, View};

use super::*;
use crate::protocol::{Frame, Playback, Recovery};

fn server(number: u32, role: Role) -> NodeView {
    NodeView {
        node: Node(number),
        name: format!("n{number}"),
        id: u64::from(number),
        condition: Condition::Up,
        role,
        term: 2,
        leader: Some(Node(2)),
        vote: Some(Node(2)),
        last_index: 1,
        commit: 1,
        applied: 1,
        revision: 1,
        election: Timer::default(),
        heartbeat: Timer::default(),
        next_tick_ns: 0,
        syncs: 0,
        boots: 1,
    }
}

fn picture() -> Picture {
    let mut view = View::default();
    view.cluster.nodes =
        vec![server(1, Role::Follower), server(2, Role::Leader), server(3, Role::Follower)];
    view.cluster.leader = Some(Node(2));
    view.cluster.groups = vec![vec![Node(1), Node(2), Node(3)]];
    let playback = Playback { playing: true, ..Playback::default() };
    Frame { number: 1, playback, view }
}

fn draw(page: Page, change: impl FnOnce(&mut Picture)) -> Page {
    let mut picture = picture();
    change(&mut picture);
    page.after(Turn::Drawn(Box::new(picture)))
}

#[test]
fn panels_follow_the_first_leader_until_the_visitor_chooses() {
    let page = draw(Page::default(), |_| {});
    assert_eq!(page.looked_at().map(|node| node.node), Some(Node(2)));
    let page = page.after(Turn::Select(Node(3)));
    let page = draw(page, |picture| picture.view.cluster.leader = Some(Node(1)));
    assert_eq!(page.looked_at().map(|node| node.node), Some(Node(3)));
}

#[test]
fn pictures_carry_only_the_list_that_is_on_the_screen() {
    let page = draw(Page::default(), |_| {}).after(Turn::Show(Panel::Wal));
    let selection = page.selection();
    assert_eq!(selection.node.as_deref(), Some("n2"));
    assert_eq!((selection.wal.rows, selection.log.rows, selection.keys.rows), (ROWS, 0, 0));
    assert_eq!(page.after(Turn::MoreRows).selection().wal.rows, ROWS * 2);
}

#[test]
fn hints_lead_from_a_write_to_a_crash_to_a_partition() {
    let page = draw(Page::default(), |picture| picture.view.cluster.leader = None);
    assert_eq!(page.hint(), Some(Hint::Election));
    let page = draw(page, |_| {});
    assert_eq!(page.hint(), Some(Hint::Put));
    let page = draw(page, |picture| picture.view.cluster.nodes[1].revision = 2);
    assert_eq!(page.hint(), Some(Hint::Crash(Node(2))));
    let page = draw(page, |picture| {
        picture.view.cluster.nodes[1].condition = Condition::Down;
        picture.view.cluster.leader = Some(Node(1));
    });
    assert_eq!(page.hint(), Some(Hint::Restart(Node(2))));
    let page = draw(page, |_| {});
    assert_eq!(page.hint(), Some(Hint::Partition(Node(2))));
    let page = draw(page, |picture| picture.view.cluster.groups = vec![vec![], vec![]]);
    assert_eq!(page.hint(), Some(Hint::Heal));
    let page = draw(page, |_| {});
    assert_eq!(page.hint(), Some(Hint::Leave));
    assert_eq!(page.after(Turn::NoHints).hint(), None);
}

#[test]
fn a_server_that_stopped_by_itself_is_looked_at_and_not_started_again() {
    let page = draw(Page::default(), |picture| {
        let reason = "walpb: crc mismatch".into();
        picture.view.cluster.nodes[0].condition = Condition::Failed { reason };
    });
    assert_eq!(page.hint(), Some(Hint::Look(Node(1))));
}

#[test]
fn a_partition_cuts_off_what_is_marked_or_else_the_selected_server() {
    let page = draw(Page::default(), |_| {});
    assert_eq!(page.partition_line().as_deref(), Some("isolate n2"));
    let page = page.after(Turn::Mark(Node(3))).after(Turn::Mark(Node(1)));
    assert_eq!(page.partition_line().as_deref(), Some("partition n1 n3 | n2"));
    let all = page.clone().after(Turn::Mark(Node(2)));
    assert_eq!(all.partition_line(), None, "there is nobody left to be cut off from");
    let page = draw(page, |picture| picture.view.cluster.groups = vec![vec![Node(1)], vec![]]);
    assert!(page.marked.is_empty(), "what was marked has been cut off");
}

#[test]
fn a_refused_line_of_the_console_stays_in_the_console() {
    let refusal = Refusal::NotPossible { message: "n1 is down".into() };
    let page = Page::default().after(Turn::Asked(4, "put a 1".into()));
    let page = page.after(Turn::Told(Event::Reply { id: 4, result: Err(refusal.clone()) }));
    let answer = page.console.exchanges[0].answer.as_ref().expect("answered");
    assert_eq!((answer.ok, answer.error.as_deref()), (false, Some("n1 is down")));
    assert_eq!(page.refusal, None);
    let page = page.after(Turn::Told(Event::Reply { id: 5, result: Err(refusal) }));
    assert_eq!(
        page.refusal.as_deref(),
        Some("n1 is down"),
        "an act's refusal is said on the stage"
    );
}

#[test]
fn a_link_that_cannot_be_made_says_why_and_a_made_one_is_shown() {
    let page = Page::default().after(Turn::ShareAsked(7));
    let link = Event::Reply { id: 7, result: Ok(Answer::Link("#s1=abc".into())) };
    let made = page.clone().after(Turn::Told(link)).after(Turn::Copied(true));
    assert_eq!(made.share, Share::Made { hash: "#s1=abc".into(), copied: Some(true) });
    let refusal = Refusal::NotPossible { message: "actions were lost".into() };
    let refused = page.after(Turn::Told(Event::Reply { id: 7, result: Err(refusal) }));
    assert_eq!(refused.share, Share::Refused("actions were lost".into()));
}

#[test]
fn a_refused_link_is_said_although_the_stored_session_opens_after_it() {
    let refused = Opening::LinkRefused { message: "checksum".into() };
    let page = Page::default().after(Turn::Told(Event::Opened(refused.clone())));
    let page = page.after(Turn::Told(Event::Opened(Opening::Recovered(Recovery::default()))));
    assert_eq!(page.opening, Some(refused));
}

#[test]
fn a_recovery_is_said_until_the_visitor_goes_on_and_damage_until_it_is_read() {
    let whole = Opening::Recovered(Recovery::default());
    let damage = Recovery { damaged: vec!["page 3 of n1".into()], ..Recovery::default() };
    for (opening, stays) in [(whole, false), (Opening::Recovered(damage), true)] {
        let page = Page::default().after(Turn::Told(Event::Opened(opening)));
        let page = page.after(Turn::Asked(1, "get a".into()));
        assert_eq!(page.opening.is_some(), stays);
        assert_eq!(page.after(Turn::OpeningRead).opening, None);
    }
}

#[test]
fn a_session_that_waits_for_storage_shows_no_other_run() {
    let page = draw(Page::default(), |_| {});
    let page = page.after(Turn::Told(Event::Opened(Opening::Waiting)));
    assert_eq!(page.scene, None);
}

#[test]
fn important_events_are_said_once() {
    let line = LogLine {
        event: 9,
        at_ns: 1,
        node: Some(Node(2)),
        tone: Tone::Agreed,
        text: "leads in term 2".into(),
    };
    let page = draw(Page::default(), |picture| picture.view.cluster.log.push(line));
    assert_eq!(page.said, "n2 leads in term 2");
    let page = draw(page, |_| {});
    assert_eq!(page.said, "n2 leads in term 2");
}

#[test]
fn a_stopped_engine_keeps_its_last_picture() {
    let page = draw(Page::default(), |_| {});
    let told = Event::Panicked { message: "index out of range".into(), link: None };
    let page = page.after(Turn::Told(told));
    assert!(matches!(page.engine, Engine::Stopped { .. }));
    assert!(page.scene.is_some());
}
