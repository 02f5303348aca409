//! `ssi`: commands in pages, as nginx carries them out.

use harness::{Builder, Differential, Exchange, Server};

const SERVER: &str = "
    root {prefix}/pages;
    default_type text/html;
    ssi on;
    location / { }
    location /plain { default_type text/plain; }
    location /all/ { alias {prefix}/pages/; ssi_types *; default_type text/plain; }
    location /silent/ { alias {prefix}/pages/; ssi_silent_errors on; }
    location /tagged/ { alias {prefix}/pages/; ssi_last_modified on; }
    location /off/ { alias {prefix}/pages/; ssi off; }
    location /short/ { alias {prefix}/pages/; ssi_value_length 4; }
    location /say { return 200 \"[$uri?$args $request_uri $arg_a]\"; }
    location /empty { return 204; }
    location /fails { return 404; }
    location = /paged { error_page 404 =200 /paged.html; return 404; }
    location /sub/ { sub_filter a b; }
    location /utf8/ { charset utf-8; }
    location /recoded/ { charset utf-8; alias {prefix}/pages/; }
    location /koi { source_charset koi8-r; }
    location /named { try_files /nothing @named; }
    location @named { return 200 'named $uri'; }
";

/// Names of pages and what is in them.
const PAGES: &[(&str, &str)] = &[
    ("text", "a < b <!-- no command --> <!-#x--> <<!---> c\n"),
    (
        "echo",
        r#"<!--#echo var="uri" -->|<!--#echo var="arg_a" -->|<!--#echo var="arg_a" default="none given"-->|<!--#echo var="arg_b" encoding="none" -->|<!--#echo var="arg_b" encoding="url" -->|<!--#echo var="arg_b" encoding="entity" -->|<!--#echo var="arg_b" encoding="x" -->|<!--#echo var='unknown'-->|<!--#echo var="unknown" default=""-->|<!--#echo var="REQUEST_METHOD" -->|<!--#echo var="http_x_y" -->|<!--#echo var="0" -->."#,
    ),
    (
        "set",
        r#"<!--#set var="x" value="1" --><!--#set var="Y" value="$x-${x}-$arg_a\$x\"\'\n" --><!--#echo var="y" encoding="none" -->|<!--#echo var="X" -->|<!--#set var="x" value="2" --><!--#echo var="x" -->"#,
    ),
    (
        "values",
        r#"<!--#set var="x" value="$" --><!--#set var="x" value="${a" --><!--#set var="x" value="${}" --><!--#set var="x" value="a$-" -->|<!--#echo var="x" -->|<!--#set var="x" value="\\" --><!--#echo var="x" -->"#,
    ),
    (
        "if",
        r#"<!--#if expr="$arg_a" -->yes<!--#elif expr="$arg_b" -->other<!--#else -->no<!--#endif -->.
<!--#if expr="$arg_a = x" -->x<!--#elif expr="$arg_a = /^(?<first>.)(.*)$/" --><!--#echo var="first" -->-<!--#echo var="2" -->-<!--#echo var="0" -->-<!--#echo var="7" --><!--#endif -->.
<!--#if expr="$arg_a != x" -->not x<!--#endif -->.<!--#if expr="$ARG_A = /x/" -->has x<!--#else -->no x<!--#endif -->.
<!--#if expr="a=a" -->a<!--#endif --><!--#if expr="$arg_a < b" -->bad<!--#endif -->.<!--#if expr="/" -->bad<!--#endif -->.<!--#if expr="$a = /(/" -->bad<!--#endif -->."#,
    ),
    (
        "nesting",
        r#"<!--#if expr="$arg_a" --><!--#if expr="b" -->inner<!--#endif -->after<!--#endif -->.<!--#else -->.<!--#endif -->.<!--#elif expr="a"-->."#,
    ),
    (
        "hidden",
        r#"<!--#if expr="" --><!--#echo var="uri" --><!--#include virtual="/say" --><!--#nothing --><!--#else --><!--#else -->.<!--#endif -->"#,
    ),
    (
        "include",
        r#"<!--#include virtual="/say?a=$arg_a&b" -->,<!--#include virtual="say" -->,<!--#include file="part" -->,<!--#include virtual="/part" wait="yes" -->,<!--#include virtual="/part" wait="no" -->,<!--#include virtual="/named" -->,<!--#include virtual="/%73ay" -->"#,
    ),
    (
        "order",
        r#"1<!--#include virtual="/sets" -->2<!--#echo var="inner" default="early" -->3<!--#include virtual="/sets" wait="yes" -->4<!--#echo var="inner" -->"#,
    ),
    ("sets", r#"<!--#set var="inner" value="late" -->set"#),
    (
        "failures",
        r#"<!--#include virtual="/fails" -->,<!--#include virtual="/paged" -->,<!--#include virtual="/empty" -->,<!--#include virtual="/plain" -->"#,
    ),
    (
        "refused",
        r#"<!--#include -->,<!--#include virtual="/part" file="part" -->,<!--#include virtual="/../part" -->,<!--#include virtual="/a%00b" -->,<!--#include file="part" wait="yes" -->,<!--#include virtual="/part" wait="maybe" -->,<!--#include virtual="/part" set="a" stub="b" -->,<!--#include virtual="/part" stub="nowhere" -->,<!--#include virtual="?a" -->,<!--#include x="/part" -->,<!--#include virtual="/part" virtual="/part" -->,<!--#echo -->,<!--#set var="x" -->,<!--#none -->,<!--#echo var="uri" x -->,<!--#echo var=uri -->,<!--#echo var="uri"x-->,<!--#echo -x-->."#,
    ),
    (
        "config",
        r#"<!--#config errmsg="oops" --><!--#none -->|<!--#config timefmt="%Y-%m" --><!--#echo var="date_gmt" -->|<!--#config timefmt="" -->"#,
    ),
    (
        "value",
        r#"<!--#include virtual="/part" set="part" -->[<!--#echo var="part" -->]<!--#include virtual="/fails" set="part" -->[<!--#echo var="part" -->]<!--#include virtual="/fails" set="new" -->[<!--#echo var="new" -->]<!--#include virtual="/empty" set="none" -->[<!--#echo var="none" -->]"#,
    ),
    (
        "stub",
        r#"<!--#block name="a" -->A<!--#echo var="uri" --><!--#set var="z" value="set" -->!<!--#endblock --><!--#block name="b" -->B<!--#endblock --><!--#include virtual="/empty" stub="b" -->,<!--#include virtual="/fails" stub="b" -->,<!--#include virtual="/missing" stub="a" -->,<!--#include virtual="/part" stub="a" -->,<!--#include virtual="/paged" stub="b" -->,<!--#include virtual="/fails" stub="a" --><!--#echo var="z" -->"#,
    ),
    (
        "deep",
        r#"<!--#echo var="uri" -->(<!--#include virtual="/deeper" -->)<!--#echo var="from_below" default="unset" -->"#,
    ),
    (
        "deeper",
        r#"<!--#set var="from_below" value="x" --><!--#echo var="uri" -->[<!--#include virtual="/part" -->]"#,
    ),
    ("cycle", r#"x<!--#include virtual="/cycle" -->"#),
    ("part", "PART"),
    ("plain", "<!--#echo var=\"uri\" -->"),
    ("paged.html", "page"),
    (
        "sub/page",
        r#"a<!--#echo var="uri" --><!--#include virtual="/part" -->a"#,
    ),
    ("utf8/page", "<!--#include virtual=\"/koi\" -->"),
    ("unfinished", "x<!--#echo var=\"uri\""),
];

fn server() -> Builder {
    let mut builder = Server::new(&format!(
        "charset_map koi8-r utf-8 {{ C1 D0B0; }}
         server {{ listen 127.0.0.1:{{port}}; {SERVER} }}"
    ));
    for (name, text) in PAGES {
        builder = builder.with_file(&format!("pages/{name}"), text);
    }
    builder.with_file("pages/koi", b"\xc1")
}

#[test]
fn pages_are_read_as_by_nginx() {
    let arguments = ["", "?a=", "?a=xyz", "?b=<%20&'\"%>", "?a=x"];
    let exchanges = PAGES.iter().flat_map(|(name, _)| {
        arguments.map(|args| Exchange::get(&format!("/{name}{args}"), "X-Y: z\r\n"))
    });
    Differential::new(server()).with_exchanges(exchanges).run();
}

#[test]
fn pages_are_read_where_the_configuration_says_so() {
    let paths = [
        "/all/echo",
        "/silent/refused",
        "/tagged/echo",
        "/off/echo",
        "/short/echo",
        "/short/set",
        "/recoded/include",
    ];
    Differential::new(server())
        .with_exchanges(paths.map(|path| Exchange::get(path, "")))
        .with_exchanges([
            Exchange::new("HEAD /include HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            Exchange::new("GET /include HTTP/1.0\r\n\r\n"),
            Exchange::get("/include", "Range: bytes=0-1\r\n"),
            Exchange::pipelined(
                "GET /include HTTP/1.1\r\nHost: a\r\n\r\nGET /part HTTP/1.1\r\nHost: a\r\n\r\n",
                2,
            ),
        ])
        .run();
}

/// A long page of many parts, over many reads of its file.
#[test]
fn long_pages_lose_nothing() {
    let mut page = String::new();
    let mut expected = String::new();
    for number in 0..4000 {
        let filler = "f".repeat(number % 97);
        page += &format!("{filler}<!--#include virtual=\"/part\" -->{number}");
        expected += &format!("{filler}PART{number}");
    }
    let server = server().with_file("pages/long", &page).start();
    let answer = server.get("/long");
    assert_eq!(answer.status, 200);
    assert!(answer.text() == expected, "{} bytes", answer.text().len());
}

/// A beginning of a command at the very end is text; nginx loses it.
#[test]
fn a_beginning_at_the_end_is_text() {
    let server = server().with_file("pages/end", "x<!--").start();
    assert_eq!(server.get("/end").text(), "x<!--");
}
