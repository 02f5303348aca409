//! One row of a directive table: name, contexts, arguments, and what it sets.

use crate::context::{Arity, Contexts};
use crate::line::{Line, Refused};
use crate::setting::Setting;
use crate::template::Template;
use base::units;

/// Picks the field that a row sets.
pub type Field<S, T> = fn(&mut S) -> &mut Setting<T>;

/// A directive that sets something in `S`.
pub struct Directive<S: 'static> {
    /// The name, as `nginx.conf` writes it.
    pub name: &'static str,
    /// Where it may stand.
    pub contexts: Contexts,
    /// How many arguments it takes.
    pub arity: Arity,
    /// Whether it opens a block.
    pub is_block: bool,
    setter: Setter<S>,
}

/// Words and what they mean: one bit each, or none.
pub type Words = &'static [(&'static str, u32)];

/// How a row reads its arguments.
enum Setter<S: 'static> {
    Flag(Field<S, bool>),
    Number(Field<S, u64>, u64, u64),
    Size(Field<S, u64>),
    Offset(Field<S, u64>),
    Millis(Field<S, u64>),
    Seconds(Field<S, u64>),
    Text(Field<S, Vec<u8>>),
    Template(Field<S, Template>),
    SizeTemplate(Field<S, Template>),
    Unsupported(Field<S, u64>),
    Keyword(Field<S, usize>, &'static [&'static str]),
    Bits(Field<S, u32>, Words),
    Custom(fn(&mut S, &mut Line<'_>) -> Result<(), Refused>),
}

impl<S> Clone for Setter<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Setter<S> {}

impl<S> Clone for Directive<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Directive<S> {}

/// The rows of two tables as one.
#[must_use]
pub const fn joined<S, const A: usize, const B: usize, const N: usize>(
    first: [Directive<S>; A],
    second: [Directive<S>; B],
) -> [Directive<S>; N] {
    assert!(
        A + B == N,
        "every row has its place, and there are no others"
    );
    let mut all = [first[0]; N];
    let mut at = 0;
    while at < N {
        all[at] = if at < A { first[at] } else { second[at - A] };
        at += 1;
    }
    all
}

const fn row<S>(
    name: &'static str,
    contexts: Contexts,
    arity: Arity,
    setter: Setter<S>,
) -> Directive<S> {
    Directive {
        name,
        contexts,
        arity,
        is_block: false,
        setter,
    }
}

/// `name on | off;`
pub const fn flag<S>(
    name: &'static str,
    contexts: Contexts,
    field: Field<S, bool>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Flag(field))
}

/// `name number;` from `min` to `max`.
pub const fn number<S>(
    name: &'static str,
    contexts: Contexts,
    min: u64,
    max: u64,
    field: Field<S, u64>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Number(field, min, max))
}

/// `name size;` in bytes, with `k` or `m`.
pub const fn size<S>(name: &'static str, contexts: Contexts, field: Field<S, u64>) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Size(field))
}

/// `name size;` in bytes, with `k`, `m` or `g`.
pub const fn offset<S>(
    name: &'static str,
    contexts: Contexts,
    field: Field<S, u64>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Offset(field))
}

/// `name time;`, kept in milliseconds.
pub const fn millis<S>(
    name: &'static str,
    contexts: Contexts,
    field: Field<S, u64>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Millis(field))
}

/// `name time;`, kept in seconds.
pub const fn seconds<S>(
    name: &'static str,
    contexts: Contexts,
    field: Field<S, u64>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Seconds(field))
}

/// `name text;`, without variables.
pub const fn text<S>(
    name: &'static str,
    contexts: Contexts,
    field: Field<S, Vec<u8>>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Text(field))
}

/// `name text;`, which may contain variables.
pub const fn template<S>(
    name: &'static str,
    contexts: Contexts,
    field: Field<S, Template>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Template(field))
}

/// `name size;` in bytes, with `k` or `m`, which may contain variables.
pub const fn size_template<S>(
    name: &'static str,
    contexts: Contexts,
    field: Field<S, Template>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::SizeTemplate(field))
}

/// `name size;` of what this platform has no use for, which is said.
pub const fn unsupported_size<S>(
    name: &'static str,
    contexts: Contexts,
    field: Field<S, u64>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Unsupported(field))
}

/// `name a | b | c;`, kept as the index in `words`.
pub const fn keyword<S>(
    name: &'static str,
    contexts: Contexts,
    words: &'static [&'static str],
    field: Field<S, usize>,
) -> Directive<S> {
    row(name, contexts, Arity::ONE, Setter::Keyword(field, words))
}

/// `name word ...;`, kept as the bits of the words. It may repeat, which adds to them.
pub const fn bits<S>(
    name: &'static str,
    contexts: Contexts,
    arity: Arity,
    words: Words,
    field: Field<S, u32>,
) -> Directive<S> {
    row(name, contexts, arity, Setter::Bits(field, words))
}

