//! Replaces strings in a text that comes in pieces.

use std::rc::Rc;

/// The strings to look for. ASCII case does not matter.
#[derive(Clone, Debug)]
pub struct Patterns {
    /// In lower case, none of them empty.
    patterns: Vec<Box<[u8]>>,
    /// Bytes that one of them begins with, in both cases.
    first: Box<[bool; 256]>,
    /// The same, where they are few.
    few: Option<Vec<u8>>,
}

impl Patterns {
    /// Patterns by their order: of several that match at one place, the first is replaced.
    /// Empty ones match nothing.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let patterns: Vec<Box<[u8]>> = patterns
            .into_iter()
            .map(|pattern| pattern.to_ascii_lowercase().into())
            .collect();
        let mut first = Box::new([false; 256]);
        let mut bytes = Vec::new();
        for byte in patterns.iter().filter_map(|pattern| pattern.first()) {
            for byte in [*byte, byte.to_ascii_uppercase()] {
                if !std::mem::replace(&mut first[usize::from(byte)], true) {
                    bytes.push(byte);
                }
            }
        }
        Self {
            patterns,
            first,
            few: (bytes.len() <= 3).then_some(bytes),
        }
    }

    /// The first place from `from` where a pattern may begin.
    fn candidate(&self, text: &[u8], from: usize) -> Option<usize> {
        let rest = text.get(from..)?;
        let found = match self.few.as_deref() {
            Some([]) => None,
            Some([a]) => memchr::memchr(*a, rest),
            Some([a, b]) => memchr::memchr2(*a, *b, rest),
            Some([a, b, c]) => memchr::memchr3(*a, *b, *c, rest),
            _ => rest.iter().position(|byte| self.first[usize::from(*byte)]),
        };
        found.map(|at| from + at)
    }
}

/// How a pattern fits the beginning of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    No,
    /// As far as the text goes.
    SoFar,
    Whole,
}

fn fit(pattern: &[u8], text: &[u8]) -> Fit {
    let len = pattern.len().min(text.len());
    if pattern.is_empty() || !text[..len].eq_ignore_ascii_case(&pattern[..len]) {
        Fit::No
    } else if len < pattern.len() {
        Fit::SoFar
    } else {
        Fit::Whole
    }
}

/// Edits one text. What may be the beginning of a pattern waits for what follows.
#[derive(Debug)]
pub struct Editor {
    patterns: Rc<Patterns>,
    /// Whether each pattern is replaced at its first place only.
    once: bool,
    /// Which patterns were replaced and are not looked for any more.
    done: Vec<bool>,
    held: Vec<u8>,
}

impl Editor {
    /// An editor of a text that has not begun.
    pub fn new(patterns: Rc<Patterns>, once: bool) -> Self {
        let done = vec![false; patterns.patterns.len()];
        Self {
            patterns,
            once,
            done,
            held: Vec::new(),
        }
    }

    /// Whether all that follows stays as it is.
    pub fn is_done(&self) -> bool {
        self.held.is_empty() && self.done.iter().all(|done| *done)
    }

    /// Appends the next piece of the text to `out`, edited; `replace` appends what stands for
    /// the pattern of that number.
    pub fn feed(
        &mut self,
        piece: &[u8],
        out: &mut Vec<u8>,
        replace: impl FnMut(usize, &mut Vec<u8>),
    ) {
        if self.held.is_empty() {
            let at = self.edit(piece, out, false, replace);
            self.held.extend_from_slice(&piece[at..]);
        } else {
            let mut text = std::mem::take(&mut self.held);
            text.extend_from_slice(piece);
            let at = self.edit(&text, out, false, replace);
            text.drain(..at);
            self.held = text;
        }
    }

    /// Appends what is still held to `out`: the text has ended.
    pub fn end(&mut self, out: &mut Vec<u8>, replace: impl FnMut(usize, &mut Vec<u8>)) {
        let text = std::mem::take(&mut self.held);
        self.edit(&text, out, true, replace);
    }

