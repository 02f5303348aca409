//! Finds commands, `<!--# command name="value" -->`, in a text that comes in pieces.

/// Most bytes of a command's or a parameter's name.
const NAME_MAX: usize = 32;

/// The beginning of every command.
const OPENING: &[u8] = b"<!--#";

/// What a text consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes that are none of a command's.
    Text(Vec<u8>),
    /// A whole command.
    Command(Command),
    /// A command that cannot be understood, and why, as the error log says it.
    Broken(String),
}

/// A command and its parameters, in the order in which they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub name: Vec<u8>,
    /// Names and values; escapes in the values are as written.
    pub params: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Command {
    /// The command as text, as it may be kept in a block.
    pub fn to_text(&self) -> Vec<u8> {
        let mut out = OPENING.to_vec();
        out.extend_from_slice(&self.name);
        for (name, value) in &self.params {
            out.push(b' ');
            out.extend_from_slice(name);
            out.extend_from_slice(b"=\"");
            out.extend_from_slice(value);
            out.push(b'"');
        }
        out.extend_from_slice(b" -->");
        out
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// That many bytes of [`OPENING`] were seen.
    Text(usize),
    BeforeName,
    Name,
    BeforeParam,
    Param,
    BeforeEquals,
    BeforeValue,
    /// In a value that ends with this quote.
    Value(u8),
    /// Behind a backslash in such a value.
    Escaped(u8),
    AfterValue,
    /// Behind the first hyphen of the end.
    End,
    /// Behind the second one.
    End2,
    /// In a broken command, behind that many hyphens of its end.
    Broken(u8),
}

/// Reads one text.
#[derive(Debug)]
pub struct Scanner {
    state: State,
    command: Command,
    problem: String,
    /// Most bytes of a parameter's value.
    value_max: usize,
}

impl Scanner {
    /// At the beginning of a text whose values have at most `value_max` bytes.
    pub fn new(value_max: usize) -> Self {
        Self {
            state: State::Text(0),
            command: Command::default(),
            problem: String::new(),
            value_max,
        }
    }

    /// The next event of the text that goes on with `input`, which is moved on behind it; `None`
    /// when all of it was read.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Event> {
        while !input.is_empty() {
            if matches!(self.state, State::Text(_)) {
                if let Some(text) = self.text(input) {
                    return Some(Event::Text(text));
                }
                continue;
            }
            let (&byte, rest) = input.split_first()?;
            *input = rest;
            if let Some(event) = self.step(byte) {
                return Some(event);
            }
        }
        None
    }

    /// The beginning of a command that the text ended with: it was none.
    pub fn end(&mut self) -> Option<Event> {
        let State::Text(seen @ 1..) = self.state else {
            return None;
        };
        self.state = State::Text(0);
        Some(Event::Text(OPENING.get(..seen)?.to_vec()))
    }

    /// Reads text up to a command; `None` when there is none before it.
    fn text(&mut self, input: &mut &[u8]) -> Option<Vec<u8>> {
        let State::Text(mut seen) = self.state else {
            return None;
        };
        let mut out = Vec::new();
        while let Some((&byte, rest)) = input.split_first() {
            if seen == 0 {
                let plain = memchr::memchr(b'<', input).unwrap_or(input.len());
                out.extend_from_slice(input.get(..plain)?);
                *input = input.get(plain..)?;
                if input.is_empty() {
                    break;
                }
                *input = input.get(1..)?;
                seen = 1;
                continue;
            }
            if OPENING.get(seen) != Some(&byte) {
                // What was seen is text; the byte itself may begin a command.
                out.extend_from_slice(OPENING.get(..seen)?);
                seen = 0;
                continue;
            }
            *input = rest;
            seen += 1;
            if seen == OPENING.len() {
                self.state = State::BeforeName;
                self.command = Command::default();
                return (!out.is_empty()).then_some(out);
            }
        }
        self.state = State::Text(seen);
        (!out.is_empty()).then_some(out)
    }

    /// Reads one byte of a command.
    fn step(&mut self, byte: u8) -> Option<Event> {
        let is_space = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        match self.state {
            State::Text(_) => {}
            State::BeforeName if is_space => {}
            State::BeforeName => {
                self.command.name.push(byte);
                self.state = State::Name;
            }
            State::Name => self.name(byte, is_space),
            State::BeforeParam if is_space => {}
            State::BeforeParam if byte == b'-' => self.state = State::End,
            State::BeforeParam => {
                self.command.params.push((vec![byte], Vec::new()));
                self.state = State::Param;
            }
            State::Param => self.param(byte, is_space),
            State::BeforeEquals | State::BeforeValue if is_space => {}
            State::BeforeEquals if byte == b'=' => self.state = State::BeforeValue,
            State::BeforeValue if matches!(byte, b'"' | b'\'') => self.state = State::Value(byte),
            State::BeforeEquals => self.unexpected(byte, "after", ""),
            State::BeforeValue => self.unexpected(byte, "before value of", ""),
            State::Value(quote) if byte == quote => self.state = State::AfterValue,
            State::Value(quote) => {
                if byte == b'\\' {
                    self.state = State::Escaped(quote);
                }
                self.value(byte);
            }
            State::Escaped(quote) => {
                self.state = State::Value(quote);
                self.value(byte);
            }
            State::AfterValue if is_space => self.state = State::BeforeParam,
            State::AfterValue | State::End if byte == b'-' => {
                let is_end = self.state == State::End;
                self.state = if is_end { State::End2 } else { State::End };
            }
            State::AfterValue => {
                let (_, value) = self.last_param();
                let what = format!("\"{}\" value of ", lossy(value));
                self.unexpected(byte, "after", &what);
                self.state = State::Broken(0);
            }
            State::End2 if byte == b'>' => {
                self.state = State::Text(0);
                return Some(Event::Command(std::mem::take(&mut self.command)));
            }
            State::End | State::End2 => {
                let (name, byte) = (lossy(&self.command.name), char::from(byte));
                self.break_off(format!(
                    "unexpected \"{byte}\" symbol in \"{name}\" SSI command"
                ));
            }
            State::Broken(hyphens) => return self.broken(hyphens, byte),
        }
        None
    }

    fn name(&mut self, byte: u8, is_space: bool) {
        match byte {
            _ if is_space => self.state = State::BeforeParam,
            b'-' => self.state = State::End,
            _ if self.command.name.len() == NAME_MAX => {
                let (name, byte) = (lossy(&self.command.name), char::from(byte));
                self.break_off(format!("the \"{name}{byte}...\" SSI command is too long"));
            }
            _ => self.command.name.push(byte),
        }
    }

    fn param(&mut self, byte: u8, is_space: bool) {
        match byte {
            _ if is_space => self.state = State::BeforeEquals,
            b'=' => self.state = State::BeforeValue,
            b'-' => self.unexpected(byte, "after", ""),
            _ => {
                let command = lossy(&self.command.name);
                let Some((name, _)) = self.command.params.last_mut() else {
                    return;
                };
                if name.len() == NAME_MAX {
                    let (name, byte) = (lossy(name), char::from(byte));
                    self.break_off(format!(
                        "too long \"{name}{byte}...\" parameter in \"{command}\" SSI command"
                    ));
                } else {
                    name.push(byte);
                }
            }
        }
    }

    fn value(&mut self, byte: u8) {
        let max = self.value_max;
        let Some((name, value)) = self.command.params.last_mut() else {
            return;
        };
        if value.len() < max {
            value.push(byte);
            return;
        }
        let (name, value, byte) = (lossy(name), lossy(value), char::from(byte));
        let command = lossy(&self.command.name);
        self.break_off(format!(
            "too long \"{value}{byte}...\" value of \"{name}\" parameter \
             in \"{command}\" SSI command"
        ));
    }

    fn last_param(&self) -> (&[u8], &[u8]) {
        match self.command.params.last() {
            Some((name, value)) => (name, value),
            None => (b"", b""),
        }
    }

    /// Breaks the command off for a byte that stands `place` its last parameter.
    fn unexpected(&mut self, byte: u8, place: &str, what: &str) {
        let (name, command) = (lossy(self.last_param().0), lossy(&self.command.name));
        let shown = char::from(byte);
        self.break_off(format!(
            "unexpected \"{shown}\" symbol {place} {what}\"{name}\" parameter \
             in \"{command}\" SSI command"
        ));
        // A hyphen may be the first of the end.
        self.state = State::Broken(u8::from(byte == b'-'));
    }

    fn break_off(&mut self, problem: String) {
        self.problem = problem;
        self.state = State::Broken(0);
    }

    /// Looks for the end of a broken command.
    fn broken(&mut self, hyphens: u8, byte: u8) -> Option<Event> {
        self.state = match (hyphens, byte) {
            (2, b'>') => {
                self.state = State::Text(0);
                return Some(Event::Broken(std::mem::take(&mut self.problem)));
            }
            (0, b'-') => State::Broken(1),
            (1, b'-') => State::Broken(2),
            _ => State::Broken(0),
        };
        None
    }
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(pieces: &[&[u8]]) -> Vec<Event> {
        let mut scanner = Scanner::new(16);
        let mut events: Vec<Event> = Vec::new();
        let mut add = |event| match (events.last_mut(), event) {
            (Some(Event::Text(text)), Event::Text(more)) => text.extend(more),
            (_, event) => events.push(event),
        };
        for piece in pieces {
            let mut input = *piece;
            while let Some(event) = scanner.next(&mut input) {
                add(event);
            }
        }
        if let Some(event) = scanner.end() {
            add(event);
        }
        events
    }

    /// Checks a text whole, in every two pieces, and byte by byte.
    #[track_caller]
    fn check(text: &str, expected: &[Event]) {
        let bytes = text.as_bytes();
        assert_eq!(scan(&[bytes]), expected, "whole");
        for cut in 0..=bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(scan(&[first, second]), expected, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(scan(&single), expected, "byte by byte");
    }

    fn text(text: &str) -> Event {
        Event::Text(text.into())
    }

    fn command(name: &str, params: &[(&str, &str)]) -> Event {
        let params = params.iter().map(|(n, v)| ((*n).into(), (*v).into()));
        Event::Command(Command {
            name: name.into(),
            params: params.collect(),
        })
    }

    fn broken(problem: &str) -> Event {
        Event::Broken(problem.into())
    }

    #[test]
    fn commands_stand_between_text() {
        check("", &[]);
        check("a<b<!-- c -->", &[text("a<b<!-- c -->")]);
        check(
            "<<!--#else-->>",
            &[text("<"), command("else", &[]), text(">")],
        );
        check(
            "<!--# echo\nvar = 'x' -->",
            &[command("echo", &[("var", "x")])],
        );
        check(
            r#"a<!--#a b="1" c='2"' d="\"$x"-->z"#,
            &[
                text("a"),
                command("a", &[("b", "1"), ("c", "2\""), ("d", "\\\"$x")]),
                text("z"),
            ],
        );
        check("<!-<!--<!--#x -->", &[text("<!-<!--"), command("x", &[])]);
    }

    #[test]
    fn an_unfinished_beginning_is_text_and_an_unfinished_command_nothing() {
        check("a<!--", &[text("a<!--")]);
        check("a<", &[text("a<")]);
        check("a<!--# echo var=\"x", &[text("a")]);
    }

    #[test]
    fn broken_commands_end_where_whole_ones_would() {
        check(
            "<!--#echo var-->x",
            &[
                broken("unexpected \"-\" symbol after \"var\" parameter in \"echo\" SSI command"),
                text("x"),
            ],
        );
        check(
            "<!--#echo var x=\"1\" - --- -->x",
            &[
                broken("unexpected \"x\" symbol after \"var\" parameter in \"echo\" SSI command"),
                text("x"),
            ],
        );
        check(
            "<!--#echo var=x-->",
            &[broken(
                "unexpected \"x\" symbol before value of \"var\" parameter in \"echo\" SSI command",
            )],
        );
        check(
            "<!--#echo var=\"x\"y-->",
            &[broken(
                "unexpected \"y\" symbol after \"x\" value of \"var\" parameter \
                 in \"echo\" SSI command",
            )],
        );
        check(
            "<!--#else -x-->",
            &[broken("unexpected \"x\" symbol in \"else\" SSI command")],
        );
    }

    #[test]
    fn names_and_values_have_a_limit() {
        let name = "n".repeat(32);
        check(&format!("<!--#{name} -->"), &[command(&name, &[])]);
        let problem = format!("the \"{name}n...\" SSI command is too long");
        check(&format!("<!--#{name}n -->"), &[broken(&problem)]);
        let problem = format!("too long \"{name}n...\" parameter in \"a\" SSI command");
        check(&format!("<!--#a {name}n=\"\" -->"), &[broken(&problem)]);
        let value = "v".repeat(16);
        check(
            &format!("<!--#a b=\"{value}\" -->"),
            &[command("a", &[("b", &value)])],
        );
        let problem =
            format!("too long \"{value}v...\" value of \"b\" parameter in \"a\" SSI command");
        check(&format!("<!--#a b=\"{value}v\" -->"), &[broken(&problem)]);
    }

    #[test]
    fn a_command_can_be_written_again() {
        let input = "<!--#a b=\"1\" c=\"\\\"\" -->";
        let events = scan(&[input.as_bytes()]);
        let [Event::Command(command)] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert_eq!(command.to_text(), input.as_bytes());
    }
}
