//! How connections are kept and responses are sent: keep-alive, timeouts, rates, closing.

use crate::module::Module;
use engine::directive::{
    bits, custom, flag, keyword, millis, number, size, size_template, unsupported_size,
};
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot, Template, inherit_fields};

/// Settings of a location for connections and sending.
#[derive(Clone)]
pub struct Transfer {
    /// Milliseconds that an idle connection stays open; 0 closes it after the response.
    pub keepalive_timeout: Setting<u64>,
    /// Seconds told in the `Keep-Alive` field.
    pub keepalive_header: Setting<u64>,
    /// Most requests over one connection.
    pub keepalive_requests: Setting<u64>,
    /// Milliseconds after which a connection is closed with its next response.
    pub keepalive_time: Setting<u64>,
    /// Milliseconds that a connection stays open at least, even in a shutdown.
    pub keepalive_min_timeout: Setting<u64>,
    /// Browsers that keep-alive is disabled for.
    pub keepalive_disable: Setting<u32>,
    /// Milliseconds between two writes.
    pub send_timeout: Setting<u64>,
    /// Index in [`LINGERING`].
    pub lingering_close: Setting<usize>,
    /// Milliseconds that lingering may take.
    pub lingering_time: Setting<u64>,
    /// Milliseconds to wait for more while lingering.
    pub lingering_timeout: Setting<u64>,
    /// Whether connections that timed out are reset.
    pub reset_timedout: Setting<bool>,
    /// Bytes a second.
    pub limit_rate: Setting<Template>,
    /// Bytes before the rate applies.
    pub limit_rate_after: Setting<Template>,
    /// Whether heads and bodies of files are sent in full packets.
    pub tcp_nopush: Setting<bool>,
    /// Whether small packets are sent at once.
    pub tcp_nodelay: Setting<bool>,
    /// Whether bodies of unknown length are sent chunked.
    pub chunked: Setting<bool>,
    /// Whether files are sent by the kernel.
    pub sendfile: Setting<bool>,
    /// Most bytes of one `sendfile` call, so that one fast client does not hold the worker.
    pub sendfile_max_chunk: Setting<u64>,
    /// Number and bytes of buffers for files that are read.
    pub output_buffers: Setting<(u64, u64)>,
    /// Bytes that are worth a write before the response is complete.
    pub postpone_output: Setting<u64>,
    /// A low-water mark of other systems; has no effect here, as in nginx on Linux.
    send_lowat: Setting<u64>,
}

/// The words of `lingering_close`.
pub const LINGERING: &[&str] = &["off", "on", "always"];

/// Browsers that `keepalive_disable` names, as bits.
pub mod disabled {
    use engine::directive::Words;

    /// Old Internet Explorer, after POST.
    pub const MSIE6: u32 = 1;
    /// Safari on macOS.
    pub const SAFARI: u32 = 1 << 1;

    pub(super) const WORDS: Words = &[("none", 1 << 2), ("msie6", MSIE6), ("safari", SAFARI)];
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            keepalive_timeout: Setting::new(75_000),
            keepalive_header: Setting::new(0),
            keepalive_requests: Setting::new(1000),
            keepalive_time: Setting::new(3_600_000),
            keepalive_min_timeout: Setting::new(0),
            keepalive_disable: Setting::new(disabled::MSIE6),
            send_timeout: Setting::new(60_000),
            lingering_close: Setting::new(1),
            lingering_time: Setting::new(30_000),
            lingering_timeout: Setting::new(5_000),
            reset_timedout: Setting::new(false),
            limit_rate: Setting::new(Template::default()),
            limit_rate_after: Setting::new(Template::default()),
            tcp_nopush: Setting::new(false),
            tcp_nodelay: Setting::new(true),
            chunked: Setting::new(true),
            sendfile: Setting::new(false),
            sendfile_max_chunk: Setting::new(2 << 20),
            output_buffers: Setting::new((2, 32 << 10)),
            postpone_output: Setting::new(1460),
            send_lowat: Setting::new(0),
        }
    }
}

