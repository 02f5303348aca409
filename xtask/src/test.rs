//! Everything a change must pass, with one line of figures at the end.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::arguments::Arguments;
use crate::server_binary::{cargo, repository, run as run_command};
use crate::{Outcome, pollers, tidy};

/// Programs and files that end-to-end tests use where they are installed, and their Debian
/// packages.
const PROGRAMS: &[(&str, &str)] = &[
    ("nginx", "nginx"),
    ("dnsmasq", "dnsmasq-base"),
    ("unbound", "unbound"),
    ("ss", "iproute2"),
    ("apache2", "apache2-bin"),
    ("node", "nodejs"),
    ("python3", "python3"),
    (
        "/usr/lib/python3/dist-packages/jwt/__init__.py",
        "python3-jwt",
    ),
    (
        "/usr/lib/python3/dist-packages/jwcrypto/__init__.py",
        "python3-jwcrypto",
    ),
    (
        "/usr/lib/nginx/modules/ngx_http_geoip_module.so",
        "libnginx-mod-http-geoip",
    ),
    (
        "/usr/lib/nginx/modules/ngx_http_geoip2_module.so",
        "libnginx-mod-http-geoip2",
    ),
    (
        "/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so",
        "libnginx-mod-http-headers-more-filter",
    ),
    ("/usr/share/GeoIP/GeoIP.dat", "geoip-database"),
];

/// How long the package manager may take, in seconds.
const INSTALL_LIMIT: &str = "300";

/// How a run of all tests ended.
#[derive(Debug, Default, Eq, PartialEq)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Runs every step even when an earlier one failed, so that one run shows all there is to mend.
pub(crate) fn run(arguments: &mut Arguments) -> Outcome {
    if arguments.flag("--install") || env::var_os("CI").is_some() {
        install_missing();
        pollers::install_missing();
    }
    let mut failed_steps = Vec::new();
    for (name, words) in [
        ("format", "fmt --all --check"),
        (
            "lints",
            "clippy --workspace --all-targets --quiet -- -D warnings",
        ),
        ("build", "build --package tidegate --quiet"),
    ] {
        println!("== {name}");
        if let Err(sentence) = run_command(Command::new(cargo()).args(words.split(' '))) {
            println!("{sentence}");
            failed_steps.push(name);
        }
    }
    println!("== tidy");
    if let Err(sentence) = tidy::check() {
        println!("{sentence}");
        failed_steps.push("tidy");
    }
    println!("== tests");
    let (mut totals, is_success) = run_tests()?;
    count_skipped(&mut totals);
    println!("== pollers of other systems");
    match pollers::check() {
        Ok(checks) => totals.count(&checks),
        Err(sentence) => {
            println!("{sentence}");
            failed_steps.push("pollers");
        }
    }
    // Tests that do not compile fail in no other way.
    if !is_success && totals.failed == 0 {
        failed_steps.push("tests");
    }
    report(&totals, &failed_steps)
}

/// Installs the programs that are missing, where that is possible; nothing depends on it.
fn install_missing() {
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(name, _)| !is_installed(name))
        .map(|(_, package)| *package)
        .collect();
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    if missing.is_empty() || !is_root || !is_installed("apt-get") {
        return;
    }
    println!("== install {}", missing.join(" "));
    let apt = |words: &[&str]| {
        // RUNLEVEL keeps the package from starting a service.
        let mut command = Command::new("timeout");
        command
            .args([
                INSTALL_LIMIT,
                "apt-get",
                "-q",
                "-y",
                "--no-install-recommends",
            ])
            .args(words);
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1");
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    if !(apt(&["update"]) && apt(&[&["install"], &missing[..]].concat())) {
        println!("some packages could not be installed; tests that need them are skipped");
    }
}

/// Whether `program` lies in one of the folders for programs, or a file is where its path says.
fn is_installed(program: &str) -> bool {
    let folders = env::var("PATH").unwrap_or_default();
    folders
        .split(':')
        .chain(["/usr/sbin"])
        .any(|folder| Path::new(folder).join(program).is_file())
}

