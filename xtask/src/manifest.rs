//! Just enough of TOML to read this workspace's manifests and `tidy.toml`.
//!
//! Sections, `key = value` with the value on one line or in brackets over several, comments.

/// One `key = value` and the section it stands in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// `package.metadata` of `[package.metadata]`.
    pub(crate) section: String,
    /// The key as written, without quotes.
    pub(crate) key: String,
    /// The value as written, without the quotes of a string.
    pub(crate) value: String,
}

/// All entries of `text`, in order.
pub(crate) fn parse(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut section = String::new();
    let mut lines = text.lines().map(without_comment);
    while let Some(line) = lines.next() {
        let line = line.trim();
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.trim_matches(['[', ']']).clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let mut value = value.trim().to_owned();
            while value.matches('[').count() > value.matches(']').count() {
                let Some(next) = lines.next() else { break };
                value.push_str(next.trim());
            }
            entries.push(Entry {
                section: section.clone(),
                key: key.trim().trim_matches('"').to_owned(),
                value: value.trim_matches('"').to_owned(),
            });
        }
    }
    entries
}

/// `line` without a comment, unless the `#` stands in a string.
fn without_comment(line: &str) -> &str {
    let is_outside = |at: &usize| line[..*at].matches('"').count().is_multiple_of(2);
    let start = line.match_indices('#').map(|(at, _)| at).find(is_outside);
    start.map_or(line, |at| &line[..at])
}

/// The string under `key` in an inline table `{ key = "...", ... }`.
pub(crate) fn inline<'a>(value: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = value.split_once(&format!("{key} = \""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_arrays_and_comments_are_understood() {
        let entries = parse(
            "[a.b] # c\nx = \"1#2\" # y\nlist = [\n  \"p\", # q\n  \"r\",\n]\n[[d]]\n\"k\" = 3\n",
        );
        let shown: Vec<String> = entries
            .iter()
            .map(|e| format!("{}/{}/{}", e.section, e.key, e.value))
            .collect();
        assert_eq!(shown, ["a.b/x/1#2", "a.b/list/[\"p\",\"r\",]", "d/k/3"]);
    }

    #[test]
    fn inline_tables_are_looked_into() {
        assert_eq!(
            inline("{ path = \"base\", package = \"tidegate-base\" }", "path"),
            Some("base")
        );
        assert_eq!(inline("{ version = \"1\" }", "path"), None);
    }
}
