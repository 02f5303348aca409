//! What `ps` shows of a process.
//!
//! Linux shows the memory in which the kernel once put the arguments. The environment lies right
//! behind it, and may be written over as well once the C library has been given copies of its own
//! (which [`Title::capture`] does). When the last byte of the arguments is not NUL any more, the
//! kernel shows the text up to its first NUL, wherever that is (`get_mm_proctitle()` in Linux).

use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};

use super::environment::{environment, replace_environment};
use super::fork::has_other_threads;

/// Most bytes that the kernel shows of a text set this way: one page, with its NUL.
const LONGEST: usize = 4095;

/// The memory of the process's title, and the arguments that were in it.
#[derive(Debug)]
pub struct Title {
    /// `None` where the memory could not be found (no `/proc`): titles then stay as they are.
    memory: Option<Memory>,
    arguments: Vec<OsString>,
}

/// The arguments, and the environment right behind them.
#[derive(Debug)]
struct Memory {
    start: *mut u8,
    /// Bytes of the arguments.
    arguments: usize,
    /// Bytes of both.
    all: usize,
}

impl Title {
    /// Takes over the memory of the title. `std::env::args` must not be asked after the first
    /// [`Title::set`]: it reads the same memory, and [`Title::arguments`] holds what was there.
    ///
    /// Returns `None` when it was called before, or other threads run already: they might be
    /// reading the environment.
    #[must_use]
    pub fn capture() -> Option<Self> {
        static CAPTURED: AtomicBool = AtomicBool::new(false);

        if has_other_threads() || CAPTURED.swap(true, Ordering::Relaxed) {
            return None;
        }
        let arguments = std::env::args_os().collect();
        let memory = find_memory();
        if memory.is_some() {
            drop(replace_environment(&environment()));
        }
        Some(Self { memory, arguments })
    }

    /// The arguments that this process was started with, its own name first.
    #[must_use]
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// Shows `text`, up to its first NUL, cut to what the memory holds.
    pub fn set(&mut self, text: &[u8]) {
        let Some(memory) = &self.memory else {
            return;
        };
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        let room = if memory.has_marker() {
            memory.all - 1
        } else {
            memory.arguments - 1
        };
        let text = text
            .get(..text.len().min(room).min(LONGEST))
            .unwrap_or(text);

        // SAFETY: `start` is the beginning of `all` bytes of the process's stack that nothing but
        // the captured arguments and environment ever used; `&mut self` makes this the only writer.
        unsafe { memory.start.write_bytes(0, memory.all) };
        if memory.has_marker() {
            // SAFETY: the last byte of the arguments, inside the same memory.
            let marker = unsafe { memory.start.add(memory.arguments - 1) };
            // SAFETY: as above.
            unsafe { marker.write(b'.') };
        }
        // SAFETY: `text` is shorter than the memory, and cannot overlap it: it is borrowed from the
        // caller, while nobody has a reference to the memory.
        unsafe {
            memory
                .start
                .copy_from_nonoverlapping(text.as_ptr(), text.len())
        };
    }
}

impl Memory {
    /// Whether there is an environment to run over into. Without one the last argument must keep
    /// its NUL: behind it lies what is not ours.
    const fn has_marker(&self) -> bool {
        self.all > self.arguments
    }
}

/// Fields 48 to 51 of `/proc/self/stat` (proc(5)): where arguments and environment start and end.
fn find_memory() -> Option<Memory> {
    let stat = std::fs::read("/proc/self/stat").ok()?;
    let (start, arguments, all) = extent(&stat)?;
    Some(Memory {
        start: std::ptr::with_exposed_provenance_mut(start),
        arguments,
        all,
    })
}

/// The start of the arguments, their length, and the length of arguments and environment.
fn extent(stat: &[u8]) -> Option<(usize, usize, usize)> {
    // The second field is the program's name in brackets, and may hold anything.
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let fields = std::str::from_utf8(stat.get(after_name..)?).ok()?;
    let mut numbers = fields
        .split_ascii_whitespace()
        .skip(45)
        .map(str::parse::<usize>);
    let mut next = || numbers.next()?.ok();
    let (start, end, environment, environment_end) = (next()?, next()?, next()?, next()?);

    let arguments = end.checked_sub(start).filter(|&length| length > 0)?;
    let behind = if environment == end {
        environment_end.checked_sub(end)?
    } else {
        0
    };
    Some((
        start,
        arguments,
        (start != 0).then_some(arguments + behind)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, numbers: [usize; 4]) -> String {
        let filler = "0 ".repeat(44);
        let [a, b, c, d] = numbers;
        format!("1 ({name}) S {filler}{a} {b} {c} {d} 0")
    }

    #[test]
    fn finds_arguments_and_environment() {
        let stat = line("a) b (c", [1000, 1010, 1010, 1100]);
        assert_eq!(extent(stat.as_bytes()), Some((1000, 10, 100)));
    }

    #[test]
    fn stops_at_a_gap() {
        assert_eq!(
            extent(line("x", [1000, 1010, 1020, 1100]).as_bytes()),
            Some((1000, 10, 10))
        );
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        assert_eq!(extent(line("x", [0, 0, 0, 0]).as_bytes()), None);
        assert_eq!(extent(line("x", [0, 10, 10, 20]).as_bytes()), None);
        assert_eq!(extent(line("x", [1010, 1000, 1000, 1100]).as_bytes()), None);
        assert_eq!(extent(line("x", [1000, 1010, 1010, 1009]).as_bytes()), None);
        assert_eq!(extent(b"1 (x) S 1 2 3"), None);
        assert_eq!(extent(b""), None);
    }
}
