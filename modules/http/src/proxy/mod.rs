//! `proxy_pass`: hands requests on to HTTP servers.
//!
//! What all gateways have in common is the engine's; here is how a request is put into the
//! words of HTTP/1 and what is done to the fields of its response.
//!
//! Source: nginx documentation, ngx_http_proxy_module.

mod codec;
mod cookies;
mod fields;
mod pass;
pub(crate) mod probe;
mod redirects;
mod target;
mod variables;

use base::place;
use codec::Http1;
use cookies::{CookieFlags, Replacement};
use engine::directive::{custom, flag, joined, keyword, number, set_once, template, unset};
use engine::setting::Inherit;
use engine::{
    Arity, Contexts, Directive, Line, Loading, Refused, Setting, SettingsTable, Slot, Template,
};
use fields::Fields;
use http::config::finish::Finishing;
use http::config::location_name::LocationName;
use http::core::receive::{TempFolders, TempPath};
use http::gateway::settings::PROXY_PROTOCOL;
use http::gateway::{self, Call, Upstreams};
use http::{BoxFuture, Error, Flow, Handler, Module, Phase, Request};
use pass::{Pass, Written};
use redirects::Redirects;
use std::future::ready;
use std::rc::Rc;
use target::Target;

/// What is the proxy's own.
#[derive(Clone)]
struct Settings {
    /// `proxy_pass` as it was written.
    written: Setting<Option<Written>>,
    /// The same, once the groups it may name are known.
    pass: Option<Rc<Pass>>,
    /// Index in [`VERSIONS`].
    version: Setting<usize>,
    method: Setting<Template>,
    /// `proxy_set_header`
    set_fields: Setting<Vec<(Vec<u8>, Template)>>,
    /// All fields of a request, compiled.
    fields: Rc<Fields>,
    set_body: Setting<Option<Template>>,
    redirects: Setting<Redirects>,
    cookie_domains: Setting<Vec<Replacement>>,
    cookie_paths: Setting<Vec<Replacement>>,
    cookie_flags: Setting<Vec<CookieFlags>>,
    pass_trailers: Setting<bool>,
    pass_request_trailers: Setting<bool>,
    /// Kept for configurations that name them: there is no table to size.
    hash_max_size: Setting<u64>,
    hash_bucket_size: Setting<u64>,
}

const VERSIONS: &[&str] = &["1.0", "1.1"];

impl Default for Settings {
    fn default() -> Self {
        Self {
            written: Setting::new(None),
            pass: None,
            version: Setting::new(1),
            method: Setting::new(Template::default()),
            set_fields: Setting::new(Vec::new()),
            fields: Rc::default(),
            set_body: Setting::new(None),
            redirects: Setting::new(Redirects::default()),
            cookie_domains: Setting::new(Vec::new()),
            cookie_paths: Setting::new(Vec::new()),
            cookie_flags: Setting::new(Vec::new()),
            pass_trailers: Setting::new(false),
            pass_request_trailers: Setting::new(false),
            hash_max_size: Setting::new(512),
            hash_bucket_size: Setting::new(64),
        }
    }
}

impl Inherit for Settings {
    /// Everything but what is passed where, which a location says for itself.
    fn inherit(&mut self, outer: &Self) {
        self.version.inherit(&outer.version);
        self.method.inherit(&outer.method);
        self.set_fields.inherit(&outer.set_fields);
        self.set_body.inherit(&outer.set_body);
        self.redirects.inherit(&outer.redirects);
        self.cookie_domains.inherit(&outer.cookie_domains);
        self.cookie_paths.inherit(&outer.cookie_paths);
        self.cookie_flags.inherit(&outer.cookie_flags);
        self.pass_trailers.inherit(&outer.pass_trailers);
        self.pass_request_trailers
            .inherit(&outer.pass_request_trailers);
        self.hash_max_size.inherit(&outer.hash_max_size);
        self.hash_bucket_size.inherit(&outer.hash_bucket_size);
    }
}

