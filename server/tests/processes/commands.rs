//! The command line: what it prints and what it ends with.

use crate::server::Server;

pub(crate) const CASES: &[(&str, fn())] = &[
    (
        "versions_go_to_standard_error",
        versions_go_to_standard_error,
    ),
    ("a_test_says_how_it_went", a_test_says_how_it_went),
    (
        "a_dump_goes_to_standard_output",
        a_dump_goes_to_standard_output,
    ),
    ("signals_need_a_process_id", signals_need_a_process_id),
    ("a_start_that_fails_says_why", a_start_that_fails_says_why),
    (
        "directives_of_the_command_line_count",
        directives_of_the_command_line_count,
    ),
];

const CONF: &str = "listen ADDRESS;";

fn versions_go_to_standard_error() {
    let server = Server::new(CONF);
    let (code, text) = server.run(&["-v"]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("nginx version: nginx/1.31.5 (tidegate "),
        "{text}"
    );
    let (code, text) = server.run(&["-V"]);
    assert_eq!((code, text.lines().count()), (0, 3));
    assert!(text.contains("\nconfigure arguments: --prefix="));
    let (code, text) = server.run(&["-h"]);
    assert_eq!(code, 0);
    assert!(text.contains("Usage: nginx [-?hvVtTq]"));
    let (code, text) = server.run(&["-x"]);
    assert_eq!((code, text.as_str()), (1, "nginx: invalid option: \"x\"\n"));
}

fn a_test_says_how_it_went() {
    let server = Server::new(CONF);
    let file = server.folder.join("conf/nginx.conf").display().to_string();
    let fine = format!(
        "nginx: the configuration file {file} syntax is ok\n\
         nginx: configuration file {file} test is successful\n"
    );
    assert_eq!(server.run(&["-t"]), (0, fine));
    assert_eq!(server.run(&["-tq"]), (0, String::new()));
    assert!(!server.pid_file().exists());

    server.configure("listen ADDRESS;\nnote;\nlisten\n127.0.0.1:1 {} nonsense yes;");
    let (code, text) = server.run(&["-t"]);
    assert_eq!(code, 1);
    let expected = format!("nginx: [emerg] unknown directive \"nonsense\" in {file}:4\n");
    assert!(text.contains(&expected), "{text}");
    assert!(
        text.ends_with(&format!("nginx: configuration file {file} test failed\n")),
        "{text}"
    );

    server.configure("fault files; note;");
    let (code, text) = server.run(&["-t"]);
    assert_eq!(code, 1);
    assert!(
        text.contains(&format!("nginx: [warn] noted in {file}:1\n")),
        "{text}"
    );
    assert!(text.contains("[emerg] open() \"/some/file\" failed (13: Permission denied)\n"));
    assert!(
        server.log().contains("[emerg] "),
        "errors go to the log as well"
    );

    // An address in use is the running server's; one that cannot be had is a mistake.
    let _taken = std::net::TcpListener::bind(server.address).unwrap();
    server.configure(CONF);
    assert_eq!(server.run(&["-tq"]), (0, String::new()));
    server.configure("listen 192.0.2.1:81;");
    let (code, text) = server.run(&["-t"]);
    assert_eq!(code, 1);
    let expected = "bind() to 192.0.2.1:81 failed (99: Cannot assign requested address)";
    assert!(text.contains(expected), "{text}");
}

fn a_dump_goes_to_standard_output() {
    let server = Server::new(CONF);
    let output = server.command(&["-T", "-q"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let file = server.folder.join("conf/nginx.conf").display().to_string();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with(&format!("# configuration file {file}:\nlisten ")),
        "{text}"
    );
}

fn signals_need_a_process_id() {
    let server = Server::new(CONF);
    let pid_file = server.pid_file().display().to_string();
    let expected =
        format!("nginx: [error] open() \"{pid_file}\" failed (2: No such file or directory)\n");
    assert_eq!(server.run(&["-s", "stop"]), (1, expected));

    std::fs::write(&pid_file, "abc\n").unwrap();
    let expected = format!("nginx: [error] invalid PID number \"abc\" in \"{pid_file}\"\n");
    assert_eq!(server.run(&["-s", "reload"]), (1, expected));

    std::fs::write(&pid_file, "99999999\n").unwrap();
    let expected = "nginx: [alert] kill(99999999, 3) failed (3: No such process)\n".to_owned();
    assert_eq!(server.run(&["-s", "quit"]), (1, expected));
    std::fs::remove_file(&pid_file).unwrap();
}

fn a_start_that_fails_says_why() {
    let server = Server::new(CONF);
    let _taken = std::net::TcpListener::bind(server.address).unwrap();
    let (code, text) = server.run(&[]);
    assert_eq!(code, 1);
    let refused = format!(
        "bind() to {} failed (98: Address already in use)",
        server.address
    );
    assert!(
        text.contains(&refused) && text.contains("still could not bind()"),
        "{text}"
    );
    assert!(!server.pid_file().exists());

    let (code, text) = server.run(&["-c", "missing.conf"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("[emerg] open() ") && text.contains("(2: No such file"),
        "{text}"
    );
}

fn directives_of_the_command_line_count() {
    let server = Server::new(CONF);
    let (code, text) = server.run(&["-t", "-g", "nonsense on;"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("unknown directive \"nonsense\" in command line"),
        "{text}"
    );
    assert_eq!(server.run(&["-tqg", "daemon off;"]), (0, String::new()));
}
