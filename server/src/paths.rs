//! Where things are when nobody says otherwise.
//!
//! | started with | prefix | configuration | error log | process id |
//! |---|---|---|---|---|
//! | `-c /built-in/nginx.conf` | the current folder | built in | standard error | none |
//! | `-p DIR` | DIR | `conf/nginx.conf` | `logs/error.log` | `logs/nginx.pid` |
//! | there is `/etc/nginx/nginx.conf` | `/etc/nginx` | that | `/var/log/nginx/error.log` | `/run/nginx.pid` |
//! | `-c`, or there is `/usr/local/nginx/conf/nginx.conf` | `/usr/local/nginx` | as with `-p` | | |
//! | none of these | the current folder | built in | standard error | none |
//!
//! Relative names are relative to the prefix; `-c` and `-e` replace their column.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::cli::Options;

/// The configuration that serves a first look: no file, no root, nothing to set up.
const BUILT_IN: &str = include_str!("default.conf");

/// Shown where the name of a configuration file is expected.
const BUILT_IN_NAME: &str = "/built-in/nginx.conf";

/// Where the configuration and its defaults are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// What relative names in the configuration start from.
    pub prefix: PathBuf,
    /// The configuration file, absolute.
    pub file: PathBuf,
    /// What relative names of included files start from: the folder of `file`.
    pub file_prefix: PathBuf,
    /// Where errors go until the configuration says; `stderr` for standard error.
    pub error_log: PathBuf,
    /// The default of `pid`; `None` for a process that nobody is to find.
    pub pid_file: Option<PathBuf>,
    /// The text of `file` when it is not on the disk.
    pub built_in: Option<&'static str>,
}

impl Paths {
    /// Finds them.
    pub(crate) fn find(options: &Options) -> Self {
        let current = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        Self::find_with(options, &current, |path| path.exists())
    }

    fn find_with(options: &Options, current: &Path, exists: impl Fn(&Path) -> bool) -> Self {
        let mut paths = if options.file.as_deref() == Some(OsStr::new(BUILT_IN_NAME)) {
            // For those who have nginx on their machine, and want a first look all the same.
            Self::nowhere(current)
        } else if let Some(prefix) = &options.prefix {
            Self::below(&current.join(prefix))
        } else if exists(Path::new("/etc/nginx/nginx.conf")) {
            Self::of_package()
        } else if options.file.is_some() || exists(Path::new("/usr/local/nginx/conf/nginx.conf")) {
            Self::below(Path::new("/usr/local/nginx"))
        } else {
            Self::nowhere(current)
        };
        if let Some(file) = &options.file {
            // As nginx: relative to the prefix, not to the current folder.
            paths.file = paths.prefix.join(file);
        }
        if let Some(log) = &options.error_log {
            paths.error_log = if log == "stderr" {
                PathBuf::from(log)
            } else {
                paths.prefix.join(log)
            };
        }
        paths.file_prefix = paths.file.parent().unwrap_or(&paths.prefix).to_path_buf();
        paths
    }

    /// nginx's own layout.
    fn below(prefix: &Path) -> Self {
        Self {
            prefix: prefix.to_path_buf(),
            file: prefix.join("conf/nginx.conf"),
            file_prefix: PathBuf::new(),
            error_log: prefix.join("logs/error.log"),
            pid_file: Some(prefix.join("logs/nginx.pid")),
            built_in: None,
        }
    }

    /// The layout of nginx.org's packages.
    fn of_package() -> Self {
        Self {
            prefix: "/etc/nginx".into(),
            file: "/etc/nginx/nginx.conf".into(),
            file_prefix: PathBuf::new(),
            error_log: "/var/log/nginx/error.log".into(),
            pid_file: Some("/run/nginx.pid".into()),
            built_in: None,
        }
    }

    fn nowhere(current: &Path) -> Self {
        Self {
            prefix: current.to_path_buf(),
            file: BUILT_IN_NAME.into(),
            file_prefix: PathBuf::new(),
            error_log: "stderr".into(),
            pid_file: None,
            built_in: Some(BUILT_IN),
        }
    }

    /// Whether errors go to standard error until the configuration says otherwise.
    #[must_use]
    pub fn logs_to_stderr(&self) -> bool {
        self.error_log.as_os_str() == "stderr"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(options: &Options, there: &[&str]) -> Paths {
        Paths::find_with(options, Path::new("/here"), |path| {
            there.iter().any(|there| Path::new(there) == path)
        })
    }

    #[test]
    fn a_prefix_is_nginxs_layout() {
        let options = Options {
            prefix: Some("site/".into()),
            ..Options::default()
        };
        let paths = find(&options, &["/etc/nginx/nginx.conf"]);
        assert_eq!(paths.file, Path::new("/here/site/conf/nginx.conf"));
        assert_eq!(paths.file_prefix, Path::new("/here/site/conf"));
        assert_eq!(paths.error_log, Path::new("/here/site/logs/error.log"));
        assert_eq!(
            paths.pid_file.as_deref(),
            Some(Path::new("/here/site/logs/nginx.pid"))
        );
    }

    #[test]
    fn files_are_relative_to_the_prefix() {
        let options = Options {
            prefix: Some("/p".into()),
            file: Some("x/my.conf".into()),
            error_log: Some("stderr".into()),
            ..Options::default()
        };
        let paths = find(&options, &[]);
        assert_eq!(paths.file, Path::new("/p/x/my.conf"));
        assert_eq!(paths.file_prefix, Path::new("/p/x"));
        assert!(paths.logs_to_stderr());
    }

    #[test]
    fn the_first_place_that_is_there_wins() {
        let none = Options::default();
        let file = Options {
            file: Some("/tmp/a.conf".into()),
            ..Options::default()
        };
        let package = "/etc/nginx/nginx.conf";
        let local = "/usr/local/nginx/conf/nginx.conf";

        assert_eq!(find(&none, &[package, local]).file, Path::new(package));
        assert_eq!(find(&none, &[local]).file, Path::new(local));
        assert_eq!(find(&file, &[package]).prefix, Path::new("/etc/nginx"));
        assert_eq!(find(&file, &[]).prefix, Path::new("/usr/local/nginx"));
        assert_eq!(find(&file, &[]).built_in, None);

        let named = Options {
            file: Some(BUILT_IN_NAME.into()),
            ..Options::default()
        };
        let nothing = find(&none, &[]);
        assert_eq!(find(&named, &[package, local]), nothing);
        assert!(
            nothing
                .built_in
                .is_some_and(|text| text.contains("localhost"))
        );
        assert_eq!(
            (nothing.prefix.as_path(), nothing.pid_file),
            (Path::new("/here"), None)
        );
    }
}
