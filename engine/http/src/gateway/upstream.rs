//! Groups of servers: those that `upstream` names, and those that a URL names in passing.

use super::pool::{KeepAlive, Pool};
use super::queue::Queue;
use super::sticky::Sticky;
use engine::Loading;
use engine::address::{Address, split_host};
use engine::peer::{Balancer, EjectRules, PeerConfig, Peers, RoundRobin};
use engine::retry_budget::{RetryBudget, RetryRules};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// A group, as one worker sees it.
pub struct Upstream {
    /// Its name: of the block, or `host:port`.
    pub name: Rc<str>,
    /// The peers.
    pub peers: Peers,
    /// Who chooses among them.
    pub balancer: Box<dyn Balancer>,
    /// How sessions are bound to peers, if they are.
    pub sticky: Option<Rc<dyn Sticky>>,
    /// When a peer is left alone because it does worse than others, if ever.
    pub eject: Option<EjectRules>,
    /// Whether connections over which clients authenticate belong to these (`ntlm`).
    pub binds_clients: bool,
    /// Requests that wait for a peer.
    pub queue: Queue,
    /// Idle connections.
    pub pool: Rc<Pool>,
    /// What this worker may try again.
    pub retries: RetryBudget,
}

impl Upstream {
    /// A group.
    pub fn new(
        name: impl Into<Rc<str>>,
        peers: Peers,
        balancer: Box<dyn Balancer>,
        keep_alive: KeepAlive,
        retries: Option<RetryRules>,
    ) -> Self {
        Self {
            name: name.into(),
            peers,
            balancer,
            sticky: None,
            eject: None,
            binds_clients: false,
            queue: Queue::default(),
            pool: Pool::new(keep_alive),
            retries: RetryBudget::new(retries),
        }
    }

    /// The group that addresses make without a block. As in nginx its connections do not stay
    /// open: nobody said that the server can have idle ones, and a request that may not be sent
    /// twice is lost on one that the server closes in that moment.
    pub fn of_addresses(name: &str, addresses: Vec<Address>) -> Rc<Self> {
        let keep_alive = KeepAlive {
            connections: 0,
            ..KeepAlive::default()
        };
        let peers = Peers::new(addresses.into_iter().map(|address| PeerConfig {
            server: name.into(),
            ..PeerConfig::new(address)
        }));
        let retries = Some(RetryRules::default());
        let own = Self::new(name, peers, Box::new(RoundRobin), keep_alive, retries);
        Rc::new(own)
    }
}

/// Every group of a configuration by name.
#[derive(Default)]
pub struct Upstreams {
    named: HashMap<Vec<u8>, Rc<Upstream>>,
    implicit: HashMap<Vec<u8>, Rc<Upstream>>,
}

impl Upstreams {
    /// Adds the group of a block.
    pub fn add(&mut self, upstream: Rc<Upstream>) {
        let name = upstream.name.as_bytes().to_ascii_lowercase();
        self.named.insert(name, upstream);
    }

    /// The group of the block that a URL means by `host`; see [`has_port`].
    pub fn find(&self, host: &str) -> Option<&Rc<Upstream>> {
        let found = self.named.get(&host.to_ascii_lowercase().into_bytes());
        found.filter(|_| !has_port(host))
    }

    /// All groups.
    pub fn all(&self) -> impl Iterator<Item = &Rc<Upstream>> {
        self.named.values().chain(self.implicit.values())
    }

    /// All groups, those of blocks and those that URLs made, by what a URL calls them.
    pub fn by_authority(&self) -> HashMap<Vec<u8>, Rc<Upstream>> {
        let mut all = self.implicit.clone();
        let named = self
            .named
            .iter()
            .filter(|(_, group)| !has_port(&group.name));
        all.extend(named.map(|(name, group)| (name.clone(), Rc::clone(group))));
        all
    }
}

/// Whether `authority` ends with a port: then a URL means by it what it says, though a block may
/// have the same name, as in nginx, which looks for blocks by the host alone.
fn has_port(authority: &str) -> bool {
    let split = split_host(authority);
    !authority.starts_with("unix:") && split.is_some_and(|(_, port)| port.is_some())
}

