//! The commands, and what they take.
//!
//! Beyond upstream's: `read-index ID CONTEXT`, `restart ID`, `tick ID COUNT`, and of `add-nodes` the
//! limits `max-size-per-msg`, `max-inflight-bytes` and `max-uncommitted-size`.

use raft::{
    AnyConfChange, ConfChange, ConfChangeTransition, ConfChangeV2, Config, MessageType,
    ReadOnlyOption, Snapshot, SnapshotStatus, Storage,
};

use super::Cluster;
use super::member::Member;
use crate::case::{Command, number};
use crate::confchange::changes;

impl Cluster {
    pub(super) fn dispatch(&mut self, command: &Command) -> Result<(), String> {
        match &command.name[..] {
            "add-nodes" => self.add_nodes(command),
            "deliver-msgs" => self.deliver_messages(command),
            "stabilize" => self.stabilize_some(command),
            "process-ready" => self.each(command, "handling Ready", Self::process_ready),
            "process-append-thread" => {
                self.each(command, "processing append thread", Self::process_append_thread)
            }
            "process-apply-thread" => {
                self.each(command, "processing apply thread", Self::process_apply_thread)
            }
            "log-level" => self.output.set_level_by_name(command.word(0)?),
            "raft-log" => self.print_log(command.number(0)?),
            "raft-state" => {
                self.print_states();
                Ok(())
            }
            "status" => self.print_status(command.number(0)?),
            "send-snapshot" => self.send_snapshot(command.number(0)?, command.number(1)?),
            "compact" => self.compact(command.number(0)?, command.number(1)?),
            _ => self.dispatch_to_node(command),
        }
    }

    /// Commands that are a call to one node.
    fn dispatch_to_node(&mut self, command: &Command) -> Result<(), String> {
        let key = if command.name == "transfer-leadership" { "from" } else { "" };
        let id = match command.values(key).next() {
            Some(id) => number(id)?,
            None => command.number(0)?,
        };
        let member = self.member(id)?;
        let (election_tick, heartbeat_tick) =
            (member.config.election_tick, member.config.heartbeat_tick);
        let node = &mut member.node;
        let result = match &command.name[..] {
            "campaign" => node.campaign(),
            "tick-election" => (0..election_tick).try_for_each(|_| node.tick()),
            "tick-heartbeat" => (0..heartbeat_tick).try_for_each(|_| node.tick()),
            "tick" => (0..command.number(1)?).try_for_each(|_| node.tick()),
            "propose" => node.propose(command.word(1)?.to_owned()),
            "propose-conf-change" => node.propose_conf_change(proposed_change(command)?).map(drop),
            "read-index" => node.read_index(command.word(1)?.to_owned()),
            "transfer-leadership" => node.transfer_leader(value(command, "to")?),
            "forget-leader" => node.forget_leader(),
            "report-unreachable" => node.report_unreachable(command.number(1)?),
            "report-snapshot" => {
                let failed = command.word(2)? == "failure";
                let status = if failed { SnapshotStatus::Failure } else { SnapshotStatus::Finish };
                node.report_snapshot(command.number(1)?, status)
            }
            "set-randomized-election-timeout" => {
                node.set_randomized_election_timeout(value(command, "timeout")?);
                Ok(())
            }
            "restart" => member.restart(),
            _ => return Err("unknown command".to_owned()),
        };
        result.map_err(|error| error.to_string())
    }

    fn add_nodes(&mut self, command: &Command) -> Result<(), String> {
        let config = configuration(command)?;
        let snapshot = first_snapshot(command, config.applied)?;
        for _ in 0..command.number(0)? {
            let id = self.members.len() as u64 + 1;
            let config = Config { id, ..config.clone() };
            let member = Member::new(config, &snapshot, self.output.clone())
                .map_err(|error| error.to_string())?;
            self.members.push(member);
        }
        Ok(())
    }

