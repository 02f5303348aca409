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

/// Builds the server as it is shipped and returns where it is.
///
/// # Errors
///
/// When it does not build.
pub(crate) fn build_release() -> Result<PathBuf, String> {
    run(Command::new(cargo()).args(["build", "--release", "--package", "tidegate"]))?;
    let target = harness_target()?;
    find(Some(target.join("release/tidegate").display().to_string()))
}

/// The target folder that this very program was built into.
fn harness_target() -> Result<PathBuf, String> {
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

/// What `binary SWITCH` prints, as lines of fields between tabs.
///
/// # Errors
///
/// When it does not know the switch.
pub(crate) fn table(binary: &Path, switch: &str) -> Result<Vec<Vec<String>>, String> {
    let output = Command::new(binary).arg(switch).output();
    let output = output.map_err(|error| format!("{}: {error}", binary.display()))?;
    if !output.status.success() {
        return Err(format!("{} {switch}: {}", binary.display(), output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect())
}
