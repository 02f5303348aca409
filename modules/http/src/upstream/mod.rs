//! `upstream`: groups of servers, who of them is asked, and connections kept open to them.
//!
//! A block is read into [`Blocks`] as its directives come; when all is read, each becomes one
//! group of the gateway engine. A balancing method is a room of its own that says which
//! [`Balancer`] the group gets.
//!
//! Source: nginx documentation, ngx_http_upstream_module.

mod balancers;
mod eject;
mod hash;
mod keepalive;
mod ntlm;
mod queue;
mod resolve;
mod retry_budget;
mod server;
mod state;
mod sticky;
mod zone;

pub(crate) use balancers::{IP_HASH, LEAST_CONN, LEAST_TIME, RANDOM};
pub(crate) use eject::MODULE as EJECT;
pub(crate) use hash::MODULE as HASH;
pub(crate) use keepalive::MODULE as KEEPALIVE;
pub(crate) use ntlm::MODULE as NTLM;
pub(crate) use queue::MODULE as QUEUE;
pub(crate) use retry_budget::MODULE as RETRY_BUDGET;
pub(crate) use state::MODULE as STATE;
pub(crate) use sticky::MODULE as STICKY;
pub(crate) use zone::MODULE as ZONE;

use conf::Position;
use engine::directive::{block, custom, lossy};
use engine::peer::{Balancer, EjectRules, PeerConfig, Peers, RoundRobin};
use engine::retry_budget::RetryRules;
use engine::{Arity, Contexts, Directive, Line, Loading, Refused, Setting, Slot, inherit_fields};
use http::config::finish::Finishing;
use http::gateway::bell::Bell;
use http::gateway::queue::Queue;
use http::gateway::sticky::Sticky;
use http::gateway::{Upstream, Upstreams};
use http::worker::HttpWorker;
use http::{Generation, Module};
use resolve::Named;
use runtime::log::os_error;
use std::io;
use std::rc::Rc;

/// The blocks read so far.
#[derive(Default)]
struct Blocks {
    all: Vec<Block>,
}

/// One `upstream` block.
struct Block {
    name: String,
    /// Number of its level, by which its directives find it.
    level: Option<u32>,
    position: Position,
    peers: Vec<PeerConfig>,
    /// Servers that are looked up while the server works.
    named: Vec<Named>,
    /// How often `server` was said, whatever came of it.
    servers: usize,
    /// Whether its servers stand in a file of their own.
    has_state: bool,
    balancer: Option<Box<dyn Balancer>>,
    method: Method,
    sticky: Option<Rc<dyn Sticky>>,
    queue: Option<Queue>,
    /// Whether `ntlm` was said.
    binds_clients: bool,
    keep_alive: keepalive::Limits,
    retries: Setting<Option<RetryRules>>,
    eject: Setting<Option<EjectRules>>,
    /// The zone that workers share it in.
    zone: Option<String>,
}

/// What servers of a group may be, by its method.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    /// Any.
    ByWeight,
    /// Neither backup nor growing slowly: a key's server must not depend on either.
    ByKey,
}

impl Block {
    /// What is said about each server, found already or not.
    fn configs(&self) -> impl Iterator<Item = &PeerConfig> {
        let named = self.named.iter().map(Named::shape);
        self.peers.iter().chain(named)
    }

    /// Refuses a server that the method has no use for.
    fn admits(&self, peer: &PeerConfig) -> Result<(), Refused> {
        let refuse = |parameter: &str| {
            Err(Refused::new(format!(
                "balancing method does not support parameter \"{parameter}\""
            )))
        };
        match self.method {
            Method::ByKey if peer.is_backup => refuse("backup"),
            Method::ByKey if peer.slow_start > 0 => refuse("slow_start"),
            _ => Ok(()),
        }
    }
}

/// Nothing is kept at levels: a block's directives add to its [`Block`].
#[derive(Default)]
struct Nothing {}

inherit_fields!(Nothing {});

const DIRECTIVES: &[Directive<Nothing>] = &[
    block("upstream", Contexts::HTTP, Arity::ONE, |_, line| open(line)),
    custom("server", Contexts::UPSTREAM, Arity::SOME, |_, line| {
        server::read(line)
    }),
];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// The groups of all blocks, for workers that start.
#[derive(Clone, Default)]
struct Groups {
    all: Setting<Vec<Rc<Upstream>>>,
}

inherit_fields!(Groups { all });

static GROUPS: Slot<Groups> = Slot::main(&[]);

/// Groups of servers.
pub(crate) static MODULE: Module = Module {
    name: "upstream_blocks",
    settings: &[&SETTINGS, &GROUPS, &resolve::WATCHES],
    finish: Some(finish),
    start_worker: Some(start_worker),
    ..Module::EMPTY
};

