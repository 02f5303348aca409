//! Where code that the compiler cannot check may stand, and what must stand beside it.

use super::{Findings, Page, Tree};
use crate::source;

/// The only folders with unsafe code.
const FOLDERS: [&str; 2] = ["sys/", "shm/"];

/// How far above an unsafe block its `SAFETY:` may stand, in lines.
const REACH: usize = 10;

/// Unsafe code stands in `sys` and `shm` alone, with its reason; every other crate forbids it.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    for page in tree.pages.iter().filter(|page| page.is_rust()) {
        let is_allowed = FOLDERS.iter().any(|folder| page.path.starts_with(folder));
        let is_root = page.path.ends_with("src/lib.rs") || page.path.ends_with("src/main.rs");
        if is_root && !is_allowed && !page.text.contains("#![forbid(unsafe_code)]") {
            findings.fault(&page.path, "no `#![forbid(unsafe_code)]`");
        }
        let code = source::code_only(&page.text);
        for at in source::word_starts(&code, "unsafe") {
            let line = code[..at].matches('\n').count();
            let place = format!("{}:{}", page.path, line + 1);
            if !is_allowed {
                findings.fault(&place, "unsafe code outside sys and shm");
            } else if needs_reason(&code[at..]) && !has_reason(page, line) {
                findings.fault(&place, "no `SAFETY:` above it");
            }
        }
    }
}

/// Whether what begins with `unsafe` here claims something: a block or an `impl`, not a `fn`.
fn needs_reason(code: &str) -> bool {
    let next = code["unsafe".len()..].trim_start();
    next.starts_with('{') || next.starts_with("impl")
}

/// Whether a reason stands on `line` (counted from 0) or closely above.
fn has_reason(page: &Page, line: usize) -> bool {
    let above = page
        .text
        .lines()
        .skip(line.saturating_sub(REACH))
        .take(line.min(REACH) + 1);
    above.into_iter().any(|text| text.contains("SAFETY:"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::faults;
    use super::*;

    #[test]
    fn unsafe_code_has_its_place_and_its_reason() {
        let of = |path, text| faults(check, &[(path, text)]).len();
        assert_eq!(
            of("sys/src/a.rs", "// SAFETY: x is open.\nunsafe { f(x) }"),
            0
        );
        assert_eq!(of("sys/src/a.rs", "unsafe { f(x) }"), 1);
        assert_eq!(of("sys/src/a.rs", "/// # Safety\npub unsafe fn f() {}"), 0);
        assert_eq!(of("base/src/a.rs", "// SAFETY: none\nunsafe { f(x) }"), 1);
        assert_eq!(of("base/src/a.rs", "// unsafe { f(x) }"), 0);
    }

    #[test]
    fn every_other_crate_forbids_it() {
        let of = |path, text| faults(check, &[(path, text)]).len();
        assert_eq!(of("base/src/lib.rs", "//! x\n"), 1);
        assert_eq!(of("base/src/lib.rs", "#![forbid(unsafe_code)]\n"), 0);
        assert_eq!(of("sys/src/lib.rs", "//! x\n"), 0);
    }
}
