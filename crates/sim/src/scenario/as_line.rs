//! What a head keeps of the language, as the line that it prints: read back, it has passed every
//! check that a line passes.
//!
//! For `#[serde(with = "crate::scenario::as_line")]`.

use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use super::{
    Action, ClientAction, ClientCommand, Context, Expectation, Load, LoadCommand, Mix, NODES_MAX,
    Operator, Watch, parse_command,
};

/// A part of an action that is a line by itself.
pub(crate) trait OfAction: Sized {
    fn of_action(action: Action) -> Option<Self>;
}

impl OfAction for Action {
    fn of_action(action: Action) -> Option<Action> {
        Some(action)
    }
}

macro_rules! parts {
    ($($part:ty: $pattern:pat => $value:expr,)*) => {
        $(impl OfAction for $part {
            fn of_action(action: Action) -> Option<$part> {
                if let $pattern = action { Some($value) } else { None }
            }
        })*
    };
}

parts! {
    Expectation: Action::Expect(expectation) => expectation,
    Arc<ClientCommand>: Action::Client(client) => Arc::new(client.command),
    Watch: Action::Client(ClientAction { command: ClientCommand::Watch(watch), .. }) => watch,
    Load: Action::Load(LoadCommand::Start(load)) => load,
    Mix: Action::Load(LoadCommand::Mix(mix)) => mix,
    Operator: Action::Load(LoadCommand::Operator(operator)) => operator,
}

pub(crate) fn serialize<S: Serializer>(
    part: &impl fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(part)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: OfAction>(
    deserializer: D,
) -> Result<T, D::Error> {
    let line = String::deserialize(deserializer)?;
    let action = parse_command(&line, Context { nodes: NODES_MAX }).map_err(D::Error::custom)?;
    T::of_action(action).ok_or_else(|| D::Error::custom("another kind of line belongs there"))
}