/// `upstream name { ... }`
fn open(line: &mut Line<'_>) -> Result<(), Refused> {
    let name = lossy(line.arg(0));
    let position = line.directive.end;
    let blocks = &mut line.loading.shared::<Blocks>().all;
    if blocks
        .iter()
        .any(|block| block.name.eq_ignore_ascii_case(&name))
    {
        return Err(Refused::new(format!("duplicate upstream \"{name}\"")));
    }
    let index = blocks.len();
    blocks.push(Block {
        name,
        level: None,
        position,
        peers: Vec::new(),
        named: Vec::new(),
        servers: 0,
        has_state: false,
        balancer: None,
        method: Method::ByWeight,
        sticky: None,
        queue: None,
        binds_clients: false,
        keep_alive: keepalive::Limits::default(),
        retries: Setting::new(Some(RetryRules::default())),
        eject: Setting::new(None),
        zone: None,
    });
    line.open_level(Contexts::UPSTREAM);
    // One that could not be read has been told of.
    let has_server = line.block().iter().any(|directive| directive.is("server"));
    let block = &line.loading.shared::<Blocks>().all[index];
    if block.servers == 0 && !block.has_state && !has_server {
        return Err(Refused::new("no servers are inside upstream"));
    }
    Ok(())
}

/// The block that a directive stands in: the one that was opened last, since they do not nest.
fn current(loading: &mut Loading, level: u32) -> Result<&mut Block, Refused> {
    let last = loading.shared::<Blocks>().all.last_mut();
    let block = last.ok_or_else(|| Refused::new("there is no upstream to set this for"))?;
    block.level = Some(level);
    Ok(block)
}

/// Gives the block its method.
fn choose(line: &mut Line<'_>, balancer: Box<dyn Balancer>, method: Method) -> Result<(), Refused> {
    let level = line.level;
    let block = current(line.loading, level)?;
    let is_redefined = block.balancer.replace(balancer).is_some();
    // Servers that stand before it are as they are, as in nginx: their keys' servers may depend on
    // more than the key.
    block.method = method;
    if is_redefined {
        line.warn("load balancing method redefined");
    }
    Ok(())
}

/// Makes groups of the blocks.
fn finish(finishing: &mut Finishing<'_>) -> Result<(), Refused> {
    let blocks: Blocks = finishing.loading.take_shared();
    for mut block in blocks.all {
        let refuse = |message: &str| conf::Error::emerg(block.position, message);
        if block.configs().next().is_some() && block.configs().all(|peer| peer.is_backup) {
            let error = refuse(&format!("no servers in upstream \"{}\"", block.name));
            finishing.loading.errors.push(error);
        }
        let configs = std::mem::take(&mut block.peers);
        let peers = match zone::peers(finishing.loading, &block, configs) {
            Ok(peers) => peers,
            Err(refused) => {
                finishing.loading.errors.push(refuse(refused.message()));
                continue;
            }
        };
        let balancer = block.balancer.unwrap_or_else(|| Box::new(RoundRobin));
        let mut upstream = Upstream::new(
            block.name,
            peers,
            balancer,
            block.keep_alive.rules(),
            *block.retries,
        );
        upstream.sticky = block.sticky;
        upstream.binds_clients = block.binds_clients;
        upstream.queue = match queue(block.queue, &upstream.peers) {
            Ok(queue) => queue,
            Err(error) => {
                let error = refuse(&format!("eventfd() failed ({})", os_error(&error)));
                finishing.loading.errors.push(error);
                continue;
            }
        };
        upstream.eject = *block.eject;
        let upstream = Rc::new(upstream);
        if let (Some(level), false) = (block.level, block.named.is_empty())
            && let Err(refused) = resolve::watch(finishing, level, &upstream, block.named)
        {
            let error = conf::Error::emerg(block.position, refused.message());
            finishing.loading.errors.push(error);
        }
        if let Some(groups) = GROUPS.edit(&mut finishing.arena.main) {
            groups.all.edit().push(Rc::clone(&upstream));
        }
        finishing.loading.shared::<Upstreams>().add(upstream);
    }
    Ok(())
}

/// The queue for `peers`, with a bell where other workers use them, too.
fn queue(queue: Option<Queue>, peers: &Peers) -> io::Result<Queue> {
    Ok(match queue {
        Some(queue) if peers.is_shared() => queue.with_bell(Bell::new()?),
        queue => queue.unwrap_or_default(),
    })
}

/// The groups that the configuration names.
pub(crate) fn groups(generation: &Generation) -> &[Rc<Upstream>] {
    &GROUPS.of(&generation.main).all
}

