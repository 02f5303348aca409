//! Formats and the words of errors. What a server writes is tested from outside.

use super::format::{Escape, Format};
use crate::testing::check;
use engine::variable::{Lookup, VariableId, VariableNames};

/// Variable 0 is clean, 1 is not, 2 has no value.
struct Fixed;

impl Lookup for Fixed {
    fn write_variable(&self, id: VariableId, out: &mut Vec<u8>) -> bool {
        match id.index() {
            0 => out.extend_from_slice(b"clean"),
            1 => out.extend_from_slice(b"a\"\\\n\xc3\xa9"),
            _ => return false,
        }
        true
    }

    fn write_capture(&self, _: usize, _: &mut Vec<u8>) -> bool {
        false
    }
}

#[track_caller]
fn check_line(texts: &[&str], escape: Escape, expected: Result<&str, &str>) {
    let mut names = VariableNames::default();
    for name in ["clean", "dirty", "none"] {
        names.resolve(name.as_bytes());
    }
    let texts = texts.iter().map(|text| text.as_bytes());
    let line = Format::compile(texts, escape, &mut names).map(|format| {
        let mut line = b"kept:".to_vec();
        format.render(&Fixed, &mut line);
        String::from_utf8(line).unwrap()
    });
    let line = line.as_deref().map_err(engine::Refused::message);
    assert_eq!(line, expected);
}

#[test]
fn values_are_escaped_as_the_format_says() {
    let texts = ["\"$clean\" ", "${dirty}", "/$none\\"];
    let line = "kept:\"clean\" a\\x22\\x5C\\x0A\\xC3\\xA9/-\\";
    check_line(&texts, Escape::Default, Ok(line));
    let line = "kept:\"clean\" a\\\"\\\\\\n\u{e9}/\\";
    check_line(&texts, Escape::Json, Ok(line));
    let line = "kept:\"clean\" a\"\\\n\u{e9}/\\";
    check_line(&texts, Escape::None, Ok(line));
}

#[test]
fn broken_names_are_refused() {
    let cases = [
        ("a$", "invalid parameter \"$\""),
        ("a$-b", "invalid parameter \"$-b\""),
        ("${}", "invalid parameter \"${}\""),
        ("${", "invalid parameter \"${\""),
        (
            "${clean",
            "the closing bracket in \"clean\" variable is missing",
        ),
        (
            "${clean-x}",
            "the closing bracket in \"clean\" variable is missing",
        ),
    ];
    for (text, message) in cases {
        check_line(&[text], Escape::Default, Err(message));
    }
}

#[test]
fn formats_by_name() {
    check("server { access_log a combined; access_log b json; }", "");
    check("log_format json x; server { access_log a json; }", "");
    check("log_format Mine x; server { access_log a mine; }", "");
    check(
        "log_format a x; log_format a y; log_format combined z;",
        "duplicate \"log_format\" name \"a\"\nduplicate \"log_format\" name \"combined\"",
    );
    check("access_log a none;", "unknown log format \"none\"");
    check(
        "log_format a escape=html x;",
        "unknown log format escaping \"html\"",
    );
    check("log_format a $nosuch;", "unknown \"nosuch\" variable");
}

#[test]
fn parameters_are_checked() {
    let refused = |parameters: &str, message: &str| {
        check(&format!("access_log a combined {parameters};"), message);
    };
    refused("buffer=0", "invalid buffer size \"0\"");
    refused("buffer=x", "invalid buffer size \"x\"");
    refused("flush=0", "invalid flush time \"0\"");
    refused("gzip=10", "invalid compression level \"10\"");
    refused("gzip=", "invalid compression level \"\"");
    refused("gzipped", "invalid parameter \"gzipped\"");
    refused("flush=1s", "no buffer is defined for access_log \"a\"");
    refused("gzip flush=1s if=$args", "");
    check(
        "access_log /$host combined gzip;",
        "buffered logs cannot have variables in name",
    );
    check(
        "access_log syslog:server=127.0.0.1 combined gzip;",
        "logs to syslog cannot be buffered",
    );
    check("access_log off x;", "invalid parameter \"x\"");
}

#[test]
fn logs_of_one_file_share_a_buffer_or_are_refused() {
    check(
        "access_log a combined buffer=1k; access_log a combined; access_log a json buffer=1k;",
        "",
    );
    check("access_log a; access_log a combined buffer=1k;", "");
    check(
        "access_log a combined buffer=1k; access_log a combined buffer=2k;",
        "access_log \"a\" already defined with conflicting parameters",
    );
}

#[test]
fn open_files_are_bounded() {
    check(
        "open_log_file_cache max=3 inactive=20s valid=1m min_uses=2;",
        "",
    );
    check("open_log_file_cache off;", "");
    check(
        "open_log_file_cache inactive=20s;",
        "\"open_log_file_cache\" must have \"max\" parameter",
    );
    check(
        "open_log_file_cache max=x;",
        "invalid \"open_log_file_cache\" parameter \"max=x\"",
    );
    check(
        "open_log_file_cache off; open_log_file_cache off;",
        "\"open_log_file_cache\" directive is duplicate",
    );
}
