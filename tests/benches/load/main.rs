//! The service under load: thousands of simulated devices over real SSH, everything in processes of their own.
//!
//! `cargo bench -p cliffwatch-tests --bench load -- --devices 1000 --seconds 600 --hung 10%`
//!
//! The service has one core to itself, the devices have another. It exits 1 where a goal is missed: no missed and no
//! failed poll of a device that is well, 99 of 100 polls within 100 ms of their tick, memory below 1.3 GB.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a bench, run by hand"
)]

mod processes;
mod scrape;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cliffwatch_sim::Share;
use tokio::time::{Instant, sleep};

use processes::{Fleet, Product};
use scrape::Scrape;

/// What the issue asks for.
const SLIP_P99_MAX: Duration = Duration::from_millis(100);
const MEMORY_MAX_MB: u64 = 1_300;
/// How long the first good poll of every device may take.
const START_MAX: Duration = Duration::from_secs(900);
/// As Prometheus would: rendering the metrics of thousands of devices is part of the load.
const SCRAPE_EVERY: Duration = Duration::from_secs(15);

#[derive(Debug, Parser)]
struct Arguments {
    /// How many devices.
    #[arg(long, default_value_t = 1_000)]
    devices: usize,
    /// How long each phase is measured.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// A second phase, in which so many devices hang: `10%`.
    #[arg(long)]
    hung: Option<Share>,
    /// How often each device is polled, in seconds.
    #[arg(long, default_value_t = 10)]
    interval: u64,
    /// What cargo gives to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a phase gave.
struct Phase {
    name: String,
    seconds: f64,
    before: Scrape,
    after: Scrape,
    cpu: Duration,
    memory_max_mb: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let interval = Duration::from_secs(arguments.interval);
    let folder = tempfile::tempdir().unwrap();
    processes::stay_on(processes::DEVICES_CORE);
    let mut fleet = Fleet::start(folder.path(), arguments.devices, interval);
    let mut product = Product::start(folder.path());
    let Some(start) = start(&mut product, arguments.devices).await else {
        println!(
            "The service ended, or some devices had no good poll within {START_MAX:?}:\n{}",
            product.log_end()
        );
        return ExitCode::FAILURE;
    };
    println!(
        "{} devices, each every {interval:?}; the service on one core, SQLite, scraped every {SCRAPE_EVERY:?}",
        arguments.devices
    );
    println!(
        "start: every device had a good poll after {:.0} s, {:.0} s of CPU",
        start.0.as_secs_f64(),
        start.1.as_secs_f64()
    );
    sleep(interval * 2).await;
    let seconds = Duration::from_secs(arguments.seconds);
    let mut well = true;
    let calm = measure("all well", &product, seconds).await;
    well &= calm.report(&|_| true);
    if let Some(share) = arguments.hung {
        let hung = fleet.hang(&share, arguments.devices);
        let phase = measure(&format!("{} hung", hung.len()), &product, seconds).await;
        well &= phase.report(&|device| !hung.contains(device));
    }
    println!("store: {} MB; {}", product.store_mb(), product.files());
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Waits until every device has had a good poll: for how long, and with how much CPU.
async fn start(product: &mut Product, devices: usize) -> Option<(Duration, Duration)> {
    let (started, mut told) = (Instant::now(), 0);
    while started.elapsed() < START_MAX && product.is_running() {
        sleep(Duration::from_secs(5)).await;
        let Some(polled) = product.scrape().map(|scrape| scrape.polled_once()) else { continue };
        if polled / 1_000 != told / 1_000 || polled == devices {
            told = polled;
            println!(
                "  {polled} devices after {:.0} s, {} MB",
                started.elapsed().as_secs_f64(),
                product.memory_mb()
            );
        }
        if polled >= devices {
            return Some((started.elapsed(), product.cpu()));
        }
    }
    None
}

async fn measure(name: &str, product: &Product, time: Duration) -> Phase {
    let (started, cpu) = (Instant::now(), product.cpu());
    let before = product.scrape().expect("metrics");
    let mut memory_max_mb = product.memory_mb();
    while started.elapsed() + SCRAPE_EVERY < time {
        sleep(SCRAPE_EVERY).await;
        product.scrape().expect("metrics");
        memory_max_mb = memory_max_mb.max(product.memory_mb());
    }
    tokio::time::sleep_until(started + time).await;
    let after = product.scrape().expect("metrics");
    let seconds = started.elapsed().as_secs_f64();
    Phase { name: name.to_owned(), seconds, before, after, cpu: product.cpu() - cpu, memory_max_mb }
}

impl Phase {
    /// Prints it; whether every goal was reached.
    fn report(&self, is_well: &dyn Fn(&str) -> bool) -> bool {
        let Self { name, seconds, before, after, cpu, memory_max_mb } = self;
        let slip = after.slip_since(before);
        let polls = after.polls() - before.polls();
        let missed = after.missed() - before.missed();
        let failed = after.failures(is_well) - before.failures(is_well);
        let dropped = after.dropped() - before.dropped();
        println!("\n{name}, {seconds:.0} s:");
        println!("  polls              {polls} ({:.0} a second)", polls as f64 / seconds);
        let goals = [
            goal("missed polls", missed.to_string(), "0", missed == 0),
            goal("failed, of the well", failed.to_string(), "0", failed == 0),
            goal("dropped", dropped.to_string(), "0", dropped == 0),
            goal("slip p99", slip.quantile(0.99).to_string(), "100 ms", slip.is_within(0.99, SLIP_P99_MAX)),
            goal(
                "memory, anonymous",
                format!("{memory_max_mb} MB"),
                "1300 MB",
                *memory_max_mb < MEMORY_MAX_MB,
            ),
        ];
        println!("  slip p50           {}", slip.quantile(0.5));
        println!("  slip max           {}", slip.quantile(1.0));
        println!(
            "  CPU                {:.1} % of a core, {:.3} ms a poll",
            cpu.as_secs_f64() / seconds * 100.0,
            cpu.as_secs_f64() * 1e3 / (polls.max(1)) as f64
        );
        goals.into_iter().all(|reached| reached)
    }
}

fn goal(what: &str, value: String, limit: &str, reached: bool) -> bool {
    let verdict = if reached { "ok" } else { "MISSED" };
    println!("  {what:<18} {value:<14} goal {limit:<8} {verdict}");
    reached
}
