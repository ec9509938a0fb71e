//! Starting and running a simulator.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use anyhow::{Context, ensure};
use kefu_process::health::Health;
use kefu_process::http;
use kefu_process::ops::{self, Ops};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::callback::{Caller, Deliveries, QUEUE_MAX};
use crate::handle::{Handle, InvalidCallbackUrl, parse_callback_url};
use crate::report::Report;
use crate::settings::{Credentials, SimulatorSettings};
use crate::world::World;
use crate::{api, connection, control, model, page};

/// Server threads: the rules hold one lock, so more would only wait.
const THREADS: usize = 2;
/// Running requests get this long at a stop.
const SHUTDOWN_SECONDS: u64 = 2;
/// Longer than a client keeps an idle connection of a busy pool, so that closing is the client's part.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A simulator that listens. It answers while [`Simulator::run`] is polled.
pub struct Simulator {
    handle: Handle,
    address: SocketAddr,
    server: Server,
    deliveries: Deliveries,
    stop: CancellationToken,
}

/// Listens and prepares everything; errors name the setting that is wrong.
pub async fn start(settings: SimulatorSettings, stop: CancellationToken) -> anyhow::Result<Simulator> {
    check(&settings)?;
    let callback_url = settings
        .callback_url
        .as_deref()
        .map(parse_callback_url)
        .transpose()?;
    let stop = stop.child_token();
    let run = settings
        .run
        .clone()
        .unwrap_or_else(|| format!("{:08}", rand::random_range(0..100_000_000u32)));
    let (posts, queue) = mpsc::channel(QUEUE_MAX);
    let handle = Handle::new(
        World::new(settings.clone(), &run),
        callback_url,
        Caller::new(&settings)?,
        posts,
    );
    let deliveries = Deliveries::new(handle.clone(), queue, &settings);
    let listener = http::bind(settings.listen, "--listen")?;
    let address = listener
        .local_addr()
        .context("the listening socket has no address")?;
    let shared = web::Data::new(handle.clone());
    // Depends on nothing outside, so it is healthy as long as it answers.
    let operations = web::Data::new(Ops::new("simulator", Health::new(Vec::new())));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .configure(api::routes)
            .configure(model::routes)
            .configure(control::routes)
            .configure(page::routes)
            // After our own routes: `/` is the page here.
            .configure(|config| ops::configure(config, operations.clone()))
    })
    .on_connect(connection::remember)
    .workers(THREADS)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .shutdown_signal(stop.clone().cancelled_owned())
    .listen(listener)
    .context("cannot serve the simulator")?
    .run();
    info!(%address, "simulator listens on {address}");
    Ok(Simulator {
        handle,
        address,
        server,
        deliveries,
        stop,
    })
}

impl Simulator {
    /// Serves and calls back until the stop token given to [`start`] is cancelled. Poll it in a task set.
    pub async fn run(self) -> anyhow::Result<()> {
        let Simulator {
            server,
            deliveries,
            stop,
            ..
        } = self;
        let serving = async {
            let ended = server.await;
            stop.cancel();
            ended
        };
        let (served, ()) = tokio::join!(serving, deliveries.run(stop.clone()));
        served.context("the simulator's server failed")
    }

    /// A way to play with it while [`Simulator::run`] has taken it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stands in `wecom.api_base`.
    pub fn url(&self) -> String {
        format!("http://{}", http::reachable(self.address))
    }

    /// What stands in `ai.base_url`.
    pub fn model_url(&self) -> String {
        format!("{}/v1", self.url())
    }

    /// Where a person plays a customer.
    pub fn page_url(&self) -> String {
        format!("{}/", self.url())
    }

    pub fn set_callback_url(&self, url: &str) -> Result<(), InvalidCallbackUrl> {
        self.handle.set_callback_url(url)
    }

    pub fn credentials(&self) -> Credentials {
        self.handle.credentials()
    }

    pub fn report(&self) -> Report {
        self.handle.report()
    }
}

fn check(settings: &SimulatorSettings) -> anyhow::Result<()> {
    ensure!(
        !settings.accounts.is_empty(),
        "simulator accounts: at least one is needed"
    );
    for account in &settings.accounts {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        ensure!(
            (1..=64).contains(&account.len()) && account.bytes().all(allowed),
            "simulator accounts: {account:?} is not 1 to 64 letters, digits, - or _"
        );
    }
    ensure!(0 < settings.page_size, "simulator page_size: must be at least 1");
    ensure!(
        settings.empty_page_every != Some(1),
        "simulator empty_page_every: must be at least 2"
    );
    ensure!(
        Duration::ZERO < settings.token_life,
        "simulator token_life: must be longer than 0"
    );
    ensure!(
        Duration::ZERO < settings.callback_timeout,
        "simulator callback_timeout: must be longer than 0"
    );
    Ok(())
}
