//! A cluster under commands: nodes, what is on its way between them, and what they print.
//!
//! Node 1 is the first that was added. Messages wait in one queue, in the order in which they were
//! sent, until a command delivers or drops them.

mod commands;
mod member;
mod output;

use raft::{APPEND_THREAD, APPLY_THREAD, Message, MessageType, NodeId};

use crate::Subject;
use crate::case::Command;
use member::Member;
use output::Output;

/// More rounds than any case needs; a cluster that still has work is going in circles.
const MAX_ROUNDS: u32 = 10_000;

/// A cluster that begins without nodes.
pub(crate) struct Cluster {
    members: Vec<Member>,
    messages: Vec<Message>,
    output: Output,
}

impl Subject for Cluster {
    fn run(&mut self, command: &Command) -> String {
        let result = self.dispatch(command);
        if let Err(error) = result {
            if self.output.is_quiet() {
                return error;
            }
            self.output.write(error);
        }
        match self.output.take() {
            text if text.is_empty() => "ok".to_owned(),
            text => text,
        }
    }
}

/// Local messages do not get lost.
fn is_local(message: &Message) -> bool {
    let is_thread = |id| id == APPEND_THREAD || id == APPLY_THREAD;
    message.from == message.to || is_thread(message.from) || is_thread(message.to)
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self { members: Vec::new(), messages: Vec::new(), output: Output::default() }
    }

    fn member(&mut self, id: NodeId) -> Result<&mut Member, String> {
        let slot = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let member = slot.and_then(|slot| self.members.get_mut(slot));
        member.ok_or_else(|| format!("there is no node {id}"))
    }

    fn ids(&self) -> Vec<NodeId> {
        (1..).take(self.members.len()).collect()
    }

    /// Runs something whose output is to be indented.
    fn indented(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let before = self.output.take();
        let result = run(self);
        let inner = self.output.take();
        self.output.write(before);
        for line in inner.lines() {
            self.output.write_line(format_args!("  {line}"));
        }
        result
    }

    fn process_ready(&mut self, id: NodeId) -> Result<(), String> {
        let output = self.output.clone();
        let member = self.member(id)?;
        let ready = member.node.ready().map_err(|error| error.to_string())?;
        output.write(&ready);
        if !member.config.async_storage_writes {
            member
                .append(ready.hard_state, &ready.entries, ready.snapshot.as_ref())
                .map_err(|error| error.to_string())?;
            member.apply(&ready.committed_entries).map_err(|error| error.to_string())?;
        }
        let mut outgoing = Vec::new();
        for message in ready.messages {
            match message.to {
                APPEND_THREAD => member.append_work.push_back(message),
                APPLY_THREAD => member.apply_work.push_back(message),
                _ => outgoing.push(message),
            }
        }
        if !member.config.async_storage_writes {
            member.node.advance().map_err(|error| error.to_string())?;
        }
        self.messages.extend(outgoing);
        Ok(())
    }

    fn process_append_thread(&mut self, id: NodeId) -> Result<(), String> {
        let output = self.output.clone();
        let member = self.member(id)?;
        let Some(mut work) = member.append_work.pop_front() else {
            output.write("no append work to perform");
            return Ok(());
        };
        let responses = work.take_responses();
        output.write_line(format_args!("Processing:\n{work}"));
        member
            .append(work.hard_state(), &work.entries, work.snapshot())
            .map_err(|error| error.to_string())?;
        self.respond(responses);
        Ok(())
    }

    fn process_apply_thread(&mut self, id: NodeId) -> Result<(), String> {
        let output = self.output.clone();
        let member = self.member(id)?;
        let Some(mut work) = member.apply_work.pop_front() else {
            output.write("no apply work to perform");
            return Ok(());
        };
        let responses = work.take_responses();
        output.write_line(format_args!("Processing:\n{work}"));
        member.apply(&work.entries).map_err(|error| error.to_string())?;
        self.respond(responses);
        Ok(())
    }

    fn respond(&mut self, responses: Vec<Message>) {
        self.output.write_line("Responses:");
        for response in &responses {
            self.output.write_line(response);
        }
        self.messages.extend(responses);
    }

    /// Delivers or drops what waits for a node; says how many messages that were.
    fn deliver(&mut self, to: NodeId, of_type: Option<MessageType>, drop: bool) -> usize {
        let is_meant = |message: &Message| {
            message.to == to
                && !(drop && is_local(message))
                && of_type.is_none_or(|of_type| of_type == message.msg_type)
        };
        let (meant, rest) = std::mem::take(&mut self.messages).into_iter().partition(is_meant);
        self.messages = rest;
        let meant: Vec<Message> = meant;
        let count = meant.len();
        for message in meant {
            if drop {
                self.output.write_line(format_args!("dropped: {message}"));
                continue;
            }
            self.output.write_line(&message);
            let stepped = self
                .member(to)
                .and_then(|member| member.node.step(message).map_err(|error| error.to_string()));
            if let Err(error) = stepped {
                self.output.write_line(error);
            }
        }
        count
    }

    /// Goes on until none of the nodes has anything to do.
    fn stabilize(&mut self, ids: &[NodeId]) -> Result<(), String> {
        for _ in 0..MAX_ROUNDS {
            let mut is_done = true;
            for &id in ids {
                if self.member(id)?.node.has_ready() {
                    self.output.write_line(format_args!("> {id} handling Ready"));
                    self.indented(|cluster| cluster.process_ready(id))?;
                    is_done = false;
                }
            }
            for &id in ids {
                if self.messages.iter().any(|message| message.to == id) {
                    self.output.write_line(format_args!("> {id} receiving messages"));
                    self.indented(|cluster| {
                        cluster.deliver(id, None, false);
                        Ok(())
                    })?;
                    is_done = false;
                }
            }
            is_done &= self.run_threads(ids)?;
            if is_done {
                return Ok(());
            }
        }
        Err(format!("not stable after {MAX_ROUNDS} rounds"))
    }

    /// Storage threads do all they have to; says whether they had nothing.
    fn run_threads(&mut self, ids: &[NodeId]) -> Result<bool, String> {
        let mut is_done = true;
        for &id in ids {
            if !self.member(id)?.append_work.is_empty() {
                self.output.write_line(format_args!("> {id} processing append thread"));
                is_done = false;
            }
            while !self.member(id)?.append_work.is_empty() {
                self.indented(|cluster| cluster.process_append_thread(id))?;
            }
        }
        for &id in ids {
            if !self.member(id)?.apply_work.is_empty() {
                self.output.write_line(format_args!("> {id} processing apply thread"));
                is_done = false;
            }
            while !self.member(id)?.apply_work.is_empty() {
                self.indented(|cluster| cluster.process_apply_thread(id))?;
            }
        }
        Ok(is_done)
    }
}
