//! What the configuration says of servers whose addresses are found while the server works, and
//! the peers that it makes of what is found.

use engine::Refused;
use engine::address::{Address, split_host};
use engine::directive::lossy;
use engine::peer::PeerConfig;
use engine::resolver::Service;
use std::net::IpAddr;
use std::rc::Rc;

/// Servers of a group that have to be looked up: one line `server`.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Named {
    /// What finds them: a name, or a service of a name.
    pub(super) host: String,
    /// The port of each, where there is no service to say it.
    pub(super) port: u16,
    /// `service=`
    pub(super) service: Option<String>,
    /// What the configuration says of each server found.
    shape: PeerConfig,
}

impl Named {
    /// Servers that are `written` so: a name, perhaps with a port, in parts.
    pub(in crate::upstream) fn new(
        (written, host, port): (&str, &str, u16),
        service: Option<String>,
        shape: PeerConfig,
    ) -> Self {
        let mark = match &service {
            None => written.to_owned(),
            Some(service) => format!("{written} service={service}"),
        };
        Self {
            host: host.to_owned(),
            port,
            service,
            shape: PeerConfig {
                found_by: Some(mark.into()),
                ..shape
            },
        }
    }

    /// What the configuration says of each of them.
    pub(in crate::upstream) fn shape(&self) -> &PeerConfig {
        &self.shape
    }

    /// What tells its peers from those of others: lines that say the same have the same.
    pub(super) fn mark(&self) -> &str {
        self.shape.found_by.as_deref().unwrap_or_default()
    }

    /// Whether `mark` is of a line that asks the same, whatever the port.
    fn is_same_question(&self, mark: &str) -> bool {
        match &self.service {
            Some(_) => self.mark() == mark,
            None => {
                let host = split_host(mark).map_or(mark, |(host, _)| host);
                host.eq_ignore_ascii_case(&self.host)
            }
        }
    }

    /// The name of the service's records. Source: RFC 2782, and nginx's documentation.
    pub(super) fn service_name(&self, service: &str) -> String {
        if service.contains('.') {
            format!("{service}.{}", self.host)
        } else {
            format!("_{service}._tcp.{}", self.host)
        }
    }

    /// A peer at an address that was found under the name.
    pub(super) fn peer(&self, ip: IpAddr, port: u16) -> PeerConfig {
        let address = Address::Ip((ip, port).into());
        PeerConfig {
            name: address.to_string().into(),
            address,
            ..self.shape.clone()
        }
    }

    /// A peer at an address of a server of the service. `None` for one that is not used: a
    /// group's backup has no backup.
    fn service_peer(&self, ip: IpAddr, service: &Service, is_first: bool) -> Option<PeerConfig> {
        if self.shape.is_backup && !is_first {
            return None;
        }
        Some(PeerConfig {
            server: service.target.as_str().into(),
            // Nothing is known of servers that want a share of 0 but that they want the least.
            weight: self.weight(u32::from(service.weight).max(1)),
            is_backup: self.shape.is_backup || !is_first,
            ..self.peer(ip, service.port)
        })
    }

    /// The configuration's weight, where it says one, comes before that of the records.
    fn weight(&self, found: u32) -> u32 {
        match self.shape.weight {
            1 => found,
            weight => weight,
        }
    }
}

/// One server of a service, as far as it could be found.
pub(super) struct Target {
    pub(super) service: Service,
    pub(super) ips: Vec<IpAddr>,
    /// Nobody could tell where it is: its peers stay as they are.
    pub(super) is_unknown: bool,
}

impl Target {
    /// Leaves as many addresses as there is `room` for, and takes that.
    pub(super) fn cut(&mut self, room: &mut usize) {
        self.ips.truncate(*room);
        *room -= self.ips.len();
    }
}

/// The peers of a service as `line` makes them: servers of the lowest priority number are
/// primary, others backup. Servers without addresses do not count; those that nobody could tell
/// about do where they `stay`.
pub(super) fn peers_of_service(
    line: &Named,
    targets: &[Target],
    stays: impl Fn(&str) -> bool,
) -> Vec<PeerConfig> {
    let counts = |target: &&Target| {
        !target.ips.is_empty() || target.is_unknown && stays(&target.service.target)
    };
    let counting = targets.iter().filter(counts);
    let first = counting.map(|target| target.service.priority).min();
    let peers = targets.iter().flat_map(|target| {
        let is_first = Some(target.service.priority) == first;
        let ips = target.ips.iter();
        ips.filter_map(move |&ip| line.service_peer(ip, &target.service, is_first))
    });
    peers.collect()
}

/// What becomes of a peer that the configuration before this one had found: what the line says
/// that asks the same now, until the answer is there.
pub(in crate::upstream) fn keep(named: &[Named], old: &PeerConfig) -> Option<PeerConfig> {
    let mark = old.found_by.as_deref()?;
    let is_alike = |named: &&Named| {
        named.mark() == mark && (named.service.is_some() || named.shape.is_backup == old.is_backup)
    };
    let is_same = |named: &&Named| named.is_same_question(mark);
    let alike = named.iter().find(is_alike);
    let new = alike.or_else(|| named.iter().find(is_same))?;
    let Address::Ip(addr) = old.address else {
        return None;
    };
    if new.service.is_none() {
        return Some(new.peer(addr.ip(), new.port));
    }
    Some(PeerConfig {
        server: Rc::clone(&old.server),
        weight: new.weight(old.weight),
        is_backup: old.is_backup || new.shape.is_backup,
        ..new.peer(addr.ip(), addr.port())
    })
}

