use std::sync::Arc;

use cliffwatch_api::{Access, ApiConfig, Server};
use cliffwatch_engine::{Changes, Options, Plan, ReloadError, Service};
use cliffwatch_store::Retention;
use tokio_util::sync::CancellationToken;

use super::setup::{Depth, Setup};
use super::signals::{Asked, Signals};
use super::{CommandError, Status, store};
use crate::cli::ServeArgs;
use crate::config::{Config, Flags, TokenScope};
use crate::diagnostics::{Level, Report};
use crate::open_files;
use crate::registry::Registry;

/// The name of the file in the data folder that holds released events until they are stored.
const JOURNAL: &str = "events.journal";

/// Every problem is to be found before the start: a service that half works is worse than none.
const DEPTH: Depth = Depth { secrets: true, devices: true, pins: true };

pub(super) async fn run(args: &ServeArgs) -> Result<Status, CommandError> {
    let mut signals = Signals::new()
        .map_err(|error| CommandError::Failed(format!("signals cannot be handled: {error}")))?;
    let flags = args.config.flags();
    let registry = Arc::new(Registry::new());
    let setup = Setup::load(&flags, &registry, DEPTH).usable()?;
    log_warnings(&setup.report);
    let open_files = open_files::raise();
    warn_too_few(open_files, &setup);
    let api = api_config(&setup.config).map_err(CommandError::Failed)?;
    let options = Options {
        poller: setup.config.poller.value.clone(),
        journal: setup.config.data_dir.value.join(JOURNAL),
        store: store::opener(&setup.config, false),
        factories: registry.factories(),
        dial: cliffwatch_transport::dial,
        plan: plan(&setup),
    };
    let service = Service::start(options).await.map_err(|error| CommandError::Failed(error.to_string()))?;
    let server = match Server::bind(&api, service.handle().clone()).await {
        Ok(server) => server,
        Err(error) => {
            service.stop().await;
            return Err(CommandError::Failed(error.to_string()));
        }
    };
    let scheme = if api.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", server.address());
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(url, version, devices = setup.targets.len(), store = %setup.config.store.value, "Cliffwatch is serving.");
    let started = Started { flags, registry, access: server.access(), config: setup.config, open_files };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(server.run(stop.clone()));
    work(&service, &started, &mut signals).await;
    tracing::info!("Stopping: polls under way end, everything is stored. A second signal stops at once.");
    stop.cancel();
    let ended = async {
        let _panicked = serving.await.is_err();
        service.stop().await;
    };
    tokio::select! {
        () = ended => {
            tracing::info!("Stopped.");
            Ok(Status::Fine)
        }
        () = signals.stop() => {
            tracing::warn!("Stopped at once; what was not stored yet is lost.");
            Ok(Status::NotFine)
        }
    }
}

/// What the service was started with: a reload begins here.
struct Started {
    flags: Flags,
    registry: Arc<Registry>,
    access: Access,
    config: Config,
    open_files: Option<u64>,
}

/// Reloads when asked, until asked to stop.
async fn work(service: &Service, started: &Started, signals: &mut Signals) {
    loop {
        let answer = tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => return,
                Asked::Reload => None,
            },
            Some(answer) = service.reload_requested() => Some(answer),
        };
        let result = reload(service, started).await;
        service.reloaded(result.is_ok());
        match &result {
            Ok(changes) => tracing::info!(
                added = changes.added,
                changed = changes.changed,
                retired = changes.retired,
                unchanged = changes.unchanged,
                "The configuration was loaded again."
            ),
            Err(error) => tracing::error!(%error, "The configuration was not loaded."),
        }
        if let Some(answer) = answer {
            // Who asked may have gone.
            let _gone = answer.send(result).is_err();
        }
    }
}

/// One way for SIGHUP and REST: everything is checked before anything changes.
async fn reload(service: &Service, started: &Started) -> Result<Changes, ReloadError> {
    let (flags, registry) = (started.flags.clone(), Arc::clone(&started.registry));
    // Ten thousand devices take a good part of a second of computing.
    let load = tokio::task::spawn_blocking(move || {
        let setup = Setup::load(&flags, &registry, DEPTH);
        let api = api_config(&setup.config);
        (setup, api)
    });
    let (setup, api) = load.await.map_err(|error| ReloadError::Refused(error.to_string()))?;
    if setup.report.errors() > 0 {
        return Err(ReloadError::Refused(setup.report.to_text().trim_end().to_owned()));
    }
    let api = api.map_err(ReloadError::Refused)?;
    started.access.apply(&api).map_err(|error| ReloadError::Refused(error.to_string()))?;
    log_warnings(&setup.report);
    warn_fixed(&started.config, &setup.config);
    warn_too_few(started.open_files, &setup);
    Ok(service.apply(plan(&setup)).await)
}

/// What is decided at the start stays; that it differs now must not go unnoticed.
fn warn_fixed(before: &Config, now: &Config) {
    let keys = [
        ("poller", before.poller.value != now.poller.value),
        ("listen", before.listen.value != now.listen.value),
        ("store", before.store.value != now.store.value),
        ("data_dir", before.data_dir.value != now.data_dir.value),
    ];
    for (key, _) in keys.into_iter().filter(|(_, differs)| *differs) {
        tracing::warn!(key, "The new value takes effect at the next start.");
    }
}

/// Without it the last devices would fail with `too many open files`, and each connection to the API.
fn warn_too_few(open_files: Option<u64>, setup: &Setup) {
    if let Some(problem) = open_files::too_few(open_files, setup.targets.len()) {
        tracing::warn!(problem, "Not every device can be held.");
    }
}

fn log_warnings(report: &Report) {
    for problem in report.problems() {
        let place = problem.at.map(|at| report.place(at)).unwrap_or_default();
        if problem.level == Level::Warning {
            tracing::warn!(
                place,
                problem = problem.message,
                hint = problem.hint,
                "The configuration can be used; one thing is not as it should be."
            );
        }
    }
}

fn plan(setup: &Setup) -> Plan {
    let retention = &setup.config.retention;
    Plan {
        targets: setup.targets.clone(),
        rules: Arc::clone(&setup.rules),
        maintenance: setup.maintenance(),
        retention: Retention {
            samples: retention.samples.value.0,
            rollups: retention.rollups.value.0,
            polls: retention.polls.value.0,
            events: retention.events.value.0,
        },
    }
}

/// The API's part, with the tokens' secrets read.
fn api_config(config: &Config) -> Result<ApiConfig, String> {
    let token = |token: &crate::config::Token| {
        let scope = match token.scope {
            TokenScope::Read => cliffwatch_api::Scope::Read,
            TokenScope::Write => cliffwatch_api::Scope::Write,
        };
        let secret = token.secret.value.read().map_err(|error| format!("token `{}`: {error}", token.name))?;
        Ok(cliffwatch_api::Token::new(&token.name, scope, secret.expose()))
    };
    let tokens = config.tokens.iter().map(token).collect::<Result<_, String>>()?;
    Ok(ApiConfig { tokens, ..config.api() })
}
