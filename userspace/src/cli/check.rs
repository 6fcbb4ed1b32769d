//! `tollfree check`.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use jiff::Timestamp;

use super::{CheckArguments, fail};
use crate::config::Config;
use crate::diagnostic::Diagnostics;
use crate::exit::Exit;
use crate::policy::{self, CompileInput, PolicySet, RuleKey, compile};

pub(super) fn run(arguments: &CheckArguments) -> Exit {
    let config = match Config::load(&arguments.config.config) {
        Ok(config) => config,
        Err(faults) => return show(&faults, arguments.json, Exit::Config),
    };
    let policy = match policy::load(&config.policy_directory) {
        Ok(policy) => policy,
        Err(faults) => return show(&faults, arguments.json, Exit::Policy),
    };
    let plan = match compile(&CompileInput {
        policies: &policy,
        numbers: &provisional_numbers(&policy),
        addresses: &BTreeMap::new(),
        proxies: &config.signalling.proxies,
        gateway_id: &config.gateway.id,
        region: config.gateway.region.as_deref(),
        now: Timestamp::now(),
        monotonic_ns: &|_| u64::MAX,
    }) {
        Ok(plan) => plan,
        Err(error) => return fail(&error, Exit::Policy),
    };
    let mut text = String::new();
    if arguments.plan {
        text = plan.describe();
    } else if arguments.json {
        text.push_str("[]\n");
    } else {
        let (policies, rules) = (policy.policies.len(), plan.rules.len());
        text = format!("{policies} policies, {rules} rules in force now; digest {}\n", policy.digest);
    }
    // Nobody may be reading.
    let _ = io::stdout().write_all(text.as_bytes());
    Exit::Success
}

/// Numbers to compile with; the ledger gives the permanent ones when a policy is put in force.
fn provisional_numbers(policy: &PolicySet) -> BTreeMap<RuleKey, u32> {
    policy.rule_keys().into_iter().zip(1..).collect()
}

fn show(faults: &Diagnostics, json: bool, exit: Exit) -> Exit {
    if !json {
        return fail(faults, exit);
    }
    let text = serde_json::to_string_pretty(faults).unwrap_or_else(|error| error.to_string());
    // Nobody may be reading.
    let _ = writeln!(io::stdout(), "{text}");
    exit
}