/// Reads `service=name`.
pub(in crate::upstream) fn read_service(value: &[u8]) -> Result<String, Refused> {
    if value.is_empty() {
        return Err(Refused::new("service is empty"));
    }
    Ok(lossy(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(service: Option<&str>, edit: impl Fn(&mut PeerConfig)) -> Named {
        let mut shape = PeerConfig::new(Address::Unix(Default::default()));
        shape.server = "app.test:81".into();
        edit(&mut shape);
        let service = service.map(str::to_owned);
        let written = match &service {
            Some(_) => "app.test",
            None => "app.test:81",
        };
        Named::new((written, "app.test", 81), service, shape)
    }

    fn target(name: &str, (priority, weight): (u16, u16), ips: &[u8]) -> Target {
        Target {
            service: Service {
                priority,
                weight,
                port: 8000 + priority,
                target: name.to_owned(),
            },
            ips: ips.iter().map(|&last| [192, 0, 2, last].into()).collect(),
            is_unknown: false,
        }
    }

    fn unknown(name: &str, priority: u16) -> Target {
        Target {
            is_unknown: true,
            ..target(name, (priority, 1), &[])
        }
    }

    /// `address server weight`, and whether it is a backup.
    #[track_caller]
    fn check(line: &Named, targets: &[Target], stays: bool, expected: &[&str]) {
        let peers = peers_of_service(line, targets, |_| stays);
        let text = |peer: &PeerConfig| {
            let backup = if peer.is_backup { " backup" } else { "" };
            format!("{} {} {}{backup}", peer.name, peer.server, peer.weight)
        };
        let got: Vec<String> = peers.iter().map(text).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn names_of_services() {
        let line = named(None, |_| {});
        assert_eq!(line.service_name("http"), "_http._tcp.app.test");
        assert_eq!(line.service_name("_x._udp"), "_x._udp.app.test");
        assert_eq!(line.service_name("http."), "http..app.test");
    }

    #[test]
    fn priorities_and_weights() {
        let both = [target("a", (5, 0), &[1, 2]), target("b", (6, 7), &[3])];
        let line = named(Some("http"), |_| {});
        let expected = [
            "192.0.2.1:8005 a 1",
            "192.0.2.2:8005 a 1",
            "192.0.2.3:8006 b 7 backup",
        ];
        check(&line, &both, false, &expected);
        let line = named(Some("http"), |shape| {
            shape.is_backup = true;
            shape.weight = 3;
        });
        let expected = ["192.0.2.1:8005 a 3 backup", "192.0.2.2:8005 a 3 backup"];
        check(&line, &both, false, &expected);
    }

    #[test]
    fn servers_that_cannot_be_found_leave_their_place_to_the_next() {
        let line = named(Some("http"), |_| {});
        let gone = [target("a", (5, 1), &[]), target("b", (6, 7), &[3])];
        check(&line, &gone, true, &["192.0.2.3:8006 b 7"]);
        let silent = [unknown("a", 5), target("b", (6, 7), &[3])];
        check(&line, &silent, false, &["192.0.2.3:8006 b 7"]);
        check(&line, &silent, true, &["192.0.2.3:8006 b 7 backup"]);
    }

    #[test]
    fn a_service_has_no_more_addresses_than_there_is_room_for() {
        let mut targets = [1, 2, 3].map(|number| target("a", (5, number), &[1, 2]));
        let mut room = 3;
        targets.iter_mut().for_each(|target| target.cut(&mut room));
        assert_eq!(targets.map(|target| target.ips.len()), [2, 1, 0]);
        assert_eq!(room, 0);
    }

    #[test]
    fn a_reload_keeps_what_is_asked_for_still() {
        let before = named(None, |_| {}).peer([192, 0, 2, 9].into(), 81);
        assert_eq!(keep(&[], &before), None);
        let backup = named(None, |shape| shape.is_backup = true);
        let primary = named(None, |shape| shape.weight = 4);
        let kept = keep(&[backup, primary], &before).unwrap();
        assert_eq!((kept.weight, kept.is_backup), (4, false));

        let shape = before.clone();
        let moved = Named::new(("App.test", "App.test", 80), None, shape);
        let kept = keep(&[moved], &before).unwrap();
        assert_eq!(kept.name.as_ref(), "192.0.2.9:80");
        assert_eq!(kept.found_by.as_deref(), Some("App.test"));
    }

    #[test]
    fn a_reload_keeps_servers_of_a_service() {
        let line = named(Some("http"), |_| {});
        let target = target("a", (5, 6), &[1]);
        let before = line.service_peer(target.ips[0], &target.service, true);
        let before = before.unwrap();
        assert_eq!(keep(&[named(None, |_| {})], &before), None);
        assert_eq!(keep(std::slice::from_ref(&line), &before), Some(before));
    }
}
