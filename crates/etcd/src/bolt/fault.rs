//! What can be wrong with a file, and where.

use std::fmt;

use super::{MetaFault, PageKind};

/// Damage at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The page; for an inline bucket the one that holds it.
    pub page: u64,
    /// Byte of the file: of the page, or of the element that it is about.
    pub offset: u64,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { page, offset, fault } = self;
        write!(f, "page {page}")?;
        // A page that there is not is nowhere.
        if !matches!(fault, Fault::OutOfBounds { .. }) {
            write!(f, " at offset {offset}")?;
        }
        write!(f, ": {fault}")
    }
}

impl std::error::Error for Problem {}

/// A kind of damage, in bbolt's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The page's number is not below the high water mark.
    #[error("out of bounds: {high_water}")]
    OutOfBounds {
        /// Pages in the file, by the meta page.
        high_water: u64,
    },
    /// The page lies beyond the end of the file.
    #[error("beyond the end of the file, which has {len} bytes")]
    PastEnd {
        /// Length of the file.
        len: u64,
    },
    /// The bytes cannot be had from where the file is.
    #[error("cannot be read: {detail}")]
    Unreadable {
        /// Why.
        detail: String,
    },
    /// The flags name no type of page.
    #[error("invalid type: unknown<{flags:02x}>")]
    InvalidType {
        /// The flags.
        flags: u16,
    },
    /// A page of another type belongs here.
    #[error("a {found} page where {expected} belongs")]
    WrongType {
        /// What belongs here.
        expected: &'static str,
        /// What is there.
        found: PageKind,
    },
    /// The number in the page is another one.
    #[error("the page says that it is page {found}")]
    WrongId {
        /// Its number.
        found: u64,
    },
    /// The elements do not fit in the page.
    #[error("{count} elements do not fit in {bytes} bytes")]
    TooManyElements {
        /// How many.
        count: u64,
        /// Bytes of the page.
        bytes: u64,
    },
    /// Key or value of an element reaches out of the page.
    #[error("element {index} reaches out of its page")]
    ElementOutOfPage {
        /// Which one.
        index: usize,
    },
    /// A page other than a bucket's root has no elements.
    #[error("no elements")]
    Empty,
    /// A key has no bytes.
    #[error("element {index} has an empty key")]
    EmptyKey {
        /// Which one.
        index: usize,
    },
    /// A key is not above the one before it.
    #[error("the key of element {index} is not above the key before it")]
    KeyOrder {
        /// Which one.
        index: usize,
    },
    /// A key does not lie between the keys of the branch that led here.
    #[error("the key of element {index} is out of the bounds that the branch above sets")]
    KeyBounds {
        /// Which one.
        index: usize,
    },
    /// The value of a bucket is too short.
    #[error("element {index} is a bucket of {bytes} bytes")]
    ShortBucket {
        /// Which one.
        index: usize,
        /// Bytes of its value.
        bytes: usize,
    },
    /// A bucket inside an inline bucket: only buckets with pages of their own can hold some.
    #[error("element {index} is a bucket inside an inline bucket")]
    BucketInInline {
        /// Which one.
        index: usize,
    },
    /// The tree is deeper than any writer makes it: it leads back into itself.
    #[error("more than {limit} pages deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Two places lead to the page.
    #[error("multiple references")]
    MultipleReferences,
    /// The page is in use and in the freelist.
    #[error("reachable freed")]
    ReachableFreed,
    /// The freelist has the page twice.
    #[error("already freed")]
    AlreadyFreed,
    /// The page is neither in use nor in the freelist.
    #[error("unreachable unfreed")]
    UnreachableUnfreed,
    /// There are more elements than the file has bytes for: some lie over each other.
    #[error("elements overlap")]
    Overlap,
}

impl Fault {
    /// Whether bbolt never notices, and what it reads is what was written: a bit of the flags that
    /// stands for nothing.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(self, Fault::InvalidType { flags } if PageKind::of(*flags).is_some())
    }
}

/// A file that cannot be opened: neither meta page is whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("meta page 0: {first}; meta page 1: {second}")]
pub struct OpenError {
    /// What is wrong with page 0.
    pub first: MetaFault,
    /// What is wrong with page 1.
    pub second: MetaFault,
}
