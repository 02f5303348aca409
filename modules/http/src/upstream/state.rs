//! `state file`: the servers of a group stand in a file of their own, one `server` directive each.
//!
//! The file is read when the configuration is loaded. One that does not exist is a group that has
//! no servers yet. Nothing changes the list of a group by hand while the server works, so that
//! there is nothing to write either.
//!
//! Source: nginx documentation, ngx_http_upstream_module (there of the commercial version).

use super::{Nothing, current, server};
use engine::directive::{custom, lossy};
use engine::{Arity, Contexts, Directive, Line, Loading, Refused, Slot};
use http::Module;
use std::io;
use std::path::Path;

/// Most bytes of a file: some ten thousand servers.
const FILE_MAX: usize = 1 << 20;

const DIRECTIVES: &[Directive<Nothing>] = &[custom(
    "state",
    Contexts::UPSTREAM,
    Arity::ONE,
    |_, line| read(line),
)];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// Groups whose servers stand in a file.
pub(crate) static MODULE: Module = Module {
    name: "upstream_state",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let level = line.level;
    let block = current(line.loading, level)?;
    if block.has_state {
        return Err(Refused::duplicate());
    }
    block.has_state = true;
    if block.servers > 0 {
        return Err(Refused::new("\"state\" is incompatible with \"server\""));
    }
    let path = line.loading.full_path(line.arg(0));
    let shown = path.display();
    let text = match text(line.loading, &path) {
        Ok(text) => text,
        Err(why) => return Err(Refused::new(format!("state file \"{shown}\": {why}"))),
    };
    // It may include nothing.
    let alone = conf::MemorySource::new().with(&path, text);
    let here = Path::new("");
    let (tree, errors) = conf::load(&path, here, here, &alone);
    let refuse = |number: u32, why: &str| Refused::new(format!("{why} in {shown}:{number}"));
    if let Some(error) = errors.first() {
        let number = error.position.map_or(0, |position| position.line);
        return Err(refuse(number, &error.message));
    }
    for directive in &tree.directives {
        let number = directive.name.position.line;
        if !directive.is("server") || directive.block.is_some() || directive.args.is_empty() {
            let name = lossy(&directive.name.text);
            let why = format!("\"{name}\" directive is not allowed here");
            return Err(refuse(number, &why));
        }
        let mut line = Line {
            directive,
            context: line.context,
            level,
            loading: &mut *line.loading,
            nest: line.nest,
        };
        server::add(&mut line).map_err(|refused| refuse(number, refused.message()))?;
    }
    Ok(())
}

fn text(loading: &Loading, path: &Path) -> Result<Vec<u8>, String> {
    match loading.source.read(path) {
        Ok(text) if text.len() > FILE_MAX => Err(format!("longer than {FILE_MAX} bytes")),
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::messages_with;

    #[track_caller]
    fn says(file: &str, inside: &str, expected: &str) {
        let block = format!("upstream u {{ {inside} }}");
        let messages = messages_with(&[("s", file.into())], &block);
        assert_eq!(messages.join("\n"), expected, "{file} {inside}");
    }

    #[test]
    fn servers_stand_in_the_file_alone() {
        let good = "server 127.0.0.1:1 weight=2;\n# more\nserver 127.0.0.1:2 backup;\n";
        says(good, "zone u 64k; state s;", "");
        says("", "zone u 64k; state s;", "");
        says(good, "zone u 64k; state missing;", "");
        says(
            good,
            "zone u 64k; state s; state s;",
            "\"state\" directive is duplicate",
        );
        let both = "\"state\" is incompatible with \"server\"";
        says(good, "zone u 64k; state s; server 127.0.0.1:3;", both);
        says(good, "zone u 64k; server 127.0.0.1:3; state s;", both);
        says(
            good,
            "state s;",
            "\"state\" requires upstream \"u\" to be in shared memory",
        );
    }

    #[test]
    fn mistakes_in_the_file_are_told_with_their_line() {
        let says = |file, expected| says(file, "zone u 64k; state s;", expected);
        says(
            "server 127.0.0.1:1;\nserver 127.0.0.1:2 weight=0;",
            "invalid parameter \"weight=0\" in /nonexistent/s:2",
        );
        says(
            "server 127.0.0.1:1;\nip_hash;",
            "\"ip_hash\" directive is not allowed here in /nonexistent/s:2",
        );
        says(
            "server 127.0.0.1:1 {",
            "unexpected end of file, expecting \"}\" in /nonexistent/s:1",
        );
        says(
            &"#".repeat(1 << 21),
            "state file \"/nonexistent/s\": longer than 1048576 bytes",
        );
    }
}
