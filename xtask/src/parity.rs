//! How much of nginx's language the server speaks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;
use crate::arguments::Arguments;
use crate::server_binary::{self, repository};

/// Where the tables of nginx's directives and variables lie, seen from the repository.
const REFERENCE: &str = "../shared/reference";

/// Prints, for every module of nginx, how many of its directives and variables the server
/// implements, refuses with a sentence, or does not know.
pub(crate) fn run(arguments: &mut Arguments) -> Outcome {
    let folder = arguments
        .value("--reference")?
        .map_or_else(|| repository().join(REFERENCE), PathBuf::from);
    let shows_missing = arguments.flag("--missing");
    let named = arguments.value("--bin")?;
    if !folder.is_dir() {
        println!(
            "parity: no tables of nginx in {}; nothing to compare",
            folder.display()
        );
        return Ok(());
    }
    let binary = server_binary::find(named)?;
    for (file, switch, what) in [
        ("directives.tsv", "--list-directives", "directives"),
        ("variables.tsv", "--list-variables", "variables"),
    ] {
        let theirs = read(&folder.join(file))?;
        let ours = server_binary::table(&binary, switch)?;
        print(what, &compare(&theirs, &ours), shows_missing);
    }
    Ok(())
}

/// A name of nginx's, as its tables have it.
struct Theirs {
    module: String,
    name: String,
    /// Where it may stand; empty for a variable.
    contexts: BTreeSet<String>,
    is_commercial: bool,
}

/// Reads a table: its first line names the columns.
fn read(path: &Path) -> Result<Vec<Theirs>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let index = |name: &str| columns.iter().position(|column| *column == name);
    let (module, context, edition) = (index("module"), index("context"), index("edition"));
    let name = index("directive").or_else(|| index("variable"));
    let rows = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let field = |at: Option<usize>| {
            at.and_then(|at| fields.get(at))
                .copied()
                .unwrap_or_default()
        };
        let theirs = |name: String| Theirs {
            module: field(module).to_owned(),
            name: name.trim_start_matches('$').to_owned(),
            contexts: words(field(context)),
            is_commercial: field(edition) == "plus",
        };
        // Names that are documented together share a row.
        words(field(name))
            .into_iter()
            .map(theirs)
            .collect::<Vec<_>>()
    };
    Ok(lines.flat_map(rows).collect())
}

/// The words of `text` between commas.
fn words(text: &str) -> BTreeSet<String> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What the server does with a name.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Status {
    Missing,
    Refused,
    Implemented,
}

/// What became of the names of one module.
#[derive(Debug, Default, Eq, PartialEq)]
struct Tally {
    implemented: usize,
    refused: usize,
    missing: Vec<String>,
}

/// Looks up every name of nginx's in our table, module by module.
fn compare(theirs: &[Theirs], ours: &[Vec<String>]) -> BTreeMap<String, Tally> {
    let mut modules: BTreeMap<String, Tally> = BTreeMap::new();
    for wanted in theirs {
        let label = if wanted.is_commercial {
            format!("{} (commercial)", wanted.module)
        } else {
            wanted.module.clone()
        };
        let tally = modules.entry(label).or_default();
        match status_of(wanted, ours) {
            Status::Implemented => tally.implemented += 1,
            Status::Refused => tally.refused += 1,
            Status::Missing => tally.missing.push(wanted.name.clone()),
        }
    }
    modules
}

/// The best that any of our rows says about `wanted`.
fn status_of(wanted: &Theirs, ours: &[Vec<String>]) -> Status {
    let status = |row: &Vec<String>| {
        let [name, module, contexts, status] = row.as_slice() else {
            return Status::Missing;
        };
        let contexts = words(contexts);
        let is_same_place = wanted.contexts.is_empty()
            || contexts.contains("any")
            || !wanted.contexts.is_disjoint(&contexts);
        if !is_same_name(&wanted.name, name)
            || family(module) != family(&wanted.module)
            || !is_same_place
        {
            return Status::Missing;
        }
        if status == "refused" {
            Status::Refused
        } else {
            Status::Implemented
        }
    };
    ours.iter().map(status).max().unwrap_or(Status::Missing)
}

/// Whether a name of ours is `wanted`; nginx's tables write families of variables as `arg_name`,
/// our table writes them as `arg_*`.
fn is_same_name(wanted: &str, own: &str) -> bool {
    let own = own.trim_start_matches('$');
    match own.strip_suffix('*') {
        Some(prefix) => wanted.starts_with(prefix),
        None => wanted == own,
    }
}

/// Which of nginx's subsystems a module belongs to; the core goes with http.
fn family(module: &str) -> &'static str {
    let name = module.trim_start_matches("ngx_");
    ["stream", "mail"]
        .into_iter()
        .find(|family| name.starts_with(family))
        .unwrap_or("http")
}

fn print(what: &str, modules: &BTreeMap<String, Tally>, shows_missing: bool) {
    println!("{what:44} implemented  refused  missing");
    let mut sums = [0; 3];
    for (module, tally) in modules {
        let counts = [tally.implemented, tally.refused, tally.missing.len()];
        println!(
            "{module:44} {:11}  {:7}  {:7}",
            counts[0], counts[1], counts[2]
        );
        if shows_missing && !tally.missing.is_empty() {
            println!("    {}", tally.missing.join(" "));
        }
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    println!(
        "{:44} {:11}  {:7}  {:7}\n",
        "all", sums[0], sums[1], sums[2]
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(module: &str, name: &str, contexts: &str) -> Theirs {
        Theirs {
            module: module.into(),
            name: name.into(),
            contexts: words(contexts),
            is_commercial: false,
        }
    }

    fn row(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_name_counts_in_its_subsystem_and_context_alone() {
        let ours = [
            row("server core http implemented"),
            row("allow access http,server refused"),
        ];
        let status = |module, name, contexts| status_of(&wanted(module, name, contexts), &ours);
        assert_eq!(
            status("ngx_http_core_module", "server", "http"),
            Status::Implemented
        );
        assert_eq!(
            status("ngx_http_upstream_module", "server", "upstream"),
            Status::Missing
        );
        assert_eq!(
            status("ngx_stream_core_module", "server", "http"),
            Status::Missing
        );
        assert_eq!(
            status("ngx_http_access_module", "allow", "server, location"),
            Status::Refused
        );
        assert_eq!(
            status("ngx_http_access_module", "deny", "server"),
            Status::Missing
        );
    }

    #[test]
    fn families_of_variables_are_one_row() {
        let ours = [
            row("arg_* core - implemented"),
            row("$uri core - implemented"),
        ];
        let status = |name| status_of(&wanted("ngx_http_core_module", name, ""), &ours);
        assert_eq!(status("arg_name"), Status::Implemented);
        assert_eq!(status("uri"), Status::Implemented);
        assert_eq!(status("args"), Status::Missing);
    }

    #[test]
    fn missing_names_are_kept_by_module() {
        let theirs = [wanted("m", "a", ""), wanted("m", "b", "")];
        let found = compare(&theirs, &[row("a m - implemented")]);
        let expected = Tally {
            implemented: 1,
            refused: 0,
            missing: vec!["b".into()],
        };
        assert_eq!(found.get("m"), Some(&expected));
    }
}
