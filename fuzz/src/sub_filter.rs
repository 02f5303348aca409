//! Strings replaced in text.

use crate::pieces;
use http_modules::pure::editor::{Editor, Patterns};
use std::rc::Rc;

/// Replaces the strings that the first line of `data` has between bars in the rest of it, at
/// once and in pieces.
///
/// # Panics
///
/// When the pieces matter, or a search that looks everywhere finds something else.
pub fn sub_filter(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (line, text) = data.split_at(end.unwrap_or(0));
    let patterns: Vec<&[u8]> = line.split(|byte| *byte == b'|').take(255).collect();
    for once in [false, true] {
        let expected = search(&patterns, text, once);
        assert_eq!(edit(&patterns, text, once, &[text.len()]), expected);
        assert_eq!(
            edit(&patterns, text, once, &pieces::cuts(text)),
            expected,
            "in pieces"
        );
    }
}

/// What stands for pattern `number`.
fn replace(number: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("<{number}>").as_bytes());
}

fn edit(patterns: &[&[u8]], text: &[u8], once: bool, cuts: &[usize]) -> Vec<u8> {
    let patterns = Patterns::new(patterns.iter().copied());
    let mut editor = Editor::new(Rc::new(patterns), once);
    let (mut out, mut at) = (Vec::new(), 0);
    for &cut in cuts {
        editor.feed(&text[at..cut], &mut out, replace);
        at = cut;
    }
    editor.end(&mut out, replace);
    out
}

/// Looks for every pattern at every place.
fn search(patterns: &[&[u8]], text: &[u8], once: bool) -> Vec<u8> {
    let mut left: Vec<Option<&[u8]>> = patterns.iter().copied().map(Some).collect();
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((&byte, after)) = rest.split_first() {
        let found = left.iter().enumerate().find_map(|(number, pattern)| {
            let pattern = pattern.filter(|pattern| !pattern.is_empty())?;
            let here = rest.get(..pattern.len())?;
            here.eq_ignore_ascii_case(pattern)
                .then_some((number, pattern.len()))
        });
        match found {
            Some((number, len)) => {
                replace(number, &mut out);
                rest = &rest[len..];
                if once {
                    left[number] = None;
                }
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}