const PASS_CONTEXTS: Contexts = Contexts::LOCATION
    .with(Contexts::LOCATION_IF)
    .with(Contexts::LIMIT_EXCEPT);

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("proxy_pass", PASS_CONTEXTS, Arity::ONE, |s, line| {
        let written = pass::read(line)?;
        set_once(&mut s.written, Some(written))?;
        http::core::redirects::add_slash(line.loading, line.level);
        Ok(())
    }),
    custom(
        "proxy_http_version",
        Contexts::ALL,
        Arity::ONE,
        read_version,
    ),
    template("proxy_method", Contexts::ALL, |s| &mut s.method),
    custom("proxy_set_header", Contexts::ALL, Arity::TWO, |s, line| {
        let value = line.template(1)?;
        s.set_fields.edit().push((line.arg(0).to_vec(), value));
        Ok(())
    }),
    custom("proxy_set_body", Contexts::ALL, Arity::ONE, |s, line| {
        let value = line.template(0)?;
        set_once(&mut s.set_body, Some(value))
    }),
    custom(
        "proxy_redirect",
        Contexts::ALL,
        Arity::between(1, 2),
        |s, line| redirects::read(&mut s.redirects, line),
    ),
    custom(
        "proxy_cookie_domain",
        Contexts::ALL,
        Arity::between(1, 2),
        |s, line| cookies::read_replacement(&mut s.cookie_domains, line, true),
    ),
    custom(
        "proxy_cookie_path",
        Contexts::ALL,
        Arity::between(1, 2),
        |s, line| cookies::read_replacement(&mut s.cookie_paths, line, false),
    ),
    custom(
        "proxy_cookie_flags",
        Contexts::ALL,
        Arity::between(1, 5),
        |s, line| cookies::read_flags(&mut s.cookie_flags, line),
    ),
    flag("proxy_pass_trailers", Contexts::ALL, |s| {
        &mut s.pass_trailers
    }),
    // nginx drops them.
    flag("proxy_pass_request_trailers", Contexts::ALL, |s| {
        &mut s.pass_request_trailers
    }),
    number(
        "proxy_headers_hash_max_size",
        Contexts::ALL,
        0,
        u64::MAX,
        |s| &mut s.hash_max_size,
    ),
    number(
        "proxy_headers_hash_bucket_size",
        Contexts::ALL,
        0,
        u64::MAX,
        |s| &mut s.hash_bucket_size,
    ),
];

/// What nginx has for streams alone.
const ADDED_ROWS: [Directive<gateway::Settings>; 1] = [keyword(
    "proxy_protocol",
    Contexts::ALL,
    PROXY_PROTOCOL,
    |s| &mut s.proxy_protocol,
)];

const COMMON_ROWS: &[Directive<gateway::Settings>] = &joined::<gateway::Settings, 34, 1, 35>(
    joined::<gateway::Settings, 14, 20, 34>(
        http::gateway_connection_directives!("proxy_"),
        http::gateway_message_directives!("proxy_"),
    ),
    ADDED_ROWS,
);

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);
static COMMON: Slot<gateway::Settings> = Slot::location(COMMON_ROWS);

/// Proxying.
pub(crate) static MODULE: Module = Module {
    name: "proxy",
    settings: &[&SETTINGS, &COMMON],
    state: &[&variables::TARGET],
    takes_over: &["proxy_pass"],
    handlers: &[Handler::waiting(Phase::Content, is_enabled, run)],
    variables: variables::VARIABLES,
    finish: Some(finish),
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    SETTINGS.of(settings).pass.is_some()
}

/// Fields of responses that clients do not get unless the configuration passes them.
const HIDDEN: &[&str] = &[
    "Date",
    "Server",
    "X-Pad",
    "X-Accel-Expires",
    "X-Accel-Redirect",
    "X-Accel-Limit-Rate",
    "X-Accel-Buffering",
    "X-Accel-Charset",
];

fn run(request: &mut Request) -> BoxFuture<'_, Result<Flow, Error>> {
    let settings = SETTINGS.share(&request.location.settings);
    match settings.pass.as_deref() {
        None => Box::pin(ready(Ok(Flow::Decline))),
        Some(Pass::Fixed(target)) => {
            let target = Rc::clone(target);
            let call = call(request, settings, target);
            place::pinned(|| gateway::converse(request, call))
        }
        Some(Pass::Variable(..)) => place::pinned(|| find_and_pass(request, settings)),
    }
}

/// Passes a request whose URL has variables.
async fn find_and_pass(request: &mut Request, settings: Rc<Settings>) -> Result<Flow, Error> {
    let Some(Pass::Variable(template, groups)) = settings.pass.as_deref() else {
        return Ok(Flow::Decline);
    };
    let common = COMMON.share(&request.location.settings);
    let target = match Target::at_run_time(request, &common, template, groups).await {
        Ok(target) => target,
        Err(failure) => return failure,
    };
    let call = call(request, settings, target);
    gateway::converse(request, call).await
}

