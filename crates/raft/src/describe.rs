//! What a human reads of the core's values, in upstream's words.
//!
//! `Display` of [`Message`], [`Ready`], [`Entry`], states, snapshots and configurations prints what
//! upstream's `DescribeMessage` and its kin print: ids in hex, `term/index`, payloads quoted as Go
//! quotes them. Log lines hold configurations in protobuf's text form instead, see [`ProtoText`].

use std::fmt::{self, Write as _};

use crate::conf_change::{AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeType};
use crate::conf_change::{ConfChangeTransition, ConfChangeV2};
use crate::message::{APPEND_THREAD, APPLY_THREAD, Message};
use crate::ready::Ready;
use crate::types::{
    ConfState, Entry, EntryType, HardState, NONE, NodeId, Snapshot, SnapshotMetadata, SoftState,
};

impl fmt::Display for HardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Term:{}", self.term)?;
        if self.vote != NONE {
            write!(f, " Vote:{}", self.vote)?;
        }
        write!(f, " Commit:{}", self.commit)
    }
}

impl fmt::Display for SoftState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lead:{} State:{}", self.lead, self.role)
    }
}

impl fmt::Display for ConfState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Voters:{} VotersOutgoing:{} Learners:{} LearnersNext:{} AutoLeave:{}",
            Spaced(&self.voters),
            Spaced(&self.voters_outgoing),
            Spaced(&self.learners),
            Spaced(&self.learners_next),
            self.auto_leave
        )
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SnapshotMetadata { conf_state, index, term } = &self.metadata;
        write!(f, "Index:{index} Term:{term} ConfState:{conf_state}")
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.term, self.index, self.entry_type)?;
        if self.entry_type == EntryType::Normal {
            return write!(f, " {}", Quoted(&self.data));
        }
        match AnyConfChange::of_entry(self) {
            Ok(change) => {
                let changes = ConfChangeV2::from(change).changes;
                changes.iter().try_for_each(|change| write!(f, " {change}"))
            }
            Err(error) => write!(f, " {error}"),
        }
    }
}

/// `v1`, `l1`, `r1` or `u1`: node 1 becomes voter, becomes learner, is removed, is updated.
impl fmt::Display for ConfChangeSingle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.change_type {
            ConfChangeType::AddNode => 'v',
            ConfChangeType::AddLearnerNode => 'l',
            ConfChangeType::RemoveNode => 'r',
            ConfChangeType::UpdateNode => 'u',
        };
        write!(f, "{verb}{}", self.node_id)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe_message(f, self, "")
    }
}

/// A message may hold others; each level is indented further.
fn describe_message(f: &mut fmt::Formatter<'_>, message: &Message, indent: &str) -> fmt::Result {
    let (from, to) = (Address(message.from), Address(message.to));
    write!(f, "{indent}{from}->{to} {} Term:{}", message.msg_type, message.term)?;
    write!(f, " Log:{}/{}", message.log_term, message.index)?;
    if message.reject {
        write!(f, " Rejected (Hint: {})", message.reject_hint)?;
    }
    if message.commit != 0 {
        write!(f, " Commit:{}", message.commit)?;
    }
    if let Some(attachment) = message.attachment.as_ref().filter(|held| held.vote != NONE) {
        write!(f, " Vote:{}", attachment.vote)?;
    }
    match &message.entries[..] {
        [] => {}
        [entry] => write!(f, " Entries:[{entry}]")?,
        entries => {
            f.write_str(" Entries:[")?;
            entries.iter().try_for_each(|entry| write!(f, "\n{indent}  {entry}"))?;
            write!(f, "\n{indent}]")?;
        }
    }
    if let Some(snapshot) = message.snapshot().filter(|snapshot| !snapshot.is_empty()) {
        write!(f, "\n{indent}  Snapshot: {snapshot}")?;
    }
    if message.responses().is_empty() {
        return Ok(());
    }
    f.write_str(" Responses:[")?;
    let deeper = format!("{indent}  ");
    for response in message.responses() {
        f.write_char('\n')?;
        describe_message(f, response, &deeper)?;
    }
    write!(f, "\n{indent}]")
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = String::new();
        describe_ready(&mut body, self)?;
        if body.is_empty() {
            return f.write_str("<empty Ready>");
        }
        write!(f, "Ready MustSync={}:\n{body}", self.must_sync)
    }
}

fn describe_ready(body: &mut String, ready: &Ready) -> fmt::Result {
    if let Some(state) = ready.soft_state {
        writeln!(body, "{state}")?;
    }
    if let Some(state) = ready.hard_state.filter(|state| !state.is_empty()) {
        writeln!(body, "HardState {state}")?;
    }
    if !ready.read_states.is_empty() {
        let states = ready.read_states.iter();
        let states: Vec<_> = states
            .map(|read| format!("{{{} {}}}", read.index, Spaced(&read.request_context)))
            .collect();
        writeln!(body, "ReadStates [{}]", states.join(" "))?;
    }
    describe_list(body, "Entries:", &ready.entries)?;
    if let Some(snapshot) = &ready.snapshot {
        writeln!(body, "Snapshot {snapshot}")?;
    }
    describe_list(body, "CommittedEntries:", &ready.committed_entries)?;
    describe_list(body, "Messages:", &ready.messages)
}

fn describe_list(body: &mut String, title: &str, items: &[impl fmt::Display]) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(body, "{title}")?;
    items.iter().try_for_each(|item| writeln!(body, "{item}"))
}

