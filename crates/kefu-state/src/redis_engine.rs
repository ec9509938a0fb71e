use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deadpool_redis::{Manager, Pool, PoolConfig, PoolError, Runtime, TimeoutType, Timeouts};
use kefu_settings::SettingsError;
use redis::{AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, FromRedisValue};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::availability::{Availability, Pass, WAIT_FIRST};
use crate::error::{Failure, StateError};
use crate::scripts;
use crate::settings::StateSettings;
use crate::state::count;

/// For one operation in all: waiting for a connection, making one, and the answer.
const OPERATION_MAX: Duration = Duration::from_secs(1);
const _: () = assert!(
    OPERATION_MAX.as_millis() <= WAIT_FIRST.as_millis(),
    "tries of an away Redis overlap"
);
/// Between two lines about a key that holds something else.
const WRONG_KEY_EVERY: Duration = Duration::from_secs(60);
/// For a connection that others of this process are using.
const POOL_WAIT_MAX: Duration = Duration::from_millis(500);

/// Redis behind a pool, with the memory of whether it is there.
pub(crate) struct RedisEngine {
    pool: Pool,
    availability: Availability,
    /// Host, port and database index; no user, no password.
    address: String,
    prefix: String,
    /// When it was last said that a key holds something else.
    wrong_key: Mutex<Option<Instant>>,
}

impl RedisEngine {
    /// Fails only when Redis answers and refuses, or the settings are impossible.
    pub(crate) async fn open(
        info: ConnectionInfo,
        settings: &StateSettings,
        prefix: &str,
    ) -> Result<RedisEngine, StateError> {
        let address = format!("{}/{}", info.addr(), info.redis_settings().db());
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            prepare_tls()?;
        }
        let pool = pool(info, settings).map_err(|failure| failure.into_error(&address))?;
        let prefix = prefix.to_owned();
        let engine = RedisEngine {
            pool,
            availability: Availability::default(),
            address,
            prefix,
            wrong_key: Mutex::default(),
        };
        let start_max = settings.connect_timeout.saturating_add(settings.command_timeout);
        let mut probed = engine
            .ask::<redis::Value>(&scripts::probe(&engine.prefix), start_max)
            .await;
        if probed.is_ok() {
            // Rights to another family of keys, which users of earlier versions do not have.
            let said = scripts::probe_said(&engine.prefix);
            probed = engine.ask::<redis::Value>(&said, start_max).await;
        }
        match probed {
            Ok(_) | Err(Failure::Key(_)) => report_degraded(false),
            Err(Failure::Refused(problem)) => {
                return Err(Failure::Refused(problem).into_error(&engine.address));
            }
            Err(Failure::Away(reason)) => engine.went_away(Pass::Normal, &reason),
        }
        Ok(engine)
    }

    /// The answer, or None when Redis is away or has no fitting one: the caller goes on with its memory.
    pub(crate) async fn run<T: FromRedisValue>(&self, operation: &'static str, command: Cmd) -> Option<T> {
        let pass = self.availability.pass(Instant::now())?;
        let asked = self.ask(&command, OPERATION_MAX).await;
        let outcome = if asked.is_ok() { "ok" } else { "failed" };
        count("redis", operation, outcome);
        match asked {
            Ok(answer) => {
                self.came_back(pass);
                Some(answer)
            }
            Err(Failure::Key(reason)) => {
                self.came_back(pass);
                if self.says_wrong_key(Instant::now()) {
                    warn!(
                        state.operation = operation,
                        "a key of ours in redis holds something else: {reason}"
                    );
                }
                None
            }
            Err(Failure::Refused(reason) | Failure::Away(reason)) => {
                self.went_away(pass, &reason);
                None
            }
        }
    }

    /// Every operation meets it, and it stays until somebody mends it.
    fn says_wrong_key(&self, now: Instant) -> bool {
        let mut said_at = self.wrong_key.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = said_at.is_none_or(|said_at| WRONG_KEY_EVERY <= now.duration_since(said_at));
        if is_due {
            *said_at = Some(now);
        }
        is_due
    }

    /// How long Redis takes for a write that changes nothing.
    pub(crate) async fn ping(&self) -> Result<Duration, StateError> {
        let started = Instant::now();
        if self
            .run::<redis::Value>("ping", scripts::probe(&self.prefix))
            .await
            .is_some()
        {
            return Ok(started.elapsed());
        }
        let reason = self
            .away()
            .map_or_else(|| "did not answer the ping".to_owned(), |(reason, _)| reason);
        Err(Failure::Away(reason).into_error(&self.address))
    }

    pub(crate) fn away(&self) -> Option<(String, Duration)> {
        self.availability.away(Instant::now())
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn ask<T: FromRedisValue>(&self, command: &Cmd, limit: Duration) -> Result<T, Failure> {
        let asked = timeout(limit, async {
            let mut connection = self.pool.get().await.map_err(unavailable)?;
            command
                .query_async(&mut connection)
                .await
                .map_err(|error| Failure::of(&error))
        });
        asked
            .await
            .unwrap_or_else(|_| Err(Failure::Away(format!("no answer within {limit:?}"))))
    }

    fn went_away(&self, pass: Pass, reason: &str) {
        if !self.availability.failed(pass, reason, Instant::now()) {
            return;
        }
        // Connections to a silent server would each cost a later try its whole time.
        drop(self.pool.retain(|_, _| false));
        report_degraded(true);
        warn!(
            state.address = self.address,
            "redis at {} is away, memory stands in until it is back: {reason}", self.address
        );
    }

    fn came_back(&self, pass: Pass) {
        if let Some(away) = self.availability.answered(pass, Instant::now()) {
            report_degraded(false);
            info!(
                state.address = self.address,
                "redis at {} is back after {} s",
                self.address,
                away.as_secs()
            );
        }
    }
}

fn pool(info: ConnectionInfo, settings: &StateSettings) -> Result<Pool, Failure> {
    let timeouts = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.connect_timeout))
        .set_response_timeout(Some(settings.command_timeout));
    let manager = Manager::new_with_config(info, timeouts).map_err(|error| Failure::of(&error))?;
    let config = PoolConfig {
        max_size: settings.pool,
        // Without these the pool waits for ever.
        timeouts: Timeouts {
            wait: Some(POOL_WAIT_MAX),
            create: Some(settings.connect_timeout),
            recycle: Some(settings.command_timeout),
        },
        ..PoolConfig::default()
    };
    let pool = Pool::builder(manager)
        .config(config)
        .runtime(Runtime::Tokio1)
        .build();
    pool.map_err(|error| Failure::Refused(format!("cannot be used: {error}")))
}

fn unavailable(error: PoolError) -> Failure {
    match error {
        PoolError::Backend(error) => Failure::of(&error),
        PoolError::Timeout(TimeoutType::Wait) => Failure::Away("no free connection in the pool".to_owned()),
        PoolError::Timeout(_) => Failure::Away("no connection in time".to_owned()),
        other => Failure::Away(other.to_string()),
    }
}

/// The client builds its TLS configuration itself, from the process's provider and the system's certificates.
fn prepare_tls() -> Result<(), StateError> {
    // An error means that a provider is installed already, which is just as good.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() || !found.errors.is_empty() {
        let problem = "`rediss://` needs the CA certificates of the system, which cannot be read \
                       (install ca-certificates, or set SSL_CERT_FILE)";
        return Err(SettingsError::new("state.url", problem).into());
    }
    Ok(())
}

fn report_degraded(degraded: bool) {
    metrics::gauge!("kefu_state_degraded").set(if degraded { 1.0 } else { 0.0 });
}
