//! The contract where many want something at once, or stop wanting it.

use kefu_queue::{Lane, PublishError, Verdict};
use serde_json::json;
use tokio::task::JoinSet;

use crate::bench::{Bench, SOON, done, eventually, job, kind, settled, soon};
use crate::conformance::conformance;

conformance!(
    a_job_that_is_too_large_is_refused,
    a_paused_consumer_takes_nothing,
    many_publishers_at_once_lose_nothing,
    stop_ends_the_wait,
    a_cancelled_wait_loses_nothing,
    publishing_works_from_another_runtime,
    depths_count_what_waits,
);

async fn a_job_that_is_too_large_is_refused(bench: &Bench) {
    let mut job = job(Lane::Low, "app.event");
    job.payload = json!("x".repeat(kefu_queue::BODY_BYTES_MAX));
    let refused = bench.queue.publish(&job, SOON).await;
    assert!(matches!(refused, Err(PublishError::TooLarge { .. })));
    job.payload = json!("x".repeat(kefu_queue::BODY_BYTES_MAX - 1024));
    bench.queue.publish(&job, SOON).await.unwrap();
    let delivery = bench.take(Lane::Low).await;
    assert_eq!(delivery.job.as_ref().unwrap(), &job);
    // The largest one can still be retried.
    settled(
        delivery,
        Verdict::Retry {
            step: 0,
            error: String::new(),
        },
    )
    .await;
    done(bench.take(Lane::Low).await).await;
}

async fn a_paused_consumer_takes_nothing(bench: &Bench) {
    let mut consumer = bench.queue.consumer(Lane::Medium);
    bench.nothing_comes(&mut consumer).await;
    consumer.pause().await;
    bench.publish(Lane::Medium, "kf.turn").await;
    eventually(async || bench.queue.depths().await.unwrap().medium == 1).await;
    let delivery = bench.next(&mut consumer).await;
    assert!(!delivery.redelivered);
    done(delivery).await;
}

async fn many_publishers_at_once_lose_nothing(bench: &Bench) {
    let mut publishers = JoinSet::new();
    for publisher in 0..64 {
        let queue = bench.queue.clone();
        publishers.spawn(async move {
            for number in 0..5 {
                let job = job(Lane::Low, &format!("{publisher}-{number}"));
                queue.publish(&job, SOON).await.unwrap();
            }
        });
    }
    soon(publishers.join_all()).await;
    assert_eq!(bench.queue.depths().await.unwrap().low, 320);
    let mut kinds = std::collections::BTreeSet::new();
    let mut consumer = bench.queue.consumer(Lane::Low);
    for _ in 0..320 {
        let delivery = bench.next(&mut consumer).await;
        kinds.insert(kind(&delivery).to_owned());
        done(delivery).await;
    }
    assert_eq!(kinds.len(), 320);
}

async fn stop_ends_the_wait(bench: &Bench) {
    let mut consumer = bench.queue.consumer(Lane::High);
    let stopped = async {
        bench.stop.cancel();
    };
    let (next, ()) = soon(async { tokio::join!(consumer.next(&bench.stop), stopped) }).await;
    assert!(next.is_none());
}

async fn a_cancelled_wait_loses_nothing(bench: &Bench) {
    let mut consumer = bench.queue.consumer(Lane::High);
    for _ in 0..20 {
        let publish = bench.publish(Lane::High, "kf.sync");
        let next = consumer.next(&bench.stop);
        let early = tokio::select! {
            biased;
            delivery = next => delivery,
            _ = publish => None,
        };
        if let Some(delivery) = early {
            // Came while its own confirm was still under way: that publish was dropped, not lost.
            done(delivery).await;
            continue;
        }
        let delivery = bench.next(&mut consumer).await;
        done(delivery).await;
    }
}

async fn publishing_works_from_another_runtime(bench: &Bench) {
    let queue = bench.queue.clone();
    let published = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(queue.publish(&job(Lane::High, "kf.sync"), SOON))
    });
    soon(published).await.unwrap().unwrap();
    // That runtime is gone; what it opened still works from here, and the other way round.
    bench.publish(Lane::High, "kf.sync").await;
    let mut consumer = bench.queue.consumer(Lane::High);
    for _ in 0..2 {
        done(bench.next(&mut consumer).await).await;
    }
}

async fn depths_count_what_waits(bench: &Bench) {
    bench.publish(Lane::Low, "one").await;
    bench.publish(Lane::Low, "two").await;
    bench.publish(Lane::High, "three").await;
    let delivery = bench.take(Lane::High).await;
    settled(
        delivery,
        Verdict::Dead {
            reason: "permanent".to_owned(),
            error: String::new(),
        },
    )
    .await;
    let delivery = bench.take(Lane::Low).await;
    settled(
        delivery,
        Verdict::Parked {
            step: 1,
            reason: String::new(),
        },
    )
    .await;
    eventually(async || {
        let depths = bench.queue.depths().await.unwrap();
        let waiting: u64 = depths.retry.iter().map(|retry| retry.waiting).sum();
        (depths.high, depths.medium, depths.low + waiting, depths.dead) == (0, 0, 2, 1)
    })
    .await;
    let depths = bench.queue.depths().await.unwrap();
    assert_eq!(depths.retry.len(), 6);
    let health = bench.queue.health();
    assert!(health.connected && !health.blocked);
}
