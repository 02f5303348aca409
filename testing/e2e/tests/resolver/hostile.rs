//! Name servers that are dead, slow, flooded, or lie.

use super::dns::{A, CNAME, Dns, Question};
use super::names;
use std::time::Duration;

const GOOD: [[u8; 4]; 1] = [[127, 0, 0, 1]];

/// Where nobody listens, so that a forged answer that was taken shows.
const BAD: &[(u8, &[u8])] = &[(A, &[127, 0, 0, 66])];

fn right(question: &Question<'_>) {
    question.send(&question.addresses(60, &GOOD));
}

/// Answers that are almost right, of every kind.
pub(crate) fn forge(question: &Question<'_>, count: usize) {
    for index in 0..count {
        let mut forged = question.reply(0, 60, BAD);
        match index % 5 {
            0 => forged[0] ^= u8::try_from(index % 255 + 1).expect("a byte"),
            1 => forged[1] ^= u8::try_from(index % 255 + 1).expect("a byte"),
            2 => forged[13] ^= 1,
            // Cut within the question.
            3 => forged.truncate(index % 25),
            _ => {
                // The right answer, but from another port.
                question.send_from_elsewhere(&forged);
                continue;
            }
        }
        question.send(&forged);
    }
}

#[test]
fn a_flood_of_forged_answers_is_passed_over() {
    let dns = Dns::start(|question| {
        forge(question, 60);
        right(question);
        forge(question, 60);
    });
    let server = names(&format!("127.0.0.1:{}", dns.port())).start();
    for index in 0..20 {
        assert_eq!(server.get(&format!("/?h=n{index}.test")).status, 200);
    }
}

#[test]
fn who_never_sends_the_right_answer_is_asked_over_tcp() {
    let dns = Dns::start(|question| forge(question, 400)).with_tcp(GOOD.to_vec());
    let server = names(&format!("127.0.0.1:{}", dns.port())).start();
    assert_eq!(server.get("/?h=flooded.test").status, 200);
}

#[test]
fn truncated_answers_are_asked_for_over_tcp() {
    let dns = Dns::start(|question| {
        let mut cut = question.reply(0, 60, BAD);
        cut[2] |= 2;
        question.send(&cut);
    });
    let dns = dns.with_tcp(GOOD.to_vec());
    let server = names(&format!("127.0.0.1:{}", dns.port())).start();
    assert_eq!(server.get("/?h=long.test").status, 200);
}

#[test]
fn garbage_and_endless_aliases_come_to_an_end() {
    let dns = Dns::start(|question| {
        let answer = match question.name.as_str() {
            // Two names that are aliases of each other, one question after the other.
            "ping.test" => question.reply(0, 60, &[(CNAME, b"\x04pong\xc0\x11")]),
            "pong.test" => question.reply(0, 60, &[(CNAME, b"\x04ping\xc0\x11")]),
            // A name that points at itself.
            "knot.test" => {
                let mut answer = question.reply(0, 60, &[(CNAME, b"\xc0\x0c")]);
                let at = answer.len() - 1;
                answer[at] = u8::try_from(at - 1).expect("a short answer");
                answer
            }
            _ => question.reply(0, 60, &[(A, &[127])]),
        };
        question.send(&answer);
    });
    let server = names(&format!("127.0.0.1:{}", dns.port()))
        .allow_log("could not be resolved")
        .start();
    for (host, text) in [
        ("ping.test", "3: Host not found"),
        ("knot.test", "1: Format error"),
        ("short.test", "1: Format error"),
    ] {
        assert_eq!(server.get(&format!("/?h={host}")).status, 502, "{host}");
        server.wait_for_error_log(&format!("{host} could not be resolved ({text})"));
    }
    assert!(dns.asked() < 100);
}

#[test]
fn a_dead_server_is_left_for_the_next() {
    let dead = Dns::start(|_| {});
    let good = Dns::start(right);
    let gone = Dns::start(|_| {}).port();
    let all = format!(
        "127.0.0.1:{gone} 127.0.0.1:{} 127.0.0.1:{}",
        dead.port(),
        good.port()
    );
    let server = names(&all).start();
    for index in 0..3 {
        assert_eq!(server.get(&format!("/?h=n{index}.test")).status, 200);
    }
}

#[test]
fn silence_ends_after_resolver_timeout() {
    let dead = Dns::start(|_| {});
    let server = names(&format!(
        "127.0.0.1:{}; resolver_timeout 300ms",
        dead.port()
    ))
    .allow_log("could not be resolved")
    .start();
    assert_eq!(server.get("/?h=lost.test").status, 502);
    server.wait_for_error_log("lost.test could not be resolved (110: Operation timed out)");
}

#[test]
fn a_slow_server_is_waited_for() {
    let slow = Dns::start(|question| {
        // Longer than until it is asked again.
        std::thread::sleep(Duration::from_millis(600));
        right(question);
    });
    let server = names(&format!("127.0.0.1:{}", slow.port())).start();
    assert_eq!(server.get("/?h=slow.test").status, 200);
}

#[test]
fn while_nobody_answers_the_last_addresses_stay() {
    let dns = Dns::start(|question| question.send(&question.addresses(0, &GOOD)));
    let server = names(&format!("127.0.0.1:{}; resolver_timeout 1s", dns.port())).start();
    assert_eq!(server.get("/?h=app.test").status, 200);
    dns.set(|question| forge(question, 20));
    let asked = dns.asked();
    let is_over = harness::clock::becomes_true(Duration::from_secs(10), || {
        assert_eq!(server.get("/?h=app.test").status, 200);
        dns.asked() > asked
    });
    assert!(is_over, "what was said is forgotten");
    for _ in 0..5 {
        assert_eq!(server.get("/?h=app.test").status, 200);
    }
}

#[test]
fn silence_and_floods_do_not_keep_the_worker_busy() {
    let dns = Dns::start(|question| {
        if question.name == "flooded.test" {
            forge(question, 90);
        }
    });
    let server = names(&format!("127.0.0.1:{}; resolver_timeout 2s", dns.port()))
        .allow_log("could not be resolved")
        .start();
    let busy = || -> u64 {
        let stats = server
            .workers()
            .into_iter()
            .filter_map(harness::process::stat);
        stats.map(|stat| stat.cpu_ticks).sum()
    };
    let before = busy();
    for host in ["silent.test", "flooded.test"] {
        assert_eq!(server.get(&format!("/?h={host}")).status, 502);
    }
    // Of four seconds, in hundredths: a loop that does not wait takes all.
    let spent = busy() - before;
    assert!(spent < 100, "{spent}");
}
