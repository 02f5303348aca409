//! What pages remember: variables, blocks and captures, common to a page and all that is
//! included in it.

use engine::Pattern;
use engine::variable::VariableNames;
use std::cell::RefCell;
use std::collections::HashMap;

/// The memory of a main request.
#[derive(Default)]
pub(super) struct Memory {
    /// By name in lower case.
    variables: RefCell<HashMap<Vec<u8>, Vec<u8>>>,
    /// Names and texts, in their order.
    blocks: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    /// Groups of the last match; the first is the whole match.
    captures: RefCell<Vec<Vec<u8>>>,
}

impl Memory {
    /// Appends the value of a variable or, for a digit, of a capture to `out`; `false` when
    /// there is none.
    pub(super) fn write(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        if let [digit @ b'0'..=b'9'] = name
            && let Some(value) = self.captures.borrow().get(usize::from(digit - b'0'))
        {
            out.extend_from_slice(value);
            return true;
        }
        match self.variables.borrow().get(&name.to_ascii_lowercase()) {
            Some(value) => {
                out.extend_from_slice(value);
                true
            }
            None => false,
        }
    }

    /// Gives a variable a value.
    pub(super) fn set(&self, name: &[u8], value: Vec<u8>) {
        let mut variables = self.variables.borrow_mut();
        variables.insert(name.to_ascii_lowercase(), value);
    }

    /// Makes a variable empty if it has no value.
    pub(super) fn define(&self, name: &[u8]) {
        let mut variables = self.variables.borrow_mut();
        variables.entry(name.to_ascii_lowercase()).or_default();
    }

    /// Begins a block.
    pub(super) fn begin_block(&self, name: &[u8]) {
        self.blocks.borrow_mut().push((name.to_vec(), Vec::new()));
    }

    /// Appends to the block that was begun last.
    pub(super) fn extend_block(&self, text: &[u8]) {
        if let Some((_, block)) = self.blocks.borrow_mut().last_mut() {
            block.extend_from_slice(text);
        }
    }

    /// The text of a block.
    pub(super) fn block(&self, name: &[u8]) -> Option<Vec<u8>> {
        let blocks = self.blocks.borrow();
        let found = blocks.iter().find(|(known, _)| known == name);
        found.map(|(_, text)| text.clone())
    }

    /// Whether `subject` matches the regular expression `text`; then its groups become captures
    /// and variables.
    ///
    /// # Errors
    ///
    /// What is wrong with the expression.
    pub(super) fn matches(&self, text: &[u8], subject: &[u8]) -> Result<bool, String> {
        let mut names = VariableNames::default();
        let pattern = Pattern::compile(text, false, &mut names)
            .map_err(|refused| refused.message().to_owned())?;
        let mut groups = Vec::new();
        match pattern.captures(subject, &mut groups) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(_) => {
                let shown = String::from_utf8_lossy(text);
                return Err(format!(
                    "match of \"{shown}\" was given up after too many steps"
                ));
            }
        }
        let values = groups.iter().map(|group| {
            let found = group.and_then(|(start, end)| subject.get(start..end));
            found.unwrap_or_default().to_vec()
        });
        let values: Vec<Vec<u8>> = values.collect();
        for &(group, id) in pattern.names() {
            let name = names.iter().find(|(known, _)| *known == id);
            if let (Some((_, name)), Some(value)) = (name, values.get(group)) {
                self.set(name, value.clone());
            }
        }
        self.captures.replace(values);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(memory: &Memory, name: &str, expected: Option<&str>) {
        let mut out = Vec::new();
        let found = memory.write(name.as_bytes(), &mut out).then_some(out);
        assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{name}");
    }

    #[test]
    fn variables_are_known_in_any_case() {
        let memory = Memory::default();
        memory.set(b"Name", b"1".to_vec());
        memory.define(b"name");
        memory.define(b"other");
        check(&memory, "nAME", Some("1"));
        check(&memory, "other", Some(""));
        check(&memory, "third", None);
    }

    #[test]
    fn captures_stay_until_the_next_match() {
        let memory = Memory::default();
        check(&memory, "0", None);
        assert_eq!(memory.matches(b"^(?<first>.)(x)?(.)$", b"ab"), Ok(true));
        assert_eq!(memory.matches(b"^c", b"ab"), Ok(false));
        assert!(memory.matches(b"(", b"ab").is_err());
        check(&memory, "0", Some("ab"));
        check(&memory, "1", Some("a"));
        check(&memory, "2", Some(""));
        check(&memory, "3", Some("b"));
        check(&memory, "4", None);
        check(&memory, "first", Some("a"));
    }

    #[test]
    fn of_two_blocks_of_one_name_the_first_is_found() {
        let memory = Memory::default();
        memory.begin_block(b"a");
        memory.extend_block(b"1");
        memory.extend_block(b"2");
        memory.begin_block(b"a");
        memory.extend_block(b"3");
        assert_eq!(memory.block(b"a").as_deref(), Some(&b"12"[..]));
        assert_eq!(memory.block(b"b"), None);
    }
}
