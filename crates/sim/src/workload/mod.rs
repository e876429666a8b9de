//! Workloads: clients that work on their own, one file a kind.
//!
//! A kind has a payload, which is the rest of its `load` line as data (`Workload`), and what runs
//! of it (`Running`): whose turn it is and what it then does to the world. The table below is the
//! only other place that knows of it: a new kind is one file and one row (at the end: heads hold
//! its place, and fingerprints take it in).
//!
//! ```text
//! load KIND … ─→ start ─→ turn at some time ─→ asks ─→ ended ─→ next turn …
//!                                             └ asks nothing: says when its next turn is
//! ```
//!
//! A workload has one client number or several in a row. It ends by itself (`Quota`) or by `load
//! stop`; requests under way are still answered. After a reload, which answers nothing any more,
//! every client of it gets a turn again (`Running::wake`).

mod quota;

use std::fmt;

use ordered::Map;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use mix::{CLIENTS_MAX, Distribution, Mix, Weights, ZIPF_KEYS_MAX};
pub use operator::Operator;
pub use put::{Load, RATE_MAX};
pub use quota::LoadEnd;
pub(crate) use quota::Quota;

use crate::client::Ended;
use crate::scenario::Action;
use crate::scenario::error::Problem;
use crate::scenario::node::Context;
use crate::scenario::verb::{Group, Verb};
use crate::scenario::word::Words;
use crate::world::World;

/// Workloads that run at a time; a further one does not start.
pub const LOADS_MAX: usize = 64;

/// What a kind's line says.
pub(crate) trait Workload: fmt::Display + Sized {
    /// What runs of it.
    type Running: Stored;

    /// Reads what stands after the kind's name.
    fn parse(words: &mut Words) -> Result<Self, Problem>;

    /// How many clients it has.
    fn clients(&self) -> u32 {
        1
    }

    /// Begins to run, with this client number and those after it, and says when its turns are.
    fn start(self, world: &mut World, client: u32) -> Self::Running;
}

/// A workload that runs.
pub(crate) trait Running {
    /// What it was started with.
    fn payload(&self) -> LoadCommand;

    /// Its own end, and how far it is from it.
    fn quota(&self) -> &Quota;

    /// Its clients: the first number, and how many there are.
    fn clients(&self) -> (u32, u32);

    /// A client's turn has come.
    fn turn(&mut self, world: &mut World, client: u32);

    /// A request of one of its clients came back. Who is `careless` (a known bug) also sends again
    /// what may have taken effect.
    fn ended(&mut self, _world: &mut World, _ended: &Ended, _careless: bool) {}

    /// Whether its clients themselves send again what found no server.
    fn tries_again(&self) -> bool {
        false
    }

    /// After a reload: when each of its clients has a turn, by client.
    fn wake(&mut self, now_ns: u64) -> Vec<(u32, u64)>;
}

/// What a head keeps of a workload that runs.
pub(crate) trait Stored: Running + Clone {
    /// Plain data.
    type Head: Serialize + DeserializeOwned;

    fn head(&self) -> Self::Head;

    /// Goes on from a head.
    fn resume(seed: u64, head: Self::Head) -> Self;
}

