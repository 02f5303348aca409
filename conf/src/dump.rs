//! The configuration as `-T` prints it.

use std::os::unix::ffi::OsStrExt;

use crate::{FileKind, Tree};

/// Every file once, in the order of first reading, each behind a line that names it.
///
/// Source: `main()`, nginx 1.31.5.
#[must_use]
pub fn dump(tree: &Tree) -> Vec<u8> {
    let mut printed = Vec::new();
    for file in tree.files.iter().filter(|file| file.kind == FileKind::File) {
        printed.extend_from_slice(b"# configuration file ");
        printed.extend_from_slice(file.path.as_os_str().as_bytes());
        printed.extend_from_slice(b":\n");
        printed.extend_from_slice(&file.text);
        printed.push(b'\n');
    }
    printed
}
