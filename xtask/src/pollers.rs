//! The poller of systems that the tests do not run on: linted for them, and its tests over libkqueue.

use std::path::Path;
use std::process::Command;

use crate::server_binary::{cargo, repository, run};

const PACKAGE: &str = "tidegate-poller";

/// Systems whose poller is kqueue.
const TARGETS: [&str; 2] = ["x86_64-unknown-freebsd", "x86_64-apple-darwin"];

/// Where libkqueue may be, when `LIBKQUEUE_DIR` does not say. Debian 12 has no package of it.
const LIBRARY_FOLDERS: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/local/lib",
];

/// How many checks passed, and why others could not be done.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) passed: usize,
    pub(crate) skipped: Vec<String>,
}

/// Does what can be done here.
///
/// # Errors
///
/// A sentence, when a check failed.
pub(crate) fn check() -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    for target in TARGETS {
        if !is_installed(target) {
            let reason = format!("{PACKAGE} for {target}: rustup target add {target}");
            outcome.skipped.push(reason);
            continue;
        }
        let words = [
            "clippy",
            "--quiet",
            "--package",
            PACKAGE,
            "--target",
            target,
        ];
        run(Command::new(cargo())
            .args(words)
            .args(["--", "-D", "warnings"]))?;
        outcome.passed += 1;
    }
    let named = std::env::var("LIBKQUEUE_DIR").ok();
    let folder = named.into_iter().chain(LIBRARY_FOLDERS.map(str::to_owned));
    let has_library = |folder: &String| Path::new(folder).join("libkqueue.so").is_file();
    match folder.into_iter().find(has_library) {
        Some(folder) => {
            test_over_libkqueue(&folder)?;
            outcome.passed += 1;
        }
        None => outcome.skipped.push(format!(
            "{PACKAGE} over libkqueue: no libkqueue.so in LIBKQUEUE_DIR"
        )),
    }
    Ok(outcome)
}

/// Adds the targets that are missing, where that is possible; nothing depends on it.
pub(crate) fn install_missing() {
    for target in TARGETS.into_iter().filter(|target| !is_installed(target)) {
        let added = Command::new("rustup")
            .args(["target", "add", target])
            .output();
        if !added.is_ok_and(|output| output.status.success()) {
            println!("{target} could not be added; checks for it are skipped");
        }
    }
}

/// Whether the standard library for `target` is there.
fn is_installed(target: &str) -> bool {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let printed = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(repository())
        .output();
    printed.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success() && Path::new(folder.trim()).is_dir()
    })
}

fn test_over_libkqueue(folder: &str) -> Result<(), String> {
    let flags = format!("--cfg tidegate_kqueue -L {folder}");
    // Other flags would build everything in the usual folder anew.
    run(Command::new(cargo())
        .args(["test", "--quiet", "--lib", "--package", PACKAGE])
        .args(["--target-dir", "target/kqueue"])
        .env("RUSTFLAGS", flags)
        .env("LD_LIBRARY_PATH", folder))
}
