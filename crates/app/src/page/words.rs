//! Every word that the page says, in one place, so that another language is another file like this.

use sim::check::{PromiseGroup, RecordPlace, Violation};
use sim::scenario::Node;
use sim::view::{EntryState, Outcome};

use crate::protocol::{MemoryReason, Opening, Recovery, Refusal, StorageStatus};

use super::chain::{Passed, Stage};
use super::quantity::{count, offset, size, span, time};
use super::scene::Part;
use super::state::{Hint, Panel, Theme};

pub(crate) const NAME: &str = "Quorarium";
pub(crate) const STARTING: &str = "Three servers are on their way.";
pub(crate) const PLAY: &str = "Play";
pub(crate) const PAUSE: &str = "Pause";
pub(crate) const STEP: &str = "Step one event";
pub(crate) const SPEED: &str = "Speed: virtual time for real time";
pub(crate) const STALLED: &str = "waiting for the disk";
pub(crate) const BEHIND: &str = "as fast as it can";
pub(crate) const SHARE: &str = "Share";
pub(crate) const OPEN: &str = "Open";
pub(crate) const OPEN_TITLE: &str = "Open a data directory or a snapshot file (or drop it here)";
pub(crate) const OPEN_CARD: &str = "Open a data directory";
pub(crate) const OPEN_TEXT: &str = "Of etcd: a .tar.gz, .tar or .zip of a data directory, a snapshot file of etcdctl, a bbolt file, or the folder itself. Drop it anywhere on this page, or choose it. It is read in this tab, sent nowhere and never changed.";
pub(crate) const OPEN_FILE: &str = "Choose a file";
pub(crate) const OPEN_FOLDER: &str = "Choose a folder";
pub(crate) const OPENING_FILE: &str = "Reading";
pub(crate) const OPEN_REFUSED: &str = "This cannot be opened";
pub(crate) const BACK_TO_LABORATORY: &str = "Back to the laboratory";
pub(crate) const LOOKS: &str = "Look inside the directory";
pub(crate) const VERIFYING: &str = "Asking what a server would make of it …";
pub(crate) const NOTHING_WRONG: &str = "Nothing is damaged, and a boot would lose nothing.";
pub(crate) const READING_KEYS: &str = "Reading the keys …";
pub(crate) const KEYS_REFUSED: &str =
    "What can still be read becomes a directory of its own, with a list of what was given up, by";
pub(crate) const REPAIR: &str = "quorarium repair PATH --out NEW";
pub(crate) const NO_LOG: &str = "There is no log in this file.";
pub(crate) const PICK_A_RECORD: &str =
    "Choose a record: its bytes appear here, with the name of each field.";
pub(crate) const PICK_A_PAGE: &str =
    "Choose a page: its bytes appear here, with the name of each field.";
pub(crate) const NO_PAGES: &str = "There is no database and no snapshot here.";
pub(crate) const READING_PAGES: &str = "Reading the pages …";
pub(crate) const FILE: &str = "File";
pub(crate) const SHOW_BYTES: &str = "Show its bytes";
pub(crate) const GO_TO_INDEX: &str = "Go to index";
pub(crate) const AT_REVISION: &str = "At revision";
pub(crate) const HELP: &str = "Help and keys";
pub(crate) const STAGE: &str = "Cluster";
pub(crate) const SERVERS: &str = "Servers. Arrow keys or digits select one.";
pub(crate) const CONSOLE: &str = "Console";
pub(crate) const LOG: &str = "Events";
pub(crate) const LOG_EMPTY: &str = "Nothing has happened yet.";
pub(crate) const TRAIL_EMPTY: &str =
    "Put something in the console: its way from request to reply appears here, step by step.";
