//! The variables that workers and a new program get (`env`).
//!
//! Nothing is passed on but the time zone and what the configuration names.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The variable that names inherited sockets.
pub(crate) const SOCKETS: &str = "NGINX";

/// What `wanted` (`NAME` or `NAME=value`) leaves of `present` (`NAME=value`).
pub(crate) fn select(wanted: &[OsString], present: &[OsString]) -> Vec<OsString> {
    let present: BTreeMap<&[u8], &OsString> = present
        .iter()
        .map(|entry| (name_of(entry), entry))
        .collect();
    let time_zone = OsString::from("TZ");
    let names_time_zone = wanted.iter().any(|entry| name_of(entry) == b"TZ");
    let wanted = wanted
        .iter()
        .chain((!names_time_zone).then_some(&time_zone));

    let mut selected: Vec<OsString> = Vec::new();
    for entry in wanted {
        let name = name_of(entry);
        let is_set = name.len() < entry.len();
        if let Some(entry) = if is_set {
            Some(entry)
        } else {
            present.get(name).copied()
        } {
            selected.retain(|earlier| name_of(earlier) != name);
            selected.push(entry.clone());
        }
    }
    selected
}

/// Bytes of environment that a new program finds no use for but as room for its title, which may
/// run over from its arguments. nginx leaves as many.
const SPARE: usize = 300;

/// What a new program gets: the selection, the sockets, and room.
pub(crate) fn of_program(selected: Vec<OsString>, sockets: &str) -> Vec<CString> {
    let sockets = OsString::from(format!("{SOCKETS}={sockets}"));
    let spare = OsString::from(format!("SPARE={}", "X".repeat(SPARE)));
    // What the kernel once gave us, and what a configuration can hold, has no NUL.
    selected
        .into_iter()
        .chain([sockets, spare])
        .filter_map(|entry| CString::new(entry.into_vec()).ok())
        .collect()
}

fn name_of(entry: &OsStr) -> &[u8] {
    entry
        .as_bytes()
        .split(|&byte| byte == b'=')
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<OsString> {
        words.iter().map(Into::into).collect()
    }

    #[test]
    fn only_what_is_named_is_kept() {
        let present = strings(&["PATH=/bin", "TZ=UTC", "SECRET=1", "A=old"]);
        assert_eq!(select(&[], &present), strings(&["TZ=UTC"]));
        let wanted = strings(&["PATH", "A=new", "MISSING", "B=x=y", "B=z"]);
        assert_eq!(
            select(&wanted, &present),
            strings(&["PATH=/bin", "A=new", "B=z", "TZ=UTC"])
        );
        assert_eq!(
            select(&strings(&["TZ=CET"]), &present),
            strings(&["TZ=CET"])
        );
    }

    #[test]
    fn sockets_and_room_come_last() {
        let program = of_program(strings(&["TZ=UTC"]), "6;7;");
        let named = [CString::from(c"TZ=UTC"), CString::from(c"NGINX=6;7;")];
        assert_eq!(program[..2], named);
        assert_eq!(program[2].count_bytes(), "SPARE=".len() + SPARE);
    }
}
