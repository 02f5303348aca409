//! What `auth_require` and `auth_jwt_require` have in common: values that must be there.

use base::units;
use engine::{Line, Refused, Template};
use http::Request;
use http::core::respond::SATISFY;
use runtime::log::Level;

/// Values that must all be there, and the answer when one of them is not.
#[derive(Clone, Debug)]
pub(crate) struct Requirement {
    values: Vec<(Template, Box<str>)>,
    status: u16,
}

impl Requirement {
    /// Reads `$value ... [error=status]`; `otherwise` is the status without that parameter,
    /// which may be one that `allows`.
    pub(crate) fn read(
        line: &mut Line<'_>,
        otherwise: u16,
        allows: fn(u64) -> bool,
    ) -> Result<Self, Refused> {
        let mut requirement = Self {
            values: Vec::new(),
            status: otherwise,
        };
        for index in 0..line.args().len() {
            let word = line.arg(index);
            if let Some(status) = word.strip_prefix(b"error=") {
                let status = units::parse_decimal(status).ok().filter(|s| allows(*s));
                requirement.status = status
                    .and_then(|status| u16::try_from(status).ok())
                    .ok_or_else(|| line.invalid_parameter(index))?;
            } else if word.starts_with(b"$") {
                let text = String::from_utf8_lossy(word).into();
                requirement.values.push((line.template(index)?, text));
            } else {
                return Err(line.invalid_value(index));
            }
        }
        if requirement.values.is_empty() {
            return Err(Refused::new("no values are required"));
        }
        Ok(requirement)
    }

    /// The first value, as configured, that is empty or `0`.
    fn missing(&self, request: &Request) -> Option<&str> {
        let is_missing = |value: &Template| matches!(value.eval(request).as_slice(), b"" | b"0");
        let missing = self.values.iter().find(|(value, _)| is_missing(value));
        missing.map(|(_, text)| &**text)
    }
}

/// The status of the first requirement that is not met, which is logged.
pub(crate) fn unmet(requirements: &[Requirement], request: &Request) -> Option<u16> {
    for requirement in requirements {
        if let Some(value) = requirement.missing(request) {
            // With `satisfy any` somebody else may yet let the client in.
            if SATISFY[*request.location.respond.satisfy] == "all" {
                let message = format!("access forbidden by rule: \"{value}\" is required");
                request.log(Level::Error, &message);
            }
            return Some(requirement.status);
        }
    }
    None
}
