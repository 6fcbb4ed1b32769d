//! Public suffixes: names below which strangers register names of their own.
//!
//! The list is <https://publicsuffix.org/list/>, one version of it, compiled in. Its private section, as in `github.io`,
//! counts like the other: whoever lists `*.github.io` lists whatever anyone puts there.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// The list as it was published.
const LIST_TEXT: &str = include_str!("../../data/public_suffix_list.dat");

/// SHA-256 of the list that is compiled in, as `sha256sum` prints it for `userspace/data/public_suffix_list.dat`.
pub const LIST_SHA256: &str = "0232f4df0831911356e8ee1f4d5c3b6b12c0ed3f6bd66b0f81c8ab5d3d49e9ca";

/// Version of the list that is compiled in, as the list itself tells it: when it was made.
pub const LIST_VERSION: &str = "2026-10-22_08-36-41_UTC";

static LIST: LazyLock<SuffixList> = LazyLock::new(|| SuffixList::read(LIST_TEXT));

/// The public suffixes, all in lower case and as A-labels.
#[derive(Debug, Default)]
pub struct SuffixList {
    /// Rules without a `*`.
    names: HashSet<String>,
    /// What is behind the `*.` of the others.
    parents: HashSet<String>,
    /// What the others do not hold for.
    exceptions: HashSet<String>,
    /// Names that have a rule below them, each with the first such.
    above: HashMap<String, String>,
}

impl SuffixList {
    /// The list that is compiled in.
    pub fn pinned() -> &'static Self {
        &LIST
    }

    /// Reads a list in the format of <https://github.com/publicsuffix/list/wiki/Format>. A rule that is no name is
    /// passed over.
    fn read(text: &str) -> Self {
        let mut list = Self::default();
        let rules = text.lines().filter(|line| !line.starts_with("//"));
        for rule in rules.filter_map(|line| line.split_whitespace().next()) {
            let (is_exception, rule) = rule.strip_prefix('!').map_or((false, rule), |rule| (true, rule));
            let (is_wildcard, name) = rule.strip_prefix("*.").map_or((false, rule), |name| (true, name));
            let Ok(name) = idna::domain_to_ascii(name) else { continue };
            if is_exception {
                list.exceptions.insert(name);
                continue;
            }
            if is_wildcard {
                list.note_above(&format!("*.{name}"));
                list.parents.insert(name);
            } else {
                list.note_above(&name);
                list.names.insert(name);
            }
        }
        list
    }

    fn note_above(&mut self, rule: &str) {
        for above in parents(rule) {
            self.above.entry(above.to_owned()).or_insert_with(|| rule.to_owned());
        }
    }

    /// Whether `name` is a public suffix itself, by the list's own algorithm: the rule with the most labels decides, an
    /// exception before all others, and a top-level domain without a rule is one. `name`: in lower case, A-labels, no
    /// trailing dot.
    pub fn is_public(&self, name: &str) -> bool {
        let Some((_, parent)) = name.split_once('.') else { return true };
        let is_excepted = || std::iter::once(name).chain(parents(name)).any(|n| self.exceptions.contains(n));
        (self.names.contains(name) || self.parents.contains(parent)) && !is_excepted()
    }

    /// The part of `name` that its owner registered: a public suffix and one label more. `None`: it is a public suffix
    /// itself. `name` as for [`SuffixList::is_public`].
    pub fn registrable<'a>(&self, name: &'a str) -> Option<&'a str> {
        if self.is_public(name) {
            return None;
        }
        let above = |name: &'a str| name.split_once('.').map(|(_, parent)| parent);
        std::iter::successors(Some(name), |name| above(name))
            .find(|name| above(name).is_none_or(|parent| self.is_public(parent)))
    }

    /// A rule of the list that is below `name`, if there is one; `name` as for [`SuffixList::is_public`].
    pub fn rule_below(&self, name: &str) -> Option<&str> {
        self.above.get(name).map(String::as_str)
    }
}

