//! The scenario language: what is read, what is refused and how it says so, and that printing
//! reads back.
#![cfg(not(target_arch = "wasm32"))]

#[path = "support/client_words.rs"]
mod client_words;

use etcd::server::Version;
use proptest::prelude::*;
use sim::fault::{
    self, Chosen, Clog, Crash, Deliver, Duplicate, Fault, Flip, Isolate, Jump, Lose, Loss,
    Partition, Reorder, Restart, Survivors, Unclog,
};
use sim::network::{Delay, Kinds, Links, MessageKind, Selector};
use sim::scenario::{
    Action, ClientAction, ClientCommand, ClusterSpec, Context, Count, Expectation, Expected,
    KeyPattern, LINES_MAX, Line, Load, LoadCommand, LoadEnd, Node, Operator, ParseError, PreVote,
    Scenario, Span, Statement, TEXT_BYTES_MAX, Target, parse_command, verbs,
};

const STORY: &str = "\
# Lost leader
# The others take over.
cluster etcd nodes=3 seed=42
0s      load put key=user/{0..99} value=16B rate=200/s
# Now it breaks.
2s      partition n1 | n2 n3
2.314000001s on n2 put greeting 'hello world'
4s      heal
5s      crash n2 torn at disk-operation 3
6s      restart n2
6s      get --prefix --rev 7 --consistency=s --limit 2 user/
7s      flip n1 member/wal/0000000000000000-0000000000000000.wal 0x1a8 7
8s      expect leader n1 within 3s
9s      end
expect leader within 3s
";

