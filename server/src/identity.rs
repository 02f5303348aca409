//! What the program says it is: certbot, configuration managers and test suites read these lines.

use crate::paths::Paths;

/// The version of nginx whose behaviour this is.
pub(crate) const NGINX_VERSION: &str = "1.31.5";

/// `nginx/1.31.5 (tidegate 0.1.0)`.
pub(crate) fn name_and_version() -> String {
    format!(
        "nginx/{NGINX_VERSION} (tidegate {})",
        env!("CARGO_PKG_VERSION")
    )
}

/// What `-v` prints.
pub(crate) fn version_line() -> String {
    format!("nginx version: {}", name_and_version())
}

/// `built by rustc 1.95`: the oldest compiler that this can be built with.
pub(crate) fn built_by() -> String {
    format!("built by rustc {}", env!("CARGO_PKG_RUST_VERSION"))
}

/// What `-V` prints behind the version; `built_in` are nginx's names of configure options.
pub(crate) fn build_lines(paths: &Paths, built_in: &[String]) -> String {
    let mut lines = format!("{}\n", built_by());
    let arguments: Vec<String> = [
        format!("--prefix={}", paths.prefix.display()),
        format!("--conf-path={}", paths.file.display()),
        format!("--error-log-path={}", paths.error_log.display()),
    ]
    .into_iter()
    .chain(
        paths
            .pid_file
            .iter()
            .map(|pid| format!("--pid-path={}", pid.display())),
    )
    .chain(built_in.iter().cloned())
    .collect();
    lines.push_str("configure arguments: ");
    lines.push_str(&arguments.join(" "));
    lines
}

/// What `-h` prints behind the version.
pub(crate) fn help(paths: &Paths) -> String {
    format!(
        "Usage: nginx [-?hvVtTq] [-s signal] [-p prefix]\n\
         \x20            [-e filename] [-c filename] [-g directives]\n\
         \n\
         Options:\n\
         \x20 -?,-h         : this help\n\
         \x20 -v            : show version and exit\n\
         \x20 -V            : show version and configure options then exit\n\
         \x20 -t            : test configuration and exit\n\
         \x20 -T            : test configuration, dump it and exit\n\
         \x20 -q            : suppress non-error messages during configuration testing\n\
         \x20 -s signal     : send signal to a master process: stop, quit, reopen, reload\n\
         \x20 -p prefix     : set prefix path (default: {}/)\n\
         \x20 -e filename   : set error log file (default: {})\n\
         \x20 -c filename   : set configuration file (default: {})\n\
         \x20 -g directives : set global directives out of configuration file\n",
        paths.prefix.display(),
        paths.error_log.display(),
        paths.file.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Options;

    #[test]
    fn the_version_is_read_by_others() {
        let line = version_line();
        let version = line.strip_prefix("nginx version: nginx/").unwrap();
        assert!(version.starts_with("1.31.5 (tidegate "));
    }

    #[test]
    fn arguments_name_what_is_built_in() {
        let paths = Paths::find(&Options {
            prefix: Some("/x".into()),
            ..Options::default()
        });
        let lines = build_lines(
            &paths,
            &[
                "--with-threads".to_owned(),
                "--with-http_dav_module".to_owned(),
            ],
        );
        assert!(lines.starts_with("built by rustc 1."));
        let arguments = lines.lines().last().unwrap();
        assert!(arguments.starts_with("configure arguments: --prefix=/x "));
        assert!(arguments.ends_with(" --with-threads --with-http_dav_module"));
    }
}