macro_rules! workloads {
    (
        $(#[doc = $first_doc:literal])*
        $first:ident($first_payload:ident) = $first_module:ident $first_usage:literal $first_help:literal,
        $(
            $(#[doc = $doc:literal])*
            $variant:ident($payload:ident) = $module:ident $usage:literal $help:literal,
        )*
    ) => {
        mod $first_module;
        $(mod $module;)*

        /// Starts or stops load.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum LoadCommand {
            $(#[doc = $first_doc])* $first($first_payload),
            /// Stops them all; requests under way are still answered. Second, since recorded
            /// fingerprints take in its place.
            Stop,
            $($(#[doc = $doc])* $variant($payload),)*
        }

        const NAMES: &[&str] = &[stringify!($first_module), $(stringify!($module),)* "stop"];
        const EXPECTED: &str = concat!(
            "`", stringify!($first_module), "`", $(", `", stringify!($module), "`",)* " or `stop`"
        );

        pub(crate) const VERBS: &[Verb] = &[Verb {
            name: "load",
            group: Group::Load,
            usage: concat!(
                "load ", stringify!($first_module), " ", $first_usage, " · ",
                $("load ", stringify!($module), " ", $usage, " · ",)*
                "load stop"
            ),
            help: concat!("works on its own: ", $first_help, $("; ", $help,)*),
            example: "load put key=user/{0..99} value=16B rate=200/s",
            parse,
        }];

        fn parse(words: &mut Words, _: Context) -> Result<Action, Problem> {
            let word = words.expect(EXPECTED)?;
            let command = match word.text.as_str() {
                "stop" => LoadCommand::Stop,
                stringify!($first_module) => LoadCommand::$first(Workload::parse(words)?),
                $(stringify!($module) => LoadCommand::$variant(Workload::parse(words)?),)*
                _ => {
                    let problem = word.problem("unknown load", EXPECTED);
                    return Err(problem.suggest(&word.text, NAMES.iter().copied()));
                }
            };
            Ok(Action::Load(command))
        }

        impl fmt::Display for LoadCommand {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    LoadCommand::Stop => f.write_str("load stop"),
                    LoadCommand::$first(load) => load.fmt(f),
                    $(LoadCommand::$variant(load) => load.fmt(f),)*
                }
            }
        }

        impl LoadCommand {
            fn clients(&self) -> u32 {
                match self {
                    LoadCommand::Stop => 0,
                    LoadCommand::$first(load) => load.clients(),
                    $(LoadCommand::$variant(load) => load.clients(),)*
                }
            }

            fn start(self, world: &mut World, client: u32) -> Option<AnyRunning> {
                Some(match self {
                    LoadCommand::Stop => return None,
                    LoadCommand::$first(load) => AnyRunning::$first(Box::new(load.start(world, client))),
                    $(LoadCommand::$variant(load) => AnyRunning::$variant(Box::new(load.start(world, client))),)*
                })
            }
        }

        #[derive(Clone, Debug)]
        enum AnyRunning {
            $first(Box<<$first_payload as Workload>::Running>),
            $($variant(Box<<$payload as Workload>::Running>),)*
        }

        /// What of a workload goes into the head.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub(crate) enum WorkloadHead {
            $first(<<$first_payload as Workload>::Running as Stored>::Head),
            $($variant(<<$payload as Workload>::Running as Stored>::Head),)*
        }

        impl AnyRunning {
            fn get(&self) -> &dyn Running {
                match self {
                    AnyRunning::$first(running) => &**running,
                    $(AnyRunning::$variant(running) => &**running,)*
                }
            }

            fn get_mut(&mut self) -> &mut dyn Running {
                match self {
                    AnyRunning::$first(running) => &mut **running,
                    $(AnyRunning::$variant(running) => &mut **running,)*
                }
            }

            fn head(&self) -> WorkloadHead {
                match self {
                    AnyRunning::$first(running) => WorkloadHead::$first(running.head()),
                    $(AnyRunning::$variant(running) => WorkloadHead::$variant(running.head()),)*
                }
            }

            fn resume(seed: u64, head: WorkloadHead) -> AnyRunning {
                match head {
                    WorkloadHead::$first(head) => AnyRunning::$first(Box::new(Stored::resume(seed, head))),
                    $(WorkloadHead::$variant(head) => AnyRunning::$variant(Box::new(Stored::resume(seed, head))),)*
                }
            }
        }
    };
}

workloads! {
    /// Starts one more load beside those that run.
    Start(Load) = put "key=PATTERN value=SIZE rate=N/s [for=T | count=N]"
        "puts at an even rate",
    /// Starts one more mixed load beside those that run.
    Mix(Mix) = mix "[clients=N] [key=PATTERN] [keys=even|zipf] [value=SIZE] [think=T..T] \
        [timeout=T] [retries=N] [put=W] [get=W] [stale=W] [old=W] [range=W] [del=W] [txn=W] [lease=W] \
        [compact=W] [watches=N] [slow=N] [for=T | count=N]"
        "clients that each do a mix of operations",
    /// Lets one more operator change the cluster.
    Operator(Operator) = operator "[think=T..T] [for=T | count=N]"
        "an operator who changes members",
}

/// All workloads that run, by their first client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workloads {
    running: Map<u32, AnyRunning>,
}

