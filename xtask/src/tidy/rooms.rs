//! A module's file and its line in the list of its subsystem come and go together.

use std::collections::BTreeSet;

use super::{Findings, Tree};
use crate::source;

/// Compares the files of each `modules/SUBSYSTEM/src` with its `lib.rs`: a `mod` line for every
/// file, a file for every `mod` line, and a use of every room in the list. `[unlisted]` of
/// `tidy.toml` names files that are no rooms: `"modules/http/src/x.rs" = "reason"`.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let lists = tree
        .pages
        .iter()
        .filter(|page| page.path.starts_with("modules/") && page.path.ends_with("/src/lib.rs"));
    for list in lists {
        let folder = list.path.trim_end_matches("lib.rs");
        let files = rooms_in(tree, folder);
        let code = source::code_only(&list.text);
        let declared = declared_in(&code);
        for room in declared.difference(&files) {
            findings.fault(&list.path, format_args!("`mod {room};` has no file"));
        }
        for room in files.difference(&declared) {
            findings.fault(
                &list.path,
                format_args!("no `mod {room};` for {folder}{room}"),
            );
        }
        for room in files.intersection(&declared) {
            let path = format!("{folder}{room}.rs");
            let is_listed = code.contains(&format!("{room}::"));
            if !is_listed && tree.exception("unlisted", &path).is_none() {
                findings.fault(&list.path, format_args!("{room} is not in the list"));
            }
        }
    }
}

/// The modules for which `folder` holds a file, or a folder with a `mod.rs`.
fn rooms_in(tree: &Tree, folder: &str) -> BTreeSet<String> {
    let names = tree
        .pages
        .iter()
        .filter_map(|page| page.path.strip_prefix(folder));
    names
        .filter_map(|name| {
            name.strip_suffix("/mod.rs")
                .or_else(|| name.strip_suffix(".rs"))
        })
        .filter(|name| !name.contains('/') && *name != "lib")
        .map(str::to_owned)
        .collect()
}

/// The modules that `code` declares.
fn declared_in(code: &str) -> BTreeSet<String> {
    source::word_starts(code, "mod")
        .filter_map(|at| code[at + 3..].split_once(';'))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::faults;
    use super::*;

    fn check_list(list: &str, files: &[&str]) -> Vec<String> {
        let mut pages = vec![("modules/http/src/lib.rs", list)];
        pages.extend(files.iter().map(|&path| (path, "")));
        faults(check, &pages)
    }

    #[test]
    fn file_mod_line_and_list_go_together() {
        let list = "mod gzip;\nmod ssi;\nstatic M: &[&M] = &[&gzip::MODULE, &ssi::MODULE];";
        let (gzip, ssi) = ("modules/http/src/gzip.rs", "modules/http/src/ssi/mod.rs");
        assert_eq!(
            check_list(list, &[gzip, ssi, "modules/http/src/ssi/parser.rs"]),
            [""; 0]
        );
        assert!(check_list(list, &[gzip])[0].ends_with("`mod ssi;` has no file"));
        assert!(check_list("mod ssi;\n[&ssi::M]", &[gzip, ssi])[0].contains("no `mod gzip;`"));
        assert!(check_list("mod gzip;\n// gzip::MODULE", &[gzip])[0].contains("not in the list"));
    }
}
