//! `map`.

use harness::{Differential, Exchange, Server, process};

const TABLES: &str = r#"
    map $arg_a $strings {
        default "default";
        "" empty;
        one 1;
        TWO 2;
        \default escaped;
        include {prefix}/html/included;
        ~^three-(?<number>\d+)$ "three $number $1";
        ~*^FOUR(.) "four $1 $uri";
        ~^case(.) "case $1";
    }
    map $arg_a $hosts {
        hostnames;
        *.example.com leading;
        .example.org both;
        www.example.* trailing;
        example.com exact;
        ~^regex\. regex;
    }
    map $uri$arg_a $pair { ~^(/[^/]*)(.*)$ "$1-$2"; }
    map $seen $once { default $arg_a; }
    map $seen $every { volatile; default $arg_a; }
    map $cycle_b $cycle_a { default "a$cycle_b"; }
    map $arg_a $cycle_b { default b; cycle $cycle_a; }
    map x $constant { x "constant $arg_a"; }
"#;

const ANSWER: &str = r#"location / {
    set $seen $arg_seen;
    add_header X-Before "$once $every";
    return 200 "$strings|$hosts|$pair|$constant|$strings";
}"#;

/// Strings, wildcards, expressions with captures, and values made of other variables.
#[test]
fn values_are_found_as_nginx_finds_them() {
    let http = format!("{TABLES} server {{ listen 127.0.0.1:{{port}}; {ANSWER} }}");
    let builder = Server::new(&http).with_file("html/included", "five 5; ~^six(.*)$ six$1;");
    let subjects = [
        "",
        "one",
        "ONE",
        "two",
        "default",
        "five",
        "six6",
        "three-33",
        "three-",
        "four!",
        "FOUR!",
        "case1",
        "CASE1",
        "x.example.com",
        "example.com",
        "EXAMPLE.COM.",
        "example.org",
        "a.b.example.org",
        "www.example.net",
        "www.example.",
        "www.a.example.com",
        "regex.x",
        "none.of.them",
        ".",
    ];
    let ask = |subject: &str| Exchange::get(&format!("/x?a={subject}"), "");
    Differential::new(builder)
        .with_exchanges(subjects.map(ask))
        .run();
}

/// Tables that lead back to themselves end with an error in the log, not with the worker.
#[test]
fn a_cycle_is_found() {
    let http = format!(
        "{TABLES} server {{ listen 127.0.0.1:{{port}}; set $seen 1; location / {{ return 200 \"x$cycle_a\"; }} }}"
    );
    let server = Server::new(&http)
        .with_file("html/included", "")
        .allow_log("cycle while evaluating variable")
        .start();
    let _ = server.get("/?a=cycle");
    server.wait_for_error_log("cycle while evaluating variable");
    assert_eq!(server.get("/?a=x").text(), "xab");
}

/// A cycle that asks for itself twice once made a value of two to the power of a hundred bytes,
/// or took as many steps; values that double from line to line are given up as well.
#[test]
fn values_that_double_without_end_are_given_up() {
    let table = |name: &str, value: &str| format!("map $uri ${name} {{ {value} }}\n");
    let mut http = table("twice", "default \"a$twice$twice\";")
        + &table("again", "volatile; default \"a$again$again\";")
        + &table("long0", &format!("default {};", "x".repeat(1000)));
    for number in 1..60 {
        let before = number - 1;
        let value = format!("default \"$long{before}$long{before}\";");
        http += &table(&format!("long{number}"), &value);
    }
    http += "server {
        listen 127.0.0.1:{port};
        location /map { return 200 \"$twice$again$long59\"; }
        location /set {
            set $x \"$x$x$arg_a\";
            rewrite ^ /set last;
        }
        location /turns {
            set $y \"$y$y$y$y$y$y$y$arg_a\";
            rewrite ^ /turns/ last;
        }
        location /path { rewrite ^(.*)$ $1$1$1$1$1$1$1$1 last; }
        location / { return 200 alive; }
    }";
    let server = Server::new(&http).start();
    let worker = server.workers()[0];
    let memory = || process::memory_bytes(worker, "status", "VmHWM").unwrap_or(0);
    let _ = server.get("/");
    let before = memory();
    let long = "y".repeat(1000);
    let map = server.get("/map");
    assert!(map.body.len() < 1 << 20, "{} bytes", map.body.len());
    for path in ["/set", "/turns", "/path"] {
        assert_eq!(
            server.get(&format!("{path}?a={long}")).status,
            500,
            "{path}"
        );
    }
    server.wait_for_error_log("too long value of");
    assert_eq!(server.get("/").text(), "alive");
    let grown = memory().saturating_sub(before);
    assert!(grown < 256 << 20, "{grown} bytes more");
}

/// What was read of a table is not kept beside the table, nor is the table of before a reload.
#[test]
fn a_long_table_is_in_memory_once() {
    const LINES: usize = 100_000;
    const BYTES_A_LINE: u64 = 500;
    let table = (0..LINES).fold(String::new(), |text, number| {
        text + &format!("key{number} value{number};\n")
    });
    let server = Server::new(
        "map_hash_max_size 200000; map $arg_a $x { include {prefix}/html/table; }
         server { listen 127.0.0.1:{port}; location / { return 200 $x; } }",
    )
    .with_file("html/table", &table)
    .start();
    for _ in 0..3 {
        assert_eq!(server.get("/?a=key99999").text(), "value99999");
        for pid in [server.master(), server.workers()[0]] {
            let bytes = process::memory_bytes(pid, "smaps_rollup", "Anonymous");
            let a_line = bytes.expect("Linux 4.14 or later counts it") / LINES as u64;
            assert!(a_line < BYTES_A_LINE, "{a_line} bytes a line");
        }
        server.reload().unwrap();
    }
}
