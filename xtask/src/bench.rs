//! What a request costs, beside nginx and others, on the machine at hand.
//!
//! All servers of a row run at once, each with one worker pinned to core 0; the client is pinned
//! to core 1 and drives one of them at a time, in turns, so that whatever else the machine does
//! falls on all alike. The figure is the CPU time of the server's processes divided by requests:
//! it does not depend on how fast the client is.

mod bare;
mod contestant;
mod idle;
mod load;
mod report;
mod rows;
mod streaming;
mod training;
mod websocket;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::arguments::Arguments;
use crate::{Outcome, dist, server_binary};
pub(crate) use bare::{TASK as BARE, run as run_bare};
use contestant::{Contestant, Kind, Running};
use load::Load;
pub(crate) use load::check_tools;
use report::{Cell, Table};
use rows::{IDLE, ROWS, Row, STREAMING, WEBSOCKET};
pub(crate) use training::train;

/// The rows that are not about the cost of requests.
const OTHERS: [&str; 3] = [STREAMING, IDLE, WEBSOCKET];

/// How a run is made.
struct Plan {
    rows: Vec<String>,
    rounds: u32,
    /// How long one server is driven at a time.
    seconds: u32,
    /// How many idle connections are held.
    connections: usize,
    /// How many WebSocket connections are.
    websockets: usize,
    is_markdown: bool,
    contestants: Vec<Contestant>,
}

/// Runs the rows asked for, all by default, and prints a table for each kind of figure.
pub(crate) fn run(arguments: &mut Arguments) -> Outcome {
    let mut rows = arguments.list("--rows")?;
    if rows.is_empty() {
        rows = ROWS
            .iter()
            .map(|row| row.name)
            .chain(OTHERS)
            .map(str::to_owned)
            .collect();
    }
    let is_known = |name: &&String| {
        OTHERS.contains(&name.as_str()) || ROWS.iter().any(|row| row.name == **name)
    };
    if let Some(name) = rows.iter().find(|name| !is_known(name)) {
        return Err(format!("no row is called {name}"));
    }
    let connections = arguments.number("--connections", 10_000)?;
    if rows.iter().any(|name| name == IDLE) {
        idle::raise_descriptor_limit(connections)?;
    }
    let websockets = arguments.number("--websockets", 5_000)?;
    if rows.iter().any(|name| name == WEBSOCKET) {
        // Their other ends are held here too.
        idle::raise_descriptor_limit(2 * websockets)?;
    }
    let plan = Plan {
        rounds: arguments.number("--rounds", 5)?,
        seconds: arguments.number("--seconds", 3)?,
        is_markdown: arguments.flag("--markdown"),
        contestants: contestants(arguments)?,
        connections,
        websockets,
        rows,
    };
    arguments.finish()?;
    check_tools()?;
    plan.requests()?;
    plan.streaming()?;
    plan.idle_connections(IDLE, plan.connections, idle::measure)?;
    plan.idle_connections(WEBSOCKET, plan.websockets, idle::measure_websockets)
}

/// The servers to compare: nginx first, ours, then what else is installed or named.
fn contestants(arguments: &mut Arguments) -> Result<Vec<Contestant>, String> {
    let own = match arguments.value("--bin")? {
        Some(path) => server_binary::find(Some(path))?,
        None => dist::build()?,
    };
    let mut named = BTreeMap::new();
    for word in arguments.list("--peers")? {
        let (name, path) = word
            .split_once('=')
            .ok_or_else(|| format!("{word} is not NAME=PATH"))?;
        named.insert(name.to_owned(), PathBuf::from(path));
    }
    let mut found = vec![Contestant {
        name: "tidegate",
        kind: Kind::LikeNginx,
        path: own,
        main: "",
    }];
    for (name, kind, place) in [
        ("nginx", Kind::Nginx, harness::Binary::Nginx.path().ok()),
        ("h2o", Kind::H2o, Some(PathBuf::from("/usr/bin/h2o"))),
        (
            "lighttpd",
            Kind::Lighttpd,
            Some(PathBuf::from("/usr/sbin/lighttpd")),
        ),
        (
            "haproxy",
            Kind::Haproxy,
            Some(PathBuf::from("/usr/sbin/haproxy")),
        ),
        ("bare loop", Kind::Bare, std::env::current_exe().ok()),
    ] {
        let Some(path) = named.remove(name).or(place) else {
            continue;
        };
        if path.is_file() {
            found.push(Contestant {
                name,
                kind,
                path,
                main: "",
            });
        } else {
            println!("{name} is not installed and left out");
        }
    }
    match named.into_keys().next() {
        Some(name) => Err(format!("no peer is called {name}")),
        None => Ok(found),
    }
}

