//! `modern_browser`, `ancient_browser`: sorts browsers by what they say of themselves.
//!
//! Source: nginx documentation, ngx_http_browser_module.

use engine::directive::{custom, lossy};
use engine::setting::Inherit;
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot};
use http::{Module, Request, Variable};
use http1::Known;
use memchr::memmem;

/// How a location sorts browsers.
#[derive(Clone)]
struct Settings {
    /// In the order in which they are looked for.
    modern: Setting<Vec<Modern>>,
    /// `modern_browser unlisted`
    unlisted_is_modern: Setting<bool>,
    /// Texts that only ancient browsers send.
    ancient: Setting<Vec<Vec<u8>>>,
    /// `ancient_browser netscape4`
    netscape4: Setting<bool>,
    modern_value: Setting<Vec<u8>>,
    ancient_value: Setting<Vec<u8>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            modern: Setting::default(),
            unlisted_is_modern: Setting::default(),
            ancient: Setting::default(),
            netscape4: Setting::default(),
            modern_value: Setting::new(b"1".to_vec()),
            ancient_value: Setting::new(b"1".to_vec()),
        }
    }
}

impl Inherit for Settings {
    fn inherit(&mut self, outer: &Self) {
        if !self.modern.is_set() && !self.unlisted_is_modern.is_set() {
            self.modern.inherit(&outer.modern);
            self.unlisted_is_modern.inherit(&outer.unlisted_is_modern);
        }
        if !self.ancient.is_set() && !self.netscape4.is_set() {
            self.ancient.inherit(&outer.ancient);
            self.netscape4.inherit(&outer.netscape4);
        }
        self.modern_value.inherit(&outer.modern_value);
        self.ancient_value.inherit(&outer.ancient_value);
    }
}

/// The first version of a browser that is modern.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Modern {
    /// Index in [`BROWSERS`].
    browser: usize,
    /// As [`version`] reads it.
    since: u64,
}

/// How a browser is known.
struct Browser {
    /// What `modern_browser` calls it.
    name: &'static str,
    /// How many bytes of `User-Agent` come before its mark in any case.
    skip: usize,
    /// What its version follows; after "Opera" one more byte stands between.
    mark: &'static [u8],
    gap: usize,
}

const OPERA: usize = 0;

/// The browsers in the order in which they are looked for: others are imitated by those above.
const BROWSERS: [Browser; 5] = [
    Browser {
        name: "opera",
        skip: 0,
        mark: b"Opera",
        gap: 1,
    },
    Browser {
        name: "msie",
        skip: "Mozilla/4.0 (compatible; ".len(),
        mark: b"MSIE ",
        gap: 0,
    },
    Browser {
        name: "gecko",
        skip: "Mozilla/5.0 (".len(),
        mark: b"rv:",
        gap: 0,
    },
    Browser {
        name: "safari",
        skip: "Mozilla/5.0 (".len(),
        mark: b"Safari/",
        gap: 0,
    },
    Browser {
        name: "konqueror",
        skip: "Mozilla/5.0 (compatible; ".len(),
        mark: b"Konqueror/",
        gap: 0,
    },
];

const DIRECTIVES: &[Directive<Settings>] = &[
    custom(
        "modern_browser",
        Contexts::ALL,
        Arity::between(1, 2),
        read_modern,
    ),
    custom("ancient_browser", Contexts::ALL, Arity::SOME, read_ancient),
    // Of several the last one counts.
    custom(
        "modern_browser_value",
        Contexts::ALL,
        Arity::ONE,
        |s, line| {
            s.modern_value.set(line.arg(0).to_vec());
            Ok(())
        },
    ),
    custom(
        "ancient_browser_value",
        Contexts::ALL,
        Arity::ONE,
        |s, line| {
            s.ancient_value.set(line.arg(0).to_vec());
            Ok(())
        },
    ),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Kinds of browsers.
pub(crate) static MODULE: Module = Module {
    name: "browser",
    settings: &[&SETTINGS],
    variables: &[
        Variable::replaceable("msie", |request, out| {
            if request.header(Known::UserAgent).is_some_and(is_msie) {
                out.push(b'1');
            }
            true
        }),
        Variable::replaceable("modern_browser", |request, out| {
            let settings = SETTINGS.of(&request.location.settings);
            write_if(is_request_modern(request), &settings.modern_value, out)
        }),
        Variable::replaceable("ancient_browser", |request, out| {
            let settings = SETTINGS.of(&request.location.settings);
            write_if(!is_request_modern(request), &settings.ancient_value, out)
        }),
    ],
    ..Module::EMPTY
};

fn write_if(condition: bool, value: &[u8], out: &mut Vec<u8>) -> bool {
    if condition {
        out.extend_from_slice(value);
    }
    true
}

fn is_request_modern(request: &Request) -> bool {
    let settings = SETTINGS.of(&request.location.settings);
    is_modern(settings, request.header(Known::UserAgent))
}

/// Internet Explorer, and not Opera, which claims to be one.
fn is_msie(agent: &[u8]) -> bool {
    memmem::find(agent, b"MSIE ").is_some_and(|at| at + 7 < agent.len())
        && memmem::find(agent, b"Opera").is_none()
}

/// Whether a browser is modern; what is not is ancient.
fn is_modern(settings: &Settings, agent: Option<&[u8]>) -> bool {
    let Some(agent) = agent else {
        return *settings.unlisted_is_modern;
    };
    let listed = settings.modern.iter().find_map(|modern| {
        let browser = BROWSERS.get(modern.browser)?;
        let rest = agent.get(browser.skip..)?;
        let at = memmem::find(rest, browser.mark)?;
        let number = rest.get(at + browser.mark.len() + browser.gap..)?;
        (!number.is_empty()).then(|| version(number).0 >= modern.since)
    });
    if let Some(is_modern) = listed {
        return is_modern;
    }
    if !*settings.unlisted_is_modern {
        return false;
    }
    let is_ancient = (*settings.netscape4 && is_netscape4(agent))
        || settings
            .ancient
            .iter()
            .any(|text| memmem::find(agent, text).is_some());
    !is_ancient
}

/// Netscape below version 5, which all browsers claimed to be for a time.
fn is_netscape4(agent: &[u8]) -> bool {
    let number = agent
        .strip_prefix(b"Mozilla/")
        .and_then(|rest| rest.first());
    agent.len() > "Mozilla/4.72 ".len() && matches!(number, Some(b'1'..=b'4'))
}

/// Reads a version as one number, `1.2.3` as 1020300, up to the first byte that cannot be in
/// one; gives that byte's position too.
fn version(text: &[u8]) -> (u64, usize) {
    let (mut version, mut part) = (0_u64, 0_u64);
    let mut scale = 1_000_000;
    let mut end = text.len();
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                let digit = u64::from(byte - b'0');
                part = part.saturating_mul(10).saturating_add(digit);
            }
            b'.' => {
                version = version.saturating_add(part.saturating_mul(scale));
                part = 0;
                scale /= 100;
            }
            _ => {
                end = at;
                break;
            }
        }
    }
    (version.saturating_add(part.saturating_mul(scale)), end)
}

