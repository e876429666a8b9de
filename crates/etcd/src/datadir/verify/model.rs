//! What `verify` says.

use serde::Serialize;

/// What a server of a release makes of a directory, and what is wrong with it whether or not the
/// server minds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verification {
    /// What a server does.
    pub verdict: Verdict,
    /// The message that the server gives.
    pub reason: String,
    /// The release that was asked.
    #[serde(rename = "as")]
    pub release: String,
    /// Everything that is not as a server wrote it.
    pub damage: Vec<DamageAt>,
    /// What was stored, and perhaps acknowledged, and would be gone after the boot without a word.
    pub lost: Vec<Lost>,
    /// The revision after the boot; nothing if the server does not boot.
    pub served: Option<i64>,
    /// Checks that could not be made, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_checked: Vec<String>,
}

impl Verification {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.lost.is_empty()
    }
}

/// What a server does with a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It starts as if nothing were wrong.
    Boots,
    /// It cuts the end of the log off and starts.
    Repairs,
    /// It does not start.
    Refuses,
}

/// Damage at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DamageAt {
    /// Path in the directory.
    pub file: String,
    /// First byte of the record, page or element in question.
    pub offset: u64,
    /// Its bytes; 0 for a place between two.
    pub length: u64,
    /// A word for the kind of damage.
    pub kind: &'static str,
    /// Which record, page or element: `#199 entry, index 98, term 2`.
    pub record: String,
    /// What was expected, what was found, and what that means.
    pub detail: String,
    /// What can still be read behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follows: Option<Follows>,
}

/// Good records behind a damaged one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Follows {
    /// How many.
    pub records: u64,
    /// Where the first of them begins.
    pub offset: u64,
    /// Index of the first entry among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_index: Option<u64>,
    /// Index of the last entry among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_index: Option<u64>,
}

/// Something that a boot would drop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// `entry`, `entries`, `revision`, `revisions` or `snapshot`.
    pub what: &'static str,
    /// Path of the file that holds it, or that tells of it.
    pub file: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Raft index of the entry, or of the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Raft index of the last entry of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_index: Option<u64>,
    /// Term of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<u64>,
    /// The revision, or the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The last revision of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_revision: Option<i64>,
    /// What it asked for or held, and how it is known.
    pub detail: String,
}

impl Lost {
    pub(super) fn new(what: &'static str, file: &str, detail: String) -> Lost {
        Lost {
            what,
            file: file.into(),
            offset: None,
            index: None,
            last_index: None,
            term: None,
            revision: None,
            last_revision: None,
            detail,
        }
    }
}