/// Gives back what workers that were killed held (a new one takes the place of each), and lets
/// balancers begin.
fn start_worker(worker: &Rc<HttpWorker>) {
    let own = sys::process::id();
    for group in groups(&worker.generation) {
        group
            .peers
            .bury(|pid| pid != own && sys::process::is_alive(pid));
        group.balancer.start_worker(u64::from(own) << 16);
    }
    resolve::start_worker(worker);
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn blocks_and_their_misuse() {
        check(
            "upstream u { server 127.0.0.1:1 weight=2 max_fails=0; }",
            "",
        );
        check(
            "upstream u { server 127.0.0.1; } upstream U { server 127.0.0.1; }",
            "duplicate upstream \"U\"",
        );
        check("upstream u { }", "no servers are inside upstream");
        check(
            "upstream u { server 127.0.0.1:1 weight=0; }",
            "invalid parameter \"weight=0\"",
        );
        check(
            "upstream u { ip_hash; server 127.0.0.1:1 backup; }",
            "balancing method does not support parameter \"backup\"",
        );
        check(
            "upstream u { ip_hash; least_conn; server 127.0.0.1; }",
            "load balancing method redefined",
        );
        check(
            "upstream u { hash $uri; server 127.0.0.1 slow_start=1s; }",
            "balancing method does not support parameter \"slow_start\"",
        );
        // nginx asks what a method supports of the servers that follow it.
        check(
            "upstream u { server 127.0.0.1:1; server 127.0.0.1:2 backup; ip_hash; }",
            "",
        );
        check(
            "upstream u { server; }",
            "invalid number of arguments in \"server\" directive",
        );
        check(
            "upstream u { server 127.0.0.1:1 max_fails=99999999999; }",
            "",
        );
        check(
            "upstream u { server unix:; }",
            "no path in the unix domain socket in upstream \"unix:\"",
        );
        check(
            "upstream u { server 127.0.0.1 slow_start=1s route=a drain; least_time header inflight; queue 5 timeout=1s; }",
            "",
        );
        check(
            "upstream u { server 127.0.0.1; least_time first; }",
            "invalid value \"first\"",
        );
        check(
            "upstream u { server 127.0.0.1; random two least_time; }",
            "invalid parameter \"least_time\"",
        );
        check(
            "upstream u { server 127.0.0.1; random three; }",
            "invalid parameter \"three\"",
        );
        check(
            "server { hash $host; }",
            "\"hash\" directive is not allowed here",
        );
    }

    #[test]
    fn zones_and_their_misuse() {
        let many: String = (1..=400)
            .map(|port| format!("server 127.0.0.1:{port};"))
            .collect();
        check(
            &format!("upstream u {{ zone a 32k; {many} }}"),
            "no room in the shared memory zone \"a\" for upstream \"u\"",
        );
        let zone = |lines: &str| format!("upstream u {{ server 127.0.0.1:1; {lines} }}");
        check(&zone("zone a 64k;"), "");
        check(&zone("zone a 1k;"), "zone \"a\" is too small");
        check(&zone("zone a x;"), "invalid zone size \"x\"");
        check(&zone("zone a;"), "zero size shared memory zone \"a\"");
        check(&zone("zone a 32k; zone b 32k;"), "");
        check(
            "upstream u { server 127.0.0.1:1; zone a; } upstream v { server 127.0.0.1:1; zone a 64k; }",
            "",
        );
        check(
            "limit_conn_zone $uri zone=a:64k; upstream u { server 127.0.0.1:1; zone a 64k; }",
            "the shared memory zone \"a\" is already declared for a different use",
        );
    }

    #[test]
    fn servers_to_be_looked_up() {
        let upstream = |lines: &str| format!("upstream u {{ {lines} }}");
        let good = "resolver 127.0.0.1; resolver_timeout 5s; zone u 64k;";
        let check_server = |server: &str, expected: &str| {
            check(&upstream(&format!("{good} server {server};")), expected);
        };
        check_server("a.test resolve", "");
        check_server("a.test:8080 resolve weight=2", "");
        check_server("127.0.0.1:1 resolve", "");
        check_server("unix:/tmp/a resolve", "");
        check_server("a.test service=http resolve", "");
        check_server(
            "a.test service=http",
            "service upstream \"a.test\" requires \"resolve\" parameter",
        );
        check_server("a.test service= resolve", "service is empty");
        check_server(
            "a.test:1 service=http resolve",
            "service upstream \"a.test:1\" may not have port",
        );
        for address in ["127.0.0.1:1", "unix:/tmp/a"] {
            check_server(
                &format!("{address} service=http resolve"),
                &format!("service upstream \"{address}\" may not have port"),
            );
        }
        check_server(
            "127.0.0.1/a resolve",
            "invalid host in upstream \"127.0.0.1/a\"",
        );
        check_server(
            "127.0.0.1 service=http resolve",
            "service upstream \"127.0.0.1\" requires domain name",
        );
        check_server("a.test:x resolve", "invalid port in upstream \"a.test:x\"");
        check_server("a.test resolve backup", "no servers in upstream \"u\"");
        check(
            &upstream("ip_hash; zone u 64k; server a.test resolve backup;"),
            "balancing method does not support parameter \"backup\"",
        );
        check(
            &upstream("resolver 127.0.0.1; server a.test resolve;"),
            "resolving names at run time requires upstream \"u\" to be in shared memory",
        );
        let without = upstream("zone u 64k; server a.test resolve;");
        check(
            &without,
            "no resolver defined to resolve names at run time in upstream \"u\"",
        );
        check(&format!("{without} resolver 127.0.0.1;"), "");
    }
}