impl Plan {
    /// The rows that count CPU time a request.
    fn requests(&self) -> Outcome {
        let mut table = Table::new(&[
            "row",
            "server",
            "requests/s",
            "CPU us/request",
            "nginx / it",
        ]);
        let is_wanted = |row: &&Row| self.rows.iter().any(|name| name == row.name);
        for row in ROWS.iter().filter(is_wanted) {
            eprintln!("{}: {} rounds of {} s", row.name, self.rounds, self.seconds);
            self.measure(row, &mut table)?;
        }
        table.print(self.is_markdown);
        Ok(())
    }

    /// Drives every server that takes part in `row`, in turns, and adds a line for each.
    fn measure(&self, row: &Row, table: &mut Table) -> Outcome {
        let mut entrants: Vec<(Running, Vec<Load>)> = Vec::new();
        let behind = match self.contestants.iter().find(|c| c.kind == Kind::Nginx) {
            _ if !row.is_proxied => None,
            Some(nginx) => Some(nginx.start_behind(row)?),
            None => Some(self.contestants[0].start_behind(row)?),
        };
        let back = behind.as_ref().map(Running::port);
        for contestant in &self.contestants {
            if let Some(running) = contestant.start(row, back)? {
                running.check(row)?;
                load::drive(&running, row, 1)?;
                entrants.push((running, Vec::new()));
            }
        }
        for _ in 0..self.rounds {
            for (running, loads) in &mut entrants {
                loads.push(load::drive(running, row, self.seconds)?);
            }
        }
        let nginx = entrants
            .iter()
            .find(|(running, _)| running.name() == "nginx");
        let nginx: Option<Vec<f64>> = nginx.map(|(_, loads)| costs(loads));
        for (running, loads) in &entrants {
            let own = costs(loads);
            let ratios = nginx
                .iter()
                .flatten()
                .zip(&own)
                .map(|(theirs, own)| theirs / own);
            table.add(vec![
                Cell::Text(row.name.to_owned()),
                Cell::Text(running.name().to_owned()),
                Cell::number(report::median(loads.iter().map(|load| load.per_second)), 0),
                Cell::number(report::median(own.iter().copied()), 2),
                Cell::number(report::median(ratios), 2),
            ]);
        }
        Ok(())
    }

    /// The row about latency.
    fn streaming(&self) -> Outcome {
        if !self.rows.iter().any(|name| name == STREAMING) {
            return Ok(());
        }
        let mut table = Table::new(&[
            STREAMING,
            "direct, us",
            "through it, us",
            "added at the median, us",
        ]);
        for contestant in &self.contestants {
            let latency = match streaming::measure(contestant, self.rounds) {
                Ok(latency) => latency,
                Err(sentence) => {
                    eprintln!("{} is left out: {sentence}", contestant.name);
                    continue;
                }
            };
            table.add(vec![
                Cell::Text(contestant.name.to_owned()),
                Cell::number(Some(latency.direct), 1),
                Cell::number(Some(latency.through), 1),
                Cell::number(Some(latency.through - latency.direct), 1),
            ]);
        }
        table.print(self.is_markdown);
        Ok(())
    }

    /// A row that counts memory.
    fn idle_connections(
        &self,
        row: &str,
        count: usize,
        measure: impl Fn(&Contestant, usize) -> Result<idle::Held, String>,
    ) -> Outcome {
        if !self.rows.iter().any(|name| name == row) {
            return Ok(());
        }
        let heading = format!("{row}: {count} connections");
        let mut table = Table::new(&[
            heading.as_str(),
            "bytes each",
            "tree before, KiB",
            "tree with them, KiB",
        ]);
        for contestant in &self.contestants {
            let held = match measure(contestant, count) {
                Ok(held) => held,
                Err(sentence) => {
                    eprintln!("{} is left out: {sentence}", contestant.name);
                    continue;
                }
            };
            table.add(vec![
                Cell::Text(contestant.name.to_owned()),
                Cell::number(Some(held.bytes_each), 0),
                Cell::number(Some(held.tree_before_kib), 0),
                Cell::number(Some(held.tree_with_kib), 0),
            ]);
        }
        table.print(self.is_markdown);
        Ok(())
    }
}

/// CPU microseconds a request, round by round.
fn costs(loads: &[Load]) -> Vec<f64> {
    loads.iter().map(|load| load.cpu_us_each).collect()
}
