//! `retry_budget`: how many requests to a group may be tried again. Ours, not nginx's.

use super::{Nothing, current};
use engine::directive::{custom, set_once};
use engine::retry_budget::RetryRules;
use engine::{Arity, Contexts, Directive, Line, Refused, Slot};
use http::Module;

/// Most retries for a request that a budget may give.
const PERCENT_MAX: u64 = 10_000;

const DIRECTIVES: &[Directive<Nothing>] = &[custom(
    "retry_budget",
    Contexts::UPSTREAM,
    Arity::between(1, 2),
    |_, line| read(line),
)];

static SETTINGS: Slot<Nothing> = Slot::location(DIRECTIVES);

/// Limits of retries.
pub(crate) static MODULE: Module = Module {
    name: "upstream_retry_budget",
    settings: &[&SETTINGS],
    ..Module::EMPTY
};

/// `retry_budget percent% [min=number] | off`
fn read(line: &mut Line<'_>) -> Result<(), Refused> {
    let rules = match line.arg(0) {
        b"off" if line.args().len() == 1 => None,
        word => Some(RetryRules {
            percent: percent(word).ok_or_else(|| line.invalid_value(0))?,
            per_second: match line.arg(1) {
                b"" if line.args().len() < 2 => RetryRules::default().per_second,
                word => {
                    let number = word.strip_prefix(b"min=").and_then(number);
                    number.ok_or_else(|| line.invalid_parameter(1))?
                }
            },
        }),
    };
    let level = line.level;
    set_once(&mut current(line.loading, level)?.retries, rules)
}

fn percent(word: &[u8]) -> Option<u32> {
    let value = base::units::parse_decimal(word.strip_suffix(b"%")?).ok()?;
    u32::try_from(value).ok().filter(|_| value <= PERCENT_MAX)
}

fn number(word: &[u8]) -> Option<u32> {
    let value = base::units::parse_decimal(word).ok()?;
    u32::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn budgets_and_their_misuse() {
        let with = |line: &str| format!("upstream u {{ server 127.0.0.1:1; {line} }}");
        check(&with("retry_budget 20%;"), "");
        check(&with("retry_budget 0% min=0;"), "");
        check(&with("retry_budget off;"), "");
        check(&with("retry_budget 20;"), "invalid value \"20\"");
        check(&with("retry_budget 10001%;"), "invalid value \"10001%\"");
        check(&with("retry_budget off min=1;"), "invalid value \"off\"");
        check(
            &with("retry_budget 20% max=1;"),
            "invalid parameter \"max=1\"",
        );
        check(
            &with("retry_budget 20%; retry_budget off;"),
            "\"retry_budget\" directive is duplicate",
        );
    }
}
