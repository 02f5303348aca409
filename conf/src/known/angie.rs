//! The directives that the fork Angie has and nginx has not.

use super::Module;

/// By module.
pub(super) const MODULES: &[Module] = &[
    ("Angie's http_core", &["client", "combine", "goto"]),
    (
        "Angie's http_acme",
        &[
            "acme",
            "acme_client",
            "acme_client_path",
            "acme_dns_port",
            "acme_hook",
            "acme_http_port",
        ],
    ),
    ("Angie's http_api", &["api_config_files"]),
    ("Angie's http_auto_redirect", &["auto_redirect"]),
    (
        "Angie's http_docker",
        &["docker_endpoint", "docker_max_object_size"],
    ),
    (
        "Angie's http_metric",
        &["metric", "metric_complex_zone", "metric_zone"],
    ),
    (
        "Angie's http_prometheus",
        &["prometheus", "prometheus_template"],
    ),
    (
        "Angie's upstream",
        &[
            "backup_switch",
            "bind_conn",
            "feedback",
            "response_time_factor",
            "sticky_secret",
            "sticky_strict",
            "upstream_probe",
            "upstream_probe_timeout",
        ],
    ),
    ("Angie's stream_rdp_preread", &["rdp_preread"]),
];

/// Prefixes that only its modules have.
pub(super) const PREFIXES: &[(&str, &str)] = &[
    ("acme_", "Angie's http_acme"),
    ("docker_", "Angie's http_docker"),
];
