//! Names of faults, as a set: which were drawn, which did something.

use ordered::Set;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A set of names of [`faults`](super::names).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Names(Set<&'static str>);

impl Names {
    pub(crate) fn insert(&mut self, name: &'static str) {
        self.0.insert(name);
    }

    pub(crate) fn extend(&mut self, other: &Names) {
        self.0.extend(&other.0);
    }

    /// Whether a fault is among them.
    pub fn contain(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }

    /// Those that are not in another set.
    #[must_use]
    pub fn without(&self, other: &Names) -> Names {
        Names(self.0.difference(&other.0).copied().collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let known = |name: String| {
            super::names()
                .find(|known| *known == name)
                .ok_or_else(|| D::Error::custom(format!("there is no fault {name:?}")))
        };
        names.into_iter().map(known).collect::<Result<_, _>>().map(Names)
    }
}
