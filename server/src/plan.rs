//! What a configuration asks of the processes that run it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sys::socket::{Address, ListenOptions};
use sys::user;

/// What the main level of a configuration says about processes, with nginx's defaults.
///
/// Source: ngx_core_module.xml.
#[derive(Clone, Debug)]
pub struct ProcessPlan {
    /// Whether to leave the terminal (`daemon`).
    pub daemon: bool,
    /// Whether there is a master at all (`master_process`).
    pub master_process: bool,
    /// How many workers (`worker_processes`), at least 1.
    pub worker_processes: usize,
    /// The processors that each worker may use, the last entry standing for all further workers;
    /// empty for all (`worker_cpu_affinity`).
    pub cpu_affinity: Vec<Vec<usize>>,
    /// How nice workers are, -20 to 20 (`worker_priority`).
    pub priority: Option<i32>,
    /// How many descriptors a worker may open (`worker_rlimit_nofile`).
    pub open_files_limit: Option<u64>,
    /// How large a worker's core file may be, in bytes (`worker_rlimit_core`).
    pub core_size_limit: Option<u64>,
    /// How long a worker that was told to go may take (`worker_shutdown_timeout`); `None` for ever.
    /// Workers keep to it themselves; the master ends those that do not.
    pub shutdown_timeout: Option<Duration>,
    /// How long a worker's loop may stand still before the worker is killed and replaced; `None`
    /// for ever.
    pub stuck_after: Option<Duration>,
    /// Whose rights workers have, where the master has root's (`user`).
    pub account: Option<Account>,
    /// Whether workers connect from addresses that are not of this system, for which they keep a
    /// capability (`proxy_bind ... transparent`).
    pub binds_transparently: bool,
    /// Where workers are, for their core files (`working_directory`).
    pub working_directory: Option<PathBuf>,
    /// `NAME`, to keep, or `NAME=value`, to set (`env`).
    pub environment: Vec<OsString>,
    /// Where the master's process id is written (`pid`).
    pub pid_file: Option<PathBuf>,
    /// The file of the first `error_log` of the main level, which standard error becomes.
    pub error_log: Option<PathBuf>,
    /// The sockets to open, each address once.
    pub listeners: Vec<ListenerSpec>,
}

impl Default for ProcessPlan {
    fn default() -> Self {
        Self {
            daemon: true,
            master_process: true,
            worker_processes: 1,
            cpu_affinity: Vec::new(),
            priority: None,
            open_files_limit: None,
            core_size_limit: None,
            shutdown_timeout: None,
            stuck_after: Some(Duration::from_secs(60)),
            account: None,
            binds_transparently: false,
            working_directory: None,
            environment: Vec::new(),
            pid_file: None,
            error_log: None,
            listeners: Vec::new(),
        }
    }
}

/// A user to become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name, by which further groups are found.
    pub name: String,
    /// The user.
    pub uid: u32,
    /// The main group.
    pub gid: u32,
}

impl Account {
    /// Looks up what `user name [group]` names; the group is of the user's name if none is given.
    ///
    /// # Errors
    ///
    /// nginx's message: `getpwnam("...") failed` or `getgrnam("...") failed`, with the reason.
    pub fn find(name: &str, group: Option<&str>) -> Result<Self, String> {
        let failed = |call: &str, what: &str, error: io::Error| {
            format!("{call}(\"{what}\") failed{}", crate::report::reason(&error))
        };
        let user = user::find_user(name).map_err(|e| failed("getpwnam", name, e))?;
        let user = user.ok_or_else(|| format!("getpwnam(\"{name}\") failed"))?;
        let group = group.unwrap_or(name);
        let gid = user::find_group(group).map_err(|e| failed("getgrnam", group, e))?;
        let gid = gid.ok_or_else(|| format!("getgrnam(\"{group}\") failed"))?;
        Ok(Self {
            name: name.to_owned(),
            uid: user.uid,
            gid,
        })
    }
}

/// A socket to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSpec {
    /// Where.
    pub address: Address,
    /// How. With `reuseport` there is one socket a worker, else one for all.
    pub options: ListenOptions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_looked_up_by_name() {
        let root = Account::find("root", None).unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        let error = Account::find("no-such-user", None).unwrap_err();
        assert_eq!(error, "getpwnam(\"no-such-user\") failed");
        let error = Account::find("root", Some("no-such-group")).unwrap_err();
        assert_eq!(error, "getgrnam(\"no-such-group\") failed");
    }
}
