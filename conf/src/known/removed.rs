//! The directives that nginx once had, and what replaced each.

/// Name, the module that had it, and what to write instead.
pub(super) const DIRECTIVES: &[(&str, &str, &str)] = &[
    (
        "connections",
        "ngx_event_core_module",
        "write \"worker_connections\"",
    ),
    (
        "fastcgi_redirect_errors",
        "ngx_http_fastcgi_module",
        "write \"fastcgi_intercept_errors\"",
    ),
    (
        "fastcgi_upstream_fail_timeout",
        "ngx_http_fastcgi_module",
        "set \"fail_timeout\" of the \"server\" in \"upstream\"",
    ),
    (
        "fastcgi_upstream_max_fails",
        "ngx_http_fastcgi_module",
        "set \"max_fails\" of the \"server\" in \"upstream\"",
    ),
    (
        "http2_idle_timeout",
        "ngx_http_v2_module",
        "write \"keepalive_timeout\"",
    ),
    (
        "http2_max_field_size",
        "ngx_http_v2_module",
        "write \"large_client_header_buffers\"",
    ),
    (
        "http2_max_header_size",
        "ngx_http_v2_module",
        "write \"large_client_header_buffers\"",
    ),
    (
        "http2_max_requests",
        "ngx_http_v2_module",
        "write \"keepalive_requests\"",
    ),
    ("http2_pool_size", "ngx_http_v2_module", "remove it"),
    (
        "http2_push",
        "ngx_http_v2_module",
        "browsers no longer take pushes; send \"103 Early Hints\" or a \"Link: rel=preload\" header",
    ),
    (
        "http2_push_preload",
        "ngx_http_v2_module",
        "browsers read \"Link: rel=preload\" headers themselves",
    ),
    (
        "http2_recv_timeout",
        "ngx_http_v2_module",
        "write \"client_header_timeout\"",
    ),
    (
        "http3_push",
        "ngx_http_v3_module",
        "browsers no longer take pushes; send \"103 Early Hints\" or a \"Link: rel=preload\" header",
    ),
    ("imap", "ngx_mail_core_module", "write \"mail\""),
    (
        "limit_zone",
        "ngx_http_limit_conn_module",
        "write \"limit_conn_zone $binary_remote_addr zone=name:10m\"",
    ),
    (
        "open_file_cache_retest",
        "ngx_http_core_module",
        "write \"open_file_cache_valid\"",
    ),
    (
        "optimize_server_names",
        "ngx_http_core_module",
        "write \"server_name_in_redirect\"",
    ),
    (
        "proxy_downstream_buffer",
        "ngx_stream_proxy_module",
        "write \"proxy_buffer_size\"",
    ),
    (
        "proxy_redirect_errors",
        "ngx_http_proxy_module",
        "write \"proxy_intercept_errors\"",
    ),
    (
        "proxy_upstream_buffer",
        "ngx_stream_proxy_module",
        "write \"proxy_buffer_size\"",
    ),
    (
        "proxy_upstream_fail_timeout",
        "ngx_http_proxy_module",
        "set \"fail_timeout\" of the \"server\" in \"upstream\"",
    ),
    (
        "proxy_upstream_max_fails",
        "ngx_http_proxy_module",
        "set \"max_fails\" of the \"server\" in \"upstream\"",
    ),
    (
        "rtsig_overflow_events",
        "ngx_rtsig_module",
        "remove it; write \"use epoll\" if anything",
    ),
    (
        "rtsig_overflow_test",
        "ngx_rtsig_module",
        "remove it; write \"use epoll\" if anything",
    ),
    (
        "rtsig_overflow_threshold",
        "ngx_rtsig_module",
        "remove it; write \"use epoll\" if anything",
    ),
    (
        "rtsig_signo",
        "ngx_rtsig_module",
        "remove it; write \"use epoll\" if anything",
    ),
    (
        "satisfy_any",
        "ngx_http_core_module",
        "write \"satisfy any\"",
    ),
    (
        "so_keepalive",
        "ngx_mail_core_module",
        "write \"listen ... so_keepalive=on\"",
    ),
    (
        "spdy_chunk_size",
        "ngx_http_spdy_module",
        "write \"http2_chunk_size\"",
    ),
    (
        "spdy_headers_comp",
        "ngx_http_spdy_module",
        "write \"http2 on\" and remove it",
    ),
    (
        "spdy_keepalive_timeout",
        "ngx_http_spdy_module",
        "write \"keepalive_timeout\"",
    ),
    (
        "spdy_max_concurrent_streams",
        "ngx_http_spdy_module",
        "write \"http2_max_concurrent_streams\"",
    ),
    ("spdy_pool_size", "ngx_http_spdy_module", "remove it"),
    (
        "spdy_recv_buffer_size",
        "ngx_http_spdy_module",
        "write \"http2_recv_buffer_size\"",
    ),
    (
        "spdy_recv_timeout",
        "ngx_http_spdy_module",
        "write \"client_header_timeout\"",
    ),
    (
        "spdy_streams_index_size",
        "ngx_http_spdy_module",
        "remove it",
    ),
    ("ssl", "ngx_http_ssl_module", "write \"listen ... ssl\""),
    ("thread_stack_size", "ngx_core_module", "remove it"),
    ("worker_rlimit_sigpending", "ngx_core_module", "remove it"),
    ("worker_threads", "ngx_core_module", "write \"thread_pool\""),
];
