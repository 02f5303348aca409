//! The life of the server's processes: start, signals, reload, upgrade, death, command line.
//!
//! This program is both sides: started with a prefix (`-p`) it is the server, with a small engine
//! of its own ([`engine`]); started by cargo it runs the cases, each against a server in a folder of
//! its own. It is not run by the standard harness, whose threads a server cannot be forked from.

#![expect(clippy::unwrap_used, reason = "a test without the standard harness")]

mod commands;
mod engine;
mod lifecycle;
mod reloads;
mod server;
mod upgrades;

use std::panic;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument.starts_with("-p")) {
        return tidegate::run(&engine::Echo);
    }
    let wanted = arguments
        .get(1)
        .filter(|argument| !argument.starts_with('-'));
    let cases = [
        commands::CASES,
        lifecycle::CASES,
        reloads::CASES,
        upgrades::CASES,
    ]
    .concat();
    let mut failed = 0;
    for (name, case) in cases {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        let passed = panic::catch_unwind(case).is_ok();
        eprintln!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    ExitCode::from(u8::from(failed > 0))
}
