//! Both roles in one process, over one queue.

use std::net::SocketAddr;

use anyhow::Context;
use kefu_ingress::Server;
use kefu_process::{supervise, telemetry};
use kefu_queue::{Driver, Queue, Roles};
use kefu_settings::{Settings, SettingsErrors};
use kefu_worker::{Worker, open_queue};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Ingress and worker with their ports taken.
pub(crate) struct BothRoles {
    queue: Queue,
    driver: Driver,
    ingress: Server,
    worker: Worker,
}

impl BothRoles {
    pub(crate) async fn bind(settings: &Settings) -> anyhow::Result<BothRoles> {
        // Before a file is made or a broker asked: a wrong key ends the start.
        SettingsErrors::check(kefu_ingress::problems(settings, Roles::Both))?;
        let worker = Worker::bind(settings)?;
        let (queue, driver) = open_queue(settings, Roles::Both).await?;
        let ingress = Server::bind(settings, queue.clone()).await?;
        Ok(BothRoles {
            queue,
            driver,
            ingress,
            worker,
        })
    }

    /// Where callbacks are taken.
    pub(crate) fn callback_address(&self) -> std::io::Result<SocketAddr> {
        self.ingress.address()
    }

    /// Runs both until `stop`. The queue ends last: callbacks and jobs in flight still need it.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let BothRoles {
            queue,
            driver,
            ingress,
            worker,
        } = self;
        telemetry::first_line("kefu");
        let queue_stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let driver_stop = queue_stop.clone();
        tasks.spawn(async move { driver.run(driver_stop).await.context("queue failed") });
        let roles_stop = stop.clone();
        tasks.spawn(async move {
            // Dropped in any case, a panic included: nothing else would end the queue.
            let _queue_stop = queue_stop.drop_guard();
            let mut roles = JoinSet::new();
            roles.spawn(ingress.run(roles_stop.clone()));
            roles.spawn(worker.run(queue, roles_stop.clone()));
            supervise(roles, roles_stop).await
        });
        supervise(tasks, stop).await
    }
}
