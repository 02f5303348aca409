//! A crate may use crates of lower layers only.

use std::collections::BTreeMap;

use super::{Findings, Tree};
use crate::manifest::{self, Entry};

/// What one manifest says.
struct Crate {
    folder: String,
    layer: Option<u32>,
    /// The names of its dependencies, those of its tests apart.
    dependencies: Vec<String>,
}

/// Compares the layers along every arrow of the workspace. `[same-layer]` of `tidy.toml` lists
/// the arrows inside one layer: `"FROM -> TO" = "reason"`, by folders.
pub(super) fn check(tree: &Tree, findings: &mut Findings) {
    let root = tree
        .text("Cargo.toml")
        .map_or_else(Vec::new, manifest::parse);
    let folders: BTreeMap<&str, &str> = root
        .iter()
        .filter(|entry| entry.section == "workspace.dependencies")
        .filter_map(|entry| Some((entry.key.as_str(), manifest::inline(&entry.value, "path")?)))
        .collect();
    let crates: Vec<Crate> = tree
        .pages
        .iter()
        .filter_map(|page| read(&page.path, &page.text))
        .collect();
    let layer_of = |folder: &str| {
        crates
            .iter()
            .find(|other| other.folder == folder)
            .and_then(|other| other.layer)
    };
    for user in &crates {
        let manifest = format!("{}/Cargo.toml", user.folder);
        let Some(layer) = user.layer else {
            findings.fault(&manifest, "no [package.metadata] layer");
            continue;
        };
        for folder in user
            .dependencies
            .iter()
            .filter_map(|name| folders.get(name.as_str()))
        {
            let arrow = format!("{} -> {folder}", user.folder);
            let is_allowed = match layer_of(folder) {
                Some(other) if other == layer => tree.exception("same-layer", &arrow).is_some(),
                Some(other) => other < layer,
                None => false,
            };
            if !is_allowed {
                findings.fault(&manifest, format_args!("{arrow} does not point down"));
            }
        }
    }
}

/// The crate that the manifest at `path` describes.
fn read(path: &str, text: &str) -> Option<Crate> {
    let folder = path.strip_suffix("/Cargo.toml")?.to_owned();
    let entries = manifest::parse(text);
    let layer = entries
        .iter()
        .find(|entry| entry.section == "package.metadata" && entry.key == "layer")
        .and_then(|entry| entry.value.parse().ok());
    let dependencies = entries.iter().filter_map(dependency).collect();
    Some(Crate {
        folder,
        layer,
        dependencies,
    })
}

/// The name of the dependency that `entry` declares: `base.workspace = true`, `base = ...`, or
/// anything in `[dependencies.base]`.
fn dependency(entry: &Entry) -> Option<String> {
    let (kind, own) = match entry.section.split_once("dependencies") {
        Some((kind, rest)) => (kind, rest.trim_start_matches('.')),
        None => return None,
    };
    if kind.ends_with("dev-") {
        return None;
    }
    let name = if own.is_empty() {
        entry.key.split('.').next()?
    } else {
        own
    };
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::tests::faults;
    use super::*;

    const ROOT: (&str, &str) = (
        "Cargo.toml",
        "[workspace.dependencies]\nlow = { path = \"low\" }\nhigh = { path = \"high\" }\nlibc = \"1\"\n",
    );

    fn with(low: &str, high: &str, exceptions: &str) -> Vec<String> {
        let low = format!("[package.metadata]\nlayer = 1\n{low}");
        let high = format!("[package.metadata]\n{high}");
        let pages = [
            ROOT,
            ("low/Cargo.toml", &low),
            ("high/Cargo.toml", &high),
            ("xtask/tidy.toml", exceptions),
        ];
        faults(check, &pages)
    }

    #[test]
    fn arrows_point_down() {
        let uses_low = "layer = 2\n[dependencies]\nlow.workspace = true\nlibc.workspace = true";
        assert_eq!(with("", uses_low, ""), [""; 0]);
        let up = "[dependencies]\nhigh = { workspace = true }";
        assert_eq!(
            with(up, "layer = 2", ""),
            ["low/Cargo.toml: low -> high does not point down"]
        );
        assert_eq!(
            with("[dependencies.high]\nworkspace = true", "layer = 2", "").len(),
            1
        );
        assert_eq!(
            with(
                "[target.x.dependencies]\nhigh.workspace = true",
                "layer = 2",
                ""
            )
            .len(),
            1
        );
        assert_eq!(
            with("[dev-dependencies]\nhigh.workspace = true", "layer = 2", ""),
            [""; 0]
        );
    }

    #[test]
    fn one_layer_needs_a_reason_and_every_crate_a_layer() {
        let uses_low = "layer = 1\n[dependencies]\nlow.workspace = true";
        assert_eq!(with("", uses_low, "").len(), 1);
        assert_eq!(
            with("", uses_low, "[same-layer]\n\"high -> low\" = \"why\""),
            [""; 0]
        );
        assert_eq!(
            with("", "", ""),
            ["high/Cargo.toml: no [package.metadata] layer"]
        );
    }
}
