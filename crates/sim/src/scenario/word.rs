//! A line as words with columns. Finding where words begin and end is winnow's part, taking the
//! quotes off is shlex's, so quoting in the console is what people know from their shell.

use winnow::Parser;
use winnow::ascii::space0;
use winnow::combinator::{alt, delimited, preceded, repeat};
use winnow::error::{ContextError, ErrMode};
use winnow::stream::LocatingSlice;
use winnow::token::{any, none_of, take_till};

use super::error::Problem;

/// One word without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// In characters, from 1.
    pub(crate) column: u32,
}

/// The words of one line, read from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    words: std::collections::VecDeque<Word>,
    end_column: u32,
}

type Input<'a> = LocatingSlice<&'a str>;

/// One word as it stands in the line, quotes and all.
fn raw_word<'a>(input: &mut Input<'a>) -> Result<&'a str, ErrMode<ContextError>> {
    let single = delimited('\'', take_till(0.., '\''), '\'').void();
    let double = delimited('"', repeat::<_, _, (), _, _>(0.., double_quoted), '"').void();
    let piece = alt((
        single,
        double,
        preceded('\\', any).void(),
        none_of([' ', '\t', '\'', '"', '\\']).void(),
    ));
    repeat::<_, _, (), _, _>(1.., piece).take().parse_next(input)
}

fn double_quoted(input: &mut Input<'_>) -> Result<(), ErrMode<ContextError>> {
    alt((preceded('\\', any).void(), none_of(['"', '\\']).void())).parse_next(input)
}

/// Counts columns while reading goes on, so that a long line is counted once.
struct Columns<'a> {
    line: &'a str,
    byte: usize,
    column: u32,
}

impl<'a> Columns<'a> {
    fn of(line: &'a str) -> Columns<'a> {
        Columns { line, byte: 0, column: 1 }
    }

    /// The column of a byte that is not before the last one asked for.
    fn at(&mut self, byte: usize) -> u32 {
        let skipped = self.line.get(self.byte..byte).map_or(0, |text| text.chars().count());
        self.column = self.column.saturating_add(u32::try_from(skipped).unwrap_or(u32::MAX));
        self.byte = byte;
        self.column
    }
}

impl Words {
    /// All that is left, as settings such as `nodes=3`, each given once: names, values, and the
    /// words that they stood in.
    pub(crate) fn settings(&mut self, example: &str) -> Result<Vec<(String, Word, Word)>, Problem> {
        let mut settings: Vec<(String, Word, Word)> = Vec::new();
        while let Some(word) = self.take() {
            let (name, value) = word.key_value(example)?;
            if settings.iter().any(|(earlier, ..)| earlier == name) {
                return Err(word.problem("given twice:", "each setting once"));
            }
            settings.push((name.to_owned(), value, word));
        }
        Ok(settings)
    }

    /// Splits a line. `#` at the start of a word begins a comment that runs to the end.
    pub(crate) fn split(line: &str) -> Result<Words, Problem> {
        if let Some((byte, found)) = line.char_indices().find(|(_, c)| c.is_control() && *c != '\t')
        {
            let problem = format!("control character U+{:04X}", u32::from(found));
            return Err(Problem::new(Columns::of(line).at(byte), problem, "printable text"));
        }
        let mut input = LocatingSlice::new(line);
        let mut columns = Columns::of(line);
        let mut words = std::collections::VecDeque::new();
        loop {
            let _: Result<_, ErrMode<ContextError>> = space0.parse_next(&mut input);
            if input.is_empty() || input.starts_with('#') {
                break;
            }
            let column = columns.at(line.len() - input.len());
            let unclosed = || Problem::new(column, "a quote that is not closed", "a closing quote");
            let raw = raw_word(&mut input).map_err(|_| unclosed())?;
            if !input.is_empty() && !input.starts_with([' ', '\t']) {
                return Err(unclosed());
            }
            let text = shlex::split(raw).ok_or_else(unclosed)?.concat();
            words.push_back(Word { text, column });
        }
        Ok(Words { words, end_column: columns.at(line.len()) })
    }

    /// The column of the next word, or the one after the line's last character.
    pub(crate) fn column(&self) -> u32 {
        self.words.front().map_or(self.end_column, |word| word.column)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<&str> {
        self.words.front().map(|word| word.text.as_str())
    }

    pub(crate) fn take(&mut self) -> Option<Word> {
        self.words.pop_front()
    }

    /// The next word, or a problem that says what is missing.
    pub(crate) fn expect(&mut self, expected: &str) -> Result<Word, Problem> {
        let column = self.column();
        self.take().ok_or_else(|| Problem::new(column, "the line ends too early", expected))
    }

    /// Takes the next word if it is exactly `text`.
    pub(crate) fn take_if(&mut self, text: &str) -> bool {
        let found = self.peek() == Some(text);
        if found {
            self.words.pop_front();
        }
        found
    }

    /// Nothing may be left.
    pub(crate) fn finish(&self) -> Result<(), Problem> {
        match self.words.front() {
            None => Ok(()),
            Some(word) => {
                let problem = format!("`{}` is one word too many", shorten(&word.text));
                Err(Problem::new(word.column, problem, "the end of the line"))
            }
        }
    }
}

impl Word {
    /// A problem with this word.
    pub(crate) fn problem(&self, what: &str, expected: &str) -> Problem {
        Problem::new(self.column, format!("{what} `{}`", shorten(&self.text)), expected)
    }

    /// A part of this word as one, `skip` characters into it.
    pub(crate) fn part(&self, text: &str, skip: u32) -> Word {
        Word { text: text.to_owned(), column: self.column.saturating_add(skip) }
    }

    /// Splits `key=value`; the value's column is right for plain words.
    pub(crate) fn key_value(&self, expected: &str) -> Result<(&str, Word), Problem> {
        let (key, value) = self
            .text
            .split_once('=')
            .ok_or_else(|| self.problem("not a `key=value` pair:", expected))?;
        let skip = u32::try_from(key.chars().count() + 1).unwrap_or(u32::MAX);
        let value = Word { text: value.to_owned(), column: self.column.saturating_add(skip) };
        Ok((key, value))
    }

    /// The problem with a setting of which none of that name is known.
    pub(crate) fn unknown_setting(&self, name: &str, known: &[&str]) -> Problem {
        let expected = format!("one of {}", known.join(", "));
        self.problem("unknown setting", &expected).suggest(name, known.iter().copied())
    }

    /// A whole number, decimal or `0x…`.
    pub(crate) fn number(&self, expected: &str) -> Result<u64, Problem> {
        let parsed = match self.text.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None if self.text.starts_with('+') => {
                return Err(self.problem("not a number:", expected));
            }
            None => self.text.parse(),
        };
        parsed.map_err(|_| self.problem("not a number:", expected))
    }

    /// A whole number within bounds.
    pub(crate) fn number_in(&self, low: u64, high: u64, what: &str) -> Result<u64, Problem> {
        let expected = format!("{what} from {low} to {high}");
        let number = self.number(&expected)?;
        if (low..=high).contains(&number) {
            Ok(number)
        } else {
            Err(self.problem("out of range:", &expected))
        }
    }
}

/// Words are quoted back in messages; nobody needs a megabyte of them.
pub(crate) fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(39).collect();
    short.push('…');
    short
}

/// The word with quotes where, and only where, reading it back needs them.
pub(crate) fn quoted(word: &str) -> String {
    let plain = !word.is_empty()
        && !word.contains(['\'', '"', '\\'])
        && shlex::split(word).is_some_and(|words| words == [word]);
    if plain {
        return word.to_owned();
    }
    shlex::try_quote(word).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}
