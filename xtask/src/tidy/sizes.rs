//! Files and functions that one can read in a sitting.

use super::{Findings, Tree};
use crate::source;

/// Lengths in lines of code: worth a remark from the first on, a fault beyond the second.
const FILE: [usize; 2] = [500, 800];
const FUNCTION: [usize; 2] = [70, 120];

/// Measures every file and function. `[long]` of `tidy.toml` holds what may be longer, and how
/// long: `"path" = "900: reason"` or `"path::function" = "150: reason"`. The number may shrink.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for page in tree.pages.iter().filter(|page| page.is_rust()) {
        let code = source::code_only(&page.text);
        let code = source::without_tests(&code);
        judge(
            tree,
            findings,
            &page.path,
            &page.path,
            source::code_lines(code),
            FILE,
        );
        for function in source::functions(code) {
            let place = format!("{}:{}", page.path, function.line);
            let key = format!("{}::{}", page.path, function.name);
            judge(tree, findings, &place, &key, function.length, FUNCTION);
        }
    }
}

/// Compares one length with its limits, or with its own exception called `key`.
fn judge(
    tree: &Tree,
    findings: &mut Findings,
    place: &str,
    key: &str,
    length: usize,
    limits: [usize; 2],
) {
    let [remark, fault] = limits;
    let granted = tree
        .exception("long", key)
        .map(|value| value.split(':').next().unwrap_or(""));
    let most = granted
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(fault);
    if length > most {
        findings.fault(
            place,
            format_args!("{length} lines of code, {most} at most"),
        );
    } else if length > remark {
        findings.remark(
            place,
            format_args!("{length} lines of code; aim for less than {remark}"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{faults, tree};
    use super::*;

    #[test]
    fn long_functions_and_files_are_faults_and_longish_ones_remarks() {
        let function = |lines: usize| format!("fn f() {{\n{}}}\n", "x;\n".repeat(lines - 2));
        let judged = |text: &str| {
            let mut findings = Findings::default();
            check(&tree(&[("a.rs", text)]), &mut findings);
            (findings.remarks.len(), findings.faults.len())
        };
        assert_eq!(judged(&function(70)), (0, 0));
        assert_eq!(judged(&function(71)), (1, 0));
        assert_eq!(judged(&function(120)), (1, 0));
        assert_eq!(judged(&function(121)), (0, 1));
        assert_eq!(judged(&"use x;\n".repeat(801)), (0, 1));
        assert_eq!(judged(&"// x\n\n".repeat(801)), (0, 0));
    }

    #[test]
    fn an_exception_is_a_number_that_may_not_grow() {
        let text = "use x;\n".repeat(900);
        let with =
            |exception: &str| faults(check, &[("a.rs", &text), ("xtask/tidy.toml", exception)]);
        assert_eq!(with("[long]\n\"a.rs\" = \"900: a table\""), [""; 0]);
        assert_eq!(with("[long]\n\"a.rs\" = \"899: a table\"").len(), 1);
    }
}
