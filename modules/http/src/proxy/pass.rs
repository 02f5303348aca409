//! `proxy_pass URL` as it is written, and what it turns out to mean.

use super::target::{Target, Url};
use conf::Position;
use engine::directive::lossy;
use engine::{Contexts, Line, Loading, Refused, Template};
use http::config::location_name::LocationName;
use http::gateway::{Groups, Upstreams, upstream};
use std::rc::Rc;

/// `proxy_pass` as it was written.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) url: Template,
    /// Whether it stands in an `if` or `limit_except` block.
    in_block: bool,
    pub(super) position: Position,
}

/// Whom requests go to.
#[derive(Clone)]
pub(super) enum Pass {
    /// Always the same.
    Fixed(Rc<Target>),
    /// The URL is made for each request.
    Variable(Template, Groups),
}

/// Reads the URL.
pub(super) fn read(line: &mut Line<'_>) -> Result<Written, Refused> {
    let url = line.template(0)?;
    if let Some(text) = url.as_constant() {
        Url::parse(text).map_err(Refused::new)?;
    }
    let blocks = Contexts::LOCATION_IF.with(Contexts::LIMIT_EXCEPT);
    Ok(Written {
        url,
        in_block: line.context.contains(blocks),
        position: line.directive.end,
    })
}

impl Written {
    /// Finds what the URL names; `location` is where it is written.
    pub(super) fn resolve(
        &self,
        loading: &mut Loading,
        location: &LocationName,
    ) -> Result<Pass, String> {
        let Some(text) = self.url.as_constant() else {
            return Ok(Pass::Variable(self.url.clone(), Groups::default()));
        };
        let url = Url::parse(text)?;
        let replaced = match location {
            LocationName::Prefix { prefix, .. } => Some(prefix.len()),
            LocationName::Exact(uri) => Some(uri.len()),
            _ => None,
        };
        if !url.uri.is_empty() && (replaced.is_none() || self.in_block) {
            return Err(
                "\"proxy_pass\" cannot have URI part in location given by regular expression, \
                 or inside named location, or inside \"if\" statement, or inside \
                 \"limit_except\" block"
                    .to_owned(),
            );
        }
        let group = upstream::of_authority(loading, &lossy(url.authority), 80)?;
        let is_group = loading
            .shared::<Upstreams>()
            .find(&lossy(url.authority))
            .is_some();
        Ok(Pass::Fixed(Rc::new(Target::new(
            group,
            &url,
            is_group,
            replaced.unwrap_or(0),
        ))))
    }
}
