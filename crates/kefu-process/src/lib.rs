//! What every process of Kefu needs: telemetry, health, HTTP server set-up, stop token, supervision.
//!
//! It hides `tracing-subscriber`, OpenTelemetry, the Prometheus recorder,
//! signals and the TLS provider. Nothing in here knows what a callback, a job or a message is.

pub mod breaker;
pub mod causes;
pub mod clock;
pub mod color;
pub mod crash;
mod every;
pub mod exit;
pub mod health;
pub mod http;
pub mod metrics;
pub mod ops;
pub mod seldom;
mod stderr;
pub mod stop;
pub mod telemetry;
pub mod tls;
pub mod trace;

/// What `kefu --version`, health, metrics and the first line of a role say.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub use breaker::{Breaker, BreakerState};
pub use causes::chain;
pub use every::every;
pub use exit::{ExitError, run_process};
pub use health::{Component, ComponentHealth, Health, Status};
pub use ops::Ops;
pub use seldom::Seldom;
pub use stop::{leave, stop_on_signal, supervise};
pub use telemetry::{LogFormat, LogSettings, Telemetry};
