//! A process of our own executable that is measured from outside.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Client;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

const READY_WITHIN: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(50);

/// Killed when dropped.
pub(super) struct Measured {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Measured {
    /// Starts `kefu <args>` with the environment on top of ours and waits until it is ready.
    pub(super) async fn start(
        client: &Client,
        address: SocketAddr,
        args: &[&str],
        environment: &[(&str, String)],
    ) -> anyhow::Result<Measured> {
        let child = Command::new(std::env::current_exe().context("own executable not found")?)
            .args(args)
            .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("own executable does not start")?;
        let mut measured = Measured { child, address };
        timeout(READY_WITHIN, measured.ready(client))
            .await
            .context("process was not ready in time")??;
        Ok(measured)
    }

    async fn ready(&mut self, client: &Client) -> anyhow::Result<()> {
        let url = format!("http://{}/health/ready", self.address);
        let started_at = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("process ended with {status} after {:?}", started_at.elapsed());
            }
            if client
                .get(&url)
                .send()
                .await
                .is_ok_and(|response| response.status() == 200)
            {
                return Ok(());
            }
            // Polled: a process has no other way to say that it is ready.
            sleep(POLL_EVERY).await;
        }
    }

    /// The most memory it has held so far, in MiB.
    pub(super) fn memory_peak_mib(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib / 1024.0)
    }

    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// A port that was free a moment ago.
pub(super) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
