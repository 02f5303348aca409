//! What can only be tried in a process of a single thread: forking, signals, titles.
//!
//! Not run by the standard harness, which has threads. Every case runs in a child of its own and
//! passes when that ends with 0.

#![expect(clippy::unwrap_used, reason = "a test without the standard harness")]

use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::Duration;

use tidegate_sys::process::{self, Fork, Title};
use tidegate_sys::signal::{self, Caught, Signal, Signals};

const CASES: &[(&str, fn())] = &[
    (
        "signals_are_read_with_their_sender",
        signals_are_read_with_their_sender,
    ),
    (
        "ignored_signals_can_be_caught",
        ignored_signals_can_be_caught,
    ),
    ("a_wait_ends_in_time", a_wait_ends_in_time),
    (
        "children_are_reaped_with_their_status",
        children_are_reaped_with_their_status,
    ),
    (
        "exec_resets_signals_and_passes_environment",
        exec_resets_signals_and_passes_environment,
    ),
    ("threads_forbid_a_fork", threads_forbid_a_fork),
    ("privileges_are_given_up", privileges_are_given_up),
    ("limits_are_set", limits_are_set),
    ("titles_of_any_length", titles_of_any_length),
    ("the_environment_is_replaced", the_environment_is_replaced),
];

fn main() -> ExitCode {
    let wanted = std::env::args()
        .nth(1)
        .filter(|argument| !argument.starts_with('-'));
    let mut failed = 0;
    for (name, case) in CASES {
        if wanted
            .as_ref()
            .is_some_and(|wanted| !name.contains(wanted.as_str()))
        {
            continue;
        }
        let passed = in_child(case);
        eprintln!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    ExitCode::from(u8::from(failed > 0))
}

/// Runs `case` in a copy of this process; says whether it ended well.
fn in_child(case: &fn()) -> bool {
    match process::fork().unwrap() {
        Fork::Child => {
            let outcome = std::panic::catch_unwind(case);
            process::end_now(i32::from(outcome.is_err()));
        }
        Fork::Parent(pid) => wait_for(pid) == Some(0),
    }
}

/// The exit code of the child `pid`, once it has ended.
fn wait_for(pid: u32) -> Option<i32> {
    for _ in 0..5000 {
        if let Some(reaped) = process::reap().unwrap() {
            assert_eq!(reaped.pid, pid);
            return reaped.status.code();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("child {pid} did not end");
}

fn signals_are_read_with_their_sender() {
    let signals = Signals::catch(&[Signal::HUP, Signal::CHLD, Signal::WINCH]).unwrap();
    assert_eq!(signals.next().unwrap(), None);

    process::send_signal(process::id(), Signal::HUP).unwrap();
    process::send_signal(process::id(), Signal::WINCH).unwrap();
    signals.wait(&[], None).unwrap();
    let sender = process::id();
    assert_eq!(
        signals.next().unwrap(),
        Some(Caught {
            signal: Signal::HUP,
            sender
        })
    );
    assert_eq!(
        signals.next().unwrap(),
        Some(Caught {
            signal: Signal::WINCH,
            sender
        })
    );
    assert_eq!(signals.next().unwrap(), None);

    let Fork::Parent(child) = process::fork().unwrap() else {
        process::end_now(0)
    };
    signals.wait(&[], Some(Duration::from_secs(5))).unwrap();
    assert_eq!(signals.next().unwrap().unwrap().signal, Signal::CHLD);
    assert_eq!(wait_for(child), Some(0));
}

fn ignored_signals_can_be_caught() {
    signal::ignore(&[Signal::HUP, Signal::PIPE]).unwrap();
    let signals = Signals::catch(&[Signal::HUP]).unwrap();
    process::send_signal(process::id(), Signal::PIPE).unwrap();
    process::send_signal(process::id(), Signal::HUP).unwrap();
    assert_eq!(signals.next().unwrap().unwrap().signal, Signal::HUP);
    assert_eq!(
        format!("{} {:?}", Signal::HUP, Signal::USR1),
        "SIGHUP SIGUSR1"
    );
}

fn a_wait_ends_in_time() {
    let signals = Signals::catch(&[Signal::HUP]).unwrap();
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let other = [theirs.as_fd()];
    assert_eq!(
        signals
            .wait(&other, Some(Duration::from_millis(5)))
            .unwrap(),
        [false]
    );
    std::io::Write::write_all(&mut ours, b"x").unwrap();
    assert_eq!(signals.wait(&other, None).unwrap(), [true]);
}

fn children_are_reaped_with_their_status() {
    assert!(process::reap().unwrap().is_none());
    let Fork::Parent(child) = process::fork().unwrap() else {
        process::end_now(7)
    };
    assert!(process::is_alive(child));
    assert_eq!(wait_for(child), Some(7));
    assert!(!process::is_alive(child));
    assert!(process::send_signal(0, Signal::HUP).is_err());
    assert!(process::send_signal(u32::MAX, Signal::HUP).is_err());
}

fn exec_resets_signals_and_passes_environment() {
    signal::ignore(&[Signal::PIPE]).unwrap();
    let signals = Signals::catch(&[Signal::HUP, Signal::TERM]).unwrap();
    let script = c"\
        grep -q '^SigBlk:.0000000000000000$' /proc/self/status || exit 3; \
        grep -q '^SigIgn:.*[02468ace]...$' /proc/self/status || exit 4; \
        test \"$COLOUR\" = blue || exit 5; test \"$0\" = name || exit 6; exit 42";
    if process::fork().unwrap() == Fork::Child {
        let arguments = [c"sh", c"-c", script, c"name"].map(Into::into);
        let environment = [c"COLOUR=blue".into(), c"PATH=/usr/bin:/bin".into()];
        drop(process::execute("/bin/sh", &arguments, &environment));
        process::end_now(1);
    }
    signals.wait(&[], Some(Duration::from_millis(1))).unwrap();
    let mut ended = None;
    for _ in 0..5000 {
        ended = process::reap().unwrap();
        if ended.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(ended.unwrap().status.code(), Some(42));
}

fn threads_forbid_a_fork() {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || held.recv());
    assert_eq!(
        process::fork().unwrap_err().kind(),
        std::io::ErrorKind::Unsupported
    );
    assert!(Title::capture().is_none());
    drop(hold);
    drop(thread.join());
}

fn privileges_are_given_up() {
    use tidegate_sys::user;

    process::limit_capabilities(None).unwrap();
    process::forbid_new_privileges().unwrap();
    assert_eq!(status_line("CapEff:"), "0000000000000000");
    assert_eq!(status_line("CapPrm:"), "0000000000000000");
    assert_eq!(status_line("NoNewPrivs:"), "1");
    if user::effective_user() == 0 {
        let (call, reason) = user::become_user("nobody", 65534, 65534).unwrap_err();
        assert_eq!(
            (call, reason.kind()),
            ("setgid", std::io::ErrorKind::PermissionDenied)
        );
        return;
    }
    assert!(user::become_user("root", 0, 0).is_err());
}

fn limits_are_set() {
    process::set_open_files_limit(64).unwrap();
    process::set_core_size_limit(0).unwrap();
    process::set_priority(5).unwrap();
    // A container may have others than the first.
    let allowed = status_line("Cpus_allowed_list:");
    let first = allowed.split(['-', ',']).next().unwrap();
    process::pin_to_cpus(&[first.parse().unwrap()]).unwrap();
    assert_eq!(status_line("Cpus_allowed_list:"), first);
    assert!(process::pin_to_cpus(&[1 << 20]).is_err());
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    assert_eq!(line.split_ascii_whitespace().nth(3), Some("64"));
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    assert_eq!(
        stat.rsplit(')')
            .next()
            .unwrap()
            .split_ascii_whitespace()
            .nth(16),
        Some("5")
    );
}

fn status_line(name: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.trim().to_owned()
}

/// Shorter than the arguments, longer than them, longer than everything.
fn titles_of_any_length() {
    let before: Vec<_> = std::env::vars_os().collect();
    let mut title = Title::capture().unwrap();
    assert!(Title::capture().is_none());
    assert_eq!(title.arguments().len(), std::env::args_os().count());

    let long = format!("nginx: master process {}", "x".repeat(10_000));
    for text in [
        "n",
        "nginx: worker process",
        "nginx: worker process is shutting down",
    ] {
        title.set(text.as_bytes());
        assert_eq!(shown(), text.as_bytes());
    }
    title.set(long.as_bytes());
    let cut = shown();
    assert!(cut.len() > 100 && long.as_bytes().starts_with(&cut));
    title.set(b"short again");
    assert_eq!(shown(), b"short again");

    assert_eq!(std::env::vars_os().collect::<Vec<_>>(), before);
}

fn shown() -> Vec<u8> {
    let mut shown = std::fs::read("/proc/self/cmdline").unwrap();
    while shown.last() == Some(&0) {
        shown.pop();
    }
    shown
}

fn the_environment_is_replaced() {
    process::replace_environment(&["COLOUR=blue".into(), "EMPTY=".into()]).unwrap();
    assert_eq!(process::environment(), ["COLOUR=blue", "EMPTY="]);
    assert_eq!(std::env::var("COLOUR").as_deref(), Ok("blue"));
    assert!(std::env::var("PATH").is_err());
    assert!(process::replace_environment(&["a\0b".into()]).is_err());
}
