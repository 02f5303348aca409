//! The program: nginx's command line, and what lists itself for tools.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;
use tidegate::Site;

#[global_allocator]
static ALLOCATOR: sys::allocator::Mimalloc = sys::allocator::Mimalloc;

fn main() -> ExitCode {
    let site: &'static Site = Box::leak(Box::new(Site::new()));
    let list = match std::env::args().nth(1).as_deref() {
        Some("--list-directives") => Some(site.list_directives()),
        Some("--list-variables") => Some(site.list_variables()),
        _ => None,
    };
    let Some(list) = list else {
        return tidegate::run(site);
    };
    match std::io::stdout().write_all(list.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
