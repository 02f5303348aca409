//! What is built in, by the names of nginx's configure options, as scripts look for it in
//! the output of `-V`.

use http::Module;

/// Modules of `http` that nginx builds unless it is told not to.
const DEFAULTS: [&str; 33] = [
    "charset",
    "gzip",
    "ssi",
    "userid",
    "access",
    "auth_basic",
    "mirror",
    "autoindex",
    "status",
    "geo",
    "map",
    "split_clients",
    "referer",
    "rewrite",
    "proxy",
    "fastcgi",
    "uwsgi",
    "scgi",
    "grpc",
    "tunnel",
    "memcached",
    "limit_conn",
    "limit_req",
    "empty_gif",
    "browser",
    "upstream_hash",
    "upstream_ip_hash",
    "upstream_least_conn",
    "upstream_least_time",
    "upstream_random",
    "upstream_keepalive",
    "upstream_zone",
    "upstream_sticky",
];

/// The options: what is added to nginx's default build, and what of it is not there.
pub(super) fn of(modules: &[&Module]) -> Vec<String> {
    let mut options = vec!["--with-threads".to_owned(), "--with-debug".to_owned()];
    options.extend(
        modules
            .iter()
            .filter_map(|m| m.configure_option)
            .map(str::to_owned),
    );
    let is_missing = |name: &&&str| !modules.iter().any(|module| module.name == **name);
    let missing = DEFAULTS.iter().filter(is_missing);
    options.extend(missing.map(|name| format!("--without-http_{name}_module")));
    if !modules.iter().any(|module| module.name == "cache") {
        options.push("--without-http-cache".to_owned());
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_name_what_is_there_and_what_is_not() {
        static DAV: Module = Module {
            name: "dav",
            configure_option: Some("--with-http_dav_module"),
            ..Module::EMPTY
        };
        static MAP: Module = Module {
            name: "map",
            ..Module::EMPTY
        };
        let options = of(&[&DAV, &MAP]);
        let has = |option: &str| options.iter().any(|known| known == option);
        assert!(has("--with-http_dav_module"));
        assert!(has("--without-http_geo_module"));
        assert!(!has("--without-http_map_module"));
    }
}
