//! What a response looks like where no module says otherwise: error pages, redirects, tokens.

use crate::bytes::Bytes;
use crate::module::Module;
use engine::directive::{custom, flag, keyword, millis, set_once};
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot, Template, inherit_fields};
use std::rc::Rc;

/// Settings of a location for what the engine itself answers.
#[derive(Clone)]
pub struct Respond {
    /// In the order of the file.
    pub error_pages: Setting<Rc<Vec<ErrorPage>>>,
    /// Whether an error page's own failure leads to another error page.
    pub recursive_error_pages: Setting<bool>,
    /// Whether redirects name scheme and host.
    pub absolute_redirect: Setting<bool>,
    /// Whether they name the server instead of the Host.
    pub server_name_in_redirect: Setting<bool>,
    /// Whether they name the port.
    pub port_in_redirect: Setting<bool>,
    /// What the server calls itself.
    pub server_tokens: Setting<ServerTokens>,
    /// Whether short error pages are padded for old Internet Explorer.
    pub msie_padding: Setting<bool>,
    /// Whether redirects for it are pages with a refresh.
    pub msie_refresh: Setting<bool>,
    /// Index in [`SATISFY`].
    pub satisfy: Setting<usize>,
    /// Milliseconds that a 401 is held back.
    pub auth_delay: Setting<u64>,
    /// Whether subrequests are logged.
    pub log_subrequest: Setting<bool>,
    /// Bytes that the answer of a subrequest may have where it is held in memory.
    pub subrequest_buffer: Setting<u64>,
}

/// The words of `satisfy`.
pub const SATISFY: &[&str] = &["all", "any"];

/// What the server calls itself in its `Server` field and error pages.
#[derive(Clone, Debug)]
pub enum ServerTokens {
    /// Name and version.
    On,
    /// The name alone.
    Off,
    /// Name, version and build.
    Build,
    /// This text; nothing if it is empty.
    Text(Template),
}

/// One `error_page`.
#[derive(Clone, Debug)]
pub struct ErrorPage {
    /// Status codes that it is for.
    pub codes: Vec<u16>,
    /// What the status becomes.
    pub response: NewStatus,
    /// Where to go.
    pub target: Target,
}

/// What the status becomes when an error page was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewStatus {
    /// As it was.
    Same,
    /// What the page's own answer is (`=`).
    OfPage,
    /// This (`=200`).
    Fixed(u16),
}

/// Where an error page is.
#[derive(Clone, Debug)]
pub enum Target {
    /// A URI of this server, or an address to redirect to.
    Uri(Template),
    /// A named location.
    Named(Vec<u8>),
}

impl Default for Respond {
    fn default() -> Self {
        Self {
            error_pages: Setting::new(Rc::new(Vec::new())),
            recursive_error_pages: Setting::new(false),
            absolute_redirect: Setting::new(true),
            server_name_in_redirect: Setting::new(false),
            port_in_redirect: Setting::new(true),
            server_tokens: Setting::new(ServerTokens::On),
            msie_padding: Setting::new(true),
            msie_refresh: Setting::new(false),
            satisfy: Setting::new(0),
            auth_delay: Setting::new(0),
            log_subrequest: Setting::new(false),
            subrequest_buffer: Setting::new(4096),
        }
    }
}

inherit_fields!(Respond {
    error_pages,
    recursive_error_pages,
    absolute_redirect,
    server_name_in_redirect,
    port_in_redirect,
    server_tokens,
    msie_padding,
    msie_refresh,
    satisfy,
    auth_delay,
    log_subrequest,
    subrequest_buffer,
});

const DIRECTIVES: &[Directive<Respond>] = &[
    custom(
        "error_page",
        Contexts::ALL_AND_IF,
        Arity {
            min: 2,
            max: usize::MAX,
        },
        read_error_page,
    ),
    flag("recursive_error_pages", Contexts::ALL, |s| {
        &mut s.recursive_error_pages
    }),
    flag("absolute_redirect", Contexts::ALL, |s| {
        &mut s.absolute_redirect
    }),
    flag("server_name_in_redirect", Contexts::ALL, |s| {
        &mut s.server_name_in_redirect
    }),
    flag("port_in_redirect", Contexts::ALL, |s| {
        &mut s.port_in_redirect
    }),
    custom(
        "server_tokens",
        Contexts::ALL,
        Arity::ONE,
        read_server_tokens,
    ),
    flag("msie_padding", Contexts::ALL, |s| &mut s.msie_padding),
    flag("msie_refresh", Contexts::ALL, |s| &mut s.msie_refresh),
    keyword("satisfy", Contexts::ALL, SATISFY, |s| &mut s.satisfy),
    millis("auth_delay", Contexts::ALL, |s| &mut s.auth_delay),
    flag("log_subrequest", Contexts::ALL, |s| &mut s.log_subrequest),
    engine::directive::size("subrequest_output_buffer_size", Contexts::ALL, |s| {
        &mut s.subrequest_buffer
    }),
];

