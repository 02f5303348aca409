//! Finds the location of a URI among those of one level.

use engine::Pattern;

/// The locations of a server, or of a location that has some, by number of their level.
#[derive(Default)]
pub struct LocationTree {
    exact: Names,
    /// Sorted by prefix.
    prefixes: Vec<PrefixEntry>,
    patterns: Vec<(Pattern, u32)>,
    /// What ends with a slash, without it.
    slashed: Names,
}

/// Levels by name, sorted.
#[derive(Default)]
struct Names(Vec<(Box<[u8]>, u32)>);

impl Names {
    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (**known).cmp(name))
    }

    fn get(&self, name: &[u8]) -> Option<u32> {
        Some(self.0[self.find(name).ok()?].1)
    }

    /// Gives `false` when there is one of that name, which stays.
    fn add(&mut self, name: &[u8], level: u32) -> bool {
        let place = self.find(name);
        if let Err(at) = place {
            self.0.insert(at, (name.into(), level));
        }
        place.is_err()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

struct PrefixEntry {
    prefix: Box<[u8]>,
    level: u32,
    is_final: bool,
    /// The longest other prefix that this one starts with.
    shorter: Option<usize>,
}

/// The longest prefix that a URI starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixMatch {
    /// Its level.
    pub level: u32,
    /// Whether regular expressions are not tried.
    pub is_final: bool,
}

impl LocationTree {
    /// Adds `location = uri`; `false` when there is one.
    pub fn add_exact(&mut self, uri: &[u8], level: u32) -> bool {
        self.exact.add(uri, level)
    }

    /// Adds `location prefix`; `false` when there is one.
    pub fn add_prefix(&mut self, prefix: &[u8], level: u32, is_final: bool) -> bool {
        let at = self
            .prefixes
            .partition_point(|entry| *entry.prefix < *prefix);
        if self
            .prefixes
            .get(at)
            .is_some_and(|entry| *entry.prefix == *prefix)
        {
            return false;
        }
        let entry = PrefixEntry {
            prefix: prefix.into(),
            level,
            is_final,
            shorter: None,
        };
        self.prefixes.insert(at, entry);
        true
    }

    /// Adds `location ~ pattern`.
    pub fn add_pattern(&mut self, pattern: Pattern, level: u32) {
        self.patterns.push((pattern, level));
    }

    /// Links prefixes, once all are added.
    pub fn link(&mut self) {
        for at in 1..self.prefixes.len() {
            let mut candidate = Some(at - 1);
            while let Some(shorter) = candidate {
                if self.prefixes[at]
                    .prefix
                    .starts_with(&self.prefixes[shorter].prefix)
                {
                    break;
                }
                candidate = self.prefixes[shorter].shorter;
            }
            self.prefixes[at].shorter = candidate;
        }
        let prefixes = self
            .prefixes
            .iter()
            .map(|entry| (&entry.prefix, entry.level));
        let exact = self.exact.0.iter().map(|(name, level)| (name, *level));
        for (name, level) in prefixes.chain(exact) {
            if let Some(name) = name.strip_suffix(b"/") {
                self.slashed.add(name, level);
            }
        }
    }

    /// The level of `location = uri`.
    pub fn exact(&self, uri: &[u8]) -> Option<u32> {
        self.exact.get(uri)
    }

    /// The longest prefix of `uri`.
    pub fn longest_prefix(&self, uri: &[u8]) -> Option<PrefixMatch> {
        // Everything that is a prefix of `uri` sorts before it, and the longest such prefix
        // is the nearest one below or a shorter prefix of that.
        let mut candidate = self.prefixes.partition_point(|entry| *entry.prefix <= *uri);
        candidate = candidate.checked_sub(1)?;
        loop {
            let entry = &self.prefixes[candidate];
            if uri.starts_with(&entry.prefix) {
                return Some(PrefixMatch {
                    level: entry.level,
                    is_final: entry.is_final,
                });
            }
            candidate = entry.shorter?;
        }
    }

    /// Patterns in the order of the file.
    pub fn patterns(&self) -> &[(Pattern, u32)] {
        &self.patterns
    }

    /// The level of `location uri/`, or of `location = uri/`, for redirects that add a slash.
    pub fn with_slash(&self, uri: &[u8]) -> Option<u32> {
        self.slashed.get(uri)
    }

    /// Whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty() && self.patterns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(prefixes: &[&str]) -> LocationTree {
        let mut tree = LocationTree::default();
        for (prefix, level) in prefixes.iter().zip(0..) {
            assert!(tree.add_prefix(prefix.as_bytes(), level, false));
        }
        tree.link();
        tree
    }

    /// The binary search gives what trying every prefix gives.
    #[test]
    fn longest_prefix_wins_in_any_mix() {
        let prefixes = [
            "/", "/a", "/a/", "/ab", "/a/b/c", "/b", "/a/b", "/abc/d", "/z/z",
        ];
        let tree = tree(&prefixes);
        let uris = [
            "/", "/a", "/aa", "/a/", "/a/b", "/a/b/cc", "/a/b/d", "/ab", "/abb", "/abc/d/e",
            "/abc/e", "/b/c", "/z", "/z/zz", "/zz", "x", "",
        ];
        for uri in uris {
            let best = prefixes
                .iter()
                .enumerate()
                .filter(|(_, prefix)| uri.starts_with(**prefix))
                .max_by_key(|(_, prefix)| prefix.len())
                .map(|(at, _)| u32::try_from(at).unwrap());
            let got = tree.longest_prefix(uri.as_bytes()).map(|found| found.level);
            assert_eq!(got, best, "{uri}");
        }
    }

    #[test]
    fn a_missing_slash_is_noticed() {
        let tree = tree(&["/a/", "/a-b", "/a"]);
        assert_eq!(tree.with_slash(b"/a"), Some(0));
        assert_eq!(tree.with_slash(b"/b"), None);
    }

    #[test]
    fn duplicates_are_refused() {
        let mut tree = tree(&["/a"]);
        assert!(!tree.add_prefix(b"/a", 9, true));
        assert!(tree.add_exact(b"/a", 9));
        assert!(!tree.add_exact(b"/a", 9));
    }
}
