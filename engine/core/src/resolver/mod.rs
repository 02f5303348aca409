//! Names to addresses while requests wait: `resolver` and `resolver_timeout`.
//!
//! A [`Resolver`] is one line `resolver` as one worker uses it. Whoever wants to know about a
//! name that is being asked for already waits for the same answer ([`lookup`]); what was found
//! is remembered as long as it says. Questions go to the servers in turn, each from a socket of
//! its own, and what does not answer the question is passed over ([`ask`]).
//!
//! What a server says counts, even that it cannot tell. Silence does not: while no server
//! answers, the last addresses of a name are used (RFC 8767).
//!
//! Source: nginx documentation, ngx_http_core_module, `resolver`.

mod ask;
mod config;
mod known;
mod lookup;
pub mod statistics;
#[cfg(test)]
mod tests;

use crate::address::Address;
use crate::line::{Loading, Refused};
pub use ask::{Counter, Counts};
pub use config::Config;
use dns::{Data, Kind, Name};
pub use lookup::Found;
use lookup::{Answered, Lookups};
use runtime::{Millis, Worker};
use statistics::Statistics;
use std::cell::Cell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// Names that an alias may lead to, one answer after the other. Aliases within one answer are
/// counted apart. nginx follows 50.
const ALIASES_MAX: usize = 16;

/// Longest that a name that does not exist is believed not to, whatever its zone says, so that
/// a server that was just added is found soon.
const NEGATIVE_MAX: Millis = 5_000;

/// Why a name has no addresses. `Display` is nginx's wording, number first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A server said so: a response code (RFC 1035, 4.1.1). Code 3 is a name that does not
    /// exist, and stands for one without addresses, too.
    Server(u16),
    /// No server answered in time.
    TimedOut,
    /// So many names are being asked for that there is no room for another.
    Busy,
}

impl Failure {
    /// There is no such name, or nothing was found under it.
    pub const NOT_FOUND: Self = Self::Server(3);

    /// The answer could not be read.
    const FORMAT: Self = Self::Server(1);
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, text) = match *self {
            Self::TimedOut => (110, "Operation timed out"),
            Self::Busy => (11, "Resource temporarily unavailable"),
            Self::Server(code) => {
                let text = match code {
                    1 => "Format error",
                    2 => "Server failure",
                    3 => "Host not found",
                    4 => "Unimplemented",
                    5 => "Operation refused",
                    _ => "Unknown error",
                };
                (code, text)
            }
        };
        write!(f, "{code}: {text}")
    }
}

/// One server of a service, as an SRV record names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Those of the lowest number come first.
    pub priority: u16,
    /// Its share among those of one priority.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name.
    pub target: String,
}

/// The servers of one `resolver` line, and what is known from them.
pub struct Resolver {
    config: Config,
    /// How many lookups there were, so that servers take turns.
    turn: Cell<usize>,
    addresses: Lookups<IpAddr>,
    services: Lookups<Service>,
    counts: Rc<Counts>,
    statistics: Option<Statistics>,
}

impl Resolver {
    /// A resolver that knows nothing yet.
    pub fn new(config: Config) -> Rc<Self> {
        Rc::new(Self::of(config))
    }

    fn of(config: Config) -> Self {
        Self {
            config,
            turn: Cell::new(0),
            addresses: Lookups::default(),
            services: Lookups::default(),
            counts: Rc::default(),
            statistics: None,
        }
    }

    /// A resolver of the configuration that is being loaded.
    ///
    /// # Errors
    ///
    /// As [`Statistics::of_zone`].
    pub fn load(config: Config, loading: &mut Loading) -> Result<Rc<Self>, Refused> {
        let zone = config.status_zone.as_deref();
        let statistics = zone.map(|name| Statistics::of_zone(loading, name));
        let mut this = Self::of(config);
        this.statistics = statistics.transpose()?;
        Ok(Rc::new(this))
    }

    /// What the configuration says.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What all workers have counted, with `status_zone`.
    pub fn statistics(&self) -> Option<&Statistics> {
        self.statistics.as_ref()
    }