pub(crate) const CRASH: &str = "Crash";
pub(crate) const CRASH_TITLE: &str = "Cut the power: what was not synced is lost";
pub(crate) const RESTART: &str = "Restart";
pub(crate) const RESTART_TITLE: &str = "Start the server again from its disk";
pub(crate) const ISOLATE: &str = "Isolate";
pub(crate) const CUT_OFF: &str = "Cut off";
pub(crate) const HEAL: &str = "Heal";
pub(crate) const HEAL_TITLE: &str = "End every partition, loss and delay";
pub(crate) const MARK: &str = "Mark";
pub(crate) const MARK_TITLE: &str =
    "Mark servers that the next partition cuts off from the others (or shift-click them)";
pub(crate) const PROMISES: &str = "Promises";
pub(crate) const PROMISES_TITLE: &str = "What the cluster promises";
pub(crate) const PROMISES_TEXT: &str = "Looked at from outside after every event. ✓ held whenever it was put to the test, ✗ was broken, ? has not been put to the test yet: nothing happened that could break it, or too little was seen to tell.";
pub(crate) const LOOK_BEFORE: &str = "Open just before it";
pub(crate) const WATCHES: &str = "Watches";
pub(crate) const PROMISE_GROUPS: [(PromiseGroup, &str); 8] = [
    (PromiseGroup::Raft, "Consensus"),
    (PromiseGroup::Membership, "Membership"),
    (PromiseGroup::Durability, "Log and durability"),
    (PromiseGroup::Mvcc, "Keys and revisions"),
    (PromiseGroup::Watch, "Watches"),
    (PromiseGroup::Lease, "Leases"),
    (PromiseGroup::Clients, "Clients"),
    (PromiseGroup::Cluster, "The cluster as a whole"),
];

/// How promises stand, as it is heard.
pub(crate) fn promises(kept: u64, broken: u64, unknown: u64) -> String {
    format!("Promises: {kept} kept, {broken} broken, {unknown} unknown")
}

/// How often a promise was looked at.
pub(crate) fn looked(times: u64) -> String {
    format!("looked at {} times", count(times))
}

/// How often a promise was broken.
pub(crate) fn broken_times(times: u64) -> String {
    if times == 1 { "broken once".to_owned() } else { format!("broken {} times", count(times)) }
}

/// What a violation involves, a line each: the entry and its request, and where it was written.
pub(crate) fn evidence(broken: &Violation) -> impl Iterator<Item = String> {
    let entry = (broken.index > 0).then(|| format!("entry {}", broken.index));
    let revision = (broken.revision > 0).then(|| format!("revision {}", broken.revision));
    let requests: Vec<String> = broken.requests.iter().take(4).map(u64::to_string).collect();
    let requests = (!requests.is_empty()).then(|| format!("request {}", requests.join(", ")));
    let parts: Vec<String> = [entry, revision, requests].into_iter().flatten().collect();
    let first = (!parts.is_empty()).then(|| parts.join(" · "));
    let written = broken.records.iter().map(|place| {
        let RecordPlace { node, file, offset, length } = place;
        let name = file.rsplit('/').next().unwrap_or(file);
        format!("{node} wrote it to {name} at {offset}, {length} bytes")
    });
    first.into_iter().chain(written)
}

/// A broken promise in a sentence.
pub(crate) fn violation(broken: &Violation) -> String {
    let info = broken.promise.info();
    format!("A promise is broken. {} {}", info.says, broken.detail)
}

/// Why a line or a button did nothing. A console's line is always the first.
pub(crate) fn refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Syntax { line: 1, column: 1, message } => message.clone(),
        Refusal::Syntax { line: 1, column, message } => format!("column {column}: {message}"),
        Refusal::Syntax { .. }
        | Refusal::Link { .. }
        | Refusal::NotPossible { .. }
        | Refusal::NotThereYet { .. }
        | Refusal::Storage { .. } => refusal.to_string(),
    }
}

