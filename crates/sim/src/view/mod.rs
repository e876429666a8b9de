//! The world as plain data: what panels draw and tests read. No logic of a panel lives here, no
//! logic of the world lives in a panel.
//!
//! A [`View`] is one picture: the cluster always, one server in depth when asked for, and the
//! trail of the last console request. Building one costs as much as it shows: long lists come as
//! a [`Window`], and decoded log records are kept by a [`Viewer`] from one picture to the next.

mod build;
mod cluster;
mod frame;
mod inside;
mod server;
mod text;
mod trail;
mod wal;

use serde::{Deserialize, Serialize};

use crate::scenario::Node;

pub use build::{Viewer, cluster as cluster_view};
pub use cluster::{
    ClientsView, ClusterView, Condition, Endpoint, ExpectationView, LoadView, LogLine,
    MessageClass, MessageView, NodeView, OperationView, Outcome, PromiseView, Role, Timer, Tone,
    WatcherView,
};
pub use inside::store_view;
pub use server::{
    DiskView, EntryState, EntryView, FieldView, FileView, KeyRevision, KeyView, RaftView,
    SegmentView, ServerView, StoreView, WalRow, WalView,
};
pub(crate) use text::is_notable;
pub use trail::{RecordPlace, Trail, TrailKind, TrailStep};
pub use wal::{wal_row, wal_row_without_fields};

/// One picture of the world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// All servers and what travels between them.
    pub cluster: ClusterView,
    /// The selected server.
    pub server: Option<ServerView>,
    /// How the last console request travelled.
    pub trail: Option<Trail>,
}

/// Which server to show, and which part of its long lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// The server; `None` for the cluster alone.
    pub node: Option<Node>,
    /// Entries of the raft log, counted back from the newest.
    pub log: Window,
    /// Records of the write-ahead log, counted back from the newest.
    pub wal: Window,
    /// Keys, in key order.
    pub keys: Window,
}

/// A part of a long list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First row.
    pub first: u32,
    /// Number of rows.
    pub rows: u32,
}

impl Default for Window {
    fn default() -> Self {
        Window { first: 0, rows: 200 }
    }
}
