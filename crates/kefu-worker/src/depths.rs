//! Gauges of what waits: jobs in the queue, and replies that a person has to decide about.

use std::sync::Arc;
use std::time::Duration;

use kefu_process::every;
use kefu_queue::Lane;
use metrics::gauge;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

const DEPTHS_EVERY: Duration = Duration::from_secs(10);

pub(crate) async fn run(context: Arc<Context>, stop: CancellationToken) -> anyhow::Result<()> {
    every(DEPTHS_EVERY, &stop, || measure(&context)).await
}

/// While queue or database is away, which health says, the gauges keep what was last known.
async fn measure(context: &Context) {
    let (depths, unknown) = tokio::join!(context.queue.depths(), context.store.unknown_replies());
    if let Ok(unknown) = unknown {
        gauge!("kefu_replies_unknown").set(unknown as f64);
    }
    let Ok(depths) = depths else { return };
    for lane in Lane::ALL {
        gauge!("kefu_queue_depth", "lane" => lane.as_str()).set(depths.lane(lane) as f64);
    }
    gauge!("kefu_queue_depth", "lane" => "dead").set(depths.dead as f64);
    let waiting: u64 = depths.retry.iter().map(|step| step.waiting).sum();
    gauge!("kefu_queue_depth", "lane" => "retry").set(waiting as f64);
}
