//! Starts a simulated fleet and writes the inventory that polls it.
//!
//! ```text
//! cliffwatch-sim --devices 100 --inventory sim.yaml &
//! cliffwatch serve --inventory sim.yaml
//! ```

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use cliffwatch_engine::clock::SystemClock;
use cliffwatch_sim::linux::Documented;
use cliffwatch_sim::{BUILTIN, Fault, Fleet, LoginKey, Options, Polling, Scenario, Share};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// An order on standard input is a word or two.
const ORDER_BYTES_MAX: u64 = 200;
/// Orders that wait.
const ORDERS_MAX: usize = 16;

/// Simulated devices on 127.77.0.0/16 that speak the real protocols.
///
/// While it runs, it takes orders on standard input: `hung 10%`, `slow=200ms gw-7`, `closes all`, `heal all`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How many devices.
    #[arg(long, default_value_t = 10)]
    devices: usize,
    /// What happens: `calm`, `cliff` or a YAML file.
    #[arg(long, default_value = "cliff")]
    scenario: String,
    /// Where to write the inventory. The key that it names is made beside it, `sim_key`.
    #[arg(long, default_value = "sim.yaml")]
    inventory: PathBuf,
    /// How often the inventory wants them polled, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
    /// The port of all devices; 0 for any that is free.
    #[arg(long, default_value_t = 2222)]
    port: u16,
    /// Ends after so many seconds; without it, by a signal.
    #[arg(long)]
    seconds: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    let ended = runtime.block_on(run(&arguments));
    runtime.shutdown_background();
    match ended {
        Ok(undocumented) if undocumented => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    let _unheard = writeln!(std::io::stderr(), "error: {error}").is_err();
    ExitCode::FAILURE
}

/// Runs to the end; whether anything undocumented was asked.
async fn run(arguments: &Arguments) -> Result<bool, String> {
    raise_file_limit();
    let key = std::path::absolute(arguments.inventory.with_file_name("sim_key")).map_err(text)?;
    let login = LoginKey::in_file(&key).map_err(|error| format!("{}: {error}", key.display()))?;
    let documented = Arc::new(Documented::by_adapter().map_err(text)?);
    let devices = scenario(&arguments.scenario, &documented)?.devices(arguments.devices);
    let count = devices.len();
    let options = Options { port: arguments.port, clock: Arc::new(SystemClock::new()), login, strict: false };
    let fleet = Fleet::start(devices, options).map_err(text)?;
    let interval = Duration::from_secs(arguments.interval);
    let polling = Polling { interval, timeout: interval * 9 / 10, key, settings: None };
    let inventory = &arguments.inventory;
    std::fs::write(inventory, fleet.inventory(&polling))
        .map_err(|error| format!("{}: {error}", inventory.display()))?;
    say(&format!("{count} devices; poll them with: cliffwatch serve --inventory {}", inventory.display()));
    work(&fleet, arguments.seconds.map(Duration::from_secs)).await?;
    let undocumented = fleet.undocumented();
    say(&format!("{} logins, {} undocumented commands", fleet.logins(), undocumented.len()));
    Ok(!undocumented.is_empty())
}

fn scenario(name: &str, documented: &Arc<Documented>) -> Result<Scenario, String> {
    let text = match BUILTIN.iter().find(|(builtin, _)| *builtin == name) {
        Some((_, text)) => (*text).to_owned(),
        None => std::fs::read_to_string(name).map_err(|error| format!("scenario `{name}`: {error}"))?,
    };
    Scenario::parse(&text, documented).map_err(|error| format!("scenario `{name}`: {error}"))
}

/// Takes orders until a signal or the time ends it.
async fn work(fleet: &Fleet, time: Option<Duration>) -> Result<(), String> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(text)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(text)?;
    let mut orders = orders();
    let end = async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return Ok(()),
            _signal = interrupt.recv() => return Ok(()),
            _signal = terminate.recv() => return Ok(()),
            // Without standard input it runs on.
            Some(order) = orders.recv() => say(&obey(fleet, order.trim())),
        }
    }
}

/// The lines of standard input. A thread of its own waits for them: nothing else can.
fn orders() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(ORDERS_MAX);
    std::thread::spawn(move || {
        let mut line = String::new();
        while std::io::stdin()
            .lock()
            .take(ORDER_BYTES_MAX)
            .read_line(&mut line)
            .is_ok_and(|length| length > 0)
        {
            if sender.blocking_send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// `FAULT SHARE` or `heal SHARE`.
fn obey(fleet: &Fleet, order: &str) -> String {
    let (what, share) = order.split_once(char::is_whitespace).unwrap_or((order, "all"));
    let share: Share = match share.trim().parse() {
        Ok(share) => share,
        Err(error) => return error.to_string(),
    };
    if what == "heal" {
        return format!("{} devices healed", fleet.heal(&share));
    }
    match what.parse::<Fault>() {
        Ok(fault) => format!("{} devices: {fault}", fleet.break_down(&share, fault)),
        Err(error) => error.to_string(),
    }
}

/// A file descriptor per connection, as far as we may.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if let Err(error) = raised {
        tracing::warn!(%error, limit = ?limit.current, "The limit of open files cannot be raised.");
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn say(text: &str) {
    let _nobody_listens = writeln!(std::io::stdout(), "{text}").is_err();
}
