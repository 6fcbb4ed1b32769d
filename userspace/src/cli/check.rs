//! `tollfree check`.

use std::io::{self, Write as _};

use jiff::Timestamp;

use super::checked::Checked;
use super::{CheckArguments, fail};
use crate::config::Config;
use crate::diagnostic::Diagnostics;
use crate::exit::Exit;
use crate::policy::{self, CompileInput, compile};

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
        proxies: &config.signalling.proxies,
        gateway_id: &config.gateway.id,
        region: config.gateway.region.as_deref(),
        ..CompileInput::new(&policy, &policy.provisional_numbers(), Timestamp::now())
    }) {
        Ok(plan) => plan,
        Err(error) => return fail(&error, Exit::Policy),
    };
    let checked = Checked::of(&policy, &plan, config.resolver.dnssec);
    let text = if arguments.plan {
        plan.describe()
    } else if arguments.json {
        to_json(&checked)
    } else {
        checked.to_string()
    };
    // Nobody may be reading.
    let _ = io::stdout().write_all(text.as_bytes());
    Exit::Success
}

fn show(faults: &Diagnostics, json: bool, exit: Exit) -> Exit {
    if !json {
        return fail(faults, exit);
    }
    // Nobody may be reading.
    let _ = io::stdout().write_all(to_json(&Checked::refused(faults)).as_bytes());
    exit
}

fn to_json(checked: &Checked) -> String {
    let text = serde_json::to_string_pretty(checked).unwrap_or_else(|error| error.to_string());
    format!("{text}\n")
}
