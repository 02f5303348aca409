//! Showing a server that counts what it does what it will be asked.

use std::path::Path;

use super::contestant::{Contestant, Kind, Running};
use super::rows::{Page, ROWS, Row};
use super::{idle, load, streaming};
use crate::Outcome;

/// How long each row is asked for, in seconds.
const SECONDS: u32 = 2;

/// How many pages are filtered. One takes the steps of a thousand small answers: were there as many
/// of them, all else would look as if it hardly happened.
const PAGES: usize = 50;

/// How many WebSocket connections are opened.
const WEBSOCKETS: usize = 200;

/// Asks the server at `binary` every row once, as the benchmark does; where a row proxies long
/// answers, it is the server behind as well.
pub(crate) fn train(binary: &Path) -> Outcome {
    let server = Contestant {
        name: "tidegate",
        kind: Kind::LikeNginx,
        path: binary.to_path_buf(),
        // Counts are written when a program ends by itself, and workers do not.
        main: "master_process off;",
    };
    for row in ROWS {
        eprintln!("{}: {SECONDS} s", row.name);
        ask(&server, row)?;
    }
    streaming::measure(&server, 1)?;
    idle::measure_websockets(&server, WEBSOCKETS)?;
    Ok(())
}

fn ask(server: &Contestant, row: &Row) -> Outcome {
    let behind = row
        .is_proxied
        .then(|| server.start_behind(row))
        .transpose()?;
    let back = behind.as_ref().map(Running::port);
    let running = server.start(row, back)?;
    let running = running.ok_or("it has no part in this")?;
    running.check(row)?;
    if row.page == Page::Plain {
        return load::drive(&running, row, SECONDS).map(|_| ());
    }
    (0..PAGES).try_for_each(|_| running.check(row))
}