fn call(request: &Request, settings: Rc<Settings>, target: Rc<Target>) -> Box<Call<Http1>> {
    let common = COMMON.share(&request.location.settings);
    let uri = target.uri(request);
    let is_original = *uri == *request.original_uri();
    let uri = (!is_original).then(|| uri.into_owned());
    place::boxed(|| Call {
        upstream: Rc::clone(&target.upstream),
        uri,
        rewrite: &redirects::ResponseFields,
        scheme: "http://",
        replaces_body: settings.set_body.is_some(),
        can_chunk: VERSIONS.get(*settings.version) == Some(&"1.1"),
        codec: Http1::new(settings, &common, target),
        settings: common,
    })
}

fn read_version(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    unset(&mut settings.version)?;
    let word = line.arg(0);
    if word == b"2" {
        return Err(Refused::new(
            "HTTP/2 to proxied servers is not supported: use \"proxy_http_version 1.1\"",
        ));
    }
    let index = VERSIONS.iter().position(|known| known.as_bytes() == word);
    settings
        .version
        .set(index.ok_or_else(|| line.invalid_value(0))?);
    Ok(())
}

/// Ties what was written to the groups it names, and compiles what a request needs.
fn finish(finishing: &mut Finishing<'_>) -> Result<(), Refused> {
    let mut failed = Vec::new();
    finishing.each(&SETTINGS, |settings, loading, name| {
        if let Some(written) = &*settings.written {
            match written.resolve(loading, name) {
                Ok(pass) => settings.pass = Some(Rc::new(pass)),
                Err(message) => failed.push(conf::Error::emerg(written.position, message)),
            }
        }
    });
    finishing.each(&SETTINGS, |settings, _, name| {
        let Some(written) = settings.written.clone().into_value() else {
            return;
        };
        if let Err(message) = settings.redirects.edit().settle(&written, name) {
            failed.push(conf::Error::emerg(written.position, message));
        }
    });
    finishing.loading.errors.append(&mut failed);
    give_groups(finishing);
    hand_down(finishing);
    finishing.each(&SETTINGS, |settings, _, _| {
        if settings.pass.is_some() {
            settings.fields = Rc::new(Fields::compile(&settings.set_fields));
        }
    });
    finishing.each(&COMMON, |common, loading, _| {
        common.settle_hidden(HIDDEN);
        settle_folder(common, loading);
        if let Err(fault) = common.check_sizes("proxy_") {
            let error = conf::Error::new(conf::Level::Emerg, fault);
            if !loading.errors.contains(&error) {
                loading.errors.push(error);
            }
        }
    });
    Ok(())
}

/// The folder for temporary files, which must exist before workers start.
fn settle_folder(common: &mut gateway::Settings, loading: &mut Loading) {
    if common.temp_path.folder.as_os_str().is_empty() {
        common.temp_path.set(TempPath {
            folder: Rc::new(loading.full_path(b"proxy_temp")),
            levels: [1, 2, 0],
        });
    }
    let folders = loading.shared::<TempFolders>();
    if !folders.all.contains(&common.temp_path.folder) {
        folders.all.push(Rc::clone(&common.temp_path.folder));
    }
}

/// Lets URLs with variables name any group, now that all are known.
fn give_groups(finishing: &mut Finishing<'_>) {
    let all = Rc::new(finishing.loading.shared::<Upstreams>().by_authority());
    finishing.each(&SETTINGS, |settings, _, _| {
        if let Some(Pass::Variable(url, _)) = settings.pass.as_deref() {
            settings.pass = Some(Rc::new(Pass::Variable(url.clone(), Rc::clone(&all))));
        }
    });
}