/// A directive with a reader of its own.
pub const fn custom<S>(
    name: &'static str,
    contexts: Contexts,
    arity: Arity,
    read: fn(&mut S, &mut Line<'_>) -> Result<(), Refused>,
) -> Directive<S> {
    row(name, contexts, arity, Setter::Custom(read))
}

/// A directive with a block, which its reader takes from [`Line::block`].
pub const fn block<S>(
    name: &'static str,
    contexts: Contexts,
    arity: Arity,
    read: fn(&mut S, &mut Line<'_>) -> Result<(), Refused>,
) -> Directive<S> {
    Directive {
        name,
        contexts,
        arity,
        is_block: true,
        setter: Setter::Custom(read),
    }
}

impl<S> Directive<S> {
    /// Reads one use of the directive into `settings`.
    ///
    /// # Errors
    ///
    /// In nginx's words: `invalid value "x" in "y" directive, it must be "on" or "off"`,
    /// `invalid number`, `invalid value`, `is duplicate`, and what custom readers say.
    pub fn apply(&self, settings: &mut S, line: &mut Line<'_>) -> Result<(), Refused> {
        match &self.setter {
            Setter::Flag(field) => {
                let field = unset(field(settings))?;
                field
                    .set(units::parse_flag(line.arg(0)).map_err(|_| self.not_a_flag(line.arg(0)))?);
                Ok(())
            }
            Setter::Number(field, min, max) => {
                let field = unset(field(settings))?;
                field.set(line.number(0, *min, *max)?);
                Ok(())
            }
            Setter::Size(field) => parsed(field(settings), units::parse_size(line.arg(0))),
            Setter::Offset(field) => parsed(field(settings), units::parse_offset(line.arg(0))),
            Setter::Millis(field) => parsed(field(settings), units::parse_time_ms(line.arg(0))),
            Setter::Seconds(field) => parsed(field(settings), units::parse_time_sec(line.arg(0))),
            Setter::Text(field) => set_once(field(settings), line.arg(0).to_vec()),
            Setter::Template(field) => {
                let value = line.template(0)?;
                set_once(field(settings), value)
            }
            Setter::SizeTemplate(field) => {
                let value = line.template(0)?;
                let constant = value.as_constant();
                if constant.is_some_and(|text| units::parse_size(text).is_err()) {
                    return Err(Refused::new("invalid value"));
                }
                set_once(field(settings), value)
            }
            Setter::Unsupported(field) => {
                parsed(field(settings), units::parse_size(line.arg(0)))?;
                line.warn(format!("\"{}\" is not supported, ignored", self.name));
                Ok(())
            }
            Setter::Keyword(field, words) => {
                let word = line.arg(0);
                let index = words.iter().position(|known| known.as_bytes() == word);
                let field = unset(field(settings))?;
                let Some(index) = index else {
                    return Err(Refused::new(format!("invalid value \"{}\"", lossy(word))));
                };
                field.set(index);
                Ok(())
            }
            Setter::Bits(field, words) => add_bits(field(settings), words, line),
            Setter::Custom(read) => read(settings, line),
        }
    }

    fn not_a_flag(&self, word: &[u8]) -> Refused {
        Refused::new(format!(
            "invalid value \"{}\" in \"{}\" directive, it must be \"on\" or \"off\"",
            lossy(word),
            self.name
        ))
    }
}

/// Refuses a second use at one level.
///
/// # Errors
///
/// `is duplicate`, which the loader completes with the directive's name.
pub fn unset<T>(field: &mut Setting<T>) -> Result<&mut Setting<T>, Refused> {
    if field.is_set() {
        Err(Refused::duplicate())
    } else {
        Ok(field)
    }
}

/// Sets a value that may be given once at a level.
///
/// # Errors
///
/// `is duplicate`.
pub fn set_once<T>(field: &mut Setting<T>, value: T) -> Result<(), Refused> {
    unset(field)?.set(value);
    Ok(())
}

/// Adds what the words of a line stand for, which are known in any case of letters; one that was
/// there before is warned of.
fn add_bits(field: &mut Setting<u32>, words: Words, line: &mut Line<'_>) -> Result<(), Refused> {
    let mut bits = if field.is_set() { **field } else { 0 };
    for index in 0..line.args().len() {
        let word = line.arg(index);
        let is_word = |known: &str| known.as_bytes().eq_ignore_ascii_case(word);
        let known = words.iter().find(|(known, _)| is_word(known));
        let bit = known.ok_or_else(|| line.invalid_value(index))?.1;
        if bits & bit != 0 {
            line.warn(format!("duplicate value \"{}\"", lossy(word)));
        }
        bits |= bit;
    }
    field.set(bits);
    Ok(())
}

fn parsed(
    field: &mut Setting<u64>,
    value: Result<u64, units::InvalidValue>,
) -> Result<(), Refused> {
    let field = unset(field)?;
    field.set(value.map_err(|_| Refused::new("invalid value"))?);
    Ok(())
}

/// Text of a configuration for a message.
pub fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
