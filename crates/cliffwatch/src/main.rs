//! Cliffwatch catches NAT and session-table exhaustion before connections fail.
//!
//! This crate is the outside: the command line, the files an operator writes, and the wiring. To read on:
//! `cli.rs` (what can be asked), `commands/` (what happens then), `yaml.rs` and `diagnostics.rs` (how
//! files are read and mistakes are shown), `registry.rs` (the list of platforms).

mod cli;
mod commands;
mod config;
mod diagnostics;
mod inventory;
mod logging;
mod open_files;
mod registry;
mod rules_file;
mod scenario;
mod value;
mod yaml;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    commands::run(cli::Cli::parse())
}
