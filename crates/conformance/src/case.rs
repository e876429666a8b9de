//! The language of the case files: commands with the output that is expected of them.
//!
//! ```text
//! # A comment.
//! command 1 key=value list=(1,2)
//! input, any number of lines
//! ----
//! output, up to a blank line
//! ```
//!
//! Output that holds blank lines stands between `----` doubled and `----` doubled again.

use std::iter::Peekable;
use std::str::Lines;

const FENCE: &str = "----";

/// One command of a case file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// The line in the file at which the command stands, from one.
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) input: String,
    pub(crate) expected: String,
}

/// `key`, `key=value` or `key=(value,value)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

/// All commands of a file, in order.
pub(crate) fn parse(text: &str) -> Vec<Command> {
    let mut lines = text.lines().peekable();
    let (mut commands, mut line) = (Vec::new(), 0);
    while let Some(first) = take(&mut lines, &mut line) {
        if first.trim().is_empty() || first.starts_with('#') {
            continue;
        }
        let start = line;
        let mut head = first.to_owned();
        while let Some(shorter) = head.strip_suffix('\\') {
            head = format!("{shorter} {}", take(&mut lines, &mut line).unwrap_or_default());
        }
        let (name, arguments) = split(&head);
        let input = input(&mut lines, &mut line);
        let expected = expected(&mut lines, &mut line);
        commands.push(Command { line: start, name, arguments, input, expected });
    }
    commands
}

fn take<'a>(lines: &mut Peekable<Lines<'a>>, line: &mut usize) -> Option<&'a str> {
    *line += 1;
    lines.next()
}

fn input(lines: &mut Peekable<Lines<'_>>, line: &mut usize) -> String {
    let mut input = String::new();
    while let Some(text) = take(lines, line) {
        if text == FENCE {
            break;
        }
        input.push_str(text);
        input.push('\n');
    }
    input
}

fn expected(lines: &mut Peekable<Lines<'_>>, line: &mut usize) -> String {
    let mut expected = String::new();
    let fenced = lines.next_if_eq(&FENCE).is_some();
    *line += usize::from(fenced);
    while let Some(text) = take(lines, line) {
        if fenced && text == FENCE && lines.next_if_eq(&FENCE).is_some() {
            *line += 1;
            break;
        }
        if !fenced && text.trim().is_empty() {
            break;
        }
        expected.push_str(text);
        expected.push('\n');
    }
    expected
}

fn split(head: &str) -> (String, Vec<Argument>) {
    let (mut words, mut depth) = (vec![String::new()], 0);
    for character in head.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 && character.is_whitespace() {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(character);
        }
    }
    words.retain(|word| !word.is_empty());
    let name = words.remove(0);
    (name, words.iter().map(|word| argument(word)).collect())
}

fn argument(word: &str) -> Argument {
    let Some((key, value)) = word.split_once('=') else {
        return Argument { key: word.to_owned(), values: Vec::new() };
    };
    let list = value.strip_prefix('(').and_then(|value| value.strip_suffix(')'));
    let values = match list {
        Some(list) => list.split(',').map(|value| value.trim().to_owned()).collect(),
        None => vec![value.to_owned()],
    };
    Argument { key: key.to_owned(), values }
}

impl Command {
    /// The numbers that stand without a key.
    pub(crate) fn numbers(&self) -> Result<Vec<u64>, String> {
        let plain = self.arguments.iter().filter(|argument| argument.values.is_empty());
        plain.map(|argument| number(&argument.key)).collect()
    }

    /// The word at this position, which has no key.
    pub(crate) fn word(&self, position: usize) -> Result<&str, String> {
        let missing = || format!("{}: argument {} is missing", self.name, position + 1);
        self.arguments.get(position).map(|argument| &argument.key[..]).ok_or_else(missing)
    }

    /// The number at this position, which has no key.
    pub(crate) fn number(&self, position: usize) -> Result<u64, String> {
        number(self.word(position)?)
    }

    /// The values of a key, one after the other.
    pub(crate) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let with_key = self.arguments.iter().filter(move |argument| argument.key == key);
        with_key.flat_map(|argument| argument.values.iter().map(String::as_str))
    }
}

/// A number, or what is wrong with it.
pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text}: not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_arguments_input_and_output() {
        let commands =
            parse("# about\n\ndo 1 a=(2, 3) b=x\nin\nput\n----\nout\nput\n\nnext\n----\n");
        let [first, second] = &commands[..] else { panic!("two commands: {commands:?}") };
        assert_eq!((first.line, &first.name[..]), (3, "do"), "where and what");
        assert_eq!(first.numbers(), Ok(vec![1]), "what has no key");
        assert_eq!(first.values("a").collect::<Vec<_>>(), ["2", "3"], "a list");
        assert_eq!((&first.input[..], &first.expected[..]), ("in\nput\n", "out\nput\n"), "texts");
        assert_eq!((second.line, &second.expected[..]), (10, ""), "up to the end of the file");
    }

    #[test]
    fn fenced_output_holds_blank_lines() {
        let commands = parse("do\n----\n----\na\n\nb\n----\n----\n\nnext \\\n1\n----\nok\n");
        assert_eq!(commands[0].expected, "a\n\nb\n", "between the fences");
        assert_eq!((commands[1].line, commands[1].number(0)), (10, Ok(1)), "over two lines");
    }
}
