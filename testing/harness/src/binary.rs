//! Which program a test runs.

use std::env;
use std::path::{Path, PathBuf};

/// Names the Tidegate binary to test, in place of the one that cargo built.
const TIDEGATE_VARIABLE: &str = "TIDEGATE_BINARY";

/// Names the nginx binary to compare with, in place of the installed one.
const NGINX_VARIABLE: &str = "NGINX_BINARY";

/// Where distributions put nginx.
const NGINX_PLACES: [&str; 3] = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];

/// Where distributions put nginx's modules.
const NGINX_MODULE_PLACES: [&str; 2] = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules"];

/// A server that takes nginx's command line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Binary {
    /// `TIDEGATE_BINARY`, or the one in the target folder that the test itself was built into.
    Tidegate,
    /// `NGINX_BINARY`, or the installed one.
    Nginx,
    /// This very file; its configuration is written as for nginx when `like_nginx`.
    At {
        /// The program.
        path: PathBuf,
        /// Whether it has nginx's modules, and nginx's built-in paths that a test must override.
        like_nginx: bool,
    },
}

impl Binary {
    /// Where the program is, or what to do when it is nowhere.
    ///
    /// # Errors
    ///
    /// A sentence for the reader of the test's output.
    pub fn path(&self) -> Result<PathBuf, String> {
        match self {
            Self::Tidegate => tidegate(),
            Self::Nginx => nginx().ok_or_else(|| {
                format!("nginx is not installed (apt-get install nginx, or {NGINX_VARIABLE}=PATH)")
            }),
            Self::At { path, .. } => Ok(path.clone()),
        }
    }

    /// Whether the program is there to be run.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.path().is_ok_and(|path| path.is_file())
    }

    /// Whether the configuration must name the temporary folders of every gateway, because the
    /// program was built with absolute paths for them, as distributions build nginx.
    pub(crate) fn has_built_in_paths(&self) -> bool {
        match self {
            Self::Tidegate => false,
            Self::Nginx => true,
            Self::At { like_nginx, .. } => *like_nginx,
        }
    }
}

/// Whether nginx stands in Tidegate's place (`TIDEGATE_BINARY=/usr/sbin/nginx`), to check the tests
/// themselves: those of what only Tidegate does have nothing to say then.
#[must_use]
pub fn nginx_is_tested() -> bool {
    tidegate().is_ok_and(|path| path.ends_with("nginx"))
}

/// The binary under test: named, else the newest of what cargo built beside this executable.
fn tidegate() -> Result<PathBuf, String> {
    if let Some(named) = env::var_os(TIDEGATE_VARIABLE) {
        return Ok(named.into());
    }
    let target = target_folder()?;
    ["debug", "release"]
        .iter()
        .map(|profile| target.join(profile).join("tidegate"))
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max()
        .map(|(_, path)| path)
        .ok_or_else(|| {
            format!(
                "no tidegate in {} (cargo build -p tidegate, or {TIDEGATE_VARIABLE}=PATH)",
                target.display()
            )
        })
}

/// nginx, where there is one.
fn nginx() -> Option<PathBuf> {
    match env::var_os(NGINX_VARIABLE) {
        Some(named) => Some(named.into()),
        None => NGINX_PLACES
            .iter()
            .map(PathBuf::from)
            .find(|path| path.is_file()),
    }
}

/// Where a module of the installed nginx is, such as `ngx_http_geoip_module`; modules fit no
/// other nginx than the one that they were built for.
pub(crate) fn nginx_module(name: &str) -> Option<PathBuf> {
    let is_other = env::var_os(NGINX_VARIABLE).is_some();
    let places = NGINX_MODULE_PLACES.iter().filter(|_| !is_other);
    places
        .map(|folder| PathBuf::from(folder).join(name).with_extension("so"))
        .find(|path| path.is_file())
}

/// Cargo's target folder, seen from an executable in `target/PROFILE/deps/` or `target/PROFILE/`.
///
/// # Errors
///
/// A sentence, when the executable lies somewhere else.
pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let own = env::current_exe().map_err(|error| format!("who am I: {error}"))?;
    let is_profile = |step: &&Path| step.ends_with("debug") || step.ends_with("release");
    own.ancestors()
        .find(is_profile)
        .and_then(Path::parent)
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("{} is not in a target folder", own.display()))
}