pub(crate) const CLOSE: &str = "Close";
pub(crate) const DISMISS: &str = "Got it";
pub(crate) const COPY: &str = "Copy";
pub(crate) const COPIED: &str = "Copied";
pub(crate) const NO_HINTS: &str = "No more hints";
pub(crate) const PANELS: &str = "Panels";
pub(crate) const LOOK_INSIDE: &str = "Look inside the server";
pub(crate) const SWITCHED_OFF: &str = "Memory is gone with the power.";
pub(crate) const SWITCHED_OFF_MORE: &str = "The write-ahead log is still on the disk: see WAL.";

/// What is on the stage.
pub(crate) fn cluster(servers: usize) -> String {
    if servers == 1 { "etcd, one server".to_owned() } else { format!("etcd, {servers} servers") }
}

/// `n1 is a leader` and the like, short.
pub(crate) fn part(part: Part) -> &'static str {
    match part {
        Part::Leader => "leader",
        Part::PreCandidate => "pre-candidate",
        Part::Candidate => "candidate",
        Part::Follower => "follower",
        Part::Booting => "booting",
        Part::Down => "down",
        Part::Failed => "stopped",
    }
}

/// A tab's name.
pub(crate) fn panel(panel: Panel) -> &'static str {
    match panel {
        Panel::Raft => "Raft",
        Panel::Wal => "WAL",
        Panel::Keys => "Keys",
        Panel::Trail => "Write",
        Panel::Console => CONSOLE,
        Panel::Log => LOG,
    }
}

/// A server as it is heard.
pub(crate) fn server_label(name: &str, role: Part, term: u64, commit: u64, applied: u64) -> String {
    format!("{name}, {}, term {term}, commit {commit}, applied {applied}", part(role))
}

/// The line under a server's disc.
pub(crate) fn server_line(role: Part, term: u64) -> String {
    if role.is_up() { format!("{} · term {term}", part(role)) } else { part(role).to_owned() }
}

/// The second line under a server's disc.
pub(crate) fn server_fine(last: u64, commit: u64) -> String {
    format!("log {last} · commit {commit}")
}

/// The event number.
pub(crate) fn event(number: u64) -> String {
    format!("event {}", count(number))
}

/// What to try next: the sentence, and a console line that does it.
pub(crate) fn hint(hint: Hint) -> (String, Option<String>) {
    match hint {
        Hint::Play => {
            ("Time stands still. Press space to let it run, or . for one event.".into(), None)
        }
        Hint::Election => {
            ("No leader: the servers wait for a timer to run out, then vote.".into(), None)
        }
        Hint::Put => (
            "A leader is elected. Write something and watch it travel:".into(),
            Some("put greeting hello".into()),
        ),
        Hint::Crash(node) => (
            format!("{node} leads. Cut its power and see who takes over:"),
            Some("crash leader".into()),
        ),
        Hint::Restart(node) => (
            format!("{node} is down and the others carry on. Start it again from its disk:"),
            Some(format!("restart {node}")),
        ),
        Hint::Look(node) => (
            format!(
                "{node} stopped by itself and says why. Select it and look at its WAL; the others carry on."
            ),
            None,
        ),
        Hint::Partition(node) => (
            format!("Now cut the network around {node}, the leader:"),
            Some(format!("isolate {node}")),
        ),
        Hint::Heal => {
            ("The network is cut. A majority can still write. Mend it:".into(), Some("heal".into()))
        }
        Hint::Leave => {
            ("Close this tab and come back: every server boots from its own disk.".into(), None)
        }
    }
}

/// What the partition act would do.
pub(crate) fn partition_title(line: &str) -> String {
    format!("Cut the network: {line}")
}

