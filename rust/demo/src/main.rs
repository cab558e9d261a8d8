//! What `cargo run` starts: a development PKI, a local IoT Hub and a simulated Thingy:91, each of
//! the last two a process of its own.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = iothub_demo::Arguments::parse();
    match iothub_demo::run(arguments) {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