    /// Edits `text` as far as that can be decided, and gives how far.
    fn edit(
        &mut self,
        text: &[u8],
        out: &mut Vec<u8>,
        is_last: bool,
        mut replace: impl FnMut(usize, &mut Vec<u8>),
    ) -> usize {
        let patterns = Rc::clone(&self.patterns);
        let (mut copied, mut at) = (0, 0);
        while let Some(place) = patterns.candidate(text, at) {
            at = place + 1;
            for (number, pattern) in patterns.patterns.iter().enumerate() {
                if self.done[number] {
                    continue;
                }
                match fit(pattern, &text[place..]) {
                    Fit::SoFar if !is_last => {
                        out.extend_from_slice(&text[copied..place]);
                        return place;
                    }
                    Fit::Whole => {
                        out.extend_from_slice(&text[copied..place]);
                        replace(number, out);
                        self.done[number] = self.once;
                        at = place + pattern.len();
                        copied = at;
                        break;
                    }
                    Fit::No | Fit::SoFar => {}
                }
            }
        }
        out.extend_from_slice(&text[copied..]);
        text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(patterns: &[&str], once: bool, pieces: &[&[u8]]) -> String {
        let patterns = Patterns::new(patterns.iter().map(|p| p.as_bytes()));
        let mut editor = Editor::new(Rc::new(patterns), once);
        let mut out = Vec::new();
        let replace =
            |number: usize, out: &mut Vec<u8>| out.extend(format!("<{number}>").into_bytes());
        for piece in pieces {
            editor.feed(piece, &mut out, replace);
        }
        editor.end(&mut out, replace);
        String::from_utf8(out).unwrap()
    }

    /// Checks a text whole, in every two pieces, and byte by byte.
    #[track_caller]
    fn check(patterns: &[&str], once: bool, text: &str, expected: &str) {
        let bytes = text.as_bytes();
        assert_eq!(edit(patterns, once, &[bytes]), expected, "whole");
        for cut in 0..=bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(
                edit(patterns, once, &[first, second]),
                expected,
                "cut at {cut}"
            );
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(edit(patterns, once, &single), expected, "byte by byte");
    }

    #[test]
    fn every_place_or_the_first() {
        check(&["foo"], false, "foofofoo fo", "<0>fo<0> fo");
        check(&["foo"], true, "foofofoo", "<0>fofoo");
        check(&["FoO"], false, "fOo Foo", "<0> <0>");
        check(&["a"], false, "banana", "b<0>n<0>n<0>");
        check(&["foo"], false, "", "");
    }

    #[test]
    fn several_patterns() {
        check(&["aab", "yyz"], false, "aaab yyyz ab", "a<0> y<1> ab");
        check(&["aabb", "aaabb"], false, "aabb aaabb", "<0> <1>");
        check(&["ab", "abc", "b"], false, "abcb", "<0>c<2>");
        check(&["abc", "ab"], false, "abab abc", "<1><1> <0>");
        check(&["a", "b"], true, "abab", "<0><1>ab");
        check(
            &["a", "b", "c", "d", "e"],
            false,
            "xeDcba",
            "x<4><3><2><1><0>",
        );
        check(&["", "a"], false, "aa", "<1><1>");
    }

    #[test]
    fn beginnings_that_lead_nowhere_are_not_lost() {
        check(&["aaab"], false, "aaaaaab aaa", "aaa<0> aaa");
        check(
            &["0123456789"],
            false,
            "0120123456789012345678",
            "012<0>012345678",
        );
        check(&["abcd", "bc"], false, "abc", "a<1>");
    }

    #[test]
    fn the_rest_stays_when_all_were_replaced() {
        let patterns = Rc::new(Patterns::new([&b"a"[..]]));
        let mut editor = Editor::new(patterns, true);
        assert!(!editor.is_done());
        editor.feed(b"xa", &mut Vec::new(), |_, _| {});
        assert!(editor.is_done());
    }
}