/// Where the session is kept: a word for the chip, a sentence for its title, a state for its colour.
pub(crate) fn storage(status: &StorageStatus) -> (String, String, &'static str) {
    match status {
        StorageStatus::Persistent { stalled: true, .. } => {
            ("saving…".into(), "The world waits for this browser's storage.".into(), "saving")
        }
        StorageStatus::Persistent { slices, saved_ns, .. } => (
            "saved".into(),
            format!(
                "Kept in this browser up to {} ({} slices). What you saw acknowledged survives a killed tab.",
                time(*saved_ns),
                count(*slices)
            ),
            "saved",
        ),
        StorageStatus::InMemory { why } => ("in memory".into(), memory(*why).into(), "memory"),
        StorageStatus::HeldByOtherTab => (
            "in another tab".into(),
            "Another tab of this browser has the session.".into(),
            "trouble",
        ),
        StorageStatus::Full { message } => {
            ("storage full".into(), format!("This browser's storage is full: {message}"), "trouble")
        }
        StorageStatus::Missing { message } => (
            "no storage".into(),
            format!("This browser offers no storage here: {message}"),
            "trouble",
        ),
        StorageStatus::Damaged { message } => {
            ("damaged".into(), format!("The stored session cannot be opened: {message}"), "trouble")
        }
    }
}

fn memory(why: MemoryReason) -> &'static str {
    match why {
        MemoryReason::Visiting => {
            "A visit: nothing of this run is stored, your own session waits untouched."
        }
        MemoryReason::Chosen => "Nothing is stored: closing the tab ends this session.",
        MemoryReason::TakenOver => "Another tab took the session over. This one goes on in memory.",
    }
}

/// What a visitor must decide or know about storage, with the acts that are offered.
pub(crate) fn storage_notice(status: &StorageStatus) -> Option<&'static str> {
    match status {
        StorageStatus::HeldByOtherTab => {
            Some("This session is open in another tab. One tab at a time may write to its disks.")
        }
        StorageStatus::Full { .. } => Some(
            "This browser's storage is full, so nothing more can be kept. Free some space and reload, or go on in memory.",
        ),
        StorageStatus::Missing { .. } => Some(
            "This browser offers no storage here (a private window, perhaps). The cluster can run in memory; closing the tab ends it.",
        ),
        StorageStatus::Damaged { .. } => {
            Some("The stored session is damaged and cannot be opened. Nothing was changed.")
        }
        StorageStatus::InMemory { why: MemoryReason::TakenOver } => {
            Some("Another tab took this session over. What you do here stays in memory.")
        }
        StorageStatus::Persistent { .. } | StorageStatus::InMemory { .. } => None,
    }
}

pub(crate) const USE_MEMORY: &str = "Use in memory here";
pub(crate) const TAKE_OVER: &str = "Take over";
pub(crate) const START_FRESH: &str = "Forget it, start fresh";
pub(crate) const BACK_TO_MINE: &str = "Back to my session";
pub(crate) const STAY: &str = "Stay here";

/// How the session began, when that is worth a sentence.
pub(crate) fn opening(opening: &Opening) -> Option<String> {
    match opening {
        Opening::Fresh | Opening::Waiting => None,
        Opening::Recovered(recovery) => Some(recovered(recovery)),
        Opening::Link { differs: false } => {
            Some("A shared run, paused at its moment. Your own session waits untouched.".into())
        }
        Opening::Link { differs: true } => Some(
            "A shared run, but another version of the engine made it: this replay differs from what was shared.".into(),
        ),
        Opening::Scenario => {
            Some("A scenario, paused at its beginning. Your own session waits untouched.".into())
        }
        Opening::LinkRefused { message } => Some(format!("The link cannot be opened: {message}")),
    }
}

fn recovered(recovery: &Recovery) -> String {
    let servers = match recovery.servers {
        1 => "The server".to_owned(),
        3 => "All three servers".to_owned(),
        many => format!("All {many} servers"),
    };
    let own = if recovery.servers == 1 { "its own disk" } else { "their own disks" };
    let mut said = format!(
        "{servers} booted from {own}, as they stood at {}. Nothing acknowledged is lost.",
        time(recovery.now_ns)
    );
    for damage in &recovery.damaged {
        said.push_str(" Damaged: ");
        said.push_str(damage);
        said.push('.');
    }
    if !recovery.actions_complete {
        said.push_str(
            " The list of actions was incomplete, so this session cannot travel as a link.",
        );
    }
    said
}

