//! The words after a task's name.

use std::str::FromStr;

/// Words not yet asked for.
pub(crate) struct Arguments {
    rest: Vec<String>,
}

impl Arguments {
    /// All words are still to be asked for.
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Self {
        Self {
            rest: words.collect(),
        }
    }

    /// Whether `--name` was given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.rest.len();
        self.rest.retain(|word| word != name);
        self.rest.len() < before
    }

    /// The word after `--name`.
    ///
    /// # Errors
    ///
    /// When `--name` is the last word.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>, String> {
        let Some(at) = self.rest.iter().position(|word| word == name) else {
            return Ok(None);
        };
        if at + 1 == self.rest.len() {
            return Err(format!("{name} needs a value"));
        }
        self.rest.remove(at);
        Ok(Some(self.rest.remove(at)))
    }

    /// The number after `--name`, or `default`.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub(crate) fn number<T: FromStr>(&mut self, name: &str, default: T) -> Result<T, String> {
        match self.value(name)? {
            None => Ok(default),
            Some(text) => text
                .parse()
                .map_err(|_| format!("{name} {text} is not a number")),
        }
    }

    /// The words after `--name`, separated by commas; empty when it was not given.
    ///
    /// # Errors
    ///
    /// As [`Arguments::value`].
    pub(crate) fn list(&mut self, name: &str) -> Result<Vec<String>, String> {
        let text = self.value(name)?.unwrap_or_default();
        Ok(text
            .split(',')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect())
    }

    /// All words left over.
    ///
    /// # Errors
    ///
    /// When one of them looks like a switch: nobody asked for it.
    pub(crate) fn names(&mut self) -> Result<Vec<String>, String> {
        if let Some(word) = self.rest.iter().find(|word| word.starts_with('-')) {
            return Err(format!("{word} means nothing here"));
        }
        Ok(std::mem::take(&mut self.rest))
    }

    /// Complains about words that no task asked for.
    ///
    /// # Errors
    ///
    /// When there is one.
    pub(crate) fn finish(&self) -> Result<(), String> {
        match self.rest.first() {
            None => Ok(()),
            Some(word) => Err(format!("{word} means nothing here, and was ignored")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(line: &str) -> Arguments {
        Arguments::new(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn switches_are_taken_out_and_names_remain() {
        let mut arguments = given("a --rows x,y --fast b --rounds 3");
        assert_eq!(arguments.list("--rows").unwrap(), ["x", "y"]);
        assert!(arguments.flag("--fast") && !arguments.flag("--slow"));
        assert_eq!(arguments.number("--rounds", 5), Ok(3));
        assert_eq!(arguments.number("--seconds", 5), Ok(5));
        assert_eq!(arguments.names().unwrap(), ["a", "b"]);
        assert!(arguments.finish().is_ok());
    }

    #[test]
    fn what_nobody_asked_for_is_an_error() {
        assert!(given("--odd").names().is_err());
        assert!(given("--odd").finish().is_err());
        assert!(given("--rows").value("--rows").is_err());
        assert!(given("--rounds many").number("--rounds", 1).is_err());
    }
}
