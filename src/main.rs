//! The `ftpgate` command; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ftpgate::cli::main()
}
