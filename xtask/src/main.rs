//! Development tasks: `cargo xtask TASK`. Without a task, the list of them.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command line tool answers on stdout")]

mod arguments;
mod bench;
mod ci;
mod conformance;
mod dist;
mod manifest;
mod parity;
mod pollers;
mod server_binary;
mod source;
mod test;
mod tidy;

use std::process::ExitCode;

use arguments::Arguments;

/// What a task ends with: a failure is told in one sentence, after whatever it printed itself.
type Outcome = Result<(), String>;

/// A task: its name, what it takes, what it does.
struct Task {
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    run: fn(&mut Arguments) -> Outcome,
}

const TASKS: &[Task] = &[
    Task {
        name: "test",
        usage: "[--install]",
        summary: "format, lints, tidy, build and every test; what a change must pass",
        run: test::run,
    },
    Task {
        name: "ci",
        usage: "[--install]",
        summary: "`test`, then the documentation and the parity table",
        run: ci::run,
    },
    Task {
        name: "tidy",
        usage: "[--sizes]",
        summary: "the rules of this repository that no compiler knows",
        run: tidy::run,
    },
    Task {
        name: "parity",
        usage: "[--reference DIR] [--bin PATH] [--missing]",
        summary: "nginx's directives and variables against ours",
        run: parity::run,
    },
    Task {
        name: "conformance",
        usage: "--suite DIR [--area A,B] [--bin PATH] [--runner PATH] [FILE ...]",
        summary: "nginx's own test suite against ours, less the known differences",
        run: conformance::run,
    },
    Task {
        name: "dist",
        usage: "",
        summary: "the server as it is shipped: built by a profile of what it does",
        run: dist::run,
    },
    Task {
        name: "bench",
        usage: "[--rows A,B] [--rounds N] [--seconds N] [--connections N] [--peers NAME=PATH,..] \
                [--bin PATH] [--markdown]",
        summary: "cost of a request beside nginx and others, interleaved on one machine",
        run: bench::run,
    },
    Task {
        name: bench::BARE,
        usage: "--port N [--back N | --length N]",
        summary: "the least that a proxied request can cost, for `bench`: a loop that passes on or answers",
        run: bench::run_bare,
    },
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        for task in TASKS {
            println!(
                "cargo xtask {} {}\n    {}",
                task.name, task.usage, task.summary
            );
        }
        return if name.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        };
    };
    let mut arguments = Arguments::new(words);
    match (task.run)(&mut arguments).and_then(|()| arguments.finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("xtask {name}: {sentence}");
            ExitCode::FAILURE
        }
    }
}
