//! The error log: which files a location's messages go to, and what is added to them.

use crate::connection::Connection;
use crate::core::error_log::ERROR_LOG;
use crate::request::Request;
use http1::Known;
use runtime::log::{Level, Logger};

impl Request {
    /// Logs `message` with what identifies the request, as nginx does.
    pub fn log(&self, level: Level, message: &str) {
        let logger = ERROR_LOG.of(&self.location.settings).logs.logger();
        self.connection.write_log(logger, level, message, || {
            let mut text = format!(", client: {}", self.remote_addr().host());
            text += &format!(", server: {}", String::from_utf8_lossy(self.server.name()));
            if !self.line().is_empty() {
                text += &format!(", request: \"{}\"", String::from_utf8_lossy(self.line()));
                if self.is_subrequest {
                    text += &format!(", subrequest: \"{}\"", String::from_utf8_lossy(&self.uri));
                }
            }
            if let Some(upstream) = crate::gateway::record::log_context(self) {
                text += &upstream;
            }
            if let Some(host) = self.header(Known::Host) {
                text += &format!(", host: \"{}\"", String::from_utf8_lossy(host));
            }
            if let Some(referer) = self.header(Known::Referer) {
                text += &format!(", referrer: \"{}\"", String::from_utf8_lossy(referer));
            }
            text
        });
    }

    /// Logs what `message` says when anybody wants to know that much: with `error_log ...
    /// debug`, or for a connection that `debug_connection` names.
    #[inline]
    pub fn debug(&self, message: impl FnOnce(&Self) -> String) {
        let logger = ERROR_LOG.of(&self.location.settings).logs.logger();
        if self.connection.is_debugged || logger.enabled(Level::Debug) {
            let text = message(self);
            self.connection
                .write_log(logger, Level::Debug, &text, String::new);
        }
    }
}

impl Connection {
    /// Logs `message` with what identifies the connection.
    pub fn log(&self, level: Level, message: &str) {
        let logger = ERROR_LOG
            .of(&self.servers().default.root.settings)
            .logs
            .logger();
        self.write_log(logger, level, message, || {
            format!(
                ", client: {}, server: {}",
                self.peer.host(),
                self.socket.address
            )
        });
    }

    /// As [`Request::debug`], before there is a request.
    pub fn debug(&self, message: impl FnOnce(&Self) -> String) {
        let logger = ERROR_LOG
            .of(&self.servers().default.root.settings)
            .logs
            .logger();
        if self.is_debugged || logger.enabled(Level::Debug) {
            self.write_log(logger, Level::Debug, &message(self), String::new);
        }
    }

    fn write_log(
        &self,
        logger: &Logger,
        level: Level,
        message: &str,
        context: impl FnOnce() -> String,
    ) {
        if self.is_debugged {
            let context = context();
            let (message, context) = (message.as_bytes(), context.as_bytes());
            logger.log_everywhere(level, Some(self.number), message, context);
        } else if logger.enabled(level) {
            logger.log(
                level,
                Some(self.number),
                message.as_bytes(),
                context().as_bytes(),
            );
        }
    }
}
