//! The command line: switches, exit codes and texts, as nginx 1.31.5 has them.

use std::process::Command;

use harness::{Binary, Prefix, Server};

/// What a run ended with, and said; `{prefix}` stands for its folder.
#[derive(Debug, PartialEq)]
struct Run {
    status: Option<i32>,
    stdout: String,
    stderr: String,
    /// The file that `-e` names by default, without times and process ids.
    log: String,
}

/// A folder of configurations, one for each thing that may go wrong.
fn folder() -> Prefix {
    let prefix = Prefix::new();
    for (name, text) in [
        (
            "good.conf",
            "events {}\nhttp { server { listen 127.0.0.1:18081; } }\n",
        ),
        ("conf/nginx.conf", "include inc/*.conf;\nevents {}\n"),
        ("conf/inc/a.conf", "worker_processes 2;\n"),
        ("bad.conf", "events {}\nfoo;\n"),
        ("no-pid.conf", "daemon off; pid none/x.pid; events {}\n"),
        ("no-log.conf", "error_log none/x.log; events {}\n"),
        ("stale.conf", "pid logs/stale.pid; events {}\n"),
        ("logs/stale.pid", "4194305\n"),
        ("empty.conf", "pid logs/empty.pid; events {}\n"),
        ("logs/empty.pid", "\n"),
        (
            "warn.conf",
            "events {}\nhttp { server { listen 127.0.0.1:18081; server_name a; }\n\
             server { listen 127.0.0.1:18081; server_name a; } }\n",
        ),
    ] {
        prefix.write(name, text.as_bytes());
    }
    prefix
}

/// Runs the server in a fresh folder with `arguments`, separated by spaces but for those in
/// quotes.
#[track_caller]
fn run(arguments: &str) -> Run {
    let prefix = folder();
    let place = prefix.path().display().to_string();
    let binary = Binary::Tidegate.path();
    let mut command = Command::new(binary.unwrap_or_else(|why| panic!("{why}")));
    command.arg("-p").arg(prefix.path());
    for (index, piece) in arguments.split('\'').enumerate() {
        if index % 2 == 1 {
            command.arg(piece);
        } else {
            command.args(piece.split_whitespace());
        }
    }
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("cannot run the server: {error}"));
    let neutral = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&place, "{prefix}");
    let log = prefix.read("logs/error.log").replace(&place, "{prefix}");
    Run {
        status: output.status.code(),
        stdout: neutral(&output.stdout),
        stderr: neutral(&output.stderr),
        log: log.lines().map(without_time).collect(),
    }
}

/// A line of an error log from its level on, without the process it is of.
fn without_time(line: &str) -> String {
    let line = line.splitn(3, ' ').nth(2).unwrap_or(line);
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some(level), Some(_), Some(rest)) => format!("{level} {rest}\n"),
        _ => format!("{line}\n"),
    }
}

/// Runs with `arguments` and expects `status`, nothing on stdout, and `stderr` in lines.
#[track_caller]
fn check(arguments: &str, status: i32, stderr: &[&str]) -> Run {
    let run = run(arguments);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines, stderr, "{arguments}");
    assert_eq!(run.status, Some(status), "{arguments}");
    assert_eq!(run.stdout, "", "{arguments}");
    run
}

const OK: [&str; 2] = [
    "nginx: the configuration file {prefix}/good.conf syntax is ok",
    "nginx: configuration file {prefix}/good.conf test is successful",
];

const BAD: [&str; 2] = [
    "nginx: [emerg] unknown directive \"foo\" in {prefix}/bad.conf:2",
    "nginx: configuration file {prefix}/bad.conf test failed",
];

#[test]
fn a_good_configuration() {
    for arguments in [
        "-t -c good.conf",
        "-cgood.conf -t",
        "-t -cgood.conf -e stderr",
        "-tcgood.conf",
        "-t -c bad.conf -c good.conf",
        "-t -c good.conf -g 'worker_processes 3;'",
    ] {
        let run = check(arguments, 0, &OK);
        assert_eq!(run.log, "");
    }
    for arguments in ["-tq -c good.conf", "-q -t -c good.conf", "-qtc good.conf"] {
        check(arguments, 0, &[]);
    }
    check(
        "-t",
        0,
        &[
            "nginx: the configuration file {prefix}/conf/nginx.conf syntax is ok",
            "nginx: configuration file {prefix}/conf/nginx.conf test is successful",
        ],
    );
}

/// The test says so on stderr and in the log; `-q` keeps quiet about successes alone.
#[test]
fn a_bad_configuration() {
    for arguments in ["-t -c bad.conf", "-tq -c bad.conf", "-T -c bad.conf"] {
        let run = check(arguments, 1, &BAD);
        let expected = "[emerg] unknown directive \"foo\" in {prefix}/bad.conf:2\n";
        assert_eq!(run.log, expected, "{arguments}");
    }
    for arguments in ["-c bad.conf", "-s stop -c bad.conf"] {
        check(arguments, 1, &BAD[..1]);
    }
    for arguments in ["-c none.conf", "-s stop -c none.conf"] {
        check(
            arguments,
            1,
            &["nginx: [emerg] open() \"{prefix}/none.conf\" failed (2: No such file or directory)"],
        );
    }
}

#[test]
fn what_is_in_the_way_of_a_good_configuration() {
    for (file, what) in [("no-pid", "none/x.pid"), ("no-log", "none/x.log")] {
        let failed = format!(
            "nginx: [emerg] open() \"{{prefix}}/{what}\" failed (2: No such file or directory)"
        );
        let ok = format!("nginx: the configuration file {{prefix}}/{file}.conf syntax is ok");
        let end = format!("nginx: configuration file {{prefix}}/{file}.conf test failed");
        check(&format!("-t -c {file}.conf"), 1, &[&ok, &failed, &end]);
        check(&format!("-c {file}.conf"), 1, &[&failed]);
    }
    check(
        "-t -c warn.conf",
        0,
        &[
            "nginx: [warn] conflicting server name \"a\" on 127.0.0.1:18081, ignored",
            "nginx: the configuration file {prefix}/warn.conf syntax is ok",
            "nginx: configuration file {prefix}/warn.conf test is successful",
        ],
    );
}

