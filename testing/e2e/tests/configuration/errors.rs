//! Configurations that are refused, with the first line that nginx 1.31.5 printed for each.
//!
//! Each text is tested as a file of its own; the message is the one behind `nginx: [emerg] `.

use crate::checked;
use crate::server_errors::{LOCATION, SERVER};

/// Beside `events {}`, at line 2.
const MAIN: &[(&str, &str)] = &[
    ("}\n", r#"unexpected "}""#),
    ("user", r#"unexpected end of file, expecting ";" or "}""#),
    (
        r#""unclosed"#,
        r#"unexpected end of file, expecting ";" or "}""#,
    ),
    (
        "user 'a' b c;",
        r#"invalid number of arguments in "user" directive"#,
    ),
    (r#"user "a"b;"#, r#"unexpected "b""#),
    ("foo;", r#"unknown directive "foo""#),
    ("foo bar {}", r#"unknown directive "foo""#),
    ("events {}", r#""events" directive is duplicate"#),
    (
        "worker_processes x;",
        r#""worker_processes" directive invalid value"#,
    ),
    (
        "worker_processes 1 2;",
        r#"invalid number of arguments in "worker_processes" directive"#,
    ),
    (
        "worker_processes 1;\nworker_processes 2;",
        r#""worker_processes" directive is duplicate"#,
    ),
    (
        "daemon maybe;",
        r#"invalid value "maybe" in "daemon" directive, it must be "on" or "off""#,
    ),
    ("listen 80;", r#""listen" directive is not allowed here"#),
    ("server {}", r#""server" directive is not allowed here"#),
    (
        "error_log;",
        r#"invalid number of arguments in "error_log" directive"#,
    ),
    ("error_log logs/e.log loud;", r#"invalid log level "loud""#),
    (
        "include none.conf;",
        r#"open() "{prefix}/none.conf" failed (2: No such file or directory)"#,
    ),
    (
        "include;",
        r#"invalid number of arguments in "include" directive"#,
    ),
    ("pid;", r#"invalid number of arguments in "pid" directive"#),
    (
        "worker_rlimit_nofile x;",
        r#""worker_rlimit_nofile" directive invalid number"#,
    ),
    ("user nosuchuser_;", r#"getpwnam("nosuchuser_") failed"#),
    (
        "user root nosuchgroup_;",
        r#"getgrnam("nosuchgroup_") failed"#,
    ),
    (
        "worker_processes '1;",
        r#"unexpected end of file, expecting ";" or "}""#,
    ),
    ("env;", r#"invalid number of arguments in "env" directive"#),
    (
        "worker_cpu_affinity x;",
        r#"invalid character "x" in "worker_cpu_affinity""#,
    ),
    (
        "worker_priority x;",
        r#""worker_priority" directive invalid number"#,
    ),
    (
        "timer_resolution x;",
        r#""timer_resolution" directive invalid value"#,
    ),
    (
        "lock_file a;\nlock_file b;",
        r#""lock_file" directive is duplicate"#,
    ),
    (
        "thread_pool a;",
        r#"invalid number of arguments in "thread_pool" directive"#,
    ),
    (
        "thread_pool a threads=0;",
        r#"invalid threads value "threads=0""#,
    ),
    (
        "worker_shutdown_timeout x;",
        r#""worker_shutdown_timeout" directive invalid value"#,
    ),
    (
        "master_process x;",
        r#"invalid value "x" in "master_process" directive, it must be "on" or "off""#,
    ),
    (
        "pcre_jit x;",
        r#"invalid value "x" in "pcre_jit" directive, it must be "on" or "off""#,
    ),
    ("debug_points x;", r#"invalid value "x""#),
    (
        "worker_aio_requests 5;",
        r#""worker_aio_requests" directive is not allowed here"#,
    ),
];

/// Inside `http`, at line 3.
const HTTP: &[(&str, &str)] = &[
    ("foo;", r#"unknown directive "foo""#),
    ("listen 80;", r#""listen" directive is not allowed here"#),
    (
        "server { listen 127.0.0.1:99999; }",
        r#"invalid port in "127.0.0.1:99999" of the "listen" directive"#,
    ),
    (
        "server { listen x:y; }",
        r#"invalid port in "x:y" of the "listen" directive"#,
    ),
    (
        "server { listen 127.0.0.1:0; }",
        r#"invalid port in "127.0.0.1:0" of the "listen" directive"#,
    ),
    (
        "server { listen; }",
        r#"invalid number of arguments in "listen" directive"#,
    ),
    (
        "server { listen 127.0.0.1:18080 foo; }",
        r#"invalid parameter "foo""#,
    ),
    (
        "server { listen 127.0.0.1:18080 default_server; }\nserver { listen 127.0.0.1:18080 default_server; }",
        "a duplicate default server for 127.0.0.1:18080",
    ),
    (
        "server { listen 127.0.0.1:18080; listen 127.0.0.1:18080; }",
        "a duplicate listen 127.0.0.1:18080",
    ),
    (
        "server { listen 127.0.0.1:18080 backlog=0; }",
        r#"invalid backlog "backlog=0""#,
    ),
    (
        "server { listen 127.0.0.1:18080 backlog=x; }",
        r#"invalid backlog "backlog=x""#,
    ),
    (
        "server { listen 127.0.0.1:18080 backlog=5; }\nserver { listen 127.0.0.1:18080 backlog=6; }",
        "duplicate listen options for 127.0.0.1:18080",
    ),
    (
        "server { listen unix:; }",
        r#"no path in the unix domain socket in "unix:" of the "listen" directive"#,
    ),
    (
        "server { listen [::1; }",
        r#"invalid host in "[::1" of the "listen" directive"#,
    ),
    (
        "server { server_name ~(; }",
        r#"pcre2_compile() failed: missing closing parenthesis in "(""#,
    ),
    (
        "server { server_name ~; }",
        r#"empty regex in server name "~""#,
    ),
    (
        "server { server_name; }",
        r#"invalid number of arguments in "server_name" directive"#,
    ),
    (
        "log_format;",
        r#"invalid number of arguments in "log_format" directive"#,
    ),
    (
        "log_format a;",
        r#"invalid number of arguments in "log_format" directive"#,
    ),
    (
        "log_format a b;\nlog_format a c;",
        r#"duplicate "log_format" name "a""#,
    ),
    (
        "log_format a escape=x '$host';",
        r#"unknown log format escaping "x""#,
    ),
    ("map $a $b;", r#"directive "map" has no opening "{""#),
    ("map a b { }", r#"invalid variable name "b""#),
    (
        "map $host $m { default; }",
        "invalid number of the map parameters",
    ),
    ("map $host $m { a b; a c; }", r#"conflicting parameter "a""#),
    (
        "map $host $m { ~( x; }",
        r#"pcre2_compile() failed: missing closing parenthesis in "(""#,
    ),
    (
        "map $host { }",
        r#"invalid number of arguments in "map" directive"#,
    ),
    (
        "large_client_header_buffers 4;",
        r#"invalid number of arguments in "large_client_header_buffers" directive"#,
    ),
    (
        "large_client_header_buffers 0 8k;",
        r#""large_client_header_buffers" directive invalid value"#,
    ),
    (
        "open_file_cache 5;",
        r#"invalid "open_file_cache" parameter "5""#,
    ),
    (
        "open_file_cache max=x;",
        r#"invalid "open_file_cache" parameter "max=x""#,
    ),
    ("aio maybe;", r#""aio" directive invalid value"#),
    ("directio x;", r#""directio" directive invalid value"#),
    (
        "etag 1;",
        r#"invalid value "1" in "etag" directive, it must be "on" or "off""#,
    ),
    ("disable_symlinks maybe;", r#"invalid parameter "maybe""#),
    ("keepalive_disable foo;", r#"invalid value "foo""#),
    ("lingering_close x;", r#"invalid value "x""#),
    (
        "auth_basic a b;",
        r#"invalid number of arguments in "auth_basic" directive"#,
    ),
    (
        "auth_basic_user_file;",
        r#"invalid number of arguments in "auth_basic_user_file" directive"#,
    ),
];

/// Checks each text between `before` and `after`, where its last line is blamed.
#[track_caller]
fn check(before: &str, after: &str, table: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, message) in table {
        let file = format!("{before}{text}{after}");
        let line = before.lines().count() + text.trim_end().lines().count();
        let expected = format!("nginx: [emerg] {message} in {{prefix}}/nginx.conf:{line}");
        let (is_ok, said) = checked(&file);
        let first = said.lines().next().unwrap_or_default();
        if is_ok || first != expected {
            wrong.push(format!("{text}\n- {expected}\n+ {first}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn main_directives() {
    check("events {}\n", "", MAIN);
}

#[test]
fn http_directives() {
    check("events {}\nhttp {\n", "\n}\n", HTTP);
}

#[test]
fn server_directives() {
    let before = "events {}\nhttp {\nserver {\nlisten 127.0.0.1:18080;\n";
    check(before, "\n}\n}\n", SERVER);
}

#[test]
fn location_directives() {
    let before = "events {}\nhttp {\nserver {\nlisten 127.0.0.1:18080;\nlocation / {\n";
    check(before, "\n}\n}\n}\n", LOCATION);
}