/// A theme's name on its button.
pub(crate) fn theme(theme: Theme) -> &'static str {
    match theme {
        Theme::Auto => "Theme: as the system",
        Theme::Light => "Theme: light",
        Theme::Dark => "Theme: dark",
    }
}

/// The heading over the way of the last request.
pub(crate) fn trail(reads: bool) -> &'static str {
    if reads { "The read travels" } else { "The write travels" }
}

/// A stage of the way of a write.
pub(crate) fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Request => "Request",
        Stage::Entry => "Raft entry",
        Stage::Record => "WAL record",
        Stage::Synced => "Synced",
        Stage::Committed => "Committed",
        Stage::Revision => "Revision",
        Stage::Reply => "Reply",
    }
}

/// What is known of a stage, in a few words.
pub(crate) fn stage_fact(passed: &Passed, servers: usize) -> String {
    let fact = match passed.stage {
        Stage::Request => passed.node.map(|node| match passed.forwarded_to {
            Some(leader) => format!("to {node}, on to {leader}"),
            None => format!("to {node}"),
        }),
        Stage::Entry => {
            passed.index.zip(passed.term).map(|(index, term)| format!("{index} in term {term}"))
        }
        Stage::Record => {
            passed.record.map(|at| format!("{} at {}", size(at.length), offset(at.offset)))
        }
        Stage::Synced => Some(format!("{} of {servers} disks", passed.synced)),
        Stage::Committed => passed.node.map(|node| format!("on {node}")),
        Stage::Revision => passed.revision.map(|revision| revision.to_string()),
        Stage::Reply => passed.outcome.map(|outcome| self::outcome(outcome).to_owned()),
    };
    fact.unwrap_or_default()
}

/// When a stage was passed.
pub(crate) fn stage_after(passed: &Passed) -> Option<String> {
    passed.after_ns.filter(|after| *after > 0).map(|after| format!("+{}", span(after)))
}

/// What the client knows.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Acknowledged => "acknowledged",
        Outcome::Failed => "failed",
        Outcome::Unknown => "unknown",
    }
}

pub(crate) const CONSOLE_TAG: &str = "console";

/// A load's tag.
pub(crate) fn load(client: u32) -> String {
    format!("load {client}")
}

pub(crate) const ACKNOWLEDGED: &str = "acknowledged";
pub(crate) const FAILED: &str = "failed";
pub(crate) const UNKNOWN: &str = "unknown";

/// How far an entry has come.
pub(crate) fn entry_state(state: EntryState) -> &'static str {
    match state {
        EntryState::Unstable => "unstable: in memory alone",
        EntryState::Appended => "appended: on this disk",
        EntryState::Committed => "committed",
        EntryState::Applied => "applied",
    }
}

/// The same in one word.
pub(crate) fn entry_word(state: EntryState) -> &'static str {
    match state {
        EntryState::Unstable => "unstable",
        EntryState::Appended => "appended",
        EntryState::Committed => "committed",
        EntryState::Applied => "applied",
    }
}

/// The prompt.
pub(crate) fn prompt(at: Option<Node>) -> String {
    at.map_or_else(|| "any".to_owned(), |node| node.to_string())
}

pub(crate) const PROMPT_TITLE: &str = "Which server client commands go to";
pub(crate) const PROMPT_INPUT: &str = "Command";
pub(crate) const PROMPT_PLACEHOLDER: &str = "put greeting hello";
pub(crate) const CONSOLE_HELLO: &str = "etcdctl's words, and the laboratory's: put, get, del, compact, crash, restart, isolate, heal, load. Tab completes, ↑ recalls, help lists them all.";
pub(crate) const WAITING: &str = "waiting for the cluster…";

