//! From `listen` directives to sockets, and from a connection to its servers.

use super::generation::Server;
use super::listen::Listen;
use super::server_names::{NameMatch, NameTable};
use crate::core::client::CLIENT;
use engine::Loading;
use engine::address::Address;
use std::collections::HashMap;
use std::rc::Rc;
use sys::socket::ListenOptions;

/// The servers behind one address.
pub struct AddressServers {
    /// The address.
    pub address: Address,
    /// Whether connections begin with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Who answers for names nobody has.
    pub default: Rc<Server>,
    /// Under which heads are read until their host is known.
    pub limits: http1::Limits,
    /// How many servers there are: with one, names need not be looked at.
    count: usize,
    names: NameTable,
}

impl AddressServers {
    /// Which server `host` leads to.
    ///
    /// No host at all is a name too: `server_name "";`.
    pub fn find(&self, host: &[u8]) -> NameMatch<'_> {
        if self.count == 1 && !self.names.has_patterns() {
            return NameMatch::Default;
        }
        self.names.find(host)
    }
}

/// A socket to listen on. Behind a wildcard there may be more specific addresses that a
/// connection is told apart by.
pub struct ListenSocket {
    /// What to bind.
    pub address: Address,
    /// Options of the socket.
    pub options: ListenOptions,
    /// Servers by address; the last entry is the socket's own address.
    pub servers: Vec<Rc<AddressServers>>,
}

impl ListenSocket {
    /// Whether the local address of a connection must be known to find its servers.
    pub fn needs_local_address(&self) -> bool {
        self.servers.len() > 1
    }

    /// The servers of a connection accepted at `local`.
    pub fn servers_at(&self, local: Option<&Address>) -> &Rc<AddressServers> {
        let own = &self.servers[self.servers.len() - 1];
        match local {
            Some(local) => self
                .servers
                .iter()
                .find(|s| s.address == *local)
                .unwrap_or(own),
            None => own,
        }
    }
}

/// Groups all addresses into sockets. `servers` are the finished servers by their levels.
pub fn group(
    listens: &[Listen],
    servers: &HashMap<u32, Rc<Server>>,
    loading: &mut Loading,
) -> Vec<Rc<ListenSocket>> {
    let mut addresses: Vec<(Address, Vec<&Listen>)> = Vec::new();
    for listen in listens {
        match addresses
            .iter_mut()
            .find(|(address, _)| *address == listen.address)
        {
            Some((_, group)) => group.push(listen),
            None => addresses.push((listen.address.clone(), vec![listen])),
        }
    }
    let mut sockets: Vec<(Address, ListenOptions, Vec<Rc<AddressServers>>)> = Vec::new();
    let mut specific = Vec::new();
    for (address, group) in addresses {
        let options = combined_options(&group, loading);
        let entry = Rc::new(address_servers(&address, &group, servers, loading));
        if group.iter().any(|listen| listen.binds) || is_wildcard(&address) {
            sockets.push((address, options, vec![entry]));
        } else {
            specific.push((address, options, entry));
        }
    }
    for (address, options, entry) in specific {
        let wildcard = sockets
            .iter_mut()
            .find(|(other, ..)| covers(other, &address));
        match wildcard {
            Some((_, _, servers)) => servers.insert(0, entry),
            None => sockets.push((address, options, vec![entry])),
        }
    }
    let finished = |(address, options, servers)| {
        Rc::new(ListenSocket {
            address,
            options,
            servers,
        })
    };
    sockets.into_iter().map(finished).collect()
}

fn is_wildcard(address: &Address) -> bool {
    matches!(address, Address::Ip(addr) if addr.ip().is_unspecified())
}

/// Whether a socket bound to `wildcard` gets the connections to `address`.
fn covers(wildcard: &Address, address: &Address) -> bool {
    match (wildcard, address) {
        (Address::Ip(wildcard), Address::Ip(address)) => {
            wildcard.ip().is_unspecified()
                && wildcard.port() == address.port()
                && wildcard.is_ipv4() == address.is_ipv4()
        }
        _ => false,
    }
}

fn combined_options(group: &[&Listen], loading: &mut Loading) -> ListenOptions {
    let mut with_options = group.iter().filter(|listen| listen.has_options);
    let first = with_options.next();
    if let Some(second) = with_options.next() {
        let message = format!("duplicate listen options for {}", second.address);
        loading
            .errors
            .push(conf::Error::emerg(second.position, message));
    }
    first.map_or_else(ListenOptions::default, |listen| listen.options.clone())
}

fn address_servers(
    address: &Address,
    group: &[&Listen],
    servers: &HashMap<u32, Rc<Server>>,
    loading: &mut Loading,
) -> AddressServers {
    let mut defaults = group.iter().filter(|listen| listen.is_default);
    let default = defaults.next().unwrap_or(&group[0]);
    if let Some(second) = defaults.next() {
        let message = format!("a duplicate default server for {address}");
        loading
            .errors
            .push(conf::Error::emerg(second.position, message));
    }
    let proxy_protocol = group.iter().any(|listen| listen.proxy_protocol);
    if proxy_protocol && group.iter().any(|listen| !listen.proxy_protocol) {
        let message = format!("protocol options redefined for {address}");
        loading.warn(message, Some(group[group.len() - 1].position));
    }
    let mut names = NameTable::default();
    for listen in group {
        let server = &servers[&listen.server];
        for name in &server.names {
            // A lone server answers to every name.
            if !names.add(name, server) && group.len() > 1 {
                let text = String::from_utf8_lossy(name.text()).into_owned();
                let message = format!("conflicting server name \"{text}\" on {address}, ignored");
                loading.warn(message, None);
            }
        }
    }
    let limits = |listen: &&Listen| CLIENT.of(&servers[&listen.server].settings).limits();
    let limits_of_default = limits(default);
    AddressServers {
        address: address.clone(),
        proxy_protocol,
        default: Rc::clone(&servers[&default.server]),
        limits: http1::Limits {
            stops_at_host: group
                .iter()
                .any(|listen| limits(listen) != limits_of_default),
            ..limits_of_default
        },
        count: group.len(),
        names,
    }
}
