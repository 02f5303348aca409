//! How request bodies are read: size, memory, temporary files.

use crate::module::Module;
use engine::directive::{custom, flag, keyword, millis, offset, size};
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot, inherit_fields};
use std::path::PathBuf;
use std::rc::Rc;

/// Settings of a location for request bodies.
#[derive(Clone)]
pub struct Receive {
    /// Most bytes of a body; 0 for no limit.
    pub max_size: Setting<u64>,
    /// Bytes kept in memory.
    pub buffer_size: Setting<u64>,
    /// Whether the body is wanted in one piece of memory.
    pub in_single_buffer: Setting<bool>,
    /// Index in [`IN_FILE`].
    pub in_file_only: Setting<usize>,
    /// Where temporary files go.
    pub temp_path: Setting<TempPath>,
    /// Milliseconds between two reads.
    pub timeout: Setting<u64>,
}

/// The words of `client_body_in_file_only`.
pub const IN_FILE: &[&str] = &["off", "on", "clean"];

/// A folder for temporary files, with the lengths of the names of its subfolders.
#[derive(Clone, Debug)]
pub struct TempPath {
    /// The folder.
    pub folder: Rc<PathBuf>,
    /// Digits of the names of up to three levels of subfolders.
    pub levels: [u8; 3],
}

impl Default for Receive {
    fn default() -> Self {
        let folder = Rc::new(PathBuf::from("client_body_temp"));
        Self {
            max_size: Setting::new(1 << 20),
            buffer_size: Setting::new(16 << 10),
            in_single_buffer: Setting::new(false),
            in_file_only: Setting::new(0),
            temp_path: Setting::new(TempPath {
                folder,
                levels: [0; 3],
            }),
            timeout: Setting::new(60_000),
        }
    }
}

inherit_fields!(Receive {
    max_size,
    buffer_size,
    in_single_buffer,
    in_file_only,
    temp_path,
    timeout,
});

const DIRECTIVES: &[Directive<Receive>] = &[
    offset("client_max_body_size", Contexts::ALL, |s| &mut s.max_size),
    size("client_body_buffer_size", Contexts::ALL, |s| {
        &mut s.buffer_size
    }),
    flag("client_body_in_single_buffer", Contexts::ALL, |s| {
        &mut s.in_single_buffer
    }),
    keyword("client_body_in_file_only", Contexts::ALL, IN_FILE, |s| {
        &mut s.in_file_only
    }),
    millis("client_body_timeout", Contexts::ALL, |s| &mut s.timeout),
    custom(
        "client_body_temp_path",
        Contexts::ALL,
        Arity::between(1, 4),
        |s, line| {
            let path = read_temp_path(line)?;
            engine::directive::set_once(&mut s.temp_path, path)
        },
    ),
];

/// Settings for request bodies.
pub(crate) static RECEIVE: Slot<Receive> = Slot::location(DIRECTIVES);

/// Reading request bodies.
pub static MODULE: Module = Module {
    name: "core_receive",
    settings: &[&RECEIVE],
    finish: Some(|finishing| {
        let prefix = finishing.loading.prefix.clone();
        finishing.each(&RECEIVE, |settings, loading, _| {
            if settings.temp_path.folder.is_relative() {
                let folder = Rc::new(prefix.join(&*settings.temp_path.folder));
                let levels = settings.temp_path.levels;
                settings.temp_path.set(TempPath { folder, levels });
            }
            let folders = loading.shared::<TempFolders>();
            if !folders.all.contains(&settings.temp_path.folder) {
                folders.all.push(Rc::clone(&settings.temp_path.folder));
            }
        });
        Ok(())
    }),
    ..Module::EMPTY
};

/// Folders that must exist before workers start, since those may not have the right to make
/// them.
#[derive(Default)]
pub struct TempFolders {
    /// The folders, each once.
    pub all: Vec<Rc<PathBuf>>,
}

/// Reads `path [level1 [level2 [level3]]]`.
///
/// # Errors
///
/// `invalid value "..."` for a level that is not 1 to 3 digits... as nginx has it.
pub fn read_temp_path(line: &mut Line<'_>) -> Result<TempPath, Refused> {
    let folder = Rc::new(line.loading.full_path(line.arg(0)));
    let mut levels = [0; 3];
    for index in 1..line.args().len() {
        levels[index - 1] = match line.arg(index) {
            b"1" => 1,
            b"2" => 2,
            b"3" => 3,
            _ => return Err(line.invalid_value(index)),
        };
    }
    Ok(TempPath { folder, levels })
}
