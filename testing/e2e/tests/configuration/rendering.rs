//! What is shown of several errors at once, on a pipe and on a terminal.

use std::process::Command;

use harness::{Binary, Prefix, skip};

use crate::checked;

const BROKEN: &str = "events {}\nhttp {\n    keepalive_timout 5;\n    server {\n        \
                      listen 127.0.0.1:99999;\n        perl_modules x;\n    }\n}\n";

/// nginx stops at the first; every line here is one that nginx would print, in the file's order.
#[test]
fn errors_are_told_all_at_once() {
    let (is_ok, said) = checked(BROKEN);
    assert!(!is_ok);
    assert_eq!(
        said,
        "nginx: [emerg] unknown directive \"keepalive_timout\" in {prefix}/nginx.conf:3\n\
         nginx: [emerg] invalid port in \"127.0.0.1:99999\" of the \"listen\" directive \
         in {prefix}/nginx.conf:5\n\
         nginx: [emerg] unknown directive \"perl_modules\" in {prefix}/nginx.conf:6\n\
         nginx: configuration file {prefix}/nginx.conf test failed\n"
    );
}

/// What `-t` shows of `file` on a terminal that `script` makes up; `None` without `script`.
fn on_terminal(file: &str, colour: bool) -> Option<String> {
    let prefix = Prefix::new();
    prefix.write("nginx.conf", file.as_bytes());
    let binary = Binary::Tidegate.path().ok()?;
    let command = format!(
        "{} -p {place} -c nginx.conf -e logs/error.log -t",
        binary.display(),
        place = prefix.path().display()
    );
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]);
    if colour {
        script.env_remove("NO_COLOR");
    } else {
        script.env("NO_COLOR", "1");
    }
    let output = script.output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    Some(said.replace(&prefix.path().display().to_string(), "{prefix}"))
}

/// On a terminal the line is shown with a caret, and what may help.
#[test]
fn a_terminal_gets_the_line_and_a_hint() {
    let Some(said) = on_terminal(BROKEN, false) else {
        skip::skip("script (util-linux) is not installed");
        return;
    };
    assert_eq!(
        said,
        "nginx: [emerg] unknown directive \"keepalive_timout\" in {prefix}/nginx.conf:3\n  \
           3 |     keepalive_timout 5;\n    \
             |     ^^^^^^^^^^^^^^^^\n  \
           hint: did you mean \"keepalive_timeout\"?\n\
         nginx: [emerg] invalid port in \"127.0.0.1:99999\" of the \"listen\" directive \
         in {prefix}/nginx.conf:5\n  \
           5 |         listen 127.0.0.1:99999;\n    \
             |                               ^\n\
         nginx: [emerg] unknown directive \"perl_modules\" in {prefix}/nginx.conf:6\n  \
           6 |         perl_modules x;\n    \
             |         ^^^^^^^^^^^^\n  \
           hint: it is a directive of ngx_http_perl_module that is not built in\n\
         nginx: configuration file {prefix}/nginx.conf test failed\n"
    );
    let coloured = on_terminal(BROKEN, true).unwrap_or_default();
    assert!(coloured.contains("\u{1b}["), "{coloured}");
    assert!(!said.contains('\u{1b}'), "{said}");
}
