use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Data, ServiceConfig};
use kefu_process::health::{Component, ComponentHealth, Health};
use kefu_process::http::{HttpLimits, KeepAlive, bind, serve};
use kefu_process::{Ops, Settings, SettingsError, ops, supervise};
use kefu_queue::Queue;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::apps::Apps;
use crate::callback::{receive, verify};
use crate::lanes::Lanes;
use crate::seldom::Seldom;
use crate::{Ingress, IngressSettings, Limits};

/// How long callbacks in flight may take to end at a stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// The ingress, listening but not yet answering.
pub struct Server {
    listener: TcpListener,
    ops_listener: Option<TcpListener>,
    limits: HttpLimits,
    ingress: Data<Ingress>,
    health: Arc<Health>,
}

impl Server {
    /// Reads the sections `ingress` and `apps` and takes the ports. Errors name the key.
    pub fn bind(settings: &Settings, queue: Queue) -> Result<Server, SettingsError> {
        let (section, apps, lanes) = read(settings)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let limits = HttpLimits {
            header_timeout: section.header_timeout,
            connections_max: section.connections_max.div_ceil(threads),
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            threads: Some(threads),
            keep_alive: KeepAlive::AcceptedPost,
        };
        let health = Health::new(vec![Component::required("queue", {
            let queue = queue.clone();
            move || std::future::ready(queue_health(&queue))
        })]);
        Ok(Server {
            listener: bind(section.listen, "ingress.listen")?,
            ops_listener: section
                .ops_listen
                .map(|listen| bind(listen, "ingress.ops_listen"))
                .transpose()?,
            limits,
            ingress: Data::new(Ingress {
                apps,
                lanes,
                queue,
                limits: Limits {
                    body_max: section.body_max,
                    body_timeout: section.body_timeout,
                },
                strangers: Seldom::default(),
            }),
            health,
        })
    }

    /// Where callbacks are taken; tells the port when the settings said 0.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where metrics and health are served, if on a port of their own.
    pub fn ops_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.ops_listener
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()
    }

    /// Answers until `stop`; callbacks in flight end first.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let (address, ops_address) = (self.address()?, self.ops_address()?);
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
        let server = serve(self.listener, self.limits, stop.clone(), move |config| {
            routes(config, &ingress);
            match has_ops_port {
                true => ops::liveness_only(config, ops.clone()),
                false => ops::configure(config, ops.clone()),
            }
        })?;
        tasks.spawn(async move { Ok(server.await?) });
        info!(http.address = %address, "ingress takes callbacks at http://{address}/callback");
        supervise(tasks, stop).await
    }
}

/// The ingress' own sections, checked.
pub(crate) fn read(settings: &Settings) -> Result<(IngressSettings, Apps, Lanes), SettingsError> {
    let section: IngressSettings = settings.section("ingress")?;
    section.check()?;
    let lanes = Lanes::parse(&section.lanes)?;
    let apps = Apps::new(&settings.entries("apps")?)?;
    Ok((section, apps, lanes))
}

fn routes(config: &mut ServiceConfig, ingress: &Data<Ingress>) {
    config.app_data(ingress.clone());
    for path in ["/callback", "/callback/{app}"] {
        config.service(
            web::resource(path)
                .route(web::get().to(verify))
                .route(web::post().to(receive)),
        );
    }
}

fn queue_health(queue: &Queue) -> ComponentHealth {
    let health = queue.health();
    match (health.connected, health.blocked) {
        (true, false) => ComponentHealth::healthy(health.detail),
        _ => ComponentHealth::unhealthy(health.detail),
    }
}

/// Not ready from the moment of the stop, so that no new callbacks are routed here while the last ones end.
async fn drain_on(stop: CancellationToken, health: Arc<Health>) -> anyhow::Result<()> {
    stop.cancelled().await;
    health.drain();
    Ok(())
}
