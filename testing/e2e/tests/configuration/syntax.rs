//! Files that are refused as a whole: syntax, blocks, includes, unknown variables.
//!
//! The messages are what nginx 1.31.5 printed behind `nginx: [emerg] `.

use crate::checked;

/// Whole files, with whole messages.
const FILES: &[(&str, &str)] = &[
    (
        "events {",
        r#"unexpected end of file, expecting "}" in {prefix}/nginx.conf:1"#,
    ),
    ("events {}}", r#"unexpected "}" in {prefix}/nginx.conf:1"#),
    (
        "events {}\nhttp {\n",
        r#"unexpected end of file, expecting "}" in {prefix}/nginx.conf:3"#,
    ),
    (";", r#"unexpected ";" in {prefix}/nginx.conf:1"#),
    ("{}", r#"unexpected "{" in {prefix}/nginx.conf:1"#),
    ("events {};", r#"unexpected ";" in {prefix}/nginx.conf:1"#),
    (
        "events {}\nhttp {}\nhttp {}",
        r#""http" directive is duplicate in {prefix}/nginx.conf:3"#,
    ),
    (
        "events {}\ninclude bad.conf;",
        r#"unknown directive "foo" in {prefix}/bad.conf:3"#,
    ),
    (
        "events { worker_connections x; }",
        r#"invalid number "x" in {prefix}/nginx.conf:1"#,
    ),
    (
        "events { worker_connections 1; worker_connections 2; }",
        r#""worker_connections" directive is duplicate in {prefix}/nginx.conf:1"#,
    ),
    (
        "events { use select_; }",
        r#"invalid event type "select_" in {prefix}/nginx.conf:1"#,
    ),
    (
        "events { foo; }",
        r#"unknown directive "foo" in {prefix}/nginx.conf:1"#,
    ),
    (
        "events { accept_mutex perhaps; }",
        r#"invalid value "perhaps" in "accept_mutex" directive, it must be "on" or "off" in {prefix}/nginx.conf:1"#,
    ),
    (
        "events {}\nhttp {\nserver {\nlisten 127.0.0.1:18080;\nlocation / {\nif ($nosuch) { }\n}\n}\n}\n",
        r#"unknown "nosuch" variable"#,
    ),
    (
        "events {}\nhttp {\nserver {\nlisten 127.0.0.1:18080;\nlocation / {\nreturn 200 $nosuchvar;\n}\n}\n}\n",
        r#"unknown "nosuchvar" variable"#,
    ),
    (
        "events {}\nhttp {\nserver {\nlisten 127.0.0.1:18080;\nlocation / {\nreturn 200 \"${a\";\n}\n}\n}\n",
        r#"the closing bracket in "a" variable is missing in {prefix}/nginx.conf:6"#,
    ),
    (
        "events {}\nhttp {\nlog_format a '$nosuchvar';\n}\n",
        r#"unknown "nosuchvar" variable"#,
    ),
    (
        "events {}\nhttp {\nmap $host $m { a b\n}\n",
        r#"unexpected "}" in {prefix}/nginx.conf:4"#,
    ),
    (
        "events {}\nhttp {\ntypes { text/html html\n}\n",
        r#"unexpected "}" in {prefix}/nginx.conf:4"#,
    ),
    (
        "events {}\nhttp {\nserver { listen 127.0.0.1:18080; }\nserver {\n}\n",
        r#"unexpected end of file, expecting "}" in {prefix}/nginx.conf:6"#,
    ),
    (
        "events {}\nhttp { server { location / { return 200 \"x } } }",
        r#"unexpected end of file, expecting ";" or "}" in {prefix}/nginx.conf:2"#,
    ),
    (
        "events {}\nhttp # comment\n{ # x\n foo ; }",
        r#"unknown directive "foo" in {prefix}/nginx.conf:4"#,
    ),
];

#[test]
fn whole_files() {
    for (file, message) in FILES {
        let (is_ok, said) = checked(file);
        let first = said.lines().next().unwrap_or_default();
        assert_eq!(first, format!("nginx: [emerg] {message}"), "{file}");
        assert!(!is_ok, "{file}");
        assert!(said.ends_with("test failed\n"), "{file}: {said}");
    }
}

/// What nginx takes with a warning, or without one, is taken.
#[test]
fn what_is_accepted() {
    let server = |inside: &str| {
        format!("events {{}}\nhttp {{ server {{ listen 127.0.0.1:18080;\n{inside} }} }}\n")
    };
    for (file, warning) in [
        (server("location @a { } location @a { }"), ""),
        (server("types { text/html; }"), ""),
        (server("client_header_buffer_size 0;"), ""),
        (server("location ~ { }"), ""),
        (server("server_name a a;"), "nginx: the configuration file"),
        (
            server("types { text/html html; text/plain html; }"),
            "nginx: [warn] duplicate extension \"html\", content type: \"text/plain\", \
             previous content type: \"text/html\" in {prefix}/nginx.conf:3\n",
        ),
    ] {
        let (is_ok, said) = checked(&file);
        assert!(is_ok, "{file}: {said}");
        assert!(said.starts_with(warning), "{file}: {said}");
    }
}
