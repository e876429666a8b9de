//! Words as etcdctl sorts them: arguments in their order, options anywhere, until `--`.

use std::fmt;

use crate::scenario::error::Problem;
use crate::scenario::word::{Word, Words, quoted};

/// The words after a command's name.
pub(super) struct Arguments {
    plain: Vec<Word>,
    options: Vec<(String, Option<Word>)>,
    end_column: u32,
}

impl Arguments {
    /// `flags` stand alone; `valued` take the next word when they have no `=`.
    pub(super) fn read(
        words: &mut Words,
        flags: &[&str],
        valued: &[&str],
    ) -> Result<Arguments, Problem> {
        let mut plain = Vec::new();
        let mut options = Vec::new();
        let mut only_plain = false;
        while let Some(word) = words.take() {
            if only_plain || !word.text.starts_with('-') || word.text == "-" {
                plain.push(word);
            } else if word.text == "--" {
                only_plain = true;
            } else {
                options.push(read_option(words, &word, flags, valued)?);
            }
        }
        Ok(Arguments { plain, options, end_column: words.column() })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(option, value)| {
            option == name && value.as_ref().is_none_or(|value| value.text != "false")
        })
    }

    pub(super) fn value(&self, name: &str) -> Option<&Word> {
        self.options.iter().rev().find(|(option, _)| option == name)?.1.as_ref()
    }

    /// A whole number; 0 when it is not given.
    pub(super) fn number(&self, name: &str) -> Result<i64, Problem> {
        self.value(name).map_or(Ok(0), natural)
    }

    /// A lease; 0 when it is not given.
    pub(super) fn lease(&self, name: &str) -> Result<i64, Problem> {
        self.value(name).map_or(Ok(0), lease_id)
    }

    /// One of a few names, in either case; the first when it is not given.
    pub(super) fn one_of<T: Copy>(&self, name: &str, known: &[(&str, T)]) -> Result<T, Problem> {
        let Some(word) = self.value(name) else { return Ok(known[0].1) };
        let found = known.iter().find(|(text, _)| text.eq_ignore_ascii_case(&word.text));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|(text, _)| *text).collect();
            let expected = names.iter().filter(|name| !name.is_empty()).copied();
            let expected = expected.collect::<Vec<_>>().join(", ");
            word.problem("unknown word", &expected).suggest(&word.text, names)
        })
    }

    /// The `index`-th plain word.
    pub(super) fn word(&self, index: usize) -> Option<&Word> {
        self.plain.get(index)
    }

    /// The `index`-th plain word, which must be there.
    pub(super) fn required(&self, index: usize, what: &str) -> Result<&Word, Problem> {
        self.plain
            .get(index)
            .ok_or_else(|| Problem::new(self.end_column, "the line ends too early", what))
    }

    /// All plain words as texts: `required` of them must be there, more than the names may not.
    pub(super) fn plain<const N: usize>(
        self,
        required: usize,
        names: [&str; N],
    ) -> Result<[Option<String>; N], Problem> {
        if self.plain.len() < required {
            let expected = names[self.plain.len()];
            return Err(Problem::new(self.end_column, "the line ends too early", expected));
        }
        self.at_most(N)?;
        let mut plain = self.plain.into_iter().map(|word| word.text);
        Ok(std::array::from_fn(|_| plain.next()))
    }

    /// Refuses plain words beyond so many.
    pub(super) fn at_most(&self, words: usize) -> Result<(), Problem> {
        match self.plain.get(words) {
            Some(word) => Err(word.problem("one word too many:", "the end of the line")),
            None => Ok(()),
        }
    }
}

fn read_option(
    words: &mut Words,
    word: &Word,
    flags: &[&str],
    valued: &[&str],
) -> Result<(String, Option<Word>), Problem> {
    let (name, value) = match word.text.split_once('=') {
        Some((name, _)) => (name.to_owned(), Some(word.key_value("")?.1)),
        None => (word.text.clone(), None),
    };
    if !flags.contains(&name.as_str()) && !valued.contains(&name.as_str()) {
        let all = || flags.iter().chain(valued).copied();
        let expected = all().collect::<Vec<_>>().join(", ");
        let expected = if expected.is_empty() { "no option".to_owned() } else { expected };
        return Err(word.problem("unknown option", &expected).suggest(&name, all()));
    }
    let value = match value {
        None if valued.contains(&name.as_str()) => {
            Some(words.expect(&format!("a value for `{name}`"))?)
        }
        value => value,
    };
    Ok((name, value))
}

/// A whole number that is not negative.
pub(super) fn natural(word: &Word) -> Result<i64, Problem> {
    let number = word.number_in(0, i64::MAX.unsigned_abs(), "a number")?;
    Ok(number.cast_signed())
}

/// A lease's id: hexadecimal, as etcdctl writes it.
pub(super) fn lease_id(word: &Word) -> Result<i64, Problem> {
    i64::from_str_radix(&word.text, 16)
        .ok()
        .filter(|id| *id > 0)
        .ok_or_else(|| word.problem("not a lease:", "its id in hexadecimal, such as `1f2e`"))
}

// ---- printing ----

/// ` --name`, when it is given.
pub(super) fn flag(f: &mut fmt::Formatter<'_>, name: &str, given: bool) -> fmt::Result {
    if given { write!(f, " {name}") } else { Ok(()) }
}

/// ` --name N`, unless it is 0.
pub(super) fn number(f: &mut fmt::Formatter<'_>, name: &str, number: i64) -> fmt::Result {
    if number == 0 { Ok(()) } else { write!(f, " {name} {number}") }
}

/// The plain words; `--` goes before them when one looks like an option.
pub(super) fn arguments<'a>(
    f: &mut fmt::Formatter<'_>,
    words: impl IntoIterator<Item = &'a str>,
) -> fmt::Result {
    let words: Vec<&str> = words.into_iter().collect();
    if words.iter().any(|word| word.starts_with('-') && *word != "-") {
        f.write_str(" --")?;
    }
    words.iter().try_for_each(|word| write!(f, " {}", quoted(word)))
}
