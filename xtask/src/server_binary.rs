//! The server that other tasks ask questions.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::Binary;

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The binary named by `path`, else the newest one built.
///
/// # Errors
///
/// When there is none.
pub(crate) fn find(path: Option<String>) -> Result<PathBuf, String> {
    let found = match path {
        Some(path) => PathBuf::from(path),
        None => Binary::Tidegate.path()?,
    };
    // Callers run it from other folders.
    found
        .canonicalize()
        .map_err(|error| format!("{}: {error}", found.display()))
}

/// The target folder that this very program was built into.
///
/// # Errors
///
/// When it lies in none.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let record = harness::skip::record_file()?;
    record
        .parent()
        .map(Path::to_path_buf)
        .ok_or_else(|| "no target folder".to_owned())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs `command` in the repository and lets it print.
///
/// # Errors
///
/// When it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}").replace('"', "");
    match command.current_dir(repository()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown}: {status}")),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

/// What `command` prints.
///
/// # Errors
///
/// When it fails.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}").replace('"', "");
    let output = command
        .output()
        .map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{shown}: {}", output.status))
    }
}

/// What `binary SWITCH` prints, as lines of fields between tabs.
///
/// # Errors
///
/// When it does not know the switch.
pub(crate) fn table(binary: &Path, switch: &str) -> Result<Vec<Vec<String>>, String> {
    let text = output(Command::new(binary).arg(switch))?;
    Ok(text
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect())
}
