//! Start, stop, death and replacement.

use std::time::Duration;

use sys::process;
use sys::signal::Signal;
use sys::user;

use crate::server::{Server, status, title, until, wait, workers};

pub(crate) const CASES: &[(&str, fn())] = &[
    ("starts_as_a_daemon_and_stops", starts_as_a_daemon_and_stops),
    ("quits_gracefully", quits_gracefully),
    ("runs_in_the_foreground", runs_in_the_foreground),
    ("runs_without_a_master", runs_without_a_master),
    (
        "a_killed_worker_is_replaced_at_once",
        a_killed_worker_is_replaced_at_once,
    ),
    (
        "what_a_dead_worker_held_is_given_back",
        what_a_dead_worker_held_is_given_back,
    ),
    (
        "workers_that_die_at_once_do_not_take_the_machine",
        workers_that_die_at_once,
    ),
    (
        "a_fatal_worker_is_not_replaced",
        a_fatal_worker_is_not_replaced,
    ),
    ("a_hanging_worker_is_killed", a_hanging_worker_is_killed),
    (
        "a_stopped_worker_is_not_hanging",
        a_stopped_worker_is_not_hanging,
    ),
    (
        "a_deaf_worker_is_killed_on_stop",
        a_deaf_worker_is_killed_on_stop,
    ),
    ("a_slow_worker_is_pressed", a_slow_worker_is_pressed),
    ("logs_are_reopened", logs_are_reopened),
    (
        "workers_have_no_rights_but_their_users",
        workers_have_no_rights_but_their_users,
    ),
    (
        "only_named_variables_reach_workers",
        only_named_variables_reach_workers,
    ),
    ("unix_sockets_leave_no_files", unix_sockets_leave_no_files),
    (
        "signals_without_meaning_are_survived",
        signals_without_meaning_are_survived,
    ),
];

