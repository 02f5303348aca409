//! Tests that cannot run here, counted.
//!
//! `cargo test` knows no test that skips itself, and hides what a passing one prints. So each
//! skip leaves a line in `target/skipped-tests`, which `cargo xtask test` shows and counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;

use crate::binary;

/// The file of skipped tests: a line each, `TEST<TAB>REASON`.
///
/// # Errors
///
/// A sentence, when this executable is not in a target folder.
pub fn record_file() -> Result<PathBuf, String> {
    binary::target_folder().map(|target| target.join("skipped-tests"))
}

/// Says that the running test is skipped, and why. The test must then return.
pub fn skip(reason: &str) {
    let thread = thread::current();
    skip_test(thread.name().unwrap_or("?"), reason);
}

/// The same of `test`, which has no thread of its own that bears its name.
pub fn skip_test(test: &str, reason: &str) {
    eprintln!("skipped: {test}: {reason}");
    if let Err(error) = append(&format!("{test}\t{reason}\n")) {
        eprintln!("the skip could not be counted: {error}");
    }
}

/// Adds `line` in one write, since tests of several processes may do so at once.
fn append(line: &str) -> io::Result<()> {
    let path = record_file().map_err(io::Error::other)?;
    let mut file: File = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(line.as_bytes())
}
