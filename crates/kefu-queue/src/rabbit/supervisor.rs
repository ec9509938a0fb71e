use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use lapin::Event;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::Shared;
use super::connection::{ConnectError, is_of_a_channel};
use super::link::{CLOSE_LOST_TIMEOUT, CLOSE_TIMEOUT, Link, Side, State};
use super::topology::MISSING_PAUSE;
use crate::QueueError;
use crate::backoff::backoff;

/// The wait between two attempts to connect doubles so often, to 3.2 s: a broker that is back is used again within 5 s.
const RECONNECT_DOUBLINGS: u32 = 4;

/// How often the broker is asked for a sign of life, by declaring the queues again …
const WATCHDOG_EVERY: Duration = Duration::from_secs(15);

/// … and how long it may take to answer.
const WATCHDOG_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects, watches, connects again; one attempt at a time, for ever.
pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    /// How the connection at the opening went, or why there was none. Told when it runs: a role says first who it is.
    first: Result<Arc<Link>, String>,
}

/// Why a link is given up.
enum End {
    Stopped,
    Lost(String),
}

impl Supervisor {
    pub(super) fn new(shared: Arc<Shared>, first: Result<Arc<Link>, String>) -> Supervisor {
        if let Ok(link) = &first {
            shared.state.send_replace(State::up(Arc::clone(link)));
        }
        Supervisor { shared, first }
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), QueueError> {
        let first = std::mem::replace(&mut self.first, Err(String::new()));
        let url = self.shared.address.shown.as_str();
        match &first {
            Ok(_) => info!(url, "connected to the broker"),
            Err(reason) => warn!(url, reason, "broker does not answer; trying on"),
        }
        let mut first = first.ok();
        let mut generation = 1;
        loop {
            let link = match first.take() {
                Some(link) => link,
                None => {
                    generation += 1;
                    let connected = stop.run_until_cancelled(self.connect(generation)).await;
                    let Some(link) = connected else { return Ok(()) };
                    self.shared.state.send_replace(State::up(Arc::clone(&link)));
                    link
                }
            };
            let end = self.watch(&link, &stop).await;
            let (detail, close_within) = match &end {
                End::Stopped => ("closed".to_owned(), CLOSE_TIMEOUT),
                End::Lost(reason) => {
                    warn!(
                        url = self.shared.address.shown,
                        reason, "connection to the broker lost"
                    );
                    (format!("connection lost: {reason}"), CLOSE_LOST_TIMEOUT)
                }
            };
            self.shared.state.send_replace(State::down(detail));
            link.close(close_within).await;
            if matches!(end, End::Stopped) {
                return Ok(());
            }
        }
    }

    async fn connect(&self, generation: u64) -> Arc<Link> {
        let shared = &self.shared;
        let mut failures = 0;
        let mut said = String::new();
        loop {
            sleep(backoff(failures.min(RECONNECT_DOUBLINGS))).await;
            let (is_refused, reason) = match Link::connect(&shared.address, &shared.names, generation).await {
                Ok(link) => {
                    info!(url = shared.address.shown, "connected to the broker");
                    return link;
                }
                Err(ConnectError::Refused(reason)) => (true, reason),
                Err(ConnectError::Unavailable(reason)) => (false, reason),
            };
            let text = match is_refused {
                true => "broker refuses",
                false => "broker does not answer",
            };
            // Said once for each reason, not at each of the many attempts.
            match is_refused {
                _ if reason == said => (),
                // For a person to mend.
                true => error!(url = shared.address.shown, reason, "{text}; trying on"),
                false => warn!(url = shared.address.shown, reason, "{text}; trying on"),
            }
            shared.state.send_replace(match is_refused {
                // The reason says what to do.
                true => State::down(format!("{text}: {reason}")),
                false => State::unanswered(&reason),
            });
            said = reason;
            failures += 1;
        }
    }

    /// Returns when the link is of no more use.
    async fn watch(&self, link: &Link, stop: &CancellationToken) -> End {
        let mut events = link.take_events();
        let mut watchdog = interval_at(Instant::now() + WATCHDOG_EVERY, WATCHDOG_EVERY);
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if !link.is_connected() {
                return End::Lost("closed by the broker".to_owned());
            }
            let checked = tokio::select! {
                biased;
                () = stop.cancelled() => return End::Stopped,
                event = events.next() => match event {
                    Some((side, event)) => self.note(link, side, event),
                    None => Err("no more events".to_owned()),
                },
                () = link.failed.notified() => Err("publishes are not confirmed".to_owned()),
                () = link.repair.notified() => {
                    sleep(MISSING_PAUSE).await;
                    self.check(link).await
                }
                _ = watchdog.tick() => self.check(link).await,
            };
            if let Err(reason) = checked {
                return End::Lost(reason);
            }
        }
    }

    fn note(&self, link: &Link, side: Side, event: Event) -> Result<(), String> {
        match event {
            Event::ConnectionBlocked(reason) => {
                warn!(?side, reason, "broker blocks publishing");
                if side == Side::Publish {
                    link.publisher.set_blocked(true);
                    self.describe(&format!(
                        "blocked by the broker: {reason}; give it memory or disk, `rabbitmqctl list_alarms` names what"
                    ));
                }
            }
            Event::ConnectionUnblocked => {
                info!(?side, "broker takes messages again");
                if side == Side::Publish {
                    link.publisher.set_blocked(false);
                    self.describe("connected");
                }
            }
            // The end of a channel concerns its user alone, who opens another one.
            Event::Error(error) if is_of_a_channel(&error) => {
                debug!(?side, error = %error, "channel ended by the broker");
            }
            Event::Error(error) => return Err(error.to_string()),
            _ => (),
        }
        Ok(())
    }

    fn describe(&self, detail: &str) {
        self.shared
            .state
            .send_modify(|state| detail.clone_into(&mut state.detail));
    }

    /// A sign of life that also brings back what somebody deleted.
    ///
    /// A queue that somebody has replaced, or a permission that was taken away, is met here as it is by a process
    /// that starts: nothing is taken until it is mended, and the reason is shown.
    async fn check(&self, link: &Link) -> Result<(), String> {
        let declared = timeout(WATCHDOG_TIMEOUT, self.shared.names.declare(&link.consume)).await;
        match declared.map(|declared| declared.map_err(ConnectError::from)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(ConnectError::Unavailable(reason))) if link.is_connected() => {
                error!(reason, "queue cannot be declared");
                Ok(())
            }
            Ok(Err(ConnectError::Refused(reason) | ConnectError::Unavailable(reason))) => Err(reason),
            Err(_) => Err(format!("no sign of life within {WATCHDOG_TIMEOUT:?}")),
        }
    }
}
