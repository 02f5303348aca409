//! The error log: which files a location's messages go to, and what is added to them.

use crate::connection::Connection;
use crate::core::error_log::ERROR_LOG;
use crate::request::Request;
use http1::Known;
use runtime::log::{Level, Logger, Subject};

impl Request {
    /// Logs `message` with what identifies the request, as nginx does.
    pub fn log(&self, level: Level, message: &str) {
        let logger = ERROR_LOG.of(&self.location.settings).logs.logger();
        self.connection
            .write_log(logger, level, message, || self.subject());
    }

    /// Whether anybody wants to know what [`Self::debug`] says: with `error_log ... debug`, or
    /// for a connection that `debug_connection` names.
    #[inline]
    pub fn is_debugged(&self) -> bool {
        self.connection.is_debugged || self.location.is_debugged
    }

    /// Logs what `message` says when anybody wants to know that much.
    #[inline]
    pub fn debug(&self, message: impl FnOnce(&Self) -> String) {
        if self.is_debugged() {
            let logger = ERROR_LOG.of(&self.location.settings).logs.logger();
            let number = self.connection.number;
            let text = message(self);
            let subject = || Subject::connection(number);
            self.connection
                .write_log(logger, Level::Debug, &text, subject);
        }
    }

    /// The client, the server, the lines and fields that identify the request, the peer it is
    /// sent to, and what `error_log_tag` adds.
    fn subject(&self) -> Subject {
        let mut subject = Subject::connection(self.connection.number);
        subject.tag("client", self.remote_addr().host().to_string());
        subject.tag("server", self.server.name());
        if !self.line().is_empty() {
            subject.quote("request", self.line());
            if self.is_subrequest {
                subject.quote("subrequest", &*self.uri);
            }
        }
        if let Some(upstream) = crate::gateway::record::log_tag(self) {
            subject.quote("upstream", upstream);
        }
        if let Some(host) = self.header(Known::Host) {
            subject.quote("host", host);
        }
        if let Some(referer) = self.header(Known::Referer) {
            subject.quote("referrer", referer);
        }
        self.add_configured_tags(&mut subject);
        subject
    }

    /// Adds the tags of `error_log_tag`. Computing their variables may itself have something to
    /// log, which goes without.
    fn add_configured_tags(&self, subject: &mut Subject) {
        let tags = &ERROR_LOG.of(&self.location.settings).tags;
        if tags.is_empty() || self.is_tagging.replace(true) {
            return;
        }
        for (name, value) in tags.iter() {
            subject.quote(name.clone(), value.eval(self));
        }
        self.is_tagging.set(false);
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
            let mut subject = Subject::connection(self.number);
            subject.tag("client", self.peer.host().to_string());
            subject.tag("server", self.socket.address.to_string());
            subject
        });
    }

    /// As [`Request::debug`], before there is a request.
    pub fn debug(&self, message: impl FnOnce(&Self) -> String) {
        let logger = ERROR_LOG
            .of(&self.servers().default.root.settings)
            .logs
            .logger();
        if self.is_debugged || logger.enabled(Level::Debug) {
            let number = self.number;
            self.write_log(logger, Level::Debug, &message(self), || {
                Subject::connection(number)
            });
        }
    }

    fn write_log(
        &self,
        logger: &Logger,
        level: Level,
        message: &str,
        subject: impl FnOnce() -> Subject,
    ) {
        if self.is_debugged {
            logger.log_everywhere(&subject(), level, message);
        } else if logger.enabled(level) {
            logger.log_about(&subject(), level, message);
        }
    }
}