    /// What this worker has counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The addresses of `name`, within `timeout` milliseconds. They are in the server's order,
    /// IPv4 first; what was known already begins with another of them each time.
    ///
    /// # Errors
    ///
    /// [`Failure::NOT_FOUND`] for what is no name, too.
    pub async fn addresses(
        self: &Rc<Self>,
        name: &str,
        timeout: Millis,
    ) -> Result<Found<IpAddr>, Failure> {
        self.addresses_of(name, timeout, false).await
    }

    /// The same for who can do without the last ones that were found: they must be valid.
    ///
    /// # Errors
    ///
    /// As [`Resolver::addresses`], and [`Failure::TimedOut`] where no server answers, each time
    /// anew.
    pub async fn fresh_addresses(
        self: &Rc<Self>,
        name: &str,
        timeout: Millis,
    ) -> Result<Found<IpAddr>, Failure> {
        self.addresses_of(name, timeout, true).await
    }

    async fn addresses_of(
        self: &Rc<Self>,
        name: &str,
        timeout: Millis,
        must_be_fresh: bool,
    ) -> Result<Found<IpAddr>, Failure> {
        let name = parse(name)?;
        let find = |this: Rc<Self>, name, deadline: Rc<Cell<Millis>>| async move {
            this.find_addresses(name, &deadline).await
        };
        let how = (timeout, must_be_fresh);
        lookup::find(self, |this| &this.addresses, name, how, find).await
    }

    /// The servers of the service `name`, such as `_http._tcp.example.net`, in the server's
    /// order.
    ///
    /// # Errors
    ///
    /// As [`Resolver::fresh_addresses`].
    pub async fn fresh_services(
        self: &Rc<Self>,
        name: &str,
        timeout: Millis,
    ) -> Result<Found<Service>, Failure> {
        let name = parse(name)?;
        let find = |this: Rc<Self>, name, deadline: Rc<Cell<Millis>>| async move {
            this.find_services(name, &deadline).await
        };
        lookup::find(self, |this| &this.services, name, (timeout, true), find).await
    }

    async fn find_addresses(
        &self,
        mut name: Name,
        deadline: &Cell<Millis>,
    ) -> Result<Answered<IpAddr>, Failure> {
        let mut ttl = Millis::MAX;
        for _ in 0..=ALIASES_MAX {
            let start = self.next_turn();
            let ipv4 = self.one_family(self.config.ipv4, start, &name, Kind::A, deadline);
            let ipv6 = self.one_family(self.config.ipv6, start, &name, Kind::Aaaa, deadline);
            let (ipv4, ipv6) = join(ipv4, ipv6).await?;
            if !ipv4.found.is_empty() || !ipv6.found.is_empty() {
                let ttl = ttl.min(ipv4.ttl_of_found()).min(ipv6.ttl_of_found());
                return Ok(Answered {
                    items: [ipv4.found, ipv6.found].concat().into(),
                    ttl: self.config.valid.unwrap_or(ttl),
                });
            }
            // Where answers disagree about aliases, the last one is right, as it is for nginx.
            let last = if self.config.ipv6 { &ipv6 } else { &ipv4 };
            let Some(alias) = last.alias.clone() else {
                return Ok(nothing(ttl.min(ipv4.ttl).min(ipv6.ttl)));
            };
            ttl = ttl.min(last.ttl);
            name = alias;
        }
        Err(Failure::NOT_FOUND)
    }

    async fn one_family(
        &self,
        is_wanted: bool,
        start: usize,
        name: &Name,
        kind: Kind,
        deadline: &Cell<Millis>,
    ) -> Result<Part<IpAddr>, Failure> {
        if !is_wanted {
            return Ok(Part::default());
        }
        let ip = |data: &Data| match *data {
            Data::A(ip) => Some(ip.into()),
            Data::Aaaa(ip) => Some(ip.into()),
            _ => None,
        };
        self.ask(start, name, kind, deadline, ip).await
    }

