//! What of a world must survive a reload of the page, beside the disks.
//!
//! A head is taken at rest: no event is left at the current nanosecond ([`World::settle`] gets
//! there). [`World::resume`] makes a world without power of it; the `reload` action that follows
//! at the next nanosecond then does exactly what it does in a world that never stopped, because
//! everything that it does depends on nothing but the head and the disks.
//!
//! [`World::settle`]: crate::world::World::settle
//! [`World::resume`]: crate::world::World::resume

use ordered::Set;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bugs::Toggle;
use crate::client::ClientsHead;
use crate::fault::Names;
use crate::judge::Judgement;
use crate::machine::MachineHead;
use crate::network::NetworkHead;
use crate::queue::Scheduled;
use crate::scenario::ClusterSpec;

/// Format of the head; a stored session of another format cannot go on.
pub const FORMAT: u32 = 7;
/// Largest head that is read.
pub const BYTES_MAX: usize = 4 << 20;

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub(crate) format: u32,
    /// The cluster.
    pub spec: ClusterSpec,
    /// The last event.
    pub event: u64,
    /// Its virtual time.
    pub now_ns: u64,
    /// The fingerprint up to it.
    pub fingerprint: u64,
    /// Actions that have run.
    pub recorded: u64,
    pub(crate) next_action: u64,
    pub(crate) network: NetworkHead,
    pub(crate) clients: ClientsHead,
    pub(crate) machines: Vec<MachineHead>,
    pub(crate) judgements: Vec<Judgement>,
    /// Faults that came into play …
    pub(crate) drawn: Names,
    /// … and those of them that did something, outside network and machines.
    pub(crate) fired: Names,
    /// Actions that wait for their time.
    pub(crate) waiting: Vec<(u64, Scheduled)>,
    /// Known bugs that are switched on.
    pub(crate) bugs: Set<Toggle>,
}

/// Why a stored head is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeadError {
    /// It is larger than any head.
    #[error("the head has {0} bytes, at most {BYTES_MAX} are read")]
    TooLong(usize),
    /// It does not decode.
    #[error("the head does not decode")]
    Malformed,
    /// It is of another format.
    #[error("the head is of format {0}, this version reads {FORMAT}")]
    UnknownFormat(u32),
    /// It does not fit itself, or the disks do not fit it.
    #[error("the head tells of {told} servers, there are {found} {what}")]
    Nodes {
        /// In the cluster.
        told: u32,
        /// Counted.
        found: usize,
        /// What was counted.
        what: &'static str,
    },
}

impl Head {
    /// The bytes to keep.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a head is plain data")
    }

    /// Reads what [`Head::encode`] gave.
    pub fn decode(bytes: &[u8]) -> Result<Head, HeadError> {
        if bytes.len() > BYTES_MAX {
            return Err(HeadError::TooLong(bytes.len()));
        }
        let (format, _) =
            postcard::take_from_bytes::<u32>(bytes).map_err(|_| HeadError::Malformed)?;
        if format != FORMAT {
            return Err(HeadError::UnknownFormat(format));
        }
        let head: Head = postcard::from_bytes(bytes).map_err(|_| HeadError::Malformed)?;
        head.check()?;
        Ok(head)
    }

    /// The head fits itself, so that resuming from it cannot go wrong.
    fn check(&self) -> Result<(), HeadError> {
        let told = self.spec.nodes;
        let fits = |found: usize, what| {
            if found == told as usize {
                Ok(())
            } else {
                Err(HeadError::Nodes { told, found, what })
            }
        };
        fits(self.machines.len(), "machines")?;
        if !self.machines.iter().all(MachineHead::is_sound) {
            return Err(HeadError::Malformed);
        }
        fits(self.network.nodes().ok_or(HeadError::Malformed)?, "links")
    }

    pub(crate) fn fits_disks(&self, disks: usize) -> Result<(), HeadError> {
        self.check()?;
        if disks == self.spec.nodes as usize {
            return Ok(());
        }
        Err(HeadError::Nodes { told: self.spec.nodes, found: disks, what: "disks" })
    }
}
