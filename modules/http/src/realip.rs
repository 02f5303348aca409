//! `set_real_ip_from`: clients are known by the address that a trusted proxy tells of them.
//!
//! Done twice: as soon as a request was read, for the server's settings, and, if that changed
//! nothing, before access is judged, for the location's.
//!
//! Source: nginx documentation, ngx_http_realip_module.

use crate::forwarded;
use base::cidr::Cidr;
use engine::directive::{custom, flag, lossy, unset};
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, address,
    inherit_fields,
};
use http::{Error, Flow, Handler, Module, Phase, Request, Variable};
use std::io::Write;
use std::rc::Rc;
use sys::socket::PeerAddr;

/// Whom to believe, and what.
#[derive(Clone, Default)]
struct Settings {
    from: Setting<Rc<Vec<Trusted>>>,
    header: Setting<Header>,
    recursive: Setting<bool>,
}

inherit_fields!(Settings {
    from,
    header,
    recursive,
});

/// A proxy that is believed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trusted {
    /// Whoever comes over a Unix socket.
    Unix,
    /// Who has an address in this range.
    Range(Cidr),
}

/// Where the address stands.
#[derive(Clone, Debug, Default, PartialEq)]
enum Header {
    /// `X-Real-IP`
    #[default]
    RealIp,
    /// `X-Forwarded-For`, all fields of it.
    ForwardedFor,
    /// In the header of the PROXY protocol.
    ProxyProtocol,
    /// The first field of this name, in lower case.
    Field(Vec<u8>),
}

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("set_real_ip_from", Contexts::ALL, Arity::ONE, read_from),
    custom("real_ip_header", Contexts::ALL, Arity::ONE, read_header),
    flag("real_ip_recursive", Contexts::ALL, |s| &mut s.recursive),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Addresses of clients behind proxies.
pub(crate) static MODULE: Module = Module {
    name: "realip",
    configure_option: Some("--with-http_realip_module"),
    settings: &[&SETTINGS],
    handlers: &[
        Handler::now(Phase::PostRead, is_enabled, run),
        Handler::now(Phase::PreAccess, is_enabled, run),
    ],
    variables: &[
        Variable::new("realip_remote_addr", |request, out| {
            write!(out, "{}", request.connection.peer.host()).is_ok()
        }),
        Variable::new("realip_remote_port", |request, out| {
            let port = request.connection.peer.port();
            port.is_none_or(|port| write!(out, "{port}").is_ok())
        }),
    ],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).from.is_empty()
}

fn run(request: &mut Request) -> Result<Flow, Error> {
    if request.real_peer.is_none() {
        request.real_peer = real_peer(request);
    }
    Ok(Flow::Decline)
}

fn real_peer(request: &Request) -> Option<PeerAddr> {
    let settings = SETTINGS.of(&request.location.settings);
    let peer = request.connection.peer;
    let is_trusted = |peer| is_trusted(&settings.from, peer);
    let fields: Vec<&[u8]> = match &*settings.header {
        Header::ProxyProtocol => {
            let source = request.connection.proxy()?.source()?;
            return is_trusted(peer).then(|| source.into());
        }
        Header::RealIp => first_field(request, b"x-real-ip").into_iter().collect(),
        Header::Field(name) => first_field(request, name).into_iter().collect(),
        Header::ForwardedFor => forwarded::forwarded_for(request),
    };
    forwarded::behind(peer, fields.into_iter(), is_trusted, *settings.recursive)
}

/// The first field whose name is `name`, given in lower case.
fn first_field<'r>(request: &'r Request, name: &[u8]) -> Option<&'r [u8]> {
    let mut fields = request.headers();
    let found = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

fn is_trusted(from: &[Trusted], peer: PeerAddr) -> bool {
    from.iter().any(|trusted| match (trusted, peer.ip()) {
        (Trusted::Unix, None) => true,
        (Trusted::Range(range), Some(ip)) => range.contains(ip),
        (Trusted::Unix, Some(_)) | (Trusted::Range(_), None) => false,
    })
}

/// `set_real_ip_from address | CIDR | unix: | hostname`
fn read_from(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let word = line.arg(0);
    let mut from = settings.from.to_vec();
    if word == b"unix:" {
        from.push(Trusted::Unix);
    } else if let Some(range) = line.loading.cidr(word, line.directive.end) {
        from.push(Trusted::Range(range));
    } else {
        let shown = lossy(word);
        let addresses = address::resolve(&shown).ok_or_else(|| {
            Refused::new(format!("host not found in set_real_ip_from \"{shown}\""))
        })?;
        let whole = |ip| Trusted::Range(Cidr::new(ip, u8::MAX));
        from.extend(addresses.into_iter().map(whole));
    }
    settings.from.set(Rc::new(from));
    Ok(())
}

/// `real_ip_header field | X-Real-IP | X-Forwarded-For | proxy_protocol`
fn read_header(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    unset(&mut settings.header)?.set(match line.arg(0) {
        b"X-Real-IP" => Header::RealIp,
        b"X-Forwarded-For" => Header::ForwardedFor,
        b"proxy_protocol" => Header::ProxyProtocol,
        name => Header::Field(name.to_ascii_lowercase()),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn trust_is_by_range_or_by_kind_of_socket() {
        let range = |text: &str| Trusted::Range(Cidr::parse(text).unwrap().cidr);
        let from = [range("10.0.0.0/8"), range("2001:db8::/32")];
        let peer = |text: &str| forwarded::parse(text.as_bytes()).unwrap();
        assert!(is_trusted(&from, peer("10.1.2.3")));
        assert!(is_trusted(&from, peer("::ffff:10.1.2.3")));
        assert!(is_trusted(&from, peer("2001:db8::1")));
        assert!(!is_trusted(&from, peer("11.1.2.3")));
        assert!(!is_trusted(&from, PeerAddr::Unix));
        assert!(is_trusted(&[Trusted::Unix], PeerAddr::Unix));
        assert!(!is_trusted(&[Trusted::Unix], peer("10.1.2.3")));
    }

    #[test]
    fn addresses_are_checked() {
        check(
            "set_real_ip_from unix:; set_real_ip_from ::1; set_real_ip_from localhost;",
            "",
        );
        check(
            "set_real_ip_from 10.0.0.1/8;",
            "low address bits of 10.0.0.1/8 are meaningless",
        );
        check(
            "set_real_ip_from no.such.host.invalid;",
            "host not found in set_real_ip_from \"no.such.host.invalid\"",
        );
        check(
            "real_ip_header a; real_ip_header b;",
            "\"real_ip_header\" directive is duplicate",
        );
    }
}
