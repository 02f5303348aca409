//! nginx's own test suite, less the differences that are known and explained.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::arguments::Arguments;
use crate::server_binary::{self, repository};

/// The program that runs files of the suite, seen from the repository.
const RUNNER: &str = "../shared/conformance/run";

/// The list beside the runner of the files that may be run: `area<TAB>file`.
const OPEN: &str = "open.tsv";

/// The list of known differences: `file<TAB>failing checks<TAB>reason`, `*` for all of them.
const KNOWN: &str = "docs/known_differences.tsv";

/// Runs the suite in `--suite DIR`, and fails for what fails beyond [`KNOWN`] and for lines there
/// that are no longer needed.
pub(crate) fn run(arguments: &mut Arguments) -> Outcome {
    let suite = arguments
        .value("--suite")?
        .ok_or("--suite DIR is needed: a checkout of nginx-tests")?;
    let area = arguments.value("--area")?.unwrap_or_default();
    let runner = arguments
        .value("--runner")?
        .map_or_else(|| repository().join(RUNNER), PathBuf::from);
    let binary = server_binary::find(arguments.value("--bin")?)?;
    let names = arguments.names()?;
    if !runner.is_file() {
        println!("conformance: no {}; nothing to run", runner.display());
        return Ok(());
    }
    let open = fs::read_to_string(runner.with_file_name(OPEN)).unwrap_or_default();
    if let Some(name) = names.iter().find(|name| !is_open(&open, name)) {
        return Err(format!(
            "{name} is not in {OPEN}: it is kept for acceptance, unread and unrun"
        ));
    }
    let mut command = Command::new(runner);
    command
        .args(["--suite", &suite, "--area", &area, "-j", "2", "--bin"])
        .arg(binary)
        .args(names);
    let results = follow(&mut command)?;
    let known = fs::read_to_string(repository().join(KNOWN)).unwrap_or_default();
    let known = parse_known(&known)?;
    let complaints = judge(&results, &known);
    complaints.iter().for_each(|line| println!("{line}"));
    match complaints.len() {
        0 => Ok(()),
        count => Err(format!("{count} files differ from {KNOWN}")),
    }
}

/// Whether the file `name`, with or without its `.t`, is in the list `open`.
fn is_open(open: &str, name: &str) -> bool {
    let name = name.strip_suffix(".t").unwrap_or(name);
    open.lines()
        .any(|line| line.split('\t').nth(1) == Some(name))
}

/// How one file of the suite ended.
#[derive(Debug, Eq, PartialEq)]
struct Ending {
    name: String,
    is_failed: bool,
    failing: u32,
}

/// Runs `command`, shows what it prints, and gathers its lines about files.
fn follow(command: &mut Command) -> Result<Vec<Ending>, String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let mut endings = Vec::new();
    for line in child
        .stdout
        .take()
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
    {
        let line = line.map_err(|error| format!("the runner's output: {error}"))?;
        println!("{line}");
        endings.extend(parse_ending(&line));
    }
    let status = child
        .wait()
        .map_err(|error| format!("the runner: {error}"))?;
    // It ends with 1 when files fail, which the list may excuse; without any file it broke.
    if endings.is_empty() && !status.success() {
        return Err(format!("the runner: {status}"));
    }
    Ok(endings)
}

/// Reads `FAIL http range 29/31 0.4s ...`; skipped files are left out.
fn parse_ending(line: &str) -> Option<Ending> {
    let mut words = line.split_whitespace();
    let is_failed = match words.next()? {
        "pass" => false,
        "FAIL" => true,
        _ => return None,
    };
    let name = words.nth(1)?.to_owned();
    let (passed, planned) = words.next()?.split_once('/')?;
    let (passed, planned): (u32, u32) = (passed.parse().ok()?, planned.parse().ok()?);
    Some(Ending {
        name,
        is_failed,
        failing: planned.saturating_sub(passed),
    })
}

/// How many checks of a file are known to fail, by the file's name; `None` for all of them.
type Known = BTreeMap<String, Option<u32>>;

/// Reads the list.
fn parse_known(text: &str) -> Result<Known, String> {
    let is_row = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let row = |line: &str| {
        let mut fields = line.split('\t');
        let (name, count, reason) = (fields.next()?, fields.next()?, fields.next()?);
        let count = if count == "*" {
            None
        } else {
            Some(count.parse().ok()?)
        };
        (!reason.is_empty()).then(|| (name.to_owned(), count))
    };
    text.lines()
        .filter(is_row)
        .map(|line| row(line).ok_or_else(|| format!("{KNOWN}: not `file, count, reason`: {line}")))
        .collect()
}

/// Where the endings and the list disagree.
fn judge(endings: &[Ending], known: &Known) -> Vec<String> {
    endings
        .iter()
        .filter_map(|ending| {
            let name = &ending.name;
            match (ending.is_failed, known.get(name)) {
                (false, None) | (true, Some(None)) => None,
                (false, Some(_)) => Some(format!("{name} passes: take it out of {KNOWN}")),
                (true, None) => Some(format!("{name} fails and is not in {KNOWN}")),
                (true, Some(Some(count))) if ending.failing == *count => None,
                (true, Some(Some(count))) => Some(format!(
                    "{name}: {} checks fail, {KNOWN} says {count}",
                    ending.failing
                )),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_lines_are_understood() {
        let line =
            "FAIL http         range                                          29/31     0.4s  12 x";
        let expected = Ending {
            name: "range".into(),
            is_failed: true,
            failing: 2,
        };
        assert_eq!(parse_ending(line), Some(expected));
        assert!(parse_ending("pass http  range  31/31  0.4s  ").is_some_and(|e| !e.is_failed));
        assert_eq!(parse_ending("skip http  range  0/0  0.4s  "), None);
        assert_eq!(parse_ending("TOTAL        files   1 of   1 pass"), None);
    }

    #[test]
    fn only_open_files_are_run() {
        let open = "# area\tfile\nstatic\tindex\n";
        assert!(is_open(open, "index") && is_open(open, "index.t"));
        assert!(!is_open(open, "inde") && !is_open(open, "static") && !is_open("", "index"));
    }

    #[test]
    fn the_list_excuses_what_it_names_and_nothing_more() {
        let known = parse_known("# c\na\t2\twhy\nb\t*\twhy\nc\t1\twhy\n").unwrap();
        let ending = |name: &str, failing| Ending {
            name: name.into(),
            is_failed: failing > 0,
            failing,
        };
        assert_eq!(
            judge(&[ending("a", 2), ending("b", 9), ending("d", 0)], &known),
            [""; 0]
        );
        assert_eq!(
            judge(&[ending("a", 3), ending("c", 0), ending("d", 1)], &known).len(),
            3
        );
    }

    #[test]
    fn a_difference_without_a_reason_is_refused() {
        assert!(parse_known("a\t2\t\n").is_err());
        assert!(parse_known("a\tmany\twhy\n").is_err());
    }
}