    fn each(
        &mut self,
        command: &Command,
        what: &str,
        process: impl Fn(&mut Self, u64) -> Result<(), String>,
    ) -> Result<(), String> {
        let ids = command.numbers()?;
        for &id in &ids {
            if ids.len() > 1 {
                self.output.write_line(format_args!("> {id} {what}"));
                self.indented(|cluster| process(cluster, id))?;
            } else {
                process(self, id)?;
            }
        }
        Ok(())
    }

    fn deliver_messages(&mut self, command: &Command) -> Result<(), String> {
        let of_type = command.values("type").next().map(message_type).transpose()?;
        let mut count = 0;
        for argument in &command.arguments {
            if argument.values.is_empty() {
                count += self.deliver(number(&argument.key)?, of_type, false);
            } else if argument.key == "drop" {
                for id in &argument.values {
                    count += self.deliver(number(id)?, of_type, true);
                }
            }
        }
        if count == 0 {
            self.output.write_line("no messages");
        }
        Ok(())
    }

    fn stabilize_some(&mut self, command: &Command) -> Result<(), String> {
        let level = self.output.level();
        if let Some(name) = command.values("log-level").next() {
            self.output.set_level_by_name(name)?;
        }
        let named = command.numbers()?;
        let ids = if named.is_empty() { self.ids() } else { named };
        let result = self.stabilize(&ids);
        self.output.set_level(level);
        result
    }

    fn print_log(&mut self, id: u64) -> Result<(), String> {
        let output = self.output.clone();
        let log = &self.member(id)?.node.storage().log;
        let error = |error: raft::StorageError| error.to_string();
        let (first, last) = (log.first_index().map_err(error)?, log.last_index().map_err(error)?);
        if last < first {
            output.write(format_args!("log is empty: first index={first}, last index={last}"));
            return Ok(());
        }
        let entries = log.entries(first, last + 1, raft::NO_LIMIT).map_err(error)?;
        for entry in &entries {
            output.write_line(entry);
        }
        Ok(())
    }

    fn print_states(&self) {
        for member in &self.members {
            let status = member.node.status();
            let is_voter = status.config.voters.contains(status.basic.id);
            self.output.write_line(format_args!(
                "{}: {} ({}) Term:{} Lead:{}",
                status.basic.id,
                status.basic.soft_state.role,
                if is_voter { "Voter" } else { "Non-Voter" },
                status.basic.hard_state.term,
                status.basic.soft_state.lead
            ));
        }
    }

    fn print_status(&mut self, id: u64) -> Result<(), String> {
        let output = self.output.clone();
        for (id, progress) in self.member(id)?.node.status().progress {
            output.write_line(format_args!("{id}: {progress}"));
        }
        Ok(())
    }

    fn send_snapshot(&mut self, from: u64, to: u64) -> Result<(), String> {
        let node = &self.member(from)?.node;
        let snapshot = node.storage().snapshot().map_err(|error| error.to_string())?;
        let message = raft::Message {
            from,
            to,
            term: node.basic_status().hard_state.term,
            ..raft::Message::new(MessageType::Snap)
        };
        let message = message.with_snapshot(snapshot);
        self.output.write(&message);
        self.messages.push(message);
        Ok(())
    }

    fn compact(&mut self, id: u64, index: u64) -> Result<(), String> {
        let log = &mut self.member(id)?.node.storage_mut().log;
        log.compact(index).map_err(|error| error.to_string())?;
        self.print_log(id)
    }
}

fn value<T: std::str::FromStr>(command: &Command, key: &str) -> Result<T, String> {
    number(command.values(key).next().ok_or_else(|| format!("{key} is missing"))?)
}

