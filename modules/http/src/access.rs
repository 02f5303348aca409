//! Who may come in by address: `allow` and `deny`.
//!
//! First in the access phase, since it is the cheapest to ask. The first rule that the client's
//! address fits decides.
//!
//! Source: nginx documentation, ngx_http_access_module.

use base::cidr::Cidr;
use engine::directive::custom;
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, inherit_fields,
};
use http::core::respond::SATISFY;
use http::{Error, Flow, Handler, Module, Phase, Request};
use runtime::log::Level;
use std::net::IpAddr;

/// The rules of a location, in their order.
#[derive(Clone, Default)]
struct Settings {
    rules: Setting<Vec<Rule>>,
}

inherit_fields!(Settings { rules });

/// `allow` or `deny`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rule {
    whom: Whom,
    allows: bool,
}

/// Whose address a rule fits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Whom {
    /// Everybody.
    All,
    /// Who comes over a Unix socket.
    Unix,
    /// Who has an address in this range.
    Range(Cidr),
}

const CONTEXTS: Contexts = Contexts::ALL.with(Contexts::LIMIT_EXCEPT);

const DIRECTIVES: &[Directive<Settings>] = &[
    custom("allow", CONTEXTS, Arity::ONE, |settings, line| {
        add(settings, line, true)
    }),
    custom("deny", CONTEXTS, Arity::ONE, |settings, line| {
        add(settings, line, false)
    }),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Access by address.
pub(crate) static MODULE: Module = Module {
    name: "access",
    settings: &[&SETTINGS],
    handlers: &[Handler::now(Phase::Access, is_enabled, judge)],
    ..Module::EMPTY
};

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).rules.is_empty()
}

/// Refuses or grants as the first fitting rule says.
fn judge(request: &mut Request) -> Result<Flow, Error> {
    let location = &request.location;
    let rules = &SETTINGS.of(&location.settings).rules;
    match verdict(rules, request.remote_addr().ip()) {
        None => Ok(Flow::Decline),
        Some(true) => Ok(Flow::Allow),
        Some(false) => {
            // With `satisfy any` somebody else may yet let the client in.
            if SATISFY[*location.respond.satisfy] == "all" {
                request.log(Level::Error, "access forbidden by rule");
            }
            Ok(Flow::Status(403))
        }
    }
}

/// What the first fitting rule says; `None` when there is none. A client without an IP address
/// came over a Unix socket.
fn verdict(rules: &[Rule], address: Option<IpAddr>) -> Option<bool> {
    // An IPv4 client of an IPv6 socket is judged by the rules for IPv4.
    let address = address.map(|ip| ip.to_canonical());
    let fits = |rule: &&Rule| match (rule.whom, address) {
        (Whom::All, _) | (Whom::Unix, None) => true,
        (Whom::Range(range), Some(address)) => range.contains(address),
        (Whom::Unix, Some(_)) | (Whom::Range(_), None) => false,
    };
    rules.iter().find(fits).map(|rule| rule.allows)
}

/// `allow | deny address | CIDR | unix: | all`
fn add(settings: &mut Settings, line: &mut Line<'_>, allows: bool) -> Result<(), Refused> {
    let whom = match line.arg(0) {
        b"all" => Whom::All,
        b"unix:" => Whom::Unix,
        text => {
            let range = line.loading.cidr(text, line.directive.end);
            Whom::Range(range.ok_or_else(|| line.invalid_parameter(0))?)
        }
    };
    settings.rules.edit().push(Rule { whom, allows });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    fn rules(text: &str) -> Vec<Rule> {
        let rule = |line: &str| {
            let (word, whom) = line.trim().split_once(' ').unwrap();
            let whom = match whom {
                "all" => Whom::All,
                "unix:" => Whom::Unix,
                range => Whom::Range(Cidr::parse(range).unwrap().cidr),
            };
            let allows = word == "allow";
            Rule { whom, allows }
        };
        text.split(';').map(rule).collect()
    }

    #[track_caller]
    fn check_verdict(text: &str, address: &str, expected: Option<bool>) {
        let address = (address != "unix:").then(|| address.parse().unwrap());
        assert_eq!(verdict(&rules(text), address), expected, "{address:?}");
    }

    #[test]
    fn the_first_fitting_rule_decides() {
        let text = "deny 192.168.1.1; allow 192.168.1.0/24; allow 2001:db8::/32; deny all";
        check_verdict(text, "192.168.1.1", Some(false));
        check_verdict(text, "192.168.1.2", Some(true));
        check_verdict(text, "192.168.2.2", Some(false));
        check_verdict(text, "::ffff:192.168.1.2", Some(true));
        check_verdict(text, "2001:db8::1", Some(true));
        check_verdict(text, "2001:db9::1", Some(false));
        check_verdict(text, "unix:", Some(false));
        check_verdict("allow unix:; deny 10.0.0.0/8", "unix:", Some(true));
        check_verdict("allow unix:; deny 10.0.0.0/8", "11.0.0.1", None);
    }

    #[test]
    fn addresses_are_checked() {
        check("allow 10.0.0.0/8; deny ::1; deny unix:; allow all;", "");
        check(
            "allow 10.0.0.1/8;",
            "low address bits of 10.0.0.1/8 are meaningless",
        );
        check("deny localhost;", "invalid parameter \"localhost\"");
        check("deny ALL;", "invalid parameter \"ALL\"");
    }
}
