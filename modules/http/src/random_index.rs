//! `random_index`: answers a folder's URI with one of its files, chosen at random.
//!
//! Runs in the content phase before `index`, so that a folder's index is only one file among
//! others. Names that begin with a dot are never chosen.

use crate::file_work;
use crate::listing::{self, Detail};
use base::place;
use engine::directive::flag;
use engine::{Contexts, Directive, Setting, SettingsTable, Slot, inherit_fields};
use http::core::files;
use http::{Error, Flow, Handler, Module, Phase, Request};
use http1::Method;

/// Whether a location does this.
#[derive(Clone, Default)]
struct Settings {
    enabled: Setting<bool>,
}

inherit_fields!(Settings { enabled });

const DIRECTIVES: &[Directive<Settings>] =
    &[flag("random_index", Contexts::LOCATION, |s| &mut s.enabled)];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

pub(crate) static MODULE: Module = Module {
    name: "random_index",
    configure_option: Some("--with-http_random_index_module"),
    settings: &[&SETTINGS],
    handlers: &[Handler::waiting(Phase::Content, is_enabled, |request| {
        place::pinned(|| choose(request))
    })],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    *SETTINGS.of(settings).enabled
}

async fn choose(request: &mut Request) -> Result<Flow, Error> {
    let may = matches!(request.method, Method::Get | Method::Head | Method::Post);
    if !may || !request.uri.ends_with(b"/") {
        return Ok(Flow::Decline);
    }
    let path = listing::without_slash(files::path_of(request, &request.uri)?);
    let listing = file_work::run(request, move || listing::read(&path, Detail::Kinds)).await?;
    let mut listing = match listing {
        Ok(listing) => listing,
        Err(failure) => return Ok(failure.answer(request)),
    };
    for failure in &listing.skipped {
        failure.log(request);
    }
    listing.entries.retain(listing::Entry::is_file);
    let random = u64::from_le_bytes(sys::random::bytes());
    let Some(chosen) = pick(&listing.entries, random) else {
        return Ok(Flow::Decline);
    };
    Ok(Flow::Redirect {
        uri: [&*request.uri, &*chosen.name].concat(),
        args: request.args.clone(),
    })
}

/// One of `all`, each as likely as the others as long as they are far fewer than 2^64.
fn pick<T>(all: &[T], random: u64) -> Option<&T> {
    let index = random.checked_rem(all.len() as u64)?;
    all.get(usize::try_from(index).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_each_of_what_there_is() {
        assert_eq!(pick::<u8>(&[], 7), None);
        let picked: Vec<_> = (0..4).filter_map(|random| pick(b"abc", random)).collect();
        assert_eq!(picked, [b"a"[0], b'b', b'c', b'a'].each_ref());
        assert_eq!(pick(b"abc", u64::MAX), Some(&b'a'));
    }
}
