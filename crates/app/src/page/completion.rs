//! What could stand at the cursor of the prompt: verbs, servers, flags, keys.

use sim::scenario::Node;

use crate::protocol::Usage;

/// At most this many are offered.
pub(crate) const OFFERS_MAX: usize = 6;

/// Ends of the last word of `draft`, as whole drafts' tails: the words themselves.
pub(crate) fn offers(
    draft: &str,
    verbs: &[Usage],
    servers: &[Node],
    keys: &[String],
) -> Vec<String> {
    let (before, word) = split(draft);
    let mut found: Vec<String> = candidates(before, verbs, servers, keys)
        .into_iter()
        .filter(|candidate| candidate.starts_with(word) && candidate != word)
        .collect();
    found.dedup();
    found.truncate(OFFERS_MAX);
    found
}

/// The draft with its last word replaced by an offer, and a space to go on.
pub(crate) fn complete(draft: &str, offer: &str) -> String {
    let (before, _) = split(draft);
    format!("{before}{offer} ")
}

/// What the tab key makes of a draft: the only offer, or as far as all offers agree.
pub(crate) fn tab(
    draft: &str,
    verbs: &[Usage],
    servers: &[Node],
    keys: &[String],
) -> Option<String> {
    let offers = offers(draft, verbs, servers, keys);
    if let [only] = offers.as_slice() {
        return Some(complete(draft, only));
    }
    let (before, word) = split(draft);
    let shared = offers.iter().skip(1).fold(offers.first()?.as_str(), |shared, offer| {
        let same = shared.chars().zip(offer.chars()).take_while(|(a, b)| a == b);
        &shared[..same.map(|(a, _)| a.len_utf8()).sum()]
    });
    (shared.len() > word.len()).then(|| format!("{before}{shared}"))
}

fn split(draft: &str) -> (&str, &str) {
    draft.split_at(draft.rfind(char::is_whitespace).map_or(0, |space| space + 1))
}

fn candidates(before: &str, verbs: &[Usage], servers: &[Node], keys: &[String]) -> Vec<String> {
    let names = || verbs.iter().map(|verb| verb.name.clone()).collect();
    let mut words = before.split_whitespace();
    let Some(mut verb) = words.next() else { return names() };
    if verb == "on" && words.next().is_some() {
        match words.next() {
            None => return names(),
            Some(second) => verb = second,
        }
    }
    let Some(found) = verbs.iter().find(|known| known.name == verb) else { return Vec::new() };
    let typed = words.next();
    let mut offered = Vec::new();
    for usage in found.usage.split(" · ") {
        let fixed = usage.split_whitespace().nth(1).filter(|word| is_plain(word));
        match (fixed, typed) {
            (Some(fixed), None) => offered.push(fixed.to_owned()),
            (Some(fixed), Some(typed)) if fixed != typed => {}
            _ => after(usage, servers, keys, &mut offered),
        }
    }
    offered
}

/// What can follow in one of the forms of a command.
fn after(usage: &str, servers: &[Node], keys: &[String], offered: &mut Vec<String>) {
    if usage.contains("SERVER") {
        offered.extend(servers.iter().map(ToString::to_string));
        offered.extend(named(usage, &["leader", "all"]));
    }
    if usage.contains("KEY") {
        offered.extend(keys.iter().cloned());
    }
    offered.extend(flags(usage));
}

fn named(usage: &str, words: &[&str]) -> Vec<String> {
    let has = |word: &&&str| usage.split(['|', ' ']).any(|part| part == **word);
    words.iter().filter(has).map(ToString::to_string).collect()
}

fn flags(usage: &str) -> impl Iterator<Item = String> {
    let parts = usage.split(['[', ']', ' ']);
    parts.filter(|part| part.starts_with("--")).map(|flag| match flag.split_once('=') {
        Some((name, _)) => format!("{name}="),
        None => flag.to_owned(),
    })
}

fn is_plain(word: &str) -> bool {
    word.chars().all(|letter| letter.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::run::usages;

    fn servers() -> Vec<Node> {
        vec![Node(1), Node(2), Node(3)]
    }

    #[test]
    fn the_first_word_is_a_verb() {
        assert_eq!(offers("cr", &usages(), &servers(), &[]), ["crash"]);
        assert_eq!(tab("cr", &usages(), &servers(), &[]), Some("crash ".into()));
    }

    #[test]
    fn a_server_follows_where_the_grammar_wants_one() {
        assert!(offers("crash ", &usages(), &servers(), &[]).contains(&"n2".to_owned()));
        assert!(offers("crash l", &usages(), &servers(), &[]).contains(&"leader".to_owned()));
        assert_eq!(offers("on n2 ge", &usages(), &servers(), &[]), ["get"]);
    }

    #[test]
    fn keys_and_flags_follow_a_read() {
        let keys = ["greeting".to_owned()];
        assert_eq!(tab("get gr", &usages(), &servers(), &keys), Some("get greeting ".into()));
        assert_eq!(offers("get greeting --re", &usages(), &servers(), &keys), ["--rev"]);
    }

    #[test]
    fn forms_of_a_command_are_offered_first_and_then_what_follows_in_that_form() {
        let first = offers("member ", &usages(), &servers(), &[]);
        assert!(
            ["list", "add", "remove"].iter().all(|form| first.contains(&(*form).to_owned())),
            "{first:?}"
        );
        assert_eq!(offers("member list ", &usages(), &servers(), &[]), Vec::<String>::new());
        assert!(
            offers("member add n3 ", &usages(), &servers(), &[]).contains(&"--learner".to_owned())
        );
    }

    #[test]
    fn tab_goes_as_far_as_all_offers_agree() {
        let keys = ["user/1".to_owned(), "user/2".to_owned()];
        assert_eq!(tab("get u", &usages(), &servers(), &keys), Some("get user/".into()));
        assert_eq!(tab("get user/", &usages(), &servers(), &keys), None);
    }
}