inherit_fields!(Transfer {
    keepalive_timeout,
    keepalive_header,
    keepalive_requests,
    keepalive_time,
    keepalive_min_timeout,
    keepalive_disable,
    send_timeout,
    lingering_close,
    lingering_time,
    lingering_timeout,
    reset_timedout,
    limit_rate,
    limit_rate_after,
    tcp_nopush,
    tcp_nodelay,
    chunked,
    sendfile,
    sendfile_max_chunk,
    output_buffers,
    postpone_output,
    send_lowat,
});

const MAX: u64 = u32::MAX as u64;

const DIRECTIVES: &[Directive<Transfer>] = &[
    custom(
        "keepalive_timeout",
        Contexts::ALL,
        Arity::between(1, 2),
        read_keepalive_timeout,
    ),
    number("keepalive_requests", Contexts::ALL, 0, MAX, |s| {
        &mut s.keepalive_requests
    }),
    millis("keepalive_time", Contexts::ALL, |s| &mut s.keepalive_time),
    millis("keepalive_min_timeout", Contexts::ALL, |s| {
        &mut s.keepalive_min_timeout
    }),
    bits(
        "keepalive_disable",
        Contexts::ALL,
        Arity::between(1, 2),
        disabled::WORDS,
        |s| &mut s.keepalive_disable,
    ),
    millis("send_timeout", Contexts::ALL, |s| &mut s.send_timeout),
    keyword("lingering_close", Contexts::ALL, LINGERING, |s| {
        &mut s.lingering_close
    }),
    millis("lingering_time", Contexts::ALL, |s| &mut s.lingering_time),
    millis("lingering_timeout", Contexts::ALL, |s| {
        &mut s.lingering_timeout
    }),
    flag("reset_timedout_connection", Contexts::ALL, |s| {
        &mut s.reset_timedout
    }),
    size_template("limit_rate", Contexts::ALL_AND_IF, |s| &mut s.limit_rate),
    size_template("limit_rate_after", Contexts::ALL_AND_IF, |s| {
        &mut s.limit_rate_after
    }),
    flag("tcp_nopush", Contexts::ALL, |s| &mut s.tcp_nopush),
    flag("tcp_nodelay", Contexts::ALL, |s| &mut s.tcp_nodelay),
    flag("chunked_transfer_encoding", Contexts::ALL, |s| {
        &mut s.chunked
    }),
    flag("sendfile", Contexts::ALL_AND_IF, |s| &mut s.sendfile),
    size("sendfile_max_chunk", Contexts::ALL, |s| {
        &mut s.sendfile_max_chunk
    }),
    custom("output_buffers", Contexts::ALL, Arity::TWO, |s, line| {
        let count = line.number(0, 0, MAX)?;
        let size = base::units::parse_size(line.arg(1))
            .ok()
            .filter(|&size| size > 0 && count > 0);
        let size = size.ok_or_else(|| Refused::new("invalid value"))?;
        engine::directive::set_once(&mut s.output_buffers, (count, size))
    }),
    size("postpone_output", Contexts::ALL, |s| &mut s.postpone_output),
    unsupported_size("send_lowat", Contexts::ALL, |s| &mut s.send_lowat),
];

/// Settings for connections and sending.
pub(crate) static TRANSFER: Slot<Transfer> = Slot::location(DIRECTIVES);

/// Connections and sending.
pub static MODULE: Module = Module {
    name: "core_transfer",
    settings: &[&TRANSFER],
    ..Module::EMPTY
};

fn read_keepalive_timeout(settings: &mut Transfer, line: &mut Line<'_>) -> Result<(), Refused> {
    let invalid = || Refused::new("invalid value");
    let field = engine::directive::unset(&mut settings.keepalive_timeout)?;
    field.set(base::units::parse_time_ms(line.arg(0)).map_err(|_| invalid())?);
    if line.args().len() > 1 {
        let seconds = base::units::parse_time_sec(line.arg(1)).map_err(|_| invalid())?;
        settings.keepalive_header.set(seconds);
    } else {
        settings.keepalive_header.set(0);
    }
    Ok(())
}