/// Blocks of `if` and `limit_except` pass what the location around them passes.
fn hand_down(finishing: &mut Finishing<'_>) {
    for id in 1..finishing.arena.levels.len() {
        let (outer, inner) = finishing.arena.levels.split_at_mut(id);
        let level = &mut inner[0];
        let blocks = Contexts::LOCATION_IF.with(Contexts::LIMIT_EXCEPT);
        if !level.context.contains(blocks) || !matches!(level.name, LocationName::Unnamed) {
            continue;
        }
        let parent = level
            .parent
            .and_then(|parent| outer.get_mut(parent as usize));
        let location = parent.and_then(|parent| SETTINGS.edit(&mut parent.location));
        let Some(location) = location else { continue };
        let block = SETTINGS.edit(&mut level.location);
        if let Some(block) = block.filter(|block| block.pass.is_none()) {
            block.pass.clone_from(&location.pass);
            block.redirects = location.redirects.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn words_and_sizes_are_checked() {
        check(
            "proxy_limit_rate 1g;",
            "\"proxy_limit_rate\" directive invalid value",
        );
        check("proxy_limit_rate $host;", "");
        check(
            "proxy_send_lowat 1k;",
            "\"proxy_send_lowat\" is not supported, ignored",
        );
        check("proxy_next_upstream maybe;", "invalid value \"maybe\"");
        check(
            "proxy_next_upstream error; proxy_next_upstream HTTP_500 off;",
            "",
        );
        check(
            "proxy_next_upstream error; proxy_next_upstream timeout error;",
            "duplicate value \"error\"",
        );
        check(
            "proxy_ignore_headers Vary; proxy_ignore_headers expires;",
            "",
        );
        check(
            "proxy_ignore_headers Vary vary;",
            "duplicate value \"vary\"",
        );
    }

    #[test]
    fn misuse_is_refused_in_nginx_words() {
        let location = |inside: &str| format!("server {{ location /a {{ {inside} }} }}");
        check(&location("proxy_pass http://127.0.0.1:1/b;"), "");
        check(&location("proxy_pass ftp://a;"), "invalid URL prefix");
        check(
            &location("proxy_pass https://127.0.0.1;"),
            "https protocol requires SSL support",
        );
        check(
            &location("proxy_pass http://127.0.0.1; proxy_pass http://127.0.0.1;"),
            "\"proxy_pass\" directive is duplicate",
        );
        check(
            &location("proxy_pass http://127.0.0.1:x;"),
            "invalid port in upstream \"127.0.0.1:x\"",
        );
        check(
            "server { location ~ a { proxy_pass http://127.0.0.1/b; } }",
            "\"proxy_pass\" cannot have URI part in location given by regular expression, or \
             inside named location, or inside \"if\" statement, or inside \"limit_except\" block",
        );
        check(
            "proxy_buffers 1 4k;",
            "there must be at least 2 \"proxy_buffers\"",
        );
        let limit = "the maximum of the value of \"proxy_buffer_size\" and one of the \
                     \"proxy_buffers\"";
        check(
            "proxy_busy_buffers_size 2k;",
            &format!("\"proxy_busy_buffers_size\" must be equal to or greater than {limit}"),
        );
        check(
            "proxy_buffer_size 128k;",
            "\"proxy_busy_buffers_size\" must be less than the size of all \"proxy_buffers\" \
             minus one buffer",
        );
        check(
            "proxy_temp_file_write_size 1k;",
            &format!("\"proxy_temp_file_write_size\" must be equal to or greater than {limit}"),
        );
        check("proxy_max_temp_file_size 0;", "");
        check(
            "proxy_http_version 2;",
            "HTTP/2 to proxied servers is not supported: use \"proxy_http_version 1.1\"",
        );
        check(
            "upstream u { server 127.0.0.1; } server { location / { proxy_pass http://u:8; } }",
            "upstream \"u\" may not have port 8",
        );
    }

    #[test]
    fn name_servers() {
        check("resolver 127.0.0.1 [::1]:5353 valid=30s ipv6=off;", "");
        check("resolver valid=1s;", "no name servers defined");
        check("resolver 127.0.0.1 ipv4=x;", "invalid parameter: ipv4=x");
        check("resolver 127.0.0.1 valid=x;", "invalid parameter: valid=x");
        check(
            "resolver 127.0.0.1 ipv4=off ipv6=off;",
            "\"ipv4\" and \"ipv6\" cannot both be \"off\"",
        );
        check("resolver [::1;", "invalid host in resolver \"[::1\"");
        check(
            "resolver 127.0.0.1:0;",
            "invalid port in resolver \"127.0.0.1:0\"",
        );
        check(
            "resolver 127.0.0.1; resolver 127.0.0.1;",
            "\"resolver\" directive is duplicate",
        );
        check(
            "resolver 127.0.0.1 status_zone=;",
            "invalid parameter: status_zone=",
        );
        check(
            "resolver 127.0.0.1 status_zone=z; server { resolver 127.0.0.1 status_zone=z; }",
            "",
        );
        check(
            "limit_conn_zone $uri zone=z:64k; resolver 127.0.0.1 status_zone=z;",
            "the shared memory zone \"z\" is already declared for a different use",
        );
    }
}
