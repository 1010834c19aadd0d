//! The binary: parse, run, print what went wrong, exit with the code of its kind.

use std::process::ExitCode;

use clap::Parser;
use homelab::{cli::Cli, commands, error::Kind, render::failure};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own code for a usage error is 2, which `plan --detailed-exitcode` gives a meaning.
            let code = if error.use_stderr() { Kind::Usage.exit_code() } else { 0 };
            // A terminal that is gone is no reason to say more.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            anstream::eprintln!("error: the runtime cannot be started: {error}");
            return ExitCode::from(10);
        }
    };
    let global = cli.global.clone();
    commands::prepare(&global);
    let outcome = runtime.block_on(commands::run(cli));
    // What still runs in the background (a lost connection's farewell) must not hold the process.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            failure::print(&error, global.output);
            ExitCode::from(error.kind.exit_code())
        }
    }
}
