//! The directives of `userid`.

use engine::directive::{Words, bits, custom, set_once, text, unset};
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, VariableId,
    inherit_fields,
};

/// How a location numbers browsers.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) mode: Setting<Mode>,
    /// `userid_service`; without it, the server's address.
    pub(super) service: Setting<Option<u32>>,
    pub(super) name: Setting<Vec<u8>>,
    /// Empty for none.
    pub(super) domain: Setting<Vec<u8>>,
    pub(super) path: Setting<Vec<u8>>,
    pub(super) expires: Setting<Expires>,
    /// Bit by index in [`FLAGS`].
    flags: Setting<u32>,
    /// Empty for none.
    pub(super) p3p: Setting<Vec<u8>>,
    /// The byte that marks the cookie's end, if any.
    pub(super) mark: Setting<Option<u8>>,
    /// `$uid_reset`
    pub(super) reset: Setting<Option<VariableId>>,
}

/// Whether cookies are given, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Neither read nor given.
    Off,
    /// Read for logs.
    Log,
    /// Given in the first form.
    V1,
    /// Given in the second form.
    On,
}

/// When browsers shall forget the cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expires {
    /// When they are closed: nothing is said.
    Never,
    /// At the last time that old browsers understand.
    Max,
    /// After so many seconds.
    After(u64),
}

/// The words of `userid_flags`, in the order in which they are sent, and `off`.
const FLAGS: Words = &[
    ("secure", 1),
    ("httponly", 1 << 1),
    ("samesite=strict", 1 << 2),
    ("samesite=lax", 1 << 3),
    ("samesite=none", 1 << 4),
    ("off", OFF),
];

/// The bit of `off`, which is not sent.
const OFF: u32 = 1 << 5;

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Setting::new(Mode::Off),
            service: Setting::new(None),
            name: Setting::new(b"uid".to_vec()),
            domain: Setting::default(),
            path: Setting::new(b"/".to_vec()),
            expires: Setting::new(Expires::Never),
            flags: Setting::new(0),
            p3p: Setting::default(),
            mark: Setting::new(None),
            reset: Setting::new(None),
        }
    }
}

inherit_fields!(Settings {
    mode,
    service,
    name,
    domain,
    path,
    expires,
    flags,
    p3p,
    mark,
    reset
});

impl Settings {
    /// The flags that are sent.
    pub(super) fn flags(&self) -> impl Iterator<Item = &'static str> {
        let bits = *self.flags & !OFF;
        let sent = FLAGS.iter().filter(move |(_, bit)| bits & bit != 0);
        sent.map(|(flag, _)| *flag)
    }
}

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("userid", Contexts::ALL, Arity::ONE, read_mode),
    custom(
        "userid_service",
        Contexts::ALL,
        Arity::ONE,
        |settings, line| {
            let number = line.number(0, 0, u64::MAX)?;
            // As in nginx, of a larger number the low bits count.
            let low = u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0);
            set_once(&mut settings.service, Some(low))
        },
    ),
    text("userid_name", Contexts::ALL, |s| &mut s.name),
    custom(
        "userid_domain",
        Contexts::ALL,
        Arity::ONE,
        |settings, line| set_once(&mut settings.domain, unless_none(line)),
    ),
    text("userid_path", Contexts::ALL, |s| &mut s.path),
    custom("userid_expires", Contexts::ALL, Arity::ONE, read_expires),
    bits(
        "userid_flags",
        Contexts::ALL,
        Arity::between(1, 3),
        FLAGS,
        |s| &mut s.flags,
    ),
    custom("userid_p3p", Contexts::ALL, Arity::ONE, |settings, line| {
        set_once(&mut settings.p3p, unless_none(line))
    }),
    custom("userid_mark", Contexts::ALL, Arity::ONE, read_mark),
];

pub(super) static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

pub(super) fn is_enabled(settings: &SettingsTable) -> bool {
    *SETTINGS.of(settings).mode >= Mode::V1
}

fn unless_none(line: &Line<'_>) -> Vec<u8> {
    match line.arg(0) {
        b"none" => Vec::new(),
        text => text.to_vec(),
    }
}

/// `userid on | v1 | log | off`
fn read_mode(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let mode = unset(&mut settings.mode)?;
    mode.set(match line.arg(0) {
        b"off" => Mode::Off,
        b"log" => Mode::Log,
        b"v1" => Mode::V1,
        b"on" => Mode::On,
        _ => return Err(line.invalid_value(0)),
    });
    settings.reset.set(Some(line.variable(b"uid_reset")));
    Ok(())
}

/// `userid_expires time | max | off`
fn read_expires(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let expires = unset(&mut settings.expires)?;
    expires.set(match line.arg(0) {
        b"max" => Expires::Max,
        b"off" => Expires::Never,
        text => match base::units::parse_time_sec(text) {
            Ok(0) => Expires::Never,
            Ok(seconds) => Expires::After(seconds),
            Err(_) => return Err(Refused::new("invalid value")),
        },
    });
    Ok(())
}

/// `userid_mark letter | digit | = | off`
fn read_mark(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let mark = unset(&mut settings.mark)?;
    mark.set(match line.arg(0) {
        b"off" => None,
        [byte] if byte.is_ascii_alphanumeric() || *byte == b'=' => Some(*byte),
        _ => {
            return Err(Refused::new(
                "\"userid_mark\" directive value must be \"off\" or a single letter, digit or \"=\"",
            ));
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn values_are_checked() {
        check(
            "userid v1; userid_service 5; userid_name a; userid_domain none; userid_path /a;
             userid_expires max; userid_flags secure samesite=lax; userid_p3p none; userid_mark =;",
            "",
        );
        check("userid yes;", "invalid value \"yes\"");
        check(
            "userid_service a;",
            "\"userid_service\" directive invalid number",
        );
        check(
            "userid_expires a;",
            "\"userid_expires\" directive invalid value",
        );
        check("userid_flags a;", "invalid value \"a\"");
        check("userid_flags secure secure;", "duplicate value \"secure\"");
        check(
            "userid_mark aa;",
            "\"userid_mark\" directive value must be \"off\" or a single letter, digit or \"=\"",
        );
    }
}
