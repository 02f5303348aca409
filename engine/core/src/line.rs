//! One directive being read, and what a loading configuration offers its readers.

use crate::context::Contexts;
use crate::pattern::Pattern;
use crate::template::Template;
use crate::variable::{VariableId, VariableNames};
use base::cidr::Cidr;
use conf::{Position, Word};
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Why a directive was refused. The loader adds what is missing: the directive's name
/// to phrases such as "is duplicate", the position to everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    message: String,
    position: Option<Position>,
}

/// What nginx says behind `"NAME" directive`, and never alone.
const PHRASES: [&str; 3] = ["is duplicate", "invalid value", "invalid number"];

impl Refused {
    /// Refused with `message`, in nginx's words where nginx has some.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            position: None,
        }
    }

    /// A directive that may stand once at a level stands there twice.
    pub fn duplicate() -> Self {
        Self::new("is duplicate")
    }

    /// The same, at another place than the directive's end.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole error for directive `name` that ended at `end`.
    pub fn into_error(self, name: &[u8], end: Position) -> conf::Error {
        let message = if PHRASES.contains(&self.message.as_str()) {
            let name = String::from_utf8_lossy(name);
            format!("\"{name}\" directive {}", self.message)
        } else {
            self.message
        };
        conf::Error::emerg(self.position.unwrap_or(end), message)
    }
}

/// What is known and collected while a configuration loads.
pub struct Loading {
    /// Where relative paths of most directives start (`-p`).
    pub prefix: PathBuf,
    /// Where relative paths of included files start: the folder of the main file.
    pub conf_prefix: PathBuf,
    /// The one way to read files at load time.
    pub source: Rc<dyn conf::Source>,
    /// Variables named so far.
    pub variables: VariableNames,
    /// Errors and warnings found so far.
    pub errors: Vec<conf::Error>,
    shared: HashMap<TypeId, Box<dyn Any>>,
}

impl Loading {
    /// A load that has read nothing yet.
    pub fn new(prefix: &Path, conf_prefix: &Path, source: Rc<dyn conf::Source>) -> Self {
        Self {
            prefix: prefix.to_owned(),
            conf_prefix: conf_prefix.to_owned(),
            source,
            variables: VariableNames::default(),
            errors: Vec::new(),
            shared: HashMap::new(),
        }
    }

    /// The load-wide value of type `T`, made on first use: log formats, zones, listeners.
    pub fn shared<T: Default + 'static>(&mut self) -> &mut T {
        self.shared
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::<T>::default())
            .downcast_mut()
            .expect("the entry is kept under its own type")
    }

    /// Takes the load-wide value of type `T` out.
    pub fn take_shared<T: Default + 'static>(&mut self) -> T {
        std::mem::take(self.shared())
    }

    /// Collects a warning.
    pub fn warn(&mut self, message: impl Into<String>, position: Option<Position>) {
        let error = conf::Error::new(conf::Level::Warn, message);
        self.errors.push(match position {
            Some(position) => error.at(position),
            None => error,
        });
    }

    /// Reads an address range, and warns of bits in it that do not count; `None` when `text` is
    /// none, which everybody refuses in words of his own.
    pub fn cidr(&mut self, text: &[u8], position: Position) -> Option<Cidr> {
        let parsed = std::str::from_utf8(text).ok().and_then(Cidr::parse)?;
        if parsed.low_bits {
            let shown = String::from_utf8_lossy(text);
            let message = format!("low address bits of {shown} are meaningless");
            self.warn(message, Some(position));
        }
        Some(parsed.cidr)
    }

    /// `path` under the prefix, unless it is absolute.
    pub fn full_path(&self, path: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        self.prefix
            .join(Path::new(std::ffi::OsStr::from_bytes(path)))
    }

    /// `path` under the folder of the main configuration file, unless it is absolute.
    pub fn full_conf_path(&self, path: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        self.conf_prefix
            .join(Path::new(std::ffi::OsStr::from_bytes(path)))
    }
}

