//! `health_check`: servers of a group are asked regularly whether they are well, and those that
//! are not get no requests.
//!
//! One worker asks for all of them. Who it is says a lease in memory that all workers share, which
//! a worker that is killed or stuck loses; what comes out is kept with the group, in its zone. The
//! requests are those of the location that the directive stands in, so that the servers see what
//! they see of clients.
//!
//! Source: nginx documentation, ngx_http_upstream_hc_module.

mod lease;
mod prober;
mod settings;
mod standing;
mod test_set;

use crate::proxy;
use engine::Refused;
use engine::peer::Health;
use http::Module;
use http::config::finish::Finishing;
use http::gateway::{Upstream, Upstreams};
use settings::{Check, Found, Mandatory, SETTINGS, TestSets};
use shm::SharedCounters;
use std::rc::Rc;

/// Most checks of one group: each has a bit in a word.
const CHECKS_MAX: u32 = 64;

/// Active checks.
pub(crate) static MODULE: Module = Module {
    name: "upstream_hc",
    settings: &[&SETTINGS],
    finish: Some(finish),
    start_worker: Some(prober::start),
    ..Module::EMPTY
};

/// A group with checks, while they are being counted.
struct Checked {
    upstream: Rc<Upstream>,
    checks: u32,
    /// Those that must be completed before a peer is used that was never checked.
    mandatory: u64,
    /// Of these, those that a peer need not wait for that was healthy.
    persistent: u64,
}

/// Ties checks to the groups and tests that they name, and says of every peer what is known of
/// it before the first check.
fn finish(finishing: &mut Finishing<'_>) -> Result<(), Refused> {
    let sets: TestSets = finishing.loading.take_shared();
    let leases = SharedCounters::new(finishing.arena.levels.len(), lease::WIDTH)
        .map_err(|error| Refused::new(format!("memory for health checks: {error}")))?;
    let leases = Rc::new(leases);
    let mut groups: Vec<Checked> = Vec::new();
    let mut errors = Vec::new();
    for level in &mut finishing.arena.levels {
        let group = proxy::probe::group(&mut level.location);
        let server = level.server_level;
        let Some(settings) = SETTINGS.edit(&mut level.location) else {
            continue;
        };
        if settings.checks.is_empty() {
            continue;
        }
        for check in settings.checks.edit() {
            match tie(check, group.as_ref(), &sets, &mut groups) {
                Ok((tests, number, lease)) => {
                    check.found = group.as_ref().map(|upstream| Found {
                        tests,
                        upstream: Rc::clone(upstream),
                        number,
                        server,
                        leases: Rc::clone(&leases),
                        lease,
                    });
                }
                Err(message) => errors.push(conf::Error::emerg(check.position, message)),
            }
        }
    }
    finishing.loading.errors.append(&mut errors);
    settle(finishing, &groups);
    Ok(())
}

type Tied = (Rc<test_set::TestSet>, u32, usize);

/// What a check refers to: its tests, its number in its group, the group's number.
fn tie(
    check: &Check,
    group: Option<&Rc<Upstream>>,
    sets: &TestSets,
    groups: &mut Vec<Checked>,
) -> Result<Tied, String> {
    let upstream = group.ok_or("\"health_check\" requires \"proxy_pass\" to an upstream group")?;
    if !upstream.peers.is_shared() {
        let name = &upstream.name;
        return Err(format!(
            "\"health_check\" requires \"zone\" in upstream \"{name}\""
        ));
    }
    let tests = match &check.match_name {
        None => Rc::default(),
        Some(name) => {
            let set = sets.by_name.get(name);
            Rc::clone(set.ok_or_else(|| format!("unknown match \"{name}\""))?)
        }
    };
    let known = groups
        .iter()
        .position(|known| Rc::ptr_eq(&known.upstream, upstream));
    let lease = known.unwrap_or_else(|| {
        groups.push(Checked {
            upstream: Rc::clone(upstream),
            checks: 0,
            mandatory: 0,
            persistent: 0,
        });
        groups.len() - 1
    });
    let known = &mut groups[lease];
    let number = known.checks;
    if number >= CHECKS_MAX {
        let name = &upstream.name;
        return Err(format!("too many health checks of upstream \"{name}\""));
    }
    known.checks += 1;
    let bit = 1 << number;
    if check.mandatory != Mandatory::No {
        known.mandatory |= bit;
    }
    if check.mandatory == Mandatory::Persistent {
        known.persistent |= bit;
    }
    Ok((tests, number, lease))
}

