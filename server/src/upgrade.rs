//! Starting a new program in place of this one (USR2).
//!
//! The new master inherits the sockets, named in the variable `NGINX`, and runs beside the old one
//! until the operator decides which is to stay. Source: control.xml.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use sys::process::{self, Fork};
use sys::socket;

use crate::environment;
use crate::listeners::Listeners;
use crate::plan::ProcessPlan;

/// Exit code of a child that could not become the new program.
const NOT_STARTED: i32 = 1;

/// Starts the program that `arguments` name, with the sockets. Returns its process id.
///
/// # Errors
///
/// The kernel's. That the program cannot be executed shows in the child's end.
pub(crate) fn start(
    arguments: &[OsString],
    plan: &ProcessPlan,
    listeners: &Listeners,
) -> io::Result<u32> {
    match process::fork()? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            let Err(e) = become_program(arguments, plan, listeners);
            let path = program(arguments);
            let reason = crate::report::reason(&e);
            crate::report::print(&format!(
                "nginx: [alert] execve() failed while executing new binary process \"{}\"{reason}",
                path.display()
            ));
            process::end_now(NOT_STARTED);
        }
    }
}

fn become_program(
    arguments: &[OsString],
    plan: &ProcessPlan,
    listeners: &Listeners,
) -> io::Result<Infallible> {
    for descriptor in listeners.descriptors() {
        socket::set_cloexec(descriptor, false)?;
    }
    let selected = environment::select(&plan.environment, &process::environment());
    let environment = environment::of_program(selected, &listeners.to_variable());
    let words: Result<Vec<CString>, _> = arguments
        .iter()
        .map(|word| CString::new(word.clone().into_vec()))
        .collect();
    process::execute(&program(arguments), &words?, &environment)
}

/// The program's file: the path that it was started by, or, if it was found by name alone, the
/// file that it was then.
fn program(arguments: &[OsString]) -> PathBuf {
    let name = arguments.first().cloned().unwrap_or_default();
    if name.as_bytes().contains(&b'/') {
        return name.into();
    }
    let Ok(path) = std::fs::read_link("/proc/self/exe") else {
        return name.into();
    };
    // What the kernel puts behind the name of a file that has been replaced.
    let bytes = path.as_os_str().as_bytes();
    let bytes = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    OsString::from_vec(bytes.to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_path_is_the_running_file() {
        assert_eq!(
            program(&["/usr/sbin/nginx".into()]),
            PathBuf::from("/usr/sbin/nginx")
        );
        assert_eq!(program(&["./nginx".into()]), PathBuf::from("./nginx"));
        assert_eq!(program(&["nginx".into()]), std::env::current_exe().unwrap());
    }
}
