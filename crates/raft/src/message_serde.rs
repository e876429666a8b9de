//! A message as serde sees it: one flat record, whatever is kept apart in memory.

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};

use crate::entries::Entries;
use crate::message::{Attachment, Message, MessageType};
use crate::types::{NodeId, Snapshot};

/// What is written.
#[derive(Serialize)]
#[serde(rename = "Message")]
struct Written<'a> {
    msg_type: MessageType,
    to: NodeId,
    from: NodeId,
    term: u64,
    log_term: u64,
    index: u64,
    entries: &'a Entries,
    commit: u64,
    vote: NodeId,
    snapshot: Option<&'a Snapshot>,
    reject: bool,
    reject_hint: u64,
    context: &'a Bytes,
    responses: &'a [Message],
}

/// What is read.
#[derive(Deserialize)]
#[serde(rename = "Message")]
pub(crate) struct Read {
    msg_type: MessageType,
    to: NodeId,
    from: NodeId,
    term: u64,
    log_term: u64,
    index: u64,
    entries: Entries,
    commit: u64,
    vote: NodeId,
    snapshot: Option<Snapshot>,
    reject: bool,
    reject_hint: u64,
    context: Bytes,
    responses: Vec<Message>,
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nothing = Attachment::default();
        let Attachment { context, snapshot, vote, responses } =
            self.attachment.as_deref().unwrap_or(&nothing);
        Written {
            msg_type: self.msg_type,
            to: self.to,
            from: self.from,
            term: self.term,
            log_term: self.log_term,
            index: self.index,
            entries: &self.entries,
            commit: self.commit,
            vote: *vote,
            snapshot: snapshot.as_ref(),
            reject: self.reject,
            reject_hint: self.reject_hint,
            context,
            responses,
        }
        .serialize(serializer)
    }
}

impl From<Read> for Message {
    fn from(read: Read) -> Self {
        let Read { vote, snapshot, context, responses, .. } = read;
        let attachment = Attachment { context, snapshot, vote, responses };
        Self {
            msg_type: read.msg_type,
            reject: read.reject,
            to: read.to,
            from: read.from,
            term: read.term,
            log_term: read.log_term,
            index: read.index,
            commit: read.commit,
            reject_hint: read.reject_hint,
            entries: read.entries,
            attachment: (attachment != Attachment::default()).then(|| Box::new(attachment)),
        }
    }
}
