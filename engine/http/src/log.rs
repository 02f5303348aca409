//! The error log: which files a location's messages go to, and what is added to them.

use crate::connection::Connection;
use crate::core::error_log::ERROR_LOG;
use crate::request::Request;
use http1::Known;
use runtime::log::Level;

impl Request {
    /// Logs `message` with what identifies the request, as nginx does.
    pub fn log(&self, level: Level, message: &str) {
        let logger = ERROR_LOG.of(&self.location.settings).logs.logger();
        if !logger.enabled(level) {
            return;
        }
        let mut text = format!(", client: {}", self.connection.peer.host());
        text += &format!(", server: {}", String::from_utf8_lossy(self.server.name()));
        if !self.line().is_empty() {
            text += &format!(", request: \"{}\"", String::from_utf8_lossy(self.line()));
        }
        if let Some(host) = self.header(Known::Host) {
            text += &format!(", host: \"{}\"", String::from_utf8_lossy(host));
        }
        if let Some(referer) = self.header(Known::Referer) {
            text += &format!(", referrer: \"{}\"", String::from_utf8_lossy(referer));
        }
        logger.log(
            level,
            Some(self.connection.number),
            message.as_bytes(),
            text.as_bytes(),
        );
    }
}

impl Connection {
    /// Logs `message` with what identifies the connection.
    pub fn log(&self, level: Level, message: &str) {
        let root = &self.servers().default.root;
        let logger = ERROR_LOG.of(&root.settings).logs.logger();
        if !logger.enabled(level) {
            return;
        }
        let text = format!(
            ", client: {}, server: {}",
            self.peer.host(),
            self.socket.address
        );
        logger.log(
            level,
            Some(self.number),
            message.as_bytes(),
            text.as_bytes(),
        );
    }
}
