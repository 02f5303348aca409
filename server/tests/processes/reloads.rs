//! Taking a new configuration, and refusing one.

use sys::process;
use sys::signal::Signal;

use crate::server::{Server, title, until, workers};

pub(crate) const CASES: &[(&str, fn())] = &[
    (
        "a_reload_replaces_workers_and_keeps_connections",
        a_reload_replaces_workers,
    ),
    (
        "a_reload_by_signal_does_the_same",
        a_reload_by_signal_does_the_same,
    ),
    (
        "a_broken_configuration_changes_nothing",
        a_broken_configuration_changes_nothing,
    ),
    (
        "a_configuration_whose_workers_fail_is_taken_back",
        workers_fail,
    ),
    (
        "a_reload_without_the_status_socket_still_works",
        without_the_status_socket,
    ),
    (
        "sockets_come_and_go_with_the_configuration",
        sockets_come_and_go,
    ),
    (
        "every_worker_may_have_a_socket_of_its_own",
        every_worker_may_have_a_socket,
    ),
    ("the_process_id_moves", the_process_id_moves),
    (
        "many_reloads_at_once_are_a_few",
        many_reloads_at_once_are_a_few,
    ),
    (
        "no_connection_is_refused_while_reloading",
        no_connection_is_refused,
    ),
    ("descriptors_do_not_pile_up", descriptors_do_not_pile_up),
];

fn a_reload_replaces_workers() {
    let server = Server::start("listen ADDRESS; worker_processes 2;");
    let master = server.master();
    until("there are two workers", || workers(master).len() == 2);
    let old = workers(master);
    let kept = server.greet();
    server.configure("listen ADDRESS; worker_processes 3; generation 1;");
    assert_eq!(server.run(&["-s", "reload"]), (0, String::new()));
    // As soon as `-s reload` has ended: no waiting here.
    assert_eq!(server.greet().generation, "1");
    until("one old worker is left", || workers(master).len() == 4);
    assert!(workers(master).contains(&kept.pid) && old.contains(&kept.pid));
    let shown = "nginx: worker process is shutting down";
    until("the title says so", || title(kept.pid) == shown);
    drop(kept);
    until("it goes with its connection", || workers(master).len() == 3);
    assert!(!server.log().contains("[alert]"), "{}", server.log());
}

fn a_reload_by_signal_does_the_same() {
    let server = Server::start("listen ADDRESS;");
    server.configure("listen ADDRESS; note; generation 1;");
    server.signal(Signal::HUP);
    until("the new one answers", || server.greet().generation == "1");
    until("the old one has gone", || {
        workers(server.master()).len() == 1
    });
    let log = server.log();
    assert!(
        log.contains(", reconfiguring\n") && log.contains(": reconfiguring\n"),
        "{log}"
    );
    assert!(
        log.contains("[warn] ") && log.contains("noted in "),
        "{log}"
    );
}

