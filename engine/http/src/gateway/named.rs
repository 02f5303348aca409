//! Servers whose names come up with a request: looked up now, asked one after the other.

use super::exchange::unless_left;
use super::settings::Settings;
use super::upstream::{Upstream, addresses_of};
use crate::core::resolver::RESOLVING;
use crate::error::Error;
use crate::module::Flow;
use crate::request::Request;
use engine::directive::lossy;
use runtime::log::Level;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

/// Addresses of one name that one request may try. A name that a client chose may have thousands;
/// others of them have their turn with other requests.
const ADDRESSES_MAX: usize = 128;

/// Every group, those of blocks and those that URLs made, by what a URL calls them.
pub type Groups = Rc<HashMap<Vec<u8>, Rc<Upstream>>>;

/// The group that `authority` (`host[:port]` or `unix:path`) means: one of `groups`, else one that
/// its addresses make for this request. Without `default_port` it must say the port.
///
/// # Errors
///
/// What ends the request: 502 when there is no resolver, or the name has no addresses; 500 where
/// the port is missing; 499 when the client leaves meanwhile; an error of the operator's for what
/// is no authority.
pub async fn group_of(
    request: &mut Request,
    settings: &Settings,
    groups: &Groups,
    authority: &[u8],
    default_port: Option<u16>,
) -> Result<Rc<Upstream>, Result<Flow, Error>> {
    if let Some(group) = groups.get(&authority.to_ascii_lowercase()) {
        return Ok(Rc::clone(group));
    }
    match default_port.or_else(|| says_port(&lossy(authority)).then_some(0)) {
        Some(port) => group_for(request, settings, authority, port).await,
        None => {
            let text = lossy(authority);
            request.log(Level::Error, &format!("no port in upstream \"{text}\""));
            Err(Ok(Flow::Status(500)))
        }
    }
}

/// Whether `authority` is complete without a default port.
pub fn says_port(authority: &str) -> bool {
    authority.starts_with("unix:")
        || engine::address::split_host(authority).is_none_or(|(_, port)| port.is_some())
}

/// The group that the addresses of `authority` (`host[:port]` or `unix:path`) make for one
/// request. A name is looked up by the location's `resolver`.
///
/// # Errors
///
/// As of [`group_of`].
async fn group_for(
    request: &mut Request,
    settings: &Settings,
    authority: &[u8],
    default_port: u16,
) -> Result<Rc<Upstream>, Result<Flow, Error>> {
    let text = lossy(authority);
    let name = RefCell::new(None);
    let read = addresses_of(&text, default_port, |host| match host.parse::<IpAddr>() {
        Ok(ip) => Some(vec![ip]),
        Err(_) => {
            name.replace(Some(host.to_owned()));
            None
        }
    });
    let addresses = match (read, name.take()) {
        (Ok(addresses), _) => addresses,
        (Err(why), None) => return Err(Err(Error::operator(why))),
        (Err(_), Some(host)) => {
            let ips = look_up(request, settings, &host).await.map_err(Ok)?;
            addresses_of(&text, default_port, |_| Some(ips.clone()))
                .map_err(|why| Err(Error::operator(why)))?
        }
    };
    Ok(Upstream::of_addresses(&text, addresses))
}

async fn look_up(
    request: &mut Request,
    settings: &Settings,
    host: &str,
) -> Result<Vec<IpAddr>, Flow> {
    let location = Rc::clone(&request.location);
    let resolving = RESOLVING.of(&location.settings);
    let Some(resolver) = &*resolving.resolver else {
        let message = format!("no resolver defined to resolve {host}");
        request.log(Level::Error, &message);
        return Err(Flow::Status(502));
    };
    let asking = resolver.addresses(host, *resolving.timeout);
    let Some(outcome) = unless_left(request, settings, asking).await else {
        let message = "epoll_wait() reported that client prematurely closed connection";
        request.log(Level::Info, message);
        return Err(Flow::Status(499));
    };
    match outcome {
        Ok(mut found) => {
            found.items.truncate(ADDRESSES_MAX);
            Ok(found.items)
        }
        Err(failure) => {
            let message = format!("{host} could not be resolved ({failure})");
            request.log(Level::Error, &message);
            Err(Flow::Status(502))
        }
    }
}
