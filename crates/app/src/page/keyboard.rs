//! What a key means on the stage. Keys that a text field, a list or the browser wants stay theirs.

/// What the visitor wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Let time run, or stop it.
    PlayPause,
    /// One event.
    Step,
    /// One rung slower.
    Slower,
    /// One rung faster.
    Faster,
    /// The server of this number, from 0.
    Select(usize),
    /// The one before.
    Previous,
    /// The one after.
    Next,
    /// Do something to the selected server or to the network.
    Act(Deed),
    /// Go to the prompt.
    Console,
    /// Open or close the page of help.
    Help,
    /// Close what is open.
    Close,
}

/// What is done to the selected server or to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Cut its power.
    Crash,
    /// Start it.
    Restart,
    /// Cut it, or the marked ones, off from the others.
    Partition,
    /// Mend the network.
    Heal,
    /// Put it into the group that a partition will cut off, or out of it.
    Mark,
}

/// A key by its `KeyboardEvent.key`, when no modifier but shift is held.
pub(crate) fn wish(key: &str) -> Option<Wish> {
    Some(match key {
        " " => Wish::PlayPause,
        "." => Wish::Step,
        "-" => Wish::Slower,
        "+" | "=" => Wish::Faster,
        "ArrowLeft" | "ArrowUp" => Wish::Previous,
        "ArrowRight" | "ArrowDown" => Wish::Next,
        "c" => Wish::Act(Deed::Crash),
        "r" => Wish::Act(Deed::Restart),
        "p" => Wish::Act(Deed::Partition),
        "h" => Wish::Act(Deed::Heal),
        "x" => Wish::Act(Deed::Mark),
        "/" | ":" => Wish::Console,
        "?" => Wish::Help,
        "Escape" => Wish::Close,
        _ => return digit(key),
    })
}

fn digit(key: &str) -> Option<Wish> {
    let number: usize = key.parse().ok().filter(|_| key.len() == 1)?;
    (1..=9).contains(&number).then(|| Wish::Select(number - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_select_servers_from_one() {
        assert_eq!(wish("1"), Some(Wish::Select(0)));
        assert_eq!(wish("9"), Some(Wish::Select(8)));
        assert_eq!(wish("0"), None);
        assert_eq!(wish("12"), None);
    }

    #[test]
    fn keys_without_a_meaning_are_left_to_the_browser() {
        for key in ["Tab", "Enter", "F5", "a", "Shift"] {
            assert_eq!(wish(key), None, "{key}");
        }
    }
}
