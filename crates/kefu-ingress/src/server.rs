use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use kefu_domain::counted;
use kefu_process::health::Health;
use kefu_process::http::{HttpLimits, KeepAlive, Paths, bind, serve};
use kefu_process::{Ops, leave, metrics, ops, supervise};
use kefu_queue::{Outlet, Queue, QueueError, QueueSettings, SpoolDriver};
use kefu_settings::{Settings, SettingsError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::METRICS;
use crate::apps::Apps;
use crate::callback::{receive, verify};
use crate::check::own;
use crate::elsewhere::{Elsewhere, not_found, wrong_method};
use crate::health::components;
use crate::lanes::Lanes;
use crate::path::CallbackPath;
use crate::{Ingress, IngressSettings, Limits};

/// How long callbacks in flight may take to end at a stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The ingress, listening but not yet answering.
pub struct Server {
    front: Front,
    spool: SpoolDriver,
}

/// All that answers.
struct Front {
    listener: TcpListener,
    ops_listener: Option<TcpListener>,
    limits: HttpLimits,
    ingress: Data<Ingress>,
    health: Arc<Health>,
}

impl Server {
    /// Reads its sections, takes the ports and opens the disk spool. Errors name the key.
    pub async fn bind(settings: &Settings, queue: Queue) -> Result<Server, SettingsError> {
        let (section, path, apps, lanes) = read(settings)?;
        metrics::describe(METRICS);
        let listener = bind(section.listen, "ingress.listen")?;
        let ops_listener = section
            .ops_listen
            .map(|listen| bind(listen, "ingress.ops_listen"))
            .transpose()?;
        let (outlet, spool) = open_outlet(settings, queue).await?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let limits = HttpLimits {
            header_timeout: section.header_timeout,
            connections_max: section.connections_max.div_ceil(threads),
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            threads: Some(threads),
            keep_alive: KeepAlive::AcceptedPost,
            paths: Paths::AnySlashes,
        };
        let front = Front {
            listener,
            ops_listener,
            limits,
            health: Health::new(components(&outlet)),
            ingress: Data::new(Ingress {
                path,
                apps,
                lanes,
                outlet,
                limits: Limits {
                    body_max: section.body_max,
                    body_timeout: section.body_timeout,
                },
                elsewhere: Elsewhere::default(),
            }),
        };
        Ok(Server { front, spool })
    }

    /// Where callbacks are taken; tells the port when the settings said 0.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.front.listener.local_addr()
    }

    /// Where metrics and health are served, if on a port of their own.
    pub fn ops_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.front.ops_address()
    }

    /// Answers until `stop`; callbacks in flight end first, then the spool, which they may still need.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Server { front, spool } = self;
        let outlet = front.ingress.outlet.clone();
        let spool_stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let driver_stop = spool_stop.clone();
        tasks.spawn(async move {
            spool.run(driver_stop).await;
            Ok(())
        });
        let front_stop = stop.clone();
        tasks.spawn(async move {
            // Dropped in any case, a panic included: nothing else would end the spool.
            let _spool_stop = spool_stop.drop_guard();
            front.answer(front_stop).await
        });
        supervise(tasks, stop).await?;
        let held = outlet.spool_health().map_or(0, |spool| spool.jobs);
        if 0 < held {
            leave(format!(
                "{} in the disk spool, for the next start",
                counted(held, "job")
            ));
        }
        Ok(())
    }
}

impl Front {
    fn ops_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.ops_listener
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()
    }

    async fn answer(self, stop: CancellationToken) -> anyhow::Result<()> {
        let (address, ops_address) = (self.listener.local_addr()?, self.ops_address()?);
        let ops = Data::new(Ops::new("ingress", Arc::clone(&self.health)));
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&self.health).run(stop.clone()));
        tasks.spawn(drain_on(stop.clone(), self.health));
        let has_ops_port = ops_address.is_some();
        if let Some(listener) = self.ops_listener {
            let ops = ops.clone();
            let server = serve(listener, HttpLimits::default(), stop.clone(), move |config| {
                ops::configure(config, ops.clone());
            })?;
            tasks.spawn(async move { Ok(server.await?) });
            if let Some(address) = ops_address {
                info!(http.address = %address, "ingress serves metrics at http://{address}/metrics");
            }
        }
        let ingress = self.ingress;
        let path = ingress.path.as_str().to_owned();
        let server = serve(self.listener, self.limits, stop.clone(), move |config| {
            routes(config, &ingress);
            match has_ops_port {
                true => ops::liveness_only(config, ops.clone()),
                false => ops::configure(config, ops.clone()),
            }
        })?;
        tasks.spawn(async move { Ok(server.await?) });
        info!(http.address = %address, "ingress takes callbacks at http://{address}{path}");
        supervise(tasks, stop).await
    }
}

/// The ingress' own sections, checked.
pub(crate) fn read(
    settings: &Settings,
) -> Result<(IngressSettings, CallbackPath, Apps, Lanes), SettingsError> {
    let section: IngressSettings = settings.section("ingress")?;
    if let Some(problem) = section.problems().into_iter().next() {
        return Err(problem);
    }
    let path = CallbackPath::parse(&section.path)?;
    let lanes = Lanes::parse(&section.lanes)?;
    let apps = Apps::new(&own(settings).entries("apps")?)?;
    Ok((section, path, apps, lanes))
}

async fn open_outlet(settings: &Settings, queue: Queue) -> Result<(Outlet, SpoolDriver), SettingsError> {
    let section: QueueSettings = settings.section("queue")?;
    Outlet::open(queue, &section).await.map_err(|error| match error {
        QueueError::Refused(error) => error,
        other => SettingsError::new("queue.spool", other.to_string()),
    })
}

fn routes(config: &mut ServiceConfig, ingress: &Data<Ingress>) {
    config.app_data(ingress.clone());
    for path in [ingress.path.as_str().to_owned(), ingress.path.of_apps()] {
        config.service(
            web::resource(path)
                .route(web::get().to(verify))
                .route(web::post().to(receive))
                .default_service(web::to(wrong_method)),
        );
    }
    config.default_service(web::to(not_found));
}

/// Not ready from the moment of the stop, so that no new callbacks are routed here while the last ones end.
async fn drain_on(stop: CancellationToken, health: Arc<Health>) -> anyhow::Result<()> {
    stop.cancelled().await;
    health.drain();
    Ok(())
}