/// `-T` shows every file once, in the order of reading, behind its name.
#[test]
fn dump() {
    let run = run("-T");
    assert_eq!(run.status, Some(0));
    assert_eq!(
        run.stdout,
        "# configuration file {prefix}/conf/nginx.conf:\ninclude inc/*.conf;\nevents {}\n\n\
         # configuration file {prefix}/conf/inc/a.conf:\nworker_processes 2;\n\n"
    );
    let ends = run
        .stderr
        .lines()
        .filter(|line| line.ends_with("test is successful"));
    assert_eq!(ends.count(), 1, "{}", run.stderr);
}

#[test]
fn dumping_quietly() {
    let run = run("-Tq -c good.conf");
    assert_eq!((run.status, run.stderr.as_str()), (Some(0), ""));
    assert!(
        run.stdout
            .starts_with("# configuration file {prefix}/good.conf:\nevents {}\n")
    );
}

/// Directives of `-g` come before those of the file, and count like them.
#[test]
fn directives_of_the_command_line() {
    let failed = "nginx: configuration file {prefix}/good.conf test failed";
    for (directives, message) in [
        ("foo bar;", "unknown directive \"foo\" in command line"),
        (
            "worker_processes 3",
            "unexpected end of parameter, expecting \";\" in command line",
        ),
        (
            "pid x; pid y;",
            "\"pid\" directive is duplicate in command line",
        ),
        (
            "events {}",
            "block directives are not supported in -g option in command line",
        ),
    ] {
        let first = format!("nginx: [emerg] {message}");
        let arguments = format!("-t -c good.conf -g '{directives}'");
        check(&arguments, 1, &[&first, failed]);
    }
}

#[test]
fn switches_that_are_none() {
    for (arguments, message) in [
        ("-x", "invalid option: \"x\""),
        ("-tx", "invalid option: \"x\""),
        ("x", "invalid option: \"x\""),
        ("--help", "invalid option: \"-\""),
        ("-s", "option \"-s\" requires parameter"),
        ("-s foo", "invalid option: \"-s foo\""),
        ("-t -c", "option \"-c\" requires file name"),
        ("-t -e", "option \"-e\" requires file name"),
        ("-t -g", "option \"-g\" requires parameter"),
        ("-t -p", "option \"-p\" requires directory name"),
    ] {
        check(arguments, 1, &[&format!("nginx: {message}")]);
    }
}

/// Signals to nobody: no file of a process id, one of a process that is gone, an empty one.
#[test]
fn signals_without_a_server() {
    for (word, number) in [("stop", 15), ("quit", 3), ("reopen", 10), ("reload", 1)] {
        for (file, message) in [
            (
                "good.conf",
                "[error] open() \"{prefix}/logs/nginx.pid\" failed (2: No such file or directory)"
                    .to_owned(),
            ),
            (
                "stale.conf",
                format!("[alert] kill(4194305, {number}) failed (3: No such process)"),
            ),
            (
                "empty.conf",
                "[error] invalid PID number \"\" in \"{prefix}/logs/empty.pid\"".to_owned(),
            ),
        ] {
            let arguments = format!("-s {word} -c {file}");
            check(&arguments, 1, &[&format!("nginx: {message}")]);
        }
    }
}

#[test]
fn version_and_help() {
    let first = |arguments: &str| {
        let run = run(arguments);
        assert_eq!((run.status, run.stdout.as_str()), (Some(0), ""));
        run.stderr
    };
    let version = first("-v");
    assert!(version.starts_with("nginx version: nginx/1."), "{version}");
    assert_eq!(version.lines().count(), 1, "{version}");
    let build = first("-V");
    assert!(build.starts_with(&version), "{build}");
    let options = build
        .lines()
        .find_map(|line| line.strip_prefix("configure arguments: "));
    assert!(
        options.is_some_and(|options| options.contains("--with-threads")),
        "{build}"
    );
    for arguments in ["-h", "-?", "-hv", "-vh"] {
        let help = first(arguments);
        assert!(help.starts_with(&version), "{help}");
        assert!(
            help.contains("Usage: nginx [-?hvVtTq] [-s signal] [-p prefix]\n"),
            "{help}"
        );
        assert!(help.contains("\n  -T            : test configuration, dump it and exit\n"));
    }
    // The version comes first, then what else was asked for.
    let both = first("-v -t -c good.conf");
    assert_eq!(both, format!("{version}{}\n", OK.join("\n")));
}

/// `load_module` loads nothing: silent where there is no need, a warning for what is not built in,
/// and refused where nobody knows what the module would do.
#[test]
fn modules_are_not_loaded() {
    let test = |module: &str| {
        let main = format!("load_module modules/{module}.so;");
        let output = Server::of_one("").with_main(&main).run(&["-t"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };
    let (succeeded, said) = test("ngx_http_dav_module");
    assert!(succeeded && !said.contains("[warn]"), "{said}");
    let (succeeded, said) = test("ngx_http_lua_module");
    let warning = r#"[warn] module "ngx_http_lua_module" is not built in"#;
    assert!(succeeded && said.contains(warning), "{said}");
    let (succeeded, said) = test("ngx_http_own_module");
    let error = r#"[emerg] module "ngx_http_own_module" is not built in"#;
    assert!(!succeeded && said.contains(error), "{said}");
}
