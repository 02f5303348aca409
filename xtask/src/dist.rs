//! The server as it is shipped: built for what it does, by a profile of doing it.
//!
//! A compiler that knows which way branches go and which calls are hot lays out the code of a
//! request better than one that has to guess. The server is built twice: once so that it counts
//! what it does while the rows of the benchmark are asked of it, and then by those counts.
//! Source: the rustc book, "Profile-guided Optimization".

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::arguments::Arguments;
use crate::server_binary::{cargo, output, run as run_command, target_folder};
use crate::{bench, server_binary};

/// What separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";

/// How often some function is called at least while the rows are asked: millions of times here, and
/// thousands while a server only starts.
const LEAST_CALLS: u64 = 500_000;

/// Builds the server, and says where it is.
pub(crate) fn run(arguments: &mut Arguments) -> Outcome {
    arguments.finish()?;
    let binary = build()?;
    println!("{}", binary.display());
    Ok(())
}

/// Builds the server as it is shipped and returns where it is: `dist/tidegate` in the target
/// folder.
///
/// # Errors
///
/// When it does not build, or what makes a profile of it is not installed.
pub(crate) fn build() -> Result<PathBuf, String> {
    bench::check_tools()?;
    let rustc = Rustc::ask()?;
    let profdata = rustc.profdata()?;
    let folder = target_folder()?.join("dist");
    let counts = folder.join("counts");
    let profile = folder.join("tidegate.profdata");
    // Counts of another build would be taken for this one's, and cargo does not notice that a
    // profile is another.
    let by_profile = folder.join("by-profile");
    for old in [&counts, &by_profile] {
        match fs::remove_dir_all(old) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(format!("{}: {error}", old.display()));
            }
            _ => {}
        }
    }
    fs::create_dir_all(&counts).map_err(|error| format!("{}: {error}", counts.display()))?;

    eprintln!("dist: 1 of 3, a server that counts what it does");
    let counting = rustc.build(
        &folder.join("counting"),
        &format!("-Cprofile-generate={}", counts.display()),
    )?;
    eprintln!("dist: 2 of 3, requests of every kind of the benchmark");
    bench::train(&counting)?;
    let merge = [Path::new("merge"), Path::new("-o"), &profile, &counts];
    run_command(Command::new(&profdata).args(merge))?;
    check_profile(&output(Command::new(&profdata).arg("show").arg(&profile))?)?;

    eprintln!("dist: 3 of 3, the server by those counts");
    let built = rustc.build(&by_profile, &format!("-Cprofile-use={}", profile.display()))?;
    let shipped = folder.join("tidegate");
    fs::copy(&built, &shipped).map_err(|error| format!("{}: {error}", shipped.display()))?;
    server_binary::find(Some(shipped.display().to_string()))
}

/// Complains about a profile, by what the tool shows of it, that knows of no requests: built by it,
/// the server would be slower than without.
fn check_profile(shown: &str) -> Outcome {
    let most = shown
        .lines()
        .find_map(|line| line.strip_prefix("Maximum function count: "))
        .and_then(|count| count.trim().parse::<u64>().ok());
    match most {
        Some(most) if most >= LEAST_CALLS => Ok(()),
        Some(most) => Err(format!(
            "no function was called more than {most} times: the requests were not counted"
        )),
        None => Err(format!("the profile is not understood:\n{shown}")),
    }
}

/// The compiler that cargo will call.
struct Rustc {
    /// What it builds for without being told.
    host: String,
    /// Where its libraries and tools are.
    sysroot: PathBuf,
}

impl Rustc {
    fn ask() -> Result<Self, String> {
        let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let version = output(Command::new(&rustc).arg("-vV"))?;
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let sysroot = output(Command::new(&rustc).args(["--print", "sysroot"]))?;
        Ok(Self {
            host: host.ok_or("rustc -vV names no host")?.to_owned(),
            sysroot: PathBuf::from(sysroot.trim()),
        })
    }

    /// The tool that makes a profile of counts. It must be of the compiler's own LLVM.
    fn profdata(&self) -> Result<PathBuf, String> {
        let tools = self.sysroot.join("lib/rustlib").join(&self.host);
        let path = tools.join("bin/llvm-profdata");
        if path.is_file() {
            return Ok(path);
        }
        Err(format!(
            "{} is needed and not installed: rustup component add llvm-tools",
            path.display()
        ))
    }

    /// Builds the server into `target` with one more flag for the compiler.
    ///
    /// The target is named so that the flag is not for programs that run while building.
    fn build(&self, target: &Path, flag: &str) -> Result<PathBuf, String> {
        let encoded = env::var("CARGO_ENCODED_RUSTFLAGS").ok();
        let flags = with_flag(encoded, env::var("RUSTFLAGS").ok(), flag);
        let words = ["build", "--release", "--package", "tidegate", "--target"];
        let mut command = Command::new(cargo());
        command.args(words).arg(&self.host).arg("--target-dir");
        run_command(command.arg(target).env("CARGO_ENCODED_RUSTFLAGS", flags))?;
        Ok(target.join(&self.host).join("release/tidegate"))
    }
}

/// Flags for the compiler as cargo takes them: those of the environment's `encoded`, else those of
/// its `plain` text, then `flag`.
fn with_flag(encoded: Option<String>, plain: Option<String>, flag: &str) -> String {
    let plain = || plain.map(|text| text.split_whitespace().collect::<Vec<_>>().join(SEPARATOR));
    let given = encoded.or_else(plain).unwrap_or_default();
    let given = given.split(SEPARATOR).filter(|word| !word.is_empty());
    given.chain([flag]).collect::<Vec<_>>().join(SEPARATOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_without_requests_is_refused() {
        let shown = |most: &str| format!("Total functions: 9\nMaximum function count: {most}\n");
        assert_eq!(check_profile(&shown("34510827")), Ok(()));
        assert!(check_profile(&shown("23040")).is_err());
        assert!(check_profile("Total functions: 9\n").is_err());
    }

    #[test]
    fn flags_of_the_environment_stay() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(with_flag(None, None, "-Ca"), "-Ca");
        assert_eq!(
            with_flag(None, some(" -Cb  -Cc "), "-Ca d"),
            "-Cb\u{1f}-Cc\u{1f}-Ca d"
        );
        assert_eq!(
            with_flag(some("-Ce f"), some("-Cb"), "-Ca"),
            "-Ce f\u{1f}-Ca"
        );
    }
}
