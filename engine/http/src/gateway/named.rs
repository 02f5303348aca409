//! Servers whose names come up with a request: looked up now, asked one after the other.

use super::upstream::{Upstream, addresses_of};
use crate::core::resolver::RESOLVING;
use crate::error::Error;
use crate::module::Flow;
use crate::request::Request;
use engine::directive::lossy;
use runtime::log::Level;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

/// The group that the addresses of `authority` (`host[:port]` or `unix:path`) make for one
/// request. A name is looked up by the location's `resolver`.
///
/// # Errors
///
/// What ends the request: 502 when there is no resolver, or the name has no addresses; an error
/// of the operator's for what is no authority.
pub async fn group_for(
    request: &mut Request,
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
            let ips = look_up(request, &host).await.map_err(Ok)?;
            addresses_of(&text, default_port, |_| Some(ips.clone()))
                .map_err(|why| Err(Error::operator(why)))?
        }
    };
    Ok(Upstream::of_addresses(&text, addresses, false))
}

async fn look_up(request: &mut Request, host: &str) -> Result<Vec<IpAddr>, Flow> {
    let location = Rc::clone(&request.location);
    let resolving = RESOLVING.of(&location.settings);
    let Some(resolver) = &*resolving.resolver else {
        let message = format!("no resolver defined to resolve {host}");
        request.log(Level::Error, &message);
        return Err(Flow::Status(502));
    };
    match resolver.addresses(host, *resolving.timeout).await {
        Ok(found) => Ok(found.items),
        Err(failure) => {
            let message = format!("{host} could not be resolved ({failure})");
            request.log(Level::Error, &message);
            Err(Flow::Status(502))
        }
    }
}