/// The group that `authority` (`host[:port]` or `unix:path`) means: a block's where it is the
/// name of one, else one made for it.
///
/// # Errors
///
/// In nginx's words, without the directive: `host not found in upstream "..."`, `invalid port
/// in upstream "..."`, `upstream "..." may not have port N`.
pub fn of_authority(
    loading: &mut Loading,
    authority: &str,
    default_port: u16,
) -> Result<Rc<Upstream>, String> {
    let groups = loading.shared::<Upstreams>();
    if let Some(found) = groups.find(authority) {
        return Ok(Rc::clone(found));
    }
    if let Some((host, port)) = authority.rsplit_once(':')
        && let Some(found) = groups.find(host)
    {
        let name = &found.name;
        return Err(format!("upstream \"{name}\" may not have port {port}"));
    }
    // Of the protocols with a default port there is one, so that the text is the whole key.
    let key = authority.to_ascii_lowercase().into_bytes();
    if let Some(found) = groups.implicit.get(&key) {
        return Ok(Rc::clone(found));
    }
    let addresses = addresses_of(authority, default_port, engine::address::resolve)?;
    let upstream = Upstream::of_addresses(authority, addresses);
    groups.implicit.insert(key, Rc::clone(&upstream));
    Ok(upstream)
}

/// The addresses of `authority`; names are looked up by `resolve`.
///
/// # Errors
///
/// As [`of_authority`].
pub fn addresses_of(
    authority: &str,
    default_port: u16,
    resolve: impl Fn(&str) -> Option<Vec<IpAddr>>,
) -> Result<Vec<Address>, String> {
    let refuse = |why: &str| format!("{why} in upstream \"{authority}\"");
    if let Some(path) = authority.strip_prefix("unix:") {
        let path = path.split(':').next().unwrap_or_default();
        if path.is_empty() {
            return Err(refuse("no path in the unix domain socket"));
        }
        return Ok(vec![Address::Unix(path.as_bytes().into())]);
    }
    if authority.contains(['/', '?']) {
        return Err(refuse("invalid host"));
    }
    let (host, port) = split_host(authority).ok_or_else(|| {
        // Two colons: the first one ends a host.
        let has_host = !authority.starts_with('[');
        refuse(if has_host {
            "invalid port"
        } else {
            "invalid host"
        })
    })?;
    if host.is_empty() {
        return Err(refuse("no host"));
    }
    let port = match port {
        None => default_port,
        Some(text) => {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let port: Option<u16> = text.parse().ok().filter(|&port| port > 0 && is_number);
            port.ok_or_else(|| refuse("invalid port"))?
        }
    };
    let ips = resolve(host).ok_or_else(|| refuse("host not found"))?;
    let address = |ip| Address::Ip(SocketAddr::new(ip, port));
    Ok(ips.into_iter().map(address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(authority: &str, expected: &str) {
        let known = |host: &str| match host {
            "two.test" => Some(vec![[192, 0, 2, 1].into(), [192, 0, 2, 2].into()]),
            _ => host.parse().ok().map(|ip| vec![ip]),
        };
        let got = match addresses_of(authority, 80, known) {
            Ok(all) => all
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            Err(why) => why,
        };
        assert_eq!(got, expected, "{authority}");
    }

    #[test]
    fn a_block_is_found_by_a_name_without_a_port() {
        let mut all = Upstreams::default();
        for name in ["One", "two:80", "127.0.0.1:8080"] {
            all.add(Upstream::of_addresses(name, Vec::new()));
        }
        assert!(all.find("one").is_some());
        assert!(all.find("two:80").is_none() && all.find("127.0.0.1:8080").is_none());
        assert_eq!(all.all().count(), 3);
        let keys: Vec<_> = all.by_authority().into_keys().collect();
        assert_eq!(keys, [b"one"]);
    }

    #[test]
    fn authorities() {
        check("127.0.0.1", "127.0.0.1:80");
        check("127.0.0.1:81", "127.0.0.1:81");
        check("[::1]:81", "[::1]:81");
        check("unix:/tmp/a:", "unix:/tmp/a");
        check("two.test:8", "192.0.2.1:8 192.0.2.2:8");
        check("no.test", "host not found in upstream \"no.test\"");
        check("127.0.0.1:x", "invalid port in upstream \"127.0.0.1:x\"");
        check(":80", "no host in upstream \":80\"");
        check(
            "unix:",
            "no path in the unix domain socket in upstream \"unix:\"",
        );
        check("::1", "invalid port in upstream \"::1\"");
        check("[::1", "invalid host in upstream \"[::1\"");
        check("http://a", "invalid host in upstream \"http://a\"");
    }
}