/// A workload that runs, as panels and tests see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its first client.
    pub client: u32,
    /// What it was started with.
    pub load: LoadCommand,
    /// Operations begun.
    pub begun: u64,
}

impl Workloads {
    pub(crate) fn head(&self) -> Vec<WorkloadHead> {
        self.running.values().map(AnyRunning::head).collect()
    }

    pub(crate) fn resume(seed: u64, heads: Vec<WorkloadHead>) -> Workloads {
        let all = heads.into_iter().map(|head| AnyRunning::resume(seed, head));
        Workloads { running: all.map(|one| (one.get().clients().0, one)).collect() }
    }

    /// When every client has a turn, after a reload.
    pub(crate) fn wake(&mut self, now_ns: u64) -> Vec<(u32, u64)> {
        self.running.values_mut().flat_map(|one| one.get_mut().wake(now_ns)).collect()
    }

    /// The first client of the workload that a client is of.
    pub(crate) fn first_of(&self, client: u32) -> Option<u32> {
        let (_, one) = self.running.range(..=client).next_back()?;
        let (first, clients) = one.get().clients();
        (client - first < clients).then_some(first)
    }

    /// Whether a client itself sends again what found no server.
    pub(crate) fn tries_again(&self, client: u32) -> bool {
        let first = self.first_of(client).and_then(|first| self.running.get(&first));
        first.is_some_and(|one| one.get().tries_again())
    }

    pub(crate) fn shown(&self) -> impl Iterator<Item = Shown> {
        self.running.iter().map(|(client, one)| {
            let one = one.get();
            Shown { client: *client, load: one.payload(), begun: one.quota().begun() }
        })
    }
}

/// How the world and its workloads meet.
impl World {
    /// `load …`: one more workload, unless there are [`LOADS_MAX`]; or the end of all.
    pub(crate) fn load(&mut self, command: LoadCommand) {
        if command == LoadCommand::Stop {
            self.workloads_mut().running.clear();
            return;
        }
        if self.workloads_mut().running.len() < LOADS_MAX {
            let client = self.clients_mut().take_numbers(command.clients());
            if let Some(running) = command.start(self, client) {
                self.workloads_mut().running.insert(client, running);
            }
        }
    }

    /// A client's turn has come. A workload at its end is gone with it.
    pub(crate) fn work(&mut self, client: u32) {
        let now_ns = self.now_ns();
        self.with_workload_of(client, |one, world| {
            let goes_on = !one.quota().is_over(now_ns);
            if goes_on {
                one.turn(world, client);
            }
            goes_on
        });
    }

    /// A request of a client came back.
    pub(crate) fn work_ended(&mut self, ended: &Ended, careless: bool) {
        self.with_workload_of(ended.operation.client, |one, world| {
            one.ended(world, ended, careless);
            true
        });
    }

    /// The workload acts on the world, and so is outside of it meanwhile; it stays out if `act`
    /// says so.
    fn with_workload_of(
        &mut self,
        client: u32,
        act: impl FnOnce(&mut dyn Running, &mut World) -> bool,
    ) {
        let Some(first) = self.workloads_mut().first_of(client) else { return };
        let Some(mut one) = self.workloads_mut().running.remove(&first) else { return };
        if act(one.get_mut(), self) {
            self.workloads_mut().running.insert(first, one);
        }
    }
}