fn parsed(text: &str) -> Scenario {
    Scenario::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> ParseError {
    let text = format!("cluster etcd nodes=3 seed=1\n{text}\n");
    Scenario::parse(&text).expect_err("it is wrong")
}

#[test]
fn a_canonical_text_prints_as_it_was() {
    assert_eq!(parsed(STORY).to_string(), STORY);
}

#[test]
fn only_expectations_without_a_time_stand_after_the_end() {
    for text in ["put a b", "9s expect leader", "end"] {
        let error = Scenario::parse(&format!("{STORY}{text}\n")).expect_err(text);
        assert_eq!((error.line, error.column), (16, 1));
    }
}

#[test]
fn a_command_without_a_time_happens_at_the_time_of_the_line_before() {
    let scenario = parsed("cluster etcd nodes=1 seed=1\nput a 1\n2s put b 2\nput c 3\n");
    let time = |line: &Line| match line.statement {
        Statement::At(at_ns, _) => Some(at_ns),
        Statement::Comment(_) | Statement::AtEnd(_) | Statement::End(_) => None,
    };
    let times: Vec<u64> = scenario.lines.iter().filter_map(time).collect();
    assert_eq!(times, [0, 2_000_000_000, 2_000_000_000]);
}

#[test]
fn a_run_ends_five_seconds_after_its_last_time_or_at_its_end_line() {
    assert_eq!(parsed("cluster etcd nodes=1 seed=1\n2s put a 1\n").ends_ns(), 7_000_000_000);
    assert_eq!(parsed("cluster etcd nodes=1 seed=1\n3s end\n").ends_ns(), 3_000_000_000);
}

#[test]
fn errors_name_the_place_and_the_nearest_word() {
    let error = refused("2s  crsh n1");
    assert_eq!((error.line, error.column), (2, 5));
    assert_eq!(error.suggestions, ["crash"]);
    assert_eq!(
        error.to_string(),
        "line 2, column 5: unknown command `crsh`; expected a command; did you mean `crash`?"
    );
}

#[test]
fn every_kind_of_mistake_is_named_where_it_stands() {
    for (text, column, part) in [
        ("crash n4", 7, "from n1 to n3"),
        ("crash", 6, "the line ends too early"),
        ("heal now", 6, "cannot heal"),
        ("reload now", 8, "one word too many"),
        ("partition n1 n2", 11, "n1 | n2 n3"),
        ("partition n1 | n1", 16, "named twice"),
        ("put 'a b", 5, "not closed"),
        ("put a", 6, "a value"),
        ("get a --revision 2", 7, "did you mean"),
        ("get a --rev x", 13, "not a number"),
        ("get a b --prefix", 7, "range end"),
        ("on n2 crash n1", 7, "not a client command"),
        ("load put rate=0/s", 15, "out of range"),
        ("load put colour=red", 10, "unknown setting"),
        ("load put rate=5/s rate=6/s", 19, "given twice"),
        ("load mix put=1 put=2", 16, "given twice"),
        ("load mix put=0 get=0", 10, "nothing to do"),
        ("load mix timeout=30m", 18, "from 1ms to 60s"),
        ("loss 101%", 6, "percentage"),
        ("5x put a b", 1, "not a time"),
        ("expect ledger", 8, "did you mean `leader`"),
        ("cluster etcd nodes=3 seed=1", 1, "second cluster"),
        ("flip n1 member/wal/x 0x1a8 8", 28, "out of range"),
        ("2s put a b\n1s put a b", 1, "do not go backwards"),
        ("put a\u{7}b c", 6, "control character"),
    ] {
        let error = refused(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn the_cluster_comes_first_and_has_bounds() {
    for (text, part) in [
        ("", "there is no cluster"),
        ("put a b", "no cluster before"),
        ("cluster etcd nodes=102 seed=1", "from 1 to 101"),
        ("cluster etc nodes=3", "unknown engine"),
        ("cluster etcd nodes=3 nodes=5", "given twice"),
        ("cluster etcd latency=3ms..1ms", "span of time"),
        ("cluster etcd pre-vote=maybe", "`true`, `false`, `mixed` or `any`"),
        ("cluster etcd nodes=3 members=2..4", "4 members on 3 machines"),
        ("cluster etcd nodes=3 members=3..1", "an empty range"),
        ("cluster etcd version=3.5.1", "3.4.0 to 3.4.44 are known"),
    ] {
        let error = Scenario::parse(text).expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn too_much_text_is_refused_before_it_is_read() {
    assert!(Scenario::parse(&" ".repeat(TEXT_BYTES_MAX + 1)).is_err());
    let lines = "cluster etcd nodes=1 seed=1\n".to_owned() + &"put a b\n".repeat(LINES_MAX);
    assert_eq!(Scenario::parse(&lines).expect_err("a line too many").line, 10_001);
}

#[test]
fn one_endless_line_is_read_in_no_time() {
    let words = "é ".repeat(TEXT_BYTES_MAX / 3 - 20);
    let error = refused(&format!("put {words}"));
    assert_eq!((error.line, error.column), (2, 9));
    assert!(refused(&"partition ".repeat(90_000)).column == 11);
    assert!(refused(&format!("put {}", "'".repeat(900_001))).to_string().contains("not closed"));
}

#[test]
fn every_example_of_the_help_reads() {
    for verb in verbs() {
        let action = parse_command(verb.example, Context { nodes: 3 });
        assert!(action.is_ok(), "{}: {action:?}", verb.example);
    }
}

#[test]
fn client_words_are_quoted_as_in_a_shell() {
    let read = |text| match parse_command(text, Context { nodes: 1 }) {
        Ok(Action::Client(ClientAction { command: ClientCommand::Put(put), .. })) => {
            (put.key, put.value)
        }
        other => panic!("{text}: {other:?}"),
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(read("put a 'b c'"), pair("a", "b c"));
    assert_eq!(read("put \"a\\\"b\" ''"), pair("a\"b", ""));
    assert_eq!(read("put -- --key -5"), pair("--key", "-5"));
    assert_eq!(read("put a\\ b {1}  # and a comment"), pair("a b", "{1}"));
}

fn node() -> impl Strategy<Value = Node> {
    (1..=5_u32).prop_map(Node)
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![node().prop_map(Target::Node), Just(Target::Leader), Just(Target::All)]
}

/// Any printable text, with what a shell finds special.
fn word() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z/]{1,8}", "[-'\"\\\\ #|{}=$~*a-zé😀]{0,8}", "\\PC{0,6}"]
}

fn key() -> impl Strategy<Value = String> {
    word().prop_map(|word| if word.is_empty() { "k".to_owned() } else { word })
}

fn load() -> impl Strategy<Value = LoadCommand> {
    let pattern = ("[a-z/' #]{1,6}", prop::option::of((0..9_u64, 0..9_u64)), "[a-z]{0,3}");
    let pattern = pattern
        .prop_map(|(prefix, range, suffix)| KeyPattern {
            prefix,
            suffix: if range.is_some() { suffix } else { String::new() },
            range: range.map(|(low, more)| (low, low + more)),
        })
        .boxed();
    let until = prop_oneof![
        Just(LoadEnd::Never),
        (0..10_u64.pow(12)).prop_map(LoadEnd::For),
        (1..1_000_u64).prop_map(LoadEnd::Count),
    ]
    .boxed();
    let mix = (pattern.clone(), until.clone())
        .prop_flat_map(|(pattern, until)| client_words::mix(pattern, until));
    prop_oneof![
        Just(LoadCommand::Stop),
        mix.prop_map(LoadCommand::Mix),
        (0..10_u64.pow(10), 0..10_u64.pow(10), until.clone()).prop_map(
            |(low_ns, more_ns, until)| LoadCommand::Operator(Operator {
                think: Span { low_ns, high_ns: low_ns + more_ns },
                until
            })
        ),
        (pattern, 0..1_000_000_u32, 1..1_000_u32, until).prop_map(
            |(key, value_bytes, rate, until)| LoadCommand::Start(Load {
                key,
                value_bytes,
                rate,
                until
            })
        ),
    ]
}

fn links() -> impl Strategy<Value = Links> {
    prop_oneof![
        Just(Links::All),
        node().prop_map(Links::Of),
        Just(Links::From(Node(1), Node(2))),
        Just(Links::Between(Node(5), Node(3))),
    ]
}

fn selector() -> impl Strategy<Value = Selector> {
    let kinds = prop::sample::subsequence(&MessageKind::ALL[..], 0..5);
    (links(), kinds).prop_map(|(links, kinds)| {
        let kinds: Vec<MessageKind> = kinds.into_iter().map(|(kind, _)| kind).collect();
        Selector { links, kinds: Kinds::of(&kinds) }
    })
}

fn survivors() -> impl Strategy<Value = Survivors> {
    prop::sample::select(vec![
        Survivors::Nothing,
        Survivors::Torn,
        Survivors::Reordered,
        Survivors::Nameless,
        Survivors::Everything,
    ])
}

fn distribution() -> impl Strategy<Value = Delay> {
    let times = (0..10_u64.pow(12), 0..10_u64.pow(12));
    prop_oneof![
        times.prop_map(|(low_ns, more_ns)| Delay::Uniform(Span {
            low_ns,
            high_ns: low_ns + more_ns
        })),
        (0..10_u64.pow(12)).prop_map(Delay::Tail),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let crash = (target(), survivors(), prop::option::of(1..1_000_u32));
    let ppm = 0..=1_000_000_u32;
    prop_oneof![
        crash.prop_map(|(target, survivors, at_disk_operation)| {
            Crash { target, survivors, at_disk_operation }.into()
        }),
        target().prop_map(|target| Restart { target }.into()),
        Just(Partition { groups: vec![vec![Node(1)], vec![Node(3), Node(2)]] }.into()),
        node().prop_map(|node| Isolate { target: Target::Node(node) }.into()),
        (ppm.clone(), selector()).prop_map(|(ppm, of)| Loss { ppm, of }.into()),
        (distribution(), selector()).prop_map(|(delay, of)| fault::Delay { delay, of }.into()),
        (ppm.clone(), selector()).prop_map(|(ppm, of)| Duplicate { ppm, of }.into()),
        (ppm, 0..10_u64.pow(12), selector()).prop_map(|(ppm, by_ns, of)| Reorder {
            ppm,
            by_ns,
            of
        }
        .into()),
        selector().prop_map(|of| Clog { of }.into()),
        links().prop_map(|links| Unclog { links }.into()),
        selector().prop_map(|of| Deliver { message: Chosen::OldestHeld(of) }.into()),
        any::<u64>().prop_map(|number| Lose { message: Chosen::Number(number) }.into()),
        (target(), 0..10_u64.pow(12), any::<bool>()).prop_map(|(target, by_ns, is_back)| Jump {
            target,
            by_ns,
            is_back
        }
        .into()),
        (node(), key(), any::<u64>(), 0..8_u8).prop_map(|(node, path, offset, bit)| Flip {
            node,
            path,
            offset,
            bit
        }
        .into()),
    ]
}

/// Every kind of fault by its example, and every point of a crash.
fn lines_of_faults() -> Vec<String> {
    let verbs = fault::KINDS.iter().filter_map(|kind| kind.verb.as_ref());
    let examples = verbs.map(|verb| verb.example.to_owned());
    let points = fault::POINTS.iter().map(|point| format!("crash n2 during {} nth 3", point.name));
    let more = [
        "heal clog",
        "ring n3 n1 n2",
        "skew all 9/10",
        "crash leader reordered at disk-operation 7",
        "delay tail:20ms n1<->n2 kinds=append,vote",
        "reorder 5% by 50ms n3->n1",
        "chaos for=20s faults=loss,crash drawn",
        "chaos for=20s faults=all",
        "chaos for=20s faults=unfired",
        "chaos for=20s faults=calm drawn",
        "load operator think=1s..5s for=30s",
        "disk rot n2 7",
    ];
    examples.chain(points).chain(more.map(str::to_owned)).collect()
}

#[test]
fn the_line_of_every_fault_prints_as_it_was() {
    for line in lines_of_faults() {
        let action = parse_command(&line, Context { nodes: 3 });
        let action = action.unwrap_or_else(|error| panic!("{line}: {error}"));
        let printed = action.to_string();
        let again = parse_command(&printed, Context { nodes: 3 });
        assert_eq!(again.as_ref(), Ok(&action), "{line} became {printed}");
        if line.contains("kinds") || line.contains("during") {
            assert_eq!(printed, line);
        }
    }
}

#[test]
fn what_is_wrong_with_a_fault_is_said_with_the_nearest_words() {
    for (text, column, part) in [
        ("loss 5% n1->n1", 9, "no link to itself"),
        ("loss 5% n1->n9", 13, "from n1 to n3"),
        ("loss 5% kinds=apend", 15, "did you mean `append`"),
        ("loss 5% kinds=append,append", 22, "named twice"),
        ("loss 5% knds=append", 9, "no such server"),
        ("delay tail:fast", 12, "not a time"),
        ("crash n1 during wal-apend", 17, "did you mean `wal-append`"),
        ("heal losss", 6, "did you mean `loss`"),
        ("skew n1 11/0", 12, "from 1 to 1000"),
        ("skew n1 100", 9, "from 1/10 to 10"),
        ("jump n1 5s", 9, "`+` or `-`"),
        ("hold 17", 6, "`message=17`"),
        ("chaos for=1ms", 11, "from 1s to 1h"),
        ("chaos for=9s faults=los", 21, "did you mean `loss`"),
    ] {
        let error = refused(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

fn expectation() -> impl Strategy<Value = Expectation> {
    let what = prop_oneof![
        prop::option::of(node()).prop_map(Expected::Leader),
        (word(), word()).prop_map(|(key, value)| Expected::Value { key, value }),
        word().prop_map(|key| Expected::Absent { key }),
        (0..1_000_i64).prop_map(Expected::Revision),
        node().prop_map(Expected::Up),
        node().prop_map(Expected::Down),
        node().prop_map(Expected::Failed),
    ];
    (what, 0..10_u64.pow(12)).prop_map(|(what, within_ns)| Expectation { what, within_ns })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (prop::option::of(node().prop_map(Target::Node)), client_words::command())
            .prop_map(|(on, command)| Action::Client(ClientAction { on, command })),
        load().prop_map(Action::Load),
        fault().prop_map(Action::Fault),
        expectation().prop_map(Action::Expect),
    ]
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let version = (0..=44_u16).prop_map(|patch| Version { major: 3, minor: 4, patch });
    let span = (0..10_u64.pow(9), 0..10_u64.pow(9));
    let snapshots = (0..200_000_u64, 0..9_000_u64);
    let pre_vote =
        prop::sample::select(vec![PreVote::Always, PreVote::Never, PreVote::Mixed, PreVote::Any]);
    let counts = (1..=5_u32, 1..=5_u32, 1..2_000_u32);
    let intervals = (100_000_000..10_u64.pow(12), prop::option::of(100_000_000..10_u64.pow(11)));
    let rules = (pre_vote, version, counts, intervals);
    let cluster = (any::<u64>(), span, 2..99_u32, rules, snapshots).prop_map(
        |(seed, (low_ns, more_ns), election_ticks, rules, snapshots)| ClusterSpec {
            snapshot_count: snapshots.0,
            catch_up_entries: snapshots.1,
            pre_vote: rules.0,
            version: rules.1,
            nodes: 5,
            members: Count { low: rules.2.0.min(rules.2.1), high: rules.2.0.max(rules.2.1) },
            compaction_batch: rules.2.2,
            watch_progress_ns: rules.3.0,
            lease_checkpoint_ns: rules.3.1,
            seed,
            election_ticks,
            latency: Span { low_ns, high_ns: low_ns + more_ns },
            ..ClusterSpec::default()
        },
    );
    let lines = prop::collection::vec((0..10_u64.pow(10), action()), 0..8);
    (cluster, lines).prop_map(|(cluster, steps)| {
        let mut at_ns = 0;
        let mut lines = Vec::new();
        for (number, (more_ns, action)) in (2..).zip(steps) {
            at_ns += more_ns;
            lines.push(Line { number, statement: Statement::At(at_ns, action) });
        }
        Scenario { heading: Vec::new(), cluster, lines }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_printed_reads_back_as_the_same(scenario in scenario()) {
        let text = scenario.to_string();
        let again = Scenario::parse(&text);
        prop_assert_eq!(again.as_ref(), Ok(&scenario), "{}", text);
        prop_assert_eq!(again.map(|again| again.to_string()), Ok(text));
    }

    #[test]
    fn no_text_panics_the_reader(text in "\\PC{0,80}") {
        let _ = Scenario::parse(&text);
        let _ = parse_command(&text, Context { nodes: 3 });
    }

    #[test]
    fn no_line_made_of_the_languages_words_panics_the_reader(
        words in prop::collection::vec(prop_oneof![
            "(0s|1s|n1|n9|leader|all|put|get|del|txn|if|then|else|lease|watch|member|load|mix|crash|expect|on|flip|loss|delay|partition)",
            "(--rev|--prefix|--|key=|rate=|\\{0..9\\}|'|\"|\\\\|\\||torn|at|within|5%|cluster|end)",
        ], 0..8),
    ) {
        let line = words.join(" ");
        let _ = Scenario::parse(&format!("cluster etcd nodes=3 seed=1\n{line}\n"));
    }
}

#[test]
fn every_verb_is_in_the_documentation() {
    let page = include_str!("../../../docs/scenario-language.md").replace("\\|", "|");
    for verb in verbs() {
        assert!(page.contains(&format!("`{}`", verb.usage)), "{}", verb.usage);
    }
}
