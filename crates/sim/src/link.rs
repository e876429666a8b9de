//! Links: a scenario, a moment and what to look at, in the part of an address after `#`.
//!
//! ```text
//! #s1= base64url( deflate( postcard( version=1 engine scenario moment fingerprint view ) ) crc )
//! ```
//!
//! `crc` is the CRC-32C of the deflated bytes, four bytes little-endian. The scenario travels as
//! canonical text, so every bound and every check of the language holds for links too. A link is
//! untrusted: at most [`ENCODED_BYTES_MAX`] characters, at most [`INFLATED_BYTES_MAX`] bytes behind
//! them; what is wrong is a [`LinkError`] that names it. One decoder a format version, and golden
//! links in the tests: a link that worked once works forever.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::scenario::{ParseError, Scenario};

/// What a link begins with.
pub const PREFIX: &str = "#s1=";
/// Longest link.
pub const ENCODED_BYTES_MAX: usize = 64 << 10;
/// Most bytes that a link may inflate to.
pub const INFLATED_BYTES_MAX: usize = 1 << 20;
/// The engine that made a link; when another one opens it, the run may differ.
pub const ENGINE: &str = concat!("quorarium/", env!("CARGO_PKG_VERSION"));

const CHECKSUM_BYTES: usize = 4;

/// What a link carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The engine that made it.
    pub engine: String,
    /// The run.
    pub scenario: Scenario,
    /// The moment: an event number.
    pub moment: u64,
    /// The run's fingerprint at that moment, as the sharer saw it.
    pub fingerprint: Option<u64>,
    /// What the sharer looked at; the page's own words.
    pub view: String,
}

/// Format version 1.
#[derive(Serialize, Deserialize)]
struct Version1 {
    version: u32,
    engine: String,
    scenario: String,
    moment: u64,
    fingerprint: Option<u64>,
    view: String,
}

/// Why a link does not open.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// It is no link of ours.
    #[error("a link begins with `{PREFIX}`")]
    NotALink,
    /// It is one of a later version.
    #[error("the link is of format `{0}`, this version reads `s1`")]
    UnknownFormat(String),
    /// It is too long.
    #[error("the link has {bytes} characters, at most {ENCODED_BYTES_MAX} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is not base64.
    #[error("character {position} of the link is not base64url")]
    NotBase64 {
        /// Counted from its first character, from 1.
        position: usize,
    },
    /// It was cut or changed on its way.
    #[error("the link's checksum does not fit: it was cut or changed on its way")]
    Checksum,
    /// It holds more than it may.
    #[error("the link inflates to more than {INFLATED_BYTES_MAX} bytes")]
    TooLarge,
    /// What it holds is not deflated.
    #[error("the link's content cannot be inflated")]
    NotDeflated,
    /// What it holds is not of this format.
    #[error("the link's content is not of format version 1")]
    Malformed,
    /// The scenario that it holds is refused.
    #[error("the link's scenario, {0}")]
    Scenario(#[from] ParseError),
}

impl Link {
    /// The link to a moment of a run.
    pub fn new(scenario: Scenario, moment: u64, fingerprint: Option<u64>, view: String) -> Link {
        Link { engine: ENGINE.to_owned(), scenario, moment, fingerprint, view }
    }

    /// Makes the link; a run whose link nobody could open has none.
    pub fn encode(&self) -> Result<String, LinkError> {
        let scenario = self.scenario.to_string();
        Scenario::parse(&scenario)?;
        let content = Version1 {
            version: 1,
            engine: self.engine.clone(),
            scenario,
            moment: self.moment,
            fingerprint: self.fingerprint,
            view: self.view.clone(),
        };
        let plain = postcard::to_allocvec(&content).map_err(|_| LinkError::Malformed)?;
        if plain.len() > INFLATED_BYTES_MAX {
            return Err(LinkError::TooLarge);
        }
        let mut bytes = compress_to_vec(&plain, 9);
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        let link = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes));
        if link.len() > ENCODED_BYTES_MAX {
            return Err(LinkError::TooLong { bytes: link.len() });
        }
        Ok(link)
    }

    /// Reads a link; what stands before its `#` (an address) is left aside.
    pub fn decode(text: &str) -> Result<Link, LinkError> {
        let encoded = payload(text.trim())?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|error| not_base64(&error))?;
        let plain = inflate(&bytes)?;
        let (content, rest): (Version1, &[u8]) =
            postcard::take_from_bytes(&plain).map_err(|_| LinkError::Malformed)?;
        if !rest.is_empty() || content.version != 1 {
            return Err(LinkError::Malformed);
        }
        let Version1 { engine, scenario, moment, fingerprint, view, .. } = content;
        Ok(Link { engine, scenario: Scenario::parse(&scenario)?, moment, fingerprint, view })
    }
}

fn payload(text: &str) -> Result<&str, LinkError> {
    let start = text.find('#').ok_or(LinkError::NotALink)?;
    let fragment = &text[start + 1..];
    let (format, payload) = fragment.split_once('=').ok_or(LinkError::NotALink)?;
    let digits = format.strip_prefix('s').ok_or(LinkError::NotALink)?;
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(LinkError::NotALink);
    }
    if format != "s1" {
        return Err(LinkError::UnknownFormat(format.to_owned()));
    }
    let bytes = fragment.len() + 1;
    if bytes > ENCODED_BYTES_MAX {
        return Err(LinkError::TooLong { bytes });
    }
    Ok(payload)
}

/// A foreign character is named; an end in the middle of a byte is a cut link.
fn not_base64(error: &base64::DecodeError) -> LinkError {
    match error {
        base64::DecodeError::InvalidByte(place, _) => {
            LinkError::NotBase64 { position: PREFIX.len() + place + 1 }
        }
        base64::DecodeError::InvalidLastSymbol { .. }
        | base64::DecodeError::InvalidLength(_)
        | base64::DecodeError::InvalidPadding => LinkError::Checksum,
    }
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, LinkError> {
    let (deflated, checksum) = bytes
        .len()
        .checked_sub(CHECKSUM_BYTES)
        .map(|end| bytes.split_at(end))
        .ok_or(LinkError::Checksum)?;
    if crc32c::crc32c(deflated).to_le_bytes() != checksum {
        return Err(LinkError::Checksum);
    }
    decompress_to_vec_with_limit(deflated, INFLATED_BYTES_MAX).map_err(|error| {
        if error.status == TINFLStatus::HasMoreOutput {
            LinkError::TooLarge
        } else {
            LinkError::NotDeflated
        }
    })
}