fn a_broken_configuration_changes_nothing() {
    let server = Server::start("listen ADDRESS;");
    let master = server.master();
    let before = workers(master);

    server.configure("listen ADDRESS; nonsense;");
    let (code, text) = server.run(&["-s", "reload"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("nginx: [emerg] unknown directive \"nonsense\" in "),
        "{text}"
    );
    server.signal(Signal::HUP);
    // Once from `-s`, which reads the configuration to find the master, and once from that.
    let told = || {
        server
            .log()
            .matches("unknown directive \"nonsense\"")
            .count()
            == 2
    };
    until("the master has refused it as well", told);

    server.configure("listen ADDRESS; fault files;");
    let (code, text) = server.run(&["-s", "reload"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("[emerg] open() \"/some/file\" failed"),
        "{text}"
    );

    server.configure("listen ADDRESS; listen 192.0.2.1:81;");
    let (code, text) = server.run(&["-s", "reload"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("bind() to 192.0.2.1:81 failed (99: "),
        "{text}"
    );

    assert_eq!(workers(master), before);
    assert_eq!(server.greet().generation, "0");
}

fn workers_fail() {
    let server = Server::start("listen ADDRESS; worker_processes 2;");
    let master = server.master();
    until("there are two workers", || workers(master).len() == 2);
    let before = workers(master);
    let kept = server.greet();
    for fault in ["panic", "early-exit"] {
        server.configure(&format!(
            "listen ADDRESS; worker_processes 2; fault {fault};"
        ));
        let (code, text) = server.run(&["-s", "reload"]);
        assert_eq!(code, 1, "{fault}: {text}");
        assert!(text.contains("ended before it served: the previous configuration stays"));
        until("the new workers have gone", || workers(master) == before);
        assert_eq!(server.greet().generation, "0");
    }
    assert_eq!(title(kept.pid), "nginx: worker process");
    server.configure("listen ADDRESS; generation 1;");
    assert_eq!(server.run(&["-s", "reload"]).0, 0);
    assert_eq!(server.greet().generation, "1");
}

fn without_the_status_socket() {
    let server = Server::start("listen ADDRESS;");
    std::fs::remove_file(server.folder.join("logs/nginx.pid.status")).unwrap();
    server.configure("listen ADDRESS; generation 1;");
    assert_eq!(server.run(&["-s", "reload"]), (0, String::new()));
    until("the new one answers", || server.greet().generation == "1");
}

fn sockets_come_and_go() {
    let mut server = Server::start("listen ADDRESS;");
    let first = server.address;
    let second = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    server.address = second;
    server.configure("listen ADDRESS;");
    assert_eq!(server.run(&["-s", "reload"]).0, 0);
    server.greet();
    server.address = first;
    until("the old address is closed", || server.try_greet().is_none());
}

fn every_worker_may_have_a_socket() {
    let server = Server::start("listen ADDRESS; worker_processes 2;");
    server.configure("listen ADDRESS reuseport; worker_processes 2; generation 1;");
    assert_eq!(server.run(&["-s", "reload"]), (0, String::new()));
    let mut seen = std::collections::BTreeSet::new();
    until("both answer", || {
        seen.insert(server.greet().pid);
        seen.len() == 2
    });
    server.configure("listen ADDRESS; worker_processes 2; generation 2;");
    assert_eq!(server.run(&["-s", "reload"]), (0, String::new()));
    until("the old ones have gone", || {
        workers(server.master()).len() == 2
    });
    for _ in 0..50 {
        assert_eq!(
            server.greet().generation,
            "2",
            "no connection waits in a closed socket"
        );
    }
}

fn the_process_id_moves() {
    let server = Server::start("listen ADDRESS;");
    let master = server.master();
    server.configure("listen ADDRESS; pid logs/other.pid;");
    // Asks where the configuration says, where nobody is yet: as with nginx, the signal it is.
    process::send_signal(master, Signal::HUP).unwrap();
    let moved = server.folder.join("logs/other.pid");
    until("the new file is there", || {
        moved.exists() && !server.pid_file().exists()
    });
    assert_eq!(crate::server::read_pid(&moved), Some(master));
    assert_eq!(server.run(&["-s", "reload"]), (0, String::new()));
    server.configure("listen ADDRESS;");
    process::send_signal(master, Signal::HUP).unwrap();
    until("and back", || server.pid_file().exists() && !moved.exists());
}

fn many_reloads_at_once_are_a_few() {
    let server = Server::start("listen ADDRESS;");
    let master = server.master();
    server.configure("listen ADDRESS; generation 1;");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(server.run(&["-s", "reload"]), (0, String::new())));
        }
    });
    assert_eq!(server.greet().generation, "1");
    until("one worker is left", || workers(master).len() == 1);
}

fn no_connection_is_refused() {
    let server = Server::start("listen ADDRESS; worker_processes 2;");
    for generation in 1..6 {
        server.configure(&format!(
            "listen ADDRESS; worker_processes 2; generation {generation};"
        ));
        server.signal(Signal::HUP);
        let mut last = String::new();
        until("the new one answers", || {
            last = server.try_greet().expect("never refused").generation;
            last == generation.to_string()
        });
    }
}

fn descriptors_do_not_pile_up() {
    let server = Server::start("listen ADDRESS;");
    let count = |pid: u32| {
        std::fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .count()
    };
    let reload = || {
        assert_eq!(server.run(&["-s", "reload"]).0, 0);
        until("one worker is left", || workers(server.master()).len() == 1);
    };
    reload();
    let worker = || workers(server.master())[0];
    let before = (count(server.master()), count(worker()));
    for _ in 0..5 {
        reload();
    }
    // What came over the status socket may be closed a moment later.
    let are_as_many = || (count(server.master()), count(worker())) == before;
    until("there are as many as before", are_as_many);
}
