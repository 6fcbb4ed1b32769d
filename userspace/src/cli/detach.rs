//! `tollfree detach`.

use std::io::{self, Write as _};

use super::{ConfigArgument, fail};
use crate::config::Config;
use crate::daemon::{check_not_running, dataplane_exit};
use crate::dataplane;
use crate::exit::Exit;

pub(super) fn run(arguments: &ConfigArgument) -> Exit {
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return fail(&error, Exit::Config),
    };
    if let Err(error) = dataplane::check_root() {
        return fail(&error, dataplane_exit(&error));
    }
    if let Err(error) = check_not_running(&config.gateway.run_dir) {
        return fail(&error, error.exit());
    }
    match dataplane::detach(&config.gateway.bpffs) {
        Ok(count) => {
            // Nobody may be reading.
            let _ = writeln!(io::stdout(), "detached from {count} interfaces");
            Exit::Success
        }
        Err(error) => fail(&error, dataplane_exit(&error)),
    }
}
