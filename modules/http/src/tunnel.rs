//! `tunnel_pass`: a forward proxy, which joins clients that ask with CONNECT to whom they name.
//!
//! Makes a location's content its own, so that whatever restricts access comes before it. Nothing
//! is asked of the other end: once there is a connection, bytes go both ways.
//!
//! Source: nginx documentation, ngx_http_tunnel_module; RFC 9110 section 9.3.6.

use base::place;
use engine::directive::{bits, custom, joined, lossy, unset};
use engine::setting::Inherit;
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, Template};
use http::config::finish::Finishing;
use http::gateway::settings::next;
use http::gateway::{
    self, Call, Codec, Decoded, Groups, HeadStep, RequestBody, Rewrite, Upstream, UpstreamHead,
    Upstreams, upstream,
};
use http::{Bytes, Error, Flow, Handler, Module, Phase, Request};
use http1::{Method, ResponseFields, Span};
use std::rc::Rc;

/// Where a tunnel leads if nothing is said: to whom the client names.
const AS_ASKED: &[u8] = b"$host:$request_port";

/// `tunnel_buffer_size`, if nothing is said.
const BUFFER: u64 = 16 << 10;

/// What a location says of itself.
#[derive(Clone, Default)]
struct Settings {
    pass: Setting<Option<Pass>>,
}

/// Where tunnels lead.
#[derive(Clone)]
enum Pass {
    /// A group, or an address.
    Named(Vec<u8>, conf::Position),
    /// The same, found.
    Fixed(Rc<Upstream>),
    /// It is different for each request.
    Variable {
        address: Template,
        groups: Groups,
        /// Whether the client says it, who must not get at sockets of this system.
        is_clients: bool,
    },
}

impl Inherit for Settings {
    /// Nothing: a location says for itself that it makes tunnels.
    fn inherit(&mut self, _: &Self) {}
}

const DIRECTIVES: &[Directive<Settings>] = &[custom(
    "tunnel_pass",
    Contexts::SERVER
        .with(Contexts::LOCATION)
        .with(Contexts::LOCATION_IF),
    Arity::between(0, 1),
    read_pass,
)];

const NEXT_ROW: [Directive<gateway::Settings>; 1] = [bits(
    "tunnel_next_upstream",
    Contexts::ALL,
    Arity::SOME,
    next::WORDS_OF_TUNNELS,
    |s| &mut s.next_upstream,
)];

const COMMON_ROWS: &[Directive<gateway::Settings>] = &joined::<gateway::Settings, 14, 1, 15>(
    http::gateway_connection_directives!("tunnel_"),
    NEXT_ROW,
);

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);
static COMMON: Slot<gateway::Settings> = Slot::location(COMMON_ROWS);

/// Tunnels.
pub(crate) static MODULE: Module = Module {
    name: "tunnel",
    settings: &[&SETTINGS, &COMMON],
    takes_over: &["tunnel_pass"],
    handlers: &[Handler::waiting(Phase::Content, is_enabled, |request| {
        place::pinned(|| run(request))
    })],
    finish: Some(finish),
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    SETTINGS.of(settings).pass.is_some()
}

async fn run(request: &mut Request) -> Result<Flow, Error> {
    // Also an error page of a CONNECT that failed is none.
    if request.method != Method::Connect {
        return Ok(Flow::Status(405));
    }
    let location = Rc::clone(&request.location);
    let upstream = match &*SETTINGS.of(&location.settings).pass {
        Some(Pass::Fixed(upstream)) => Rc::clone(upstream),
        Some(Pass::Variable {
            address,
            groups,
            is_clients,
        }) => {
            if *is_clients && request.host == b"unix" {
                request.log(
                    runtime::log::Level::Error,
                    "client asked for a unix domain socket",
                );
                return Ok(Flow::Status(403));
            }
            let address = address.eval(request);
            let common = COMMON.of(&location.settings);
            match gateway::group_of(request, common, groups, &address, None).await {
                Ok(upstream) => upstream,
                Err(ended) => return ended,
            }
        }
        Some(Pass::Named(..)) | None => return Ok(Flow::Decline),
    };
    let call = Box::new(Call {
        upstream,
        codec: Joined,
        settings: COMMON.share(&location.settings),
        rewrite: &AsItIs,
        scheme: "",
        uri: Some(Vec::new()),
        replaces_body: true,
        can_chunk: false,
    });
    gateway::converse(request, call).await
}