    async fn find_services(
        &self,
        mut name: Name,
        deadline: &Cell<Millis>,
    ) -> Result<Answered<Service>, Failure> {
        let mut ttl = Millis::MAX;
        let service = |data: &Data| match data {
            // The root says that there is no such service (RFC 2782).
            Data::Srv {
                priority,
                weight,
                port,
                target,
            } if !target.is_root() && *port != 0 => Some(Service {
                priority: *priority,
                weight: *weight,
                port: *port,
                target: target.to_string(),
            }),
            _ => None,
        };
        for _ in 0..=ALIASES_MAX {
            let start = self.next_turn();
            let part = self.ask(start, &name, Kind::Srv, deadline, service).await?;
            ttl = ttl.min(part.ttl);
            match part.alias {
                Some(alias) if part.found.is_empty() => name = alias,
                _ if part.found.is_empty() => return Ok(nothing(ttl)),
                _ => {
                    return Ok(Answered {
                        items: part.found.into(),
                        ttl: self.config.valid.unwrap_or(ttl),
                    });
                }
            }
        }
        Err(Failure::NOT_FOUND)
    }

    /// Asks one question; `take` picks what was found.
    async fn ask<T>(
        &self,
        start: usize,
        name: &Name,
        kind: Kind,
        deadline: &Cell<Millis>,
        take: impl Fn(&Data) -> Option<T>,
    ) -> Result<Part<T>, Failure> {
        let worker = Worker::current();
        let servers = ask::Servers {
            all: &self.config.servers,
            start,
            counts: &self.counts,
        };
        if let Some(statistics) = &self.statistics {
            statistics.count_request(kind);
        }
        let answered = servers.ask(&worker, name, kind, deadline).await;
        if let Some(statistics) = &self.statistics {
            let code = answered.as_ref().map(|(_, answer)| answer.rcode);
            statistics.count_response(code.map_err(|failure| *failure));
        }
        let (query, answer) = answered?;
        let seconds = |ttl: u32| Millis::from(ttl) * 1000;
        let negative_ttl = answer.negative_ttl.map_or(0, seconds);
        match answer.rcode {
            0 => {}
            3 => {
                return Ok(Part {
                    ttl: negative_ttl,
                    ..Part::default()
                });
            }
            code => return Err(Failure::Server(code)),
        }
        let chain = answer.chain(&query).map_err(|_| Failure::NOT_FOUND)?;
        let alias = (*chain.end != query.name).then(|| chain.end.clone());
        Ok(Part {
            found: chain.found.iter().copied().filter_map(take).collect(),
            ttl: match (chain.found.is_empty(), &alias) {
                (true, None) => negative_ttl,
                _ => seconds(chain.ttl),
            },
            alias,
        })
    }

    fn next_turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn % self.config.servers.len().max(1)
    }
}

fn parse(name: &str) -> Result<Name, Failure> {
    Name::parse(name.as_bytes()).map_err(|_| Failure::NOT_FOUND)
}

/// There is nothing, for as long as that may be remembered.
fn nothing<T>(ttl: Millis) -> Answered<T> {
    Answered {
        items: Rc::from([]),
        ttl: ttl.min(NEGATIVE_MAX),
    }
}

/// What one answer said.
struct Part<T> {
    found: Vec<T>,
    /// Milliseconds that it may be remembered.
    ttl: Millis,
    /// The name to ask for instead.
    alias: Option<Name>,
}

impl<T> Part<T> {
    /// How long what was found may be remembered: no bound where nothing was.
    fn ttl_of_found(&self) -> Millis {
        if self.found.is_empty() {
            Millis::MAX
        } else {
            self.ttl
        }
    }
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            ttl: Millis::MAX,
            alias: None,
        }
    }
}

/// Both results, or the first failure.
async fn join<T, E>(
    one: impl Future<Output = Result<T, E>>,
    other: impl Future<Output = Result<T, E>>,
) -> Result<(T, T), E> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(move |cx| {
        if first.is_none()
            && let Poll::Ready(result) = one.as_mut().poll(cx)?
        {
            first = Some(result);
        }
        if second.is_none()
            && let Poll::Ready(result) = other.as_mut().poll(cx)?
        {
            second = Some(result);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready(Ok((one, other))),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

/// The addresses that `host:port` stands for.
pub fn with_port(ips: &[IpAddr], port: u16) -> Vec<Address> {
    let at = |&ip: &IpAddr| Address::Ip((ip, port).into());
    ips.iter().map(at).collect()
}
