//! From directives to what is asked of processes.

use super::load::Loaded;
use super::settings::{EnvironmentEntry, Main};
use crate::configuration::LoadRequest;
use crate::plan::{Account, ListenerSpec, ProcessPlan};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// The plan of a loaded configuration.
///
/// # Errors
///
/// `getpwnam("...") failed`, for a user that went away since the directive was read.
pub(super) fn of(loaded: &Loaded, request: &LoadRequest<'_>) -> Result<ProcessPlan, String> {
    let main = &loaded.main;
    let workers = worker_count(main);
    let listeners = loaded
        .http
        .iter()
        .flat_map(|http| &http.sockets)
        .map(|socket| ListenerSpec {
            address: socket.address.clone(),
            options: socket.options.clone(),
        });
    let error_log = main.error_log.first_file();
    Ok(ProcessPlan {
        daemon: *main.daemon,
        master_process: *main.master_process,
        worker_processes: workers,
        cpu_affinity: affinity(main, workers),
        priority: main.worker_priority.is_set().then(|| *main.worker_priority),
        open_files_limit: *main.rlimit_nofile,
        core_size_limit: *main.rlimit_core,
        shutdown_timeout: match *main.shutdown_timeout {
            0 => None,
            millis => Some(Duration::from_millis(millis)),
        },
        account: account(main)?,
        binds_transparently: loaded
            .http
            .as_ref()
            .is_some_and(|http| http.binds_transparently),
        working_directory: (*main.working_directory).clone(),
        environment: main.env.iter().map(environment_entry).collect(),
        pid_file: (*main.pid)
            .clone()
            .or_else(|| request.paths.pid_file.clone()),
        error_log,
        listeners: listeners.collect(),
        ..ProcessPlan::default()
    })
}

fn worker_count(main: &Main) -> usize {
    let count = main
        .worker_processes
        .and_then(|count| usize::try_from(count).ok());
    count.unwrap_or_else(|| sys::process::online_cpus().max(1))
}

/// Without `user`, workers of root's master become nobody, as nginx's do.
fn account(main: &Main) -> Result<Option<Account>, String> {
    if sys::user::effective_user() != 0 {
        return Ok(None);
    }
    match &*main.user {
        Some((name, group)) => Account::find(name, group.as_deref()).map(Some),
        None => {
            let group = ["nobody", "nogroup"]
                .into_iter()
                .find(|group| sys::user::find_group(group).ok().flatten().is_some());
            Account::find("nobody", group).map(Some)
        }
    }
}

fn affinity(main: &Main, workers: usize) -> Vec<Vec<usize>> {
    let affinity = &*main.cpu_affinity;
    if !affinity.auto {
        return affinity.masks.clone();
    }
    let cpus = match affinity.masks.first() {
        Some(mask) => mask.clone(),
        None => (0..sys::process::online_cpus()).collect(),
    };
    (0..workers)
        .filter_map(|worker| cpus.get(worker % cpus.len().max(1)).map(|cpu| vec![*cpu]))
        .collect()
}

fn environment_entry(entry: &EnvironmentEntry) -> OsString {
    let text = match &entry.value {
        Some(value) => [&entry.name, &b"="[..], value].concat(),
        None => entry.name.clone(),
    };
    OsString::from_vec(text)
}
