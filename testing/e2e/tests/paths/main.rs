//! Paths, hosts, headers and logs: what a client writes never means more than it may.

mod hosts;
mod injection;
mod logs;
mod redirects;
mod symlinks;
mod traversal;

/// Whether the program under test is nginx, which is more lenient in a few places.
fn is_nginx() -> bool {
    let path = harness::Binary::Tidegate.path().unwrap_or_default();
    path.ends_with("nginx")
}
