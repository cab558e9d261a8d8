//! The tool; see the library for what it does.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    iothub_provision::cli::main()
}
