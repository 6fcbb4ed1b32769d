//! `tollfree status`.

use std::io::{self, Write as _};
use std::time::Duration;

use super::{StatusArguments, fail};
use crate::api::{self, ClientError};
use crate::config::Config;
use crate::exit::Exit;
use crate::status::render;

/// Moves the cursor home and clears the screen (ECMA-48).
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

pub(super) fn run(arguments: &StatusArguments) -> Exit {
    let config = match Config::load(&arguments.config.config) {
        Ok(config) => config,
        Err(error) => return fail(&error, Exit::Config),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, Exit::Failure),
    };
    let socket = api::socket_path(&config.gateway.run_dir);
    loop {
        match runtime.block_on(api::status(&socket)) {
            Ok(status) => {
                let text = if arguments.json {
                    serde_json::to_string_pretty(&status).map_err(io::Error::other).map(|json| json + "\n")
                } else {
                    Ok(render(&status))
                };
                let clear = if arguments.watch.is_some() { CLEAR } else { "" };
                let written = text.and_then(|text| write!(io::stdout(), "{clear}{text}"));
                if let Err(error) = written {
                    return fail(&error, Exit::Failure);
                }
            }
            Err(error @ ClientError::NotAllowed { .. }) => return fail(&error, Exit::NotRoot),
            Err(error @ ClientError::NotRunning { .. }) => return fail(&error, Exit::NotRunning),
            Err(error) => return fail(&error, Exit::Failure),
        }
        match arguments.watch {
            Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
            None => return Exit::Success,
        }
    }
}
