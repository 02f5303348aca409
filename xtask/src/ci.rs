//! What a change must pass, and the reports beside it.

use std::process::Command;

use crate::arguments::Arguments;
use crate::server_binary::{cargo, run as run_command};
use crate::{Outcome, parity, test};

/// Runs `test`, builds the documentation without warnings, and prints the parity table.
pub(crate) fn run(arguments: &mut Arguments) -> Outcome {
    test::run(arguments)?;
    let mut document = Command::new(cargo());
    document.args([
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    run_command(document.env("RUSTDOCFLAGS", "-D warnings"))?;
    parity::run(arguments)
}
