//! What a file may not contain, whatever its language.

use super::{Findings, Page, Tree};
use crate::server_binary::repository;

/// Endings of files that are read as text by people.
const READ_BY_PEOPLE: [&str; 7] = [".rs", ".toml", ".md", ".sh", ".yml", ".conf", ".ci/run"];

/// Folders that exist on somebody's machine alone. Spelled in two pieces, since this file is
/// checked too.
const PRIVATE_FOLDERS: [&str; 4] = [
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/opt/", "oracle"),
    concat!("/", "home/"),
];

/// Headers, blanks, private paths, dead links.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let is_read = |page: &&Page| {
        READ_BY_PEOPLE
            .iter()
            .any(|ending| page.path.ends_with(ending))
    };
    for page in tree.pages.iter().filter(is_read) {
        if page.is_rust() && !page.text.starts_with("//! ") {
            findings.fault(&page.path, "does not begin with a `//!` header");
        }
        if !page.text.is_empty() && !page.text.ends_with('\n') {
            findings.fault(&page.path, "the last line has no end");
        }
        for (number, line) in (1..).zip(page.text.lines()) {
            check_line(findings, &format!("{}:{number}", page.path), line);
        }
        if page.path.ends_with(".md") {
            check_links(tree, findings, page);
        }
    }
}

fn check_line(findings: &mut Findings, place: &str, line: &str) {
    if line.contains('\t') {
        findings.fault(place, "a tab");
    }
    if line.ends_with([' ', '\r']) {
        findings.fault(place, "a blank at the end of the line");
    }
    for folder in PRIVATE_FOLDERS {
        // A folder of the repository may bear the same name deeper down.
        let is_private =
            |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
        if line.match_indices(folder).any(|(at, _)| is_private(at)) {
            findings.fault(place, format_args!("{folder} is a folder of one machine"));
        }
    }
}

/// Links to files of the repository lead somewhere.
fn check_links(tree: &Tree, findings: &mut Findings, page: &Page) {
    let folder = page.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let targets = page
        .text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    for target in targets {
        let path = target.split('#').next().unwrap_or_default();
        if path.is_empty() || path.contains(':') || path.contains(' ') {
            continue;
        }
        let path = resolve(folder, path);
        let is_folder = || {
            tree.pages
                .iter()
                .any(|other| other.path.starts_with(&format!("{path}/")))
        };
        if tree.text(&path).is_none() && !is_folder() && !repository().join(&path).exists() {
            findings.fault(
                &page.path,
                format_args!("the link to {target} leads nowhere"),
            );
        }
    }
}

/// `path` as seen from `folder`, from the root of the repository.
fn resolve(folder: &str, path: &str) -> String {
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in path.split('/') {
        match step {
            ".." => drop(steps.pop()),
            "." | "" => {}
            name => steps.push(name),
        }
    }
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::tests::faults;
    use super::*;

    #[test]
    fn text_is_clean() {
        let of = |path: &str, text: &str| faults(check, &[(path, text)]).len();
        assert_eq!(of("a.rs", "//! Header.\n"), 0);
        assert_eq!(of("a.rs", "// No header.\n"), 1);
        assert_eq!(of("a.md", "a\tb\n"), 1);
        assert_eq!(of("a.md", "a \nb"), 2);
        assert_eq!(
            of(
                "a.md",
                &format!(
                    "see {}x, not http{}x\n",
                    PRIVATE_FOLDERS[0], PRIVATE_FOLDERS[0]
                )
            ),
            1
        );
        assert_eq!(of("a.tsv", "a\tb \n"), 0);
    }

    #[test]
    fn links_lead_to_files_of_the_repository() {
        let page = "[a](../b.md#x) [c](https://x) [d](#e) [f](none.md)\n";
        let found = faults(check, &[("docs/a.md", page), ("b.md", "")]);
        assert_eq!(found, ["docs/a.md: the link to none.md leads nowhere"]);
    }
}
