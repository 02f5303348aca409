//! How configurations are read: what is refused and in which words, and what levels inherit.

mod errors;
mod inheritance;
mod rendering;
mod server_errors;
mod syntax;

use std::process::{Command, Output};

use harness::{Binary, Prefix};

/// Runs the server with `switches` on `file`, as `nginx.conf` of a folder of its own.
#[track_caller]
fn run(file: &str, switches: &[&str]) -> (Output, Prefix) {
    let prefix = Prefix::new();
    prefix.write("nginx.conf", file.as_bytes());
    prefix.write("bad.conf", b"\n\nfoo bar;\n");
    let binary = Binary::Tidegate.path();
    let binary = binary.unwrap_or_else(|why| panic!("{why}"));
    let output = Command::new(binary)
        .arg("-p")
        .arg(prefix.path())
        .args(["-c", "nginx.conf", "-e", "logs/error.log"])
        .args(switches)
        .output();
    let output = output.unwrap_or_else(|error| panic!("cannot run the server: {error}"));
    (output, prefix)
}

/// Whether `-t` takes `file`, and what it says, with `{prefix}` for the folder.
#[track_caller]
fn checked(file: &str) -> (bool, String) {
    let (output, prefix) = run(file, &["-t"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let place = prefix.path().display().to_string();
    (output.status.success(), said.replace(&place, "{prefix}"))
}