pub(crate) const SHARE_TITLE: &str = "This run, at this moment";
pub(crate) const SHARE_TEXT: &str = "The link carries every action since the beginning. Whoever opens it sees the same run, paused here; nothing is uploaded anywhere.";
pub(crate) const SHARE_WAIT: &str = "Making the link…";
pub(crate) const SHARE_REFUSED: &str = "This session cannot travel as a link:";
pub(crate) const SHARE_BY_HAND: &str =
    "This browser did not let the page copy. Select the link and copy it by hand.";
pub(crate) const LINK: &str = "Link";

pub(crate) const STOPPED_TITLE: &str = "The engine stopped";
pub(crate) const STOPPED_TEXT: &str = "That is a bug of ours, not of the cluster. What was saved is safe; a reload boots the servers from their disks.";
pub(crate) const STOPPED_LINK: &str =
    "This link replays the run up to the bug; it helps whoever mends it.";
pub(crate) const RELOAD: &str = "Reload";

pub(crate) const OLDER_ROWS: &str = "Show older";
pub(crate) const MORE_KEYS: &str = "Show more";
pub(crate) const DELETED: &str = "deleted";
pub(crate) const NO_KEYS: &str = "No keys yet.";
pub(crate) const NO_RECORDS: &str = "No records yet.";

/// Which revisions a read can still ask for.
pub(crate) fn compacted(revision: i64) -> String {
    format!("compacted below {revision}")
}

pub(crate) const KEYS: [(&str, &str); 10] = [
    ("space", "play or pause"),
    (".", "one event"),
    ("+ −", "faster, slower"),
    ("1…9 ← →", "select a server"),
    ("c", "crash it"),
    ("r", "restart it"),
    ("p", "isolate it, or cut off the marked ones"),
    ("x", "mark it for a partition"),
    ("h", "heal the network"),
    ("/", "go to the console"),
];

pub(crate) const SHAPES: [(&str, &str); 4] = [
    ("leader", "leader"),
    ("candidate", "candidate: asks for votes"),
    ("follower", "follower"),
    ("down", "down"),
];

pub(crate) const MESSAGES: [(&str, bool, &str, &str); 5] = [
    ("append", false, "A", "entries; hollow: the answer"),
    ("heartbeat", false, "H", "heartbeat"),
    ("vote", false, "V", "vote"),
    ("client", false, "Q", "a client's request"),
    ("client", true, "R", "reply"),
];

pub(crate) const HELP_ABOUT: &str = "A real etcd-style cluster: raft, write-ahead log and key-value store with etcd's own bytes. Only clock, network and disk are simulated, so every run is deterministic and can be broken on purpose and shared as a link.";
pub(crate) const HELP_KEYS: &str = "Keys";
pub(crate) const HELP_SERVERS: &str = "Servers";
pub(crate) const HELP_MESSAGES: &str = "Messages";
pub(crate) const HELP_COLOURS: &str = "Green is agreed, amber undecided, red broken, blue yours.";

#[cfg(test)]
mod tests {
    use sim::check::Promise;

    use super::*;

    #[test]
    fn a_violation_tells_what_it_involves_as_far_as_it_is_known() {
        let nothing = Violation {
            promise: Promise::R1,
            event: 7,
            virtual_ns: 9,
            nodes: vec![Node(1)],
            requests: Vec::new(),
            index: 0,
            revision: 0,
            records: Vec::new(),
            detail: String::new(),
        };
        assert_eq!(evidence(&nothing).count(), 0);
        let file = "/var/lib/etcd/member/wal/0-1.wal".to_owned();
        let record = RecordPlace { node: Node(2), file, offset: 64, length: 32 };
        let all = Violation {
            requests: vec![12],
            index: 5,
            revision: 3,
            records: vec![record],
            ..nothing
        };
        let lines: Vec<String> = evidence(&all).collect();
        let written = "n2 wrote it to 0-1.wal at 64, 32 bytes";
        assert_eq!(lines, ["entry 5 · revision 3 · request 12", written]);
    }
}