/// Nothing is said to the other end, and nothing of what it says is looked at.
struct Joined;

impl Codec for Joined {
    fn head_at_connect(&self) -> Option<Box<UpstreamHead>> {
        let bytes: Rc<[u8]> = Rc::from(*b"200 OK");
        Some(Box::new(UpstreamHead {
            status: 200,
            status_line: Span::new(0, bytes.len()),
            bytes,
            body_start: None,
            fields: ResponseFields::default(),
            length: None,
            has_body: false,
            keep_alive: false,
            is_tunnel: true,
        }))
    }

    fn makes_requests(&self) -> bool {
        false
    }

    fn restart(&mut self) {}

    fn write_head(&mut self, _: &Request, _: RequestBody, _: &mut Vec<u8>) -> Result<(), Error> {
        Ok(())
    }

    fn write_part(&mut self, _: &[u8], _: &mut Vec<u8>) {}

    fn write_end(&mut self, _: &[(Bytes, Bytes)], _: &mut Vec<u8>) {}

    fn read_head(&mut self, _: &[u8]) -> Result<HeadStep, String> {
        Ok(HeadStep::Partial)
    }

    fn read_body(&mut self, _: &[u8]) -> Result<Decoded, String> {
        Ok(Decoded::default())
    }

    fn ends_at_close(&self) -> bool {
        true
    }
}

/// Of a response without fields there is nothing to rewrite.
struct AsItIs;

impl Rewrite for AsItIs {}

/// `tunnel_pass [address]`
fn read_pass(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    unset(&mut settings.pass)?;
    let is_clients = line.args().is_empty();
    let address = if is_clients {
        line.compile(AS_ASKED)?
    } else {
        line.template(0)?
    };
    settings.pass.set(Some(match address.as_constant() {
        Some(text) => Pass::Named(text.to_vec(), line.directive.end),
        None => Pass::Variable {
            address,
            groups: Groups::default(),
            is_clients,
        },
    }));
    http::core::client::allow_connect(line.loading, line.level);
    Ok(())
}

/// Finds the groups, and what a request may find.
fn finish(finishing: &mut Finishing<'_>) -> Result<(), Refused> {
    let mut failed = Vec::new();
    finishing.each(&SETTINGS, |settings, loading, _| {
        let Some(Pass::Named(address, position)) = &*settings.pass else {
            return;
        };
        match fixed(loading, &lossy(address)) {
            Ok(upstream) => settings.pass.set(Some(Pass::Fixed(upstream))),
            Err(message) => failed.push(conf::Error::emerg(*position, message)),
        }
    });
    finishing.loading.errors.append(&mut failed);
    let all: Groups = Rc::new(finishing.loading.shared::<Upstreams>().by_authority());
    finishing.each(&SETTINGS, |settings, _, _| {
        if !settings.pass.is_some() {
            return;
        }
        if let Some(Pass::Variable { groups, .. }) = settings.pass.edit() {
            *groups = Rc::clone(&all);
        }
    });
    finishing.each(&COMMON, |common, _, _| {
        if !common.buffer_size.is_set() {
            common.buffer_size = Setting::new(BUFFER);
        }
    });
    finishing.each_if(&SETTINGS, |location, block| {
        if block.pass.is_none() {
            block.pass.clone_from(&location.pass);
        }
    });
    Ok(())
}

fn fixed(loading: &mut engine::Loading, address: &str) -> Result<Rc<Upstream>, String> {
    let is_group = loading.shared::<Upstreams>().find(address).is_some();
    if !is_group && !gateway::says_port(address) {
        return Err(format!("no port in upstream \"{address}\""));
    }
    upstream::of_authority(loading, address, 0)
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn misuse_is_refused_in_nginx_words() {
        check("server { tunnel_pass; }", "");
        check("server { location / { tunnel_pass 127.0.0.1:1; } }", "");
        check(
            "server { location / { if ($host) { tunnel_pass $host:1; } } }",
            "",
        );
        check(
            "tunnel_pass;",
            "\"tunnel_pass\" directive is not allowed here",
        );
        check(
            "server { tunnel_pass; tunnel_pass; }",
            "\"tunnel_pass\" directive is duplicate",
        );
        check(
            "server { tunnel_pass 127.0.0.1; }",
            "no port in upstream \"127.0.0.1\"",
        );
        check("tunnel_next_upstream error off denied;", "");
        check(
            "tunnel_next_upstream http_500;",
            "invalid value \"http_500\"",
        );
    }
}
