//! The console answers as etcdctl prints.
#![cfg(not(target_arch = "wasm32"))]

mod support;

use sim::World;
use sim::console::enter;
use sim::scenario::SECOND_NS;
use support::{typed, world};

fn serving() -> World {
    let mut world = world("cluster etcd nodes=3 seed=42\n");
    world.run_until(3 * SECOND_NS);
    world
}

#[test]
fn a_session_reads_as_with_etcdctl() {
    let mut world = serving();
    for (line, printed) in [
        ("put greeting hello", "OK"),
        ("put greeting 'hello world'", "OK"),
        ("put other x", "OK"),
        ("get greeting", "greeting\nhello world"),
        ("get greeting --rev 2", "greeting\nhello"),
        ("get g --prefix --keys-only", "greeting\n"),
        ("get '' --prefix", "greeting\nhello world\nother\nx"),
        ("get a z --limit 1", "greeting\nhello world"),
        ("get a z --count-only", "2"),
        ("get nothing", ""),
        ("on n3 get greeting --consistency=s", "greeting\nhello world"),
        ("compact 3", "compacted revision 3"),
        ("del greeting", "1"),
        ("del greeting", "0"),
        ("del '' --prefix", "1"),
    ] {
        let answer = typed(&mut world, line);
        assert_eq!(
            (answer.output.as_str(), answer.error, answer.ok),
            (printed, None, true),
            "{line}"
        );
    }
}

#[test]
fn errors_are_those_of_etcd() {
    let mut world = serving();
    typed(&mut world, "put a 1");
    typed(&mut world, "put a 2");
    typed(&mut world, "compact 3");
    for (line, printed) in [
        ("get a --rev 2", "Error: etcdserver: mvcc: required revision has been compacted"),
        ("get a --rev 9", "Error: etcdserver: mvcc: required revision is a future revision"),
        ("compact 2", "Error: etcdserver: mvcc: required revision has been compacted"),
        ("put '' x", "Error: etcdserver: key is not provided"),
    ] {
        let answer = typed(&mut world, line);
        assert_eq!((answer.error.as_deref(), answer.ok), (Some(printed), false), "{line}");
        assert!(answer.took_ns > 0, "{line}");
    }
}

#[test]
fn members_and_status_are_lines_with_commas() {
    let mut world = serving();
    let members = typed(&mut world, "member list").output;
    let first = "5440ff22fe632778, started, n1, http://n1:2380, http://n1:2379, false";
    assert!(members.lines().count() == 3 && members.contains(first), "{members}");
    let status = typed(&mut world, "on n1 endpoint status").output;
    assert!(status.starts_with("n1:2379, 5440ff22fe632778, 3.4.34, "), "{status}");
}

#[test]
fn a_write_of_unknown_outcome_says_so() {
    let mut world = serving();
    typed(&mut world, "partition n1 | n2 n3");
    let answer = typed(&mut world, "on n1 put a 1");
    let error = answer.error.expect("nobody answered");
    assert_eq!(error, "Error: context deadline exceeded\nIt may still take effect: nobody knows.");
    assert_eq!(answer.took_ns, 5 * SECOND_NS);
}

#[test]
fn laboratory_commands_say_what_they_did() {
    let mut world = serving();
    let leader = world.leader().expect("somebody leads");
    assert_eq!(typed(&mut world, "crash leader").output, format!("crash leader ({leader})"));
    assert_eq!(world.leader(), None);
    assert_eq!(typed(&mut world, "crash leader").output, "crash leader: nobody leads");
    assert_eq!(typed(&mut world, "restart all").output, "restart all");
}

#[test]
fn help_lists_every_verb_and_explains_each() {
    let mut world = serving();
    let help = typed(&mut world, "help").output;
    for verb in sim::scenario::verbs() {
        assert!(help.contains(&format!("  {} ", verb.name)), "{}", verb.name);
        assert!(typed(&mut world, &format!("help {}", verb.name)).output.contains(verb.usage));
    }
    assert!(!typed(&mut world, "help nothing").ok);
    assert_eq!(world.recorded_lines().len(), 0, "help is no action");
}

#[test]
fn a_wrong_line_changes_nothing() {
    let mut world = serving();
    let before = (world.event(), world.fingerprint());
    let error = enter(&mut world, "crsh n1").expect_err("there is no such command");
    assert_eq!(error.suggestions, ["crash"]);
    world.settle();
    assert_eq!((world.event(), world.fingerprint()), before);
}
