//! The rules of this repository that no compiler knows: layers, rooms, sizes, text.

mod layers;
mod rooms;
mod sizes;
mod text;
mod unsafety;

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Outcome;
use crate::arguments::Arguments;
use crate::manifest::{self, Entry};
use crate::server_binary::{self, repository};

/// A file of the repository.
struct Page {
    /// From the root of the repository.
    path: String,
    text: String,
}

impl Page {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Everything that the checks look at.
struct Tree {
    pages: Vec<Page>,
    /// `xtask/tidy.toml`: exceptions, each with its reason.
    exceptions: Vec<Entry>,
}

impl Tree {
    /// Reads every text file that git knows or would add.
    fn read(root: &Path) -> Result<Self, String> {
        let list = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root)
            .output()
            .map_err(|error| format!("git: {error}"))?;
        if !list.status.success() {
            return Err("git ls-files failed".to_owned());
        }
        let names = String::from_utf8_lossy(&list.stdout).into_owned();
        let page = |path: &str| {
            let text = fs::read_to_string(root.join(path)).ok()?;
            Some(Page {
                path: path.to_owned(),
                text,
            })
        };
        let pages: Vec<Page> = names.split('\0').filter_map(page).collect();
        let exceptions = pages.iter().find(|page| page.path == "xtask/tidy.toml");
        let exceptions = exceptions.map_or_else(Vec::new, |page| manifest::parse(&page.text));
        Ok(Self { pages, exceptions })
    }

    /// The text of the file at `path`.
    fn text(&self, path: &str) -> Option<&str> {
        self.pages
            .iter()
            .find(|page| page.path == path)
            .map(|page| page.text.as_str())
    }

    /// The exception for `key` in `section` of `tidy.toml`.
    fn exception(&self, section: &str, key: &str) -> Option<&str> {
        let is_wanted = |entry: &&Entry| entry.section == section && entry.key == key;
        self.exceptions
            .iter()
            .find(is_wanted)
            .map(|entry| entry.value.as_str())
    }
}

/// What the checks have to say.
#[derive(Default)]
struct Findings {
    /// Broken rules.
    faults: Vec<String>,
    /// Sizes worth a look, which are no faults yet.
    remarks: Vec<String>,
}

impl Findings {
    fn fault(&mut self, place: &str, what: impl std::fmt::Display) {
        self.faults.push(format!("{place}: {what}"));
    }

    fn remark(&mut self, place: &str, what: impl std::fmt::Display) {
        self.remarks.push(format!("{place}: {what}"));
    }
}

/// `cargo xtask tidy`; with `--sizes` also what is longer than it should be and not yet too long.
pub(crate) fn run(arguments: &mut Arguments) -> Outcome {
    let shows_sizes = arguments.flag("--sizes");
    let findings = examine(repository())?;
    if shows_sizes {
        findings.remarks.iter().for_each(|line| println!("{line}"));
    }
    conclude(&findings)
}

/// Checks the repository and prints the faults.
pub(crate) fn check() -> Outcome {
    conclude(&examine(repository())?)
}

/// All findings about the repository at `root`.
fn examine(root: &Path) -> Result<Findings, String> {
    let tree = Tree::read(root)?;
    let mut findings = Findings::default();
    layers::check(&tree, &mut findings);
    rooms::check(&tree, &mut findings);
    sizes::check(&tree, &mut findings);
    text::check(&tree, &mut findings);
    unsafety::check(&tree, &mut findings);
    check_documented(&tree, &mut findings);
    Ok(findings)
}

fn conclude(findings: &Findings) -> Outcome {
    findings.faults.iter().for_each(|line| println!("{line}"));
    match findings.faults.len() {
        0 => Ok(()),
        count => Err(format!("{count} rules broken")),
    }
}

/// Every directive that the server implements stands in the reference, once there is one and a
/// server has been built.
fn check_documented(tree: &Tree, findings: &mut Findings) {
    const REFERENCE: &str = "docs/directives.md";
    let Some(reference) = tree.text(REFERENCE) else {
        return;
    };
    let table = server_binary::find(None)
        .and_then(|binary| server_binary::table(&binary, "--list-directives"));
    let Ok(directives) = table else {
        findings.remark(
            REFERENCE,
            "not compared: no server that lists its directives is built",
        );
        return;
    };
    let names = directives.iter().filter_map(|row| row.first());
    for name in names.filter(|name| !reference.contains(&format!("`{name}`"))) {
        findings.fault(REFERENCE, format_args!("`{name}` is missing"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A repository that consists of `pages`.
    pub(super) fn tree(pages: &[(&str, &str)]) -> Tree {
        let page = |&(path, text): &(&str, &str)| Page {
            path: path.into(),
            text: text.into(),
        };
        let pages: Vec<Page> = pages.iter().map(page).collect();
        let exceptions = pages.iter().find(|page| page.path == "xtask/tidy.toml");
        let exceptions = exceptions.map_or_else(Vec::new, |page| manifest::parse(&page.text));
        Tree { pages, exceptions }
    }

    /// The faults that `check` finds in a repository of `pages`.
    pub(super) fn faults(check: fn(&Tree, &mut Findings), pages: &[(&str, &str)]) -> Vec<String> {
        let mut findings = Findings::default();
        check(&tree(pages), &mut findings);
        findings.faults
    }

    #[test]
    fn the_repository_can_be_read() {
        let tree = Tree::read(repository()).unwrap();
        assert!(
            tree.text("xtask/src/main.rs")
                .is_some_and(|text| text.starts_with("//!"))
        );
    }
}