/// The names that `name` is below, from the longest on.
pub(super) fn parents(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(name.split_once('.'), |(_, parent)| parent.split_once('.'))
        .map(|(_, parent)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    /// The list's own: a name, and the name that was registered with the registry, or `null`.
    const VECTORS: &str = include_str!("../../data/public_suffix_tests.txt");

    #[test]
    fn the_list_is_the_one_that_it_is_said_to_be() {
        let digest = Sha256::digest(LIST_TEXT);
        assert_eq!(format!("{digest:x}"), LIST_SHA256);
        assert!(LIST_TEXT.contains(&format!("\n// VERSION: {LIST_VERSION}\n")));
        let readme = include_str!("../../data/README.md");
        assert!(readme.contains(LIST_SHA256) && readme.contains(LIST_VERSION));
    }

    #[test]
    fn no_rule_of_the_list_is_passed_over() {
        let rules = LIST_TEXT.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//"));
        let list = SuffixList::pinned();
        let read = list.names.len() + list.parents.len() + list.exceptions.len();
        assert_eq!(read, rules.collect::<HashSet<_>>().len());
        let all = list.names.iter().chain(&list.parents).chain(&list.exceptions);
        assert!(all.clone().all(|rule| rule.is_ascii() && !rule.contains(['*', '!'])));
    }

    /// `null` is the answer for a public suffix. Else what is in front of the registered name is somebody's, and what it
    /// is below is public; where the list has an exception, only together with it.
    #[test]
    fn the_list_s_own_vectors_hold() {
        let list = SuffixList::pinned();
        let calls = VECTORS.lines().filter_map(|line| line.strip_prefix("checkPublicSuffix("));
        let mut count = 0;
        for call in calls {
            let (name, wanted) = call.trim_end_matches(");").split_once(", ").expect("two arguments");
            let text = |word: &str| word.strip_prefix('\'')?.strip_suffix('\'').map(str::to_owned);
            // `null` is no input of ours, and no name begins with a dot.
            let Some(name) = text(name).filter(|name| !name.starts_with('.')) else { continue };
            let ascii = idna::domain_to_ascii(&name).expect("a name");
            let wanted = text(wanted).map(|wanted| idna::domain_to_ascii(&wanted).expect("a name"));
            assert_eq!(list.is_public(&ascii), wanted.is_none(), "{name}");
            if let Some(wanted) = wanted {
                let mut ends = std::iter::once(ascii.as_str()).chain(parents(&ascii));
                assert!(ends.by_ref().take_while(|end| **end != wanted).all(|end| !list.is_public(end)));
                assert!(!list.is_public(&wanted));
                let (_, parent) = wanted.split_once('.').expect("below a public suffix");
                assert!(list.is_public(parent) || list.exceptions.contains(&wanted), "{name}");
            }
            count += 1;
        }
        assert!(count > 60, "only {count} vectors were found");
    }

    #[test]
    fn a_wildcard_rule_holds_where_a_longer_rule_passes_through() {
        // `*.futurecms.at` and `*.ex.futurecms.at` are both in the list.
        for (name, public) in [
            ("x.futurecms.at", true),
            ("ex.futurecms.at", true),
            ("a.ex.futurecms.at", true),
            ("b.a.ex.futurecms.at", false),
        ] {
            assert_eq!(SuffixList::pinned().is_public(name), public, "{name}");
        }
    }

    #[test]
    fn rules_below_a_name_are_found() {
        let list = SuffixList::pinned();
        assert!(list.rule_below("amazonaws.com").is_some_and(|rule| rule.ends_with(".amazonaws.com")));
        assert!(list.rule_below("com.br").is_some_and(|rule| rule.ends_with(".com.br")));
        assert_eq!(list.rule_below("moh.gov.vn"), None);
        // Only an exception is below it.
        assert_eq!(list.rule_below("city.kobe.jp"), None);
    }
}