/// Opens a block as a level of its own and loads it; gives the level's number.
pub type Nest<'a> = dyn Fn(&mut Loading, &conf::Directive, Contexts) -> u32 + 'a;

/// One directive as its reader sees it.
pub struct Line<'a> {
    /// The directive in the tree.
    pub directive: &'a conf::Directive,
    /// The context it stands in: exactly one.
    pub context: Contexts,
    /// Number of the level it stands at, in the engine's arena of levels.
    pub level: u32,
    /// The load as a whole.
    pub loading: &'a mut Loading,
    /// Opens a nested level.
    pub nest: &'a Nest<'a>,
}

impl<'a> Line<'a> {
    /// The directive's name.
    pub fn name(&self) -> &'a str {
        std::str::from_utf8(&self.directive.name.text).unwrap_or("")
    }

    /// The arguments.
    pub fn args(&self) -> &'a [Word] {
        &self.directive.args
    }

    /// Argument `index`; empty if there are fewer, which the arity check rules out.
    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.directive
            .args
            .get(index)
            .map_or(b"", |word| &word.text)
    }

    /// The directives of the block.
    pub fn block(&self) -> &'a [conf::Directive] {
        self.directive.block.as_deref().unwrap_or(&[])
    }

    /// Argument `index` as a number from `min` to `max`.
    ///
    /// # Errors
    ///
    /// `invalid number`, `value must be equal to or greater than min`, or, where there is a
    /// `max`, `value must be between min and max`.
    pub fn number(&self, index: usize, min: u64, max: u64) -> Result<u64, Refused> {
        let value = base::units::parse_decimal(self.arg(index))
            .map_err(|_| Refused::new("invalid number"))?;
        if max < u64::MAX && !(min..=max).contains(&value) {
            return Err(Refused::new(format!(
                "value must be between {min} and {max}"
            )));
        }
        if value < min {
            return Err(Refused::new(format!(
                "value must be equal to or greater than {min}"
            )));
        }
        Ok(value)
    }

    /// Argument `index` as text with variables.
    ///
    /// # Errors
    ///
    /// What [`Template::compile`] refuses.
    pub fn template(&mut self, index: usize) -> Result<Template, Refused> {
        Template::compile(self.arg(index), &mut self.loading.variables)
    }

    /// `text` as text with variables.
    ///
    /// # Errors
    ///
    /// What [`Template::compile`] refuses.
    pub fn compile(&mut self, text: &[u8]) -> Result<Template, Refused> {
        Template::compile(text, &mut self.loading.variables)
    }

    /// Compiles a regular expression; its named groups become variables.
    ///
    /// # Errors
    ///
    /// What [`Pattern::compile`] refuses.
    pub fn pattern(&mut self, text: &[u8], ignore_case: bool) -> Result<Pattern, Refused> {
        Pattern::compile(text, ignore_case, &mut self.loading.variables)
    }

    /// The number of variable `name` (without its `$`).
    pub fn variable(&mut self, name: &[u8]) -> VariableId {
        self.loading.variables.resolve(name)
    }

    /// Loads the block as a level of its own in `context` and gives its number.
    pub fn open_level(&mut self, context: Contexts) -> u32 {
        (self.nest)(self.loading, self.directive, context)
    }

    /// Collects a warning at this directive.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.loading.warn(message, Some(self.directive.end));
    }

    /// The refusal `invalid parameter "..."` for argument `index`.
    pub fn invalid_parameter(&self, index: usize) -> Refused {
        Refused::new(format!(
            "invalid parameter \"{}\"",
            String::from_utf8_lossy(self.arg(index))
        ))
    }

    /// The refusal `invalid value "..."` for argument `index`.
    pub fn invalid_value(&self, index: usize) -> Refused {
        Refused::new(format!(
            "invalid value \"{}\"",
            String::from_utf8_lossy(self.arg(index))
        ))
    }
}