/// A member, a storage thread, or nobody.
struct Address(NodeId);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            NONE => f.write_str("None"),
            APPEND_THREAD => f.write_str("AppendThread"),
            APPLY_THREAD => f.write_str("ApplyThread"),
            id => write!(f, "{id:x}"),
        }
    }
}

/// Numbers as Go prints a slice: `[1 2]`.
struct Spaced<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Spaced<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (position, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if position == 0 { "" } else { " " })?;
        }
        f.write_char(']')
    }
}

/// Bytes as Go's `%q` prints them.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|character| quote_char(f, character))?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_char('"')
    }
}

fn quote_char(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    match character {
        '"' => f.write_str("\\\""),
        '\\' => f.write_str("\\\\"),
        '\x07' => f.write_str("\\a"),
        '\x08' => f.write_str("\\b"),
        '\x0c' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\x0b' => f.write_str("\\v"),
        '\0'..' ' | '\x7f' => write!(f, "\\x{:02x}", u32::from(character)),
        _ if character == ' ' || is_printable(character) => f.write_char(character),
        _ if u32::from(character) < 0x1_0000 => write!(f, "\\u{:04x}", u32::from(character)),
        _ => write!(f, "\\U{:08x}", u32::from(character)),
    }
}

fn is_printable(character: char) -> bool {
    !character.is_whitespace() && character.escape_debug().next() != Some('\\') || character == '\''
}

/// A value in protobuf's text form, as upstream's log lines hold it.
pub(crate) struct ProtoText<'a, T>(pub(crate) &'a T);

impl fmt::Display for ProtoText<'_, AnyConfChange> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            AnyConfChange::V1(change) => ProtoText(change).fmt(f),
            AnyConfChange::V2(change) => ProtoText(change).fmt(f),
        }
    }
}

impl fmt::Display for ProtoText<'_, ConfChange> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = self.0;
        if change.id != 0 {
            write!(f, "id:{} ", change.id)?;
        }
        write!(f, "type:{} node_id:{}", change.change_type.name(), change.node_id)?;
        write_context(f, &change.context)
    }
}

impl fmt::Display for ProtoText<'_, ConfChangeV2> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let change = self.0;
        write!(f, "transition:{}", change.transition.name())?;
        for single in &change.changes {
            let ConfChangeSingle { change_type, node_id } = single;
            write!(f, " changes:{{type:{} node_id:{node_id}}}", change_type.name())?;
        }
        write_context(f, &change.context)
    }
}

impl fmt::Display for ProtoText<'_, ConfState> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("voters", &self.0.voters),
            ("learners", &self.0.learners),
            ("voters_outgoing", &self.0.voters_outgoing),
            ("learners_next", &self.0.learners_next),
        ];
        for (name, ids) in lists {
            ids.iter().try_for_each(|id| write!(f, "{name}:{id} "))?;
        }
        write!(f, "auto_leave:{}", self.0.auto_leave)
    }
}

fn write_context(f: &mut fmt::Formatter<'_>, context: &[u8]) -> fmt::Result {
    if context.is_empty() { Ok(()) } else { write!(f, " context:{}", Quoted(context)) }
}

impl ConfChangeType {
    /// etcd's name of the type.
    fn name(self) -> &'static str {
        match self {
            Self::AddNode => "ConfChangeAddNode",
            Self::RemoveNode => "ConfChangeRemoveNode",
            Self::UpdateNode => "ConfChangeUpdateNode",
            Self::AddLearnerNode => "ConfChangeAddLearnerNode",
        }
    }
}

impl ConfChangeTransition {
    /// etcd's name of the transition.
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "ConfChangeTransitionAuto",
            Self::JointImplicit => "ConfChangeTransitionJointImplicit",
            Self::JointExplicit => "ConfChangeTransitionJointExplicit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_only::ReadState;

    #[test]
    fn bytes_are_quoted_as_go_does() {
        let quoted = Quoted(b"a\"\\\n\x00\x7f\xff'\xc3\xa9\xe2\x80\x8b");
        let expected = "\"a\\\"\\\\\\n\\x00\\x7f\\xff'\u{e9}\\u200b\"";
        assert_eq!(quoted.to_string(), expected, "escapes, bad bytes, what is printable");
    }

    #[test]
    fn log_lines_hold_configurations_as_protobuf_text() {
        let state = ConfState { voters_outgoing: vec![3], ..ConfState::of_voters([1, 2]) };
        let expected = "voters:1 voters:2 voters_outgoing:3 auto_leave:false";
        assert_eq!(ProtoText(&state).to_string(), expected, "one field per id");
        let change = ConfChange { id: 7, node_id: 2, ..ConfChange::default() };
        let expected = "id:7 type:ConfChangeAddNode node_id:2";
        assert_eq!(ProtoText(&change).to_string(), expected, "in the order of field numbers");
    }

    #[test]
    fn reads_are_printed_as_go_structs() {
        let read = ReadState { index: 5, request_context: b"ab".as_slice().into() };
        let ready = Ready { read_states: vec![read], ..Ready::default() };
        assert_eq!(ready.to_string(), "Ready MustSync=false:\nReadStates [{5 [97 98]}]\n", "%v");
        assert_eq!(Ready::default().to_string(), "<empty Ready>", "nothing to say");
    }
}
