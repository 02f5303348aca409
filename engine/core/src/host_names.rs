//! Names of hosts with wildcards at one end, and the one rule by which they are found.
//!
//! Used wherever nginx.conf lists hosts: `server_name`, `map` with `hostnames`, `valid_referers`.

use base::hash::BuildQuick;
use std::collections::HashMap;

/// A name as it stands in a list of hosts, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostName<'n> {
    /// `example.com`
    Exact(&'n [u8]),
    /// `*.example.com`; with `bare`, `.example.com`, which means the name itself too.
    Leading {
        /// What follows the asterisk, with its dot.
        suffix: &'n [u8],
        /// Whether the name without a label in front matches too.
        bare: bool,
    },
    /// `www.example.*`: what precedes the asterisk, with its dot.
    Trailing(&'n [u8]),
}

impl<'n> HostName<'n> {
    /// Reads a name; `None` when it has an empty label, a NUL, or an asterisk that is not the
    /// whole first or last label.
    ///
    /// Source: `ngx_hash_add_key()`, nginx 1.31.5.
    pub fn parse(name: &'n [u8]) -> Option<Self> {
        let has_empty_label = name.windows(2).any(|pair| pair == b"..");
        let stars = name.iter().filter(|byte| **byte == b'*').count();
        if has_empty_label || name.contains(&0) || stars > 1 {
            return None;
        }
        match name {
            [b'.', _, ..] if stars == 0 => Some(Self::Leading {
                suffix: name,
                bare: true,
            }),
            [b'*', suffix @ ..] if suffix.len() > 1 && suffix[0] == b'.' => Some(Self::Leading {
                suffix,
                bare: false,
            }),
            [prefix @ .., b'*'] if prefix.len() > 1 && prefix.ends_with(b".") => {
                Some(Self::Trailing(prefix))
            }
            _ => (stars == 0).then_some(Self::Exact(name)),
        }
    }
}

/// Values by names of hosts.
#[derive(Clone, Debug)]
pub struct HostNames<V> {
    exact: HashMap<Box<[u8]>, V, BuildQuick>,
    leading: HashMap<Box<[u8]>, V, BuildQuick>,
    trailing: HashMap<Box<[u8]>, V, BuildQuick>,
}

impl<V> Default for HostNames<V> {
    fn default() -> Self {
        Self {
            exact: HashMap::default(),
            leading: HashMap::default(),
            trailing: HashMap::default(),
        }
    }
}

impl<V> HostNames<V> {
    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.leading.is_empty() && self.trailing.is_empty()
    }

    /// The value for `host`, in lower case: exact name, longest leading wildcard, longest
    /// trailing wildcard, in this order.
    pub fn find(&self, host: &[u8]) -> Option<&V> {
        if let Some(value) = self.exact.get(host) {
            return Some(value);
        }
        if !self.leading.is_empty() {
            let found = dots(host)
                .filter(|&at| at > 0)
                .find_map(|at| self.leading.get(&host[at..]));
            if found.is_some() {
                return found;
            }
        }
        if self.trailing.is_empty() {
            return None;
        }
        dots(host)
            .rev()
            .filter(|at| at + 1 < host.len())
            .find_map(|at| self.trailing.get(&host[..=at]))
    }
}

impl<V: Clone> HostNames<V> {
    /// Adds a name, in lower case; `false` when it is taken.
    pub fn insert(&mut self, name: HostName<'_>, value: V) -> bool {
        match name {
            HostName::Exact(name) => insert(&mut self.exact, name, value),
            HostName::Leading { suffix, bare } => {
                let bare_name = suffix.get(1..).filter(|_| bare);
                if bare_name.is_some_and(|name| !insert(&mut self.exact, name, value.clone())) {
                    return false;
                }
                insert(&mut self.leading, suffix, value)
            }
            HostName::Trailing(prefix) => insert(&mut self.trailing, prefix, value),
        }
    }
}

fn insert<V>(map: &mut HashMap<Box<[u8]>, V, BuildQuick>, key: &[u8], value: V) -> bool {
    use std::collections::hash_map::Entry;
    match map.entry(key.into()) {
        Entry::Occupied(_) => false,
        Entry::Vacant(free) => {
            free.insert(value);
            true
        }
    }
}

/// Where the dots of `host` are.
fn dots(host: &[u8]) -> impl DoubleEndedIterator<Item = usize> {
    host.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'.')
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_parse(name: &str, expected: Option<HostName<'_>>) {
        assert_eq!(HostName::parse(name.as_bytes()), expected, "{name}");
    }

    #[test]
    fn asterisks_stand_for_whole_labels_at_one_end() {
        let leading = |suffix: &'static str, bare| {
            let suffix = suffix.as_bytes();
            Some(HostName::Leading { suffix, bare })
        };
        check_parse("a.b", Some(HostName::Exact(b"a.b")));
        check_parse("", Some(HostName::Exact(b"")));
        check_parse(".a.b", leading(".a.b", true));
        check_parse("*.a", leading(".a", false));
        check_parse("a.*", Some(HostName::Trailing(b"a.")));
        for wrong in ["*", "*a", "*.", "a*", "a.*.b", "*.a.*", "a..b", ".*"] {
            check_parse(wrong, None);
        }
    }

    #[test]
    fn the_most_specific_name_wins() {
        let mut names = HostNames::default();
        for name in ["a.b", "*.b", "*.a.b", ".c", "www.*", "www.a.*"] {
            assert!(names.insert(HostName::parse(name.as_bytes()).unwrap(), name));
        }
        let find = |host: &str| names.find(host.as_bytes()).copied();
        assert_eq!(find("a.b"), Some("a.b"));
        assert_eq!(find("b"), None);
        assert_eq!(find("x.b"), Some("*.b"));
        assert_eq!(find("y.x.a.b"), Some("*.a.b"));
        assert_eq!(find("c"), Some(".c"));
        assert_eq!(find("x.c"), Some(".c"));
        assert_eq!(find("www.x"), Some("www.*"));
        assert_eq!(find("www.a.x"), Some("www.a.*"));
        assert_eq!(find("www."), None);
        assert_eq!(find("nothing"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut names = HostNames::default();
        let mut add = |name: &str| names.insert(HostName::parse(name.as_bytes()).unwrap(), ());
        assert!(add(".a"));
        assert!(!add("a"));
        assert!(!add("*.a"));
        assert!(add("a.*"));
        assert!(!add("a.*"));
    }
}
