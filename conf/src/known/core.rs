//! The directives of nginx outside http, stream and mail.

use super::Module;

/// By module, in the order of their names.
pub(super) const MODULES: &[Module] = &[
    ("ngx_devpoll_module", &["devpoll_changes", "devpoll_events"]),
    ("ngx_eventport_module", &["eventport_events"]),
    ("ngx_kqueue_module", &["kqueue_changes", "kqueue_events"]),
    (
        "ngx_core_module",
        &[
            "accept_mutex",
            "accept_mutex_delay",
            "daemon",
            "debug_connection",
            "debug_points",
            "env",
            "error_log",
            "events",
            "include",
            "load_module",
            "lock_file",
            "master_process",
            "multi_accept",
            "pcre_jit",
            "pid",
            "ssl_engine",
            "ssl_object_cache_inheritable",
            "thread_pool",
            "timer_resolution",
            "use",
            "user",
            "worker_aio_requests",
            "worker_connections",
            "worker_cpu_affinity",
            "worker_priority",
            "worker_processes",
            "worker_rlimit_core",
            "worker_rlimit_nofile",
            "worker_shutdown_timeout",
            "working_directory",
        ],
    ),
    (
        "ngx_google_perftools_module",
        &["google_perftools_profiles"],
    ),
    (
        "ngx_otel_module",
        &[
            "otel_exporter",
            "otel_resource_attr",
            "otel_service_name",
            "otel_span_attr",
            "otel_span_name",
            "otel_trace",
            "otel_trace_context",
        ],
    ),
];
