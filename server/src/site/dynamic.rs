//! `load_module`: modules that nginx loads from files of their own.
//!
//! Nothing is ever loaded, since these files are compiled against nginx's memory layout. But the
//! line must not keep a configuration from running here. Where what the module does is built in
//! there is nothing to load; where it is not, its directives are refused one by one, so that a
//! module that is loaded and not used, as packages leave them behind, costs a warning.

use super::settings::{EVENTS_DIRECTIVES, MAIN_DIRECTIVES};
use engine::{Line, Refused};

/// Modules that do nothing but through their directives, with one by which to tell whether what
/// they do is built in; `None` for what only other modules use, or another block's.
const KNOWN: &[(&str, Option<&str>)] = &[
    // Those of nginx.
    ("ngx_http_geoip_module", Some("geoip_country")),
    ("ngx_http_image_filter_module", Some("image_filter")),
    ("ngx_http_js_module", Some("js_import")),
    ("ngx_http_perl_module", Some("perl_modules")),
    ("ngx_http_xslt_filter_module", Some("xslt_stylesheet")),
    ("ngx_mail_module", Some("mail")),
    ("ngx_otel_module", Some("otel_exporter")),
    ("ngx_stream_geoip_module", None),
    ("ngx_stream_js_module", None),
    ("ngx_stream_module", Some("stream")),
    // Those that distributions package.
    ("ndk_http_module", None),
    ("ngx_http_acme_module", Some("acme_issuer")),
    ("ngx_http_auth_pam_module", Some("auth_pam")),
    ("ngx_http_brotli_filter_module", Some("brotli")),
    ("ngx_http_brotli_static_module", Some("brotli_static")),
    ("ngx_http_cache_purge_module", Some("proxy_cache_purge")),
    ("ngx_http_dav_ext_module", Some("dav_ext_methods")),
    ("ngx_http_echo_module", Some("echo")),
    ("ngx_http_fancyindex_module", Some("fancyindex")),
    ("ngx_http_geoip2_module", Some("geoip2")),
    (
        "ngx_http_headers_more_filter_module",
        Some("more_set_headers"),
    ),
    ("ngx_http_lua_module", Some("content_by_lua_block")),
    ("ngx_http_modsecurity_module", Some("modsecurity")),
    ("ngx_http_set_misc_module", Some("set_unescape_uri")),
    ("ngx_http_subs_filter_module", Some("subs_filter")),
    ("ngx_http_uploadprogress_module", Some("upload_progress")),
    ("ngx_http_upstream_fair_module", Some("fair")),
    (
        "ngx_http_vhost_traffic_status_module",
        Some("vhost_traffic_status"),
    ),
    ("ngx_http_zstd_filter_module", Some("zstd")),
    ("ngx_http_zstd_static_module", Some("zstd_static")),
    ("ngx_nchan_module", Some("nchan_publisher")),
    ("ngx_rtmp_module", Some("rtmp")),
    ("ngx_stream_geoip2_module", None),
];

/// What a file's name says about the module in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    BuiltIn,
    Missing,
    Unknown,
}

/// Reads the directive: silent about what is built in, a warning for what is not, and an error for
/// a module that nobody knows, which may do anything.
pub(super) fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let file = String::from_utf8_lossy(line.arg(0)).into_owned();
    let name = file.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(".so").unwrap_or(name);
    match standing(name, is_built_in) {
        Standing::BuiltIn => Ok(()),
        Standing::Missing => {
            line.warn(format!(
                "module \"{name}\" is not built in and cannot be loaded, its directives are refused"
            ));
            Ok(())
        }
        Standing::Unknown => Err(Refused::new(format!(
            "module \"{name}\" is not built in, and modules of nginx cannot be loaded, since they \
             are compiled against its memory layout: \"{file}\""
        ))),
    }
}

fn standing(name: &str, is_built_in: impl Fn(&str) -> bool) -> Standing {
    match KNOWN.iter().find(|(known, _)| *known == name) {
        Some((_, Some(directive))) if is_built_in(directive) => Standing::BuiltIn,
        Some(_) => Standing::Missing,
        // What nginx can load is also what it can be compiled with: `--with-http_dav_module`.
        None => {
            let feature = name
                .strip_prefix("ngx_http_")
                .and_then(|rest| rest.strip_suffix("_module"));
            let is_module = |feature: &str| {
                http_modules::MODULES
                    .iter()
                    .any(|module| module.name == feature)
            };
            match feature {
                Some(feature) if is_module(feature) => Standing::BuiltIn,
                _ => Standing::Unknown,
            }
        }
    }
}

/// Whether a directive of that name exists anywhere.
pub(super) fn is_built_in(name: &str) -> bool {
    let main = MAIN_DIRECTIVES.iter().map(|row| row.name);
    let events = EVENTS_DIRECTIVES.iter().map(|row| row.name);
    main.chain(events).chain(["http"]).any(|row| row == name)
        || http_modules::MODULES
            .iter()
            .chain(http::core::MODULES)
            .flat_map(|module| module.settings)
            .flat_map(|slot| slot.rows())
            .any(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_known_by_what_it_does() {
        let with = |directive: &'static str| move |name: &str| name == directive;
        let geoip = "ngx_http_geoip_module";
        assert_eq!(standing(geoip, with("geoip_country")), Standing::BuiltIn);
        assert_eq!(standing(geoip, with("geoip2")), Standing::Missing);
        assert_eq!(standing("ndk_http_module", |_| true), Standing::Missing);
        assert_eq!(
            standing("ngx_http_dav_module", |_| false),
            Standing::BuiltIn
        );
        assert_eq!(standing("ngx_http_own_module", |_| true), Standing::Unknown);
        assert_eq!(standing("", |_| true), Standing::Unknown);
    }

    #[test]
    fn no_module_is_listed_twice() {
        for (at, (name, _)) in KNOWN.iter().enumerate() {
            assert!(KNOWN[..at].iter().all(|(other, _)| other != name), "{name}");
        }
    }
}