/// Settings for the engine's own answers.
pub(crate) static RESPOND: Slot<Respond> = Slot::location(DIRECTIVES);

/// The engine's own answers.
pub static MODULE: Module = Module {
    name: "core_respond",
    settings: &[&RESPOND],
    ..Module::EMPTY
};

/// `error_page code ... [=[response]] uri`
fn read_error_page(settings: &mut Respond, line: &mut Line<'_>) -> Result<(), Refused> {
    let last = line.args().len() - 1;
    let mut response = NewStatus::Same;
    let mut codes_end = last;
    let text = line.arg(last - 1);
    if let Some(code) = text.strip_prefix(b"=") {
        codes_end -= 1;
        response = if code.is_empty() {
            NewStatus::OfPage
        } else {
            let code = base::units::parse_decimal(code)
                .ok()
                .and_then(|n| u16::try_from(n).ok());
            NewStatus::Fixed(code.ok_or_else(|| line.invalid_value(last - 1))?)
        };
        if codes_end == 0 {
            return Err(line.invalid_value(0));
        }
    }
    let codes = (0..codes_end)
        .map(|index| read_code(line, index))
        .collect::<Result<_, _>>()?;
    let uri = line.arg(last);
    let target = match uri.strip_prefix(b"@") {
        Some(name) => Target::Named(name.to_vec()),
        None => Target::Uri(line.compile(uri)?),
    };
    // A redirect must have the status of one: 302, unless the configuration says which.
    let is_uri = uri.starts_with(b"/") || uri.starts_with(b"@") || uri.starts_with(b"$");
    if !is_uri && response == NewStatus::Same {
        response = NewStatus::Fixed(302);
    }
    Rc::make_mut(settings.error_pages.edit()).push(ErrorPage {
        codes,
        response,
        target,
    });
    Ok(())
}

fn read_code(line: &Line<'_>, index: usize) -> Result<u16, Refused> {
    let code = base::units::parse_decimal(line.arg(index))
        .ok()
        .and_then(|n| u16::try_from(n).ok());
    let code = code.ok_or_else(|| line.invalid_value(index))?;
    if code == 499 {
        return Err(line.invalid_value(index));
    }
    if !(300..=599).contains(&code) {
        let shown = String::from_utf8_lossy(line.arg(index));
        return Err(Refused::new(format!(
            "value \"{shown}\" must be between 300 and 599"
        )));
    }
    Ok(code)
}

fn read_server_tokens(settings: &mut Respond, line: &mut Line<'_>) -> Result<(), Refused> {
    let tokens = match line.arg(0) {
        b"on" => ServerTokens::On,
        b"off" => ServerTokens::Off,
        b"build" => ServerTokens::Build,
        _ => ServerTokens::Text(line.template(0)?),
    };
    set_once(&mut settings.server_tokens, tokens)
}

/// The server's name as the `Server` field of a response from a location with `tokens`.
pub fn server_field(tokens: &ServerTokens, request: &crate::Request) -> Option<Bytes> {
    match tokens {
        ServerTokens::On => Some(Bytes::from(concat!("tidegate/", env!("CARGO_PKG_VERSION")))),
        ServerTokens::Off => Some(Bytes::from("tidegate")),
        ServerTokens::Build => Some(Bytes::from(concat!(
            "tidegate/",
            env!("CARGO_PKG_VERSION"),
            " (nginx 1.31.5)"
        ))),
        ServerTokens::Text(text) => {
            let text = text.eval(request);
            // Left out, since even the page that tells of a bad field has this one.
            let is_field = memchr::memchr3(b'\r', b'\n', 0, &text).is_none();
            (is_field && !text.is_empty()).then(|| text.into())
        }
    }
}
