//! The command line: nginx's switches, read as nginx reads them.
//!
//! Switches of one letter may be joined (`-tq`), and a value follows its switch with or without a
//! space (`-cFILE`, `-c FILE`). Source: `ngx_get_options()`, nginx 1.31.5; switches.xml.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use sys::signal::Signal;

/// What the operator asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// `-h`, `-?`.
    pub(crate) help: bool,
    /// `-v`, and whatever else prints the version.
    pub(crate) version: bool,
    /// `-V`.
    pub(crate) build: bool,
    /// `-t`, `-T`.
    pub(crate) test: bool,
    /// `-T`.
    pub(crate) dump: bool,
    /// `-q`.
    pub(crate) quiet: bool,
    /// `-p`.
    pub(crate) prefix: Option<OsString>,
    /// `-e`.
    pub(crate) error_log: Option<OsString>,
    /// `-c`.
    pub(crate) file: Option<OsString>,
    /// `-g`.
    pub(crate) directives: Option<OsString>,
    /// `-s`.
    pub(crate) send: Option<Request>,
}

/// What `-s` asks the running master for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// End now.
    Stop,
    /// End once requests are done.
    Quit,
    /// Reopen the logs.
    Reopen,
    /// Take the new configuration.
    Reload,
}

impl Request {
    fn of_word(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"stop" => Self::Stop,
            b"quit" => Self::Quit,
            b"reopen" => Self::Reopen,
            b"reload" => Self::Reload,
            _ => return None,
        })
    }

    /// The signal that asks for it.
    pub(crate) const fn signal(self) -> Signal {
        match self {
            Self::Stop => Signal::TERM,
            Self::Quit => Signal::QUIT,
            Self::Reopen => Signal::USR1,
            Self::Reload => Signal::HUP,
        }
    }
}

/// Reads the arguments behind the program's name.
///
/// # Errors
///
/// nginx's line, without its `nginx: `.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = arguments.iter().map(|word| word.as_bytes());
    while let Some(word) = words.next() {
        let Some(mut letters) = word.strip_prefix(b"-") else {
            return Err(format!("invalid option: \"{}\"", shown(word)));
        };
        while let Some((&letter, rest)) = letters.split_first() {
            letters = rest;
            let takes_value = match letter {
                b'?' | b'h' => set(&mut [&mut options.version, &mut options.help]),
                b'v' => set(&mut [&mut options.version]),
                b'V' => set(&mut [&mut options.version, &mut options.build]),
                b't' => set(&mut [&mut options.test]),
                b'T' => set(&mut [&mut options.test, &mut options.dump]),
                b'q' => set(&mut [&mut options.quiet]),
                b'p' | b'e' | b'c' | b'g' | b's' => true,
                other => return Err(format!("invalid option: \"{}\"", shown(&[other]))),
            };
            if takes_value {
                let value = if rest.is_empty() {
                    words.next()
                } else {
                    Some(rest)
                };
                set_value(
                    &mut options,
                    letter,
                    value.filter(|value| !value.is_empty()),
                )?;
                break;
            }
        }
    }
    Ok(options)
}

/// Switches them on; says that no value follows.
fn set(switches: &mut [&mut bool]) -> bool {
    for switch in switches {
        **switch = true;
    }
    false
}

fn set_value(options: &mut Options, letter: u8, value: Option<&[u8]>) -> Result<(), String> {
    let what = match letter {
        b'p' => "directory name",
        b'e' | b'c' => "file name",
        _ => "parameter",
    };
    let value =
        value.ok_or_else(|| format!("option \"-{}\" requires {what}", char::from(letter)))?;
    let owned = || Some(OsString::from_vec(value.to_vec()));
    match letter {
        b'p' => options.prefix = owned(),
        b'e' => options.error_log = owned(),
        b'c' => options.file = owned(),
        b'g' => options.directives = owned(),
        _ => {
            let request = Request::of_word(value);
            let unknown = || format!("invalid option: \"-s {}\"", shown(value));
            options.send = Some(request.ok_or_else(unknown)?);
        }
    }
    Ok(())
}

fn shown(word: &[u8]) -> String {
    OsStr::from_bytes(word).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_line(line: &str) -> Result<Options, String> {
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        parse(&words)
    }

    #[test]
    fn switches_are_joined_or_apart() {
        let expected = Options {
            test: true,
            quiet: true,
            ..Options::default()
        };
        assert_eq!(parse_line("-tq"), Ok(expected.clone()));
        assert_eq!(parse_line("-t -q"), Ok(expected));
        let file = Some("a.conf".into());
        let expected = Options {
            test: true,
            file,
            ..Options::default()
        };
        assert_eq!(parse_line("-t -c a.conf"), Ok(expected.clone()));
        assert_eq!(parse_line("-tca.conf"), Ok(expected));
    }

    #[test]
    fn dumping_tests_and_asking_shows_the_version() {
        assert!(parse_line("-T").is_ok_and(|options| options.test && options.dump));
        assert!(parse_line("-?").is_ok_and(|options| options.help && options.version));
        assert!(parse_line("-V").is_ok_and(|options| options.build && options.version));
        assert_eq!(parse_line("-"), Ok(Options::default()));
        assert_eq!(parse_line(""), Ok(Options::default()));
    }

    #[test]
    fn signals_by_name() {
        for (word, request, signal) in [
            ("stop", Request::Stop, Signal::TERM),
            ("quit", Request::Quit, Signal::QUIT),
            ("reopen", Request::Reopen, Signal::USR1),
            ("reload", Request::Reload, Signal::HUP),
        ] {
            let options = parse_line(&format!("-s {word}")).unwrap();
            assert_eq!(options.send, Some(request));
            assert_eq!(request.signal(), signal);
        }
    }

    /// The texts are what nginx 1.31.5 printed for the same lines.
    #[test]
    fn mistakes_are_named_as_nginx_does() {
        for (line, expected) in [
            ("-x", "invalid option: \"x\""),
            ("-tz", "invalid option: \"z\""),
            ("foo", "invalid option: \"foo\""),
            ("--help", "invalid option: \"-\""),
            ("-s", "option \"-s\" requires parameter"),
            ("-s foo", "invalid option: \"-s foo\""),
            ("-c", "option \"-c\" requires file name"),
            ("-p", "option \"-p\" requires directory name"),
            ("-g", "option \"-g\" requires parameter"),
            ("-e", "option \"-e\" requires file name"),
        ] {
            assert_eq!(parse_line(line), Err(expected.to_owned()), "{line}");
        }
    }
}
