//! One program taking the place of another (control.xml, "Upgrading Executable on the Fly").

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use sys::process;
use sys::signal::Signal;

use crate::server::{Server, read_pid, title, until, workers};

pub(crate) const CASES: &[(&str, fn())] = &[
    ("a_new_program_takes_over", a_new_program_takes_over),
    ("a_new_program_is_taken_back", a_new_program_is_taken_back),
    (
        "a_program_that_does_not_start_is_taken_back",
        does_not_start,
    ),
];

const CONF: &str = "listen ADDRESS; env COLOUR;";

/// Starts the new program, and returns its master.
fn upgrade(server: &Server, old: u32) -> u32 {
    process::send_signal(old, Signal::USR2).unwrap();
    let oldbin = server.folder.join("logs/nginx.pid.oldbin");
    until("there are two masters", || {
        oldbin.exists() && read_pid(&server.pid_file()).is_some_and(|new| new != old)
    });
    assert_eq!(read_pid(&oldbin), Some(old));
    let new = server.master();
    until("the new workers run", || workers(new).len() == 1);
    new
}

/// Both of them answer, until only `pids` do.
fn until_answered_by(server: &Server, pids: &[u32]) {
    until("only the right ones answer", || {
        (0..20).all(|_| pids.contains(&server.try_greet().expect("never refused").pid))
    });
}

fn a_new_program_takes_over() {
    let mut server = Server::start(CONF);
    let old = server.master();
    let new = upgrade(&server, old);
    server.until_logged("using inherited sockets from \"");
    let shown = title(new);
    assert!(
        shown.starts_with("nginx: master process ") && shown.contains(" -p /"),
        "{shown}"
    );

    process::send_signal(old, Signal::USR2).unwrap();
    server.until_logged("the changing binary signal is ignored");
    process::send_signal(old, Signal::WINCH).unwrap();
    until_answered_by(&server, &workers(new));
    until("the old master has the new one alone", || {
        workers(old) == [new]
    });
    process::send_signal(old, Signal::QUIT).unwrap();
    until("the old master has gone", || !process::is_running(old));
    assert!(!server.folder.join("logs/nginx.pid.oldbin").exists());
    assert_eq!(
        (server.master(), server.greet().colour.as_str()),
        (new, "blue")
    );

    // The new one is a master like any other: it reloads, and hands over itself.
    assert_eq!(server.run(&["-s", "reload"]), (0, String::new()));
    let newer = upgrade(&server, new);
    process::send_signal(new, Signal::QUIT).unwrap();
    until("the old master has gone", || !process::is_running(new));
    assert_eq!(server.run(&["-s", "quit"]), (0, String::new()));
    server.until_gone(newer);
    assert!(!server.pid_file().exists());
    assert!(!server.log().contains("[alert]"), "{}", server.log());
}

fn a_new_program_is_taken_back() {
    let server = Server::start(CONF);
    let old = server.master();
    let new = upgrade(&server, old);
    process::send_signal(old, Signal::WINCH).unwrap();
    until("the old workers have gone", || workers(old) == [new]);
    // The way back by hand: workers again, without reading the configuration.
    server.configure("nonsense;");
    process::send_signal(old, Signal::HUP).unwrap();
    until("the old master has workers again", || {
        workers(old).len() == 2
    });
    server.configure(CONF);
    process::send_signal(old, Signal::WINCH).unwrap();
    until("the old workers have gone", || workers(old) == [new]);
    // The way back by itself.
    process::send_signal(new, Signal::TERM).unwrap();
    until("the old master is back", || {
        read_pid(&server.pid_file()) == Some(old) && workers(old).len() == 1
    });
    assert!(!server.folder.join("logs/nginx.pid.oldbin").exists());
    until_answered_by(&server, &workers(old));
    assert_eq!(server.run(&["-s", "reload"]), (0, String::new()));
    server.until_logged(&format!("new binary process {new} exited with code 0"));
}

fn does_not_start() {
    let folder = std::env::temp_dir().join(format!("tidegate-binary-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("nginx");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let server = Server::new(CONF);
    let started = Command::new(&program)
        .arg("-p")
        .arg(&server.folder)
        .status()
        .unwrap();
    assert!(started.success());
    until("it answers", || {
        server.pid_file().exists() && server.try_greet().is_some()
    });
    let old = server.master();

    fs::remove_file(&program).unwrap();
    fs::write(&program, "#!/bin/sh\nexit 7\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    process::send_signal(old, Signal::USR2).unwrap();
    server.until_logged("exited with code 7");
    until("the id is back", || {
        read_pid(&server.pid_file()) == Some(old)
    });
    server.greet();

    fs::remove_file(&program).unwrap();
    process::send_signal(old, Signal::USR2).unwrap();
    server.until_logged("execve() failed while executing new binary process");
    until("the id is back", || {
        read_pid(&server.pid_file()) == Some(old)
    });
    assert_eq!(workers(old).len(), 1);
    fs::remove_dir_all(&folder).unwrap();
}
