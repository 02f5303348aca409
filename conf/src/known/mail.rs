//! The directives of nginx under `mail`.

use super::Module;

/// By module, in the order of their names.
pub(super) const MODULES: &[Module] = &[
    (
        "ngx_mail_auth_http_module",
        &[
            "auth_http",
            "auth_http_header",
            "auth_http_pass_client_cert",
            "auth_http_timeout",
        ],
    ),
    (
        "ngx_mail_core_module",
        &[
            "listen",
            "mail",
            "max_errors",
            "protocol",
            "resolver",
            "resolver_timeout",
            "server",
            "server_name",
            "timeout",
        ],
    ),
    (
        "ngx_mail_imap_module",
        &["imap_auth", "imap_capabilities", "imap_client_buffer"],
    ),
    ("ngx_mail_pop3_module", &["pop3_auth", "pop3_capabilities"]),
    (
        "ngx_mail_proxy_module",
        &[
            "proxy_buffer",
            "proxy_pass_error_message",
            "proxy_protocol",
            "proxy_smtp_auth",
            "proxy_timeout",
            "xclient",
        ],
    ),
    ("ngx_mail_realip_module", &["set_real_ip_from"]),
    (
        "ngx_mail_smtp_module",
        &[
            "smtp_auth",
            "smtp_capabilities",
            "smtp_client_buffer",
            "smtp_greeting_delay",
        ],
    ),
    (
        "ngx_mail_ssl_module",
        &[
            "ssl",
            "ssl_certificate",
            "ssl_certificate_compression",
            "ssl_certificate_key",
            "ssl_ciphers",
            "ssl_client_certificate",
            "ssl_conf_command",
            "ssl_crl",
            "ssl_dhparam",
            "ssl_ecdh_curve",
            "ssl_password_file",
            "ssl_prefer_server_ciphers",
            "ssl_protocols",
            "ssl_session_cache",
            "ssl_session_ticket_key",
            "ssl_session_tickets",
            "ssl_session_timeout",
            "ssl_trusted_certificate",
            "ssl_verify_client",
            "ssl_verify_depth",
            "starttls",
        ],
    ),
];