/// `modern_browser browser version`, `modern_browser unlisted`
fn read_modern(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let (name, number) = match (line.arg(0), line.args().len()) {
        (b"unlisted", 1) => {
            settings.unlisted_is_modern.set(true);
            return Ok(());
        }
        (_, 1) => return Err(line.invalid_parameter(0)),
        (name, _) => (name, line.arg(1)),
    };
    let is_named = |known: &Browser| known.name.as_bytes().eq_ignore_ascii_case(name);
    let Some(browser) = BROWSERS.iter().position(is_named) else {
        let shown = lossy(name);
        return Err(Refused::new(format!("unknown browser name \"{shown}\"")));
    };
    let (since, end) = version(number);
    if end < number.len() {
        let shown = lossy(number);
        return Err(Refused::new(format!("invalid browser version \"{shown}\"")));
    }
    let modern = settings.modern.edit();
    // Opera may say that it is Internet Explorer, so it is looked for in any case; no version
    // of it is modern unless the configuration says so.
    let is_opera = |known: &Modern| known.browser == OPERA;
    if browser == OPERA {
        modern.retain(|known| !is_opera(known) || known.since != u64::MAX);
    } else if !modern.iter().any(is_opera) {
        modern.push(Modern {
            browser: OPERA,
            since: u64::MAX,
        });
    }
    modern.push(Modern { browser, since });
    modern.sort_by_key(|known| known.browser);
    Ok(())
}

/// `ancient_browser string ...`, of which `netscape4` is a special one.
fn read_ancient(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    for word in line.args() {
        if word.text == b"netscape4" {
            settings.netscape4.set(true);
        } else {
            settings.ancient.edit().push(word.text.clone());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version(b"1.2.3"), (1_020_300, 5));
        assert_eq!(version(b"5.5; Windows"), (5_050_000, 3));
        assert_eq!(version(b"10"), (10_000_000, 2));
        assert_eq!(version(b"x"), (0, 0));
        assert_eq!(version(&[b'9'; 50]).0, u64::MAX);
    }

    #[test]
    fn browsers_are_told_by_their_marks() {
        let mut settings = Settings::default();
        settings.modern.set(vec![
            Modern {
                browser: OPERA,
                since: u64::MAX,
            },
            Modern {
                browser: 1,
                since: version(b"5.5").0,
            },
            Modern {
                browser: 2,
                since: version(b"1.0.0").0,
            },
        ]);
        settings.unlisted_is_modern.set(true);
        settings.ancient.set(vec![b"Lynx".to_vec()]);
        settings.netscape4.set(true);
        let check = |agent: &str, expected: bool| {
            assert_eq!(
                is_modern(&settings, Some(agent.as_bytes())),
                expected,
                "{agent}"
            );
        };
        check("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", true);
        check("Mozilla/4.0 (compatible; MSIE 5.0; Windows NT 5.1)", false);
        check(
            "Mozilla/4.0 (compatible; MSIE 6.0; X11) Opera 7.50  [en]",
            false,
        );
        check(
            "Mozilla/5.0 (X11; U; Linux i686; en-US; rv:1.0.0) Gecko/20020610",
            true,
        );
        check(
            "Mozilla/5.0 (X11; U; Linux i686; en-US; rv:0.9.9) Gecko/20020610",
            false,
        );
        check("Mozilla/4.79 [en] (X11; U; Linux)", false);
        check("Lynx/2.8", false);
        check("curl/8", true);
        check("MSIE ", true);
        assert!(is_modern(&settings, None));
        assert!(!is_modern(&Settings::default(), None));
    }

    #[test]
    fn opera_is_no_explorer() {
        assert!(is_msie(b"Mozilla/4.0 (compatible; MSIE 6.0; X11)"));
        assert!(!is_msie(
            b"Mozilla/4.0 (compatible; MSIE 6.0; X11) Opera 7.50"
        ));
        assert!(!is_msie(b"MSIE 6"));
    }

    #[test]
    fn mistakes_are_told_in_nginx_words() {
        check("modern_browser MSIE 5.5; modern_browser unlisted;", "");
        check("modern_browser other 1;", "unknown browser name \"other\"");
        check("modern_browser msie 5a;", "invalid browser version \"5a\"");
        check("modern_browser msie;", "invalid parameter \"msie\"");
    }
}