/// Begins with what the configuration before knew: a peer that was unhealthy stays so until it
/// passes. Where nobody checks any more, nothing is known.
fn settle(finishing: &mut Finishing<'_>, groups: &[Checked]) {
    for upstream in finishing.loading.shared::<Upstreams>().all() {
        let checked = groups
            .iter()
            .find(|checked| Rc::ptr_eq(&checked.upstream, upstream));
        if let Some(checked) = checked {
            upstream.peers.expect_checks(checked.mandatory);
        }
        upstream.peers.with(|group| {
            for peer in group.iter() {
                let counters = peer.counters;
                let Some(checked) = checked else {
                    counters.set_health(Health::Unknown);
                    continue;
                };
                let bits = standing::Bits::at_start(checked, counters.health());
                counters.set_failed_checks(bits.failed);
                counters.set_pending_checks(bits.pending);
                counters.set_health(bits.health());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    fn location(inside: &str) -> String {
        format!(
            "upstream u {{ zone u 64k; server 127.0.0.1:1; }} \
             server {{ location / {{ proxy_pass http://u; {inside} }} }}"
        )
    }

    #[test]
    fn parameters() {
        check(&location("health_check;"), "");
        check(
            &location(
                "health_check interval=10 jitter=3s fails=3 passes=2 uri=/a?b port=8080 \
                 mandatory persistent keepalive_time=60s;",
            ),
            "",
        );
        check(&location("health_check type=http;"), "");
        check(&location("health_check; health_check uri=/b;"), "");
        for wrong in [
            "interval=0",
            "interval=x",
            "jitter=-1",
            "fails=0",
            "passes=",
            "uri=b",
            "uri=",
            "port=0",
            "port=65536",
            "match=",
            "persistent",
            "sometimes",
            "type=udp",
        ] {
            check(
                &location(&format!("health_check {wrong};")),
                &format!("invalid parameter \"{wrong}\""),
            );
        }
        check(
            &location("health_check type=grpc;"),
            "parameter \"type=grpc\" is not supported: it needs HTTP/2 to servers, which this \
             build does not speak",
        );
    }

    #[test]
    fn what_is_checked_and_how_must_be_there() {
        let with_match = |inside: &str| format!("{} match m {{ status 200; }}", location(inside));
        check(&with_match("health_check match=m;"), "");
        check(&with_match("health_check match=n;"), "unknown match \"n\"");
        check(
            &format!(
                "{} match b {{ status x; }}",
                location("health_check match=b;")
            ),
            "invalid status \"x\"",
        );
        check("match m { } match m { }", "duplicate match \"m\"");
        check("match m { status x; }", "invalid status \"x\"");
        check(
            "upstream u { server 127.0.0.1:1; } \
             server { location / { proxy_pass http://u; health_check; } }",
            "\"health_check\" requires \"zone\" in upstream \"u\"",
        );
        check(
            "server { location / { proxy_pass http://127.0.0.1:1; health_check; } }",
            "\"health_check\" requires \"zone\" in upstream \"127.0.0.1:1\"",
        );
        let no_group = "\"health_check\" requires \"proxy_pass\" to an upstream group";
        check("server { location / { health_check; } }", no_group);
        check(
            "server { location / { proxy_pass http://$host; health_check; } }",
            no_group,
        );
        check(
            "server { health_check; }",
            "\"health_check\" directive is not allowed here",
        );
    }
}
