//! Kefu was away for a while, and so were WeCom's callbacks.

use kefu_simulator::Effect;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::harness::{ACCOUNT, Kefu, Log, tagged, wake_up};

/// The database's clock half an hour later.
const LATER: &str = "
    DROP VIEW clock;
    CREATE VIEW clock AS SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) + 1800000 AS now_ms;";

/// More pages than one job pulls. On one thread, so that log and counters are this test's alone.
#[tokio::test]
async fn a_catch_up_after_an_outage_is_told_once_and_answers_everything() {
    let (log, _log) = Log::capture();
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _metrics = metrics::set_default_local_recorder(&recorder);
    let mut kefu = Kefu::with(|setup| setup.simulator.page_size = 1).await;
    kefu.writes("wm0", &tagged(0)).await;
    kefu.handled_all(1).await;

    kefu.stop_workers().await;
    kefu.fault("callback", Effect::Drop);
    for number in 1..=60 {
        kefu.writes(&format!("wm{}", number % 20), &tagged(number)).await;
    }
    kefu.until("nobody was told", async || kefu.report().callbacks_dropped == 60)
        .await;
    kefu.change(LATER).await;
    kefu.simulator.clear_faults();
    kefu.start_worker();
    kefu.publish(&wake_up("default", ACCOUNT)).await;
    kefu.until("the end of the stream", async || {
        !log.lines("came late").is_empty()
    })
    .await;
    // Turns that found their account catching up wait for their rows, half a minute.
    kefu.change("UPDATE conversation SET wake_at = 1 WHERE wake_at IS NOT NULL AND lease_owner IS NULL")
        .await;
    kefu.handled_all(61).await;
    kefu.assert_each_answered_once(61);

    let told = log.lines("came late");
    assert_eq!(told.len(), 1, "{told:?}");
    let line = format!("account {ACCOUNT} is caught up: 60 messages came late, the oldest by 1");
    assert!(told[0].contains(" INFO ") && told[0].contains(&line), "{told:?}");
    let successors = log.lines("pulling on in another job");
    assert_eq!(successors.len(), 1, "{successors:?}");
    assert!(successors[0].contains("job.lane=\"low\""), "{successors:?}");
    let text = metrics.render();
    assert!(text.contains("kefu_messages_late_total 60"), "{text}");
}