/// The configuration of nodes to add: three ticks to an election, no limits unless given.
fn configuration(command: &Command) -> Result<Config, String> {
    let mut config = Config {
        election_tick: 3,
        heartbeat_tick: 1,
        max_inflight_msgs: usize::MAX,
        ..Config::default()
    };
    for argument in &command.arguments {
        let Some(value) = argument.values.first() else { continue };
        let is_set = value == "true";
        match &argument.key[..] {
            "voters" | "learners" | "content" => {}
            "index" => config.applied = number(value)?,
            "inflight" => config.max_inflight_msgs = number(value)?,
            "async-storage-writes" => config.async_storage_writes = is_set,
            "prevote" => config.pre_vote = is_set,
            "checkquorum" => config.check_quorum = is_set,
            "disable-conf-change-validation" => config.disable_conf_change_validation = is_set,
            "step-down-on-removal" => config.step_down_on_removal = is_set,
            "max-committed-size-per-ready" => config.max_committed_size_per_ready = number(value)?,
            "max-size-per-msg" => config.max_size_per_msg = number(value)?,
            "max-inflight-bytes" => config.max_inflight_bytes = number(value)?,
            "max-uncommitted-size" => config.max_uncommitted_entries_size = number(value)?,
            "read-only" => config.read_only_option = read_only_option(value)?,
            key => return Err(format!("unknown option {key}")),
        }
    }
    Ok(config)
}

fn read_only_option(name: &str) -> Result<ReadOnlyOption, String> {
    match name {
        "safe" => Ok(ReadOnlyOption::Safe),
        "lease-based" => Ok(ReadOnlyOption::LeaseBased),
        _ => Err(format!("invalid read-only option \"{name}\"")),
    }
}

/// What the nodes begin with: a snapshot of term 1, or nothing.
fn first_snapshot(command: &Command, index: u64) -> Result<Snapshot, String> {
    let ids = |key| command.values(key).map(number).collect::<Result<Vec<u64>, _>>();
    let mut snapshot = Snapshot::default();
    snapshot.metadata.conf_state.voters = ids("voters")?;
    snapshot.metadata.conf_state.learners = ids("learners")?;
    snapshot.metadata.index = index;
    if let Some(content) = command.values("content").next() {
        snapshot.data = content.to_owned().into();
    }
    if snapshot != Snapshot::default() {
        if index <= 1 {
            return Err("index must be specified as > 1 due to bootstrap".to_owned());
        }
        snapshot.metadata.term = 1;
    }
    Ok(snapshot)
}

fn proposed_change(command: &Command) -> Result<AnyConfChange, String> {
    let is_v1 = command.values("v1").any(|value| value == "true");
    let transition = match command.values("transition").next() {
        None | Some("auto") => ConfChangeTransition::Auto,
        Some("implicit") => ConfChangeTransition::JointImplicit,
        Some("explicit") => ConfChangeTransition::JointExplicit,
        Some(name) => return Err(format!("unknown transition {name}")),
    };
    let changes = changes(&command.input)?;
    if !is_v1 {
        return Ok(ConfChangeV2 { transition, changes, ..ConfChangeV2::default() }.into());
    }
    match &changes[..] {
        [change] if transition == ConfChangeTransition::Auto => {
            let (change_type, node_id) = (change.change_type, change.node_id);
            Ok(ConfChange { change_type, node_id, ..ConfChange::default() }.into())
        }
        _ => Err("v1 conf change can only have one operation and no transition".to_owned()),
    }
}

/// A type of message by upstream's name of it.
fn message_type(name: &str) -> Result<MessageType, String> {
    let all = [
        MessageType::Prop,
        MessageType::App,
        MessageType::AppResp,
        MessageType::Vote,
        MessageType::VoteResp,
        MessageType::Snap,
        MessageType::Heartbeat,
        MessageType::HeartbeatResp,
        MessageType::TransferLeader,
        MessageType::TimeoutNow,
        MessageType::ReadIndex,
        MessageType::ReadIndexResp,
        MessageType::PreVote,
        MessageType::PreVoteResp,
        MessageType::StorageAppendResp,
        MessageType::StorageApplyResp,
    ];
    let found = all.into_iter().find(|of_type| of_type.name() == name);
    found.ok_or_else(|| format!("unknown message type {name}"))
}
