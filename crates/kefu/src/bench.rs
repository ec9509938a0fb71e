//! Measurements that anybody can repeat: `kefu bench`.

pub(crate) mod bare_handler;
pub(crate) mod end_to_end;
pub(crate) mod ingress;
mod load;
mod process;

use kefu_process::ExitError;
use kefu_queue::QueueSettings;
use kefu_settings::Settings;
use secrecy::ExposeSecret;

/// A prefix of its own, so that a bench never touches the queues of a Kefu that runs on the same broker.
fn own_prefix(settings: Settings) -> (Settings, String) {
    let prefix = format!("kefu_bench_{:08x}", rand::random::<u32>());
    let settings = settings.with("queue.prefix", &prefix);
    (settings, prefix)
}

/// Both handlers publish to the same broker: there is nothing to compare on an embedded queue.
fn needs_broker(settings: &Settings) -> anyhow::Result<QueueSettings> {
    let queue: QueueSettings = settings.section("queue")?;
    match queue.url.expose_secret().starts_with("amqp") {
        true => Ok(queue),
        false => {
            let problem = "this bench needs RabbitMQ: set AMQP_URL, for example with eval \"$(scripts/services start)\"";
            Err(ExitError::refused("queue.url", problem).into())
        }
    }
}

/// The middle value; of two middle ones the mean.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