fn starts_as_a_daemon_and_stops() {
    let mut server = Server::start("listen ADDRESS; worker_processes 2;");
    let master = server.master();
    until("there are two workers", || workers(master).len() == 2);
    let shown = title(master);
    assert!(
        shown.starts_with("nginx: master process ") && shown.contains(" -p /"),
        "{shown}"
    );
    for worker in workers(master) {
        until("the title is set", || {
            title(worker) == "nginx: worker process"
        });
    }
    assert_ne!(
        status(master, "NSsid:"),
        status(std::process::id(), "NSsid:"),
        "its own session"
    );

    let children = workers(master);
    assert_eq!(server.run(&["-s", "stop"]), (0, String::new()));
    server.until_gone(master);
    assert!(children.iter().all(|&pid| !process::is_running(pid)));
    assert!(!server.pid_file().exists());
    assert!(server.try_greet().is_none());
    let log = server.log();
    for line in [
        "(SIGTERM) received from",
        ", exiting",
        "exited with code 0",
        "exit\n",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(
        !log.contains("[alert]") && !log.contains("[emerg]"),
        "{log}"
    );
}

fn quits_gracefully() {
    let mut server = Server::start("listen ADDRESS;");
    let master = server.master();
    let greeting = server.greet();
    assert_eq!(server.run(&["-s", "quit"]), (0, String::new()));
    until("nobody listens", || server.try_greet().is_none());
    let shown = "nginx: worker process is shutting down";
    until("the title says so", || title(greeting.pid) == shown);
    assert!(process::is_running(master) && process::is_running(greeting.pid));
    drop(greeting);
    server.until_gone(master);
    assert!(!server.pid_file().exists());
}

fn runs_in_the_foreground() {
    let mut server = Server::start_in_foreground("listen ADDRESS;");
    let master = server.master();
    // A window that changes its size, and an upgrade that nobody could follow, mean nothing here.
    server.signal(Signal::WINCH);
    server.signal(Signal::USR2);
    server.until_logged("the changing binary signal is ignored");
    assert_eq!(workers(master).len(), 1);
    server.greet();
    server.signal(Signal::INT);
    server.until_gone(master);
}

fn runs_without_a_master() {
    let mut server = Server::start_in_foreground("master_process off; listen ADDRESS;");
    let master = server.master();
    assert_eq!(server.greet().pid, master);
    server.configure("daemon off; master_process off; listen ADDRESS; generation 1;");
    server.signal(Signal::HUP);
    until("the new one answers", || {
        server.try_greet().is_some_and(|g| g.generation == "1")
    });
    server.configure("nonsense;");
    server.signal(Signal::HUP);
    server.until_logged("unknown directive \"nonsense\"");
    assert_eq!(server.greet().generation, "1");
    server.signal(Signal::QUIT);
    server.until_gone(master);
    assert!(!server.pid_file().exists());
}

fn a_killed_worker_is_replaced_at_once() {
    let server = Server::start("listen ADDRESS; worker_processes 2;");
    let master = server.master();
    until("there are two workers", || workers(master).len() == 2);
    // A busy machine may be slow once, and not every time.
    let mut times = Vec::new();
    let is_at_once = (0..5).any(|_| {
        let took = time_to_replace(&server, master);
        times.push(took);
        took < Duration::from_millis(80)
    });
    assert!(is_at_once, "{times:?}");
}

/// Kills a worker, and says how long there was none in its place.
fn time_to_replace(server: &Server, master: u32) -> Duration {
    // Older than a worker that dies of its start, whose successor waits.
    std::thread::sleep(Duration::from_millis(1100));
    let victim = workers(master)[0];
    process::send_signal(victim, Signal::KILL).unwrap();
    let is_replaced = || {
        let workers = workers(master);
        workers.len() == 2 && !workers.contains(&victim)
    };
    let took = wait(is_replaced, Duration::from_secs(10)).unwrap();
    server.until_logged(&format!(
        "[alert] {master}#{master}: worker process {victim} exited on signal 9"
    ));
    took
}

fn what_a_dead_worker_held_is_given_back() {
    let server = Server::start("listen ADDRESS;");
    let greetings = [server.greet(), server.greet(), server.greet()];
    until("three are counted", || server.counted() == "3");
    process::send_signal(greetings[0].pid, Signal::KILL).unwrap();
    until("another worker answers", || {
        server
            .try_greet()
            .is_some_and(|greeting| greeting.pid != greetings[0].pid)
    });
    let _greeting = server.greet();
    until("only the living are counted", || server.counted() == "1");

    server.configure("listen ADDRESS; fault lock;");
    assert_eq!(server.run(&["-s", "reload"]).0, 0);
    let holder = server.greet();
    until("it is about to take the lock", || server.counted() == "2");
    std::thread::sleep(Duration::from_millis(200));
    process::send_signal(holder.pid, Signal::KILL).unwrap();
    server.until_logged(&format!(
        "shared memory zone \"zone\" was locked by {}",
        holder.pid
    ));
}

fn workers_that_die_at_once() {
    let server = Server::start("listen ADDRESS;");
    let master = server.master();
    server.configure("listen ADDRESS; fault panic;");
    // The first configuration stays, since none of the new workers ever serves.
    assert_eq!(server.run(&["-s", "reload"]).0, 1);

    let server = Server::new("listen ADDRESS; fault panic;");
    assert_eq!(server.run(&[]).0, 0);
    until("it has its id written", || server.pid_file().exists());
    let starts = || server.log().matches("start worker process ").count();
    let mut first = None;
    let are_five_more = || starts() >= *first.get_or_insert_with(starts) + 5;
    let took = wait(are_five_more, Duration::from_secs(10));
    // There is a pause of 90 ms before each, of which the first may be over already.
    assert!(
        took.is_some_and(|took| took > Duration::from_millis(300)),
        "{took:?}"
    );
    assert_ne!(server.master(), master);
}

fn a_fatal_worker_is_not_replaced() {
    let server = Server::new("listen ADDRESS; working_directory /nonexistent;");
    assert_eq!(server.run(&[]).0, 0);
    server.until_logged("exited with fatal code 2 and cannot be respawned");
    assert!(
        server
            .log()
            .contains("chdir(\"/nonexistent\") failed (2: No such file or directory)")
    );
    std::thread::sleep(Duration::from_millis(300));
    assert!(workers(server.master()).is_empty());
}

fn a_hanging_worker_is_killed() {
    let server = Server::start("listen ADDRESS; fault hang; stuck_after 400;");
    // The first connection, made on start, hangs it already.
    let master = server.master();
    let first = workers(master);
    until("it is replaced", || {
        let now = workers(master);
        now.len() == 1 && now != first
    });
    server.until_logged("has stood still for 0.4 s: killing it");
}

fn a_stopped_worker_is_not_hanging() {
    let stop = |pid: u32, signal: &str| {
        // The shell's own: not every machine has the program.
        let status = std::process::Command::new("sh")
            .args(["-c", &format!("kill {signal} {pid}")])
            .status();
        assert!(status.unwrap().success());
    };
    let server = Server::start("listen ADDRESS; stuck_after 1500;");
    let worker = workers(server.master())[0];
    stop(worker, "-STOP");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(process::is_running(worker) && process::is_stopped(worker));
    stop(worker, "-CONT");
    assert_eq!(server.greet().pid, worker);
}

fn a_deaf_worker_is_killed_on_stop() {
    let mut server = Server::start("listen ADDRESS; fault deaf;");
    let master = server.master();
    server.signal(Signal::TERM);
    server.until_gone(master);
    assert!(server.log().contains("takes too long: SIGKILL"));
}

fn a_slow_worker_is_pressed() {
    let mut server = Server::start("listen ADDRESS; worker_shutdown_timeout 100;");
    let master = server.master();
    let _kept = server.greet();
    server.signal(Signal::QUIT);
    server.until_gone(master);
    assert!(server.log().contains("takes too long: SIGTERM"));
}

fn logs_are_reopened() {
    let server = Server::start("listen ADDRESS;");
    let log = server.folder.join("logs/error.log");
    std::fs::rename(&log, server.folder.join("logs/old.log")).unwrap();
    assert_eq!(server.run(&["-s", "reopen"]), (0, String::new()));
    until("there is a new log", || log.exists());
    let worker = workers(server.master())[0];
    let has_new_log = || {
        let files = std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap();
        let names = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        names.into_iter().any(|name| name == log)
    };
    until("the worker has it as well", has_new_log);
}

fn workers_have_no_rights_but_their_users() {
    if user::effective_user() != 0 {
        let own = "workers_have_no_rights_but_their_users";
        return harness::skip::skip_test(own, "it needs root");
    }
    let server = Server::start("listen ADDRESS; user nobody nogroup;");
    let worker = server.greet().pid;
    for (name, expected) in [
        ("Uid:", "65534\t65534\t65534\t65534"),
        ("Gid:", "65534\t65534\t65534\t65534"),
        ("Groups:", "65534"),
        ("CapEff:", "0000000000000000"),
        ("CapPrm:", "0000000000000000"),
        ("NoNewPrivs:", "1"),
    ] {
        assert_eq!(status(worker, name), expected, "{name}");
    }
    assert_eq!(status(server.master(), "Uid:"), "0\t0\t0\t0");
}

fn only_named_variables_reach_workers() {
    let server = Server::start("listen ADDRESS;");
    assert_eq!(server.greet().colour, "none");
    server.configure("listen ADDRESS; env COLOUR;");
    assert_eq!(server.run(&["-s", "reload"]).0, 0);
    assert_eq!(server.greet().colour, "blue");
    server.configure("listen ADDRESS; env COLOUR=red;");
    assert_eq!(server.run(&["-s", "reload"]).0, 0);
    assert_eq!(server.greet().colour, "red");
}

fn unix_sockets_leave_no_files() {
    let path = std::env::temp_dir().join(format!("tidegate-{}.sock", std::process::id()));
    let unix = format!("listen ADDRESS; listen unix:{};", path.display());
    let mut server = Server::start(&unix);
    assert!(path.exists());
    server.configure("listen ADDRESS;");
    assert_eq!(server.run(&["-s", "reload"]).0, 0);
    until("its file goes with the listener", || !path.exists());
    server.configure(&unix);
    assert_eq!(server.run(&["-s", "reload"]).0, 0);
    assert!(path.exists());
    let master = server.master();
    server.signal(Signal::QUIT);
    server.until_gone(master);
    assert!(!path.exists());
}

fn signals_without_meaning_are_survived() {
    let server = Server::start("listen ADDRESS;");
    let worker = server.greet().pid;
    for signal in [Signal::ALRM, Signal::IO, Signal::PIPE, Signal::SYS] {
        server.signal(signal);
        process::send_signal(worker, signal).unwrap();
    }
    process::send_signal(worker, Signal::HUP).unwrap();
    process::send_signal(worker, Signal::USR2).unwrap();
    server.until_logged("signal 12 (SIGUSR2) received from");
    assert_eq!(server.greet().pid, worker);
}