/// Runs `cargo test` on everything and adds up what it prints; also whether cargo was content.
fn run_tests() -> Result<(Totals, bool), String> {
    if let Ok(record) = harness::skip::record_file() {
        let _ = fs::remove_file(record);
    }
    let mut child = Command::new(cargo())
        .args(["test", "--workspace", "--no-fail-fast", "--quiet"])
        .current_dir(repository())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo: {error}"))?;
    let mut totals = Totals::default();
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
    {
        let line = line.map_err(|error| format!("cargo's output: {error}"))?;
        if !totals.add(&line) && !is_noise(&line) {
            println!("{line}");
        }
    }
    let status = child.wait().map_err(|error| format!("cargo: {error}"))?;
    Ok((totals, status.success()))
}

/// Whether a line of `cargo test --quiet` tells nothing: blank, a row of dots, a count to come,
/// or a success told by a test program of its own kind.
fn is_noise(line: &str) -> bool {
    let is_dots = line
        .split(' ')
        .next()
        .is_some_and(|dots| dots.chars().all(|c| c == '.'));
    let is_count = line.starts_with("running ") && line.trim_end_matches('s').ends_with(" test");
    let is_success = line.starts_with("test ") && line.ends_with(" ... ok");
    is_dots || is_count || is_success || line.starts_with("all doctests ran in ")
}

impl Totals {
    /// Adds a line `test result: ok. 3 passed; 0 failed; 1 ignored; ...`; `false` for any other.
    fn add(&mut self, line: &str) -> bool {
        let Some((_, counts)) = line
            .split_once("test result: ")
            .and_then(|(_, rest)| rest.split_once(". "))
        else {
            return false;
        };
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else {
                continue;
            };
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
        true
    }
}

impl Totals {
    /// Adds checks that are no tests of cargo's, and prints why some were skipped.
    fn count(&mut self, checks: &pollers::Outcome) {
        self.passed += checks.passed;
        self.skipped += checks.skipped.len();
        for reason in &checks.skipped {
            println!("skipped: {reason}");
        }
    }
}

/// Prints why tests were skipped, and moves them from those that passed.
fn count_skipped(totals: &mut Totals) {
    let record = harness::skip::record_file()
        .and_then(|path| fs::read_to_string(path).map_err(|error| error.to_string()));
    let lines: BTreeSet<String> = record
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    let names: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.split('\t').next())
        .collect();
    for line in &lines {
        println!("skipped: {}", line.replace('\t', ": "));
    }
    totals.passed = totals.passed.saturating_sub(names.len());
    totals.skipped += names.len();
}

/// The last line, which other programs read.
fn report(totals: &Totals, failed_steps: &[&str]) -> Outcome {
    if !failed_steps.is_empty() {
        println!("failed steps: {}", failed_steps.join(", "));
    }
    let failed = totals.failed + failed_steps.len();
    println!(
        "{} passed, {failed} failed, {} skipped",
        totals.passed, totals.skipped
    );
    if failed == 0 {
        Ok(())
    } else {
        Err("not everything passed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_test_programs_are_added_up() {
        let mut totals = Totals::default();
        assert!(
            totals.add(
                "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out; f"
            )
        );
        assert!(
            totals.add(
                "test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out"
            )
        );
        assert!(!totals.add("test a::b ... ok"));
        assert_eq!(
            totals,
            Totals {
                passed: 5,
                failed: 4,
                skipped: 1
            }
        );
    }

    #[test]
    fn a_failed_step_is_never_a_success() {
        assert!(report(&Totals::default(), &["lints"]).is_err());
        assert!(
            report(
                &Totals {
                    passed: 1,
                    failed: 1,
                    skipped: 0
                },
                &[]
            )
            .is_err()
        );
        assert!(
            report(
                &Totals {
                    passed: 1,
                    failed: 0,
                    skipped: 1
                },
                &[]
            )
            .is_ok()
        );
    }

    #[test]
    fn dots_are_left_out_and_failures_are_not() {
        assert!(is_noise("") && is_noise("....... 7/7") && is_noise("running 12 tests"));
        assert!(!is_noise("thread 'x' panicked at y") && !is_noise("failures:"));
    }
}
